//! `[accounts]`: the accounts that crawl, and how they are paced.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ProxyUrl, Server, Span};
use crate::accounts::{self, PoolSettings};

/// The shortest interval against Telegram: no account gets more than this many answers for long, so a shorter one is a mistake.
const INTERVAL_MIN: Duration = Duration::from_millis(50);

/// The accounts that crawl.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AccountsConfig {
    /// Folder of the session files, one per account.
    pub sessions: PathBuf,
    /// File with the master key that encrypts ("seals") session files, made with `telescribe account new-key`; empty for none. The environment
    /// variable TELESCRIBE_MASTER_KEY may hold the key instead.
    pub master_key_file: PathBuf,
    /// Rate limit: the minimum time between two requests of one account. Telegram tolerates about one history request per second; a shorter
    /// interval risks flood waits and bans, and one below 50ms is refused.
    pub request_interval: Span,
    /// Pause before any account sends requests after the program was killed or has crashed: a flood wait that Telegram sent in the last
    /// moment may not have been saved. "0s" for no pause.
    pub rest_after_crash: Span,
    /// Maximum number of concurrent requests per account; one extra slot is reserved for live requests.
    pub requests_in_flight_max: usize,
    /// Whether large histories are read in a takeout session: Telegram then tolerates more requests, but notifies the account's owner, and may
    /// delay the takeout by up to a day.
    pub takeout: bool,
    /// Rate limits of single methods: the minimum time between two calls by one account, instead of the default in docs/limits.md, such as
    /// "contacts.resolveUsername" = "10s". Flood waits make the interval longer, never shorter.
    pub intervals: BTreeMap<String, Span>,
    /// SOCKS5 proxies for single accounts, such as alpha = "socks5://user:password@127.0.0.1:1080"; the others use telegram.proxy. An account
    /// never connects without its proxy.
    pub proxies: BTreeMap<String, ProxyUrl>,
}

impl Default for AccountsConfig {
    fn default() -> Self {
        Self {
            sessions: PathBuf::from("sessions"),
            master_key_file: PathBuf::new(),
            // Peers report 95 messages a second of plain history without flood waits: one page of a hundred a second.
            request_interval: Span::seconds(1),
            // Most waits are shorter; a crash is rare, and one that comes again and again should be slow.
            rest_after_crash: Span::seconds(10),
            requests_in_flight_max: 1,
            takeout: false,
            intervals: BTreeMap::new(),
            proxies: BTreeMap::new(),
        }
    }
}

impl AccountsConfig {
    /// How the pool paces the accounts.
    #[must_use]
    pub fn pool_settings(&self) -> PoolSettings {
        PoolSettings {
            request_interval: self.request_interval.duration(),
            requests_in_flight_max: self.requests_in_flight_max,
            // What official apps open for one file.
            downloads_in_flight_max: 4,
            intervals: self.intervals.iter().map(|(method, span)| (method.clone(), span.duration())).collect(),
        }
    }

    /// What is wrong, and with which key.
    pub(super) fn check(&self, server: Server) -> Result<(), (String, String)> {
        self.check_pace(server)?;
        if self.requests_in_flight_max == 0 {
            return Err(("requests_in_flight_max".to_owned(), "must be at least 1".to_owned()));
        }
        for (name, url) in &self.proxies {
            url.get().map_err(|error| (format!("proxies.{name}"), error.to_string()))?;
        }
        if let Some(method) = self.intervals.keys().find(|method| !accounts::is_known_method(method)) {
            let known = accounts::known_methods().collect::<Vec<_>>().join(", ");
            let why = format!("is not a method whose interval can be set; known are {known}");
            return Err((format!("intervals.{method}"), why));
        }
        Ok(())
    }

    /// Telegram bans accounts that ask without a pause; a server of one's own may be asked as fast as it answers.
    fn check_pace(&self, server: Server) -> Result<(), (String, String)> {
        if server != Server::Telegram {
            return Ok(());
        }
        let own = ("request_interval".to_owned(), &self.request_interval);
        let methods = self.intervals.iter().map(|(method, interval)| (format!("intervals.{method}"), interval));
        match std::iter::once(own).chain(methods).find(|(_, interval)| interval.duration() < INTERVAL_MIN) {
            None => Ok(()),
            Some((key, _)) => {
                let why = format!(
                    "must be at least {INTERVAL_MIN:?} against Telegram, which bans accounts that send requests without a pause; leave it \
                     out for the default"
                );
                Err((key, why))
            }
        }
    }
}

impl Default for PoolSettings {
    fn default() -> Self {
        AccountsConfig::default().pool_settings()
    }
}
