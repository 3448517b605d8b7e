//! The worker of an output: reads the change log, sends events in order, pipelined in a window, and moves its position (its checkpoint)
//! over what was confirmed.
//!
//! A change can have several events (its own, and those of the watches that its message matches). The position moves over a change when all of them are
//! confirmed; until then it is kept in memory which of them are, so that an output that takes only a few at a time gets all in the end. Over changes of
//! which the output wants no event it moves when all before them is confirmed.
//!
//! A refused event holds back what is behind it: nothing is sent until all that is in flight is answered; then it is sent again with
//! everything that follows it, one event at a time at first (see [`Window`]). The connection is kept meanwhile: over another one, what is
//! still in flight over the first could overtake it.

mod dead_letters;

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::archive::{Archive, ChangeBatch, DeadLetter, Reader};
use crate::event::{Event, EventFilter, MadeEvents, WATCH_EVENTS_MAX, wanted_events};
use crate::lifecycle::{StepOutcome, Worker};
use crate::model::{Seq, Timestamp};
use crate::watches::Watching;

use super::status::{State, Status};
use super::window::Window;
use super::{Confirmed, Output, OutputBatch as _, OutputError, OutputErrorKind, OutputSession, Undeliverable};
use dead_letters::{LETTERS_MAX, LetterLog};

/// The first backoff after a failure or a refusal: a server that restarts is back at once. Doubled at each further one.
const RETRY_MIN: Duration = Duration::from_millis(200);
/// The longest backoff: an operator who has repaired it does not wait longer than this.
const RETRY_MAX: Duration = Duration::from_secs(30);
/// How many changes a step may read of which no event is wanted: so many are looked at within milliseconds, and one position is stored for them.
const PASSED_MAX: usize = 1_000;
/// How long a step may wait for confirms before it checks whether the output is blocked, and whether a stop was asked for.
const POLL_INTERVAL: Duration = Duration::from_millis(250);
/// The health check interval of an idle connection, so that a lost one is replaced before it is needed.
const IDLE_CHECK: Duration = Duration::from_secs(1);
/// The timeout of a graceful shutdown for confirms: what is not confirmed by then is published again at the next start.
const FINISH_TIMEOUT: Duration = Duration::from_secs(3);

/// Delivers the changes of an archive to an output.
pub struct Delivery<O: Output> {
    output: Arc<O>,
    reader: Reader,
    watching: Watching,
    filter: EventFilter,
    /// The stored position.
    position: Seq,
    /// How many changes are read at once: doubled where none has an event that is wanted.
    stride: usize,
    /// The last change that was read, unless its position is stored. Where nothing is left to be sent or confirmed, all up to it is done.
    read_up_to: Option<(Seq, Timestamp)>,
    /// Events that are made and not sent yet.
    made: VecDeque<Event>,
    /// The ids of those that are confirmed of the change behind the stored position.
    confirmed: BTreeSet<String>,
    status: Arc<Status>,
    session: Option<OpenSession<O::Session>>,
    window: Window,
    backoff: Duration,
    /// Until then nothing is tried: no connection is made, and over one that is open nothing is sent.
    retry_at: Instant,
    /// Whether the log says that the other side takes nothing.
    blocked_told: bool,
    /// The refusal that the log tells of, until an event is confirmed.
    refusal_told: Option<String>,
    /// The event that was refused last and why, until one is confirmed: the first behind the position that is not.
    refused: Option<(SentEvent, String)>,
    /// Dead letters that are to be sent again; nothing else is sent until they are, or one is refused.
    resending: VecDeque<DeadLetter>,
    letter_log: LetterLog,
}

/// One connection and what was sent over it; gone with it.
struct OpenSession<S: OutputSession> {
    output: S,
    /// The oldest first.
    in_flight: VecDeque<InFlight<S::Batch>>,
    /// The first refusal, until all that is in flight behind it is answered.
    refused: Option<(OutputError, Option<SentEvent>)>,
}

struct InFlight<B> {
    batch: B,
    /// What was sent, in order.
    sent: Vec<SentEvent>,
    /// The timeout of the confirms.
    deadline: Instant,
    /// The dead letter that it is, alone.
    letter: Option<DeadLetter>,
}

/// What is to be known of an event that was sent.
#[derive(Clone)]
struct SentEvent {
    id: String,
    seq: Seq,
    at: Timestamp,
    /// Whether it is the last one of its change.
    ends_change: bool,
}

/// Why delivering failed: the output's failures are retried here, the archive's by the lifecycle.
enum DeliveryFailure {
    Output(OutputError),
    Archive(anyhow::Error),
}

impl From<OutputError> for DeliveryFailure {
    fn from(error: OutputError) -> Self {
        Self::Output(error)
    }
}

impl From<anyhow::Error> for DeliveryFailure {
    fn from(error: anyhow::Error) -> Self {
        Self::Archive(error)
    }
}

impl<O: Output> Delivery<O> {
    /// A delivery that is not connected yet; give it to [`crate::lifecycle::Lifecycle::work`]. `name` is the output's: under it the archive
    /// keeps its position.
    #[must_use]
    pub fn new(name: &str, output: Arc<O>, archive: Arc<Archive>, status: Arc<Status>) -> Self {
        let reader = Reader::at(archive, name, Seq(0));
        let window = Window::new(output.window(), output.calm_after());
        let filter = output.filter();
        Self {
            output,
            reader,
            watching: Watching::default(),
            filter,
            position: Seq(0),
            stride: 1,
            read_up_to: None,
            made: VecDeque::new(),
            confirmed: BTreeSet::new(),
            status,
            session: None,
            window,
            backoff: RETRY_MIN,
            retry_at: Instant::now(),
            blocked_told: false,
            refusal_told: None,
            refused: None,
            resending: VecDeque::new(),
            letter_log: LetterLog::default(),
        }
    }

    async fn connect(&mut self) -> anyhow::Result<StepOutcome> {
        let position = self.rewind()?;
        let dead_letters = self.count_dead_letters()?;
        self.status.note(|report| {
            report.position = position.0;
            report.dead_letters = dead_letters;
        });
        if Instant::now() < self.retry_at {
            return Ok(StepOutcome::Idle);
        }
        match self.output.connect().await {
            Ok(output) => {
                let name = self.reader.name();
                tracing::info!(
                    output.name = name,
                    change.seq = position.0,
                    "output `{name}`: publishing to {}, after change {position}",
                    self.output.target()
                );
                self.session = Some(OpenSession { output, in_flight: VecDeque::new(), refused: None });
                self.status.note(|report| {
                    report.state = State::Connected;
                    report.connections += 1;
                    report.next_try = None;
                });
                self.blocked_told = false;
                Ok(StepOutcome::Busy)
            }
            Err(error) => {
                self.fail(&error);
                Ok(StepOutcome::Idle)
            }
        }
    }

    /// Drops the connection with everything in flight; a later step resumes from the stored position.
    fn fail(&mut self, error: &OutputError) {
        if let Some(session) = self.session.take() {
            if session.refused.is_some() {
                self.window.shrink();
            }
            // A dead letter that was on its way is sent again first.
            session
                .in_flight
                .into_iter()
                .rev()
                .filter_map(|in_flight| in_flight.letter)
                .for_each(|l| self.resending.push_front(l));
        }
        let wait = if error.kind() == OutputErrorKind::Permanent { RETRY_MAX } else { self.backoff };
        let wait = wait.max(error.retry_after());
        self.back_off(wait, RETRY_MAX);
        let (name, text) = (self.reader.name(), error.to_string());
        self.status.note(|report| {
            // Deduplicated: the same failure again and again fills no log.
            if report.state != State::Disconnected || report.last_error.as_ref() != Some(&text) {
                tracing::warn!(output.name = name, "output `{name}`: publishing is interrupted: {text}; retry in {wait:?}");
            }
            report.state = State::Disconnected;
            report.last_error = Some(text);
            report.next_try = Some(self.retry_at);
        });
    }

    /// Goes back to the position that was stored last.
    fn rewind(&mut self) -> anyhow::Result<Seq> {
        self.made.clear();
        self.read_up_to = None;
        self.position = self.reader.rewind()?;
        self.pass_dead_letters()?;
        Ok(self.position)
    }

    /// Goes back to the first refused event, over the same connection; nothing is in flight over it any more.
    fn retry_refused(&mut self, error: &OutputError, event: Option<SentEvent>) -> anyhow::Result<()> {
        let position = self.rewind()?;
        let retry_max = self.output.refused_retry_max();
        let wait = self.backoff.min(retry_max).max(error.retry_after());
        self.back_off(wait, retry_max);
        let (name, text) = (self.reader.name(), error.to_string());
        // Deduplicated: a queue that stays full refuses one event after another, and one that is nearly full every second one. What lasts is told
        // again, and so is what lasts for another reason.
        let lasts = wait >= retry_max && self.refusal_told.as_ref() != Some(&text);
        if self.window.shrink() || lasts {
            tracing::warn!(
                output.name = name,
                "output `{name}`: events are refused: {text}; retry in {wait:?}, and until they are accepted again, one is sent at a time"
            );
            self.refusal_told = Some(text.clone());
        } else {
            tracing::debug!(output.name = name, "output `{name}`: {text}; retry in {wait:?}");
        }
        self.status.note(|report| {
            report.state = State::Blocked;
            report.position = position.0;
            report.last_error = Some(text.clone());
            report.next_try = Some(self.retry_at);
            report.refused_event = event.as_ref().map(|event| event.id.clone());
        });
        self.refused = event.map(|event| (event, text));
        Ok(())
    }

    /// Has the next try wait, and the one after it longer (exponential backoff), at most so long.
    fn back_off(&mut self, wait: Duration, max: Duration) {
        self.retry_at = Instant::now() + wait;
        self.backoff = (self.backoff * 2).min(max);
    }

    /// Sends a batch where there is one and room for it in the window, otherwise waits a while for the oldest to be confirmed.
    async fn deliver_batch(&mut self) -> Result<StepOutcome, DeliveryFailure> {
        let Some(session) = self.session.as_mut() else { return Ok(StepOutcome::Idle) };
        if !session.output.is_open() && session.in_flight.is_empty() {
            return Err(OutputError::passing("the connection was lost: it was closed").into());
        }
        if session.in_flight.is_empty() && self.skip_refused()? {
            return Ok(StepOutcome::Busy);
        }
        if Instant::now() < self.retry_at {
            return Ok(StepOutcome::Idle);
        }
        let Some(session) = self.session.as_ref() else { return Ok(StepOutcome::Idle) };
        let blocked = session.output.is_blocked();
        self.note_blocked(blocked);
        if self.is_resending()? && !blocked {
            return self.resend().await;
        }
        if self.status.dead_letters() >= LETTERS_MAX {
            return self.wait_for_room().await;
        }
        let (events_max, batches_max) = (self.window.batch_events_max(), self.window.batches_max());
        let Some(session) = self.session.as_mut() else { return Ok(StepOutcome::Idle) };
        if session.in_flight.len() < batches_max && session.refused.is_none() && !blocked {
            let batch = self.next_events(events_max)?;
            if batch.is_empty() && self.pass_over()? {
                return Ok(StepOutcome::Busy);
            }
            let Some(session) = self.session.as_mut().filter(|_| !batch.is_empty()) else {
                return self.settle(POLL_INTERVAL).await;
            };
            session.send(self.output.as_ref(), batch).await;
            if session.in_flight.len() < batches_max {
                return Ok(StepOutcome::Busy);
            }
        }
        self.settle(POLL_INTERVAL).await
    }

    /// The next events that are to be sent, at most so many, and whether each is the last one of its change. None at the end of the log, and where
    /// nothing is wanted of what was read.
    fn next_events(&mut self, events_max: usize) -> anyhow::Result<Vec<(Event, bool)>> {
        if self.made.is_empty() {
            self.read_on(events_max)?;
        }
        let count = events_max.min(self.made.len());
        let mut batch: Vec<(Event, bool)> = Vec::with_capacity(count);
        for event in self.made.drain(..count) {
            if let Some((before, ends_change)) = batch.last_mut() {
                *ends_change = before.seq != event.seq;
            }
            batch.push((event, false));
        }
        if let Some((last, ends_change)) = batch.last_mut() {
            // Changes are read as a whole, so what belongs to this one is made.
            *ends_change = self.made.front().is_none_or(|next| next.seq != last.seq);
        }
        Ok(batch)
    }

    /// Reads the next changes, and makes those of their events that are wanted and not confirmed yet.
    fn read_on(&mut self, events_max: usize) -> anyhow::Result<()> {
        let before = self.reader.read();
        let limit = self.stride.max(events_max);
        let ChangeBatch { changes, snapshot } = self.reader.next_batch(limit)?;
        if changes.is_empty() {
            return Ok(());
        }
        // Where few are wanted, no more are made than are sent next: what is erased meanwhile is not sent.
        let events_max = if self.filter.is_all() { events_max + WATCH_EVENTS_MAX } else { events_max };
        let made = wanted_events(&snapshot, &self.watching, &changes, &self.filter, events_max);
        let MadeEvents { events, changes: done } = made.inspect_err(|_| self.reader.seek(before))?;
        if let Some(last) = changes.get(..done).and_then(<[_]>::last) {
            if done < changes.len() {
                self.reader.seek(last.seq);
            }
            self.read_up_to = Some((last.seq, last.at));
        }
        self.stride = if events.is_empty() { (2 * limit).min(PASSED_MAX) } else { 1 };
        // The last event of a change is sent in any case: with it the position moves.
        let next = events.iter().skip(1).map(|next| next.seq).chain([Seq(u64::MAX)]).collect::<Vec<_>>();
        let wanted =
            events.into_iter().zip(next).filter(|(event, next)| *next != event.seq || !self.confirmed.contains(&event.id));
        self.made.extend(wanted.map(|(event, _)| event));
        Ok(())
    }

    /// Moves the position over the changes that were read and of which nothing is wanted, once all before them is confirmed. Says whether it did.
    fn pass_over(&mut self) -> anyhow::Result<bool> {
        let is_settled = self.made.is_empty() && self.session.as_ref().is_some_and(|session| session.in_flight.is_empty());
        match self.read_up_to.take_if(|_| is_settled).filter(|(seq, _)| *seq > self.position) {
            Some((seq, at)) => self.move_with(Some((seq, at)), Vec::new()).map(|()| true),
            None => Ok(false),
        }
    }

    /// Stores a position, where it moves, and what was passed over up to it, in one step.
    fn move_with(&mut self, to: Option<(Seq, Timestamp)>, letters: Vec<DeadLetter>) -> anyhow::Result<()> {
        let count = letters.len() as u64;
        // The newest letter is from now; without one, the time is that of the change.
        let at = letters.last().map(|letter| letter.at).or(to.map(|(_, at)| at));
        let Some(at) = at else { return Ok(()) };
        self.reader.store_with(to.map(|(seq, _)| seq), letters, at)?;
        if let Some((seq, _)) = to {
            self.position = seq;
            self.confirmed.clear();
        }
        // Also where it is passed because it has ceased to exist: its watch was removed, or its message erased.
        let is_passed = self.refused.take_if(|(event, _)| event.seq <= self.position).is_some();
        self.status.note(|report| {
            report.position = self.position.0;
            report.dead_letters += count;
            if is_passed {
                report.refused_event = None;
            }
        });
        Ok(())
    }

    /// Waits for the oldest batch to be answered and stores the position; at most for `timeout`.
    async fn settle(&mut self, timeout: Duration) -> Result<StepOutcome, DeliveryFailure> {
        let Some(session) = self.session.as_mut() else { return Ok(StepOutcome::Idle) };
        let Some(oldest) = session.in_flight.front_mut() else {
            self.letter_log.tell_rest(self.reader.name());
            self.note_well();
            return Ok(StepOutcome::Idle);
        };
        let outcome = match tokio::time::timeout(timeout, oldest.batch.settle()).await {
            Ok(outcome) => outcome,
            Err(_) if session.output.is_blocked() => {
                // Its silence has a reason that it has told us; a broken connection shows by itself.
                for in_flight in &mut session.in_flight {
                    in_flight.deadline = Instant::now() + self.output.confirm_timeout();
                }
                self.note_blocked(true);
                return Ok(StepOutcome::Busy);
            }
            Err(_) if Instant::now() < oldest.deadline => return Ok(StepOutcome::Busy),
            Err(_) => Err(self.output.unconfirmed()),
        };
        let Some(InFlight { batch, sent, letter, .. }) = session.in_flight.pop_front() else { return Ok(StepOutcome::Idle) };
        let (confirmed, undeliverable) = (batch.confirmed(), batch.undeliverable());
        if let Some(letter) = letter {
            return self.resent(letter, outcome, confirmed, undeliverable);
        }
        let is_behind_refused = session.refused.is_some();
        let failure = match outcome {
            Err(error) if error.kind() == OutputErrorKind::Refused => {
                let refused = usize::try_from(confirmed.events).ok().and_then(|nth| sent.get(nth)).cloned();
                session.refused.get_or_insert((error, refused));
                None
            }
            outcome => outcome.err(),
        };
        let is_drained = failure.is_none() && session.in_flight.is_empty();
        let refused = session.refused.take_if(|_| is_drained);
        let is_draining = session.refused.is_some();
        // Also of a batch that failed: what was confirmed before the failure is not sent again, so that an output that takes only a few at
        // a time gets all in the end. What is behind a refused event is sent again, confirmed or not.
        if !is_behind_refused {
            self.store(confirmed, undeliverable, sent)?;
        }
        match (failure, refused) {
            (Some(failure), _) => Err(failure.into()),
            (None, Some((refused, event))) => {
                self.retry_refused(&refused, event)?;
                Ok(StepOutcome::Idle)
            }
            (None, None) => {
                if !is_draining {
                    self.note_well();
                }
                Ok(StepOutcome::Busy)
            }
        }
    }

    /// Moves the position over the changes of which all events are confirmed, and notes those of the one behind them.
    fn store(&mut self, confirmed: Confirmed, undeliverable: Vec<Undeliverable>, mut sent: Vec<SentEvent>) -> anyhow::Result<()> {
        sent.truncate(usize::try_from(confirmed.events).unwrap_or(usize::MAX));
        if sent.is_empty() {
            return Ok(());
        }
        let ended = sent.iter().rposition(|event| event.ends_change);
        let to = ended.and_then(|last| sent.get(last)).map(|event| (event.seq, event.at));
        let letters = self.letters(&sent, undeliverable);
        let dead = letters.len() as u64;
        self.move_with(to, letters)?;
        self.confirmed.extend(sent.drain(..).skip(ended.map_or(0, |last| last + 1)).map(|event| event.id));
        self.backoff = RETRY_MIN;
        self.refusal_told = None;
        self.refused = None;
        if self.window.accept(confirmed.events) {
            let name = self.reader.name();
            tracing::info!(output.name = name, "output `{name}`: events are accepted again, and sent at full speed");
        }
        self.status.note(|report| {
            if report.unroutable == 0 && confirmed.unroutable > 0 {
                let (name, target) = (self.reader.name(), self.output.target());
                tracing::warn!(output.name = name, "output `{name}`: events are unroutable: nobody takes them from {target}");
            }
            report.confirmed += confirmed.events.saturating_sub(dead);
            report.unroutable += confirmed.unroutable;
            report.refused_event = None;
        });
        Ok(())
    }

    /// Notes that nothing is in the way.
    fn note_well(&self) {
        self.status.note(|report| {
            report.last_error = None;
            report.next_try = None;
        });
    }

    /// Notes whether the output takes nothing at present (back-pressure), on a connection that is open.
    fn note_blocked(&mut self, blocked: bool) {
        let name = self.reader.name();
        match (self.blocked_told, blocked) {
            (false, true) => {
                tracing::warn!(output.name = name, "output `{name}`: blocked (back-pressure): {}", self.output.blocked());
            }
            (true, false) => tracing::info!(output.name = name, "output `{name}`: events are accepted again"),
            _ => {}
        }
        self.blocked_told = blocked;
        self.status.note(|report| {
            report.state = match blocked {
                true => State::Blocked,
                // A retry is under way: until it has succeeded, nothing is well.
                false if report.last_error.is_some() => report.state,
                false => State::Connected,
            };
        });
    }
}

impl<S: OutputSession> OpenSession<S> {
    /// Sends a batch of events.
    async fn send<O: Output<Session = S>>(&mut self, output: &O, events: Vec<(Event, bool)>) {
        let sent = |(event, ends_change): &(Event, bool)| SentEvent {
            id: event.id.clone(),
            seq: event.seq,
            at: event.at,
            ends_change: *ends_change,
        };
        let sent = events.iter().map(sent).collect();
        let deadline = Instant::now() + output.confirm_timeout();
        let batch = self.output.send(events.into_iter().map(|(event, _)| event).collect()).await;
        self.in_flight.push_back(InFlight { batch, sent, deadline, letter: None });
    }
}

impl<O: Output> Worker for Delivery<O> {
    async fn step(&mut self) -> anyhow::Result<StepOutcome> {
        if self.session.is_none() {
            return self.connect().await;
        }
        match self.deliver_batch().await {
            Ok(step) => Ok(step),
            Err(DeliveryFailure::Archive(error)) => {
                // What was sent may be confirmed and its position not stored: the retry starts from what is stored.
                self.session = None;
                Err(error)
            }
            Err(DeliveryFailure::Output(error)) => {
                self.fail(&error);
                Ok(StepOutcome::Idle)
            }
        }
    }

    async fn wait(&mut self) {
        match self.session.as_ref().map(|session| session.output.is_blocked()) {
            None => tokio::time::sleep_until(self.retry_at).await,
            // A lost connection is noticed meanwhile.
            Some(_) if Instant::now() < self.retry_at => {
                tokio::time::sleep_until(self.retry_at.min(Instant::now() + IDLE_CHECK)).await;
            }
            // What there is to read cannot be sent.
            Some(true) => tokio::time::sleep(IDLE_CHECK).await,
            // Either way the next step checks.
            Some(false) => drop(tokio::time::timeout(IDLE_CHECK, self.reader.wait()).await),
        }
    }

    async fn finish(&mut self) -> anyhow::Result<()> {
        let end = Instant::now() + FINISH_TIMEOUT;
        while let Some(session) = &self.session {
            if session.in_flight.is_empty() || session.output.is_blocked() || Instant::now() >= end {
                break;
            }
            match self.settle(POLL_INTERVAL).await {
                Ok(_) => {}
                Err(DeliveryFailure::Archive(error)) => return Err(error),
                Err(DeliveryFailure::Output(error)) => self.fail(&error),
            }
        }
        if let Some(session) = self.session.take() {
            session.output.close().await;
        }
        self.status.note(|report| report.state = State::Disconnected);
        Ok(())
    }
}
