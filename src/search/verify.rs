//! Verification of the invariant between index and archive: every message once, in its newest form, and nothing else.

use std::collections::{BTreeMap, HashSet};

use tantivy::schema::IndexRecordOption;
use tantivy::{DocSet, Searcher, TERMINATED, TantivyError, Term};

use super::columns::account_of;
use super::schema::{ACCOUNT, ID, REVISION, revision};
use super::{Index, SearchError};
use crate::archive::{Order, Snapshot};
use crate::model::{ChatId, IdRange, MessageId, MessageKey, Seq};

/// The batch size, in changes: a few megabytes.
const CHANGES_AT_ONCE: usize = 10_000;
/// How many differences are named; the others are counted.
const NAMED_MAX: usize = 10;

/// What a comparison found.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Verification {
    /// How far the index has read.
    pub position: Seq,
    /// How far the archive has got.
    pub last: Seq,
    /// Messages of the changes between the two: the index will read them, so they are not compared.
    pub pending: u64,
    /// Messages in the archive, also those marked deleted.
    pub messages: u64,
    /// Documents in the index.
    pub documents: u64,
    /// How many messages are not in the index.
    pub missing: u64,
    /// How many are in it more than once.
    pub doubled: u64,
    /// How many are in it in an earlier form.
    pub stale: u64,
    /// How many documents are of no message.
    pub foreign: u64,
    /// The first few differences.
    pub differences: Vec<Difference>,
}

/// One difference between archive and index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Difference {
    /// A message is not in the index.
    Missing(MessageKey),
    /// A message is in it more than once.
    Doubled(MessageKey),
    /// A message is in it in an earlier form.
    Stale(MessageKey),
    /// A document is of no message in the archive.
    Foreign(MessageKey),
}

impl Verification {
    /// Whether index and archive say the same.
    #[must_use]
    pub fn is_equal(&self) -> bool {
        self.position == self.last && self.missing + self.doubled + self.stale + self.foreign == 0
    }

    fn note(&mut self, difference: Difference) {
        *match difference {
            Difference::Missing(_) => &mut self.missing,
            Difference::Doubled(_) => &mut self.doubled,
            Difference::Stale(_) => &mut self.stale,
            Difference::Foreign(_) => &mut self.foreign,
        } += 1;
        if self.differences.len() < NAMED_MAX {
            self.differences.push(difference);
        }
    }
}

impl Index {
    /// Compares the index with the archive, peer by peer; memory grows with the largest peer only. Blocks.
    ///
    /// # Errors
    /// When index or archive cannot be read.
    pub fn verify(&self, archive: &Snapshot) -> Result<Verification, SearchError> {
        self.verify_beside(|| archive.clone())
    }

    /// The same while the index is written: `take` takes the snapshot, after what searches see is held, so that it has all of that.
    ///
    /// # Errors
    /// See [`Index::verify`].
    pub fn verify_beside(&self, take: impl FnOnce() -> Snapshot) -> Result<Verification, SearchError> {
        self.caught(|| self.compare(take))
    }

    fn compare(&self, take: impl FnOnce() -> Snapshot) -> Result<Verification, SearchError> {
        let segments = self.segments();
        let searcher = segments.searcher();
        let archive = &take();
        let mut found = Verification {
            position: self.position(),
            last: archive.last_seq(),
            documents: searcher.num_docs(),
            ..Default::default()
        };
        let pending = pending(archive, found.position)?;
        found.pending = pending.len() as u64;
        let mut of_known_peers = 0;
        for entry in archive.view().crawl_states(ChatId::FIRST) {
            let (chat, _) = entry?;
            let mut indexed = self.documents_of(searcher, chat).map_err(|e| self.failed(&e))?;
            of_known_peers += indexed.values().map(|revisions| revisions.len() as u64).sum::<u64>();
            let all = IdRange { first: i32::MIN, last: i32::MAX };
            for stored in archive.view().messages(chat, all, Order::OldestFirst) {
                let stored = stored?;
                found.messages += 1;
                let key = stored.message.key;
                match indexed.remove(&key.id).as_deref() {
                    _ if pending.contains(&key) => {}
                    None => found.note(Difference::Missing(key)),
                    Some([indexed]) if *indexed == revision(&stored) => {}
                    Some([_]) => found.note(Difference::Stale(key)),
                    Some(_) => found.note(Difference::Doubled(key)),
                }
            }
            indexed.into_keys().for_each(|id| found.note(Difference::Foreign(MessageKey { chat, id })));
        }
        // Those of peers that the archive does not have can be counted, but not named.
        found.foreign += found.documents.saturating_sub(of_known_peers);
        Ok(found)
    }

    /// The documents of a chat: for each message id, the revisions that are in the index.
    fn documents_of(&self, searcher: &Searcher, chat: ChatId) -> Result<BTreeMap<MessageId, Vec<u64>>, TantivyError> {
        let term = Term::from_field_i64(self.fields().peer, chat.peer().0);
        let mut found: BTreeMap<MessageId, Vec<u64>> = BTreeMap::new();
        for reader in searcher.segment_readers() {
            let ids = reader.fast_fields().i64(ID)?.first_or_default_col(0);
            let revisions = reader.fast_fields().u64(REVISION)?.first_or_default_col(0);
            let Some(mut postings) = reader.inverted_index(term.field())?.read_postings(&term, IndexRecordOption::Basic)? else {
                continue;
            };
            let accounts = reader.fast_fields().str(ACCOUNT)?;
            let mut doc = postings.doc();
            while doc != TERMINATED {
                if !reader.is_deleted(doc) && account_of(accounts.as_ref(), doc) == chat.account() {
                    // An id that no message can have becomes one that no message has.
                    let id = MessageId(i32::try_from(ids.get_val(doc)).unwrap_or(i32::MIN));
                    found.entry(id).or_default().push(revisions.get_val(doc));
                }
                doc = postings.advance();
            }
        }
        Ok(found)
    }
}

/// The messages of all changes after a position.
fn pending(archive: &Snapshot, position: Seq) -> Result<HashSet<MessageKey>, SearchError> {
    let mut pending = HashSet::new();
    let mut at = position;
    loop {
        let changes = archive.view().changes(at, CHANGES_AT_ONCE)?;
        let Some(last) = changes.last() else { return Ok(pending) };
        at = last.seq;
        pending.extend(changes.iter().filter_map(|change| change.kind.message()));
    }
}
