//! The connections that an account has for files, by data centre: made as they are needed, closed when nobody needs them.
//!
//! Each connection is a pool of senders of its own, so that one that is stuck connecting, or whose runner has died, takes along only the
//! requests that were made over it. A request takes the connection with the fewest requests in flight, and a new one where all are taken
//! and there may be more. Where nothing answers, one request at a time finds out when that is over, with exponential backoff; the others
//! are told at once when to come again, so that a silent data centre holds one of an account's leases and not all.
//!
//! This is what a client keeps; how it asks is in [`files`](super::files).

mod keys;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use grammers_client::sender::SenderPoolHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::kept::ExportedAuthorization;
use crate::model::AccountName;

pub(super) use keys::FileSessionAdapter;

/// Connections in a row without an answer after which that is a state: Telegram closes one now and then for no reason.
const FAILURES_CERTAIN: u32 = 2;
/// When to come again while another request finds out whether the data centre answers.
const PROBE_PAUSE: Duration = Duration::from_secs(1);

/// How an account's connections for files are made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileSettings {
    /// Connections of an account with one data centre. Two is what Telegram's own library has: with more requests than that in flight the
    /// second one hides the first one's way there and back.
    pub connections_max: usize,
    /// The same for an account that pays for Telegram.
    pub connections_max_premium: usize,
    /// After how long without a request a connection closes: longer than the pauses of a download, short enough for nobody to mind the
    /// two megabytes that an open one holds.
    pub idle_after: Duration,
}

impl Default for FileSettings {
    fn default() -> Self {
        Self { connections_max: 2, connections_max_premium: 8, idle_after: Duration::from_secs(60) }
    }
}

/// An account's connections for files, by data centre.
pub(super) struct FileConnections {
    pub(super) settings: FileSettings,
    by_dc: Mutex<BTreeMap<i32, Arc<DataCentreConnections>>>,
}

impl FileConnections {
    pub(super) fn new(settings: FileSettings) -> Self {
        Self { settings, by_dc: Mutex::default() }
    }

    /// Those to a data centre, with which the account has a key already or not.
    pub(super) fn to(&self, dc: i32, has_key: impl FnOnce() -> bool) -> Arc<DataCentreConnections> {
        let mut by_dc = self.by_dc.lock().unwrap_or_else(PoisonError::into_inner);
        let connections = by_dc.entry(dc).or_insert_with(|| {
            let authorization = if has_key() { Authorization::default() } else { Authorization::missing() };
            Arc::new(DataCentreConnections::new(dc, authorization))
        });
        Arc::clone(connections)
    }
}

impl FileSettings {
    /// How many connections an account may have with a data centre.
    pub(super) fn most(&self, is_premium: bool) -> usize {
        (if is_premium { self.connections_max_premium } else { self.connections_max }).max(1)
    }
}

/// Whether a data centre lets an account in.
#[derive(Default)]
pub(super) struct Authorization {
    /// Whether it is known not to.
    pub(super) missing: bool,
    /// How often it has been authorised, so that what was refused before that is asked again and not authorised again.
    pub(super) generation: u64,
    /// What home has given out and the data centre has not seen.
    pub(super) exported: Option<ExportedAuthorization>,
    /// Before when it is not tried again, and Telegram's error name.
    pub(super) refused: Option<(Instant, String)>,
}

impl Authorization {
    /// Of a data centre with which no key was made yet.
    pub(super) fn missing() -> Self {
        Self { missing: true, ..Self::default() }
    }
}

/// An account's connections to one data centre, and whether that lets the account in.
pub(super) struct DataCentreConnections {
    pub(super) dc: i32,
    open: Mutex<OpenConnections>,
    /// Held by the one that opens a connection (an exclusive lock).
    pub(super) opening: tokio::sync::Mutex<()>,
    pub(super) authorization: tokio::sync::Mutex<Authorization>,
}

/// The connections that are open, and what their backoff counts.
#[derive(Default)]
struct OpenConnections {
    connections: Vec<Arc<FileConnection>>,
    /// Connections in a row that ended without an answer, or the end of one that had answered and those after it.
    failures: u32,
    failed_at: Option<Instant>,
}

/// A connection.
pub(super) struct FileConnection {
    pub(super) handle: SenderPoolHandle,
    pub(super) ended: CancellationToken,
    pub(super) session: Arc<FileSessionAdapter>,
    opened_at: Instant,
    answered: AtomicBool,
    usage: Mutex<Usage>,
}

/// Who uses a connection.
struct Usage {
    in_flight: usize,
    last_used: Instant,
}

/// A connection that is used until this is dropped.
pub(super) struct UsedConnection(Arc<FileConnection>);

impl std::ops::Deref for UsedConnection {
    type Target = FileConnection;

    fn deref(&self) -> &FileConnection {
        &self.0
    }
}

impl Drop for UsedConnection {
    fn drop(&mut self) {
        let mut usage = self.0.usage();
        usage.in_flight = usage.in_flight.saturating_sub(1);
        usage.last_used = Instant::now();
    }
}

/// Which connection a request gets.
pub(super) enum Choice {
    /// This one.
    Use(UsedConnection),
    /// A new one, or this one while another request opens a connection.
    Open(Option<Arc<FileConnection>>),
    /// None: not before this.
    Wait(Duration),
}

impl FileConnection {
    /// A connection that has just been made, and that nobody uses yet.
    pub(super) fn new(handle: SenderPoolHandle, ended: CancellationToken, session: Arc<FileSessionAdapter>) -> Arc<Self> {
        let (opened_at, answered) = (Instant::now(), AtomicBool::new(false));
        let usage = Mutex::new(Usage { in_flight: 0, last_used: opened_at });
        Arc::new(Self { handle, ended, session, opened_at, answered, usage })
    }

    /// Uses it, unless it has ended.
    pub(super) fn take(self: &Arc<Self>) -> Option<UsedConnection> {
        let mut usage = self.usage();
        if self.ended.is_cancelled() {
            return None;
        }
        usage.in_flight += 1;
        drop(usage);
        Some(UsedConnection(Arc::clone(self)))
    }

    fn in_flight(&self) -> usize {
        self.usage().in_flight
    }

    /// Returns when nobody has used it for so long; then it has ended.
    pub(super) async fn idle(&self, for_long: Duration) {
        loop {
            let look_again = {
                let usage = self.usage();
                let idle_at = usage.last_used + for_long;
                if usage.in_flight == 0 && idle_at <= Instant::now() {
                    // Under the lock: nobody takes it any more.
                    self.ended.cancel();
                    return;
                }
                if usage.in_flight == 0 { idle_at } else { Instant::now() + for_long }
            };
            tokio::time::sleep_until(look_again).await;
        }
    }

    fn usage(&self) -> MutexGuard<'_, Usage> {
        self.usage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl DataCentreConnections {
    pub(super) fn new(dc: i32, authorization: Authorization) -> Self {
        let (open, opening) = (Mutex::default(), tokio::sync::Mutex::default());
        Self { dc, open, opening, authorization: tokio::sync::Mutex::new(authorization) }
    }

    /// Chooses a connection; `backoff` is that after so many failures.
    pub(super) fn choose(&self, most: usize, backoff: impl Fn(u32) -> Duration) -> Choice {
        let mut open = self.open();
        open.connections.retain(|connection| !connection.ended.is_cancelled());
        let least = open.connections.iter().min_by_key(|connection| connection.in_flight()).cloned();
        let wait = open.retry_in(backoff);
        let is_probed = open.failures > 0 && open.connections.iter().any(|c| !c.answered.load(Ordering::Relaxed));
        let may_open = open.connections.len() < most && wait.is_zero() && !is_probed;
        let Some(least) = least else { return if may_open { Choice::Open(None) } else { Choice::Wait(wait) } };
        let is_free = least.in_flight() == 0;
        if may_open && !is_free {
            return Choice::Open(Some(least));
        }
        // Nobody joins the one that finds out, where that is in doubt.
        if open.failures >= FAILURES_CERTAIN && !is_free && !least.answered.load(Ordering::Relaxed) {
            return Choice::Wait(PROBE_PAUSE);
        }
        drop(open);
        // It may have become idle since: another one is chosen.
        least.take().map_or(Choice::Open(None), Choice::Use)
    }

    /// Notes that a request over a connection got no answer, whose connection that ends. Returns when it is tried again.
    pub(super) fn note_failure(
        &self,
        account: &AccountName,
        connection: Option<&FileConnection>,
        why: &str,
        backoff: impl Fn(u32) -> Duration,
    ) -> Duration {
        let mut open = self.open();
        if let Some(connection) = connection {
            connection.ended.cancel();
        }
        // Those that were open all along ended for the same reason.
        let is_news = open.failed_at.is_none_or(|last| connection.is_none_or(|connection| connection.opened_at > last));
        if is_news {
            open.failures = open.failures.saturating_add(1);
            open.failed_at = Some(Instant::now());
        }
        let (failures, wait) = (open.failures, open.retry_in(backoff));
        drop(open);
        let dc = self.dc;
        if is_news && failures == FAILURES_CERTAIN {
            tracing::warn!(account.name = %account, dc, "account `{account}` gets no files from data centre {dc} ({why}); it is tried again until it does");
        } else {
            tracing::debug!(account.name = %account, dc, "account `{account}` got no answer from data centre {dc} for files, {failures} connections in a row ({why})");
        }
        wait
    }

    /// Notes that a connection works.
    pub(super) fn note_answer(&self, account: &AccountName, connection: &FileConnection) {
        if connection.answered.swap(true, Ordering::Relaxed) {
            return;
        }
        let mut open = self.open();
        let failures = std::mem::take(&mut open.failures);
        open.failed_at = None;
        drop(open);
        if failures >= FAILURES_CERTAIN {
            let dc = self.dc;
            tracing::info!(account.name = %account, dc, "account `{account}` gets files from data centre {dc} again, after {failures} connections");
        }
    }

    /// Adds a connection.
    pub(super) fn add(&self, connection: Arc<FileConnection>) {
        self.open().connections.push(connection);
    }

    fn open(&self) -> MutexGuard<'_, OpenConnections> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OpenConnections {
    /// How long until a connection may be opened.
    fn retry_in(&self, backoff: impl Fn(u32) -> Duration) -> Duration {
        let at = self.failed_at.map(|at| at + backoff(self.failures));
        at.map_or(Duration::ZERO, |at| at.saturating_duration_since(Instant::now()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_premium_account_has_more_connections_and_every_account_has_one() {
        let settings = FileSettings::default();
        assert_eq!((settings.most(false), settings.most(true)), (2, 8));
        assert_eq!(FileSettings { connections_max: 0, ..settings }.most(false), 1);
    }
}
