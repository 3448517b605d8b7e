//! How an output is doing, for `/v1/status` and `telescribe status`.

use std::sync::{Mutex, MutexGuard, PoisonError};

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
}

/// How publishing is doing; written by the publisher, read by anyone.
#[derive(Debug, Default)]
pub struct Status(Mutex<Report>);

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

    pub(super) fn note(&self, change: impl FnOnce(&mut Report)) {
        change(&mut self.lock());
    }

    fn lock(&self) -> MutexGuard<'_, Report> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
