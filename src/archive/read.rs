//! Reading: messages, versions, raw bytes, peers, coverage and cursors.

use rocksdb::{Direction, IteratorMode, ReadOptions};

use crate::model::{IdRange, Message, MessageId, MessageKey, Peer, PeerId, Timestamp};

use super::record::{Coverage, CoverageRecord, Cursor, CursorRecord, MessageRecord, PeerRecord, Raw, RecordError, decode};
use super::schema::Cf;
use super::{Archive, ArchiveError, key};

/// Which way to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Ascending ids.
    OldestFirst,
    /// Descending ids.
    NewestFirst,
}

/// A message and what the archive knows about this form of it.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredMessage {
    /// The message.
    pub message: Message,
    /// The number of this form; the first is 0.
    pub version: u32,
    /// When this form was archived.
    pub archived_at: Timestamp,
    /// When the archive learned that the message was deleted.
    pub deleted_at: Option<Timestamp>,
}

impl StoredMessage {
    pub(super) fn read(key: MessageKey, bytes: &[u8]) -> Result<Self, ArchiveError> {
        Ok(Self::decode(key, bytes)?)
    }

    pub(super) fn decode(key: MessageKey, bytes: &[u8]) -> Result<Self, RecordError> {
        let record: MessageRecord = decode("message", bytes)?;
        Ok(Self {
            version: record.version,
            archived_at: Timestamp(record.archived_at),
            deleted_at: record.deleted_at.map(Timestamp),
            message: record.into_message(key),
        })
    }
}

impl Archive {
    /// The newest form of a message, also when it is marked deleted.
    ///
    /// # Errors
    /// When the disk refuses, or something stored could not be understood. So do all readers below.
    pub fn message(&self, key: MessageKey) -> Result<Option<StoredMessage>, ArchiveError> {
        self.get(Cf::Message, key::message(key))?.map(|bytes| StoredMessage::read(key, &bytes)).transpose()
    }

    /// The newest forms of several messages, in the order of the keys.
    ///
    /// # Errors
    /// See [`Archive::message`].
    pub fn messages_by_key(&self, keys: &[MessageKey]) -> Result<Vec<Option<StoredMessage>>, ArchiveError> {
        let cf = self.cf(Cf::Message);
        let found = self.db.multi_get_cf(keys.iter().map(|k| (cf, key::message(*k))));
        keys.iter()
            .zip(found)
            .map(|(k, bytes)| bytes.map_err(|e| self.store(e))?.map(|b| StoredMessage::read(*k, &b)).transpose())
            .collect()
    }

    /// The earlier forms of a message, oldest first.
    ///
    /// # Errors
    /// See [`Archive::message`].
    pub fn versions(&self, key: MessageKey) -> Result<Vec<StoredMessage>, ArchiveError> {
        let options = bounds(key::version(key, 0).to_vec(), key::version(key, u32::MAX).to_vec());
        self.db
            .iterator_cf_opt(self.cf(Cf::Version), options, IteratorMode::Start)
            .map(|entry| StoredMessage::read(key, &entry.map_err(|e| self.store(e))?.1))
            .collect()
    }

    /// Telegram's bytes of the newest form of a message.
    ///
    /// # Errors
    /// See [`Archive::message`].
    pub fn raw(&self, key: MessageKey) -> Result<Option<Raw>, ArchiveError> {
        Ok(self.get(Cf::Raw, key::message(key))?.map(|bytes| decode("raw message", &bytes)).transpose()?)
    }

    /// The messages of a peer in a range of ids, also those marked deleted, lazily.
    pub fn messages(
        &self,
        peer: PeerId,
        range: IdRange,
        order: Order,
    ) -> impl Iterator<Item = Result<StoredMessage, ArchiveError>> {
        let first = key::message(MessageKey { peer, id: MessageId(range.first) }).to_vec();
        // The upper bound is excluded: a byte more than the last key's.
        let mut after = key::message(MessageKey { peer, id: MessageId(range.last) }).to_vec();
        after.push(0);
        let mode = match order {
            Order::OldestFirst => IteratorMode::Start,
            Order::NewestFirst => IteratorMode::End,
        };
        self.db.iterator_cf_opt(self.cf(Cf::Message), bounds(first, after), mode).map(|entry| {
            let (key, value) = entry.map_err(|e| self.store(e))?;
            StoredMessage::read(key::read_message(&key)?, &value)
        })
    }

    /// The ids in a range that hold a message which is not marked deleted, ascending.
    pub(super) fn live_ids(&self, peer: PeerId, range: IdRange) -> Result<Vec<MessageId>, ArchiveError> {
        let live = |stored: Result<StoredMessage, ArchiveError>| match stored {
            Ok(s) if s.deleted_at.is_some() => None,
            Ok(s) => Some(Ok(s.message.key.id)),
            Err(e) => Some(Err(e)),
        };
        self.messages(peer, range, Order::OldestFirst).filter_map(live).collect()
    }

    /// A peer.
    ///
    /// # Errors
    /// See [`Archive::message`].
    pub fn peer(&self, id: PeerId) -> Result<Option<Peer>, ArchiveError> {
        Ok(self.get(Cf::Peer, key::peer(id))?.map(|bytes| PeerRecord::read(id, &bytes)).transpose()?)
    }

    /// The peer that has a username (without `@`, in any case).
    ///
    /// # Errors
    /// See [`Archive::message`].
    pub fn peer_by_username(&self, username: &str) -> Result<Option<Peer>, ArchiveError> {
        match self.username_holder(&username.to_lowercase())? {
            Some(id) => self.peer(id),
            None => Ok(None),
        }
    }

    /// The id under which a lower-case username is kept.
    pub(super) fn username_holder(&self, username: &str) -> Result<Option<PeerId>, ArchiveError> {
        Ok(self.get(Cf::Username, username)?.map(|id| key::read_peer(&id)).transpose()?)
    }

    /// Every peer seen (crawled ones, senders, sources of forwards), by ascending id, from an id on, lazily.
    pub fn peers(&self, from: PeerId) -> impl Iterator<Item = Result<Peer, ArchiveError>> {
        let from = key::peer(from);
        self.db.iterator_cf(self.cf(Cf::Peer), IteratorMode::From(&from, Direction::Forward)).map(|entry| {
            let (key, value) = entry.map_err(|e| self.store(e))?;
            Ok(PeerRecord::read(key::read_peer(&key)?, &value)?)
        })
    }

    /// Every peer that is crawled, with its cursor, by ascending id, lazily.
    pub fn cursors(&self) -> impl Iterator<Item = Result<(PeerId, Cursor), ArchiveError>> {
        self.db.iterator_cf(self.cf(Cf::Cursor), IteratorMode::Start).map(|entry| {
            let (key, value) = entry.map_err(|e| self.store(e))?;
            Ok((key::read_peer(&key)?, CursorRecord::read(&value)?))
        })
    }

    /// How far the crawl of a peer has got; `None` for a peer that is not crawled.
    ///
    /// # Errors
    /// See [`Archive::message`].
    pub fn cursor(&self, peer: PeerId) -> Result<Option<Cursor>, ArchiveError> {
        Ok(self.get(Cf::Cursor, key::peer(peer))?.map(|bytes| CursorRecord::read(&bytes)).transpose()?)
    }

    /// Which ids of a peer were read.
    ///
    /// # Errors
    /// See [`Archive::message`].
    pub fn coverage(&self, peer: PeerId) -> Result<Coverage, ArchiveError> {
        Ok(self.get(Cf::Coverage, key::peer(peer))?.map(|bytes| CoverageRecord::read(&bytes)).transpose()?.unwrap_or_default())
    }

    pub(super) fn get(&self, cf: Cf, key: impl AsRef<[u8]>) -> Result<Option<Vec<u8>>, ArchiveError> {
        self.db.get_cf(self.cf(cf), key).map_err(|e| self.store(e))
    }
}

pub(super) fn bounds(first: Vec<u8>, after: Vec<u8>) -> ReadOptions {
    let mut options = ReadOptions::default();
    options.set_iterate_lower_bound(first);
    options.set_iterate_upper_bound(after);
    options
}
