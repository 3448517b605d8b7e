//! `/openapi.json`: the API, generated from the types that answer.

use axum::response::{IntoResponse, Response};
use axum::{Json, http::header};
use serde_json::{Value, json};
use utoipa::OpenApi;
use utoipa::openapi::{Content, Ref, ResponseBuilder};

use super::problem::{self, Problem};

const DESCRIPTION: &str = "Search and read an archive of Telegram. A listener may require sealed (encrypted) requests. Whatever is asked sealed is \
one request, `POST /v1/sealed`: method, path and query, and body of any other operation are inside a JWE, and so are the status and the body \
of its response. `GET /v1/sealed` tells whether requests must be sealed. See docs/http.md and docs/sealing.md.";
/// How a request is sealed, as far as OpenAPI can say it.
const SEALED_SCHEME: &str = "The body is a JWE (RFC 7516) in compact serialisation, `alg` `dir` and `enc` `A256CBC-HS512`, made with a key of \
`telescribe key new`; who can make it holds the key. See docs/sealing.md.";

#[derive(OpenApi)]
#[openapi(
    info(title = "Telescribe", description = DESCRIPTION),
    components(schemas(Problem)),
    tags(
        (name = "sealing", description = "Sealed (encrypted) requests"),
        (name = "search", description = "Searching"),
        (name = "archive", description = "Reading"),
        (name = "crawl", description = "Completeness of the crawl"),
        (name = "watches", description = "Saved queries, run against what is new"),
        (name = "program", description = "Status, jobs and joining"),
    ),
)]
pub(super) struct Description;

/// Adds to every operation under `/v1` what any of them may answer, a problem; and the scheme of sealed requests. Returns the document.
pub(super) fn complete(description: &mut utoipa::openapi::OpenApi) -> Value {
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
    let mut document = serde_json::to_value(description).unwrap_or_default();
    // A scheme that is not among those that the library knows.
    document["components"]["securitySchemes"] =
        json!({ "sealed": { "type": "http", "scheme": "Sealed", "description": SEALED_SCHEME } });
    document
}

/// The answer, made once.
pub(super) fn answer(description: &Value) -> Response {
    ([(header::CACHE_CONTROL, "no-cache")], Json(description)).into_response()
}
