//! Sessions of other programs: Telethon's and Pyrogram's files and strings, GramJS's strings, and bare authorisation keys, told apart by
//! content.
//!
//! Nothing here touches the disk or the network; what is read comes from whoever had the file and is believed in nothing but its
//! key: damage of any kind is an error that names the way out, never a panic.

mod database;
mod encoding;
mod text;

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::{AuthKey, DataCentre, Session, SessionFormat};
use crate::model::{AccountName, IdSpace, PeerId};

/// The largest file that is looked at, in bytes: a million peers are about a tenth of it.
pub const IMPORT_LENGTH_MAX: u64 = 512 * 1024 * 1024;

/// Telegram's test servers, as both libraries write them.
const TEST_SERVERS: [IpAddr; 6] = [
    IpAddr::V4(Ipv4Addr::new(149, 154, 175, 10)),
    IpAddr::V4(Ipv4Addr::new(149, 154, 167, 40)),
    IpAddr::V4(Ipv4Addr::new(149, 154, 175, 117)),
    IpAddr::V6(Ipv6Addr::new(0x2001, 0xb28, 0xf23d, 0xf001, 0, 0, 0, 0xe)),
    IpAddr::V6(Ipv6Addr::new(0x2001, 0x67c, 0x4e8, 0xf002, 0, 0, 0, 0xe)),
    IpAddr::V6(Ipv6Addr::new(0x2001, 0xb28, 0xf23d, 0xf003, 0, 0, 0, 0xe)),
];

/// What a session was found to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// 256 bytes, in one of three spellings.
    Key,
    /// Telethon's SQLite file.
    TelethonFile,
    /// Telethon's `StringSession`.
    TelethonString,
    /// Pyrogram's SQLite file, or that of one of its successors.
    PyrogramFile,
    /// Pyrogram's session string.
    PyrogramString,
    /// GramJS's `StringSession`.
    GramJsString,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Key => "an authorisation key",
            Self::TelethonFile => "a Telethon session file",
            Self::TelethonString => "a Telethon session string",
            Self::PyrogramFile => "a Pyrogram session file",
            Self::PyrogramString => "a Pyrogram session string",
            Self::GramJsString => "a GramJS session string",
        })
    }
}

/// What another program knew of an account.
pub struct Imported {
    /// What it was read from.
    pub origin: Origin,
    /// The account's key.
    pub auth_key: AuthKey,
    /// The data centre the key belongs to; a bare key does not say.
    pub dc: Option<i32>,
    /// That data centre's address, where it was written down.
    pub address: Option<IpAddr>,
    /// The application the key was made with, where it was written down.
    pub api_id: Option<i32>,
    /// The user the account is, where it was written down.
    pub user_id: Option<i64>,
    /// The peers that the account can address.
    pub peers: Vec<(PeerId, Option<i64>)>,
    /// How many others there were: in a form that cannot be told, or in an old one whose access hashes are no longer valid.
    pub peers_left: u64,
}

impl fmt::Debug for Imported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Imported").field("origin", &self.origin).field("dc", &self.dc).finish_non_exhaustive()
    }
}

/// Why something cannot be imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// It is nothing that is known.
    #[error(
        "not a known kind of session: expected a session file or session string of Telethon or Pyrogram, a session string of GramJS, \
         or an authorisation key (256 bytes, 512 hexadecimal digits, or base64)"
    )]
    Unknown,
    /// It is JSON, but not of this program.
    #[error(
        "not a known kind of session: it is JSON, but has not the members of a session of telescribe; if it holds a session string, \
         put that alone into a file"
    )]
    OtherJson,
    /// Its first character is missing.
    #[error(
        "not a known kind of session: it may be a session string of Telethon or GramJS whose first character, `1`, is missing; copy \
         it again, from its first character on"
    )]
    FirstCharacterMissing,
    /// It holds more than one session.
    #[error("a text that holds several session strings; put the one that is wanted alone into a file")]
    SeveralStrings,
    /// It holds more than one key.
    #[error("{origin} with keys of several data centres ({dcs}); add `--dc` with the one that the account lives on")]
    SeveralKeys {
        /// What it is.
        origin: Origin,
        /// Their numbers.
        dcs: String,
    },
    /// It is a session of this program.
    #[error("a session of telescribe itself; copy it into the sessions folder as `NAME.session` instead")]
    Own,
    /// It cannot be read to its end.
    #[error("{origin}, but damaged ({why}); copy it while the program that made it is stopped, or export it again")]
    Damaged {
        /// What it began to be.
        origin: Origin,
        /// What is wrong with it.
        why: String,
    },
    /// A database of another kind.
    #[error(
        "an SQLite database, but of neither Telethon nor Pyrogram ({why}); export a session string from the program that made it"
    )]
    Foreign {
        /// What is missing.
        why: String,
    },
    /// It holds no key.
    #[error("{0}, but it was never signed in; use `telescribe login NAME` instead")]
    NotSignedIn(Origin),
    /// It belongs to Telegram's test servers.
    #[error("{0} of Telegram's test servers, which hold no real messages; sign in with `telescribe login NAME` instead")]
    TestServers(Origin),
    /// It is a bot's.
    #[error("{0} of a bot, and bots cannot read histories; import a user's session instead")]
    Bot(Origin),
    /// A bare key does not say where it belongs.
    #[error("an authorisation key, which does not tell its data centre; add `--dc` with the number")]
    DataCentreNeeded,
    /// The data centre is not one of those that are known.
    #[error("of data centre {dc}, which is unknown; known are {known} (`telegram.data_centres` of the configuration adds more)")]
    DataCentreUnknown {
        /// Its number.
        dc: i32,
        /// Those that are.
        known: String,
    },
    /// The data centre that was named is not the one that was read.
    #[error("{origin} of data centre {dc}, not {named}; leave `--dc` out")]
    OtherDataCentre {
        /// What it is.
        origin: Origin,
        /// The number that was read.
        dc: i32,
        /// The number that was named.
        named: i32,
    },
}

impl Imported {
    /// Reads a session of another program; `dc` is whose key is wanted where there may be several.
    ///
    /// # Errors
    /// See [`ImportError`]; its text goes on from "it is".
    pub fn read(bytes: &[u8], dc: Option<i32>) -> Result<Self, ImportError> {
        if bytes.starts_with(database::MAGIC) {
            return database::read(bytes, dc);
        }
        if let Ok(key) = bytes.try_into() {
            return Ok(text::bare(AuthKey::new(key)));
        }
        let text = encoding::decode(bytes).ok_or(ImportError::Unknown)?;
        match super::format::format(text.as_bytes()) {
            Ok(SessionFormat::Plain) if is_own(&text) => Err(ImportError::Own),
            Ok(SessionFormat::Plain) => Err(ImportError::OtherJson),
            Ok(SessionFormat::Sealed(_)) => Err(ImportError::Own),
            Err(_) => text::read(&text),
        }
    }

    /// Nothing but what it was read from.
    fn of(origin: Origin) -> Self {
        let auth_key = AuthKey::new([0; 256]);
        Self { origin, auth_key, dc: None, address: None, api_id: None, user_id: None, peers: Vec::new(), peers_left: 0 }
    }

    /// Makes the account's session of it, for a kind of server with these data centres. `dc` is where a bare key belongs.
    ///
    /// # Errors
    /// When the data centre is not known.
    pub fn into_session(
        self,
        name: AccountName,
        server: &str,
        mut data_centres: BTreeMap<i32, DataCentre>,
        dc: Option<i32>,
    ) -> Result<Session, ImportError> {
        let home = match (self.dc, dc) {
            (Some(dc), Some(named)) if dc != named => {
                return Err(ImportError::OtherDataCentre { origin: self.origin, dc, named });
            }
            (read, named) => read.or(named).ok_or(ImportError::DataCentreNeeded)?,
        };
        let known = || data_centres.keys().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        if !data_centres.contains_key(&home) {
            return Err(ImportError::DataCentreUnknown { dc: home, known: known() });
        }
        if let Some(centre) = data_centres.get_mut(&home) {
            centre.auth_key = Some(self.auth_key);
        }
        let session = Session::new(name, server, home, data_centres);
        if let Some(id) = self.user_id {
            session.set_user_id(id);
        }
        for (peer, hash) in self.peers {
            session.learn(peer, hash);
        }
        Ok(session)
    }

    /// Refuses what belongs to Telegram's test servers.
    fn of_real_servers(self) -> Result<Self, ImportError> {
        match self.address {
            Some(address) if TEST_SERVERS.contains(&address) => Err(ImportError::TestServers(self.origin)),
            _ => Ok(self),
        }
    }
}

/// Whether JSON has the members that only a session of this program has.
fn is_own(json: &str) -> bool {
    /// The members, whatever their values.
    #[derive(Deserialize)]
    struct Members {
        #[serde(rename = "version")]
        _version: IgnoredAny,
        #[serde(rename = "server")]
        _server: IgnoredAny,
        #[serde(rename = "data_centres")]
        _data_centres: IgnoredAny,
    }
    serde_json::from_str::<Members>(json).is_ok()
}

/// A key as one of the programs stored it: none where it was never signed in.
fn key(origin: Origin, bytes: &[u8]) -> Result<AuthKey, ImportError> {
    if bytes.iter().all(|byte| *byte == 0) {
        return Err(ImportError::NotSignedIn(origin));
    }
    let why = || format!("its key has {} bytes, not 256", bytes.len());
    bytes.try_into().map(AuthKey::new).map_err(|_| ImportError::Damaged { origin, why: why() })
}

/// A peer as both libraries store it, by its marked id; `None` where it cannot be addressed.
fn peer(id: i64, hash: i64) -> Option<(PeerId, Option<i64>)> {
    let peer = PeerId(id);
    match peer.kind() {
        _ if id == 0 => None,
        IdSpace::Chat => Some((peer, None)),
        IdSpace::User | IdSpace::Channel => (hash != 0).then_some((peer, Some(hash))),
    }
}

#[cfg(test)]
mod tests;
