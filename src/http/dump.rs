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
use utoipa::{IntoParams, ToSchema};

use crate::archive::{Archive, Order, StoredMessage};
use crate::model::{IdRange, PeerId};
use crate::show::{self, StoredView};

use super::context::{Context, Room};
use super::ingress::Ingress;
use super::lines::{self, Chunk, Lines};
use super::peers;
use super::problem::Problem;
use super::query::{FromQuery, Query, Values};

/// Messages read before a chunk is sent, even if most of them are left out.
const LOOKED_AT_MAX: usize = 2_000;

/// What to dump.
#[derive(Clone, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct What {
    /// Whether to include deleted messages and earlier versions.
    #[param(value_type = Option<bool>)]
    all: bool,
    /// Only this peer: a marked id, or `@` and a username.
    peer: Option<String>,
    /// `next` of the previous page; sealed responses only.
    #[param(value_type = Option<String>)]
    after: Option<Place>,
}

impl FromQuery for What {
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
enum Place {
    /// This peer's line was written.
    Peer(PeerId),
    /// This message was written or left out.
    Message(PeerId, i32),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Peer(peer) => write!(f, "{peer}"),
            Self::Message(peer, id) => write!(f, "{peer}/{id}"),
        }
    }
}

impl FromStr for Place {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('/') {
            None => text.parse().map(Self::Peer),
            Some((peer, id)) => Ok(Self::Message(peer.parse()?, id.parse()?)),
        }
    }
}

/// A page of a dump; sealed responses only.
#[derive(Serialize, ToSchema)]
pub(super) struct DumpPage {
    /// The objects that are lines in a plain dump.
    #[schema(value_type = Vec<Object>)]
    lines: Vec<Value>,
    /// Value of `after` for the next page; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// Streams the archive as NDJSON; a sealed request gets a page.
#[utoipa::path(
    get, path = "/v1/dump", tag = "archive", params(What),
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
    Query(what): Query<What>,
) -> Result<Response, Problem> {
    let mut dump = context.read(move |context| Dump::start(&context.archive, &what)).await?;
    if !ingress.is_sealed() {
        return lines::stream(Dumping { context, dump: Some(dump) }).await;
    }
    let page = context.read(move |context| dump.page(&context.archive, Room::of(&ingress))).await?;
    Ok(Json(page).into_response())
}

/// A dump in progress.
struct Dump {
    /// The peers to dump, ascending.
    peers: Vec<PeerId>,
    all: bool,
    place: Option<Place>,
}

impl Dump {
    fn start(archive: &Archive, what: &What) -> Result<Self, Problem> {
        let peers = match &what.peer {
            Some(peer) => vec![peers::resolve(archive, peer)?.id],
            None => archive.view().cursors(PeerId(i64::MIN)).map(|cursor| Ok(cursor?.0)).collect::<Result<_, Problem>>()?,
        };
        Ok(Self { peers, all: what.all, place: what.after })
    }

    fn page(&mut self, archive: &Archive, mut room: Room) -> Result<DumpPage, Problem> {
        let mut lines: Vec<Value> = Vec::new();
        let done = self.walk(archive, |line| {
            let value = serde_json::to_value(line).map_err(|e| Problem::hidden(&e))?;
            let fits = room.takes(&value);
            if fits {
                lines.push(value);
            }
            Ok(fits)
        })?;
        Ok(DumpPage { lines, next: self.place.filter(|_| !done).map(|place| place.to_string()) })
    }

    fn chunk(&mut self, archive: &Archive) -> Result<(Chunk, bool), Problem> {
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
    fn walk(&mut self, archive: &Archive, mut take: impl FnMut(&Line) -> Result<bool, Problem>) -> Result<bool, Problem> {
        let mut from = (PeerId(i64::MIN), i32::MIN);
        match self.place {
            None | Some(Place::Peer(_)) => {
                let written = self.place.map_or(PeerId(i64::MIN), |place| match place {
                    Place::Peer(peer) | Place::Message(peer, _) => peer,
                });
                let rest = self.peers.partition_point(|peer| self.place.is_some() && *peer <= written);
                for peer in self.peers.iter().skip(rest) {
                    if !take(&Line::Peer(show::peer(&peers::named(archive, *peer)?)))? {
                        return Ok(false);
                    }
                    self.place = Some(Place::Peer(*peer));
                }
            }
            Some(Place::Message(peer, id)) => from = (peer, id.saturating_add(1)),
        }
        let mut looked_at = 0;
        let rest = self.peers.partition_point(|peer| *peer < from.0);
        for peer in self.peers.iter().skip(rest) {
            let first = if *peer == from.0 { from.1 } else { i32::MIN };
            for stored in archive.view().messages(*peer, IdRange { first, last: i32::MAX }, Order::OldestFirst) {
                let stored = stored?;
                if looked_at == LOOKED_AT_MAX {
                    return Ok(false);
                }
                looked_at += 1;
                let place = Place::Message(*peer, stored.message.key.id.0);
                if let Some(line) = self.message(archive, &stored)?
                    && !take(&line)?
                {
                    return Ok(false);
                }
                self.place = Some(place);
            }
        }
        Ok(true)
    }

    fn message(&self, archive: &Archive, stored: &StoredMessage) -> Result<Option<Line>, Problem> {
        if !self.all {
            let shown = stored.deleted_at.is_none();
            return Ok(shown.then(|| Line::Message(show::message(&stored.message))));
        }
        let versions = if stored.version > 0 { archive.view().versions(stored.message.key)? } else { Vec::new() };
        Ok(Some(Line::Stored(StoredView::new(stored, &versions))))
    }
}

/// One line.
#[derive(Serialize)]
#[serde(untagged)]
enum Line {
    Peer(show::PeerView),
    Message(show::MessageView),
    Stored(StoredView),
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
            let (chunk, done) = dump.chunk(&context.archive)?;
            Ok((chunk, (!done).then_some(dump)))
        };
        let (chunk, rest) = self.context.read(read).await?;
        self.dump = rest;
        Ok(Some(chunk))
    }
}
