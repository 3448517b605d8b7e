//! Keys of watches: their names.

use crate::model::WatchName;

use super::super::codec::{RecordError, StoredKey};
use super::named;

/// A watch, by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::archive) struct WatchKey(pub(in crate::archive) WatchName);

/// Where the number is kept that is raised with every watch that is added or removed.
#[derive(Clone, Copy, Debug)]
pub(in crate::archive) struct WatchesRevisionKey;

impl WatchKey {
    /// What the keys of all watches begin with, and no others.
    pub(in crate::archive) const PREFIX: &'static str = "watch/";
}

impl StoredKey for WatchKey {
    type Bytes = String;

    fn encode(&self) -> Self::Bytes {
        format!("{}{}", Self::PREFIX, self.0)
    }

    fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        named(Self::PREFIX, "watch", bytes)?.parse().map(Self).map_err(|e| RecordError::value("watch", e))
    }
}

impl StoredKey for WatchesRevisionKey {
    type Bytes = &'static str;

    fn encode(&self) -> Self::Bytes {
        "watches"
    }

    fn decode(_: &[u8]) -> Result<Self, RecordError> {
        Ok(Self)
    }
}
