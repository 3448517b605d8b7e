//! `/v1/dump`: the whole archive as described in `docs/dump.md`, read as it is sent.
//!
//! It is no snapshot: a message that is archived while the dump runs is in it where its place was not yet passed.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;
use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use serde::Serialize;
use serde_json::Value;
use utoipa::IntoParams;

use crate::archive::{Order, Snapshot, StoredMessage};
use crate::model::{ChatId, IdRange, MessageId, MessageKey, PeerId};
use crate::show::{self, StoredView, VersionView};
use crate::views::DumpPage;

use super::context::Context;
use super::ingress::Ingress;
use super::lines::{self, Chunk, Lines};
use super::mentions::known_or_bare;
use super::paging::{PageBudget, size_of};
use super::path::resolve;
use super::problem::Problem;
use super::query::{FromQuery, Query, Values};

/// Messages read before a chunk is sent, even if most of them are left out.
const LOOKED_AT_MAX: usize = 2_000;
/// Versions of a message in one line.
const VERSIONS_MAX: u32 = 100;
/// Bytes of versions behind which a line takes no more of them: a line is made in memory, and a sealed one is a token of its own.
const VERSIONS_SIZE: usize = 256 << 10;

/// What to dump.
#[derive(Clone, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct DumpParams {
    /// Whether to include deleted messages and earlier versions.
    #[param(value_type = Option<bool>)]
    all: bool,
    /// Only this peer: a marked id, or `@` and a username.
    peer: Option<String>,
    /// `next` of the previous page; sealed responses only.
    #[param(value_type = Option<String>)]
    after: Option<DumpPosition>,
}

impl FromQuery for DumpParams {
    const NAMES: &'static [&'static str] = &["all", "peer", "after"];

    fn from_query(values: &Values) -> Result<Self, Problem> {
        Ok(Self {
            all: values.claim("all")?,
            peer: values.text("peer").map(str::to_owned),
            after: values.parsed("after", "the `next` of a page")?,
        })
    }
}

/// How far a dump has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DumpPosition {
    /// This peer's line was written.
    Peer(PeerId),
    /// This message was written or left out.
    Message(ChatId, i32),
    /// So many versions of this message were written, of more than fit its line.
    Versions(ChatId, i32, u32),
}

impl fmt::Display for DumpPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Peer(peer) => write!(f, "{peer}"),
            Self::Message(chat, id) => write!(f, "{chat}/{id}"),
            Self::Versions(chat, id, versions) => write!(f, "{chat}/{id}/{versions}"),
        }
    }
}

impl FromStr for DumpPosition {
    type Err = InvalidDumpPosition;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let chat = |text: &str| text.parse::<ChatId>().map_err(|_| InvalidDumpPosition);
        let number = |text: &str| text.parse::<i32>().map_err(|_| InvalidDumpPosition);
        let mut parts = text.split('/');
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(peer), None, ..) => peer.parse().map(Self::Peer).map_err(|_| InvalidDumpPosition),
            (Some(of), Some(id), None, _) => Ok(Self::Message(chat(of)?, number(id)?)),
            (Some(of), Some(id), Some(versions), None) => {
                Ok(Self::Versions(chat(of)?, number(id)?, versions.parse().map_err(|_| InvalidDumpPosition)?))
            }
            _ => Err(InvalidDumpPosition),
        }
    }
}

/// A text is no position in a dump.
struct InvalidDumpPosition;

/// Streams the archive as NDJSON; a sealed request gets a page.
#[utoipa::path(
    get, path = "/v1/dump", operation_id = "dump", tag = "archive", params(DumpParams),
    responses(
        (status = 200, description = "Plain: NDJSON as in docs/dump.md; if the archive cannot be read to its end, the connection is aborted. Sealed: a page.", content(
            (Object = "application/x-ndjson"), (DumpPage = "application/json"),
        )),
        (status = 503, description = "The program is stopping."),
    ),
)]
pub(super) async fn dump(
    State(context): State<Arc<Context>>,
    Extension(ingress): Extension<Ingress>,
    Query(params): Query<DumpParams>,
) -> Result<Response, Problem> {
    let mut dump = context.read(move |context| Dump::start(&context.archive.flushed(), &params)).await?;
    if !ingress.is_sealed() {
        return lines::stream(Dumping { context, dump: Some(dump) }).await;
    }
    let page = context.read(move |context| dump.page(&context.archive.flushed(), PageBudget::of_bytes(&ingress))).await?;
    Ok(Json(page).into_response())
}

/// A dump in progress.
struct Dump {
    /// The chats to dump, in their order.
    chats: Arc<[ChatId]>,
    all: bool,
    position: Option<DumpPosition>,
}

impl Dump {
    fn start(archive: &Snapshot, params: &DumpParams) -> Result<Self, Problem> {
        let chats: Vec<ChatId> = match &params.peer {
            Some(peer) => {
                let peer = resolve(archive, peer)?.id;
                let chats: Vec<ChatId> = archive.view().chats(peer)?.into_iter().map(|(chat, _)| chat).collect();
                // One that is not crawled has its own line all the same.
                if chats.is_empty() { vec![peer.into()] } else { chats }
            }
            None => {
                let all = archive.view().crawl_states(ChatId::FIRST);
                all.map(|entry| Ok(entry?.0)).collect::<Result<_, Problem>>()?
            }
        };
        Ok(Self { chats: chats.into(), all: params.all, position: params.after })
    }

    fn page(&mut self, archive: &Snapshot, mut budget: PageBudget) -> Result<DumpPage, Problem> {
        let mut lines: Vec<Value> = Vec::new();
        let done = self.walk(archive, |line| {
            let value = serde_json::to_value(line).map_err(|e| Problem::hidden(&e))?;
            let fits = budget.takes(&value);
            if fits {
                lines.push(value);
            }
            Ok(fits)
        })?;
        Ok(DumpPage { lines, next: self.position.filter(|_| !done).map(|position| position.to_string()) })
    }

    fn chunk(&mut self, archive: &Snapshot) -> Result<(Chunk, bool), Problem> {
        let mut chunk = Chunk::default();
        let done = self.walk(archive, |line| {
            let fits = !chunk.is_full();
            if fits {
                chunk.line(line)?;
            }
            Ok(fits)
        })?;
        Ok((chunk, done))
    }

    /// Reads lines from the position on until `take` refuses one or the limit is reached; returns whether the end was reached.
    fn walk(&mut self, archive: &Snapshot, mut take: impl FnMut(&DumpLine) -> Result<bool, Problem>) -> Result<bool, Problem> {
        let mut from = (ChatId::from(PeerId(i64::MIN)), i32::MIN);
        let chats = Arc::clone(&self.chats);
        match self.position {
            None | Some(DumpPosition::Peer(_)) => {
                let written = match self.position {
                    Some(DumpPosition::Peer(peer)) => peer,
                    _ => PeerId(i64::MIN),
                };
                let rest = chats.partition_point(|chat| self.position.is_some() && chat.peer() <= written);
                let mut last = None;
                for peer in chats.iter().skip(rest).map(|chat| chat.peer()) {
                    if last.replace(peer) == Some(peer) {
                        continue;
                    }
                    if !take(&DumpLine::Peer(show::peer(&known_or_bare(archive.view(), peer)?)))? {
                        return Ok(false);
                    }
                    self.position = Some(DumpPosition::Peer(peer));
                }
            }
            Some(DumpPosition::Message(chat, id)) => from = (chat, id.saturating_add(1)),
            Some(DumpPosition::Versions(chat, id, written)) => {
                if !self.more_versions(archive, MessageKey { chat, id: MessageId(id) }, written, &mut take)? {
                    return Ok(false);
                }
                from = (chat, id.saturating_add(1));
            }
        }
        let mut looked_at = 0;
        let rest = chats.partition_point(|chat| *chat < from.0);
        for chat in chats.iter().skip(rest) {
            let first = if *chat == from.0 { from.1 } else { i32::MIN };
            for stored in archive.view().messages(*chat, IdRange { first, last: i32::MAX }, Order::OldestFirst) {
                let stored = stored?;
                if looked_at == LOOKED_AT_MAX {
                    return Ok(false);
                }
                looked_at += 1;
                let position = DumpPosition::Message(*chat, stored.message.key.id.0);
                let (line, written) = self.message(archive, &stored)?;
                if let Some(line) = line
                    && !take(&line)?
                {
                    return Ok(false);
                }
                self.position = Some(position);
                if self.all && stored.version > written && !self.more_versions(archive, stored.message.key, written, &mut take)? {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// Writes those versions of a message that do not fit its line, so many a line, until `take` refuses one; returns whether all were
    /// written.
    fn more_versions(
        &mut self,
        archive: &Snapshot,
        key: MessageKey,
        mut written: u32,
        take: &mut impl FnMut(&DumpLine) -> Result<bool, Problem>,
    ) -> Result<bool, Problem> {
        let all = archive.view().message(key)?.map_or(0, |stored| stored.version);
        while written < all {
            self.position = Some(DumpPosition::Versions(key.chat, key.id.0, written));
            let some = versions(archive, key, written..all)?;
            let Some(next) = some.last().map(|last| last.version.saturating_add(1)) else { break };
            let versions = some.iter().map(|version| (&version.message).into()).collect();
            let account = key.chat.account().map(|account| account.to_string());
            let line = VersionsLine { type_: "versions", peer: key.peer().0, account, id: key.id.0, first: written, versions };
            if !take(&DumpLine::Versions(line))? {
                return Ok(false);
            }
            written = next;
        }
        self.position = Some(DumpPosition::Message(key.chat, key.id.0));
        Ok(true)
    }

    /// The line of a message, if it has one, and how many of its versions that has.
    fn message(&self, archive: &Snapshot, stored: &StoredMessage) -> Result<(Option<DumpLine>, u32), Problem> {
        if !self.all {
            let shown = stored.deleted_at.is_none();
            return Ok((shown.then(|| DumpLine::Message(show::message(&stored.message))), 0));
        }
        let versions = versions(archive, stored.message.key, 0..stored.version)?;
        let written = versions.last().map_or(0, |last| last.version.saturating_add(1));
        Ok((Some(DumpLine::Stored(StoredView::new(stored, &versions))), written))
    }
}

/// The first of a message's versions: as many as a line takes, and one at least.
fn versions(archive: &Snapshot, key: MessageKey, numbers: Range<u32>) -> Result<Vec<StoredMessage>, Problem> {
    let (mut some, mut size) = (Vec::new(), 0);
    let end = numbers.end.min(numbers.start.saturating_add(VERSIONS_MAX));
    for version in archive.view().versions(key, numbers.start..end, Order::OldestFirst) {
        let version = version?;
        size += size_of(&VersionView::from(&version.message));
        some.push(version);
        if size >= VERSIONS_SIZE {
            break;
        }
    }
    Ok(some)
}

/// One line.
#[derive(Serialize)]
#[serde(untagged)]
enum DumpLine {
    Peer(show::PeerView),
    Message(show::MessageView),
    Stored(StoredView),
    Versions(VersionsLine),
}

/// Versions of a message that has more than fit its line.
#[derive(Serialize)]
struct VersionsLine {
    #[serde(rename = "type")]
    type_: &'static str,
    peer: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<String>,
    id: i32,
    /// The number of the first of them.
    first: u32,
    versions: Vec<VersionView>,
}

struct Dumping {
    context: Arc<Context>,
    /// `None` when it has ended.
    dump: Option<Dump>,
}

impl Lines for Dumping {
    async fn next(&mut self) -> Result<Option<Chunk>, Problem> {
        let Some(mut dump) = self.dump.take() else { return Ok(None) };
        if self.context.lifecycle.stopping() {
            return Err(Problem::unready("the program is stopping"));
        }
        let read = move |context: &Context| {
            let (chunk, done) = dump.chunk(&context.archive.flushed())?;
            Ok((chunk, (!done).then_some(dump)))
        };
        let (chunk, rest) = self.context.read(read).await?;
        self.dump = rest;
        Ok(Some(chunk))
    }
}
