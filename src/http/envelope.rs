//! The envelope: decrypts and authenticates sealed requests, seals their responses, and keeps everybody else out of `/v1`.
//!
//! Behind it, a handler does not know whether a request was sealed. Every refusal is the same 401, sent at the same time after the
//! request's arrival whatever was wrong (no timing side channel); only the operator's metric tells the reason. The outer status of a sealed
//! response is always 200: the true one is inside, where nobody on the network can read or change it.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http_body_util::{BodyExt as _, Limited};
use serde_json::Value;
use tokio::time::{Instant, sleep_until};

use crate::seal::{self, RefusalReason};

use super::body;
use super::context::Context;
use super::ingress::{Ingress, Plain};
use super::problem::{self, Problem};
use super::sealed_stream::{self, FileStream};

/// Bytes of a response before it is sealed; pages are far smaller, and files are sealed chunk by chunk.
const ANSWER_MAX: usize = 16 * 1024 * 1024;
/// Paths that need no key: the web page that asks for one, the description of the API, and the health checks.
const OPEN_PATHS: [&str; 7] = ["/", "/page.js", "/files.js", "/page.css", "/openapi.json", "/healthz", "/readyz"];

/// Opens, passes on, seals; or refuses.
pub(super) async fn open_and_seal(State(context): State<Arc<Context>>, request: Request, next: Next) -> Response {
    let arrived = Instant::now();
    let (mut parts, body) = request.into_parts();
    let Some(ingress) = parts.extensions.get::<Ingress>().cloned() else {
        return refuse(arrived, RefusalReason::Malformed).await;
    };
    let in_body = is_jose(&parts.headers);
    let in_header = bearer(&parts.headers);
    if !in_body && in_header.is_none() {
        if OPEN_PATHS.contains(&parts.uri.path()) {
            return next.run(Request::from_parts(parts, body)).await;
        }
        return match ingress.plain(&parts.headers) {
            Plain::Allowed => next.run(Request::from_parts(parts, body)).await,
            Plain::SealFirst => refuse(arrived, RefusalReason::Malformed).await,
            Plain::ForeignHost => Problem::foreign_host(
                "plain requests must name this machine in `Host`, as `127.0.0.1` or `localhost`; others must be sealed",
            )
            .into_response(),
        };
    }
    let token = match (in_body, in_header) {
        (true, None) => {
            let limit = context.settings.request_timeout;
            match tokio::time::timeout(limit, body::read(body, context.settings.body_size_max)).await {
                Ok(Ok(bytes)) => String::from_utf8(bytes.into()).unwrap_or_default(),
                Ok(Err(problem)) => return problem.into_response(),
                Err(_) => return Problem::timed_out("the request body was not received in time").into_response(),
            }
        }
        (false, Some(token)) => token,
        _ => return refuse(arrived, RefusalReason::Malformed).await,
    };
    // The request line's own spelling: nothing decoded, nothing reordered.
    let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
    let opened =
        seal::open_request(&token, &context.keys.now(), &context.nonces, parts.method.as_str(), target, context.clock.now());
    let sealed = match opened {
        Ok(sealed) => sealed,
        Err(refused) => return refuse(arrived, refused.reason()).await,
    };
    parts.extensions.insert(Ingress::Sealed { client: sealed.client().clone(), operate: ingress.may_operate() });
    let inner = inner(parts, &sealed.body);
    let mut response = next.run(inner).await;
    if let Some(stream) = response.extensions_mut().remove::<FileStream>() {
        return sealed_stream::answer(&context, &sealed, stream, response.into_body());
    }
    let (status, body) = json(response).await;
    let now = context.clock.now();
    let token = sealed.seal_answer(status.as_u16(), &body, now, &mut seal::system_random());
    let headers = [(header::CONTENT_TYPE, seal::MEDIA_TYPE), (header::CACHE_CONTROL, "no-store")];
    (StatusCode::OK, headers, token).into_response()
}

/// Answers 401 when [`seal::REFUSAL_DELAY`] has passed since the request's arrival, so that no refusal is quicker than another.
async fn refuse(arrived: Instant, why: RefusalReason) -> Response {
    metrics::counter!("telescribe_http_refused_total", "why" => why.as_str()).increment(1);
    sleep_until(arrived + seal::REFUSAL_DELAY).await;
    Problem::unauthorized().into_response()
}

/// The request as it would have come in unsealed.
fn inner(mut parts: Parts, body: &Value) -> Request {
    for name in [header::AUTHORIZATION, header::CONTENT_TYPE, header::CONTENT_LENGTH, header::TRANSFER_ENCODING] {
        parts.headers.remove(name);
    }
    if parts.method == Method::GET || body.is_null() {
        return Request::from_parts(parts, Body::empty());
    }
    parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Request::from_parts(parts, Body::from(body.to_string()))
}

/// A response's status and its body as JSON; other text becomes a string.
async fn json(response: Response) -> (StatusCode, Value) {
    let (parts, body) = response.into_parts();
    let is_json = body::media_type(&parts.headers).is_some_and(|t| t == "application/json" || t == problem::MEDIA_TYPE);
    let failed = |problem: Problem| (problem.status_code(), serde_json::to_value(problem).unwrap_or_default());
    let bytes = match Limited::new(body, ANSWER_MAX).collect().await {
        Ok(collected) => collected.to_bytes(),
        Err(error) => return failed(Problem::hidden(&error)),
    };
    if !is_json {
        return (parts.status, String::from_utf8_lossy(&bytes).into_owned().into());
    }
    match serde_json::from_slice(&bytes) {
        Ok(value) => (parts.status, value),
        Err(error) => failed(Problem::hidden(&error)),
    }
}

fn is_jose(headers: &HeaderMap) -> bool {
    body::media_type(headers).is_some_and(|t| t.eq_ignore_ascii_case(seal::MEDIA_TYPE))
}

/// What follows `Authorization: Bearer`; other schemes are a proxy's business.
fn bearer(headers: &HeaderMap) -> Option<String> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
}
