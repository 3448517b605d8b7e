//! Errors as RFC 9457 problem details: a stable code for programs, a sentence for people.
//!
//! No library's text and no stored text reaches the client: an internal error is logged once, here, and answered as `internal`.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::archive::ArchiveError;
use crate::blob::BlobError;
pub use crate::views::Problem;

/// The prefix of every `type`: a name, not an address, because there is no page to fetch.
const TYPE_PREFIX: &str = "urn:telescribe:problem:";

/// The code of the one answer to everybody who holds no key.
const UNAUTHORIZED: &str = "unauthorized";

/// The media type of RFC 9457.
pub(crate) const MEDIA_TYPE: &str = "application/problem+json";

macro_rules! problems {
    ($($(#[$doc:meta])* $name:ident = $status:ident, $code:literal, $title:literal;)*) => {
        /// The code of every problem.
        pub(super) const CODES: &[&str] = &[$($code,)* UNAUTHORIZED];

        impl Problem {
            $($(#[$doc])* pub(crate) fn $name(detail: impl Into<String>) -> Self {
                Self::new(StatusCode::$status, $code, $title, detail.into())
            })*
        }
    };
}

problems! {
    /// A parameter that is unknown, repeated or malformed.
    bad_parameter = BAD_REQUEST, "bad-parameter", "Invalid parameter";
    /// A position in the change log that is none of the archive as it is.
    wrong_epoch = CONFLICT, "wrong-epoch", "The archive has no such position";
    /// A query with a syntax error.
    bad_query = BAD_REQUEST, "bad-query", "Invalid query";
    /// A request body that is malformed.
    bad_body = BAD_REQUEST, "bad-body", "Invalid request body";
    /// A plain request whose `Host` is not this machine: what DNS rebinding looks like.
    foreign_host = FORBIDDEN, "foreign-host", "This host name is not allowed";
    /// A plain request that a page of another web site has made.
    cross_site = FORBIDDEN, "cross-site", "Other web sites may not ask";
    /// No resource has this path.
    unknown_path = NOT_FOUND, "unknown-path", "There is no such resource";
    /// The archive has no such peer.
    unknown_peer = NOT_FOUND, "unknown-peer", "The archive has no such peer";
    /// The archive has no such message.
    unknown_message = NOT_FOUND, "unknown-message", "The archive has no such message";
    /// The message was erased.
    erased_message = GONE, "erased-message", "The message was erased";
    /// Nothing was asked to be erased under this number.
    unknown_erasure = NOT_FOUND, "unknown-erasure", "There is no such request to erase";
    /// There is no watch of this name.
    unknown_watch = NOT_FOUND, "unknown-watch", "There is no such watch";
    /// There is a watch of this name, or there are as many as there may be.
    not_watched = CONFLICT, "not-watched", "The watch was not added";
    /// There is no output of this name.
    unknown_output = NOT_FOUND, "unknown-output", "There is no such output";
    /// None of an output's events is refused, so that none can be skipped.
    nothing_refused = CONFLICT, "nothing-refused", "No event is refused";
    /// The event that is to be skipped is not the one that an output refuses.
    other_event_refused = CONFLICT, "other-event-refused", "Another event is refused";
    /// The archive has no such file.
    unknown_file = NOT_FOUND, "unknown-file", "There is no such file";
    /// No bytes are stored under this hash.
    unknown_media = NOT_FOUND, "unknown-media", "No such file is stored";
    /// The range begins behind the end.
    bad_range = RANGE_NOT_SATISFIABLE, "bad-range", "The file has no such range";
    /// There is no such job.
    unknown_job = NOT_FOUND, "unknown-job", "There is no such job";
    /// A peer selector that is malformed, or an empty list of them.
    bad_selector = BAD_REQUEST, "bad-selector", "Invalid peer selector";
    /// An operator request (run a job, join a peer) to a listener that is read-only.
    not_operator = FORBIDDEN, "not-operator", "This listener is read-only";
    /// The job runs already.
    job_running = CONFLICT, "job-running", "The job is already running";
    /// What is to be joined is neither a username nor an invite link.
    bad_target = BAD_REQUEST, "bad-target", "Invalid target";
    /// The peer cannot be followed, or not yet, or is not.
    not_followed = CONFLICT, "not-followed", "The peer is not followed";
    /// The peer cannot be joined, or not yet.
    not_joined = CONFLICT, "not-joined", "The peer was not joined";
    /// A request that the key does not have the right to.
    not_allowed = FORBIDDEN, "not-allowed", "This key may not do that";
    /// A client that asks too often, or searches too much at once.
    too_many_requests = TOO_MANY_REQUESTS, "too-many-requests", "Too many requests";
    /// A request that only the owner of the data folder may send.
    not_owner = FORBIDDEN, "not-owner", "Only the owner of the data folder may do this";
    /// No backup was asked for under this number.
    unknown_backup = NOT_FOUND, "unknown-backup", "There is no such backup";
    /// Nothing can be fetched of the peer, or not yet.
    not_fetched = CONFLICT, "not-fetched", "Nothing was fetched";
    /// Nothing was fetched under this number.
    unknown_fetch = NOT_FOUND, "unknown-fetch", "There is no such fetch";
    /// The configuration names no folder for backups.
    no_backup_target = CONFLICT, "no-backup-target", "No backup folder is configured";
    /// What the client has, or expects, is not what is there.
    precondition_failed = PRECONDITION_FAILED, "precondition-failed", "Precondition failed";
    /// Too many operator requests are pending.
    busy = SERVICE_UNAVAILABLE, "busy", "Too many pending requests";
    /// Only a running program can do it.
    not_running = SERVICE_UNAVAILABLE, "not-running", "The program is not running";
    /// The resource does not support this method.
    method_not_allowed = METHOD_NOT_ALLOWED, "method-not-allowed", "Method not allowed";
    /// The body is longer than allowed.
    body_too_large = PAYLOAD_TOO_LARGE, "body-too-large", "Request body too large";
    /// The body is of another type than the resource takes.
    unsupported_media_type = UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", "Unsupported media type";
    /// An internal error; the log has it.
    internal = INTERNAL_SERVER_ERROR, "internal", "Internal error";
    /// The index is not open or still being built.
    unready = SERVICE_UNAVAILABLE, "not-ready", "The server is not ready";
    /// The file is in the mirror only, which cannot be asked at present.
    mirror_unreachable = SERVICE_UNAVAILABLE, "mirror-unreachable", "The mirror cannot be reached";
    /// It took longer than the server's limit.
    timed_out = GATEWAY_TIMEOUT, "timed-out", "The request timed out";
}

impl Problem {
    fn new(status: StatusCode, code: &'static str, title: &'static str, detail: String) -> Self {
        Self {
            kind: format!("{TYPE_PREFIX}{code}"),
            title: title.into(),
            status: status.as_u16(),
            code: code.into(),
            detail,
            retry_after: None,
        }
    }

    /// The same with the time after which to ask again.
    pub(crate) fn retry_after(self, wait: std::time::Duration) -> Self {
        // Whole seconds, and never too early.
        Self { retry_after: Some(wait.as_secs() + u64::from(wait.subsec_nanos() > 0)), ..self }
    }

    /// The one response to everybody who could not prove that they hold a key.
    pub(crate) fn unauthorized() -> Self {
        let detail = "send requests sealed with a key of this server, all of them to `POST /v1/sealed`; `telescribe key new NAME --out FILE` makes a key (docs/sealing.md)";
        Self::new(StatusCode::UNAUTHORIZED, UNAUTHORIZED, "A sealed request is required", detail.to_owned())
    }

    /// An internal error: logged here, and answered without its text.
    pub(crate) fn hidden(error: &dyn std::fmt::Display) -> Self {
        tracing::error!("a request failed: {error:#}");
        Self::internal("see the server's log, by the request id (`x-request-id`)")
    }

    pub(crate) fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

impl From<ArchiveError> for Problem {
    fn from(error: ArchiveError) -> Self {
        Self::hidden(&error)
    }
}

impl From<BlobError> for Problem {
    fn from(error: BlobError) -> Self {
        match error {
            // Not why: that is the operator's, and may name the server.
            BlobError::Unreachable { hash, why } => {
                tracing::debug!("file {hash} is in the mirror only, and {why}");
                Self::mirror_unreachable("the file is in the mirror only, which does not answer at present; try again later")
            }
            error => Self::hidden(&error),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, retry_after) = (self.status_code(), self.retry_after);
        let mut response = (status, Json(self)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        match status {
            // RFC 9110 requires a challenge with each 401; no browser knows this scheme, so none asks for a password.
            StatusCode::UNAUTHORIZED => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Sealed realm=\"telescribe\""));
            }
            StatusCode::SERVICE_UNAVAILABLE => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
            }
            _ => {}
        }
        if let Some(seconds) = retry_after {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}
