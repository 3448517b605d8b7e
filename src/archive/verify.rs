//! A consistency check of the archive's invariants: each fact that is stored twice must be the same both times, and all must be readable.
//!
//! What is damaged is listed and skipped, so that one run tells how far the damage goes.

use std::collections::HashMap;
use std::iter::Peekable;

use crate::model::{ChangeKind, MessageKey, PeerId, Seq};

use super::ArchiveError;
use super::codec::{RecordError, StoredKey, StoredValue};
use super::coverage::Coverage;
use super::family::{CHANGE, COVERAGE, CRAWL_STATE, Family, KeyRange, MESSAGE, PEER, RAW, Row, USERNAME, VERSION};
use super::key::Username;
use super::view::{Order, View};

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

/// What the change log tells of a message.
#[derive(Default)]
struct Told {
    versions: u32,
    deleted: bool,
}

/// Messages of a peer, and how many of them are marked deleted.
type Counts = HashMap<PeerId, (u64, u64)>;

impl<'a> View<'a> {
    /// Compares messages with the change log, with their raw bytes and earlier versions, and with coverage and its counts; and
    /// peers with their usernames.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn verify(self) -> Result<ArchiveReport, ArchiveError> {
        let mut report = ArchiveReport::default();
        let told = self.read_log(&mut report)?;
        let counts = self.check_messages(told, &mut report)?;
        self.check_coverage(counts, &mut report)?;
        self.check_peers(&mut report)?;
        Ok(report)
    }

    fn all<K: StoredKey, V: StoredValue<K>>(
        self,
        family: &Family<K, V>,
    ) -> impl Iterator<Item = Result<Row<K, V>, ArchiveError>> + use<'a, K, V> {
        self.lenient(family, KeyRange::all(), Order::OldestFirst)
    }

    fn read_log(self, report: &mut ArchiveReport) -> Result<HashMap<MessageKey, Told>, ArchiveError> {
        let mut told: HashMap<MessageKey, Told> = HashMap::new();
        let mut at = Seq(0);
        for row in self.all(&CHANGE) {
            let row = row?;
            let Some(seq) = report.readable(|| format!("the change log after {at}"), row.key()) else { continue };
            if seq != at.next() {
                report.differs(|| format!("the change log jumps from {at} to {seq}"));
            }
            at = seq;
            report.changes += 1;
            let Some(change) = report.readable(|| format!("change {seq}"), row.value(&seq)) else { continue };
            match change.kind {
                ChangeKind::MessageNew { key } => {
                    if told.insert(key, Told { versions: 1, deleted: false }).is_some() {
                        report.differs(|| format!("message {key} is twice in the change log as new"));
                    }
                }
                ChangeKind::MessageEdited { key, .. } => {
                    let told = told.entry(key).or_default();
                    (told.versions, told.deleted) = (told.versions.saturating_add(1), false);
                }
                ChangeKind::MessageDeleted { key } => told.entry(key).or_default().deleted = true,
                ChangeKind::PeerChanged { .. } | ChangeKind::PeerJoined { .. } | ChangeKind::PeerLeft { .. } => {}
            }
        }
        Ok(told)
    }

    fn check_messages(self, mut told: HashMap<MessageKey, Told>, report: &mut ArchiveReport) -> Result<Counts, ArchiveError> {
        let mut counts = Counts::new();
        let mut covered: Option<(PeerId, Coverage)> = None;
        // Ordered by the same keys, so one pass over each finds what has no counterpart.
        let mut raws = Beside { what: "raw bytes", rows: self.all(&RAW).peekable(), message: |key| *key };
        let mut versions = Beside { what: "earlier version", rows: self.all(&VERSION).peekable(), message: |key| key.message };
        for row in self.all(&MESSAGE) {
            let row = row?;
            let Some(at) = report.readable(|| "a message".to_owned(), row.key()) else { continue };
            report.messages += 1;
            let told = told.remove(&at);
            let raw = raws.of(at, report)?.pop();
            let earlier = versions.of(at, report)?;
            let stored_of = earlier.len();
            match raw {
                None => report.differs(|| format!("message {at} has no raw bytes")),
                Some(raw) => drop(report.readable(|| format!("raw bytes of message {at}"), raw)),
            }
            for version in earlier {
                report.readable(|| format!("an earlier version of message {at}"), version);
            }
            let stored = report.readable(|| format!("message {at}"), row.value(&at));
            let count = counts.entry(at.peer).or_default();
            count.0 += 1;
            let Some(stored) = stored else { continue };
            let deleted = stored.deleted_at.is_some();
            count.1 += u64::from(deleted);
            match told {
                None => report.differs(|| format!("message {at} is not in the change log")),
                Some(t) if t.versions != stored.version.saturating_add(1) => report.differs(|| {
                    format!("message {at} has {} versions, the change log {}", stored.version.saturating_add(1), t.versions)
                }),
                Some(t) if deleted && !t.deleted => {
                    report.differs(|| format!("message {at} is marked deleted, but not in the change log"));
                }
                Some(t) if t.deleted && !deleted => {
                    report.differs(|| format!("message {at} is deleted in the change log, but not marked"));
                }
                Some(_) => {}
            }
            if u32::try_from(stored_of) != Ok(stored.version) {
                report.differs(|| format!("message {at} has {} earlier versions, {stored_of} are stored", stored.version));
            }
            if covered.as_ref().is_none_or(|(peer, _)| *peer != at.peer) {
                // What is damaged there is told by the look at coverage itself.
                let coverage = undamaged(self.get(&COVERAGE, &at.peer))?;
                covered = Some((at.peer, coverage.flatten().unwrap_or_default()));
            }
            if covered.as_ref().is_some_and(|(_, coverage)| !coverage.read.contains(at.id.0)) {
                report.differs(|| format!("message {at} is archived, but its id is not in the coverage"));
            }
        }
        raws.rest(report)?;
        versions.rest(report)?;
        for at in told.keys() {
            report.differs(|| format!("message {at} is in the change log, but not archived"));
        }
        Ok(counts)
    }

    fn check_coverage(self, mut counts: Counts, report: &mut ArchiveReport) -> Result<(), ArchiveError> {
        let compare = |peer: PeerId, (messages, deleted): (u64, u64), c: &Coverage, report: &mut ArchiveReport| {
            if (c.messages, c.deleted) != (messages, deleted) {
                let (m, d) = (c.messages, c.deleted);
                report
                    .differs(|| format!("peer {peer} has {messages} messages ({deleted} deleted), its coverage says {m} ({d})"));
            }
        };
        for row in self.all(&COVERAGE) {
            let row = row?;
            let Some(peer) = report.readable(|| "a coverage".to_owned(), row.key()) else { continue };
            let count = counts.remove(&peer).unwrap_or_default();
            if let Some(coverage) = report.readable(|| format!("coverage of peer {peer}"), row.value(&peer)) {
                compare(peer, count, &coverage, report);
            }
        }
        for (peer, count) in counts {
            compare(peer, count, &Coverage::default(), report);
        }
        for row in self.all(&CRAWL_STATE) {
            let row = row?;
            let Some(peer) = report.readable(|| "a crawl state".to_owned(), row.key()) else { continue };
            report.readable(|| format!("crawl state of peer {peer}"), row.value(&peer));
        }
        Ok(())
    }

    fn check_peers(self, report: &mut ArchiveReport) -> Result<(), ArchiveError> {
        for row in self.all(&PEER) {
            let row = row?;
            let Some(id) = report.readable(|| "a peer".to_owned(), row.key()) else { continue };
            let Some(peer) = report.readable(|| format!("peer {id}"), row.value(&id)) else { continue };
            for username in peer.all_usernames().map(Username::new) {
                // Another peer may have it by now; then this one was not seen since, and there is no difference. Where it leads is
                // looked at below.
                if undamaged(self.get(&USERNAME, &username))?.is_some_and(|holder| holder.is_none()) {
                    report.differs(|| format!("username `{}` of peer {id} leads nowhere", username.as_str()));
                }
            }
        }
        for row in self.all(&USERNAME) {
            let row = row?;
            let Some(username) = report.readable(|| "a username".to_owned(), row.key()) else { continue };
            let name = username.as_str();
            let Some(id) = report.readable(|| format!("username `{name}`"), row.value(&username)) else { continue };
            // A peer that is damaged was told of above.
            match undamaged(self.get(&PEER, &id))? {
                Some(None) => report.differs(|| format!("username `{name}` refers to peer {id}, which is not archived")),
                Some(Some(peer)) if peer.all_usernames().all(|u| Username::new(u) != username) => {
                    report.differs(|| format!("username `{name}` refers to peer {id}, which does not have it"));
                }
                _ => {}
            }
        }
        Ok(())
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
    /// The values of a message; those that are skipped on the way to it belong to none.
    fn of(&mut self, message: MessageKey, report: &mut ArchiveReport) -> Result<Vec<Result<V, RecordError>>, ArchiveError> {
        let mut found = Vec::new();
        while let Some(row) = self.rows.next_if(|row| {
            // A key that cannot be decoded has no place in the order.
            row.as_ref().map_or(true, |row| row.key().map_or(true, |key| (self.message)(&key) <= message))
        }) {
            let row = row?;
            match row.key() {
                Ok(key) if (self.message)(&key) == message => found.push(row.value(&key)),
                key => self.orphan(key, report),
            }
        }
        Ok(found)
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
