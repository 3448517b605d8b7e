//! Checking the archive against itself: each fact that is stored twice must be the same both times.

use std::collections::HashMap;

use crate::model::{ChangeKind, MessageKey, PeerId, Seq};

use super::read::StoredMessage;
use super::schema::Cf;
use super::{Archive, ArchiveError, key};

/// Changes read at once: a few megabytes.
const CHANGES_AT_ONCE: usize = 10_000;
/// Differences that are listed: enough to see what kind they are.
const LISTED_MAX: usize = 100;

/// What a verification found.
#[derive(Clone, Debug, Default)]
pub struct ArchiveReport {
    /// Messages, deleted ones included.
    pub messages: u64,
    /// Changes.
    pub changes: u64,
    /// What differs, in words; at most a hundred.
    pub differences: Vec<String>,
}

impl ArchiveReport {
    fn differs(&mut self, what: impl FnOnce() -> String) {
        if self.differences.len() < LISTED_MAX {
            self.differences.push(what());
        }
    }
}

#[derive(Default)]
struct Told {
    versions: u32,
    deletions: u32,
}

impl Archive {
    /// Compares messages with the change log, with their raw bytes, and with coverage and its counts.
    ///
    /// # Errors
    /// When the disk refuses, or something stored could not be understood.
    pub fn verify(&self) -> Result<ArchiveReport, ArchiveError> {
        let mut report = ArchiveReport::default();
        let mut told = self.read_log(&mut report)?;
        let mut counts: HashMap<PeerId, (u64, u64)> = HashMap::new();
        for entry in self.db.iterator_cf(self.cf(Cf::Message), rocksdb::IteratorMode::Start) {
            let (bytes, value) = entry.map_err(|e| self.store(e))?;
            let at = key::read_message(&bytes)?;
            let stored = StoredMessage::read(at, &value)?;
            report.messages += 1;
            let count = counts.entry(at.peer).or_default();
            count.0 += 1;
            count.1 += u64::from(stored.deleted_at.is_some());
            match told.remove(&at) {
                None => report.differs(|| format!("message {at} is not in the change log")),
                Some(t) if t.versions != stored.version + 1 => {
                    report.differs(|| format!("message {at} has {} versions, the change log {}", stored.version + 1, t.versions));
                }
                Some(t) if t.deletions == 0 && stored.deleted_at.is_some() => {
                    report.differs(|| format!("message {at} is marked deleted, but not in the change log"));
                }
                Some(_) => {}
            }
            if self.get(Cf::Raw, &bytes)?.is_none() {
                report.differs(|| format!("message {at} has no raw bytes"));
            }
            let versions = self.versions(at)?.len();
            if versions != stored.version as usize {
                report.differs(|| format!("message {at} has {} earlier versions, {versions} are stored", stored.version));
            }
        }
        for at in told.keys() {
            report.differs(|| format!("the change log tells of message {at}, which is not archived"));
        }
        for (peer, (messages, deleted)) in counts {
            let coverage = self.coverage(peer)?;
            if (coverage.messages, coverage.deleted) != (messages, deleted) {
                let (m, d) = (coverage.messages, coverage.deleted);
                report
                    .differs(|| format!("peer {peer} has {messages} messages ({deleted} deleted), its coverage says {m} ({d})"));
            }
        }
        Ok(report)
    }

    fn read_log(&self, report: &mut ArchiveReport) -> Result<HashMap<MessageKey, Told>, ArchiveError> {
        let mut told: HashMap<MessageKey, Told> = HashMap::new();
        let mut at = Seq(0);
        loop {
            let changes = self.changes(at, CHANGES_AT_ONCE)?;
            let Some(last) = changes.last().map(|c| c.seq) else { return Ok(told) };
            for change in changes {
                if change.seq != at.next() {
                    report.differs(|| format!("the change log jumps from {at} to {}", change.seq));
                }
                at = change.seq;
                report.changes += 1;
                match change.kind {
                    ChangeKind::MessageNew { key } => {
                        if told.insert(key, Told { versions: 1, deletions: 0 }).is_some() {
                            report.differs(|| format!("message {key} is new twice in the change log"));
                        }
                    }
                    ChangeKind::MessageEdited { key, .. } => told.entry(key).or_default().versions += 1,
                    ChangeKind::MessageDeleted { key } => told.entry(key).or_default().deletions += 1,
                    ChangeKind::PeerChanged { .. } => {}
                }
            }
            at = last;
        }
    }
}
