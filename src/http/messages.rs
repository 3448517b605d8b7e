//! `/v1/peers/{peer}/messages`: a peer's history, and one message with everything that is known about it.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use utoipa::IntoParams;

use crate::archive::{Order, Raw, Snapshot, StoredMessage};
use crate::model::{AccountName, IdRange, MessageKey, Peer};
use crate::show::{self, StoredView};
use crate::views::{MessageDetail, MessagesPage, RawView};

use super::context::Context;
use super::ingress::Ingress;
use super::mentions::describe_new;
use super::paging::PageBudget;
use super::path::{ACCOUNT, MessagePath, PeerPath, chat};
use super::problem::Problem;
use super::query::{FromQuery, Query, Values};

/// Which page of a history.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ListMessagesParams {
    /// Whose message ids are meant, in basic groups and private chats; needed where several accounts archived the peer.
    #[param(value_type = Option<String>)]
    account: Option<AccountName>,
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

impl FromQuery for ListMessagesParams {
    const NAMES: &'static [&'static str] = &["account", "before", "after", "limit", "order"];

    fn from_query(values: &Values) -> Result<Self, Problem> {
        let orders = [("newest", Order::NewestFirst), ("oldest", Order::OldestFirst)];
        Ok(Self {
            account: values.parsed("account", ACCOUNT)?,
            before: values.parsed("before", "a message id")?,
            after: values.parsed("after", "a message id")?,
            limit: values.limit()?,
            order: values.choice("order", &orders)?.unwrap_or(Order::NewestFirst),
        })
    }
}

/// Returns a page of a peer's history.
#[utoipa::path(
    get, path = "/v1/peers/{peer}/messages", operation_id = "listMessages", tag = "archive", params(PeerPath, ListMessagesParams),
    responses((status = 200, body = MessagesPage)),
)]
pub(super) async fn history(
    State(context): State<Arc<Context>>,
    Extension(ingress): Extension<Ingress>,
    Query(params): Query<ListMessagesParams>,
    PeerPath(peer): PeerPath,
) -> Result<Json<MessagesPage>, Problem> {
    let budget = PageBudget::new(&context, &ingress, params.limit)?;
    context.read(move |context| page(&context.archive.flushed(), &peer, &params, budget)).await.map(Json)
}

fn page(archive: &Snapshot, peer: &Peer, params: &ListMessagesParams, budget: PageBudget) -> Result<MessagesPage, Problem> {
    let first = params.after.map_or(i32::MIN, |after| after.saturating_add(1));
    let last = params.before.map_or(i32::MAX, |before| before.saturating_sub(1));
    let range = IdRange::new(first, last);
    let chat = chat(archive, peer.id, params.account)?;
    let stored = range.into_iter().flat_map(|range| archive.view().messages(chat, range, params.order));
    let mut described = BTreeSet::from([peer.id]);
    // With each message come the peers that it is the first to mention: they take room too.
    let entries = stored.map(|stored| {
        let view = StoredView::new(&stored?, &[]);
        let peers = describe_new(archive, &view.message.content, &mut described)?;
        Ok((view, peers))
    });
    let page = budget.fill(entries)?;
    let next = page.next(|(last, _)| last.message.id);
    let (messages, peers): (Vec<_>, Vec<_>) = page.entries.into_iter().unzip();
    let mut peers: Vec<_> = peers.into_iter().flatten().collect();
    peers.sort_by_key(|peer| peer.id);
    Ok(MessagesPage { peer: show::peer(peer), messages, peers, next })
}

/// Whether to include Telegram's bytes.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct GetMessageParams {
    /// Whose message id is meant, in basic groups and private chats; needed where several accounts archived the peer.
    #[param(value_type = Option<String>)]
    account: Option<AccountName>,
    /// Whether to include Telegram's raw bytes (TL) of the newest version and of the earlier ones that are listed.
    #[param(value_type = Option<bool>)]
    raw: bool,
    /// `versions_before` of the previous response: only earlier versions with numbers below this one.
    versions_before: Option<u32>,
}

/// Earlier versions in one response.
const VERSIONS_MAX: usize = 100;

impl FromQuery for GetMessageParams {
    const NAMES: &'static [&'static str] = &["account", "raw", "versions_before"];

    fn from_query(values: &Values) -> Result<Self, Problem> {
        let versions_before = values.parsed("versions_before", "the number of a version")?;
        Ok(Self { account: values.parsed("account", ACCOUNT)?, raw: values.claim("raw")?, versions_before })
    }
}

/// Returns one message.
#[utoipa::path(
    get, path = "/v1/peers/{peer}/messages/{message}", operation_id = "getMessage", tag = "archive", params(MessagePath, GetMessageParams),
    responses(
        (status = 200, body = MessageDetail),
        (status = 410, description = "The message was erased."),
    ),
)]
pub(super) async fn one(
    State(context): State<Arc<Context>>,
    Extension(ingress): Extension<Ingress>,
    Query(params): Query<GetMessageParams>,
    path: MessagePath,
) -> Result<Json<MessageDetail>, Problem> {
    let budget = PageBudget::of_bytes(&ingress).at_most(1 + VERSIONS_MAX);
    context.read(move |context| message(&context.archive.flushed(), &path, &params, budget)).await.map(Json)
}

fn message(
    archive: &Snapshot,
    path: &MessagePath,
    params: &GetMessageParams,
    mut budget: PageBudget,
) -> Result<MessageDetail, Problem> {
    let (peer, key) = (&path.peer, path.key(archive, params.account)?);
    let stored = stored(archive, key)?;
    let newest = if params.raw { archive.view().raw(key)?.map(raw) } else { None };
    let mut described = BTreeSet::from([peer.id]);
    let mut peers = describe_new(archive, &show::message(&stored.message).content, &mut described)?;
    budget.takes(&(show::message(&stored.message), &newest, &peers));
    let before = params.versions_before.unwrap_or(u32::MAX).min(stored.version);
    let (mut versions, mut raws) = (Vec::new(), Vec::new());
    // The newest ones first, because there may be very many. One always fits, so that every client gets on.
    for version in archive.view().versions(key, 0..before, Order::NewestFirst) {
        let version = version?;
        let content = show::message(&version.message).content;
        let bytes = if params.raw { archive.view().raw_of_version(key, version.version)?.map(raw) } else { None };
        let mentioned = describe_new(archive, &content, &mut described)?;
        let fits = budget.takes(&(content, &bytes, &mentioned));
        if fits || versions.is_empty() {
            peers.extend(mentioned);
            versions.push(version);
            raws.push(bytes);
        }
        if !fits {
            break;
        }
    }
    versions.reverse();
    raws.reverse();
    peers.sort_by_key(|peer| peer.id);
    let first_version = versions.first().map_or(before, |first| first.version);
    Ok(MessageDetail {
        peer: show::peer(peer),
        message: StoredView::new(&stored, &versions),
        archived: versions.iter().chain([&stored]).map(|form| form.archived_at.to_string()).collect(),
        peers,
        first_version,
        versions_before: (first_version > 0).then_some(first_version),
        raw: newest,
        raw_versions: if params.raw { raws } else { Vec::new() },
    })
}

/// The newest form of a message, or the problem that says why there is none.
pub(super) fn stored(archive: &Snapshot, key: MessageKey) -> Result<StoredMessage, Problem> {
    if let Some(stored) = archive.view().message(key)? {
        return Ok(stored);
    }
    if let Some(tombstone) = archive.view().tombstone(key)? {
        return Err(Problem::erased_message(format!("it was erased at {} by erasure {}", tombstone.at, tombstone.erasure)));
    }
    let covered = archive.view().coverage(key.chat)?.read.contains(key.id.0);
    let why = if covered { "Telegram had no such message when this id was read" } else { "this id was not read yet" };
    Err(Problem::unknown_message(why))
}

fn raw(raw: Raw) -> RawView {
    RawView { layer: raw.layer, tl: STANDARD.encode(&raw.tl), account: raw.account.map(|name| name.to_string()) }
}
