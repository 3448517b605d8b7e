//! The worker of an output: reads the change log, sends events in order, pipelined in a window, and moves its position (its checkpoint)
//! over what was confirmed.
//!
//! A refused event holds back what is behind it: nothing is sent until all that is in flight is answered; then it is sent again with
//! everything that follows it, one event at a time at first (see [`Window`]). The connection is kept meanwhile: over another one, what is
//! still in flight over the first could overtake it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::archive::{Archive, ChangeBatch, Reader};
use crate::event::events_of;
use crate::lifecycle::{StepOutcome, Worker};
use crate::model::Seq;

use super::status::{State, Status};
use super::window::Window;
use super::{Confirmed, Output, OutputBatch as _, OutputError, OutputErrorKind, OutputSession};

/// The first backoff after a failure or a refusal: a server that restarts is back at once. Doubled at each further one.
const RETRY_MIN: Duration = Duration::from_millis(200);
/// The longest backoff: an operator who has repaired it does not wait longer than this.
const RETRY_MAX: Duration = Duration::from_secs(30);
/// The longest backoff after a refusal: the retry is a single event over an open connection, which costs nobody anything.
const REFUSED_RETRY_MAX: Duration = Duration::from_secs(2);
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
    status: Arc<Status>,
    session: Option<OpenSession<O::Session>>,
    window: Window,
    backoff: Duration,
    /// Until then nothing is tried: no connection is made, and over one that is open nothing is sent.
    retry_at: Instant,
    /// Whether the log says that the other side takes nothing.
    blocked_told: bool,
}

/// One connection and what was sent over it; gone with it.
struct OpenSession<S: OutputSession> {
    output: S,
    /// The oldest first.
    in_flight: VecDeque<InFlight<S::Batch>>,
    /// The first refusal, until all that is in flight behind it is answered.
    refused: Option<OutputError>,
}

struct InFlight<B> {
    batch: B,
    /// The timeout of the confirms.
    deadline: Instant,
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
        let window = Window::new(output.window());
        Self { output, reader, status, session: None, window, backoff: RETRY_MIN, retry_at: Instant::now(), blocked_told: false }
    }

    async fn connect(&mut self) -> anyhow::Result<StepOutcome> {
        let position = self.reader.rewind()?;
        self.status.note(|report| report.position = position.0);
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
        if self.session.take().is_some_and(|session| session.refused.is_some()) {
            self.window.shrink();
        }
        let wait = if error.kind() == OutputErrorKind::Permanent { RETRY_MAX } else { self.backoff };
        self.back_off(wait, RETRY_MAX);
        let (name, text) = (self.reader.name(), error.to_string());
        self.status.note(|report| {
            // Deduplicated: the same failure again and again fills no log.
            if report.state != State::Disconnected || report.last_error.as_ref() != Some(&text) {
                tracing::warn!(output.name = name, "output `{name}`: publishing is interrupted: {text}; retry in {wait:?}");
            }
            report.state = State::Disconnected;
            report.last_error = Some(text);
        });
    }

    /// Goes back to the first refused event, over the same connection; nothing is in flight over it any more.
    fn retry_refused(&mut self, error: &OutputError) -> anyhow::Result<()> {
        let position = self.reader.rewind()?;
        let wait = self.backoff.min(REFUSED_RETRY_MAX);
        self.back_off(wait, REFUSED_RETRY_MAX);
        let (name, text) = (self.reader.name(), error.to_string());
        // Deduplicated: a queue that stays full refuses one event after another.
        if self.window.shrink() {
            tracing::warn!(
                output.name = name,
                "output `{name}`: events are refused: {text}; until they are accepted again, one is sent at a time"
            );
        } else {
            tracing::debug!(output.name = name, "output `{name}`: {text}; retry in {wait:?}");
        }
        self.status.note(|report| {
            report.state = State::Blocked;
            report.position = position.0;
            report.last_error = Some(text);
        });
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
        if Instant::now() < self.retry_at {
            return Ok(StepOutcome::Idle);
        }
        let blocked = session.output.is_blocked();
        self.note_blocked(blocked);
        let (events_max, batches_max) = (self.window.batch_events_max(), self.window.batches_max());
        let Some(session) = self.session.as_mut() else { return Ok(StepOutcome::Idle) };
        let has_room = session.in_flight.len() < batches_max && session.refused.is_none() && !blocked;
        let sent = has_room && session.send(self.output.as_ref(), &mut self.reader, events_max).await?;
        if sent && session.in_flight.len() < batches_max {
            return Ok(StepOutcome::Busy);
        }
        self.settle(POLL_INTERVAL).await
    }

    /// Waits for the oldest batch to be answered and stores the position; at most for `timeout`.
    async fn settle(&mut self, timeout: Duration) -> Result<StepOutcome, DeliveryFailure> {
        let Some(session) = self.session.as_mut() else { return Ok(StepOutcome::Idle) };
        let Some(oldest) = session.in_flight.front_mut() else {
            self.status.note(|report| report.last_error = None);
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
        let confirmed = session.in_flight.pop_front().map(|oldest| oldest.batch.confirmed()).unwrap_or_default();
        let is_behind_refused = session.refused.is_some();
        let failure = match outcome {
            Err(error) if error.kind() == OutputErrorKind::Refused => {
                session.refused.get_or_insert(error);
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
            self.store(confirmed)?;
        }
        match (failure, refused) {
            (Some(failure), _) => Err(failure.into()),
            (None, Some(refused)) => {
                self.retry_refused(&refused)?;
                Ok(StepOutcome::Idle)
            }
            (None, None) => {
                if !is_draining {
                    self.status.note(|report| report.last_error = None);
                }
                Ok(StepOutcome::Busy)
            }
        }
    }

    fn store(&mut self, confirmed: Confirmed) -> anyhow::Result<()> {
        let Some((seq, at)) = confirmed.last else { return Ok(()) };
        self.reader.store(seq, at)?;
        self.backoff = RETRY_MIN;
        if self.window.accept(confirmed.events) {
            let name = self.reader.name();
            tracing::info!(output.name = name, "output `{name}`: events are accepted again, and sent at full speed");
        }
        self.status.note(|report| {
            if report.unroutable == 0 && confirmed.unroutable > 0 {
                let (name, target) = (self.reader.name(), self.output.target());
                tracing::warn!(output.name = name, "output `{name}`: events are unroutable: nobody takes them from {target}");
            }
            report.position = seq.0;
            report.confirmed += confirmed.events;
            report.unroutable += confirmed.unroutable;
        });
        Ok(())
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
        self.status.note(|report| report.state = if blocked { State::Blocked } else { State::Connected });
    }
}

impl<S: OutputSession> OpenSession<S> {
    /// Reads a batch of changes and sends their events; says whether there were any.
    async fn send<O: Output<Session = S>>(&mut self, output: &O, reader: &mut Reader, events_max: usize) -> anyhow::Result<bool> {
        let before = reader.read();
        let ChangeBatch { changes, snapshot } = reader.next_batch(events_max)?;
        if changes.is_empty() {
            return Ok(false);
        }
        let events = events_of(&snapshot, &changes).inspect_err(|_| reader.seek(before))?;
        let deadline = Instant::now() + output.confirm_timeout();
        let batch = self.output.send(events).await;
        self.in_flight.push_back(InFlight { batch, deadline });
        Ok(true)
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
