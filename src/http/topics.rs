//! `/v1/peers/{peer}/topics`: a forum's topics.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use crate::show;
use crate::views::PeerTopicsView;

use super::context::Context;
use super::path::PeerPath;
use super::problem::Problem;
use super::query::{NoParams, Query};

/// Topics listed at once. Telegram itself lists no more of them than people can scroll through.
const TOPICS_MAX: usize = 1_000;

/// Lists a forum's topics.
#[utoipa::path(
    get, path = "/v1/peers/{peer}/topics", operation_id = "listTopics", tag = "archive", params(PeerPath),
    responses((status = 200, body = PeerTopicsView)),
)]
pub(super) async fn topics(
    State(context): State<Arc<Context>>,
    _: Query<NoParams>,
    PeerPath(peer): PeerPath,
) -> Result<Json<PeerTopicsView>, Problem> {
    let read = move |context: &Context| {
        let topics = context.archive.flushed().view().topics(peer.id)?.into_iter().take(TOPICS_MAX).map(Into::into).collect();
        Ok(PeerTopicsView { peer: show::peer(&peer), topics })
    };
    context.read(read).await.map(Json)
}
