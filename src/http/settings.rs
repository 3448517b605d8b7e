//! What the operator can set: where to listen, what must be sealed, and the limits.

use std::net::SocketAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::span::Span;

/// The HTTP API and the web page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Where to listen. The commands of this machine use a socket in the data folder and need no listener.
    pub listeners: Vec<Listener>,
    /// Where Prometheus reads `/metrics`: loopback addresses only; none with `[]`.
    pub metrics: Vec<SocketAddr>,
    /// How long an answer may take; a search stops by itself before that.
    pub request_timeout: Span,
    /// How long a client may take to send a request's headers.
    pub header_timeout: Span,
    /// Bytes that a request's body may have.
    pub body_size_max: usize,
    /// Entries that one page may have; a sealed page is also kept below 47 KiB where it can be.
    pub page_size_max: usize,
    /// How many searches run at once; further ones wait.
    pub concurrent_searches_max: usize,
    /// How many connections a listener holds at once; further ones wait.
    pub connections_max: usize,
}

/// One address to listen on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Listener {
    /// Address and port.
    pub address: SocketAddr,
    /// Whether requests must be sealed.
    #[serde(default)]
    pub sealing: Sealing,
    /// Whether the program may also be operated here, such as jobs be run now; otherwise only read. Where `sealing` is not "required",
    /// this means everybody on this machine.
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

/// The settings contradict what is safe.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// Plain answers would leave the machine.
    #[error("`sealing = \"off\"` is not allowed on `{0}`, which other machines can reach; use a loopback address such as `127.0.0.1:{port}`, or `sealing = \"required\"`", port = .0.port())]
    PlainForOthers(SocketAddr),
    /// Metrics would leave the machine.
    #[error("metrics are not served on `{0}`, which other machines can reach; use a loopback address such as `127.0.0.1:{port}`", port = .0.port())]
    MetricsForOthers(SocketAddr),
    /// One address twice.
    #[error("the address `{0}` is listened on twice; remove one of the two")]
    Twice(SocketAddr),
    /// A limit under which nothing works.
    #[error("`{0}` must not be 0")]
    Zero(&'static str),
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listeners: vec![Listener::new(SocketAddr::from(([127, 0, 0, 1], 8470)), Sealing::Required)],
            metrics: vec![SocketAddr::from(([127, 0, 0, 1], 9470))],
            // A person has left after 10 s, and no search of the benchmarks takes one.
            request_timeout: Span::seconds(10),
            // Headers fit into a few packets: 5 s is a bad mobile network, more is a client that holds connections open.
            header_timeout: Span::seconds(5),
            // A search has at most 512 characters; sealed and encoded that is a few KiB. 256 KiB is what a token may have.
            body_size_max: 256 * 1024,
            page_size_max: 200,
            // Searches are CPU-bound: more at once than a small machine has cores only makes all of them slower.
            concurrent_searches_max: 4,
            connections_max: 512,
        }
    }
}

impl Settings {
    /// Checks what no type can: that nothing plain is offered to other machines.
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
