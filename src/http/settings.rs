//! How to serve: addresses, sealing, timeouts and limits.

use std::net::SocketAddr;
use std::time::Duration;

/// The share of the request timeout that a response waits at most for what is to come.
const WAIT_SHARE: f32 = 0.6;

/// How to serve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Addresses to listen on.
    pub listeners: Vec<Listener>,
    /// Addresses that serve `/metrics`: loopback only.
    pub metrics: Vec<SocketAddr>,
    /// Timeout of a request.
    pub request_timeout: Duration,
    /// Timeout for a client to send the headers of a request.
    pub header_timeout: Duration,
    /// Maximum size of a request body, in bytes.
    pub body_size_max: usize,
    /// Maximum number of entries in a page.
    pub page_size_max: usize,
    /// Maximum number of concurrent searches; further ones wait.
    pub concurrent_searches_max: usize,
    /// Maximum number of searches of one client at once; further ones are refused.
    pub client_searches_max: usize,
    /// How many requests a second a client may send, over ten seconds; 0 for no limit.
    pub client_requests_max: u32,
    /// Maximum number of open connections per listener; further ones wait.
    pub connections_max: usize,
}

/// One address to listen on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Address and port.
    pub address: SocketAddr,
    /// Whether requests must be sealed.
    pub sealing: Sealing,
    /// Whether clients may also operate the program, and not only read.
    pub operate: bool,
}

impl Settings {
    /// Long polling: how long a response waits for what is to come, and then says that it has not.
    pub(super) fn patience(&self) -> Duration {
        self.request_timeout.mul_f32(WAIT_SHARE)
    }
}

impl Listener {
    /// A listener that only reads.
    #[must_use]
    pub fn new(address: SocketAddr, sealing: Sealing) -> Self {
        Self { address, sealing, operate: false }
    }
}

/// Whether requests must be sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Sealing {
    /// Every request for archived data must be sealed.
    #[default]
    Required,
    /// Requests from this machine itself may be plain. Not behind a proxy on this machine: there, everybody comes from it.
    Optional,
    /// Requests are plain; on loopback addresses only.
    Off,
}

/// The settings are unsafe or contradict each other.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// Unsealed responses would leave the machine.
    #[error("`sealing = \"off\"` is not allowed on `{0}`, which other machines can reach; use a loopback address such as `127.0.0.1:{port}`, or `sealing = \"required\"`", port = .0.port())]
    PlainForOthers(SocketAddr),
    /// Metrics would leave the machine.
    #[error("metrics are not served on `{0}`, which other machines can reach; use a loopback address such as `127.0.0.1:{port}`", port = .0.port())]
    MetricsForOthers(SocketAddr),
    /// One address twice.
    #[error("the address `{0}` is configured twice; remove one of the two")]
    Twice(SocketAddr),
    /// A limit with which nothing works.
    #[error("`{0}` must not be 0")]
    Zero(&'static str),
}

impl Settings {
    /// Validates what no type can: that nothing is served unsealed to other machines.
    ///
    /// # Errors
    /// The first contradiction.
    pub fn check(&self) -> Result<(), SettingsError> {
        for listener in &self.listeners {
            if listener.sealing == Sealing::Off && !listener.address.ip().is_loopback() {
                return Err(SettingsError::PlainForOthers(listener.address));
            }
        }
        if let Some(address) = self.metrics.iter().find(|a| !a.ip().is_loopback()) {
            return Err(SettingsError::MetricsForOthers(*address));
        }
        let mut seen = Vec::new();
        for address in self.listeners.iter().map(|l| l.address).chain(self.metrics.iter().copied()) {
            if address.port() != 0 && seen.contains(&address) {
                return Err(SettingsError::Twice(address));
            }
            seen.push(address);
        }
        let limits = [
            ("request_timeout", usize::from(!self.request_timeout.is_zero())),
            ("header_timeout", usize::from(!self.header_timeout.is_zero())),
            ("body_size_max", self.body_size_max),
            ("page_size_max", self.page_size_max),
            ("concurrent_searches_max", self.concurrent_searches_max),
            ("client_searches_max", self.client_searches_max),
            ("connections_max", self.connections_max),
        ];
        limits.iter().find(|(_, value)| *value == 0).map_or(Ok(()), |(name, _)| Err(SettingsError::Zero(name)))
    }
}
