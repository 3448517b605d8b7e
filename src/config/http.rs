//! `[http]`: the HTTP API and the web page.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Span;
use crate::http::{Listener, Sealing, Settings};

/// How long a client may take nothing of a response: a phone in a tunnel comes back within that, and downloads with 3 KB a second go on.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// How old a connection may become: opening another one that seldom costs nobody anything.
const CONNECTION_LIFETIME: Duration = Duration::from_secs(600);

/// The HTTP API and the web page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct HttpConfig {
    /// Addresses to listen on. Commands on this machine use a socket in the data folder and need no listener. With `certificate` and `key`, files
    /// with a certificate (those of its issuers behind it) and its private key (for its owner only), both PEM, a listener speaks TLS:
    ///
    ///     [[http.listeners]]
    ///     address = "0.0.0.0:8470"
    ///     certificate = "/etc/telescribe/certificate.pem"
    ///     key = "/etc/telescribe/key.pem"
    pub listeners: Vec<ListenerConfig>,
    /// Addresses that serve `/metrics` to Prometheus: loopback only; `[]` for none.
    pub metrics: Vec<SocketAddr>,
    /// Timeout of a request; a search is given 90 % of it.
    pub request_timeout: Span,
    /// Timeout for a client to send the headers of a request, and before that for the TLS handshake.
    pub header_timeout: Span,
    /// Maximum size of a request body, in bytes.
    pub body_size_max: usize,
    /// Maximum number of entries in a page; a sealed page is also kept below 47 KiB, unless a single entry is larger.
    pub page_size_max: usize,
    /// Maximum number of concurrent searches; further ones wait. Where it is more than 1, no client alone has all of them running.
    pub concurrent_searches_max: usize,
    /// Maximum number of searches of one client at once; further ones are refused. A client is who has any of the keys of one name.
    pub client_searches_max: usize,
    /// How many requests a second a client may send, averaged over ten seconds; more are refused. 0 for no limit.
    pub client_requests_max: u32,
    /// How many files of 16 MiB the audit log may have (docs/http.md#audit-log); 0 for no audit log.
    pub audit_files_max: u32,
    /// Maximum number of open connections per listener; a further one takes the place of the one that has waited longest for its client.
    pub connections_max: usize,
    /// Maximum number of open connections from one address (of IPv6, one /64) per listener. This machine's own addresses, from which a proxy may
    /// send everything, may have seven eighths of `connections_max` instead.
    pub connections_per_address_max: usize,
}

/// One address to listen on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListenerConfig {
    /// Address and port.
    pub address: SocketAddr,
    /// Whether requests must be sealed (encrypted and authenticated, see docs/sealing.md): "required"; "optional", with which requests from
    /// this machine may be plain; or "off", for loopback addresses only.
    #[serde(default)]
    pub sealing: SealingConfig,
    /// Whether clients may also operate the program here (run jobs, join peers), and not only read. Unless `sealing` is "required", that means
    /// everybody on this machine.
    #[serde(default)]
    pub operate: bool,
    /// The file with the certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<PathBuf>,
    /// The file with its private key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<PathBuf>,
}

impl ListenerConfig {
    /// A listener that only reads.
    #[must_use]
    pub fn new(address: SocketAddr, sealing: SealingConfig) -> Self {
        Self { address, sealing, operate: false, certificate: None, key: None }
    }
}

/// Whether requests must be sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SealingConfig {
    /// Every request for archived data must be sealed.
    #[default]
    Required,
    /// Requests from this machine itself may be plain. Not behind a proxy on this machine: there, everybody comes from it.
    Optional,
    /// Requests are plain; on loopback addresses only.
    Off,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            listeners: vec![ListenerConfig::new(SocketAddr::from(([127, 0, 0, 1], 8470)), SealingConfig::Required)],
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
            // Twice what runs at once: a client that has more waiting waits for itself.
            client_searches_max: 8,
            // A program that asks for one page after the other comes to about as many.
            client_requests_max: 200,
            // 1 GiB, some five million requests.
            audit_files_max: 64,
            connections_max: 512,
            // A browser opens six; an office behind one address has ten that read at once.
            connections_per_address_max: 64,
        }
    }
}

impl HttpConfig {
    /// How to serve.
    #[must_use]
    pub fn settings(&self) -> Settings {
        let listener = |listener: &ListenerConfig| Listener {
            address: listener.address,
            sealing: match listener.sealing {
                SealingConfig::Required => Sealing::Required,
                SealingConfig::Optional => Sealing::Optional,
                SealingConfig::Off => Sealing::Off,
            },
            operate: listener.operate,
            certificate: listener.certificate.clone(),
            key: listener.key.clone(),
        };
        Settings {
            listeners: self.listeners.iter().map(listener).collect(),
            metrics: self.metrics.clone(),
            request_timeout: self.request_timeout.duration(),
            header_timeout: self.header_timeout.duration(),
            write_timeout: WRITE_TIMEOUT,
            connection_lifetime: CONNECTION_LIFETIME,
            body_size_max: self.body_size_max,
            page_size_max: self.page_size_max,
            concurrent_searches_max: self.concurrent_searches_max,
            client_searches_max: self.client_searches_max,
            client_requests_max: self.client_requests_max,
            connections_max: self.connections_max,
            connections_per_address_max: self.connections_per_address_max,
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        HttpConfig::default().settings()
    }
}
