//! A consistency check of the archive's invariants: each fact that is stored twice must be the same both times, and all must be readable.
//!
//! What is damaged is listed and skipped, so that one run tells how far the damage goes.

use std::collections::HashMap;
use std::iter::Peekable;

use crate::model::{Change, ChangeKind, MessageKey, Peer, PeerId, Seq};

use super::ArchiveError;
use super::codec::{RecordError, StoredKey, StoredValue};
use super::coverage::Coverage;
use super::crawl_state::CrawlState;
use super::family::{COVERAGE, KeyRange, PEER, USERNAME};
use super::key::Username;
use super::record::{MessageRecord, Raw};
use super::schema::Cf;
use super::view::{Entry, Order, StoredMessage, View};

/// Differences that are listed: enough to see what kind they are.
const LISTED_MAX: usize = 100;
/// Bytes of a key that name the message; what follows is the version.
const MESSAGE_KEY_LENGTH: usize = 12;

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

impl View<'_> {
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

    fn all(self, cf: Cf) -> impl Iterator<Item = Entry> {
        self.entries(cf, KeyRange::all(), Order::OldestFirst)
    }

    fn read_log(self, report: &mut ArchiveReport) -> Result<HashMap<MessageKey, Told>, ArchiveError> {
        let mut told: HashMap<MessageKey, Told> = HashMap::new();
        let mut at = Seq(0);
        for entry in self.all(Cf::Change) {
            let (bytes, value) = entry?;
            let Some(seq) = report.readable(|| format!("the change log after {at}"), Seq::decode(&bytes)) else { continue };
            if seq != at.next() {
                report.differs(|| format!("the change log jumps from {at} to {seq}"));
            }
            at = seq;
            report.changes += 1;
            let Some(change) = report.readable(|| format!("change {seq}"), Change::from_bytes(&seq, &value)) else { continue };
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
        let mut raws = self.all(Cf::Raw).peekable();
        let mut versions = self.all(Cf::Version).peekable();
        for entry in self.all(Cf::Message) {
            let (bytes, value) = entry?;
            let Some(at) = report.readable(|| "a message".to_owned(), MessageKey::decode(&bytes)) else { continue };
            report.messages += 1;
            let told = told.remove(&at);
            let raw = beside(&mut raws, Some(&bytes), |key| report.differs(|| orphan("raw bytes", key)))?;
            let earlier = beside(&mut versions, Some(&bytes), |key| report.differs(|| orphan("earlier version", key)))?;
            match raw.first() {
                None => report.differs(|| format!("message {at} has no raw bytes")),
                Some(raw) => drop(report.readable(|| format!("raw bytes of message {at}"), Raw::from_bytes(&at, raw))),
            }
            for version in &earlier {
                report.readable(|| format!("an earlier version of message {at}"), stored(at, version));
            }
            let stored = report.readable(|| format!("message {at}"), stored(at, &value));
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
            if u32::try_from(earlier.len()) != Ok(stored.version) {
                let stored_of = earlier.len();
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
        beside(&mut raws, None, |key| report.differs(|| orphan("raw bytes", key)))?;
        beside(&mut versions, None, |key| report.differs(|| orphan("earlier version", key)))?;
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
        for entry in self.all(Cf::Coverage) {
            let (bytes, value) = entry?;
            let Some(peer) = report.readable(|| "a coverage".to_owned(), PeerId::decode(&bytes)) else { continue };
            let count = counts.remove(&peer).unwrap_or_default();
            if let Some(coverage) = report.readable(|| format!("coverage of peer {peer}"), Coverage::from_bytes(&peer, &value)) {
                compare(peer, count, &coverage, report);
            }
        }
        for (peer, count) in counts {
            compare(peer, count, &Coverage::default(), report);
        }
        for entry in self.all(Cf::Cursor) {
            let (bytes, value) = entry?;
            let Some(peer) = report.readable(|| "a cursor".to_owned(), PeerId::decode(&bytes)) else { continue };
            report.readable(|| format!("cursor of peer {peer}"), CrawlState::from_bytes(&peer, &value));
        }
        Ok(())
    }

    fn check_peers(self, report: &mut ArchiveReport) -> Result<(), ArchiveError> {
        for entry in self.all(Cf::Peer) {
            let (bytes, value) = entry?;
            let Some(id) = report.readable(|| "a peer".to_owned(), PeerId::decode(&bytes)) else { continue };
            let Some(peer) = report.readable(|| format!("peer {id}"), Peer::from_bytes(&id, &value)) else {
                continue;
            };
            for username in peer.all_usernames().map(Username::new) {
                // Another peer may have it by now; then this one was not seen since, and there is no difference. Where it leads is
                // looked at below.
                if undamaged(self.get(&USERNAME, &username))?.is_some_and(|holder| holder.is_none()) {
                    report.differs(|| format!("username `{}` of peer {id} leads nowhere", username.as_str()));
                }
            }
        }
        for entry in self.all(Cf::Username) {
            let (name, value) = entry?;
            let name = String::from_utf8_lossy(&name);
            let Some(id) = report.readable(|| format!("username `{name}`"), PeerId::decode(&value)) else { continue };
            // A peer that is damaged was told of above.
            match undamaged(self.get(&PEER, &id))? {
                Some(None) => report.differs(|| format!("username `{name}` refers to peer {id}, which is not archived")),
                Some(Some(peer)) if peer.all_usernames().all(|u| u.to_lowercase() != name) => {
                    report.differs(|| format!("username `{name}` refers to peer {id}, which does not have it"));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

fn stored(at: MessageKey, bytes: &[u8]) -> Result<StoredMessage, RecordError> {
    Ok(StoredMessage::of(at, <MessageRecord as StoredValue<MessageKey>>::from_bytes(&at, bytes)?))
}

/// What was read; `None` where it is damaged.
fn undamaged<T>(read: Result<T, ArchiveError>) -> Result<Option<T>, ArchiveError> {
    match read {
        Ok(value) => Ok(Some(value)),
        Err(ArchiveError::Record(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The values beside a message's key, in a family that is ordered by the same keys; what is skipped has no message.
fn beside(
    entries: &mut Peekable<impl Iterator<Item = Entry>>,
    message: Option<&[u8]>,
    mut skipped: impl FnMut(&[u8]),
) -> Result<Vec<Box<[u8]>>, ArchiveError> {
    let mut found = Vec::new();
    let here = |entry: &Entry| match (entry, message) {
        (Ok((key, _)), Some(message)) => key.get(..MESSAGE_KEY_LENGTH).unwrap_or(key) <= message,
        _ => true,
    };
    while let Some(entry) = entries.next_if(here) {
        let (key, value) = entry?;
        if message.is_some_and(|message| key.get(..MESSAGE_KEY_LENGTH) == Some(message)) {
            found.push(value);
        } else {
            skipped(&key);
        }
    }
    Ok(found)
}

fn orphan(what: &str, key: &[u8]) -> String {
    match MessageKey::decode(key.get(..MESSAGE_KEY_LENGTH).unwrap_or(key)) {
        Ok(at) => format!("{what} of message {at}, which is not archived"),
        Err(error) => format!("{what} of no message ({})", error.why()),
    }
}
