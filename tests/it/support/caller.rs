//! An account's client without the rest of the program.

#![expect(clippy::unwrap_used, reason = "what cannot be had fails the test")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use telescribe::accounts::{Session, Sessions};
use telescribe::config::Server;
use telescribe::lifecycle::Lifecycle;
use telescribe::telegram::{Client, NetworkScope, Settings};
use telescribe_simulator::Simulator;
use tokio::sync::mpsc;

use crate::support::fleet::{small, with_sessions};

pub(crate) const TIMEOUT: Duration = Duration::from_secs(20);

/// A client of one account of a simulated Telegram.
pub(crate) struct Caller {
    pub(crate) client: Client,
    pub(crate) session: Arc<Session>,
    pub(crate) lifecycle: Lifecycle,
    _inbox: mpsc::Receiver<telescribe::telegram::Push>,
}

impl Caller {
    pub(crate) fn new(session: Arc<Session>, settings: Settings) -> Self {
        Self::with(session, settings, |client| client)
    }

    /// The same with more of what a client may have.
    pub(crate) fn with(session: Arc<Session>, settings: Settings, more: impl FnOnce(Client) -> Client) -> Self {
        let lifecycle = Lifecycle::new();
        let (pushes, _inbox) = mpsc::channel(100);
        let client = more(Client::new(Arc::clone(&session), settings, lifecycle.clone(), pushes));
        Self { client, session, lifecycle, _inbox }
    }

    pub(crate) async fn end(self) {
        self.client.close();
        self.lifecycle.stop_hard();
        tokio::time::timeout(TIMEOUT, self.lifecycle.ended()).await.expect("connections end");
    }
}

pub(crate) fn settings() -> Settings {
    let (proxy, proxies) = (None, BTreeMap::new());
    Settings { api_id: 1, request_timeout: TIMEOUT, reach: NetworkScope::Loopback, proxy, proxies, takeout: false }
}

/// A simulated Telegram, and the sessions of its accounts by name.
pub(crate) async fn simulated() -> (Simulator, BTreeMap<String, Arc<Session>>) {
    let (simulator, folder) = with_sessions(small()).await;
    let sessions = Sessions::new(&folder.path().join("sessions"), Server::Simulated.name()).load_all().unwrap();
    (simulator, sessions.into_iter().map(|(name, session)| (name.to_string(), session)).collect())
}
