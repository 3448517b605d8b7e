//! `/v1/peers`: the peers that the archive knows.

use std::num::NonZeroUsize;
use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::{Extension, Json};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use crate::archive::{Archive, ArchiveError};
use crate::model::{IdSpace, Peer, PeerId, PeerKind};
use crate::show::{self, PeerView};

use super::context::{Context, Room};
use super::ingress::Ingress;
use super::problem::Problem;
use super::query::{FromQuery, Nothing, Query, Values};

/// Which peers.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// `next` of the previous page.
    after: Option<i64>,
    /// Maximum number of peers.
    #[param(value_type = Option<usize>, minimum = 1)]
    limit: Option<NonZeroUsize>,
    /// Whether to include peers that are not crawled: senders, and sources of forwards.
    #[param(value_type = Option<bool>)]
    all: bool,
}

impl FromQuery for Which {
    const NAMES: &'static [&'static str] = &["after", "limit", "all"];

    fn from_query(values: &Values) -> Result<Self, Problem> {
        Ok(Self {
            after: values.parsed("after", "a peer's id")?,
            limit: values.parsed("limit", "a number (1 or greater)")?,
            all: values.claim("all")?,
        })
    }
}

/// A page of peers, by ascending id.
#[derive(Serialize, ToSchema)]
pub(super) struct PeersPage {
    peers: Vec<KnownPeer>,
    /// Value of `after` for the next page; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<i64>,
}

/// A peer and how much of it is archived.
#[derive(Serialize, ToSchema)]
pub(super) struct KnownPeer {
    #[serde(flatten)]
    peer: PeerView,
    /// Whether its messages are archived.
    crawled: bool,
    /// How many messages are archived, also those deleted since.
    messages: u64,
    /// Of these, how many were deleted in Telegram.
    deleted: u64,
}

impl KnownPeer {
    fn read(archive: &Archive, peer: &Peer) -> Result<Self, ArchiveError> {
        let coverage = archive.view().coverage(peer.id)?;
        let crawled = archive.view().cursor(peer.id)?.is_some();
        Ok(Self { peer: show::peer(peer), crawled, messages: coverage.messages, deleted: coverage.deleted })
    }
}

/// Lists peers.
#[utoipa::path(get, path = "/v1/peers", tag = "archive", params(Which), responses((status = 200, body = PeersPage)))]
pub(super) async fn list(
    State(context): State<Arc<Context>>,
    Extension(ingress): Extension<Ingress>,
    Query(which): Query<Which>,
) -> Result<Json<PeersPage>, Problem> {
    let limit = context.page_size(which.limit)?;
    context.read(move |context| page(&context.archive, &which, limit, Room::of(&ingress))).await.map(Json)
}

fn page(archive: &Archive, which: &Which, limit: usize, mut room: Room) -> Result<PeersPage, Problem> {
    let from = PeerId(which.after.map_or(i64::MIN, |after| after.saturating_add(1)));
    let mut peers: Vec<KnownPeer> = Vec::new();
    let mut add = |peer: &Peer| -> Result<bool, Problem> {
        let known = KnownPeer::read(archive, peer)?;
        let fits = peers.len() < limit && room.takes(&known);
        if fits {
            peers.push(known);
        }
        Ok(fits)
    };
    let mut more = false;
    if which.all {
        for peer in archive.view().peers(from) {
            if !add(&peer?)? {
                more = true;
                break;
            }
        }
    } else {
        for cursor in archive.view().cursors(PeerId(i64::MIN)) {
            let (id, _) = cursor?;
            if id < from {
                continue;
            }
            if !add(&named(archive, id)?)? {
                more = true;
                break;
            }
        }
    }
    let next = peers.last().filter(|_| more).map(|last| last.peer.id);
    Ok(PeersPage { peers, next })
}

/// Returns one peer.
#[utoipa::path(
    get, path = "/v1/peers/{peer}", tag = "archive",
    params(("peer" = String, Path, description = "A marked id, or `@` and a username.")),
    responses((status = 200, body = KnownPeer), (status = 404, body = Problem, content_type = "application/problem+json")),
)]
pub(super) async fn one(
    State(context): State<Arc<Context>>,
    peer: Result<Path<String>, PathRejection>,
    _: Query<Nothing>,
) -> Result<Json<KnownPeer>, Problem> {
    let Path(peer) = peer?;
    context.read(move |context| Ok(KnownPeer::read(&context.archive, &resolve(&context.archive, &peer)?)?)).await.map(Json)
}

/// The peer that a path names by id or by `@username`, also one of which only messages are archived yet.
pub(super) fn resolve(archive: &Archive, text: &str) -> Result<Peer, Problem> {
    let unknown = || Problem::unknown_peer("the archive holds nothing of this peer; `/v1/peers?all=true` lists those it knows");
    if let Some(username) = text.strip_prefix('@') {
        return archive.view().peer_by_username(username)?.ok_or_else(unknown);
    }
    let wrong = |_| Problem::bad_parameter("the peer must be a marked id such as `-1001500000001`, or `@` and a username");
    let id: PeerId = text.parse().map_err(wrong)?;
    match archive.view().peer(id)? {
        Some(peer) => Ok(peer),
        None if archive.view().cursor(id)?.is_some() => Ok(unnamed(id)),
        None => Err(unknown()),
    }
}

/// A peer, or its id alone where only that is known.
pub(super) fn named(archive: &Archive, id: PeerId) -> Result<Peer, ArchiveError> {
    Ok(archive.view().peer(id)?.unwrap_or_else(|| unnamed(id)))
}

fn unnamed(id: PeerId) -> Peer {
    let kind = match id.kind() {
        IdSpace::User => PeerKind::User,
        IdSpace::Chat => PeerKind::Group,
        IdSpace::Channel => PeerKind::Channel,
    };
    Peer::new(id, kind, String::new())
}

impl From<PathRejection> for Problem {
    fn from(_: PathRejection) -> Self {
        Self::bad_parameter("the path is not valid UTF-8")
    }
}
