//! The bodies of requests, read within a limit; and the extractor for those of operator requests.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, header};
use http_body_util::{BodyExt as _, Limited};
use serde_json::{Map, Value};

use super::context::Context;
use super::ingress::Ingress;
use super::problem::Problem;

/// Reads a body up to a limit.
pub(super) async fn read(body: Body, limit: usize) -> Result<Bytes, Problem> {
    match Limited::new(body, limit).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => {
            Err(Problem::body_too_large(format!("the request body may have at most {limit} bytes")))
        }
        Err(_) => Err(Problem::bad_body("the request body ended early")),
    }
}

/// The media type of a body, without parameters.
pub(super) fn media_type(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    value.split(';').next().map(str::trim)
}

/// Whether a body says that it is JSON.
pub(super) fn is_json(headers: &HeaderMap) -> bool {
    media_type(headers).is_some_and(|t| t.eq_ignore_ascii_case("application/json"))
}

/// Reads a body that is a JSON object; `example` is one.
pub(super) async fn object(
    context: &Context,
    headers: &HeaderMap,
    body: Body,
    example: &str,
) -> Result<Map<String, Value>, Problem> {
    if !is_json(headers) {
        return Err(Problem::unsupported_media_type("send `application/json`; what is sealed goes to `POST /v1/sealed`"));
    }
    let bytes = read(body, context.settings.body_size_max).await?;
    serde_json::from_slice(&bytes).map_err(|_| Problem::bad_body(format!("the body must be a JSON object such as `{example}`")))
}

/// The extractor for the members of an operator request's body.
///
/// A plain request must have the content type of JSON, even when it is empty, against cross-site request forgery: a website could otherwise
/// make a browser on this machine send it. Before it sends JSON to another origin, a browser sends a preflight request, which is not
/// permitted.
pub(super) struct OperatorBody(pub(super) Map<String, Value>);

impl FromRequest<Arc<Context>> for OperatorBody {
    type Rejection = Problem;

    async fn from_request(request: Request, context: &Arc<Context>) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        // A request whose ingress is unknown was refused already, as was one that may not operate.
        let ingress = parts.extensions.get::<Ingress>().ok_or_else(Problem::unauthorized)?;
        members(context, ingress, &parts.headers, body).await.map(Self)
    }
}

async fn members(context: &Context, ingress: &Ingress, headers: &HeaderMap, body: Body) -> Result<Map<String, Value>, Problem> {
    let bytes = read(body, context.settings.body_size_max).await?;
    match media_type(headers) {
        Some(_) if is_json(headers) => {}
        None if bytes.is_empty() && !matches!(ingress, Ingress::Tcp { .. }) => {}
        _ => return Err(Problem::unsupported_media_type("send `application/json`, with `{}` for no options")),
    }
    if bytes.is_empty() {
        return Ok(Map::new());
    }
    serde_json::from_slice(&bytes)
        .map_err(|_| Problem::bad_body("the body must be a JSON object such as `{\"peers\": [\"@a\"]}`"))
}
