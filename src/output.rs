//! Outputs: where events go. Each is a reader of the change log with a position of its own.
//!
//! [`Delivery`] is the worker of any output: it reads changes, makes events of them, sends them in batches, pipelined, and moves the
//! output's position (its checkpoint) over what was confirmed. What kind of thing takes the events is behind the [`Output`] trait:
//! `rabbitmq` and `webhook`. `docs/events.md` says what consumers may rely on:
//! - at-least-once delivery: the position moves only over events that were confirmed, so whatever goes wrong (a refusal, a lost connection,
//!   a timeout, a crash of either side) is retried from there, with backoff;
//! - ordered, per peer and altogether, in the order of the change log. After a fault earlier events come again, but no event is seen for
//!   the first time before one that precedes it; but where events are refused:
//! - a refused event is sent again with all that follow it, in order, so the whole order is in what was accepted (as a subsequence). What
//!   was in flight behind it may have been accepted before; that is at most a window, because it shrinks to one event then, and nothing
//!   where the window is one;
//! - deduplication: the same change has the same id each time, and, but for counters, the same content, so that consumers can be
//!   idempotent;
//! - an event that an output can never take, or that its operator has it skip, becomes a dead letter: it is kept, and can be sent again;
//! - an event that nobody wants (unroutable) is counted and skipped; one that the output's filter leaves out is not even made, and the position moves
//!   over it.
//!
//! An output that is down, blocked (its back-pressure), full or misconfigured stops nothing else and loses nothing; [`Status`] says what is
//! wrong. Outputs do not wait for each other.

mod delivery;
pub mod rabbitmq;
mod status;
pub mod webhook;
mod window;

use std::future::Future;
use std::time::Duration;

use crate::event::{Event, EventFilter};

pub use delivery::Delivery;
pub use status::{Report, Resending, State, Status};

/// Something that takes events.
pub trait Output: Send + Sync + 'static {
    /// A connection, or whatever else is open while events are sent; gone with all that is in flight over it.
    type Session: OutputSession;

    /// Where events go, as it may be logged: without secrets.
    fn target(&self) -> String;

    /// The window: how many events may be unconfirmed at once. With 1 none overtakes one that was refused.
    fn window(&self) -> usize;

    /// Which events it takes. Of the others nothing is sent.
    fn filter(&self) -> EventFilter {
        EventFilter::default()
    }

    /// The longest backoff after a refusal. The retry is a single event over an open connection, which costs nobody anything.
    fn refused_retry_max(&self) -> Duration {
        Duration::from_secs(2)
    }

    /// How many events in a row must be accepted after a refusal before all is well again, and the window doubles: some windows' worth, so that an
    /// output that refuses now and then stays near one, and one that was full for a moment is back at its full speed within a minute.
    fn calm_after(&self) -> u64 {
        1_000
    }

    /// How long a batch may take to be confirmed, unless the output says that it is blocked.
    fn confirm_timeout(&self) -> Duration;

    /// Forgets what it has learnt of the other side's limits: dead letters are to be sent again, and what was in their way may be gone.
    fn forget_limits(&self) {}

    /// Connects.
    fn connect(&self) -> impl Future<Output = Result<Self::Session, OutputError>> + Send;

    /// What to say when it takes nothing at present, and what helps.
    fn blocked(&self) -> String {
        "it takes nothing at present".to_owned()
    }

    /// What to say when a batch was not confirmed in time.
    fn unconfirmed(&self) -> OutputError {
        OutputError::passing(format!("no confirmation for {:?}", self.confirm_timeout()))
    }
}

/// A connection of an output.
pub trait OutputSession: Send + 'static {
    /// Events that were sent and are not all confirmed.
    type Batch: OutputBatch;

    /// Whether it is still open.
    fn is_open(&self) -> bool;

    /// Whether the other side takes nothing at the moment (back-pressure), so that its silence is no fault.
    fn is_blocked(&self) -> bool {
        false
    }

    /// Sends events, in order behind those sent before.
    fn send(&mut self, events: Vec<Event>) -> impl Future<Output = Self::Batch> + Send;

    /// Says goodbye.
    fn close(self) -> impl Future<Output = ()> + Send;
}

/// Events in flight, oldest first.
pub trait OutputBatch: Send + 'static {
    /// Returns when every event is confirmed. Where one is refused, that is told when those behind it are answered, too: only then is it
    /// known that none of them arrives late. Cancel safe: may be dropped and called again.
    fn settle(&mut self) -> impl Future<Output = Result<(), OutputError>> + Send;

    /// What is confirmed so far, up to the first that is not, also when the rest has failed.
    fn confirmed(&self) -> Confirmed;

    /// Which of those that count as confirmed the output can never take. They become dead letters.
    fn undeliverable(&self) -> Vec<Undeliverable> {
        Vec::new()
    }
}

/// What of a batch is confirmed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Confirmed {
    /// How many events, from the first one on: which changes they end, the delivery knows.
    pub events: u64,
    /// How many of them were unroutable.
    pub unroutable: u64,
}

/// An event that an output can never take, whatever is tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undeliverable {
    /// Which one of the batch, from 0 on.
    pub nth: u64,
    /// Why.
    pub why: String,
}

/// What went wrong between us and an output. It never loses an event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct OutputError {
    text: String,
    kind: OutputErrorKind,
    retry_after: Duration,
}

/// What to do about an [`OutputError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputErrorKind {
    /// Connect again, with backoff.
    Passing,
    /// The same, but only a person can repair it, so that an early retry is of no use.
    Permanent,
    /// An event was refused (negatively acknowledged) over a connection that is in order: send it again over the same one, with backoff.
    Refused,
}

impl OutputError {
    /// Something that a retry over another connection may get past.
    #[must_use]
    pub fn passing(text: impl ToString) -> Self {
        Self::new(text, OutputErrorKind::Passing)
    }

    /// Something that only a person can repair.
    #[must_use]
    pub fn permanent(text: impl ToString) -> Self {
        Self::new(text, OutputErrorKind::Permanent)
    }

    /// An event that was refused over a connection that is in order.
    #[must_use]
    pub fn refused(text: impl ToString) -> Self {
        Self::new(text, OutputErrorKind::Refused)
    }

    fn new(text: impl ToString, kind: OutputErrorKind) -> Self {
        Self { text: text.to_string(), kind, retry_after: Duration::ZERO }
    }

    /// The same, where it is known that a retry is of no use before so long.
    #[must_use]
    pub fn with_retry_after(self, wait: Duration) -> Self {
        Self { retry_after: wait, ..self }
    }

    /// How long a retry waits at least.
    #[must_use]
    pub fn retry_after(&self) -> Duration {
        self.retry_after
    }

    /// What to do about it.
    #[must_use]
    pub fn kind(&self) -> OutputErrorKind {
        self.kind
    }
}
