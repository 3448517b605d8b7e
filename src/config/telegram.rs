//! `[telegram]`: the server to connect to, and the application that connects.

use std::net::SocketAddrV4;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Config, ProxyUrl, Span};
use crate::telegram::{NetworkScope, Settings};

/// The kind of server: a session made for one kind is refused on another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Server {
    /// Telegram.
    #[default]
    Telegram,
    /// The simulated Telegram of `telescribe simulate`: loopback addresses only.
    Simulated,
    /// A server of your own.
    SelfHosted,
}

impl Server {
    /// The name under which sessions remember it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Telegram => "telegram",
            Self::Simulated => "simulated",
            Self::SelfHosted => "self-hosted",
        }
    }
}

/// A data centre's address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DataCentreConfig {
    /// Its number.
    pub id: i32,
    /// IPv4 address and port.
    #[schemars(with = "String")]
    pub address: SocketAddrV4,
}

/// The server to connect to, and the application that connects.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TelegramConfig {
    /// The kind of server: "telegram", "simulated" (telescribe simulate) or "self-hosted". A session of one kind is refused on another. With
    /// a self-hosted server no account can be signed in, only imported: its public key cannot be configured.
    pub server: Server,
    /// The application's id, from https://my.telegram.org/apps.
    pub api_id: i32,
    /// The application's hash, from the same page; needed for `telescribe login` only.
    pub api_hash: String,
    /// Addresses of data centres, each { id = 2, address = "192.0.2.1:443" }; empty for Telegram's own.
    pub data_centres: Vec<DataCentreConfig>,
    /// Timeout of a request to Telegram, connecting included.
    pub request_timeout: Span,
    /// SOCKS5 proxy for all accounts, such as "socks5://user:password@127.0.0.1:1080"; empty for none. Only letters, digits and
    /// -._~!$&'()*+, may be used in user and password.
    pub proxy: ProxyUrl,
}

impl Default for TelegramConfig {
    fn default() -> Self {
        Self {
            server: Server::Telegram,
            api_id: 0,
            api_hash: String::new(),
            data_centres: Vec::new(),
            // Connecting through a slow proxy included; Telegram itself answers within a second or not at all.
            request_timeout: Span::seconds(30),
            proxy: ProxyUrl::default(),
        }
    }
}

impl TelegramConfig {
    /// Which addresses this kind of server may have.
    #[must_use]
    pub fn reach(&self) -> NetworkScope {
        match self.server {
            Server::Telegram => NetworkScope::Network,
            Server::Simulated => NetworkScope::Loopback,
            Server::SelfHosted => NetworkScope::Anywhere,
        }
    }
}

impl TelegramConfig {
    /// What is wrong, and with which key.
    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        let reach = self.reach();
        for dc in &self.data_centres {
            if !reach.allows(*dc.address.ip()) {
                let why = match self.server {
                    Server::Simulated => "must be on loopback for the simulated server",
                    Server::Telegram | Server::SelfHosted => {
                        "must not be on loopback for Telegram; set telegram.server to \"simulated\" or \"self-hosted\""
                    }
                };
                return Err(("data_centres", format!("{} {why}", dc.address)));
            }
        }
        // One that ends at once is of use in tests only.
        if self.request_timeout.duration().is_zero() && self.server != Server::Simulated {
            let why = "must be longer than 0s, or no request would ever be answered; leave it out for the default";
            return Err(("request_timeout", why.to_owned()));
        }
        self.proxy.get().map(drop).map_err(|error| ("proxy", error.to_string()))
    }
}

impl Config {
    /// How to connect to the server, as which application, and through which proxies.
    #[must_use]
    pub fn telegram_settings(&self) -> Settings {
        // An invalid one was refused when the configuration was checked.
        let proxy = |url: &ProxyUrl| url.get().ok().flatten().cloned();
        Settings {
            api_id: self.telegram.api_id,
            request_timeout: self.telegram.request_timeout.duration(),
            reach: self.telegram.reach(),
            proxy: proxy(&self.telegram.proxy),
            proxies: self.accounts.proxies.iter().filter_map(|(name, url)| Some((name.clone(), proxy(url)?))).collect(),
            takeout: self.accounts.takeout,
        }
    }
}
