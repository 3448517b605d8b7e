//! The envelope: opens sealed requests and seals their responses, and keeps everybody else out of `/v1`.
//!
//! It stands before all routes. What is sealed comes as `POST /v1/sealed` and nothing else: method, target and body are inside, and go to the same
//! routes that plain requests take. Nothing of the outer request goes along: its headers are anybody's who is on the way.
//!
//! Where requests must be sealed, any other method or path is refused before anything is looked at, but for what needs no key. Every refusal is
//! the same 401, sent at the same time after the end of the request whatever was wrong (no timing side channel); only the operator's metric
//! tells the reason. The outer status of a sealed response is always 200: the true one is inside, where nobody on the network can read or
//! change it.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use http_body_util::{BodyExt as _, Limited};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use tokio::time::{Instant, sleep_until};
use tower::ServiceExt as _;

use crate::seal::{self, Key, OpenedRequest, RefusalReason};

use super::body;
use super::context::Context;
use super::ingress::{Ingress, Plain};
use super::page;
use super::problem::{self, Problem};
use super::sealed;
use super::sealed_stream::{self, FileStream};

/// Bytes of a response before it is sealed; pages are far smaller, and files are sealed chunk by chunk.
const ANSWER_MAX: usize = 16 * 1024 * 1024;
/// Paths that need no key, for reading only: the description of the API, the health checks, and whom a sealed request must be for; and the web
/// page that asks for one.
const OPEN_PATHS: [&str; 4] = ["/openapi.json", "/healthz", "/readyz", sealed::PATH];
/// What a target may hold that no request line can: it is written as URLs have it. What is encoded already stays as it is.
const NOT_IN_TARGETS: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'<').add(b'>');

/// What stands before the routes.
#[derive(Clone)]
pub(super) struct Envelope {
    pub(super) context: Arc<Context>,
    pub(super) routes: Router,
    /// The same for any context: who is limited to some peers is answered from one that has no others.
    pub(super) routes_for: Router<Arc<Context>>,
}

/// Opens, passes on, seals; or refuses.
pub(super) async fn open_and_seal(State(envelope): State<Envelope>, request: Request) -> Response {
    let Some(ingress) = request.extensions().get::<Ingress>().cloned() else {
        return envelope.refuse_unread(request).await;
    };
    if request.method() == Method::POST && request.uri().path() == sealed::PATH {
        return envelope.sealed(ingress, request).await;
    }
    if matches!(*request.method(), Method::GET | Method::HEAD) && is_open(request.uri().path()) {
        return envelope.pass_on(request).await;
    }
    match ingress.plain(request.headers()) {
        Plain::Allowed => envelope.pass_on(request).await,
        Plain::SealFirst => envelope.refuse_unread(request).await,
        Plain::ForeignHost => Problem::foreign_host(
            "plain requests must name this machine in one `Host`, as `127.0.0.1` or `localhost`; others must be sealed",
        )
        .into_response(),
        Plain::CrossSite => {
            Problem::cross_site("a page of another web site has made this request; what asks by itself has no `Sec-Fetch-Site`")
                .into_response()
        }
    }
}

fn is_open(path: &str) -> bool {
    OPEN_PATHS.contains(&path) || page::FILES.iter().any(|(file, ..)| *file == path)
}

impl Envelope {
    /// The same for who has a key.
    fn limited_to(mut self, key: &Key) -> Self {
        if let Some(peers) = &key.rights().peers {
            self.routes = self.routes_for.clone().with_state(Arc::new(self.context.limited_to(peers)));
        }
        self
    }

    async fn pass_on(self, request: Request) -> Response {
        let is_head = request.method() == Method::HEAD;
        let response = self.routes.oneshot(request).await.unwrap_or_else(|never| match never {});
        if !is_head || response.headers().contains_key(header::CONTENT_LENGTH) {
            return response;
        }
        // Of a stream nobody knows the length: that its body was left out is not to look like an empty one.
        response.map(|_| Body::from_stream(futures_util::stream::empty::<Result<Bytes, Infallible>>()))
    }

    /// The request's body. Nobody need have a key to have that much read.
    async fn received(&self, request: Request) -> Result<Bytes, Problem> {
        let settings = &self.context.settings;
        let length_max = settings.body_size_max.min(seal::Purpose::Request.length_max());
        let reading = body::read(request.into_body(), length_max);
        let late = |_| Problem::timed_out("the request body was not received in time");
        tokio::time::timeout(settings.request_timeout, reading).await.map_err(late)?
    }

    /// Refuses a request, whatever is in it: at the same time after its end as one that was looked at.
    async fn refuse_unread(&self, request: Request) -> Response {
        match self.received(request).await {
            Ok(_) => refuse(Instant::now(), RefusalReason::Malformed).await,
            Err(problem) => problem.into_response(),
        }
    }

    async fn sealed(self, ingress: Ingress, request: Request) -> Response {
        // Of the outer request nothing is heeded but the body: a query would be a second place to ask in.
        if request.uri().query().is_some() || !is_jose(request.headers()) {
            return self.refuse_unread(request).await;
        }
        let bytes = match self.received(request).await {
            Ok(bytes) => bytes,
            Err(problem) => return problem.into_response(),
        };
        let received = Instant::now();
        let token = std::str::from_utf8(&bytes).unwrap_or_default();
        let context = Arc::clone(&self.context);
        let sealed =
            match seal::open_request(token, &context.keys.at(context.clock.now()), &context.recipient, context.clock.now()) {
                Ok(sealed) => sealed,
                Err(refused) => return refuse(received, refused.reason()).await,
            };
        let mut response = match inner(&sealed, &ingress) {
            Ok(request) => self.limited_to(sealed.key()).pass_on(request).await,
            Err(problem) => problem.into_response(),
        };
        match response.extensions_mut().remove::<FileStream>() {
            Some(stream) => sealed_stream::answer(&context, &sealed, stream, response.into_body()),
            None => sealed_answer(&context, &sealed, response).await,
        }
    }
}

/// Answers 401 when [`seal::REFUSAL_DELAY`] has passed since the end of the request, so that no refusal is quicker than another.
async fn refuse(since: Instant, why: RefusalReason) -> Response {
    metrics::counter!("telescribe_http_refused_total", "why" => why.as_str()).increment(1);
    sleep_until(since + seal::REFUSAL_DELAY).await;
    Problem::unauthorized().into_response()
}

/// The request as it would have come in unsealed, without a header of the outer one.
fn inner(sealed: &OpenedRequest, outer: &Ingress) -> Result<Request, Problem> {
    let invalid = || Problem::bad_body("`target` must be a path with its query, such as `/v1/peers?limit=3`");
    let target = sealed.target.as_str();
    // What a fragment hides from a server, it hides here too.
    if !target.starts_with('/') || target.contains('#') {
        return Err(invalid());
    }
    let uri: Uri = utf8_percent_encode(target, NOT_IN_TARGETS).to_string().parse().map_err(|_| invalid())?;
    let method = match sealed.method.as_str() {
        "GET" => Method::GET,
        "POST" => Method::POST,
        _ => return Err(Problem::method_not_allowed("`method` of a sealed request is `GET` or `POST`")),
    };
    let has_body = method == Method::POST && !sealed.body.is_null();
    let body = if has_body { Body::from(sealed.body.to_string()) } else { Body::empty() };
    let mut request = Request::new(body);
    (*request.method_mut(), *request.uri_mut()) = (method, uri);
    if has_body {
        request.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    request.extensions_mut().insert(Ingress::Sealed {
        key: Arc::clone(sealed.key()),
        operate: outer.may_operate(),
        from: outer.from(),
    });
    Ok(request)
}

async fn sealed_answer(context: &Context, sealed: &OpenedRequest, response: Response) -> Response {
    let (status, body) = json(response).await;
    let token = sealed.seal_answer(status.as_u16(), &body, context.clock.now(), &mut seal::system_random());
    let headers = [(header::CONTENT_TYPE, seal::MEDIA_TYPE), (header::CACHE_CONTROL, "no-store")];
    (StatusCode::OK, headers, token).into_response()
}

/// A response's status and its body as JSON, which stays as it was written; other text becomes a string.
async fn json(response: Response) -> (StatusCode, Bytes) {
    let (parts, body) = response.into_parts();
    let is_json = body::media_type(&parts.headers).is_some_and(|t| t == "application/json" || t == problem::MEDIA_TYPE);
    let read = Limited::new(body, ANSWER_MAX).collect().await.map_err(|error| Problem::hidden(&error));
    let body = read.and_then(|collected| {
        let bytes = collected.to_bytes();
        if is_json {
            return Ok(bytes);
        }
        let text = serde_json::to_vec(&String::from_utf8_lossy(&bytes)).map_err(|error| Problem::hidden(&error))?;
        Ok(Bytes::from(text))
    });
    match body {
        Ok(body) => (parts.status, body),
        Err(problem) => (problem.status_code(), serde_json::to_vec(&problem).map_or(Bytes::from_static(b"null"), Bytes::from)),
    }
}

fn is_jose(headers: &HeaderMap) -> bool {
    body::media_type(headers).is_some_and(|t| t.eq_ignore_ascii_case(seal::MEDIA_TYPE))
}
