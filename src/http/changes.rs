//! `/v1/changes`: the change log, in order, from a position on; the stream that readers outside follow.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use tokio::sync::watch;
use utoipa::IntoParams;

use crate::archive::{LogPosition, Snapshot};
use crate::event::{self, EventFilter, WATCH_EVENTS_MAX};
use crate::model::{Change, ChangeKind, Seq};
use crate::seal::KeyScope;
use crate::show::{self, StoredView};
use crate::views::{ChangeLine, ChangeView, ChangesPage, FileView, LogHeadView};
use crate::watches::Watching;

use super::context::Context;
use super::ingress::Ingress;
use super::lines::{self, Chunk, Lines};
use super::paging::PageBudget;
use super::problem::Problem;
use super::query::{FromQuery, NoParams, Query, Values};

/// Changes read in one batch.
const BATCH: usize = 500;
/// Changes that are looked at in one read for who sees only some of them.
const LOOKED_AT_MAX: usize = 20_000;

/// Which changes.
#[derive(Clone, Copy, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ListChangesParams {
    /// The position after which to start: `EPOCH:SEQ`, the `next` of a page, or a `seq` alone; 0, the default, is before the first change.
    #[param(value_type = Option<String>)]
    after: LogPosition,
    /// Maximum number of changes; without it, a stream ends at the newest change and a sealed page at its own limit.
    #[param(value_type = Option<usize>, minimum = 1)]
    limit: Option<NonZeroUsize>,
    /// Whether to wait for new changes at the end. A stream then says with an empty line that it is there while nothing comes.
    #[param(value_type = Option<bool>)]
    follow: bool,
    /// Whether to return the CloudEvents that RabbitMQ would get, for use without a broker.
    #[param(value_type = Option<bool>)]
    events: bool,
}

impl FromQuery for ListChangesParams {
    const NAMES: &'static [&'static str] = &["after", "limit", "follow", "events"];

    fn from_query(values: &Values) -> Result<Self, Problem> {
        Ok(Self {
            after: values.parsed("after", "a position, such as 1042 or 1-0f3c9a72:1042")?.unwrap_or_default(),
            limit: values.limit()?,
            follow: values.claim("follow")?,
            events: values.claim("events")?,
        })
    }
}

/// Where to read, how far, and in which form.
#[derive(Clone, Copy)]
struct ChangeSpan {
    after: Seq,
    limit: usize,
    events: bool,
    /// Whether the events of watches are among them: these say what somebody looks for.
    matches: bool,
}

/// Reads the changes of a span, in its form, until `take` refuses one. Of events a change can have several: they come together, as a position is
/// before all of them or behind. Returns up to where everything was read that may be seen, or nothing where `take` refused one.
fn each(
    archive: &Snapshot,
    watching: &Watching,
    span: ChangeSpan,
    mut take: impl FnMut(Seq, Vec<ChangeLine>) -> Result<bool, Problem>,
) -> Result<Option<Seq>, Problem> {
    let (changes, read) = match archive.only() {
        Some(_) => archive.view().changes_seen(span.after, span.limit, LOOKED_AT_MAX)?,
        None => {
            let changes = archive.view().changes(span.after, span.limit)?;
            let last = changes.last().map_or(span.after, |change| change.seq);
            (changes, last)
        }
    };
    if !span.events {
        for change in changes {
            if !take(change.seq, vec![ChangeLine::Change(Box::new(view(archive, &change)?))])? {
                return Ok(None);
            }
        }
        return Ok(Some(read));
    }
    let wanted = if span.matches { EventFilter::default() } else { EventFilter::of_changes() };
    let mut rest = changes.as_slice();
    while !rest.is_empty() {
        let events_max = rest.len() + WATCH_EVENTS_MAX + 1;
        let made = event::wanted_events(archive, watching, rest, &wanted, events_max).map_err(|e| Problem::hidden(&e))?;
        let events = made.events;
        rest = rest.get(made.changes.max(1)..).unwrap_or_default();
        for of_change in events.chunk_by(|one, next| one.seq == next.seq) {
            let Some(first) = of_change.first() else { continue };
            let lines = of_change.iter().map(|event| serde_json::from_slice(&event.body).map(ChangeLine::Event));
            if !take(first.seq, lines.collect::<Result<_, _>>().map_err(|e| Problem::hidden(&e))?)? {
                return Ok(None);
            }
        }
    }
    Ok(Some(read))
}

fn view(archive: &Snapshot, change: &Change) -> Result<ChangeView, Problem> {
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
    let file = match change.kind.file() {
        Some((file, _)) => archive.view().file(file)?.map(|file| FileView::shown(archive, &file)),
        None => None,
    };
    // Of a file, the message that it was seen in.
    let about = change.kind.message().or_else(|| change.kind.file().and_then(|(_, origin)| origin.message()));
    Ok(ChangeView {
        epoch: archive.epoch_of(change.seq).to_string(),
        seq: change.seq.0,
        at: change.at.to_string(),
        kind: change.kind.name().into(),
        peer: change.kind.peer().0,
        account: about.and_then(|key| key.chat.account()).map(|account| account.to_string()),
        id: about.map(|key| key.id.0),
        version,
        file,
        message,
        changed,
    })
}

/// Streams the change log as NDJSON; a sealed request gets a page.
#[utoipa::path(
    get, path = "/v1/changes", operation_id = "listChanges", tag = "archive", params(ListChangesParams),
    responses(
        (status = 200, description = "Plain: NDJSON, one change per line. Sealed: a page.", content(
            (ChangeLine = "application/x-ndjson"), (ChangesPage = "application/json"),
        )),
        (status = 409, description = "The position is none of the archive as it is."),
    ),
)]
pub(super) async fn list(
    State(context): State<Arc<Context>>,
    Extension(ingress): Extension<Ingress>,
    Query(params): Query<ListChangesParams>,
) -> Result<Response, Problem> {
    let news = context.archive.subscribe();
    let matches = ingress.may(KeyScope::Search);
    if !ingress.is_sealed() {
        let left = params.limit.map_or(usize::MAX, NonZeroUsize::get);
        let after = locate(&context, params.after)?;
        let ListChangesParams { follow, events, .. } = params;
        let following = Following { context, news, after, left, follow, events, matches, has_begun: false };
        return lines::stream(following).await;
    }
    let budget = PageBudget::new(&context, &ingress, params.limit)?;
    let after = locate(&context, params.after)?;
    if params.follow {
        let patience = context.settings.patience();
        wait(&context, news, after, patience).await;
    }
    let span = ChangeSpan { after, limit: budget.entries(), events: params.events, matches };
    Ok(Json(next_page(&context, span, budget).await?).into_response())
}

/// The next page. Who sees only some changes gets no empty one as long as others follow and there is time: that would look like the end.
async fn next_page(context: &Arc<Context>, mut span: ChangeSpan, budget: PageBudget) -> Result<ChangesPage, Problem> {
    let until = tokio::time::Instant::now() + context.settings.patience();
    loop {
        let read = move |context: &Context| page(&context.archive.flushed(), &context.watching, span, budget);
        let (page, last) = context.read(read).await?;
        if !page.changes.is_empty() || last == span.after || tokio::time::Instant::now() >= until {
            return Ok(page);
        }
        span.after = last;
    }
}

fn page(
    archive: &Snapshot,
    watching: &Watching,
    span: ChangeSpan,
    mut budget: PageBudget,
) -> Result<(ChangesPage, Seq), Problem> {
    let (mut changes, mut last) = (Vec::new(), span.after);
    let read = each(archive, watching, span, |seq, lines| {
        let fits = budget.takes(&lines);
        if fits {
            last = seq;
            changes.extend(lines);
        }
        Ok(fits)
    })?;
    // Not where all may be seen: what is damaged at the end of the log is passed over when something follows.
    if archive.only().is_some() {
        last = read.unwrap_or(last);
    }
    Ok((ChangesPage { changes, next: archive.position(last).to_string() }, last))
}

/// The number of the change that a position is at.
fn locate(context: &Context, position: LogPosition) -> Result<Seq, Problem> {
    let archive = context.archive.flushed();
    archive.locate(position).map_err(|error| {
        let last = archive.position(archive.last_seq());
        Problem::wrong_epoch(format!("{error}; this is archive {}, whose last position is {last}", archive.id()))
    })
}

/// Returns the end of the change log: the newest change, and the newest link of the hash chain over all of them.
#[utoipa::path(get, path = "/v1/changes/head", operation_id = "getLogHead", tag = "archive", responses((status = 200, body = LogHeadView)))]
pub(super) async fn head(State(context): State<Arc<Context>>, _: Query<NoParams>) -> Json<LogHeadView> {
    let archive = context.archive.flushed();
    let seq = archive.last_seq();
    // With it, who sees some changes only could try out what the others say.
    let link = archive.only().is_none().then(|| archive.link().to_string());
    Json(LogHeadView { archive: archive.id().to_owned(), epoch: archive.epoch().to_string(), seq: seq.0, link })
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
    matches: bool,
    has_begun: bool,
}

impl Lines for Following {
    async fn next(&mut self) -> Result<Option<Chunk>, Problem> {
        loop {
            if self.left == 0 || (self.follow && self.context.lifecycle.stopping()) {
                return Ok(None);
            }
            let after = self.after;
            let span = ChangeSpan { after, limit: self.left.min(BATCH), events: self.events, matches: self.matches };
            let (chunk, last, count) =
                self.context.read(move |context| batch(&context.archive.flushed(), &context.watching, span)).await?;
            self.after = last;
            self.left -= count;
            if count > 0 {
                self.has_begun = true;
                return Ok(Some(chunk));
            }
            if !self.follow {
                return Ok(None);
            }
            // The response begins at once, with its head, also where there is nothing to say yet.
            if !std::mem::replace(&mut self.has_begun, true) {
                return Ok(Some(Chunk::default()));
            }
            tokio::select! {
                changed = self.news.wait_for(|last| *last > after) => {
                    if changed.is_err() {
                        return Ok(None);
                    }
                }
                () = self.context.lifecycle.stop_asked() => return Ok(None),
                () = tokio::time::sleep(self.context.settings.patience()) => return Ok(Some(Chunk::heartbeat())),
            }
        }
    }
}

fn batch(archive: &Snapshot, watching: &Watching, span: ChangeSpan) -> Result<(Chunk, Seq, usize), Problem> {
    let (mut chunk, mut last, mut count) = (Chunk::default(), span.after, 0);
    each(archive, watching, span, |seq, lines| {
        lines.iter().try_for_each(|line| chunk.line(line))?;
        (last, count) = (seq, count + 1);
        Ok(!chunk.is_full())
    })?;
    if count < span.limit && !chunk.is_full() {
        // The end of the log, also where what is last in it is damaged.
        last = last.max(archive.last_seq());
    }
    Ok((chunk, last, count))
}
