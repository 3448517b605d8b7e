//! How many files there are in each state, and of how many bytes, maintained: each write that changes a file works out what that changes of
//! the sums, and writes them with it, so that nobody looks through ten million files to show how far the downloads are.
//!
//! # Invariants
//! The stored sums are those of the stored files, which `verify` proves. An archive that has none (of before they were kept) is summed up when it
//! is opened.

use prost::Message as _;

use crate::model::FileState;

use super::attachments::ArchivedFile;
use super::codec::{RecordError, StoredValue, WrittenValue};
use super::key::FileTotalsKey;
use super::record::decode;

/// Sums over all files.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct FileTotals {
    /// Files that no rule was asked about yet.
    #[prost(uint64, tag = "1")]
    pub seen: u64,
    /// Files that are to be downloaded.
    #[prost(uint64, tag = "2")]
    pub wanted: u64,
    /// Files whose bytes are stored.
    #[prost(uint64, tag = "3")]
    pub stored: u64,
    /// Files that are not wanted.
    #[prost(uint64, tag = "4")]
    pub skipped: u64,
    /// Files that could not be downloaded; some are tried again.
    #[prost(uint64, tag = "5")]
    pub failed: u64,
    /// Bytes of those that are stored, each file counted: what several of them have in common is stored once.
    #[prost(uint64, tag = "6")]
    pub stored_bytes: u64,
    /// Bytes of those that are wanted or have failed, as Telegram states them.
    #[prost(uint64, tag = "7")]
    pub missing_bytes: u64,
    /// Of those that have failed, the ones that are not tried again by themselves.
    #[prost(uint64, tag = "8")]
    pub given_up: u64,
}

impl FileTotals {
    /// What one file adds to them.
    fn of(file: &ArchivedFile) -> Self {
        let (mut totals, stated) = (Self::default(), file.size().unwrap_or(0));
        match &file.state {
            FileState::Seen => totals.seen = 1,
            FileState::Wanted => (totals.wanted, totals.missing_bytes) = (1, stated),
            FileState::Stored(bytes) => (totals.stored, totals.stored_bytes) = (1, bytes.size),
            FileState::Skipped { .. } => totals.skipped = 1,
            FileState::Failed { next_try, .. } => {
                (totals.failed, totals.missing_bytes, totals.given_up) = (1, stated, u64::from(next_try.is_none()));
            }
        }
        totals
    }

    /// Takes over what a file adds now, if it is there, instead of what it added before.
    pub(super) fn replace(&mut self, before: Option<&ArchivedFile>, now: Option<&ArchivedFile>) {
        let of = |file: Option<&ArchivedFile>| file.map(Self::of).unwrap_or_default();
        let (before, now) = (of(before), of(now));
        // A size that Telegram states may be anything; what is taken away is always what was added.
        let change = |sum: &mut u64, before: u64, now: u64| *sum = sum.wrapping_add(now).wrapping_sub(before);
        change(&mut self.seen, before.seen, now.seen);
        change(&mut self.wanted, before.wanted, now.wanted);
        change(&mut self.stored, before.stored, now.stored);
        change(&mut self.skipped, before.skipped, now.skipped);
        change(&mut self.failed, before.failed, now.failed);
        change(&mut self.stored_bytes, before.stored_bytes, now.stored_bytes);
        change(&mut self.missing_bytes, before.missing_bytes, now.missing_bytes);
        change(&mut self.given_up, before.given_up, now.given_up);
    }
}

impl WrittenValue<FileTotalsKey> for FileTotals {
    fn to_bytes(&self) -> Vec<u8> {
        self.encode_to_vec()
    }
}

impl StoredValue<FileTotalsKey> for FileTotals {
    fn from_bytes(_: &FileTotalsKey, bytes: &[u8]) -> Result<Self, RecordError> {
        decode("sums of files", bytes)
    }
}
