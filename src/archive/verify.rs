//! A consistency check of the archive's invariants: each fact that is stored twice must be the same both times, all must be readable, and
//! the hash chain over the change log must come out again.
//!
//! What is damaged is listed and skipped, so that one run tells how far the damage goes. Memory grows with the number of peers only: what
//! the change log tells of messages and what is stored of them are compared as sums of hashes over each peer (multiset
//! hashing), because the one is in the order of time and the other in that of keys; a peer whose sums differ is looked at message by message.

mod coverage;
mod log;
mod messages;
mod peers;

use std::collections::BTreeMap;
use std::iter::Peekable;

use crate::model::{ChangeKind, MessageKey, PeerId};

use super::ArchiveError;
use super::codec::{RecordError, StoredKey, StoredValue};
use super::family::{Family, KeyRange, Row};
use super::view::{Order, View};
use log::Told;
use messages::Stored;

/// Differences that are listed: enough to see what kind they are.
const LISTED_MAX: usize = 100;

/// What a verification found.
#[derive(Clone, Debug, Default)]
pub struct ArchiveReport {
    /// Messages, deleted ones included.
    pub messages: u64,
    /// Changes.
    pub changes: u64,
    /// What differs or is damaged, in words; at most a hundred.
    pub differences: Vec<String>,
}

impl ArchiveReport {
    fn differs(&mut self, what: impl FnOnce() -> String) {
        if self.differences.len() < LISTED_MAX {
            self.differences.push(what());
        }
    }

    /// What was stored, or `None` and a difference where it is damaged.
    fn readable<T>(&mut self, what: impl FnOnce() -> String, read: Result<T, RecordError>) -> Option<T> {
        read.map_err(|error| self.differs(|| format!("{} is damaged ({})", what(), error.why()))).ok()
    }
}

/// A multiset of changes, as their number and the sum of their hashes: two that are equal are, but for an accident of one in 2^64, the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
struct Multiset {
    count: u64,
    sum: u64,
}

impl Multiset {
    fn add(&mut self, kind: &ChangeKind) {
        self.count += 1;
        self.sum = self.sum.wrapping_add(hash(kind));
    }
}

/// What an entry of the change log is to a message.
fn hash(kind: &ChangeKind) -> u64 {
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};
    // With the same keys each time: what is compared was hashed in the same run.
    let mut hasher = DefaultHasher::new();
    let (name, version) = match kind {
        ChangeKind::MessageEdited { version, .. } => (2, *version),
        ChangeKind::MessageDeleted { .. } => (3, 0),
        _ => (1, 0),
    };
    (name, version, kind.message().map(|key| (key.peer.0, key.id.0))).hash(&mut hasher);
    hasher.finish()
}

/// What is known of each peer's messages from one side.
type ByPeer<T> = BTreeMap<PeerId, T>;

impl<'a> View<'a> {
    /// Compares messages with the change log, with their earlier versions and raw bytes, and with coverage and its counts; peers with their
    /// usernames; and the change log with its hash chain.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn verify(self) -> Result<ArchiveReport, ArchiveError> {
        let mut report = ArchiveReport::default();
        let told: ByPeer<Told> = self.check_log(&mut report)?;
        let stored: ByPeer<Stored> = self.check_messages(&mut report)?;
        self.compare_log(&told, &stored, &mut report)?;
        self.check_coverage(stored, &mut report)?;
        self.check_peers(&mut report)?;
        Ok(report)
    }

    fn all<K: StoredKey, V: StoredValue<K>>(
        self,
        family: &Family<K, V>,
    ) -> impl Iterator<Item = Result<Row<K, V>, ArchiveError>> + use<'a, K, V> {
        self.lenient(family, KeyRange::all(), Order::OldestFirst)
    }
}

/// What was read; `None` where it is damaged.
fn undamaged<T>(read: Result<T, ArchiveError>) -> Result<Option<T>, ArchiveError> {
    match read {
        Ok(value) => Ok(Some(value)),
        Err(ArchiveError::Record(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The rows of a family that belong to messages. They are ordered by the same keys, and are read beside the messages.
struct Beside<K, V, I: Iterator<Item = Result<Row<K, V>, ArchiveError>>> {
    /// What one is, in words.
    what: &'static str,
    rows: Peekable<I>,
    /// The message that one belongs to.
    message: fn(&K) -> MessageKey,
}

impl<K: StoredKey, V: StoredValue<K>, I: Iterator<Item = Result<Row<K, V>, ArchiveError>>> Beside<K, V, I> {
    /// The next one of a message; those that are skipped on the way to it belong to none.
    fn next_of(
        &mut self,
        message: MessageKey,
        report: &mut ArchiveReport,
    ) -> Result<Option<(K, Result<V, RecordError>)>, ArchiveError> {
        while let Some(row) = self.rows.next_if(|row| {
            // A key that cannot be decoded has no place in the order.
            row.as_ref().map_or(true, |row| row.key().map_or(true, |key| (self.message)(&key) <= message))
        }) {
            let row = row?;
            match row.key() {
                Ok(key) if (self.message)(&key) == message => {
                    let value = row.value(&key);
                    return Ok(Some((key, value)));
                }
                key => self.orphan(key, report),
            }
        }
        Ok(None)
    }

    /// Tells of those behind the last message, which belong to none.
    fn rest(&mut self, report: &mut ArchiveReport) -> Result<(), ArchiveError> {
        while let Some(row) = self.rows.next() {
            self.orphan(row?.key(), report);
        }
        Ok(())
    }

    fn orphan(&self, key: Result<K, RecordError>, report: &mut ArchiveReport) {
        let what = self.what;
        report.differs(|| match key {
            Ok(key) => format!("{what} of message {}, which is not archived", (self.message)(&key)),
            Err(error) => format!("{what} of no message ({})", error.why()),
        });
    }
}
