//! One account's connections: made when first needed, made anew when they died, never waited for without end.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use grammers_mtsender::{ConnectionParams, NoRetries, SenderPool, SenderPoolHandle};
use grammers_tl_types::RemoteCall;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::session::Adapter;
use super::{Push, Reach, TelegramError, updates};
use crate::accounts::Session;
use crate::lifecycle::Lifecycle;

/// How to speak to Telegram.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The application's id, from my.telegram.org.
    pub api_id: i32,
    /// How long a call may take, connecting included.
    pub request_timeout: Duration,
    /// Where data centres may be.
    pub reach: Reach,
    /// A SOCKS5 proxy, `socks5://[user:password@]host:port`.
    pub proxy: Option<String>,
}

/// Updates that grammers may hold for us: a burst of a busy account for the time of one archive write. What overflows is
/// noticed as a gap in pts and fetched as a difference.
const UPDATES_IN_FLIGHT_MAX: usize = 10_000;

/// One account's way to Telegram.
pub struct Client {
    session: Arc<Session>,
    settings: Settings,
    lifecycle: Lifecycle,
    pushes: mpsc::Sender<Push>,
    connection: Mutex<Option<Connection>>,
    closed: CancellationToken,
}

struct Connection {
    handle: SenderPoolHandle,
    ended: CancellationToken,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("account", self.session.name()).finish_non_exhaustive()
    }
}

impl Client {
    /// A client of an account. What Telegram pushes goes to `pushes`.
    #[must_use]
    pub fn new(session: Arc<Session>, settings: Settings, lifecycle: Lifecycle, pushes: mpsc::Sender<Push>) -> Self {
        Self { session, settings, lifecycle, pushes, connection: Mutex::new(None), closed: CancellationToken::new() }
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

    /// Ends the connections for good.
    pub fn close(&self) {
        self.closed.cancel();
    }

    /// Calls a method in the account's home data centre.
    ///
    /// # Errors
    /// See [`TelegramError`]; at the latest after [`Settings::request_timeout`].
    pub async fn invoke<R: RemoteCall>(&self, request: &R) -> Result<R::Return, TelegramError> {
        let (handle, ended) = self.connect();
        let limit = self.settings.request_timeout;
        let call = handle.invoke_in_dc(self.session.home(), request);
        let error = tokio::select! {
            answer = tokio::time::timeout(limit, call) => match answer {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(error)) => TelegramError::from(error),
                Err(_) => TelegramError::timeout(limit),
            },
            () = ended.cancelled() => TelegramError::Transient { why: "connection ended".to_owned() },
        };
        if matches!(error, TelegramError::Transient { .. }) {
            // A connection that broke or fell silent may never speak again, and a runner that is stuck connecting blocks
            // every request: the next call starts from nothing.
            ended.cancel();
        }
        Err(error)
    }

    fn connect(&self) -> (SenderPoolHandle, CancellationToken) {
        let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(c) = connection.as_ref().filter(|c| !c.ended.is_cancelled()) {
            return (c.handle.clone(), c.ended.clone());
        }
        let adapter = Arc::new(Adapter { session: Arc::clone(&self.session), reach: self.settings.reach });
        let capacity = std::num::NonZeroUsize::new(UPDATES_IN_FLIGHT_MAX).unwrap_or(std::num::NonZeroUsize::MIN);
        let params = ConnectionParams {
            app_version: env!("CARGO_PKG_VERSION").to_owned(),
            proxy_url: self.settings.proxy.clone(),
            retry_policy: Box::new(NoRetries),
            updates_channel_capacity: capacity,
            ..Default::default()
        };
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
        let (pushes, account, session) = (self.pushes.clone(), self.session.name().clone(), Arc::clone(&self.session));
        let stop = ended.clone();
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
                    break;
                }
            }
        });
        let handle = handle.thin;
        *connection = Some(Connection { handle: handle.clone(), ended: ended.clone() });
        (handle, ended)
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.close();
    }
}
