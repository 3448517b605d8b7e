//! `/v1/status`, `/healthz` (liveness), `/readyz` (readiness), `/metrics`: the state of the program.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::IntoResponse;
use axum::{Extension, Json};

use crate::model::Seq;
use crate::seal::KeyScope;
use crate::search::{RebuildProgress, SearchError};
use crate::views::{ArchiveStatus, IndexRebuild, IndexStatus, StatusView};

use super::context::Context;
use super::ingress::{Ingress, Plain};
use super::problem::Problem;
use super::query::{NoParams, Query};

/// Returns the status.
#[utoipa::path(get, path = "/v1/status", operation_id = "getStatus", tag = "program", responses((status = 200, body = StatusView)))]
pub(super) async fn status(State(context): State<Arc<Context>>, _: Query<NoParams>) -> Result<Json<StatusView>, Problem> {
    context.read(read).await.map(Json)
}

fn read(context: &Context) -> Result<StatusView, Problem> {
    let archive = context.archive.flushed();
    let last = archive.last_seq();
    let (position, documents, error) = match context.index.get() {
        Ok(index) => (index.position(), index.document_count(), None),
        // Nothing can be found yet.
        Err(SearchError::NoIndex { .. } | SearchError::Rebuilding { .. }) => (Seq(0), 0, None),
        // The rest can be shown nevertheless.
        Err(error) => (Seq(0), 0, Some(error.to_string())),
    };
    let rebuild = context.index.rebuild().map(|RebuildProgress { why, position, last }| IndexRebuild {
        why,
        position: position.0,
        last: last.0,
    });
    Ok(StatusView {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        now: context.clock.timestamp().to_string(),
        archive: ArchiveStatus { id: context.archive.id().to_owned(), last: last.0, disk_size: context.archive.disk_size() },
        index: IndexStatus { position: position.0, behind: last.0.saturating_sub(position.0), documents, error, rebuild },
        files: archive.file_totals().into(),
        program: context.status.status(),
    })
}

/// Liveness: whether the program runs.
#[utoipa::path(get, path = "/healthz", operation_id = "getLiveness", tag = "program", responses((status = 200, description = "It runs.", body = String, content_type = "text/plain")))]
pub(super) async fn healthz() -> &'static str {
    "ok\n"
}

/// Readiness: whether the program can do its work.
#[utoipa::path(
    get, path = "/readyz", operation_id = "getReadiness", tag = "program",
    responses((status = 200, description = "It is ready.", body = String, content_type = "text/plain"), (status = 503, description = "It is not; the detail says why.")),
)]
pub(super) async fn readyz(
    State(context): State<Arc<Context>>,
    Extension(ingress): Extension<Ingress>,
    headers: HeaderMap,
) -> Result<&'static str, Problem> {
    // Everybody may ask, but accounts and addresses are not for everybody.
    let may_read = ingress.plain(&headers) == Plain::Allowed && ingress.may(KeyScope::Fetch);
    let unready = context.read(move |context| {
        let detail = if may_read { context.status.unready_detail() } else { None };
        Ok(context.status.unready().map(|why| detail.map_or_else(|| why.clone(), |detail| format!("{why} ({detail})"))))
    });
    match unready.await? {
        _ if context.lifecycle.stopping() => Err(Problem::unready("the program is stopping")),
        Some(why) => Err(Problem::unready(why)),
        None => match context.index.rebuild() {
            // The reason is in the status, for those who may read it.
            Some(RebuildProgress { position, last, .. }) => {
                Err(Problem::unready(format!("the search index is being rebuilt: {position} of {last} changes are done")))
            }
            None => Ok("ready\n"),
        },
    }
}

/// Returns the metrics in Prometheus' text format; only the metrics listeners serve it.
pub(super) async fn metrics(State(context): State<Arc<Context>>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], (context.metrics)())
}

#[cfg(test)]
mod tests {
    use super::super::context::StatusSource;
    use super::*;
    use crate::archive::{Archive, Durability};
    use crate::lifecycle::Lifecycle;
    use crate::model::{FixedClock, PeerId, Timestamp};
    use crate::seal::{self, Key, Rights};
    use crate::search::{IndexFolders, ServingIndex};
    use crate::views::ProgramView;

    struct Unready;

    impl StatusSource for Unready {
        fn status(&self) -> ProgramView {
            ProgramView::default()
        }

        fn unready(&self) -> Option<String> {
            Some("no account gets a response".to_owned())
        }

        fn unready_detail(&self) -> Option<String> {
            Some("alpha: signed out".to_owned())
        }
    }

    #[tokio::test]
    async fn that_it_is_not_ready_is_told_to_everybody_and_of_which_account_to_who_may_read_the_status() {
        let folder = tempfile::tempdir().unwrap();
        let archive = Arc::new(Archive::open(&folder.path().join("archive"), Durability::Os).unwrap());
        let index = ServingIndex::lazy(IndexFolders::at(&folder.path().join("index")), &archive);
        let clock = Arc::new(FixedClock::new(Timestamp(1)));
        let context = Arc::new(Context::new(archive, index, clock, Lifecycle::new()).with_status(Arc::new(Unready)));
        let asked = async |context: &Arc<Context>, rights: Rights| {
            let now = chrono::DateTime::from_timestamp(1, 0).unwrap();
            let key = Key::generate(&"desk".parse().unwrap(), now, &mut seal::system_random()).with_rights(rights);
            let ingress = Ingress::Sealed { key: Arc::new(key), from: None, operate: false };
            readyz(State(Arc::clone(context)), Extension(ingress), HeaderMap::new()).await.unwrap_err().detail
        };
        let told = asked(&context, Rights::default()).await;
        assert_eq!(told, "no account gets a response (alpha: signed out)");
        let told = asked(&context, Rights { scopes: [KeyScope::Search].into(), ..Rights::default() }).await;
        assert_eq!(told, "no account gets a response");
        let peers = Arc::new([PeerId::channel(1)].into());
        let told = asked(&Arc::new(context.limited_to(&peers)), Rights { peers: Some(peers), ..Rights::default() }).await;
        assert_eq!(told, "no account gets a response");
    }
}
