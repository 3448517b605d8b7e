//! How an output is doing, for `/v1/status` and `telescribe status`, and what its operator asks of it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use crate::model::Seq;

/// What the connection of an output is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum State {
    /// No connection yet, or lost: another attempt follows.
    #[default]
    Disconnected,
    /// Events flow.
    Connected,
    /// It takes nothing at present (back-pressure), such as a broker that is short of memory or disk, or a queue that is full.
    Blocked,
}

impl State {
    /// Its name in `/v1/status`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Disconnected => "disconnected",
            Self::Connected => "connected",
            Self::Blocked => "blocked",
        }
    }
}

/// How publishing is doing, at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Report {
    /// What the connection is doing.
    pub state: State,
    /// The last change that was confirmed.
    pub position: u64,
    /// How many changes are not confirmed yet.
    pub lag: u64,
    /// Events confirmed since the start, those published again included.
    pub confirmed: u64,
    /// Events that nobody takes, since the start.
    pub unroutable: u64,
    /// Connections made since the start.
    pub connections: u64,
    /// What went wrong last, until nothing is in the way any more.
    pub last_error: Option<String>,
    /// When it is tried again, while something is in the way; a time that has passed means now.
    pub next_try: Option<Instant>,
    /// The id of the event that is refused, and holds back what is behind it.
    pub refused_event: Option<String>,
    /// Events that could not be delivered, and are kept.
    pub dead_letters: u64,
}

/// How publishing is doing; written by the publisher, read by anyone.
#[derive(Debug, Default)]
pub struct Status {
    report: Mutex<Report>,
    asked: Mutex<Asked>,
}

/// Which dead letters are to be sent again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resending {
    /// All of them, until one is refused.
    All,
    /// The event with this id.
    One(String),
}

/// What the operator asks for, until it is done.
#[derive(Debug, Default)]
struct Asked {
    /// The id of the refused event that is to be skipped.
    skip: Option<String>,
    /// Which dead letters are to be sent again.
    resend: Option<Resending>,
}

impl Status {
    /// The state of a publisher that has not started.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How it is doing, given the number of the archive's newest change.
    #[must_use]
    pub fn report(&self, last: Seq) -> Report {
        let mut report = self.lock().clone();
        report.lag = last.0.saturating_sub(report.position);
        report
    }

    /// Asks for the event with this id to be skipped: it becomes a dead letter.
    ///
    /// # Errors
    /// The id of the event that is refused at present, where that is another one; nothing where none is.
    pub fn ask_to_skip(&self, event: &str) -> Result<(), Option<String>> {
        let refused = self.lock().refused_event.clone();
        if refused.as_deref() != Some(event) {
            return Err(refused);
        }
        self.asked().skip = refused;
        Ok(())
    }

    /// Asks for the dead letters to be sent again, or for one of them. Returns how many there are of them all.
    pub fn ask_to_resend(&self, which: Resending) -> u64 {
        self.asked().resend = Some(which);
        self.lock().dead_letters
    }

    /// Notes how many dead letters are still kept.
    pub fn note_dead_letters(&self, dead_letters: u64) {
        self.note(|report| report.dead_letters = dead_letters);
    }

    /// How many dead letters there are.
    pub(super) fn dead_letters(&self) -> u64 {
        self.lock().dead_letters
    }

    /// The event that is to be skipped, if any.
    pub(super) fn take_skip(&self) -> Option<String> {
        self.asked().skip.take()
    }

    /// Which dead letters are to be sent again, if any.
    pub(super) fn take_resend(&self) -> Option<Resending> {
        self.asked().resend.take()
    }

    fn asked(&self) -> MutexGuard<'_, Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn note(&self, change: impl FnOnce(&mut Report)) {
        change(&mut self.lock());
    }

    fn lock(&self) -> MutexGuard<'_, Report> {
        self.report.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
