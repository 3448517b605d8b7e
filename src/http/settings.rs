//! The operator's settings: addresses, sealing, timeouts and limits.

use std::net::SocketAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::span::Span;

/// The HTTP API and the web page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Addresses to listen on. Commands on this machine use a socket in the data folder and need no listener.
    pub listeners: Vec<Listener>,
    /// Addresses that serve `/metrics` to Prometheus: loopback only; `[]` for none.
    pub metrics: Vec<SocketAddr>,
    /// Timeout of a request; a search is given 90 % of it.
    pub request_timeout: Span,
    /// Timeout for a client to send the headers of a request.
    pub header_timeout: Span,
    /// Maximum size of a request body, in bytes.
    pub body_size_max: usize,
    /// Maximum number of entries in a page; a sealed page is also kept below 47 KiB, unless a single entry is larger.
    pub page_size_max: usize,
    /// Maximum number of concurrent searches; further ones wait.
    pub concurrent_searches_max: usize,
    /// Maximum number of open connections per listener; further ones wait.
    pub connections_max: usize,
}

/// One address to listen on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Listener {
    /// Address and port.
    pub address: SocketAddr,
    /// Whether requests must be sealed (encrypted and authenticated, see docs/sealing.md): "required"; "optional", with which requests from
    /// this machine may be plain; or "off", for loopback addresses only.
    #[serde(default)]
    pub sealing: Sealing,
    /// Whether clients may also operate the program here (run jobs, join peers), and not only read. Unless `sealing` is "required", that means
    /// everybody on this machine.
    #[serde(default)]
    pub operate: bool,
}

impl Listener {
    /// A listener that only reads.
    #[must_use]
    pub fn new(address: SocketAddr, sealing: Sealing) -> Self {
        Self { address, sealing, operate: false }
    }
}

/// Whether requests must be sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
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

impl Default for Settings {
    fn default() -> Self {
        Self {
            listeners: vec![Listener::new(SocketAddr::from(([127, 0, 0, 1], 8470)), Sealing::Required)],
            metrics: vec![SocketAddr::from(([127, 0, 0, 1], 9470))],
            // Nobody waits longer than 10 s, and no search of the benchmarks takes one.
            request_timeout: Span::seconds(10),
            // Headers fit into a few packets: 5 s is a bad mobile network, more is a client that holds connections open.
            header_timeout: Span::seconds(5),
            // A search has at most 512 characters; sealed and encoded that is a few KiB. 256 KiB is what a token may have.
            body_size_max: 256 * 1024,
            page_size_max: 200,
            // Searches are CPU-bound: more of them at once than a small machine has cores only slows all of them down.
            concurrent_searches_max: 4,
            connections_max: 512,
        }
    }
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
            ("request_timeout", usize::from(!self.request_timeout.duration().is_zero())),
            ("header_timeout", usize::from(!self.header_timeout.duration().is_zero())),
            ("body_size_max", self.body_size_max),
            ("page_size_max", self.page_size_max),
            ("concurrent_searches_max", self.concurrent_searches_max),
            ("connections_max", self.connections_max),
        ];
        limits.iter().find(|(_, value)| *value == 0).map_or(Ok(()), |(name, _)| Err(SettingsError::Zero(name)))
    }
}
