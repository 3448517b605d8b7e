//! `/openapi.json`: the API, generated from the types that answer.

use axum::response::{IntoResponse, Response};
use axum::{Json, http::header};
use utoipa::OpenApi;

const DESCRIPTION: &str = "Search and read an archive of Telegram. Where a listener asks for sealed requests, every operation under \
/v1 takes them: a POST's body of type application/jose, or a GET's `Authorization: Bearer`, holds the request as a JWE; the answer \
is a JWE too, of outer status 200, with the true status inside. See docs/http.md and docs/sealing.md.";

#[derive(OpenApi)]
#[openapi(
    info(title = "Telescribe", description = DESCRIPTION),
    tags(
        (name = "search", description = "Finding"),
        (name = "archive", description = "Reading"),
        (name = "crawl", description = "Completeness"),
        (name = "program", description = "Status"),
    ),
)]
pub(super) struct Description;

/// The answer, made once.
pub(super) fn answer(description: &utoipa::openapi::OpenApi) -> Response {
    ([(header::CACHE_CONTROL, "no-cache")], Json(description)).into_response()
}
