//! `/v1/status`, `/healthz`, `/readyz`, `/metrics`: how the program is doing.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::model::Seq;
use crate::search::SearchError;

use super::context::Context;
use super::problem::Problem;
use super::query::{Nothing, Query};

/// How the program is doing.
#[derive(Serialize, ToSchema)]
#[schema(as = Status)]
pub(super) struct StatusView {
    /// The program's version.
    version: &'static str,
    /// The time by the program's clock.
    now: String,
    archive: ArchiveStatus,
    index: IndexStatus,
    /// What the rest of the program says of itself: accounts, jobs, workers, publishing, crawling.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    rest: Map<String, Value>,
}

/// How the archive is doing.
#[derive(Serialize, ToSchema)]
pub(super) struct ArchiveStatus {
    /// Its random id.
    id: String,
    /// The number of the newest change.
    last: u64,
    /// Bytes on disk, as RocksDB estimates them.
    disk_size: u64,
}

/// How the index is doing.
#[derive(Serialize, ToSchema)]
pub(super) struct IndexStatus {
    /// The number of the newest change that can be found.
    position: u64,
    /// How many changes cannot be found yet.
    behind: u64,
    /// How many messages can be found.
    documents: u64,
    /// Why nothing can be found, and the way out; absent where the index can be used or there is none yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// Gives the status.
#[utoipa::path(get, path = "/v1/status", tag = "program", responses((status = 200, body = StatusView)))]
pub(super) async fn status(State(context): State<Arc<Context>>, _: Query<Nothing>) -> Result<Json<StatusView>, Problem> {
    context.read(read).await.map(Json)
}

fn read(context: &Context) -> Result<StatusView, Problem> {
    let last = context.archive.last_seq();
    let (position, documents, error) = match context.index.get() {
        Ok(index) => (index.position(), index.document_count(), None),
        // Nothing can be found yet.
        Err(SearchError::NoIndex { .. }) => (Seq(0), 0, None),
        // The rest can be shown all the same.
        Err(error) => (Seq(0), 0, Some(error.to_string())),
    };
    Ok(StatusView {
        version: env!("CARGO_PKG_VERSION"),
        now: context.clock.timestamp().to_string(),
        archive: ArchiveStatus { id: context.archive.id().to_owned(), last: last.0, disk_size: context.archive.disk_size() },
        index: IndexStatus { position: position.0, behind: last.0.saturating_sub(position.0), documents, error },
        rest: context.status.status(),
    })
}

/// Says that the program lives.
#[utoipa::path(get, path = "/healthz", tag = "program", responses((status = 200, description = "It lives.", body = String, content_type = "text/plain")))]
pub(super) async fn healthz() -> &'static str {
    "ok\n"
}

/// Says whether the program can do its work.
#[utoipa::path(
    get, path = "/readyz", tag = "program",
    responses((status = 200, description = "It is ready.", body = String, content_type = "text/plain"), (status = 503, body = Problem, content_type = "application/problem+json")),
)]
pub(super) async fn readyz(State(context): State<Arc<Context>>) -> Result<&'static str, Problem> {
    let unready = context.read(|context| Ok(context.status.unready())).await?;
    match unready {
        _ if context.lifecycle.stopping() => Err(Problem::unready("the program stops")),
        Some(why) => Err(Problem::unready(why)),
        None => Ok("ready\n"),
    }
}

/// Gives the metrics in Prometheus' text form; only the metrics listeners have it.
pub(super) async fn metrics(State(context): State<Arc<Context>>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], (context.metrics)())
}
