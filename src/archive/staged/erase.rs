//! What a write erases, and what it keeps out because it was erased.

use std::collections::BTreeMap;

use crate::model::{
    ChangeKind, ErasureScope, ErasureSelection, FileId, FileOrigin, FileState, IdRange, Message, MessageKey, Peer, PeerId,
    PeerKind, Timestamp,
};

use super::super::ArchiveError;
use super::super::chain::{Leaf, Proof};
use super::super::codec::StoredKey as _;
use super::super::erasure::{ErasedCounts, Erasure, ErasureStage, Tombstone};
use super::super::family::{
    ACCESS_HASH, ATTACHED, COUNTERS, EARLIER_FORM, ERASED, ERASURE, FILE, FORM, KeyRange, LOG, ORIGIN, OWN, PEER, QUEUE, SIZE,
    TOPIC,
};
use super::super::key::{AttachedKey, ErasureNumber, OriginKey, OwnKey, Username};
use super::super::record::LogEntry;
use super::super::view::{Order, ToldIn};
use super::Staged;
use super::files::queued_at;

/// A step of an erasure.
pub(in crate::archive) struct ErasureStep {
    /// As it is after the step, but for what the step itself erases.
    pub(in crate::archive) erasure: Erasure,
    /// The messages that it erases.
    pub(in crate::archive) messages: Vec<MessageKey>,
    /// Where the change log tells of them.
    pub(in crate::archive) told: ToldIn,
    /// Whether it is the last one, with which goes what is no message.
    pub(in crate::archive) is_last: bool,
}

/// Keeping out.
impl Staged<'_> {
    /// Whether a message is kept out because it, or all that it is of, was erased. Notes that it is known.
    pub(in crate::archive) fn kept_out(&mut self, message: &Message) -> Result<bool, ArchiveError> {
        if !self.archive.gate.is_active() {
            return Ok(false);
        }
        let key = message.key;
        let is_erased = self.is_erased(key)?;
        let by = self.archive.gate.keeps_out(message).filter(|_| !is_erased);
        // What is archived and is to be erased goes with the erasure itself.
        let by = by.filter(|_| !matches!(self.messages.get(&key), Some(Some(_))));
        let by = if by.is_some() && self.view().bytes(&FORM, &key)?.is_some() { None } else { by };
        if !is_erased && by.is_none() {
            return Ok(false);
        }
        let id = IdRange::new(key.id.0, key.id.0);
        let state = self.crawl_state(key.chat)?;
        state.raise_top(key.id);
        let coverage = self.coverage(key.chat)?;
        if let Some(id) = id {
            coverage.read.insert(id);
        }
        if let Some(erasure) = by {
            coverage.erased = coverage.erased.saturating_add(1);
            let at = self.now;
            self.bury(key, Tombstone { erasure, at, versions: 0, leaf: None });
        }
        if let Some(id) = id {
            self.crawl_state(key.chat)?.unreadable.remove(id);
        }
        self.archived.unchanged += 1;
        Ok(true)
    }

    /// Whether a message was erased, also by this write.
    pub(super) fn is_erased(&self, key: MessageKey) -> Result<bool, ArchiveError> {
        Ok(self.erased.contains(&key) || self.view().is_erased(key)?)
    }

    /// Whether a file is not to be kept that was seen somewhere.
    pub(super) fn is_kept_out_at(&self, origin: FileOrigin) -> Result<bool, ArchiveError> {
        if !self.archive.gate.is_active() {
            return Ok(false);
        }
        match origin {
            FileOrigin::Message(key) => self.is_erased(key),
            FileOrigin::Avatar(peer) => Ok(self.archive.gate.is_of_person(peer)),
        }
    }

    /// What is kept of a peer: of a person who was erased nothing but that there is one, where their chat is archived.
    pub(super) fn kept_of(&self, peer: Peer) -> Result<Option<Peer>, ArchiveError> {
        if !self.archive.gate.is_active() || !self.archive.gate.is_of_person(peer.id) {
            return Ok(Some(peer));
        }
        Ok(if self.is_nothing_kept_of(peer.id)? { None } else { Some(nameless(peer.id, peer.kind)) })
    }

    /// Whether not even is kept of a person that there is one, nor how to address them: they were erased, and no chat with them is archived.
    pub(super) fn is_nothing_kept_of(&self, peer: PeerId) -> Result<bool, ArchiveError> {
        let gate = &self.archive.gate;
        Ok(gate.is_active() && gate.is_of_person(peer) && self.view().chats(peer)?.is_empty())
    }

    fn bury(&mut self, key: MessageKey, tombstone: Tombstone) {
        self.put(&ERASED, &key, &tombstone);
        self.erased.insert(key);
    }
}

/// A peer of which nothing is told.
fn nameless(id: PeerId, kind: PeerKind) -> Peer {
    Peer::new(id, kind, String::new())
}

/// Erasing.
impl Staged<'_> {
    /// Takes a step of an erasure.
    pub(in crate::archive) fn erase(&mut self, step: ErasureStep) -> Result<(), ArchiveError> {
        let ErasureStep { mut erasure, messages, mut told, is_last } = step;
        if !messages.is_empty() {
            self.view().read_on(&mut told)?;
        }
        for key in messages {
            self.erase_message(&mut erasure, key, &told)?;
        }
        if is_last {
            self.erase_rest(&mut erasure)?;
        }
        self.put(&ERASURE, &erasure.number, &erasure);
        self.archived.erased = self.erased.len();
        Ok(())
    }

    fn erase_message(&mut self, erasure: &mut Erasure, key: MessageKey, told: &ToldIn) -> Result<(), ArchiveError> {
        if self.erased.contains(&key) || self.view().bytes(&FORM, &key)?.is_none() {
            return Ok(());
        }
        let newest = self.view().readable(&FORM, &key)?;
        let mut raws: BTreeMap<u32, Vec<u8>> = BTreeMap::new();
        let db = &self.archive.db;
        let mut versions: u32 = 1;
        for row in self.view().lenient(&EARLIER_FORM, KeyRange::under(key.encode()), Order::OldestFirst) {
            let row = row?;
            let Ok(earlier) = row.key() else { continue };
            versions = versions.saturating_add(1);
            raws.extend(row.value(&earlier).ok().map(|form| (earlier.version, form.raw.to_bytes())));
            EARLIER_FORM.delete(db, &mut self.batch, &earlier);
        }
        for row in self.view().lenient(&COUNTERS, KeyRange::under(key.encode()), Order::OldestFirst) {
            if let Ok(sample) = row?.key() {
                COUNTERS.delete(db, &mut self.batch, &sample);
            }
        }
        FORM.delete(db, &mut self.batch, &key);
        TOPIC.delete(db, &mut self.batch, &key);
        if let Some(account) = key.chat.account() {
            OWN.delete(db, &mut self.batch, &OwnKey { account, id: key.id });
        }
        let is_deleted = newest.as_ref().is_some_and(|form| form.record.deleted_at.is_some());
        let version = newest.as_ref().map(|form| form.record.version);
        raws.extend(newest.map(|form| (form.record.version, form.raw.to_bytes())));
        let leaf = self.take_out_of_chain(key, version, &raws, told)?;
        self.files_go(erasure, FileOrigin::Message(key))?;
        let coverage = self.coverage(key.chat)?;
        coverage.messages = coverage.messages.saturating_sub(1);
        coverage.deleted = coverage.deleted.saturating_sub(u64::from(is_deleted));
        coverage.erased = coverage.erased.saturating_add(1);
        if let Some(id) = IdRange::new(key.id.0, key.id.0) {
            coverage.read.insert(id);
            self.crawl_state(key.chat)?.recheck.remove(id);
            self.release(key.chat, id)?;
        }
        self.messages.insert(key, None);
        let at = self.now;
        self.bury(key, Tombstone { erasure: erasure.number, at, versions, leaf });
        self.change(ChangeKind::MessageErased { key });
        erasure.counts.messages = erasure.counts.messages.saturating_add(1);
        erasure.counts.versions = erasure.counts.versions.saturating_add(u64::from(versions));
        Ok(())
    }

    /// Puts digests in the place of what was erased in each entry of the change log that tells of a message, so that the hash chain can still be
    /// checked, and gives up the secrets by which the digests could be tried. Returns that of a form.
    fn take_out_of_chain(
        &mut self,
        key: MessageKey,
        newest: Option<u32>,
        raws: &BTreeMap<u32, Vec<u8>>,
        told: &ToldIn,
    ) -> Result<Option<Leaf>, ArchiveError> {
        let mut leaf_of_newest = None;
        for last in told.entries(key) {
            if !self.entries.contains_key(&last) {
                // What was archived before format 3 has no links, and stays as it is.
                let entry = self.view().readable(&LOG, &last)?.filter(|entry| entry.seal.is_some());
                let Some(entry) = entry else { continue };
                self.entries.insert(last, entry);
            }
            let Some(LogEntry { kinds, seal: Some(seal), .. }) = self.entries.get_mut(&last) else { continue };
            let mut forms = Vec::new();
            for kind in kinds.iter() {
                let of = self.archive.view().with_owner(*kind)?.form();
                forms.extend(kind.form().zip(of).map(|((sealed, _), (of, version))| (sealed, of, version)));
            }
            seal.proofs.give_up_secret(forms.iter().map(|(sealed, ..)| *sealed), |proofs| {
                for (proof, (sealed, _, version)) in proofs.iter_mut().zip(&forms).filter(|(_, (_, of, _))| *of == key) {
                    let Proof::Salt(salt) = *proof else { continue };
                    let leaf = raws.get(version).map(|raw| salt.leaf(sealed, *version, raw));
                    if newest == Some(*version) {
                        leaf_of_newest = leaf;
                    }
                    *proof = leaf.map_or(Proof::Unknown, Proof::Leaf);
                }
            });
        }
        Ok(leaf_of_newest)
    }

    /// Forgets what was seen at a place, and the files that were seen nowhere else.
    fn files_go(&mut self, erasure: &mut Erasure, origin: FileOrigin) -> Result<(), ArchiveError> {
        for (file, _) in self.view().attached(origin)? {
            let key = OriginKey { file, origin };
            ORIGIN.delete(&self.archive.db, &mut self.batch, &key);
            ATTACHED.delete(&self.archive.db, &mut self.batch, &AttachedKey { origin, file });
            self.files.gone.insert(key);
            if self.is_seen_nowhere(file)? {
                self.file_goes(erasure, file)?;
            }
        }
        Ok(())
    }

    fn is_seen_nowhere(&self, file: FileId) -> Result<bool, ArchiveError> {
        for origin in self.view().file_origins(file) {
            if !self.files.gone.contains(&OriginKey { file, origin: origin?.origin }) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn file_goes(&mut self, erasure: &mut Erasure, id: FileId) -> Result<(), ArchiveError> {
        let file = self.file(id)?;
        self.files.forget(file.as_ref(), self.view().bytes(&FILE, &id)?.is_some());
        let db = &self.archive.db;
        if let Some(file) = file {
            if let Some(queued) = queued_at(&file) {
                QUEUE.delete(db, &mut self.batch, &queued);
            }
            if let FileState::Stored(bytes) = file.state {
                erasure.counts.files = erasure.counts.files.saturating_add(1);
                erasure.counts.bytes = erasure.counts.bytes.saturating_add(bytes.size);
            }
        }
        FILE.delete(db, &mut self.batch, &id);
        self.files.files.insert(id, None);
        Ok(())
    }

    /// What is no message: of a whole peer its sizes and profile photos, and of a person also what they are called.
    fn erase_rest(&mut self, erasure: &mut Erasure) -> Result<(), ArchiveError> {
        let peer = match erasure.selection.scope {
            ErasureScope::Peer(peer) | ErasureScope::Sender(peer) if erasure.selection.before.is_none() => peer,
            _ => return Ok(()),
        };
        self.files_go(erasure, FileOrigin::Avatar(peer))?;
        if erasure.selection.person().is_none() {
            return self.erase_rest_of_chats(peer);
        }
        self.sizes_go(peer)?;
        let Some(known) = self.view().peer(peer)? else { return Ok(()) };
        for name in known.all_usernames().map(Username::new) {
            if self.view().readable(&super::USERNAME, &name)? == Some(peer) {
                self.usernames.insert(name, None);
            }
        }
        self.archive.recent_peers.forget(peer);
        if self.view().chats(peer)?.is_empty() {
            PEER.delete(&self.archive.db, &mut self.batch, &peer);
            self.addresses_go(peer)?;
        } else {
            self.put(&PEER, &peer, &nameless(peer, known.kind));
        }
        self.change(ChangeKind::PeerChanged { peer });
        self.moves_crawled = true;
        Ok(())
    }

    fn erase_rest_of_chats(&mut self, peer: PeerId) -> Result<(), ArchiveError> {
        self.sizes_go(peer)?;
        for (chat, state) in self.view().chats(peer)? {
            // What was never read of it is not asked for any more: it would be kept out.
            if let Some(all) = IdRange::new(1, state.top) {
                self.coverage(chat)?.read.insert(all);
            }
        }
        Ok(())
    }

    fn addresses_go(&mut self, peer: PeerId) -> Result<(), ArchiveError> {
        for row in self.view().lenient(&ACCESS_HASH, KeyRange::all(), Order::OldestFirst) {
            if let Ok(key) = row?.key()
                && key.peer == peer
            {
                ACCESS_HASH.delete(&self.archive.db, &mut self.batch, &key);
            }
        }
        Ok(())
    }

    fn sizes_go(&mut self, peer: PeerId) -> Result<(), ArchiveError> {
        for row in self.view().lenient(&SIZE, KeyRange::under(peer.encode()), Order::OldestFirst) {
            if let Ok(sample) = row?.key() {
                SIZE.delete(&self.archive.db, &mut self.batch, &sample);
            }
        }
        Ok(())
    }

    /// Orders an erasure.
    pub(in crate::archive) fn order_erasure(
        &mut self,
        id: String,
        selection: ErasureSelection,
        ordered_at: Timestamp,
    ) -> Result<Erasure, ArchiveError> {
        let stored = self.view().erasures()?.last().map_or(0, |erasure| erasure.number.0);
        let last = self.last_ordered.unwrap_or(ErasureNumber(stored)).0;
        let erasure = Erasure {
            number: ErasureNumber(last.saturating_add(1)),
            id,
            selection,
            ordered_at,
            stage: ErasureStage::Messages,
            cursor: None,
            counts: ErasedCounts::default(),
            ended_at: None,
        };
        self.put(&ERASURE, &erasure.number, &erasure);
        self.last_ordered = Some(erasure.number);
        Ok(erasure)
    }
}
