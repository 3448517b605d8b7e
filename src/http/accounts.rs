//! `/v1/peers/{peer}/accounts`: the memberships of a peer, which say which accounts see it.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use crate::show;
use crate::views::PeerAccountsView;

use super::context::Context;
use super::path::PeerPath;
use super::problem::Problem;
use super::query::{NoParams, Query};

/// Lists the accounts that see a peer, since when, and in which of their folders.
#[utoipa::path(
    get, path = "/v1/peers/{peer}/accounts", operation_id = "listPeerAccounts", tag = "crawl", params(PeerPath),
    responses((status = 200, body = PeerAccountsView)),
)]
pub(super) async fn accounts(
    State(context): State<Arc<Context>>,
    _: Query<NoParams>,
    PeerPath(peer): PeerPath,
) -> Result<Json<PeerAccountsView>, Problem> {
    let read = move |context: &Context| {
        let accounts = context.archive.flushed().view().members(peer.id)?.into_iter().map(Into::into).collect();
        Ok(PeerAccountsView { peer: show::peer(&peer), accounts })
    };
    context.read(read).await.map(Json)
}
