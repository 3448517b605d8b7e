//! `/openapi.json`: the API, generated from the types that answer.
//!
//! The library makes paths and schemas of attributes and doc comments. What it cannot say, and what holds for many operations alike, is added to
//! the finished document: what any of them may be refused with (`problems`); words, bounds, forms and examples of values (`values`).

mod problems;
mod values;

use serde_json::{Map, Value, json};
use utoipa::OpenApi;

use super::etag::Tagged;
use super::problem::Problem;
use super::sealed;
use super::settings::Settings;

const DESCRIPTION: &str = "Search and read an archive of Telegram. A listener may require sealed (encrypted) requests. Whatever is asked sealed is \
one request, `POST /v1/sealed`: method, path and query, and body of any other operation are inside a JWE, and so are the status and the body \
of its response. `GET /v1/sealed` tells whether requests must be sealed. Every response has an `x-request-id`. See docs/http.md and docs/sealing.md.";
/// How a request is sealed, as far as OpenAPI can say it.
const SEALED_SCHEME: &str = "The body is a JWE (RFC 7516) in compact serialisation, `alg` `A256KW` and `enc` `A256GCM`, made with a key of \
`telescribe key new`; who can make it holds the key. Any operation can be asked for so, by `POST /v1/sealed`. See docs/sealing.md.";
/// What the bytes of a file can be: their first bytes decide.
const KINDS_OF_BYTES: [&str; 4] = ["application/octet-stream", "image/*", "video/*", "audio/*"];

#[derive(OpenApi)]
#[openapi(
    info(title = "Telescribe", description = DESCRIPTION),
    servers((url = "/", description = "The server that serves this document")),
    security((), ("sealed" = [])),
    components(schemas(Problem)),
    tags(
        (name = "sealing", description = "Sealed (encrypted) requests"),
        (name = "search", description = "Searching"),
        (name = "archive", description = "Reading"),
        (name = "media", description = "Files"),
        (name = "crawl", description = "Completeness of the crawl"),
        (name = "watches", description = "Saved queries, run against what is new"),
        (name = "program", description = "Status, jobs and joining"),
    ),
)]
pub(super) struct Description;

/// An operation of the document.
struct Operation<'a> {
    path: &'a str,
    method: &'a str,
    members: &'a mut Map<String, Value>,
}

impl Operation<'_> {
    /// Whether everybody may ask, whatever the listener requires.
    fn is_open(&self) -> bool {
        !self.path.starts_with("/v1/") || (self.path == sealed::PATH && self.method == "get")
    }

    /// Whether it is what takes sealed requests.
    fn takes_seals(&self) -> bool {
        self.path == sealed::PATH && self.method == "post"
    }

    fn parameters(&self) -> impl Iterator<Item = &Value> {
        self.members.get("parameters").and_then(Value::as_array).into_iter().flatten()
    }

    fn responses(&mut self) -> Option<&mut Map<String, Value>> {
        self.members.get_mut("responses").and_then(Value::as_object_mut)
    }
}

/// The document: what the library has made of the routes, and what it cannot say.
pub(super) fn complete(description: &utoipa::openapi::OpenApi, settings: &Settings) -> Value {
    let mut document = serde_json::to_value(description).unwrap_or_default();
    values::of_schemas(&mut document["components"]["schemas"], settings);
    let schemas = document["components"]["schemas"].clone();
    let paths = document["paths"].as_object_mut().into_iter().flatten();
    for (path, item) in paths {
        for (method, members) in item.as_object_mut().into_iter().flatten() {
            let Some(members) = members.as_object_mut() else { continue };
            let mut operation = Operation { path, method, members };
            if operation.is_open() {
                operation.members.insert("security".to_owned(), json!([]));
            }
            describe(&mut operation, &schemas);
            problems::of_operation(&mut operation);
            values::of_operation(&mut operation, settings);
        }
    }
    document["components"]["responses"] = problems::shared();
    // A scheme that is not among those that the library knows.
    document["components"]["securitySchemes"] =
        json!({ "sealed": { "type": "http", "scheme": "Sealed", "description": SEALED_SCHEME } });
    document
}

/// Describes the answers that say nothing of themselves by what they hold; and bytes as bytes.
fn describe(operation: &mut Operation<'_>, schemas: &Value) {
    for response in operation.responses().into_iter().flat_map(Map::values_mut) {
        let is_described = response["description"].as_str().is_some_and(|text| !text.is_empty());
        let contents = || response["content"].as_object().into_iter().flat_map(Map::values);
        let held = contents().find_map(|content| content["schema"]["$ref"].as_str()?.rsplit('/').next());
        let text = held.map(|name| schemas[name]["description"].clone());
        if let Some(text) = text.filter(|text| !is_described && text.is_string()) {
            response["description"] = text;
        }
        if let Some(contents) = response.get_mut("content").and_then(Value::as_object_mut)
            && contents.remove(KINDS_OF_BYTES[0]).is_some()
        {
            contents.extend(KINDS_OF_BYTES.map(|kind| (kind.to_owned(), json!({}))));
        }
    }
}

/// The document as it is served: made once.
pub(super) fn served(document: &Value) -> Tagged {
    Tagged::new("application/json", document.to_string().into_bytes())
}
