//! A consistency check of the archive's invariants: each fact that is stored twice must be the same both times, all must be readable, and
//! the hash chain over the change log must come out again.
//!
//! What is damaged is listed and skipped, so that one run tells how far the damage goes. Memory grows with the number of peers only: what
//! the change log tells of messages and what is stored of them are compared as sums of hashes over each chat (multiset
//! hashing), because the one is in the order of time and the other in that of keys; a chat whose sums differ is looked at message by message.

mod coverage;
mod erased;
mod files;
mod log;
mod messages;
mod newest;
mod peers;

use std::collections::BTreeMap;
use std::iter::Peekable;

use rocksdb::ErrorKind;
use rocksdb::properties::ESTIMATE_NUM_KEYS;

use crate::model::{ChangeKind, ChatId, MessageKey};

use super::ArchiveError;
use super::codec::{RecordError, StoredKey, StoredValue};
use super::family::{ACCESS_HASH, COUNTERS, DEAD_LETTER, Family, KeyRange, MEMBER, OWN, POSITION, Row, SIZE, TOPIC};
use super::key::{DeadLetterKey, PositionKey};
use super::schema::{self, Cf};
use super::view::{Order, View};
use log::Told;
use messages::Stored;

/// Differences that are listed: enough to see what kind they are.
const LISTED_MAX: usize = 100;

/// After how many records it is told how far it is.
const TOLD_EVERY: u64 = 1_000;

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

/// How far a verification has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VerifyProgress {
    /// What is read: a column family.
    pub reading: &'static str,
    /// How many records were read, of all families.
    pub done: u64,
    /// About how many there are.
    pub total: u64,
    /// Bytes of the records that were read since it was told last.
    pub bytes: u64,
}

/// What is found, while it is looked for.
struct Findings<'p> {
    report: ArchiveReport,
    reading: &'static str,
    done: u64,
    total: u64,
    bytes: u64,
    progress: &'p mut dyn FnMut(VerifyProgress) -> bool,
}

impl Findings<'_> {
    fn differs(&mut self, what: impl FnOnce() -> String) {
        if self.report.differences.len() < LISTED_MAX {
            self.report.differences.push(what());
        }
    }

    /// What was stored, or `None` and a difference where it is damaged.
    fn readable<T>(&mut self, what: impl FnOnce() -> String, read: Result<T, RecordError>) -> Option<T> {
        read.map_err(|error| self.differs(|| format!("{} is damaged ({})", what(), error.why()))).ok()
    }

    /// The next row of a family; `None` at its end, and where a block of it is damaged, behind which nothing can be read.
    fn next<K: StoredKey, V: StoredValue<K>>(
        &mut self,
        rows: &mut impl Iterator<Item = Result<Row<K, V>, ArchiveError>>,
    ) -> Result<Option<Row<K, V>>, ArchiveError> {
        self.done += 1;
        if self.done.is_multiple_of(TOLD_EVERY) {
            let Self { reading, done, total, bytes, .. } = *self;
            self.bytes = 0;
            if !(self.progress)(VerifyProgress { reading, done, total, bytes }) {
                return Err(ArchiveError::Stopped);
            }
        }
        match rows.next().transpose() {
            Err(ArchiveError::Store { source, .. }) if source.kind() == ErrorKind::Corruption => {
                let reading = self.reading;
                self.differs(|| format!("a block of `{reading}` is damaged ({source}); what follows it was not looked at"));
                Ok(None)
            }
            read => {
                let row = read?;
                self.bytes += row.as_ref().map_or(0, Row::size);
                Ok(row)
            }
        }
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
        ChangeKind::MessageErased { .. } => (4, 0),
        _ => (1, 0),
    };
    (name, version, kind.message()).hash(&mut hasher);
    hasher.finish()
}

/// What is known of each chat's messages from one side.
type ByChat<T> = BTreeMap<ChatId, T>;

impl<'a> View<'a> {
    /// Compares messages with the change log, with their earlier versions and raw bytes, and with coverage and its counts; peers with their
    /// usernames; files with the queue and with where they were seen; and the change log with its hash chain, and with the newest change of each peer.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn verify(self) -> Result<ArchiveReport, ArchiveError> {
        self.verify_with(&mut |_| true)
    }

    /// The same, which tells how far it is now and then, and stops when it is told to.
    ///
    /// # Errors
    /// See [`View::verify`]; also when it is stopped.
    pub fn verify_with(self, progress: &mut dyn FnMut(VerifyProgress) -> bool) -> Result<ArchiveReport, ArchiveError> {
        let total = self.estimated_records()?;
        let view = self.once();
        let mut findings = Findings { report: ArchiveReport::default(), reading: "", done: 0, total, bytes: 0, progress };
        let told: ByChat<Told> = view.check_log(&mut findings)?;
        let stored: ByChat<Stored> = view.check_messages(&mut findings)?;
        view.compare_log(&told, &stored, &mut findings)?;
        let erased = view.check_erased(&mut findings)?;
        view.check_coverage(stored, erased, &mut findings)?;
        view.check_peers(&mut findings)?;
        view.check_files(&mut findings)?;
        view.check_readable(&mut findings)?;
        Ok(findings.report)
    }

    fn all<K: StoredKey, V: StoredValue<K>>(
        self,
        family: &Family<K, V>,
        report: &mut Findings<'_>,
    ) -> impl Iterator<Item = Result<Row<K, V>, ArchiveError>> + use<'a, K, V> {
        report.reading = family.cf().name();
        self.lenient(family, KeyRange::all(), Order::OldestFirst)
    }

    /// The families that say nothing which is said elsewhere too.
    fn check_readable(self, report: &mut Findings<'_>) -> Result<(), ArchiveError> {
        self.check_family(&MEMBER, report)?;
        self.check_family(&COUNTERS, report)?;
        self.check_family(&SIZE, report)?;
        self.check_family(&TOPIC, report)?;
        self.check_family(&OWN, report)?;
        self.check_family(&ACCESS_HASH, report)?;
        let positions = self.lenient(&POSITION, KeyRange::under(PositionKey::PREFIX), Order::OldestFirst);
        self.check_rows("a position of a reader", positions, report)?;
        let letters = self.lenient(&DEAD_LETTER, KeyRange::under(DeadLetterKey::PREFIX), Order::OldestFirst);
        self.check_rows("a dead letter", letters, report)
    }

    fn check_family<K: StoredKey, V: StoredValue<K>>(
        self,
        family: &Family<K, V>,
        report: &mut Findings<'_>,
    ) -> Result<(), ArchiveError> {
        let rows = self.all(family, report);
        self.check_rows(&format!("a record of `{}`", family.cf().name()), rows, report)
    }

    fn check_rows<K: StoredKey, V: StoredValue<K>>(
        self,
        what: &str,
        mut rows: impl Iterator<Item = Result<Row<K, V>, ArchiveError>>,
        report: &mut Findings<'_>,
    ) -> Result<(), ArchiveError> {
        while let Some(row) = report.next(&mut rows)? {
            report.readable(|| what.to_owned(), row.entry());
        }
        Ok(())
    }

    fn estimated_records(self) -> Result<u64, ArchiveError> {
        Cf::ALL.iter().try_fold(0, |sum, cf| {
            let found = self.db.property_int_value_cf(schema::handle(self.db, *cf), ESTIMATE_NUM_KEYS);
            Ok(sum + found.map_err(|e| self.store(e))?.unwrap_or_default())
        })
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
        report: &mut Findings<'_>,
    ) -> Result<Option<Result<V, RecordError>>, ArchiveError> {
        let of_it_or_before = |row: &Result<Row<K, V>, ArchiveError>| {
            // A key that cannot be decoded has no place in the order.
            row.as_ref().map_or(true, |row| row.key().map_or(true, |key| (self.message)(&key) <= message))
        };
        while self.rows.peek().is_some_and(of_it_or_before) {
            let Some(row) = report.next(&mut self.rows)? else { break };
            match row.key() {
                Ok(key) if (self.message)(&key) == message => return Ok(Some(row.value(&key))),
                key => self.orphan(key, report),
            }
        }
        Ok(None)
    }

    /// Tells of those behind the last message, which belong to none.
    fn rest(&mut self, report: &mut Findings<'_>) -> Result<(), ArchiveError> {
        while let Some(row) = report.next(&mut self.rows)? {
            self.orphan(row.key(), report);
        }
        Ok(())
    }

    fn orphan(&self, key: Result<K, RecordError>, report: &mut Findings<'_>) {
        let what = self.what;
        report.differs(|| match key {
            Ok(key) => format!("{what} of message {}, which is not archived", (self.message)(&key)),
            Err(error) => format!("{what} of no message ({})", error.why()),
        });
    }
}
