//! `/openapi.json`: the API, generated from the types that answer.

use axum::response::{IntoResponse, Response};
use axum::{Json, http::header};
use utoipa::OpenApi;
use utoipa::openapi::{Content, Ref, ResponseBuilder};

use super::problem::{self, Problem};

const DESCRIPTION: &str = "Search and read an archive of Telegram. A listener may require sealed (encrypted) requests, and every \
operation under /v1 accepts them: the request is a JWE in the body of a POST, of type application/jose, or in the \
`Authorization: Bearer` header of a GET; the response is a JWE too, with the outer status 200 and the true status inside. See \
docs/http.md and docs/sealing.md.";

#[derive(OpenApi)]
#[openapi(
    info(title = "Telescribe", description = DESCRIPTION),
    components(schemas(Problem)),
    tags(
        (name = "search", description = "Searching"),
        (name = "archive", description = "Reading"),
        (name = "crawl", description = "Completeness of the crawl"),
        (name = "program", description = "Status, jobs and joining"),
    ),
)]
pub(super) struct Description;

/// Adds to every operation under `/v1` what any of them may answer: a problem.
pub(super) fn complete(description: &mut utoipa::openapi::OpenApi) {
    let problem = || {
        ResponseBuilder::new()
            .description("An error; `code` tells which.")
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
