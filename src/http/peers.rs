//! `/v1/peers`: the peers that the archive knows.

use std::num::NonZeroUsize;
use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use utoipa::IntoParams;

use crate::archive::{ArchiveError, Snapshot};
use crate::model::{Peer, PeerId};
use crate::views::{KnownPeer, PeersPage};

use super::context::Context;
use super::ingress::Ingress;
use super::mentions::known_or_bare;
use super::paging::PageBudget;
use super::path::PeerPath;
use super::problem::Problem;
use super::query::{FromQuery, NoParams, Query, Values};

/// Which peers.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ListPeersParams {
    /// `next` of the previous page.
    after: Option<i64>,
    /// Maximum number of peers.
    #[param(value_type = Option<usize>, minimum = 1)]
    limit: Option<NonZeroUsize>,
    /// Whether to include peers that are not crawled: senders, and sources of forwards.
    #[param(value_type = Option<bool>)]
    all: bool,
}

impl FromQuery for ListPeersParams {
    const NAMES: &'static [&'static str] = &["after", "limit", "all"];

    fn from_query(values: &Values) -> Result<Self, Problem> {
        Ok(Self { after: values.parsed("after", "a peer's id")?, limit: values.limit()?, all: values.claim("all")? })
    }
}

/// Lists peers.
#[utoipa::path(get, path = "/v1/peers", operation_id = "listPeers", tag = "archive", params(ListPeersParams), responses((status = 200, body = PeersPage)))]
pub(super) async fn list(
    State(context): State<Arc<Context>>,
    Extension(ingress): Extension<Ingress>,
    Query(params): Query<ListPeersParams>,
) -> Result<Json<PeersPage>, Problem> {
    let budget = PageBudget::new(&context, &ingress, params.limit)?;
    context.read(move |context| page(&context.archive.flushed(), &params, budget)).await.map(Json)
}

fn page(archive: &Snapshot, params: &ListPeersParams, budget: PageBudget) -> Result<PeersPage, Problem> {
    let from = PeerId(params.after.map_or(i64::MIN, |after| after.saturating_add(1)));
    let known = |peer: Result<Peer, ArchiveError>| Ok(known(archive, &peer?)?);
    let page = if params.all {
        budget.fill(archive.view().peers(from).map(known))
    } else {
        let mut last = None;
        let peers = archive.view().crawl_states(from.into()).map(|entry| entry.map(|(chat, _)| chat.peer()));
        let each = peers.filter(|peer| peer.as_ref().map_or(true, |peer| last.replace(*peer) != Some(*peer)));
        budget.fill(each.map(|peer| known_or_bare(archive.view(), peer?)).map(known))
    }?;
    Ok(PeersPage { next: page.next(|last| last.peer.id), peers: page.entries })
}

/// Returns one peer.
#[utoipa::path(
    get, path = "/v1/peers/{peer}", operation_id = "getPeer", tag = "archive", params(PeerPath),
    responses((status = 200, body = KnownPeer)),
)]
pub(super) async fn one(
    State(context): State<Arc<Context>>,
    _: Query<NoParams>,
    PeerPath(peer): PeerPath,
) -> Result<Json<KnownPeer>, Problem> {
    context.read(move |context| Ok(known(&context.archive.flushed(), &peer)?)).await.map(Json)
}

fn known(archive: &Snapshot, peer: &Peer) -> Result<KnownPeer, ArchiveError> {
    let chats = archive.view().chats(peer.id)?.into_iter();
    let chats = chats.map(|(chat, _)| Ok((chat, archive.view().coverage(chat)?)));
    Ok(KnownPeer::new(peer, &chats.collect::<Result<Vec<_>, ArchiveError>>()?))
}
