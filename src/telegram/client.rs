//! One account's connections: made when first needed, reconnected when they died, never waited for without end.
//!
//! A connection is one of grammers' clients and the pool of senders below it, asked only to invoke. It has no timeouts and, with
//! `NoRetries`, repeats nothing. Once a request finds it broken or silent it is dropped whole, its tasks with it.
//! Reconnecting has an exponential backoff with jitter until Telegram has answered again, so that a data centre that is down, or a
//! proxy, or a transport that panics, costs a few attempts a minute and no more. Requests are not retried here: the caller decides.

use std::collections::{BTreeMap, VecDeque};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::num::NonZeroUsize;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use grammers_client::client::ClientConfiguration;
use grammers_client::sender::{ConnectionParams, NoRetries, RpcError};
use grammers_client::{Client as GrammersClient, InvocationError, SenderPool};
use grammers_tl_types::RemoteCall;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::file_connections::{FileConnections, FileSettings};
use super::kept::{ExportedAuthorization, Takeout};
use super::method::method_of;
use super::session::SessionAdapter;
use super::{NetworkScope, Proxy, Push, TelegramError, updates};
use crate::accounts::{Outage, Pool, Session};
use crate::lifecycle::Lifecycle;

/// How to speak to Telegram.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The application's id, from my.telegram.org.
    pub api_id: i32,
    /// How long a call may take, connecting included.
    pub request_timeout: Duration,
    /// Which addresses data centres may have.
    pub reach: NetworkScope,
    /// The proxy of every account that has none of its own.
    pub proxy: Option<Proxy>,
    /// Accounts' own proxies, by name.
    pub proxies: BTreeMap<String, Proxy>,
    /// Whether [`Client::history_by_takeout`] opens a takeout session.
    pub takeout: bool,
}

/// The bound of the queue of updates (back-pressure): a burst of a busy account for the time of one archive write. What overflows
/// is noticed as a gap in pts and fetched as a difference.
const UPDATES_IN_FLIGHT_MAX: usize = 10_000;
/// The first backoff between connections, once two in a row got no answer; doubled each time. The second is made at once, because
/// Telegram closes connections now and then for no reason.
const RECONNECT_MIN: Duration = Duration::from_millis(250);
/// The longest backoff: an outage that ends is noticed within it. Half a request's time where that is less, so that every second
/// request at least tries.
const RECONNECT_MAX: Duration = Duration::from_secs(15);

/// How long a stop waits for the answers to requests: what does not come within a moment may never come, and nothing is lost with it,
/// because what was not archived is asked for again. Where nobody answers, it does not wait at all.
pub(super) const STOP_GRACE: Duration = Duration::from_millis(1_500);

/// How long a request waits before it counts as one that gets no response: Telegram answers within a second or not at all, and a slow
/// proxy adds some.
const SILENCE_MAX: Duration = Duration::from_secs(10);

/// One account's client.
pub struct Client {
    session: Arc<Session>,
    settings: Settings,
    lifecycle: Lifecycle,
    pushes: mpsc::Sender<Push>,
    connection_state: Mutex<ConnectionState>,
    /// Held by the one that connects (an exclusive lock).
    connecting: tokio::sync::Mutex<()>,
    closed: CancellationToken,
    pub(super) takeout: tokio::sync::Mutex<Takeout>,
    pub(super) exported: tokio::sync::Mutex<Option<ExportedAuthorization>>,
    pub(super) pool: Option<Arc<Pool>>,
    pub(super) files: FileConnections,
}

/// The connection, and what its backoff counts.
#[derive(Default)]
struct ConnectionState {
    connection: Option<Connection>,
    /// Connection attempts since Telegram last answered.
    unanswered: u32,
    /// When the last one was attempted.
    attempted: Option<Instant>,
    /// Whether Telegram has ever answered.
    has_answer: bool,
    /// What is known while nobody answers.
    outage: Option<Outage>,
    /// Requests that wait for an answer, in the order in which they were made.
    waiting: VecDeque<WaitingRequest>,
}

/// A request that waits for an answer.
struct WaitingRequest {
    since: Instant,
    dc: i32,
    method: fn() -> String,
}

/// Ends a request's wait when dropped, answered or not.
struct WaitGuard<'a> {
    client: &'a Client,
    since: Instant,
}

impl Drop for WaitGuard<'_> {
    fn drop(&mut self) {
        let waiting = &mut self.client.connection_state().waiting;
        if let Some(at) = waiting.iter().position(|request| request.since == self.since) {
            waiting.remove(at);
        }
    }
}

#[derive(Clone)]
struct Connection {
    client: GrammersClient,
    ended: CancellationToken,
}

/// What an account's owner sees of us in the list of sessions. It is asked of the system once: the library runs `lsb_release` for it.
static DEVICE: LazyLock<ConnectionParams> = LazyLock::new(ConnectionParams::default);

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("account", self.session.name()).finish_non_exhaustive()
    }
}

impl Client {
    /// A client of an account. What Telegram pushes goes to `pushes`.
    #[must_use]
    pub fn new(session: Arc<Session>, settings: Settings, lifecycle: Lifecycle, pushes: mpsc::Sender<Push>) -> Self {
        let (connection_state, closed, takeout) = (Mutex::default(), CancellationToken::new(), tokio::sync::Mutex::default());
        let (connecting, exported) = (tokio::sync::Mutex::default(), tokio::sync::Mutex::default());
        let (pool, files) = (None, FileConnections::new(FileSettings::default()));
        Self { session, settings, lifecycle, pushes, connection_state, connecting, closed, takeout, exported, pool, files }
    }

    /// The account's session.
    #[must_use]
    pub fn session(&self) -> &Arc<Session> {
        &self.session
    }

    /// The application's id.
    pub(super) fn api_id(&self) -> i32 {
        self.settings.api_id
    }

    /// How this client speaks to Telegram.
    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The program that its tasks belong to.
    pub(super) fn lifecycle(&self) -> &Lifecycle {
        &self.lifecycle
    }

    /// Cancelled when the connections are closed for good.
    pub(super) fn closed(&self) -> &CancellationToken {
        &self.closed
    }

    /// The proxy of this account.
    pub(super) fn proxy(&self) -> Option<&Proxy> {
        self.settings.proxies.get(self.session.name().as_str()).or(self.settings.proxy.as_ref())
    }

    /// What is known of the account's connection while it gets no response, be it that the first request still waits for one.
    #[must_use]
    pub fn outage(&self) -> Option<Outage> {
        let state = self.connection_state();
        if state.outage.is_some() {
            return state.outage.clone();
        }
        let WaitingRequest { since, dc, method } = *state.waiting.front()?;
        drop(state);
        let silent_for = Some(since.elapsed()).filter(|silent_for| *silent_for >= SILENCE_MAX)?;
        let why = format!("{}: no answer for {} s", self.place(dc), silent_for.as_secs());
        Some(Outage { since, method: method(), why, next_try: since + self.settings.request_timeout, attempts: 1 })
    }

    /// Whether Telegram has answered since the start, and is not silent now.
    #[must_use]
    pub fn has_answer(&self) -> bool {
        let state = self.connection_state();
        state.has_answer && state.outage.is_none()
    }

    /// The caller tries again after a while.
    pub(crate) fn tries_again_in(&self, wait: Duration) {
        if let Some(outage) = &mut self.connection_state().outage {
            outage.next_try = outage.next_try.max(Instant::now() + wait);
        }
    }

    /// Ends the connections for good.
    pub fn close(&self) {
        self.closed.cancel();
    }

    /// Calls a method in the account's home data centre, and migrates the account when Telegram says that it lives elsewhere.
    ///
    /// # Errors
    /// See [`TelegramError`]; at the latest after [`Settings::request_timeout`]. With a pool, an account that has moved is
    /// [`TelegramError::RetryLater`].
    pub async fn invoke<R: RemoteCall>(&self, request: &R) -> Result<R::Return, TelegramError> {
        let deadline = Instant::now() + self.settings.request_timeout;
        let home = self.session.home();
        let error = match self.invoke_in_dc(home, request, deadline).await {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        let Some(moved) = Self::migration(home, &error) else { return Err(error) };
        self.migrate(moved, deadline).await?;
        self.retry_later("the account has moved")?;
        self.invoke_in_dc(moved.to, request, deadline).await
    }

    /// Calls a method in a data centre.
    pub(super) async fn invoke_in_dc<R: RemoteCall>(
        &self,
        dc: i32,
        request: &R,
        deadline: Instant,
    ) -> Result<R::Return, TelegramError> {
        self.may_connect()?;
        let began = Instant::now();
        let _waiting = self.wait::<R>(began, dc);
        let answer = tokio::select! {
            answer = self.call(dc, request, deadline) => answer,
            () = self.stop() => return Err(TelegramError::RetryLater { why: "the program is stopping" }),
        };
        match answer.map_err(|error| self.explain(dc, error)) {
            Ok(answer) => {
                self.note_answer();
                answer.map_err(|error| self.classify(error))
            }
            Err(error) => {
                if matches!(error, TelegramError::Unreadable { .. }) {
                    // It is an answer too: the connection is well.
                    self.note_answer();
                }
                if let TelegramError::Transient { why } = &error {
                    let (method, why) = (method_of::<R>(), why.clone());
                    self.note_outage(Outage { since: began, method, why, next_try: began, attempts: 1 });
                }
                Err(error)
            }
        }
    }

    /// Calls a method over the connection, which is given up where no answer comes. A refusal and a fault of the server are answers.
    async fn call<R: RemoteCall>(
        &self,
        dc: i32,
        request: &R,
        deadline: Instant,
    ) -> Result<Result<R::Return, RpcError>, TelegramError> {
        let timeout = || TelegramError::timeout(self.settings.request_timeout);
        let connection = tokio::time::timeout_at(deadline, self.connected()).await.map_err(|_| timeout())??;
        let call = connection.client.invoke_in_dc(dc, request);
        let error = tokio::select! {
            answer = tokio::time::timeout_at(deadline, call) => match answer {
                Ok(Ok(answer)) => return Ok(Ok(answer)),
                Ok(Err(InvocationError::Rpc(error))) => return Ok(Err(error)),
                Ok(Err(error)) => error.into(),
                Err(_) => timeout(),
            },
            () = connection.ended.cancelled() => TelegramError::Transient { why: "connection ended".to_owned() },
        };
        if matches!(error, TelegramError::Transient { .. }) {
            // A connection that broke or timed out may never answer again, and a runner that is stuck connecting blocks
            // every request: the next call reconnects.
            connection.ended.cancel();
        }
        Err(error)
    }

    fn wait<R: RemoteCall>(&self, since: Instant, dc: i32) -> WaitGuard<'_> {
        self.connection_state().waiting.push_back(WaitingRequest { since, dc, method: method_of::<R> });
        WaitGuard { client: self, since }
    }

    /// Returns when the program stops and an answer is not waited for any longer.
    async fn stop(&self) {
        self.lifecycle.stop_asked().await;
        if self.connection_state().unanswered == 0 {
            tokio::time::sleep(STOP_GRACE).await;
        }
    }

    fn note_answer(&self) {
        let mut state = self.connection_state();
        state.unanswered = 0;
        state.has_answer = true;
        let outage = state.outage.take();
        drop(state);
        Outage::end(outage, self.session.name());
    }

    fn note_outage(&self, met: Outage) {
        let mut state = self.connection_state();
        let attempted = state.attempted.map(|attempted| attempted + self.backoff(state.unanswered));
        let next_try = attempted.unwrap_or(met.next_try).max(Instant::now());
        Outage::meet(&mut state.outage, self.session.name(), Outage { next_try, ..met });
    }

    /// Whether there is a connection that has not ended.
    pub(super) fn is_connected(&self) -> bool {
        self.connection().is_some()
    }

    /// Ends the connections; the next call makes new ones.
    pub(super) fn disconnect(&self) {
        if let Some(connection) = self.connection_state().connection.take() {
            connection.ended.cancel();
        }
    }

    /// Says where no answer came from: the data centre, its address, and the proxy that may have been in the way.
    fn explain(&self, dc: i32, error: TelegramError) -> TelegramError {
        let TelegramError::Transient { why } = error else { return error };
        TelegramError::Transient { why: format!("{}: {why}", self.place(dc)) }
    }

    /// Where an answer should have come from.
    pub(super) fn place(&self, dc: i32) -> String {
        let address = self.session.data_centre(dc).map(|dc| format!(" at {}", dc.ipv4)).unwrap_or_default();
        let proxy = self.proxy().map(|proxy| format!(" through {proxy}")).unwrap_or_default();
        format!("data centre {dc}{address}{proxy}")
    }

    /// The connection, made anew where it has ended and the backoff is over.
    async fn connected(&self) -> Result<Connection, TelegramError> {
        if let Some(connection) = self.connection() {
            return Ok(connection);
        }
        let _connecting = self.connecting.lock().await;
        loop {
            if let Some(connection) = self.connection() {
                return Ok(connection);
            }
            let not_before = {
                let mut state = self.connection_state();
                let not_before = state.attempted.map(|attempted| attempted + self.backoff(state.unanswered));
                let not_before = not_before.filter(|at| *at > Instant::now());
                if not_before.is_none() {
                    state.unanswered = state.unanswered.saturating_add(1);
                    state.attempted = Some(Instant::now());
                }
                not_before
            };
            let Some(not_before) = not_before else { break };
            tokio::time::sleep_until(not_before).await;
        }
        let proxy_url = match self.proxy() {
            Some(proxy) => Some(proxy.connectable_url().await.map_err(|why| TelegramError::Transient { why })?),
            None => None,
        };
        let connection = self.connect(proxy_url);
        self.connection_state().connection = Some(connection.clone());
        Ok(connection)
    }

    fn connection(&self) -> Option<Connection> {
        self.connection_state().connection.as_ref().filter(|connection| !connection.ended.is_cancelled()).cloned()
    }

    /// The exponential backoff after so many connections in a row that got no answer.
    fn backoff(&self, unanswered: u32) -> Duration {
        self.backoff_up_to(RECONNECT_MAX.min(self.settings.request_timeout / 2), unanswered)
    }

    /// The same with another longest one.
    pub(super) fn backoff_up_to(&self, max: Duration, unanswered: u32) -> Duration {
        let Some(doublings) = unanswered.checked_sub(2) else { return Duration::ZERO };
        let mut hasher = DefaultHasher::new();
        self.session.name().hash(&mut hasher);
        // The jitter: accounts whose data centre comes back do not all reconnect at once.
        let share = 0.75 + 0.25 * (hasher.finish() >> 11) as f64 / (1_u64 << 53) as f64;
        RECONNECT_MIN.saturating_mul(1 << doublings.min(16)).min(max).mul_f64(share)
    }

    fn connection_state(&self) -> MutexGuard<'_, ConnectionState> {
        self.connection_state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn connect(&self, proxy_url: Option<String>) -> Connection {
        let adapter = Arc::new(SessionAdapter { session: Arc::clone(&self.session), reach: self.settings.reach });
        let params = connection_params(proxy_url, UPDATES_IN_FLIGHT_MAX);
        let SenderPool { runner, handle, mut updates } = SenderPool::with_configuration(adapter, self.settings.api_id, params);
        let ended = self.closed.child_token();
        // A panic of the runner ends the task, and with it the guard: the connection counts as ended.
        let guard = ended.clone().drop_guard();
        let stop = ended.clone();
        self.lifecycle.task(async move {
            let _guard = guard;
            tokio::select! {
                () = runner.run() => {}
                () = stop.cancelled() => {}
            }
        });
        let (pushes, account, session) = (self.pushes.clone(), *self.session.name(), Arc::clone(&self.session));
        let (stop, closed) = (ended.clone(), self.closed.clone());
        self.lifecycle.task(async move {
            loop {
                let update = tokio::select! {
                    update = updates.recv() => update,
                    () = stop.cancelled() => None,
                };
                let Some(update) = update else { break };
                let push = updates::read(&account, &session, update);
                // Nobody listens anymore: the program is stopping.
                if pushes.send(push).await.is_err() {
                    return;
                }
            }
            // What had arrived on a connection that has ended, and what happens until there is another one, is a gap.
            if !closed.is_cancelled() {
                pushes.send(updates::gap(&account)).await.ok();
            }
        });
        // What answers mention is learnt by our own session.
        let client = GrammersClient::with_configuration(handle, ClientConfiguration { auto_cache_peers: false });
        Connection { client, ended }
    }
}

/// How a connection introduces itself, and which way it goes. Every connection of an account says the same.
pub(super) fn connection_params(proxy_url: Option<String>, updates_in_flight_max: usize) -> ConnectionParams {
    ConnectionParams {
        device_model: DEVICE.device_model.clone(),
        system_version: DEVICE.system_version.clone(),
        app_version: env!("CARGO_PKG_VERSION").to_owned(),
        system_lang_code: DEVICE.system_lang_code.clone(),
        lang_code: DEVICE.lang_code.clone(),
        proxy_url,
        use_ipv6: false,
        retry_policy: Box::new(NoRetries),
        updates_channel_capacity: NonZeroUsize::new(updates_in_flight_max).unwrap_or(NonZeroUsize::MIN),
        __non_exhaustive: (),
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.close();
    }
}
