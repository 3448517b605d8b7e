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
    /// Whether it was asked at the address that serves files only.
    pub media_only: bool,
    /// The method as in the schema, such as `messages.getHistory`.
    pub method: &'static str,
    /// Its parameters in short, such as `peer=-1001234 offset_id=0 limit=100`.
    pub parameters: String,
    /// How it ended.
    pub outcome: Outcome,
}

/// A call that came before the end of a wait that Telegram had asked for.
///
/// The wait counts from when it was answered, and the client learns of it later, so a client that keeps to it is never early. What
/// comes before the client has acknowledged the answer (`msgs_ack`) is not early: it may never have got it, where the connection
/// ended. Nor is a call the client's fault that was under way inside of it by then: it comes soon, see [`EarlyCall::after`].
#[derive(Clone, Debug, Serialize)]
pub struct EarlyCall {
    /// The call that was answered with the wait.
    pub flooded: LedgerEntry,
    /// The call that came too early.
    pub early: LedgerEntry,
    /// How long after the acknowledgement of the answer it came.
    pub after: Duration,
    /// How long before the end of the wait it came.
    pub before: Duration,
}

/// A wait that an account is to keep to for a method.
struct Wait {
    until: Duration,
    flooded: LedgerEntry,
}

/// A wait on its way to the client, which does not know of it before it has acknowledged the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct WaitId(u64);

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
    /// Waits that no client has acknowledged.
    on_the_way: BTreeMap<WaitId, Wait>,
    last_wait: u64,
    /// The wait that ends last, by account and method, and when it was acknowledged.
    waits: HashMap<(String, &'static str), (Wait, Duration)>,
    early: Vec<EarlyCall>,
    early_count: u64,
}

impl LedgerState {
    /// Checks whether a call keeps to the wait before it, and remembers the one that it is answered with.
    fn check(&mut self, entry: &LedgerEntry, answered: Duration) -> Option<WaitId> {
        let earlier = self.waits.get(&(entry.account.clone(), entry.method));
        if let Some((wait, known)) = earlier.filter(|(wait, known)| entry.at >= *known && entry.at < wait.until) {
            self.early_count += 1;
            if self.early.len() < EARLY_MAX {
                let (after, before) = (entry.at - *known, wait.until - entry.at);
                self.early.push(EarlyCall { flooded: wait.flooded.clone(), early: entry.clone(), after, before });
            }
        }
        let wait = Wait { until: answered.saturating_add(wait_of(&entry.outcome)?), flooded: entry.clone() };
        // Those that never arrived, and are over.
        self.on_the_way.retain(|_, wait| wait.until > entry.at);
        self.last_wait += 1;
        self.on_the_way.insert(WaitId(self.last_wait), wait);
        Some(WaitId(self.last_wait))
    }

    /// Has a wait hold, since the client knows of it.
    fn acknowledge(&mut self, id: WaitId, now: Duration) {
        let Some(wait) = self.on_the_way.remove(&id) else { return };
        let key = (wait.flooded.account.clone(), wait.flooded.method);
        if self.waits.get(&key).is_none_or(|(earlier, _)| earlier.until < wait.until) {
            self.waits.insert(key, (wait, now));
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

    /// Writes down a call that is answered now or after a delay, and says which wait it is answered with.
    pub(crate) fn write(&self, entry: LedgerEntry, delay: Duration) -> Option<WaitId> {
        let answered = self.now().saturating_add(delay);
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        let wait = written.check(&entry, answered);
        match written.counts.get_mut(&(entry.account.clone(), entry.method)) {
            Some(count) => *count += 1,
            None => drop(written.counts.insert((entry.account.clone(), entry.method), 1)),
        }
        if written.entries.len() < ENTRIES_MAX {
            written.entries.push(entry);
        }
        wait
    }

    /// A client has acknowledged the answer that asks for a wait.
    pub(crate) fn acknowledge(&self, wait: WaitId) {
        let now = self.now();
        self.written.lock().unwrap_or_else(PoisonError::into_inner).acknowledge(wait, now);
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
        let LedgerState { on_the_way, last_wait, waits, .. } = std::mem::take(&mut *written);
        *written = LedgerState { on_the_way, last_wait, waits, ..LedgerState::default() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(at_millis: u64, account: &str, outcome: Outcome) -> LedgerEntry {
        let at = Duration::from_millis(at_millis);
        let (account, method, parameters) = (account.into(), "messages.getHistory", String::new());
        LedgerEntry { at, account, dc: 1, media_only: false, method, parameters, outcome }
    }

    #[test]
    fn only_calls_within_a_wait_of_their_own_account_are_early() {
        let mut written = LedgerState::default();
        let mut call = |at: u64, account: &str, outcome: Outcome| {
            if let Some(wait) = written.check(&entry(at, account, outcome), millis(at + 1)) {
                written.acknowledge(wait, millis(at + 2));
            }
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
        assert_eq!((first.flooded.at, first.after, first.before), (Duration::ZERO, millis(998), millis(1_001)));
    }

    #[test]
    fn a_wait_that_never_arrived_is_none_to_keep_to() {
        let mut written = LedgerState::default();
        let lost = written.check(&entry(0, "alpha", Outcome::Error("FLOOD_WAIT_9".into())), millis(1));
        assert_eq!(written.check(&entry(500, "alpha", Outcome::Ok), millis(501)), None);
        assert_eq!(written.early_count, 0, "the connection may have ended before the answer");
        written.acknowledge(lost.unwrap(), millis(600));
        written.check(&entry(700, "alpha", Outcome::Ok), millis(701));
        assert_eq!((written.early_count, written.early[0].after), (1, millis(100)));
        assert_eq!(written.on_the_way.len(), 0);
    }

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }
}
