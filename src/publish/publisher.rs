//! The worker: reads the change log, publishes events in order, pipelined in a window, and moves its position (its checkpoint) over what
//! was confirmed.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::archive::Archive;
use crate::lifecycle::{StepOutcome, Worker};
use crate::model::Seq;

use super::batch::Batch;
use super::broker::Broker;
use super::status::{PublishState, Status};
use super::{BrokerError, Settings, outbox};

/// The name under which the archive keeps the publisher's position.
pub const READER: &str = "publish";

/// The first backoff after a failure: a broker that restarts a channel is back at once. Doubled at each further failure.
const RECONNECT_MIN: Duration = Duration::from_millis(200);
/// The longest backoff: an operator who has repaired the broker does not wait longer than this.
const RECONNECT_MAX: Duration = Duration::from_secs(30);
/// How many batches are in flight (pipelining): one is prepared and sent while the other is confirmed.
const BATCHES_IN_FLIGHT_MAX: usize = 2;
/// How long a step may wait for confirms before it checks whether the broker is blocked, and whether a stop was asked for.
const POLL_INTERVAL: Duration = Duration::from_millis(250);
/// The health check interval of an idle connection, so that a lost one is replaced before it is needed.
const IDLE_CHECK: Duration = Duration::from_secs(1);
/// The timeout of a graceful shutdown for confirms: what is not confirmed by then is published again at the next start.
const FINISH_TIMEOUT: Duration = Duration::from_secs(3);

/// Publishes the changes of an archive.
pub struct Publisher {
    settings: Settings,
    archive: Arc<Archive>,
    status: Arc<Status>,
    changes: watch::Receiver<Seq>,
    session: Option<BrokerSession>,
    backoff: Duration,
    retry_at: Instant,
}

/// One connection and what was sent over it; gone with it.
struct BrokerSession {
    broker: Broker,
    /// The last change that was published.
    sent: Seq,
    /// The oldest first.
    in_flight: VecDeque<Batch>,
}

/// Why publishing failed: the broker's failures are retried here, the archive's by the lifecycle.
enum PublishFailure {
    Broker(BrokerError),
    Archive(anyhow::Error),
}

impl From<BrokerError> for PublishFailure {
    fn from(error: BrokerError) -> Self {
        Self::Broker(error)
    }
}

impl From<anyhow::Error> for PublishFailure {
    fn from(error: anyhow::Error) -> Self {
        Self::Archive(error)
    }
}

impl Publisher {
    /// A publisher that is not connected yet; give it to [`crate::lifecycle::Lifecycle::work`].
    #[must_use]
    pub fn new(settings: Settings, archive: Arc<Archive>, status: Arc<Status>) -> Self {
        let changes = archive.subscribe();
        Self { settings, archive, status, changes, session: None, backoff: RECONNECT_MIN, retry_at: Instant::now() }
    }

    async fn connect(&mut self) -> anyhow::Result<StepOutcome> {
        let position = self.archive.view().position(READER)?;
        self.status.note(|report| report.position = position.0);
        if Instant::now() < self.retry_at {
            return Ok(StepOutcome::Idle);
        }
        match Broker::connect(&self.settings).await {
            Ok(broker) => {
                let (address, exchange) = (self.settings.address(), &self.settings.exchange);
                tracing::info!(
                    change.seq = position.0,
                    "publishing to `{address}`, exchange `{exchange}`, after change {position}"
                );
                self.session = Some(BrokerSession { broker, sent: position, in_flight: VecDeque::new() });
                self.status.note(|report| {
                    report.state = PublishState::Connected;
                    report.connections += 1;
                });
                Ok(StepOutcome::Busy)
            }
            Err(error) => {
                self.fail(&error);
                Ok(StepOutcome::Idle)
            }
        }
    }

    /// Drops the connection with everything in flight; a later step resumes from the stored position.
    fn fail(&mut self, error: &BrokerError) {
        self.session = None;
        let wait = if error.is_permanent() { RECONNECT_MAX } else { self.backoff };
        self.retry_at = Instant::now() + wait;
        self.backoff = (self.backoff * 2).min(RECONNECT_MAX);
        let text = error.to_string();
        self.status.note(|report| {
            // Deduplicated: the same failure again and again fills no log.
            if report.state != PublishState::Disconnected || report.last_error.as_ref() != Some(&text) {
                tracing::warn!("publishing is interrupted: {text}; retry in {wait:?}");
            }
            report.state = PublishState::Disconnected;
            report.last_error = Some(text);
        });
    }

    /// Publishes a batch where there is one and room for it in the window, otherwise waits a while for the oldest to be confirmed.
    async fn publish_batch(&mut self) -> Result<StepOutcome, PublishFailure> {
        self.changes.borrow_and_update();
        let Some(session) = self.session.as_mut() else { return Ok(StepOutcome::Idle) };
        if !session.broker.is_open() && session.in_flight.is_empty() {
            return Err(BrokerError::Lost { reason: "it was closed".to_owned() }.into());
        }
        let blocked = session.broker.is_blocked();
        self.status.note(|report| report.note_blocked(blocked));
        let has_room = session.in_flight.len() < BATCHES_IN_FLIGHT_MAX && !blocked;
        let sent = has_room && session.send(&self.settings, &self.archive).await?;
        if sent && session.in_flight.len() < BATCHES_IN_FLIGHT_MAX {
            return Ok(StepOutcome::Busy);
        }
        self.settle(POLL_INTERVAL).await
    }

    /// Waits for the oldest batch to be confirmed and stores the position; at most for `timeout`.
    async fn settle(&mut self, timeout: Duration) -> Result<StepOutcome, PublishFailure> {
        let Some(session) = self.session.as_mut() else { return Ok(StepOutcome::Idle) };
        let Some(batch) = session.in_flight.front_mut() else {
            self.status.note(|report| report.last_error = None);
            return Ok(StepOutcome::Idle);
        };
        let outcome = match tokio::time::timeout(timeout, batch.settle()).await {
            Ok(outcome) => outcome,
            Err(_) if session.broker.is_blocked() => {
                // Its silence has a reason that it has told us; a broken connection shows by its heartbeat.
                for batch in &mut session.in_flight {
                    batch.deadline = Instant::now() + self.settings.confirm_timeout;
                }
                self.status.note(|report| report.note_blocked(true));
                return Ok(StepOutcome::Busy);
            }
            Err(_) if Instant::now() < batch.deadline => return Ok(StepOutcome::Busy),
            Err(_) => Err(BrokerError::Timeout(self.settings.confirm_timeout)),
        };
        // Also of a batch that failed: what was confirmed before the failure is not published again, so that a queue that takes
        // only a few at a time gets all in the end.
        if let Some(batch) = session.in_flight.pop_front() {
            self.store(&batch)?;
        }
        outcome.map_err(PublishFailure::Broker)?;
        self.status.note(|report| report.last_error = None);
        Ok(StepOutcome::Busy)
    }

    fn store(&mut self, batch: &Batch) -> anyhow::Result<()> {
        let Some((seq, at)) = batch.confirmed() else { return Ok(()) };
        let mut write = self.archive.write(at);
        write.position(READER, seq);
        write.commit()?;
        self.backoff = RECONNECT_MIN;
        self.status.note(|report| {
            if report.unroutable == 0 && batch.returned() > 0 {
                let exchange = &self.settings.exchange;
                tracing::warn!("events are unroutable: no queue is bound for them to exchange `{exchange}`");
            }
            report.position = seq.0;
            report.confirmed += batch.count();
            report.unroutable += batch.returned();
        });
        Ok(())
    }
}

impl BrokerSession {
    /// Reads a batch of changes and publishes their events; says whether there were any.
    async fn send(&mut self, settings: &Settings, archive: &Archive) -> anyhow::Result<bool> {
        let events = outbox::events(archive, self.sent, settings.batch())?;
        if events.is_empty() {
            return Ok(false);
        }
        let mut batch = Batch::new(Instant::now() + settings.confirm_timeout);
        for event in events {
            let (seq, at) = (event.seq, event.at);
            batch.push(seq, at, self.broker.send(event).await);
            self.sent = seq;
        }
        self.in_flight.push_back(batch);
        Ok(true)
    }
}

impl Worker for Publisher {
    async fn step(&mut self) -> anyhow::Result<StepOutcome> {
        if self.session.is_none() {
            return self.connect().await;
        }
        match self.publish_batch().await {
            Ok(step) => Ok(step),
            Err(PublishFailure::Archive(error)) => {
                // What was published may be confirmed and its position not stored: the retry starts from what is stored.
                self.session = None;
                Err(error)
            }
            Err(PublishFailure::Broker(error)) => {
                self.fail(&error);
                Ok(StepOutcome::Idle)
            }
        }
    }

    async fn wait(&mut self) {
        if self.session.is_none() {
            tokio::time::sleep_until(self.retry_at).await;
            return;
        }
        // Either way the next step checks; the archive outlives its subscribers, so the wait cannot fail.
        let _either = tokio::time::timeout(IDLE_CHECK, self.changes.changed()).await;
    }

    async fn finish(&mut self) -> anyhow::Result<()> {
        let end = Instant::now() + FINISH_TIMEOUT;
        while let Some(session) = &self.session {
            if session.in_flight.is_empty() || session.broker.is_blocked() || Instant::now() >= end {
                break;
            }
            match self.settle(POLL_INTERVAL).await {
                Ok(_) => {}
                Err(PublishFailure::Archive(error)) => return Err(error),
                Err(PublishFailure::Broker(error)) => self.fail(&error),
            }
        }
        if let Some(session) = self.session.take() {
            session.broker.close().await;
        }
        self.status.note(|report| report.state = PublishState::Disconnected);
        Ok(())
    }
}
