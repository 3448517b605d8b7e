//! What the holder of a key may ask, about which peers, and until when. What each scope is good for, `http` says.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::model::PeerId;

/// How long before its end a key is said to end soon: time to hand over another one.
const ENDS_SOON_DAYS: i64 = 14;

/// A part of what can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyScope {
    /// Searching.
    Search,
    /// Reading what is archived, and the state of the program.
    Fetch,
    /// Files.
    Media,
    /// The change log.
    Changes,
    /// Having the program do something: run a job, join a peer, download a file.
    Operate,
    /// Erasing.
    Admin,
}

/// A word that names no scope; the text has those that there are.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is no scope; use one of search, fetch, media, changes, operate, admin", .0.escape_debug())]
pub struct InvalidKeyScope(String);

impl KeyScope {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Search, Self::Fetch, Self::Media, Self::Changes, Self::Operate, Self::Admin];
    /// Those with which nothing can be done but reading.
    pub const READING: [Self; 4] = [Self::Search, Self::Fetch, Self::Media, Self::Changes];

    /// Returns its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Search => "search",
            Self::Fetch => "fetch",
            Self::Media => "media",
            Self::Changes => "changes",
            Self::Operate => "operate",
            Self::Admin => "admin",
        }
    }
}

impl FromStr for KeyScope {
    type Err = InvalidKeyScope;

    fn from_str(name: &str) -> Result<Self, InvalidKeyScope> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == name).ok_or_else(|| InvalidKeyScope(name.to_owned()))
    }
}

impl fmt::Display for KeyScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What the holder of a key may do. By default everything, for ever: that is what a key of an earlier version may.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rights {
    /// What may be asked.
    pub scopes: BTreeSet<KeyScope>,
    /// The peers that may be seen; none where all may.
    pub peers: Option<Arc<BTreeSet<PeerId>>>,
    /// From when on the key is no key any more.
    pub ends: Option<DateTime<Utc>>,
}

impl Default for Rights {
    fn default() -> Self {
        Self { scopes: BTreeSet::from(KeyScope::ALL), peers: None, ends: None }
    }
}

impl Rights {
    /// Returns whether there is a scope among them.
    pub fn have(&self, scope: KeyScope) -> bool {
        self.scopes.contains(&scope)
    }

    /// Returns whether the key has ended.
    pub fn have_ended(&self, now: DateTime<Utc>) -> bool {
        self.ends.is_some_and(|ends| ends <= now)
    }

    /// Returns when the key will next begin to end soon, or end.
    pub fn changes_after(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let ends = self.ends?;
        [ends - chrono::TimeDelta::days(ENDS_SOON_DAYS), ends].into_iter().find(|at| *at > now)
    }

    /// Returns whether the key ends within two weeks, and has not ended yet.
    pub fn end_soon(&self, now: DateTime<Utc>) -> bool {
        let soon = now + chrono::TimeDelta::days(ENDS_SOON_DAYS);
        self.ends.is_some_and(|ends| ends <= soon) && !self.have_ended(now)
    }
}
