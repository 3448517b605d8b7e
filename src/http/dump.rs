//! `/v1/dump`: the whole archive as described in `docs/dump.md`, read as it is sent.
//!
//! It is no snapshot: a message that is archived while the dump runs is in it where its place was not yet passed.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use serde::Serialize;
use serde_json::Value;
use utoipa::IntoParams;

use crate::archive::{Order, Snapshot, StoredMessage};
use crate::model::{IdRange, MessageId, MessageKey, PeerId};
use crate::show::{self, StoredView, VersionView};
use crate::views::DumpPage;

use super::context::Context;
use super::ingress::Ingress;
use super::lines::{self, Chunk, Lines};
use super::mentions::known_or_bare;
use super::paging::PageBudget;
use super::path::resolve;
use super::problem::Problem;
use super::query::{FromQuery, Query, Values};

/// Messages read before a chunk is sent, even if most of them are left out.
const LOOKED_AT_MAX: usize = 2_000;
/// Versions of a message in one line.
const VERSIONS_MAX: u32 = 100;

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
    Message(PeerId, i32),
    /// So many versions of this message were written, of more than fit its line.
    Versions(PeerId, i32, u32),
}

impl fmt::Display for DumpPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Peer(peer) => write!(f, "{peer}"),
            Self::Message(peer, id) => write!(f, "{peer}/{id}"),
            Self::Versions(peer, id, versions) => write!(f, "{peer}/{id}/{versions}"),
        }
    }
}

impl FromStr for DumpPosition {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('/') {
            None => text.parse().map(Self::Peer),
            Some((peer, rest)) => match rest.split_once('/') {
                None => Ok(Self::Message(peer.parse()?, rest.parse()?)),
                Some((id, versions)) => Ok(Self::Versions(peer.parse()?, id.parse()?, versions.parse()?)),
            },
        }
    }
}

/// Streams the archive as NDJSON; a sealed request gets a page.
#[utoipa::path(
    get, path = "/v1/dump", tag = "archive", params(DumpParams),
    responses(
        (status = 200, description = "Plain: NDJSON as in docs/dump.md; if the archive cannot be read to its end, the connection is aborted. Sealed: a page.", content(
            (Object = "application/x-ndjson"), (DumpPage = "application/json"),
        )),
        (status = 404, body = Problem, content_type = "application/problem+json"),
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
    /// The peers to dump, ascending.
    peers: Arc<[PeerId]>,
    all: bool,
    position: Option<DumpPosition>,
}

impl Dump {
    fn start(archive: &Snapshot, params: &DumpParams) -> Result<Self, Problem> {
        let peers = match &params.peer {
            Some(peer) => vec![resolve(archive, peer)?.id],
            None => archive.view().crawl_states(PeerId(i64::MIN)).map(|entry| Ok(entry?.0)).collect::<Result<_, Problem>>()?,
        };
        Ok(Self { peers: peers.into(), all: params.all, position: params.after })
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
        let mut from = (PeerId(i64::MIN), i32::MIN);
        let peers = Arc::clone(&self.peers);
        match self.position {
            None | Some(DumpPosition::Peer(_)) => {
                let written = match self.position {
                    Some(DumpPosition::Peer(peer)) => peer,
                    _ => PeerId(i64::MIN),
                };
                let rest = peers.partition_point(|peer| self.position.is_some() && *peer <= written);
                for peer in peers.iter().skip(rest) {
                    if !take(&DumpLine::Peer(show::peer(&known_or_bare(archive.view(), *peer)?)))? {
                        return Ok(false);
                    }
                    self.position = Some(DumpPosition::Peer(*peer));
                }
            }
            Some(DumpPosition::Message(peer, id)) => from = (peer, id.saturating_add(1)),
            Some(DumpPosition::Versions(peer, id, written)) => {
                if !self.more_versions(archive, MessageKey { peer, id: MessageId(id) }, written, &mut take)? {
                    return Ok(false);
                }
                from = (peer, id.saturating_add(1));
            }
        }
        let mut looked_at = 0;
        let rest = peers.partition_point(|peer| *peer < from.0);
        for peer in peers.iter().skip(rest) {
            let first = if *peer == from.0 { from.1 } else { i32::MIN };
            for stored in archive.view().messages(*peer, IdRange { first, last: i32::MAX }, Order::OldestFirst) {
                let stored = stored?;
                if looked_at == LOOKED_AT_MAX {
                    return Ok(false);
                }
                looked_at += 1;
                let position = DumpPosition::Message(*peer, stored.message.key.id.0);
                if let Some(line) = self.message(archive, &stored)?
                    && !take(&line)?
                {
                    return Ok(false);
                }
                self.position = Some(position);
                if self.all
                    && stored.version > VERSIONS_MAX
                    && !self.more_versions(archive, stored.message.key, VERSIONS_MAX, &mut take)?
                {
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
            self.position = Some(DumpPosition::Versions(key.peer, key.id.0, written));
            let next = all.min(written.saturating_add(VERSIONS_MAX));
            let versions = archive.view().versions(key, written..next, Order::OldestFirst);
            let versions = versions.map(|version| Ok((&version?.message).into())).collect::<Result<_, Problem>>()?;
            let line = VersionsLine { type_: "versions", peer: key.peer.0, id: key.id.0, first: written, versions };
            if !take(&DumpLine::Versions(line))? {
                return Ok(false);
            }
            written = next;
        }
        self.position = Some(DumpPosition::Message(key.peer, key.id.0));
        Ok(true)
    }

    fn message(&self, archive: &Snapshot, stored: &StoredMessage) -> Result<Option<DumpLine>, Problem> {
        if !self.all {
            let shown = stored.deleted_at.is_none();
            return Ok(shown.then(|| DumpLine::Message(show::message(&stored.message))));
        }
        let first = 0..stored.version.min(VERSIONS_MAX);
        let versions = archive.view().versions(stored.message.key, first, Order::OldestFirst);
        let versions: Vec<StoredMessage> = versions.collect::<Result<_, _>>()?;
        Ok(Some(DumpLine::Stored(StoredView::new(stored, &versions))))
    }
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
