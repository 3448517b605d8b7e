//! The layer around every request: its id, its metrics, its log line, its place in the audit log, its timeout, and what catches panics. A sealed request is logged and counted as
//! what it asks, with the client that asks it.
//!
//! Queries and the peers in paths show what somebody is interested in: neither is logged or counted, only the route. The audit log, which only the owner
//! of the data folder reads, has the peer's id too.

use std::any::Any;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
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

/// The status, in the audit log and in metrics, of a request that has no response (nginx's word for it: client closed request).
const UNANSWERED: u16 = 499;

tokio::task_local! {
    /// The request that this task answers.
    static PRESENT: Arc<PresentRequest>;
}

/// Notes the peer that the path of the present request names.
pub(super) fn is_about(peer: PeerId) {
    present(|answered| answered.peer = Some(peer));
}

fn present(note: impl FnOnce(&mut Answered)) {
    // Outside of a request nobody asks.
    let _noted = PRESENT.try_with(|present| note(&mut present.answered()));
}

/// A request from when it comes in on. It is counted, and noted in the audit log if it came to a route, when nobody works on it any more, also where its client has gone before there was a
/// response (what was asked for may happen all the same), or the program stops.
struct PresentRequest {
    context: Arc<Context>,
    id: HeaderValue,
    started: Instant,
    /// What is known of it, and what it was answered.
    answered: Mutex<Answered>,
}

impl PresentRequest {
    fn answered(&self) -> MutexGuard<'_, Answered> {
        self.answered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for PresentRequest {
    fn drop(&mut self) {
        let answered = self.answered().clone();
        if answered.is_routed {
            answered.note_in_audit(self);
        }
        answered.count(self);
    }
}

/// What a request is, and what it was answered, for the log and the metrics.
#[derive(Clone, Debug)]
struct Answered {
    route: String,
    method: Method,
    status: u16,
    ingress: &'static str,
    key: Option<Arc<Key>>,
    from: Option<SocketAddr>,
    peer: Option<PeerId>,
    /// Whether it came to a route: through the envelope, where there is one.
    is_routed: bool,
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
            status: UNANSWERED,
            ingress: ingress.map_or("none", Ingress::name),
            key: ingress.and_then(Ingress::key).cloned(),
            from: ingress.and_then(Ingress::from),
            peer: None,
            is_routed: false,
        }
    }

    /// Notes who has asked, where it is not for everybody. Who has no key has asked nothing.
    fn note_in_audit(&self, request: &PresentRequest) {
        if rights::is_open(&self.method, &self.route) {
            return;
        }
        let from = self.from.map(|from| from.ip().to_string());
        request.context.audit.note(&AuditRecord {
            at: request.context.clock.timestamp().to_string(),
            request: request.id.to_str().unwrap_or_default(),
            ingress: self.ingress,
            from,
            client: self.key.as_ref().map(|key| key.client().as_str()),
            key: self.key.as_ref().map(|key| key.id().as_str()),
            method: self.method.as_str(),
            route: &self.route,
            peer: self.peer.map(|peer| peer.0),
            status: self.status,
            ms: u64::try_from(request.started.elapsed().as_millis()).unwrap_or(u64::MAX),
        });
    }

    /// Counts and logs the outcome.
    fn count(&self, request: &PresentRequest) {
        let (route, status, elapsed) = (&self.route, self.status, request.started.elapsed());
        metrics::counter!("telescribe_http_requests_total", "route" => route.clone(), "status" => status.to_string())
            .increment(1);
        metrics::histogram!("telescribe_http_request_seconds", "route" => route.clone()).record(elapsed);
        let (id, method, ingress) = (request.id.to_str().unwrap_or_default(), &self.method, self.ingress);
        let client = self.key.as_ref().map(|key| key.client().as_str());
        tracing::debug!(request.id = id, %method, route, ingress, client, status, elapsed_ms = elapsed.as_millis(), "request `{id}`");
    }
}

/// Notes what a route answers; inside the envelope.
pub(super) async fn note(request: Request, next: Next) -> Response {
    let answered = Answered::before(&request);
    tracing::Span::current().record("route", &answered.route);
    present(|present| *present = Answered { is_routed: true, ..answered });
    let response = next.run(request).await;
    present(|answered| answered.status = response.status().as_u16());
    response
}

/// Gives the request an id (or keeps the client's), and counts and logs its outcome; outside of the envelope.
pub(super) async fn record(State(context): State<Arc<Context>>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = request_id(&request);
    let outer = Answered::before(&request);
    let text = id.to_str().unwrap_or_default();
    let span = tracing::info_span!("request", id = text, route = tracing::field::Empty);
    let present = Arc::new(PresentRequest { context, id: id.clone(), started, answered: Mutex::new(outer) });
    let mut response = PRESENT.scope(Arc::clone(&present), next.run(request).instrument(span)).await;
    {
        let mut answered = present.answered();
        if !answered.is_routed {
            answered.status = response.status().as_u16();
        }
    }
    // Before the response is sent.
    drop(present);
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
