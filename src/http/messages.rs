//! `/v1/peers/{peer}/messages`: a peer's history, and one message with everything that is known about it.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::{Extension, Json};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use crate::archive::{Archive, ArchiveError, Order};
use crate::model::{IdRange, Message, MessageId, MessageKey, PeerId};
use crate::show::{self, PeerView, StoredView};

use super::context::{Context, Room};
use super::ingress::Ingress;
use super::peers;
use super::problem::Problem;
use super::query::{FromQuery, Query, Values};

/// Which page of a history.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Part {
    /// Only ids below this one.
    before: Option<i32>,
    /// Only ids above this one.
    after: Option<i32>,
    /// Maximum number of messages.
    #[param(value_type = Option<usize>, minimum = 1)]
    limit: Option<NonZeroUsize>,
    /// `newest` (the default) or `oldest` first.
    #[param(value_type = Option<String>)]
    order: Order,
}

impl FromQuery for Part {
    const NAMES: &'static [&'static str] = &["before", "after", "limit", "order"];

    fn from_query(values: &Values) -> Result<Self, Problem> {
        let orders = [("newest", Order::NewestFirst), ("oldest", Order::OldestFirst)];
        Ok(Self {
            before: values.parsed("before", "a message id")?,
            after: values.parsed("after", "a message id")?,
            limit: values.parsed("limit", "a number (1 or greater)")?,
            order: values.choice("order", &orders)?.unwrap_or(Order::NewestFirst),
        })
    }
}

/// A page of a peer's history.
#[derive(Serialize, ToSchema)]
pub(super) struct History {
    /// The peer.
    peer: PeerView,
    /// Messages in the requested order, without their earlier versions; deleted ones are included and have `deleted`.
    messages: Vec<StoredView>,
    /// The other peers that the messages mention: senders, and sources of forwards.
    peers: Vec<PeerView>,
    /// Value of `before` (newest first) or `after` (oldest first) for the next page; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<i32>,
}

/// Returns a page of a peer's history.
#[utoipa::path(
    get, path = "/v1/peers/{peer}/messages", tag = "archive",
    params(("peer" = String, Path, description = "A marked id, or `@` and a username."), Part),
    responses((status = 200, body = History), (status = 404, body = Problem, content_type = "application/problem+json")),
)]
pub(super) async fn history(
    State(context): State<Arc<Context>>,
    Extension(ingress): Extension<Ingress>,
    peer: Result<Path<String>, PathRejection>,
    Query(part): Query<Part>,
) -> Result<Json<History>, Problem> {
    let Path(peer) = peer?;
    let limit = context.page_size(part.limit)?;
    context.read(move |context| page(&context.archive, &peer, &part, limit, Room::of(&ingress))).await.map(Json)
}

fn page(archive: &Archive, peer: &str, part: &Part, limit: usize, mut room: Room) -> Result<History, Problem> {
    let peer = peers::resolve(archive, peer)?;
    let first = part.after.map_or(i32::MIN, |after| after.saturating_add(1));
    let last = part.before.map_or(i32::MAX, |before| before.saturating_sub(1));
    let mut page = History { peer: show::peer(&peer), messages: Vec::new(), peers: Vec::new(), next: None };
    let Some(range) = IdRange::new(first, last) else { return Ok(page) };
    let mut mentioned = BTreeSet::new();
    for stored in archive.view().messages(peer.id, range, part.order) {
        let stored = stored?;
        let view = StoredView::new(&stored, &[]);
        if page.messages.len() == limit || !room.takes(&view) {
            page.next = page.messages.last().map(|last| last.message.id);
            break;
        }
        mention(&stored.message, &mut mentioned);
        page.messages.push(view);
    }
    mentioned.remove(&peer.id);
    page.peers = describe(archive, &mentioned)?;
    Ok(page)
}

/// Whether to include Telegram's bytes.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Detail {
    /// Whether to include Telegram's raw bytes (TL) of the newest version.
    #[param(value_type = Option<bool>)]
    raw: bool,
}

impl FromQuery for Detail {
    const NAMES: &'static [&'static str] = &["raw"];

    fn from_query(values: &Values) -> Result<Self, Problem> {
        Ok(Self { raw: values.claim("raw")? })
    }
}

/// A message with everything that is known about it.
#[derive(Serialize, ToSchema)]
pub(super) struct MessageDetail {
    /// Where it was posted.
    peer: PeerView,
    /// Its newest version, whether it was deleted, and its earlier versions.
    message: StoredView,
    /// When each version was archived, oldest first; the last entry is of the newest version.
    archived: Vec<String>,
    /// The other peers that it mentions.
    peers: Vec<PeerView>,
    /// Telegram's raw bytes, if requested.
    #[serde(skip_serializing_if = "Option::is_none")]
    raw: Option<RawView>,
}

/// Telegram's raw bytes of a message.
#[derive(Serialize, ToSchema)]
pub(super) struct RawView {
    /// The layer of the TL schema that decodes them.
    layer: i32,
    /// The boxed `Message` in base64.
    tl: String,
}

/// Returns one message.
#[utoipa::path(
    get, path = "/v1/peers/{peer}/messages/{message}", tag = "archive",
    params(
        ("peer" = String, Path, description = "A marked id, or `@` and a username."),
        ("message" = i32, Path, description = "Telegram's message id."),
        Detail,
    ),
    responses((status = 200, body = MessageDetail), (status = 404, body = Problem, content_type = "application/problem+json")),
)]
pub(super) async fn one(
    State(context): State<Arc<Context>>,
    path: Result<Path<(String, String)>, PathRejection>,
    Query(detail): Query<Detail>,
) -> Result<Json<MessageDetail>, Problem> {
    let Path((peer, id)) = path?;
    let id = id.parse().map_err(|_| Problem::bad_parameter("the message id must be a number"))?;
    context.read(move |context| message(&context.archive, &peer, MessageId(id), &detail)).await.map(Json)
}

fn message(archive: &Archive, peer: &str, id: MessageId, detail: &Detail) -> Result<MessageDetail, Problem> {
    let peer = peers::resolve(archive, peer)?;
    let key = MessageKey { peer: peer.id, id };
    let Some(stored) = archive.view().message(key)? else {
        let covered = archive.view().coverage(peer.id)?.read.contains(id.0);
        let why = if covered { "Telegram had no such message when this id was read" } else { "this id was not read yet" };
        return Err(Problem::unknown_message(why));
    };
    let versions = archive.view().versions(key)?;
    let raw = if detail.raw { archive.view().raw(key)? } else { None };
    let mut mentioned = BTreeSet::new();
    versions.iter().chain([&stored]).for_each(|form| mention(&form.message, &mut mentioned));
    mentioned.remove(&peer.id);
    Ok(MessageDetail {
        peer: show::peer(&peer),
        message: StoredView::new(&stored, &versions),
        archived: versions.iter().chain([&stored]).map(|form| form.archived_at.to_string()).collect(),
        peers: describe(archive, &mentioned)?,
        raw: raw.map(|raw| RawView { layer: raw.layer, tl: STANDARD.encode(&raw.tl) }),
    })
}

/// Collects the peers that a message mentions.
pub(super) fn mention(message: &Message, into: &mut BTreeSet<PeerId>) {
    into.extend(message.sender);
    into.extend(message.via_bot);
    into.extend(message.forward.as_ref().and_then(|forward| forward.from));
}

/// Describes those peers that the archive knows.
pub(super) fn describe(archive: &Archive, peers: &BTreeSet<PeerId>) -> Result<Vec<PeerView>, ArchiveError> {
    let mut views = Vec::with_capacity(peers.len());
    for id in peers {
        views.extend(archive.view().peer(*id)?.as_ref().map(show::peer));
    }
    Ok(views)
}
