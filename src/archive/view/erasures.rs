//! Reading what was erased, and what would be.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{ChatId, ErasureScope, ErasureSelection, FileId, FileOrigin, FileState, MessageId, MessageKey, PeerId, Seq};

use super::super::ArchiveError;
use super::super::codec::StoredKey as _;
use super::super::erasure::{ErasedCounts, Erasure, Tombstone};
use super::super::family::{ERASED, ERASURE, KeyRange, LOG, MESSAGE, VERSION};
use super::super::key::ErasureNumber;
use super::{Order, StoredMessage, View};

/// Messages that are to be erased.
#[derive(Clone, Debug, Default)]
pub struct SelectedMessages {
    /// They.
    pub keys: Vec<MessageKey>,
    /// The last message that was looked at; where to go on.
    pub cursor: Option<MessageKey>,
    /// Whether there are no more.
    pub is_end: bool,
}

/// Which entries of the change log tell of which messages, up to a change.
#[derive(Clone, Debug, Default)]
pub struct ToldIn {
    up_to: Seq,
    entries: BTreeMap<MessageKey, BTreeSet<Seq>>,
}

impl ToldIn {
    /// The same for some of the messages.
    #[must_use]
    pub fn of(&self, keys: &[MessageKey]) -> Self {
        let entries = keys.iter().map(|key| (*key, self.entries.get(key).cloned().unwrap_or_default())).collect();
        Self { up_to: self.up_to, entries }
    }

    /// The entries that tell of a message.
    pub(in crate::archive) fn entries(&self, key: MessageKey) -> impl Iterator<Item = Seq> + use<'_> {
        self.entries.get(&key).into_iter().flatten().copied()
    }
}

impl<'a> View<'a> {
    /// Every erasure that was ordered, oldest first.
    ///
    /// # Errors
    /// When the disk refuses. So do all readers below.
    pub fn erasures(self) -> Result<Vec<Erasure>, ArchiveError> {
        let entries = self.scan(&ERASURE, KeyRange::all(), Order::OldestFirst);
        entries.map(|entry| entry.map(|(_, erasure)| erasure)).collect()
    }

    /// An erasure, by its number.
    ///
    /// # Errors
    /// See [`View::erasures`].
    pub fn erasure(self, number: ErasureNumber) -> Result<Option<Erasure>, ArchiveError> {
        self.readable(&ERASURE, &number)
    }

    /// What is left of a message that was erased; `None` where it was not.
    ///
    /// # Errors
    /// See [`View::erasures`].
    pub fn tombstone(self, key: MessageKey) -> Result<Option<Tombstone>, ArchiveError> {
        self.readable(&ERASED, &key)
    }

    /// Whether a message was erased; also where what is left of it is damaged, so that no damage brings it back.
    ///
    /// # Errors
    /// See [`View::erasures`].
    pub fn is_erased(self, key: MessageKey) -> Result<bool, ArchiveError> {
        self.has(&ERASED, &key)
    }

    /// Whether anything ever was.
    pub(in crate::archive) fn has_erased(self) -> Result<bool, ArchiveError> {
        Ok(self.lenient(&ERASED, KeyRange::all(), Order::OldestFirst).next().transpose()?.is_some())
    }

    /// The next messages that are to be erased, behind one: at most `found_max` of them, and not more than `seen_max` are looked at.
    ///
    /// # Errors
    /// See [`View::erasures`].
    pub fn select(
        self,
        selection: &ErasureSelection,
        after: Option<MessageKey>,
        (seen_max, found_max): (usize, usize),
    ) -> Result<SelectedMessages, ArchiveError> {
        let mut selected = SelectedMessages { cursor: after, ..SelectedMessages::default() };
        let ranges: Vec<KeyRange> = match &selection.scope {
            ErasureScope::Peer(peer) => vec![KeyRange::under(peer.encode())],
            ErasureScope::Peers(peers) => peers.iter().map(|peer| KeyRange::under(peer.encode())).collect(),
            ErasureScope::Messages { chat, ids } => return self.select_named(selection, *chat, ids),
            ErasureScope::Sender(_) | ErasureScope::Everything => vec![KeyRange::all()],
        };
        let next = after.map(|after| [after.encode().as_slice(), &[0]].concat()).unwrap_or_default();
        let left = ranges.into_iter().map(|keys| KeyRange { first: keys.first.max(next.clone()), ..keys });
        // Bounds that are the wrong way round are an error to RocksDB.
        let left = left.filter(|keys| keys.end.as_ref().is_none_or(|end| keys.first < *end));
        let mut rows = left.flat_map(|keys| self.lenient(&MESSAGE, keys, Order::OldestFirst));
        for _ in 0..seen_max {
            let Some(row) = rows.next().transpose()? else {
                selected.is_end = true;
                break;
            };
            let Ok(key) = row.key() else { continue };
            selected.cursor = Some(key);
            let is_meant = match row.value(&key) {
                Ok(record) => selection.selects(&record.into_message(key)),
                // Who sent what is damaged, and when, nobody knows; of a chat that is to go it goes with the rest.
                Err(_) => selection.before.is_none() && is_by_key(selection, key),
            };
            if is_meant {
                selected.keys.push(key);
            }
            if selected.keys.len() >= found_max {
                break;
            }
        }
        Ok(selected)
    }

    /// Those of the messages that were named which are archived.
    fn select_named(
        self,
        selection: &ErasureSelection,
        chat: ChatId,
        ids: &[MessageId],
    ) -> Result<SelectedMessages, ArchiveError> {
        let mut keys = Vec::new();
        for id in ids {
            let key = MessageKey { chat, id: *id };
            let message = self.readable(&MESSAGE, &key)?.map(|record| record.into_message(key));
            let is_there = message.is_some() || self.bytes(&MESSAGE, &key)?.is_some();
            if is_there && message.is_none_or(|message| selection.selects(&message)) {
                keys.push(key);
            }
        }
        Ok(SelectedMessages { keys, cursor: None, is_end: true })
    }

    /// Counts what an erasure would take. `go_on` is asked now and then.
    ///
    /// # Errors
    /// See [`View::erasures`]; also when it is told to stop.
    pub fn weigh_erasure(
        self,
        selection: &ErasureSelection,
        go_on: &mut dyn FnMut() -> bool,
    ) -> Result<ErasedCounts, ArchiveError> {
        let mut counts = ErasedCounts::default();
        let mut files: BTreeSet<FileId> = BTreeSet::new();
        let mut after = None;
        loop {
            if !go_on() {
                return Err(ArchiveError::Stopped);
            }
            let selected = self.select(selection, after, (WEIGHED_AT_ONCE, WEIGHED_AT_ONCE))?;
            for key in &selected.keys {
                counts.messages += 1;
                counts.versions += 1;
                for row in self.lenient(&VERSION, KeyRange::under(key.encode()), Order::OldestFirst) {
                    row?;
                    counts.versions += 1;
                }
                files.extend(self.attached(FileOrigin::Message(*key))?.into_iter().map(|(file, _)| file));
            }
            if selected.is_end {
                break;
            }
            after = selected.cursor;
        }
        if let Some(person) = selection.person() {
            files.extend(self.attached(FileOrigin::Avatar(person))?.into_iter().map(|(file, _)| file));
        }
        for file in files {
            let stored = self.file(file)?.and_then(|file| match file.state {
                FileState::Stored(bytes) => Some(bytes),
                _ => None,
            });
            let Some(stored) = stored else { continue };
            if self.goes_wholly(file, selection)? {
                counts.files += 1;
                counts.bytes = counts.bytes.saturating_add(stored.size);
            }
        }
        Ok(counts)
    }

    /// Whether every place where a file was seen would be erased.
    fn goes_wholly(self, file: FileId, selection: &ErasureSelection) -> Result<bool, ArchiveError> {
        for origin in self.file_origins(file) {
            let goes = match origin?.origin {
                FileOrigin::Message(key) => {
                    let message = self.readable(&MESSAGE, &key)?.map(|record| StoredMessage::of(key, record).message);
                    message.is_none_or(|message| selection.selects(&message))
                }
                FileOrigin::Avatar(peer) => selection.person() == Some(peer) || is_whole(selection, peer),
            };
            if !goes {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Finds the entries of the change log that tell of messages.
    ///
    /// # Errors
    /// See [`View::erasures`].
    pub fn told_in(self, keys: &[MessageKey]) -> Result<ToldIn, ArchiveError> {
        let mut told = ToldIn { up_to: Seq(0), entries: keys.iter().map(|key| (*key, BTreeSet::new())).collect() };
        self.read_on(&mut told)?;
        Ok(told)
    }

    /// Looks at the entries that have come since.
    pub(in crate::archive) fn read_on(self, told: &mut ToldIn) -> Result<(), ArchiveError> {
        for entry in self.once().scan(&LOG, KeyRange::from(&told.up_to.next()), Order::OldestFirst) {
            let (last, entry) = entry?;
            told.up_to = last;
            for kind in entry.kinds.iter().filter(|kind| kind.form().is_some()) {
                let of = self.with_owner(*kind)?.message().and_then(|key| told.entries.get_mut(&key));
                if let Some(entries) = of {
                    entries.insert(last);
                }
            }
        }
        Ok(())
    }
}

/// Messages that are counted between two questions whether to go on.
const WEIGHED_AT_ONCE: usize = 10_000;

/// Whether a message is meant whatever it is.
fn is_by_key(selection: &ErasureSelection, key: MessageKey) -> bool {
    match &selection.scope {
        ErasureScope::Peer(peer) => key.peer() == *peer,
        ErasureScope::Everything => true,
        ErasureScope::Messages { .. } | ErasureScope::Peers(_) | ErasureScope::Sender(_) => false,
    }
}

/// Whether all of a peer is erased.
fn is_whole(selection: &ErasureSelection, peer: PeerId) -> bool {
    selection.before.is_none() && selection.scope == ErasureScope::Peer(peer)
}
