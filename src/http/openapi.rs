//! `/openapi.json`: the API, generated from the types that answer.

use axum::response::{IntoResponse, Response};
use axum::{Json, http::header};
use utoipa::OpenApi;
use utoipa::openapi::{Content, Ref, ResponseBuilder};

use super::problem::{self, Problem};

const DESCRIPTION: &str = "Search and read an archive of Telegram. Where a listener asks for sealed requests, every operation under \
/v1 takes them: a POST's body of type application/jose, or a GET's `Authorization: Bearer`, holds the request as a JWE; the answer \
is a JWE too, of outer status 200, with the true status inside. See docs/http.md and docs/sealing.md.";

#[derive(OpenApi)]
#[openapi(
    info(title = "Telescribe", description = DESCRIPTION),
    components(schemas(Problem)),
    tags(
        (name = "search", description = "Finding"),
        (name = "archive", description = "Reading"),
        (name = "crawl", description = "Completeness"),
        (name = "program", description = "Status and jobs"),
    ),
)]
pub(super) struct Description;

/// Adds to every operation under `/v1` what any of them may answer: a problem.
pub(super) fn complete(description: &mut utoipa::openapi::OpenApi) {
    let problem = || {
        ResponseBuilder::new()
            .description("A problem; `code` says which.")
            .content(problem::MEDIA_TYPE, Content::new(Some(Ref::from_schema_name("Problem"))))
            .build()
    };
    for item in description.paths.paths.values_mut() {
        for operation in [&mut item.get, &mut item.post].into_iter().flatten() {
            operation.responses.responses.insert("default".to_owned(), problem().into());
        }
    }
}

/// The answer, made once.
pub(super) fn answer(description: &utoipa::openapi::OpenApi) -> Response {
    ([(header::CACHE_CONTROL, "no-cache")], Json(description)).into_response()
}
