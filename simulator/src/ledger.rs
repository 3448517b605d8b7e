//! The ledger (an audit log for assertions): every request that came in, by whom, what for, and how it ended.
//!
//! Tests assert on it ("each page was asked for once", "nobody resolved a username twice"). It never holds phone numbers,
//! codes, hashes or file references.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::clock;

/// Entries kept, about 200 MB; counts go on beyond it. A crawl of a million messages makes ten thousand.
const ENTRIES_MAX: usize = 1_000_000;

/// Early calls kept; counts go on beyond it. One is a mistake already.
const EARLY_MAX: usize = 10_000;

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

/// A call that came before the end of a wait that Telegram had asked for.
///
/// The wait counts from when it was answered, and the client learns of it later, so a client that keeps to it is never early.
/// Only a call that was under way already when the wait was answered is no fault of the client's: it comes within the time
/// that an answer takes, see [`EarlyCall::after`].
#[derive(Clone, Debug, Serialize)]
pub struct EarlyCall {
    /// The call that was answered with the wait.
    pub flooded: LedgerEntry,
    /// The call that came too early.
    pub early: LedgerEntry,
    /// How long after the answer it came.
    pub after: Duration,
    /// How long before the end of the wait it came.
    pub before: Duration,
}

/// A wait that an account was told to keep to for a method.
struct Wait {
    answered: Duration,
    until: Duration,
    flooded: LedgerEntry,
}

/// The errors that ask for a wait; the number of seconds follows.
const WAITS: [&str; 4] = ["FLOOD_WAIT_", "FLOOD_PREMIUM_WAIT_", "SLOWMODE_WAIT_", "TAKEOUT_INIT_DELAY_"];

/// How long an outcome asks to wait.
fn wait_of(outcome: &Outcome) -> Option<Duration> {
    let Outcome::Error(name) = outcome else { return None };
    let seconds = WAITS.iter().find_map(|wait| name.strip_prefix(wait))?;
    seconds.parse().ok().map(Duration::from_secs)
}

/// All of them.
pub(crate) struct Ledger {
    started: Instant,
    written: Mutex<LedgerState>,
}

#[derive(Default)]
struct LedgerState {
    entries: Vec<LedgerEntry>,
    counts: BTreeMap<(String, &'static str), u64>,
    /// The wait that ends last, by account and method.
    waits: HashMap<(String, &'static str), Wait>,
    early: Vec<EarlyCall>,
    early_count: u64,
}

impl LedgerState {
    /// Checks whether a call keeps to the wait before it, and remembers the one that it is answered with.
    fn check(&mut self, entry: &LedgerEntry, answered: Duration) {
        let key = (entry.account.clone(), entry.method);
        let earlier = self.waits.get(&key);
        if let Some(wait) = earlier.filter(|wait| entry.at >= wait.answered && entry.at < wait.until) {
            self.early_count += 1;
            if self.early.len() < EARLY_MAX {
                let (after, before) = (entry.at - wait.answered, wait.until - entry.at);
                self.early.push(EarlyCall { flooded: wait.flooded.clone(), early: entry.clone(), after, before });
            }
        }
        if let Some(wait) = wait_of(&entry.outcome) {
            let until = answered.saturating_add(wait);
            if earlier.is_none_or(|earlier| earlier.until < until) {
                self.waits.insert(key, Wait { answered, until, flooded: entry.clone() });
            }
        }
    }
}

impl Ledger {
    pub(crate) fn new() -> Self {
        Self { started: clock::monotonic(), written: Mutex::default() }
    }

    pub(crate) fn now(&self) -> Duration {
        self.started.elapsed()
    }

    /// Writes down a call that is answered now or after a delay.
    pub(crate) fn write(&self, entry: LedgerEntry, delay: Duration) {
        let answered = self.now().saturating_add(delay);
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        written.check(&entry, answered);
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

    /// The calls that came too early, and how many there were in all.
    pub(crate) fn early(&self) -> (Vec<EarlyCall>, u64) {
        let written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        (written.early.clone(), written.early_count)
    }

    /// Forgets everything but the waits that still hold.
    pub(crate) fn clear(&self) {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        let waits = std::mem::take(&mut written.waits);
        *written = LedgerState { waits, ..LedgerState::default() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(at_millis: u64, account: &str, outcome: Outcome) -> LedgerEntry {
        let at = Duration::from_millis(at_millis);
        LedgerEntry { at, account: account.into(), dc: 1, method: "messages.getHistory", parameters: String::new(), outcome }
    }

    #[test]
    fn only_calls_within_a_wait_of_their_own_account_are_early() {
        let mut written = LedgerState::default();
        let mut call = |at: u64, account: &str, outcome: Outcome| {
            written.check(&entry(at, account, outcome), Duration::from_millis(at + 1));
        };
        let flooded = |seconds: u64| Outcome::Error(format!("FLOOD_WAIT_{seconds}"));
        call(0, "alpha", flooded(2));
        call(5, "bravo", Outcome::Ok);
        call(1_000, "alpha", flooded(1));
        call(1_999, "alpha", Outcome::Error("FLOOD_PREMIUM_WAIT_3".into()));
        call(5_000, "alpha", Outcome::Error("CHANNEL_PRIVATE".into()));
        call(6_000, "alpha", Outcome::Ok);
        let early: Vec<u128> = written.early.iter().map(|early| early.early.at.as_millis()).collect();
        assert_eq!(early, [1_000, 1_999]);
        let first = &written.early[0];
        assert_eq!((first.flooded.at, first.after, first.before), (Duration::ZERO, millis(999), millis(1_001)));
    }

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }
}
