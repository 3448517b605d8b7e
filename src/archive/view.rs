//! The read API, over the database as it is or over a snapshot: messages, versions, raw bytes, peers, coverage and crawl states.
//!
//! A [`View`] of the archive sees each write from its commit on; one of a [`Snapshot`](super::Snapshot) sees what was true when that was taken, so that
//! facts which were read one after the other are consistent. The files in `view/` read memberships, series and topics; `changes` and
//! `marks` have the rest of its methods.

mod members;
mod series;
mod topics;

use std::path::Path;

use rocksdb::{DB, IteratorMode, ReadOptions};

use crate::model::{IdRange, Message, MessageId, MessageKey, Peer, PeerId, Timestamp};

use super::codec::{StoredKey, StoredValue};
use super::coverage::Coverage;
use super::crawl_state::CrawlState;
use super::family::{COVERAGE, CRAWL_STATE, EARLIER_RAW, Family, KeyRange, MESSAGE, PEER, RAW, Row, USERNAME, VERSION};
use super::key::{Username, VersionKey};
use super::record::{MessageRecord, Raw};
use super::schema;
use super::{Archive, ArchiveError};

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
    pub(super) fn of(key: MessageKey, record: MessageRecord) -> Self {
        Self {
            version: record.version,
            archived_at: Timestamp(record.archived_at),
            deleted_at: record.deleted_at.map(Timestamp),
            message: record.into_message(key),
        }
    }
}

/// The archive as it can be read.
#[derive(Clone, Copy)]
pub struct View<'a> {
    db: &'a DB,
    path: &'a Path,
    snapshot: Option<&'a rocksdb::Snapshot<'a>>,
}

impl Archive {
    /// What is true now, also of writes that are committed later and that the disk may not have: for who decides what to write. Who shows
    /// or publishes reads [`Archive::flushed`].
    #[must_use]
    pub fn view(&self) -> View<'_> {
        View::over(&self.db, &self.path)
    }
}

/// Reading entries of any family.
impl<'a> View<'a> {
    pub(super) fn over(db: &'a DB, path: &'a Path) -> Self {
        Self { db, path, snapshot: None }
    }

    pub(super) fn at(db: &'a DB, path: &'a Path, snapshot: &'a rocksdb::Snapshot<'a>) -> Self {
        Self { db, path, snapshot: Some(snapshot) }
    }

    pub(super) fn get<K: StoredKey, V: StoredValue<K>>(self, family: &Family<K, V>, key: &K) -> Result<Option<V>, ArchiveError> {
        let (cf, bytes) = (schema::handle(self.db, family.cf()), key.encode());
        let found = match self.snapshot {
            Some(snapshot) => snapshot.get_pinned_cf(cf, bytes),
            None => self.db.get_pinned_cf(cf, bytes),
        };
        let found = found.map_err(|e| self.store(e))?;
        Ok(found.map(|bytes| family.decode(key, &bytes)).transpose()?)
    }

    /// The values of several keys, in the order of the keys.
    fn get_many<K: StoredKey, V: StoredValue<K>>(
        self,
        family: &Family<K, V>,
        keys: &[K],
    ) -> Result<Vec<Option<V>>, ArchiveError> {
        let cf = schema::handle(self.db, family.cf());
        let wanted = keys.iter().map(|key| (cf, key.encode()));
        let found = match self.snapshot {
            Some(snapshot) => snapshot.multi_get_cf(wanted),
            None => self.db.multi_get_cf(wanted),
        };
        let decoded = keys.iter().zip(found).map(|(key, bytes)| {
            let bytes = bytes.map_err(|e| self.store(e))?;
            Ok(bytes.map(|bytes| family.decode(key, &bytes)).transpose()?)
        });
        decoded.collect()
    }

    /// The entries of a range of keys, in an order, lazily.
    pub(super) fn scan<K: StoredKey, V: StoredValue<K>>(
        self,
        family: &Family<K, V>,
        keys: KeyRange,
        order: Order,
    ) -> impl Iterator<Item = Result<(K, V), ArchiveError>> + use<'a, K, V> {
        self.lenient(family, keys, order).map(|row| Ok(row?.entry()?))
    }

    /// The same, which goes on where one is damaged.
    pub(super) fn lenient<K: StoredKey, V: StoredValue<K>>(
        self,
        family: &Family<K, V>,
        keys: KeyRange,
        order: Order,
    ) -> impl Iterator<Item = Result<Row<K, V>, ArchiveError>> + use<'a, K, V> {
        let mut options = ReadOptions::default();
        options.set_iterate_lower_bound(keys.first);
        if let Some(end) = keys.end {
            options.set_iterate_upper_bound(end);
        }
        let mode = match order {
            Order::OldestFirst => IteratorMode::Start,
            Order::NewestFirst => IteratorMode::End,
        };
        let cf = schema::handle(self.db, family.cf());
        let entries = match self.snapshot {
            Some(snapshot) => snapshot.iterator_cf_opt(cf, options, mode),
            None => self.db.iterator_cf_opt(cf, options, mode),
        };
        entries.map(move |entry| entry.map(|(key, value)| Row::new(key, value)).map_err(|e| self.store(e)))
    }

    pub(super) fn store(self, source: rocksdb::Error) -> ArchiveError {
        ArchiveError::Store { path: self.path.to_owned(), source }
    }
}

impl<'a> View<'a> {
    /// The newest form of a message, also when it is marked deleted.
    ///
    /// # Errors
    /// When the disk refuses, or a stored record cannot be decoded. So do all readers below.
    pub fn message(self, key: MessageKey) -> Result<Option<StoredMessage>, ArchiveError> {
        Ok(self.get(&MESSAGE, &key)?.map(|record| StoredMessage::of(key, record)))
    }

    /// The newest forms of several messages, in the order of the keys.
    ///
    /// # Errors
    /// See [`View::message`].
    pub fn messages_by_key(self, keys: &[MessageKey]) -> Result<Vec<Option<StoredMessage>>, ArchiveError> {
        let records = keys.iter().zip(self.get_many(&MESSAGE, keys)?);
        Ok(records.map(|(key, record)| record.map(|record| StoredMessage::of(*key, record))).collect())
    }

    /// The earlier forms of a message, oldest first.
    ///
    /// # Errors
    /// See [`View::message`].
    pub fn versions(self, key: MessageKey) -> Result<Vec<StoredMessage>, ArchiveError> {
        let entries = self.scan(&VERSION, KeyRange::under(key.encode()), Order::OldestFirst);
        entries.map(|entry| entry.map(|(VersionKey { message, .. }, record)| StoredMessage::of(message, record))).collect()
    }

    /// Telegram's bytes of the newest form of a message.
    ///
    /// # Errors
    /// See [`View::message`].
    pub fn raw(self, key: MessageKey) -> Result<Option<Raw>, ArchiveError> {
        self.get(&RAW, &key)
    }

    /// Telegram's bytes of an earlier form of a message; empty where it was replaced before format 3, which kept none.
    ///
    /// # Errors
    /// See [`View::message`].
    pub fn raw_of_version(self, key: MessageKey, version: u32) -> Result<Option<Raw>, ArchiveError> {
        self.get(&EARLIER_RAW, &VersionKey { message: key, version })
    }

    /// The messages of a peer in a range of ids, also those marked deleted, lazily.
    pub fn messages(
        self,
        peer: PeerId,
        range: IdRange,
        order: Order,
    ) -> impl Iterator<Item = Result<StoredMessage, ArchiveError>> + use<'a> {
        let at = |id| MessageKey { peer, id: MessageId(id) };
        let entries = self.scan(&MESSAGE, KeyRange::between(&at(range.first), &at(range.last)), order);
        entries.map(|entry| entry.map(|(key, record)| StoredMessage::of(key, record)))
    }

    /// The ids in a range that hold a message which is not marked deleted, ascending.
    pub(super) fn live_ids(self, peer: PeerId, range: IdRange) -> Result<Vec<MessageId>, ArchiveError> {
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
    /// See [`View::message`].
    pub fn peer(self, id: PeerId) -> Result<Option<Peer>, ArchiveError> {
        self.get(&PEER, &id)
    }

    /// The peer that has a username (without `@`, in any case).
    ///
    /// # Errors
    /// See [`View::message`].
    pub fn peer_by_username(self, username: &str) -> Result<Option<Peer>, ArchiveError> {
        match self.get(&USERNAME, &Username::new(username))? {
            Some(id) => self.peer(id),
            None => Ok(None),
        }
    }

    /// Every peer seen (crawled ones, senders, sources of forwards), by ascending id, from an id on, lazily.
    pub fn peers(self, from: PeerId) -> impl Iterator<Item = Result<Peer, ArchiveError>> + use<'a> {
        self.scan(&PEER, KeyRange::from(&from), Order::OldestFirst).map(|entry| entry.map(|(_, peer)| peer))
    }

    /// Every peer that is crawled, with how far its crawl has got, by ascending id, from an id on, lazily.
    pub fn crawl_states(self, from: PeerId) -> impl Iterator<Item = Result<(PeerId, CrawlState), ArchiveError>> + use<'a> {
        self.scan(&CRAWL_STATE, KeyRange::from(&from), Order::OldestFirst)
    }

    /// How far the crawl of a peer has got; `None` for a peer that is not crawled.
    ///
    /// # Errors
    /// See [`View::message`].
    pub fn crawl_state(self, peer: PeerId) -> Result<Option<CrawlState>, ArchiveError> {
        self.get(&CRAWL_STATE, &peer)
    }

    /// Which ids of a peer were read.
    ///
    /// # Errors
    /// See [`View::message`].
    pub fn coverage(self, peer: PeerId) -> Result<Coverage, ArchiveError> {
        Ok(self.get(&COVERAGE, &peer)?.unwrap_or_default())
    }
}

impl std::fmt::Debug for View<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("View").field("path", &self.path).field("snapshot", &self.snapshot.is_some()).finish()
    }
}
