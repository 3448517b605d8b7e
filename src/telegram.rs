//! Asking Telegram: the only place that names `grammers_client`.
//!
//! A [`Client`] is built on grammers' client, of which it uses the connections and the raw invoke, without retries. Its convenience
//! layers lose data silently (a difference that is too long, a full updates channel, a download that ends early) or panic (a login that
//! ends in an unusual way), so pagination, differences, retries and the steps of a login are ours: docs/decisions/0001.
//!
//! Guarantees: every call ends within its timeout, [`Settings::request_timeout`]; a connection whose runner died is made anew at the
//! next call, with exponential backoff while nobody answers, which is told as a state ([`crate::accounts::Outage`]); a stop waits for no
//! answer that does not come; an account that has a proxy never connects without it; an account that
//! Telegram migrates to another data centre is followed there; every peer that an answer mentions is learnt by the account's session;
//! errors say what to do next (retry, wait, give up), not which library failed. It decides nothing about what is asked or when: rate
//! limits and priorities are the pool's. A request that another one depends on (a new home's authorisation, a takeout) asks the pool by
//! itself, under its own method.

mod address;
mod client;
mod clients;
mod dialogs;
mod difference;
mod error;
mod file_connections;
mod files;
mod history;
mod kept;
mod login;
mod mentioned;
pub mod method;
mod migrate;
mod pacing;
mod peers;
mod proxy;
mod qr;
mod session;
mod takeout;
mod updates;

pub use client::{Client, Settings};
pub use clients::Clients;
pub use dialogs::{DIALOGS_SIZE, DialogPage, DialogTop, Folder, Offset, PEER_DIALOGS_MAX};
pub use difference::{ChannelDifference, CommonDifference};
pub use error::TelegramError;
pub use file_connections::FileSettings;
pub use files::{FileError, FileLocation, PART_MAX, Part, PartRange, Refetched, parts};
pub use history::{HistoryPage, PAGE_SIZE};
pub use login::{Login, LoginError, SignIn};
pub use mentioned::MentionedPeers;
pub use peers::{FullChannel, Joined, Resolved, VIEWS_MAX};
pub use proxy::{InvalidProxy, Proxy};
pub use qr::{LoginLink, QrLogin};
pub use updates::{Push, Update};

/// The addresses that data centres may have, so that a simulated session and the real network can never mix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NetworkScope {
    /// Anywhere but on this machine: Telegram.
    Network,
    /// On this machine only: the simulator.
    Loopback,
    /// Anywhere: a server of one's own.
    Anywhere,
}

impl NetworkScope {
    /// Whether an address is within the scope.
    #[must_use]
    pub fn allows(self, address: std::net::Ipv4Addr) -> bool {
        match self {
            Self::Network => !address.is_loopback(),
            Self::Loopback => address.is_loopback(),
            Self::Anywhere => true,
        }
    }
}

/// The TL layer that requests are made in and raw bytes are to be read with.
pub const LAYER: i32 = grammers_tl_types::LAYER;

/// The addresses of Telegram's own data centres, from which a new account starts.
#[must_use]
pub fn data_centres() -> Vec<(i32, std::net::SocketAddrV4)> {
    grammers_client::session::SessionData::default().dc_options.into_values().map(|dc| (dc.id, dc.ipv4)).collect()
}
