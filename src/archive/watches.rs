//! Watches: saved queries that are run against every new or edited message. They are a part of the archive so that backups have them, and are
//! no changes: nothing of them is in the change log.
//!
//! # Correctness
//! The revision is raised in the write that adds or removes a watch (atomic): who has read the watches of one revision knows them all for as long as a
//! snapshot has the same one.

use prost::Message as _;

use crate::model::{Seq, Timestamp, WatchName};

use super::codec::{RecordError, StoredValue, WrittenValue};
use super::key::{WatchKey, WatchesRevisionKey};
use super::record::decode;

/// A watch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArchivedWatch {
    /// Its name.
    pub name: WatchName,
    /// The query, as it was written.
    pub query: String,
    /// What it is for, in the operator's words.
    pub note: Option<String>,
    /// When it was created.
    pub created_at: Timestamp,
    /// The newest change when it was created: it is run against the changes behind it.
    pub since: Seq,
}

#[derive(Clone, PartialEq, prost::Message)]
struct WatchRecord {
    #[prost(string, tag = "1")]
    query: String,
    #[prost(string, optional, tag = "2")]
    note: Option<String>,
    #[prost(int64, tag = "3")]
    created_at: i64,
    #[prost(uint64, tag = "4")]
    since: u64,
}

impl WrittenValue<WatchKey> for ArchivedWatch {
    fn to_bytes(&self) -> Vec<u8> {
        let Self { name: _, query, note, created_at, since } = self.clone();
        WatchRecord { query, note, created_at: created_at.0, since: since.0 }.encode_to_vec()
    }
}

impl StoredValue<WatchKey> for ArchivedWatch {
    fn from_bytes(key: &WatchKey, bytes: &[u8]) -> Result<Self, RecordError> {
        let WatchRecord { query, note, created_at, since } = decode("watch", bytes)?;
        Ok(Self { name: key.0.clone(), query, note, created_at: Timestamp(created_at), since: Seq(since) })
    }
}

impl WrittenValue<WatchesRevisionKey> for u64 {
    fn to_bytes(&self) -> Vec<u8> {
        self.to_be_bytes().to_vec()
    }
}

impl StoredValue<WatchesRevisionKey> for u64 {
    fn from_bytes(_: &WatchesRevisionKey, bytes: &[u8]) -> Result<Self, RecordError> {
        bytes.try_into().map(Self::from_be_bytes).map_err(|_| RecordError::value("watches' revision", "not 8 bytes"))
    }
}
