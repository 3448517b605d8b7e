//! `/v1/changes`: the change log, in order, from a position on; the stream that readers outside follow.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use serde::Serialize;
use serde_json::Value;
use tokio::sync::watch;
use utoipa::{IntoParams, ToSchema};

use crate::archive::Archive;
use crate::model::{Change, ChangeKind, Seq};
use crate::publish;
use crate::show::{self, PeerView, StoredView};

use super::context::{Context, Room};
use super::ingress::Ingress;
use super::lines::{self, Chunk, Lines};
use super::problem::Problem;
use super::query::{FromQuery, Query, Values};

/// Changes read in one batch.
const BATCH: usize = 500;
/// Long polling: how long a sealed `follow` waits for a change before it answers with an empty page, as a share of the request timeout.
const WAIT_SHARE: f32 = 0.6;

/// Which changes.
#[derive(Clone, Copy, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// The position (`seq`) after which to start; 0, the default, is before the first change.
    #[param(value_type = Option<u64>)]
    after: u64,
    /// Maximum number of changes; without it, a stream ends at the newest change and a sealed page at its own limit.
    #[param(value_type = Option<usize>, minimum = 1)]
    limit: Option<NonZeroUsize>,
    /// Whether to wait for new changes at the end.
    #[param(value_type = Option<bool>)]
    follow: bool,
    /// Whether to return the CloudEvents that RabbitMQ would get, for use without a broker.
    #[param(value_type = Option<bool>)]
    events: bool,
}

impl FromQuery for Which {
    const NAMES: &'static [&'static str] = &["after", "limit", "follow", "events"];

    fn from_query(values: &Values) -> Result<Self, Problem> {
        Ok(Self {
            after: values.parsed("after", "a position (0 or greater)")?.unwrap_or(0),
            limit: values.parsed("limit", "a number (1 or greater)")?,
            follow: values.claim("follow")?,
            events: values.claim("events")?,
        })
    }
}

/// A change, with its message or peer as it is now.
#[derive(Serialize, ToSchema)]
#[schema(as = Change)]
pub(super) struct ChangeView {
    /// Its sequence number: the position of a reader that has handled it.
    seq: u64,
    /// When it was archived.
    at: String,
    /// `message.new`, `message.edited`, `message.deleted` or `peer.changed`.
    kind: &'static str,
    /// The peer that it is about.
    peer: i64,
    /// The id of the message that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<i32>,
    /// The number of the new version of an edited message.
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u32>,
    /// The newest version of the message, which may be newer than the change.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<StoredView>,
    /// The peer that changed, as it is now.
    #[serde(skip_serializing_if = "Option::is_none")]
    changed: Option<PeerView>,
}

/// A page of changes; sealed responses only.
#[derive(Serialize, ToSchema)]
pub(super) struct ChangesPage {
    changes: Vec<Line>,
    /// Value of `after` for the next page; also present on the last page, which has no changes.
    next: u64,
}

/// A change in the requested form.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub(super) enum Line {
    /// With the message as it is now.
    Change(Box<ChangeView>),
    /// As it is published.
    #[schema(value_type = Object)]
    Event(Value),
}

impl Line {
    /// Reads the changes after a position, in the requested form, until `take` refuses one.
    fn each(archive: &Archive, from: From, mut take: impl FnMut(Seq, Self) -> Result<bool, Problem>) -> Result<(), Problem> {
        if from.events {
            for event in publish::events(archive, from.after, from.limit).map_err(|e| Problem::hidden(&e))? {
                let body = serde_json::from_slice(&event.body).map_err(|e| Problem::hidden(&e))?;
                if !take(event.seq, Self::Event(body))? {
                    break;
                }
            }
            return Ok(());
        }
        for change in archive.view().changes(from.after, from.limit)? {
            if !take(change.seq, Self::Change(Box::new(ChangeView::read(archive, &change)?)))? {
                break;
            }
        }
        Ok(())
    }
}

/// Where to read, how far, and in which form.
#[derive(Clone, Copy)]
struct From {
    after: Seq,
    limit: usize,
    events: bool,
}

impl ChangeView {
    fn read(archive: &Archive, change: &Change) -> Result<Self, Problem> {
        let message = match change.kind.message() {
            Some(key) => archive.view().message(key)?.map(|stored| StoredView::new(&stored, &[])),
            None => None,
        };
        let changed = match change.kind {
            ChangeKind::PeerChanged { peer } | ChangeKind::PeerJoined { peer } | ChangeKind::PeerLeft { peer } => {
                archive.view().peer(peer)?.as_ref().map(show::peer)
            }
            _ => None,
        };
        let version = match change.kind {
            ChangeKind::MessageEdited { version, .. } => Some(version),
            _ => None,
        };
        Ok(Self {
            seq: change.seq.0,
            at: change.at.to_string(),
            kind: change.kind.name(),
            peer: change.kind.peer().0,
            id: change.kind.message().map(|key| key.id.0),
            version,
            message,
            changed,
        })
    }
}

/// Streams the change log as NDJSON; a sealed request gets a page.
#[utoipa::path(
    get, path = "/v1/changes", tag = "archive", params(Which),
    responses(
        (status = 200, description = "Plain: NDJSON, one change per line. Sealed: a page.", content(
            (Line = "application/x-ndjson"), (ChangesPage = "application/json"),
        )),
    ),
)]
pub(super) async fn list(
    State(context): State<Arc<Context>>,
    Extension(ingress): Extension<Ingress>,
    Query(which): Query<Which>,
) -> Result<Response, Problem> {
    let news = context.archive.subscribe();
    if !ingress.is_sealed() {
        let left = which.limit.map_or(usize::MAX, NonZeroUsize::get);
        let following = Following { context, news, after: Seq(which.after), left, follow: which.follow, events: which.events };
        return lines::stream(following).await;
    }
    let limit = context.page_size(which.limit)?;
    if which.follow {
        let patience = context.settings.request_timeout.duration().mul_f32(WAIT_SHARE);
        wait(&context, news, Seq(which.after), patience).await;
    }
    let from = From { after: Seq(which.after), limit, events: which.events };
    let page = context.read(move |context| page(&context.archive, from, Room::of(&ingress))).await?;
    Ok(Json(page).into_response())
}

fn page(archive: &Archive, from: From, mut room: Room) -> Result<ChangesPage, Problem> {
    let mut page = ChangesPage { changes: Vec::new(), next: from.after.0 };
    Line::each(archive, from, |seq, line| {
        let fits = room.takes(&line);
        if fits {
            page.next = seq.0;
            page.changes.push(line);
        }
        Ok(fits)
    })?;
    Ok(page)
}

/// Returns when there is a change after a position, time is up, or the program stops.
async fn wait(context: &Context, mut news: watch::Receiver<Seq>, after: Seq, patience: Duration) {
    tokio::select! {
        _ = news.wait_for(|last| *last > after) => {}
        () = tokio::time::sleep(patience) => {}
        () = context.lifecycle.stop_asked() => {}
    }
}

/// Streams changes up to the newest or, when following, until the program stops.
struct Following {
    context: Arc<Context>,
    news: watch::Receiver<Seq>,
    after: Seq,
    left: usize,
    follow: bool,
    events: bool,
}

impl Lines for Following {
    async fn next(&mut self) -> Result<Option<Chunk>, Problem> {
        loop {
            if self.left == 0 || (self.follow && self.context.lifecycle.stopping()) {
                return Ok(None);
            }
            let after = self.after;
            let from = From { after, limit: self.left.min(BATCH), events: self.events };
            let (chunk, last, count) = self.context.read(move |context| batch(&context.archive, from)).await?;
            self.after = last;
            self.left -= count;
            if count > 0 {
                return Ok(Some(chunk));
            }
            if !self.follow {
                return Ok(None);
            }
            tokio::select! {
                changed = self.news.wait_for(|last| *last > after) => {
                    if changed.is_err() {
                        return Ok(None);
                    }
                }
                () = self.context.lifecycle.stop_asked() => return Ok(None),
            }
        }
    }
}

fn batch(archive: &Archive, from: From) -> Result<(Chunk, Seq, usize), Problem> {
    let (mut chunk, mut last, mut count) = (Chunk::default(), from.after, 0);
    Line::each(archive, from, |seq, line| {
        chunk.line(&line)?;
        (last, count) = (seq, count + 1);
        Ok(!chunk.is_full())
    })?;
    Ok((chunk, last, count))
}
