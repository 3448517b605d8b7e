//! One account's connections to one data centre, for files only: made as they are needed, closed when nobody needs them.
//!
//! Each connection is a pool of senders of its own, so that one that is stuck connecting, or whose runner has died, takes along only the
//! requests that were made over it. A request takes the connection with the fewest requests in flight, and a new one where all are taken
//! and there may be more. Where nothing answers, one request at a time finds out when that is over, with exponential backoff; the others
//! are told at once when to come again, so that a silent data centre holds one of an account's leases and not all.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use grammers_client::SenderPool;
use grammers_client::sender::SenderPoolHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::super::client::connection_params;
use super::super::{Client, method};
use super::authorization::Authorization;
use super::keys::FileSessionAdapter;
use super::{FileError, FileSettings};

/// The longest backoff between connections to a data centre that does not answer: files can wait longer than news.
const RECONNECT_MAX: Duration = Duration::from_secs(60);
/// Connections in a row without an answer after which that is a state: Telegram closes one now and then for no reason.
const FAILURES_CERTAIN: u32 = 2;
/// When to come again while another request finds out whether the data centre answers.
const PROBE_PAUSE: Duration = Duration::from_secs(1);

/// An account's connections to one data centre, and whether that lets the account in.
pub(super) struct DataCentreConnections {
    pub(super) dc: i32,
    open: Mutex<OpenConnections>,
    /// Held by the one that opens a connection (an exclusive lock).
    opening: tokio::sync::Mutex<()>,
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
enum Choice {
    /// This one.
    Use(UsedConnection),
    /// A new one, or this one while another request opens a connection.
    Open(Option<Arc<FileConnection>>),
    /// None: not before this.
    Wait(Duration),
}

impl FileConnection {
    /// Uses it, unless it has ended.
    fn take(self: &Arc<Self>) -> Option<UsedConnection> {
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
    async fn idle(&self, for_long: Duration) {
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
    fn choose(&self, most: usize, backoff: impl Fn(u32) -> Duration) -> Choice {
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
    fn note_failure(&self, client: &Client, connection: Option<&FileConnection>, why: &str) -> Duration {
        let backoff = |failures| client.backoff_up_to(RECONNECT_MAX, failures);
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
        let (account, dc) = (client.session().name(), self.dc);
        if is_news && failures == FAILURES_CERTAIN {
            tracing::warn!(account.name = %account, dc, "account `{account}` gets no files from data centre {dc} ({why}); it is tried again until it does");
        } else {
            tracing::debug!(account.name = %account, dc, "account `{account}` got no answer from data centre {dc} for files, {failures} connections in a row ({why})");
        }
        wait
    }

    /// Notes that a connection works.
    fn note_answer(&self, client: &Client, connection: &FileConnection) {
        if connection.answered.swap(true, Ordering::Relaxed) {
            return;
        }
        let mut open = self.open();
        let failures = std::mem::take(&mut open.failures);
        open.failed_at = None;
        drop(open);
        if failures >= FAILURES_CERTAIN {
            let (account, dc) = (client.session().name(), self.dc);
            tracing::info!(account.name = %account, dc, "account `{account}` gets files from data centre {dc} again, after {failures} connections");
        }
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

impl FileSettings {
    /// How many connections an account may have with a data centre.
    fn most(&self, is_premium: bool) -> usize {
        (if is_premium { self.connections_max_premium } else { self.connections_max }).max(1)
    }
}

impl Client {
    /// A connection to a data centre.
    pub(super) async fn file_connection(
        &self,
        to: &DataCentreConnections,
        deadline: Instant,
    ) -> Result<UsedConnection, FileError> {
        // Where no key is known, the first connection makes the one that all have.
        let has_key = self.session().data_centre(to.dc).is_some_and(|dc| dc.auth_key.is_some());
        let most = if has_key { self.files.settings.most(self.session().is_premium()) } else { 1 };
        let choose = || to.choose(most, |failures| self.backoff_up_to(RECONNECT_MAX, failures));
        let waits = |retry_in| FileError::Transient { why: format!("{} does not answer", self.place(to.dc)), retry_in };
        let fallback = match choose() {
            Choice::Use(connection) => return Ok(connection),
            Choice::Wait(wait) => return Err(waits(wait)),
            Choice::Open(fallback) => fallback,
        };
        let _opening = match (to.opening.try_lock(), fallback.and_then(|fallback| fallback.take())) {
            (Ok(opening), _) => opening,
            (Err(_), Some(connection)) => return Ok(connection),
            (Err(_), None) => {
                let opening = tokio::time::timeout_at(deadline, to.opening.lock()).await;
                opening.map_err(|_| FileError::transient("timed out while another request connects"))?
            }
        };
        match choose() {
            Choice::Use(connection) => return Ok(connection),
            Choice::Wait(wait) => return Err(waits(wait)),
            Choice::Open(_) => {}
        }
        if let Some(not_before) = self.pool.as_ref().and_then(|pool| pool.parked_until(self.session().name(), method::CONFIG)) {
            return Err(FileError::RateLimited { method: method::CONFIG, not_before });
        }
        let proxy_url = match self.proxy() {
            Some(proxy) => match tokio::time::timeout_at(deadline, proxy.connectable_url()).await {
                Ok(Ok(url)) => Some(url),
                Ok(Err(why)) => return Err(self.no_file_answer(to, None, &why)),
                Err(_) => return Err(self.no_file_answer(to, None, "timed out at the proxy")),
            },
            None => None,
        };
        let connection = self.open_file_connection(to.dc, proxy_url);
        let used = connection.take().ok_or(FileError::Stopping)?;
        to.open().connections.push(connection);
        Ok(used)
    }

    /// A request got no answer: its connection ends, and what was asked over it meanwhile.
    pub(super) fn no_file_answer(
        &self,
        from: &DataCentreConnections,
        connection: Option<&FileConnection>,
        why: &str,
    ) -> FileError {
        if self.closed().is_cancelled() {
            return FileError::Stopping;
        }
        let why = format!("{}: {why}", self.place(from.dc));
        let retry_in = from.note_failure(self, connection, &why);
        FileError::Transient { why, retry_in }
    }

    /// A request was answered.
    pub(super) fn file_answer(&self, from: &DataCentreConnections, connection: &FileConnection) {
        from.note_answer(self, connection);
    }

    fn open_file_connection(&self, dc: i32, proxy_url: Option<String>) -> Arc<FileConnection> {
        let session = Arc::new(FileSessionAdapter::new(Arc::clone(self.session()), self.settings().reach, dc));
        // What is pushed over such a connection is pushed over the account's own one too: nobody listens here.
        let params = connection_params(proxy_url, 1);
        let SenderPool { runner, handle, updates: _ } =
            SenderPool::with_configuration(Arc::clone(&session), self.settings().api_id, params);
        let ended = self.closed().child_token();
        let now = Instant::now();
        let connection = Arc::new(FileConnection {
            handle: handle.thin,
            ended: ended.clone(),
            session,
            opened_at: now,
            answered: AtomicBool::new(false),
            usage: Mutex::new(Usage { in_flight: 0, last_used: now }),
        });
        // A panic of the runner ends the task, and with it the guard: the connection counts as ended.
        let guard = ended.clone().drop_guard();
        let (idle_after, watched) = (self.files.settings.idle_after, Arc::clone(&connection));
        self.lifecycle().task(async move {
            let _guard = guard;
            tokio::select! {
                () = runner.run() => {}
                () = ended.cancelled() => {}
                () = watched.idle(idle_after) => {}
            }
        });
        connection
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
