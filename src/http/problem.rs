//! What goes wrong, as RFC 9457 problem details: a stable code for programs, a sentence for people.
//!
//! No library's text and no stored text reaches the client: what failed inside is logged once, here, and told as `internal`.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::archive::ArchiveError;

/// The prefix of every `type`: a name, not an address, because there is no page to fetch.
const TYPE_PREFIX: &str = "urn:telescribe:problem:";

/// The media type of RFC 9457.
pub(crate) const MEDIA_TYPE: &str = "application/problem+json";

/// An error, as RFC 9457 has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Problem {
    /// `urn:telescribe:problem:` and the code.
    #[serde(rename = "type")]
    kind: String,
    /// What kind of problem it is, the same for each of its code.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// A short stable name for programs.
    code: &'static str,
    /// What happened this time, and the way out.
    #[serde(skip_serializing_if = "String::is_empty")]
    detail: String,
}

macro_rules! problems {
    ($($(#[$doc:meta])* $name:ident = $status:ident, $code:literal, $title:literal;)*) => {
        impl Problem {
            $($(#[$doc])* pub(crate) fn $name(detail: impl Into<String>) -> Self {
                Self::new(StatusCode::$status, $code, $title, detail.into())
            })*
        }
    };
}

problems! {
    /// A parameter that is unknown, repeated or not of its form.
    bad_parameter = BAD_REQUEST, "bad-parameter", "A parameter is wrong";
    /// A query that the query language does not know.
    bad_query = BAD_REQUEST, "bad-query", "The query is wrong";
    /// A body that is not what the resource takes.
    bad_body = BAD_REQUEST, "bad-body", "The body is wrong";
    /// A plain request that names a foreign host: what DNS rebinding looks like.
    foreign_host = FORBIDDEN, "foreign-host", "This host is not served";
    /// Nothing has this path.
    unknown_path = NOT_FOUND, "unknown-path", "There is no such resource";
    /// The archive has no such peer.
    unknown_peer = NOT_FOUND, "unknown-peer", "The archive has no such peer";
    /// The archive has no such message.
    unknown_message = NOT_FOUND, "unknown-message", "The archive has no such message";
    /// There is no such job.
    unknown_job = NOT_FOUND, "unknown-job", "There is no such job";
    /// A selector that names no peers.
    bad_selector = BAD_REQUEST, "bad-selector", "The peers cannot be meant";
    /// A wish from where only reading is allowed.
    not_operator = FORBIDDEN, "not-operator", "Only reading is allowed here";
    /// The job runs already.
    job_running = CONFLICT, "job-running", "The job runs already";
    /// What is to be joined cannot be meant.
    bad_target = BAD_REQUEST, "bad-target", "What is to be joined cannot be meant";
    /// It cannot be joined, or not now.
    not_joined = CONFLICT, "not-joined", "It was not joined";
    /// Too many wishes wait.
    busy = SERVICE_UNAVAILABLE, "busy", "Too much is asked at once";
    /// Nobody is there to do it.
    not_running = SERVICE_UNAVAILABLE, "not-running", "The program does not run";
    /// The resource does not take this method.
    method_not_allowed = METHOD_NOT_ALLOWED, "method-not-allowed", "The resource does not take this method";
    /// The body is longer than allowed.
    body_too_large = PAYLOAD_TOO_LARGE, "body-too-large", "The body is too large";
    /// The body is of another type than the resource takes.
    unsupported_media_type = UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", "The body's type is not taken";
    /// Something failed inside; the log says what.
    internal = INTERNAL_SERVER_ERROR, "internal", "Something failed inside";
    /// The index is not open or still being built.
    unready = SERVICE_UNAVAILABLE, "not-ready", "The server is not ready";
    /// It took longer than the server's limit.
    timed_out = GATEWAY_TIMEOUT, "timed-out", "The request took too long";
}

impl Problem {
    fn new(status: StatusCode, code: &'static str, title: &'static str, detail: String) -> Self {
        Self { kind: format!("{TYPE_PREFIX}{code}"), title, status: status.as_u16(), code, detail }
    }

    /// The one answer to everybody who could not prove that they hold a key.
    pub(crate) fn unauthorized() -> Self {
        let detail = "send a request sealed under a key of this server; `telescribe key new NAME` makes one";
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", "A sealed request is needed", detail.to_owned())
    }

    /// A failure inside: logged here, and told without its text.
    pub(crate) fn hidden(error: &dyn std::fmt::Display) -> Self {
        tracing::error!("a request failed: {error:#}");
        Self::internal("the server's log says what; the request id finds it")
    }

    pub(crate) fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

impl From<ArchiveError> for Problem {
    fn from(error: ArchiveError) -> Self {
        Self::hidden(&error)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.status();
        let mut response = (status, Json(self)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        match status {
            // RFC 9110 wants a challenge beside each 401; it names the header that a sealed GET uses.
            StatusCode::UNAUTHORIZED => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"telescribe\""));
            }
            StatusCode::SERVICE_UNAVAILABLE => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
            }
            _ => {}
        }
        response
    }
}
