//! The entry of the change log that a write makes, and what the log's readers could not deliver.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use crate::model::{PeerId, Seq};

use super::super::ArchiveError;
use super::super::chain::{Linking, Proofs};
use super::super::dead_letters::DeadLetter;
use super::super::family::{DEAD_LETTER, LOG, NEWEST_CHANGE, NEWEST_KEPT};
use super::super::key::{DeadLetterKey, NewestChangeKey, NewestKeptKey};
use super::super::newest::NewestKept;
use super::super::record::{LogEntry, Seal};
use super::Staged;

impl Staged<'_> {
    /// The changes as one entry of the log, with its link of the hash chain.
    pub(super) fn log(&mut self) -> Result<(), ArchiveError> {
        if self.kinds.is_empty() {
            return Ok(());
        }
        let last = Seq(self.next.0.saturating_sub(1));
        let kinds = std::mem::take(&mut self.kinds);
        let mut entry = LogEntry { last, at: self.now, kinds, previous: Vec::new(), seal: None };
        entry.previous = self.follow_peers(&entry)?;
        let mut linking = Linking::new(self.link, last, &entry.sealed());
        self.leaves.iter().for_each(|leaf| linking.add(leaf));
        self.link = linking.link();
        entry.seal = Some(Seal { link: self.link, proofs: Proofs::Secret(self.secret) });
        self.changed_at = self.now;
        self.put(&LOG, &last, &entry);
        Ok(())
    }

    /// Keeps an event that an output could not deliver.
    pub(in crate::archive) fn add_dead_letter(&mut self, letter: &DeadLetter) {
        self.put(&DEAD_LETTER, &letter.key(), letter);
    }

    /// Replaces one that is still kept.
    pub(in crate::archive) fn renew_dead_letter(&mut self, letter: &DeadLetter) -> Result<(), ArchiveError> {
        if self.archive.view().is_dead_letter(letter)? {
            self.add_dead_letter(letter);
        }
        Ok(())
    }

    /// Lets go of one.
    pub(in crate::archive) fn remove_dead_letter(&mut self, key: &DeadLetterKey) {
        DEAD_LETTER.delete(&self.archive.db, &mut self.batch, key);
    }

    /// The newest change before the entry of each of its peers, in the order in which they come; notes those of the entry.
    fn follow_peers(&mut self, entry: &LogEntry) -> Result<Vec<Seq>, ArchiveError> {
        let kept = self.archive.view().readable(&NEWEST_KEPT, &NewestKeptKey)?;
        let kept = NewestKept::with(kept, entry.first(), entry.last);
        let (mut previous, mut newest) = (Vec::new(), BTreeMap::<PeerId, Seq>::new());
        for change in entry.changes() {
            match newest.entry(change.kind.peer()) {
                Entry::Occupied(mut known) => {
                    known.insert(change.seq);
                }
                Entry::Vacant(new) => {
                    let noted = self.archive.view().readable(&NEWEST_CHANGE, &NewestChangeKey(*new.key()))?;
                    // One of before may not be the newest any more: others may have come that were not noted.
                    let known = kept.since..entry.first();
                    previous.push(noted.filter(|noted| known.contains(noted)).unwrap_or_default());
                    new.insert(change.seq);
                }
            }
        }
        for (peer, seq) in newest {
            self.put(&NEWEST_CHANGE, &NewestChangeKey(peer), &seq);
        }
        self.put(&NEWEST_KEPT, &NewestKeptKey, &kept);
        Ok(previous)
    }
}
