//! The layer around every request: its id, its metrics, its log line, its place in the audit log, its timeout, and what catches panics. A sealed request is logged and counted as
//! what it asks, with the client that asks it.
//!
//! Queries and the peers in paths show what somebody is interested in: neither is logged or counted, only the route. The audit log, which only the owner
//! of the data folder reads, has the peer's id too.

use std::any::Any;
use std::cell::Cell;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use tracing::Instrument as _;

use crate::model::PeerId;
use crate::panics;
use crate::seal::Key;

use super::audit::AuditRecord;
use super::context::Context;
use super::ingress::Ingress;
use super::problem::Problem;
use super::{rights, sealed};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Characters of a client's own request id.
const REQUEST_ID_LENGTH_MAX: usize = 64;

tokio::task_local! {
    /// The peer that the path of the request names which this task answers.
    static ABOUT: Cell<Option<PeerId>>;
}

/// Notes the peer that the path of the present request names.
pub(super) fn is_about(peer: PeerId) {
    // Outside of a request nobody asks.
    let _noted = ABOUT.try_with(|about| about.set(Some(peer)));
}

/// What a route has answered, for the log and the metrics; it goes with the response.
#[derive(Clone, Debug)]
pub(super) struct Answered {
    route: String,
    method: Method,
    status: u16,
    ingress: &'static str,
    key: Option<Arc<Key>>,
    from: Option<SocketAddr>,
    peer: Option<PeerId>,
    /// Whether it has come to the routes.
    is_inner: bool,
}

impl Answered {
    /// What is known of a request before it has come to a route; without a seal that is most of it.
    fn before(request: &Request) -> Self {
        let ingress = request.extensions().get::<Ingress>();
        let is_sealed = request.uri().path() == sealed::PATH;
        let route = if is_sealed { sealed::PATH } else { "none" };
        Self {
            route: request.extensions().get::<MatchedPath>().map_or(route, MatchedPath::as_str).to_owned(),
            method: request.method().clone(),
            status: 0,
            ingress: ingress.map_or("none", Ingress::name),
            key: ingress.and_then(Ingress::key).cloned(),
            from: ingress.and_then(Ingress::from),
            peer: None,
            is_inner: false,
        }
    }
}

impl Answered {
    /// Notes who has asked, where it is not for everybody. Who has no key has asked nothing.
    fn note_in_audit(&self, context: &Context, request: &str, started: Instant) {
        if !self.is_inner || rights::is_open(&self.method, &self.route) {
            return;
        }
        let from = self.from.map(|from| from.ip().to_string());
        context.audit.note(&AuditRecord {
            at: context.clock.timestamp().to_string(),
            request,
            ingress: self.ingress,
            from,
            client: self.key.as_ref().map(|key| key.client().as_str()),
            key: self.key.as_ref().map(|key| key.id().as_str()),
            method: self.method.as_str(),
            route: &self.route,
            peer: self.peer.map(|peer| peer.0),
            status: self.status,
            ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
        });
    }
}

/// Notes what a route answers; inside the envelope.
pub(super) async fn note(request: Request, next: Next) -> Response {
    let answered = Answered::before(&request);
    tracing::Span::current().record("route", &answered.route);
    let answering = async {
        let response = next.run(request).await;
        (response, ABOUT.with(Cell::get))
    };
    let (mut response, peer) = ABOUT.scope(Cell::default(), answering).await;
    let status = response.status().as_u16();
    response.extensions_mut().insert(Answered { status, peer, is_inner: true, ..answered });
    response
}

/// Gives the request an id (or keeps the client's), and counts and logs its outcome; outside of the envelope.
pub(super) async fn record(State(context): State<Arc<Context>>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = request_id(&request);
    let outer = Answered::before(&request);
    let text = id.to_str().unwrap_or_default();
    let span = tracing::info_span!("request", id = text, route = tracing::field::Empty);
    let mut response = next.run(request).instrument(span).await;
    let outer = Answered { status: response.status().as_u16(), ..outer };
    let answered: Answered = response.extensions_mut().remove().unwrap_or(outer);
    answered.note_in_audit(&context, text, started);
    let Answered { route, method, status, ingress, key, .. } = answered;
    let client = key.as_ref().map(|key| key.client().as_str());
    metrics::counter!("telescribe_http_requests_total", "route" => route.clone(), "status" => status.to_string()).increment(1);
    metrics::histogram!("telescribe_http_request_seconds", "route" => route.clone()).record(started.elapsed());
    tracing::debug!(request.id = text, %method, route, ingress, client, status, elapsed_ms = started.elapsed().as_millis(), "request `{text}`");
    response.headers_mut().insert(REQUEST_ID, id);
    response
}

fn request_id(request: &Request) -> HeaderValue {
    let given = request.headers().get(REQUEST_ID).filter(|id| {
        let fits = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        (1..=REQUEST_ID_LENGTH_MAX).contains(&id.len()) && id.as_bytes().iter().all(fits)
    });
    let made = || HeaderValue::from_str(&uuid::Uuid::new_v4().to_string()).unwrap_or(HeaderValue::from_static("none"));
    given.cloned().unwrap_or_else(made)
}

/// Applies the request timeout; a stream is in time when it has begun.
pub(super) async fn limit_time(State(context): State<Arc<Context>>, request: Request, next: Next) -> Response {
    let limit = context.settings.request_timeout;
    match tokio::time::timeout(limit, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            Problem::timed_out(format!("it took longer than {limit:?}; request less, or raise `request_timeout`")).into_response()
        }
    }
}

/// The response when a handler panicked: it does not tell why.
pub(super) fn panicked(panic: Box<dyn Any + Send>) -> Response {
    Problem::hidden(&format!("panicked: {}", panics::said(&*panic))).into_response()
}
