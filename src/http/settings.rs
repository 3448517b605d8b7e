//! How to serve: addresses, sealing, timeouts and limits.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
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
    /// Timeout for a client to send the headers of a request, and before that for the TLS handshake.
    pub header_timeout: Duration,
    /// Timeout on write progress: a client that takes nothing of a response for so long is disconnected.
    pub write_timeout: Duration,
    /// How old a connection may become; the response to the first request after that is its last.
    pub connection_lifetime: Duration,
    /// Maximum size of a request body, in bytes.
    pub body_size_max: usize,
    /// Maximum number of entries in a page.
    pub page_size_max: usize,
    /// Maximum number of concurrent searches; further ones wait. Where it is more than 1, no client alone has all of them running.
    pub concurrent_searches_max: usize,
    /// Maximum number of searches of one client at once; further ones are refused.
    pub client_searches_max: usize,
    /// How many requests a second a client may send, over ten seconds; 0 for no limit.
    pub client_requests_max: u32,
    /// Maximum number of open connections per listener; a further one takes the place of the one that has waited longest for its client.
    pub connections_max: usize,
    /// Maximum number of open connections from one address per listener.
    pub connections_per_address_max: usize,
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
    /// The file with the certificate, and those of its issuers: then the listener speaks TLS.
    pub certificate: Option<PathBuf>,
    /// The file with the certificate's private key.
    pub key: Option<PathBuf>,
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
        Self { address, sealing, operate: false, certificate: None, key: None }
    }

    /// The files of certificate and key, where the listener speaks TLS.
    pub(super) fn tls(&self) -> Option<(&Path, &Path)> {
        Some((self.certificate.as_deref()?, self.key.as_deref()?))
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
    /// A certificate without a key, or the other way round.
    #[error("the listener on `{0}` has only one of `certificate` and `key`; set both, or neither")]
    HalfTls(SocketAddr),
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
            if listener.certificate.is_some() != listener.key.is_some() {
                return Err(SettingsError::HalfTls(listener.address));
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
            ("write_timeout", usize::from(!self.write_timeout.is_zero())),
            ("body_size_max", self.body_size_max),
            ("page_size_max", self.page_size_max),
            ("concurrent_searches_max", self.concurrent_searches_max),
            ("client_searches_max", self.client_searches_max),
            ("connections_max", self.connections_max),
            ("connections_per_address_max", self.connections_per_address_max),
        ];
        limits.iter().find(|(_, value)| *value == 0).map_or(Ok(()), |(name, _)| Err(SettingsError::Zero(name)))
    }
}
