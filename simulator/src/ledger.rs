//! The ledger: every request that came in, by whom, what for, and how it ended.
//!
//! Tests assert on it ("each page was asked for once", "nobody resolved a username twice"). It never holds phone numbers,
//! codes, hashes or file references.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::clock;

/// Entries kept, about 200 MB; counts go on beyond it. A crawl of a million messages makes ten thousand.
const ENTRIES_MAX: usize = 1_000_000;

/// How a request ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It was answered.
    Ok,
    /// It was answered with this error.
    Error(String),
    /// It was never answered.
    Silent,
    /// The connection was closed instead.
    Closed,
}

/// One request.
#[derive(Clone, Debug, Serialize)]
pub struct LedgerEntry {
    /// When it arrived, counted from the start of the simulator.
    pub at: Duration,
    /// The account's name.
    pub account: String,
    /// The data centre that was asked.
    pub dc: i32,
    /// The method as in the schema, such as `messages.getHistory`.
    pub method: &'static str,
    /// Its parameters in short, such as `peer=-1001234 offset_id=0 limit=100`.
    pub parameters: String,
    /// How it ended.
    pub outcome: Outcome,
}

/// All of them.
pub(crate) struct Ledger {
    started: Instant,
    written: Mutex<Written>,
}

#[derive(Default)]
struct Written {
    entries: Vec<LedgerEntry>,
    counts: BTreeMap<(String, &'static str), u64>,
}

impl Ledger {
    pub(crate) fn new() -> Self {
        Self { started: clock::monotonic(), written: Mutex::default() }
    }

    pub(crate) fn now(&self) -> Duration {
        self.started.elapsed()
    }

    pub(crate) fn write(&self, entry: LedgerEntry) {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        match written.counts.get_mut(&(entry.account.clone(), entry.method)) {
            Some(count) => *count += 1,
            None => drop(written.counts.insert((entry.account.clone(), entry.method), 1)),
        }
        if written.entries.len() < ENTRIES_MAX {
            written.entries.push(entry);
        }
    }

    pub(crate) fn entries(&self) -> Vec<LedgerEntry> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner).entries.clone()
    }

    pub(crate) fn counts(&self) -> BTreeMap<(String, &'static str), u64> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner).counts.clone()
    }

    pub(crate) fn clear(&self) {
        *self.written.lock().unwrap_or_else(PoisonError::into_inner) = Written::default();
    }
}
