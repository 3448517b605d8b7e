//! The read API, over the database as it is or over a snapshot: messages, versions, raw bytes, peers, coverage and crawl states.
//!
//! A [`View`] of the archive sees each write from its commit on; one of a [`Snapshot`](super::Snapshot) sees what was true when that was taken, so that
//! facts which were read one after the other are consistent; where that is limited to some peers, it sees only what is of these. The files in `view/` read addresses, files, memberships, series and topics; `changes` and
//! `marks` have the rest of its methods.

mod addresses;
mod dead_letters;
mod erasures;
mod files;
mod members;
mod series;
mod topics;
mod watches;

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::Path;

use rocksdb::{DB, IteratorMode, ReadOptions};

use crate::model::{ChatId, IdRange, Message, MessageId, MessageKey, Peer, PeerId, Timestamp};

use super::codec::{RecordError, StoredKey, StoredValue, Whose};
use super::coverage::Coverage;
use super::crawl_state::CrawlState;
use super::family::{COVERAGE, CRAWL_STATE, EARLIER_RAW, ERASED, Family, KeyRange, MESSAGE, PEER, RAW, Row, USERNAME, VERSION};
use super::key::{Username, VersionKey, under_chat};
use super::opened::Opened;
use super::record::{MessageRecord, Raw};
use super::schema::{self, Cf};
use super::{Archive, ArchiveError, Damage};

pub use erasures::{SelectedMessages, ToldIn};

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
    pub(super) db: &'a DB,
    path: &'a Path,
    snapshot: Option<&'a rocksdb::Snapshot<'a>>,
    /// Where damaged records are noted; none for who looks at an archive before it is opened, or verifies it.
    damage: Option<&'a Damage>,
    /// Whether what is read is read once, and not to be kept in memory.
    once: bool,
    /// The peers that may be seen; none where all may.
    only: Option<&'a BTreeSet<PeerId>>,
}

impl Archive {
    /// What is true now, also of writes that are committed later and that the disk may not have: for who decides what to write. Who shows
    /// or publishes reads [`Archive::flushed`].
    #[must_use]
    pub fn view(&self) -> View<'_> {
        View { damage: Some(&self.damage), ..View::over(&self.db, &self.path) }
    }
}

/// Reading entries of any family.
impl<'a> View<'a> {
    /// The same for who reads everything once, to look for damage: nothing of it is kept in memory.
    pub(super) fn once(self) -> Self {
        Self { once: true, ..self }
    }

    pub(super) fn over(db: &'a DB, path: &'a Path) -> Self {
        Self { db, path, snapshot: None, damage: None, once: false, only: None }
    }

    pub(super) fn at(opened: &'a Opened, snapshot: &'a rocksdb::Snapshot<'a>) -> Self {
        let (db, path, damage) = (&opened.db, &opened.path, Some(&*opened.damage));
        Self { db, path, snapshot: Some(snapshot), damage, once: false, only: None }
    }

    /// The same where only these peers may be seen.
    pub(super) fn limited_to(self, only: Option<&'a BTreeSet<PeerId>>) -> Self {
        Self { only, ..self }
    }

    /// The same without that limit, for what shows to everybody, and for who looks at the values too.
    pub(super) fn unlimited(self) -> Self {
        Self { only: None, ..self }
    }

    /// Whether a peer may be seen.
    pub(super) fn shows(self, peer: PeerId) -> bool {
        self.only.is_none_or(|only| only.contains(&peer))
    }

    /// Whether what is under a key may be read.
    fn may_get(self, key: &impl StoredKey) -> bool {
        self.only.is_none() || matches!(key.whose(), Whose::Named) || self.may_list(key)
    }

    /// Whether what is under a key may be listed.
    fn may_list(self, key: &impl StoredKey) -> bool {
        self.only.is_none() || matches!(key.whose(), Whose::Peer(peer) if self.shows(peer))
    }

    pub(super) fn get<K: StoredKey, V: StoredValue<K>>(self, family: &Family<K, V>, key: &K) -> Result<Option<V>, ArchiveError> {
        if !self.may_get(key) {
            return Ok(None);
        }
        let (cf, bytes) = (schema::handle(self.db, family.cf()), key.encode());
        let found = match self.snapshot {
            Some(snapshot) => snapshot.get_pinned_cf(cf, bytes),
            None => self.db.get_pinned_cf(cf, bytes),
        };
        let Some(bytes) = found.map_err(|e| self.store(e))? else { return Ok(None) };
        let decoded = family.decode(key, &bytes);
        let noted = decoded.inspect_err(|error| self.note_damage(family.cf(), key.encode().as_ref(), error));
        Ok(Some(noted?))
    }

    /// Whether there is anything under a key, also where it is damaged.
    pub(super) fn has<K: StoredKey, V: StoredValue<K>>(self, family: &Family<K, V>, key: &K) -> Result<bool, ArchiveError> {
        if !self.may_get(key) {
            return Ok(false);
        }
        let (cf, bytes) = (schema::handle(self.db, family.cf()), key.encode());
        let found = match self.snapshot {
            Some(snapshot) => snapshot.get_pinned_cf(cf, bytes),
            None => self.db.get_pinned_cf(cf, bytes),
        };
        Ok(found.map_err(|e| self.store(e))?.is_some())
    }

    /// The bytes under a key, as they are.
    pub(super) fn bytes<K: StoredKey, V: StoredValue<K>>(
        self,
        family: &Family<K, V>,
        key: &K,
    ) -> Result<Option<Vec<u8>>, ArchiveError> {
        if !self.may_get(key) {
            return Ok(None);
        }
        let (cf, bytes) = (schema::handle(self.db, family.cf()), key.encode());
        let found = match self.snapshot {
            Some(snapshot) => snapshot.get_cf(cf, bytes),
            None => self.db.get_cf(cf, bytes),
        };
        found.map_err(|e| self.store(e))
    }

    /// The value under a key; one that is damaged is passed over.
    pub(super) fn readable<K: StoredKey, V: StoredValue<K>>(
        self,
        family: &Family<K, V>,
        key: &K,
    ) -> Result<Option<V>, ArchiveError> {
        match self.get(family, key) {
            Err(ArchiveError::Record(_)) => Ok(None),
            read => read,
        }
    }

    pub(super) fn note_damage(self, cf: Cf, key: &[u8], error: &RecordError) {
        if let Some(damage) = self.damage {
            let message = matches!(cf, Cf::Message).then(|| MessageKey::decode(key).ok()).flatten();
            damage.note(cf.name(), key, message, error);
        }
    }

    /// The values of several keys, in the order of the keys; one that is damaged is passed over.
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
            let Some(bytes) = bytes.map_err(|e| self.store(e))?.filter(|_| self.may_get(key)) else { return Ok(None) };
            let decoded = family.decode(key, &bytes);
            Ok(decoded.inspect_err(|error| self.note_damage(family.cf(), key.encode().as_ref(), error)).ok())
        });
        decoded.collect()
    }

    /// The entries of a range of keys, in an order, lazily; those that are damaged are passed over.
    pub(super) fn scan<K: StoredKey, V: StoredValue<K>>(
        self,
        family: &Family<K, V>,
        keys: KeyRange,
        order: Order,
    ) -> impl Iterator<Item = Result<(K, V), ArchiveError>> + use<'a, K, V> {
        let cf = family.cf();
        self.lenient(family, keys, order).filter_map(move |row| match row {
            Ok(row) => row.entry().inspect_err(|error| self.note_damage(cf, row.key_bytes(), error)).ok().map(Ok),
            Err(error) => Some(Err(error)),
        })
    }

    /// The same, of which each is decoded when it is asked for.
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
        options.fill_cache(!self.once);
        let mode = match order {
            Order::OldestFirst => IteratorMode::Start,
            Order::NewestFirst => IteratorMode::End,
        };
        let cf = schema::handle(self.db, family.cf());
        let entries = match self.snapshot {
            Some(snapshot) => snapshot.iterator_cf_opt(cf, options, mode),
            None => self.db.iterator_cf_opt(cf, options, mode),
        };
        let rows = entries.map(move |entry| entry.map(|(key, value)| Row::new(key, value)).map_err(|e| self.store(e)));
        let is_shown = move |row: &Row<K, V>| self.only.is_none() || row.key().is_ok_and(|key| self.may_list(&key));
        rows.filter(move |row| row.as_ref().map_or(true, is_shown))
    }

    /// The keys of a family whose keys begin with a peer, from one of that peer on, as far as they may be seen: the others are not even passed over, because
    /// there can be very many of them.
    fn shown_from<K: StoredKey>(self, from: &K, peer: PeerId) -> impl Iterator<Item = KeyRange> + use<'a, K> {
        let from = KeyRange::from(from);
        let first = from.first.clone();
        let all = self.only.is_none().then_some(from);
        let shown = self.only.into_iter().flat_map(move |only| only.range(peer..));
        all.into_iter().chain(shown.map(move |peer| KeyRange::under(peer.encode()).not_before(&first)))
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

    /// The newest forms of several messages, in the order of the keys; none for one that is damaged.
    ///
    /// # Errors
    /// See [`View::message`].
    pub fn messages_by_key(self, keys: &[MessageKey]) -> Result<Vec<Option<StoredMessage>>, ArchiveError> {
        let records = keys.iter().zip(self.get_many(&MESSAGE, keys)?);
        Ok(records.map(|(key, record)| record.map(|record| StoredMessage::of(*key, record))).collect())
    }

    /// The earlier forms of a message with numbers from one up to, but not including, another one, lazily: there may be very many.
    pub fn versions(
        self,
        key: MessageKey,
        numbers: Range<u32>,
        order: Order,
    ) -> impl Iterator<Item = Result<StoredMessage, ArchiveError>> + use<'a> {
        let at = |version: u32| VersionKey { message: key, version };
        let range = KeyRange { first: at(numbers.start).encode().to_vec(), end: Some(at(numbers.end).encode().to_vec()) };
        // Bounds that are the wrong way round are an error to RocksDB.
        let entries = (numbers.start < numbers.end).then(|| self.scan(&VERSION, range, order)).into_iter().flatten();
        entries.map(|entry| entry.map(|(VersionKey { message, .. }, record)| StoredMessage::of(message, record)))
    }

    /// An earlier form of a message, by its number.
    ///
    /// # Errors
    /// See [`View::message`].
    pub fn version(self, key: MessageKey, number: u32) -> Result<Option<StoredMessage>, ArchiveError> {
        let record = self.readable(&VERSION, &VersionKey { message: key, version: number })?;
        Ok(record.map(|record| StoredMessage::of(key, record)))
    }

    /// The same, and nothing where it is damaged, which is not told of: for readers that do without.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn version_if_whole(self, key: MessageKey, number: u32) -> Result<Option<StoredMessage>, ArchiveError> {
        let range = KeyRange::under(VersionKey { message: key, version: number }.encode());
        let row = self.lenient(&VERSION, range, Order::OldestFirst).next().transpose()?;
        Ok(row.and_then(|row| row.entry().ok()).map(|(_, record)| StoredMessage::of(key, record)))
    }

    /// The number after that of the last earlier form of a message.
    pub(super) fn versions_stored(self, key: MessageKey) -> Result<u32, ArchiveError> {
        let last = self.lenient(&VERSION, KeyRange::under(key.encode()), Order::NewestFirst).next().transpose()?;
        Ok(last.and_then(|row| row.key().ok()).map_or(0, |last| last.version.saturating_add(1)))
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

    /// The messages of a chat in a range of ids, also those marked deleted, lazily.
    pub fn messages(
        self,
        chat: ChatId,
        range: IdRange,
        order: Order,
    ) -> impl Iterator<Item = Result<StoredMessage, ArchiveError>> + use<'a> {
        let at = |id| MessageKey { chat, id: MessageId(id) };
        let entries = self.scan(&MESSAGE, KeyRange::between(&at(range.first), &at(range.last)), order);
        entries.map(|entry| entry.map(|(key, record)| StoredMessage::of(key, record)))
    }

    /// The ids in a range that hold a message which is not marked deleted, ascending.
    ///
    /// # Errors
    /// See [`View::message`].
    pub fn live_ids(self, chat: impl Into<ChatId>, range: IdRange) -> Result<Vec<MessageId>, ArchiveError> {
        let live = |stored: Result<StoredMessage, ArchiveError>| match stored {
            Ok(s) if s.deleted_at.is_some() => None,
            Ok(s) => Some(Ok(s.message.key.id)),
            Err(e) => Some(Err(e)),
        };
        self.messages(chat.into(), range, Order::OldestFirst).filter_map(live).collect()
    }

    /// A peer. Also where only some may be seen: who sent their messages is a part of these, and [`Snapshot::shows`](super::Snapshot::shows) says
    /// whether this is one of them.
    ///
    /// # Errors
    /// See [`View::message`].
    pub fn peer(self, id: PeerId) -> Result<Option<Peer>, ArchiveError> {
        self.unlimited().readable(&PEER, &id)
    }

    /// The peer that has a username (without `@`, in any case). As [`View::peer`], it is also found where it may not be seen.
    ///
    /// # Errors
    /// See [`View::message`].
    pub fn peer_by_username(self, username: &str) -> Result<Option<Peer>, ArchiveError> {
        match self.readable(&USERNAME, &Username::new(username))? {
            Some(id) => self.peer(id),
            None => Ok(None),
        }
    }

    /// Every peer seen (crawled ones, senders, sources of forwards), by ascending id, from an id on, lazily.
    pub fn peers(self, from: PeerId) -> impl Iterator<Item = Result<Peer, ArchiveError>> + use<'a> {
        let entries = self.shown_from(&from, from).flat_map(move |keys| self.scan(&PEER, keys, Order::OldestFirst));
        entries.map(|entry| entry.map(|(_, peer)| peer))
    }

    /// Every chat that is crawled, with how far its crawl has got, in order, from one on, lazily.
    pub fn crawl_states(self, from: ChatId) -> impl Iterator<Item = Result<(ChatId, CrawlState), ArchiveError>> + use<'a> {
        self.shown_from(&from, from.peer()).flat_map(move |keys| self.crawl_states_in(keys))
    }

    fn crawl_states_in(self, keys: KeyRange) -> impl Iterator<Item = Result<(ChatId, CrawlState), ArchiveError>> + use<'a> {
        self.lenient(&CRAWL_STATE, keys, Order::OldestFirst).filter_map(move |row| match row {
            Ok(row) => {
                let chat = row.key().inspect_err(|error| self.note_damage(Cf::Cursor, row.key_bytes(), error)).ok()?;
                match row.value(&chat) {
                    Ok(state) => Some(Ok((chat, state))),
                    Err(error) => {
                        self.note_damage(Cf::Cursor, row.key_bytes(), &error);
                        Some(self.crawl_state_of_messages(chat).map(|state| (chat, state)))
                    }
                }
            }
            Err(error) => Some(Err(error)),
        })
    }

    /// The chats with a peer that are crawled, with how far each has got: one, or, where ids are an account's own, one for each account.
    ///
    /// # Errors
    /// See [`View::message`].
    pub fn chats(self, peer: PeerId) -> Result<Vec<(ChatId, CrawlState)>, ArchiveError> {
        let keys = self.shows(peer).then(|| KeyRange::under(peer.encode()));
        keys.into_iter().flat_map(|keys| self.crawl_states_in(keys)).collect()
    }

    /// How far the crawl of a chat has got; `None` for one that is not crawled.
    ///
    /// # Errors
    /// See [`View::message`].
    pub fn crawl_state(self, chat: impl Into<ChatId>) -> Result<Option<CrawlState>, ArchiveError> {
        let chat = chat.into();
        match self.get(&CRAWL_STATE, &chat) {
            Err(ArchiveError::Record(_)) => self.crawl_state_of_messages(chat).map(Some),
            read => read,
        }
    }

    /// What a damaged crawl state is taken for: the chat is crawled, and nothing is known of it but what is archived.
    fn crawl_state_of_messages(self, chat: ChatId) -> Result<CrawlState, ArchiveError> {
        let top = self.coverage(chat)?.read.last().unwrap_or_default();
        Ok(CrawlState { top, ..CrawlState::default() })
    }

    /// Which ids of a chat were read.
    ///
    /// # Errors
    /// See [`View::message`].
    pub fn coverage(self, chat: impl Into<ChatId>) -> Result<Coverage, ArchiveError> {
        let chat = chat.into();
        match self.get(&COVERAGE, &chat) {
            Err(ArchiveError::Record(_)) => self.coverage_of_messages(chat),
            read => Ok(read?.unwrap_or_default()),
        }
    }

    /// What a damaged coverage is taken for: what is archived was read, so that it is not taken for new, and all else is read again.
    pub(super) fn coverage_of_messages(self, chat: ChatId) -> Result<Coverage, ArchiveError> {
        let mut coverage = Coverage::default();
        for row in self.lenient(&MESSAGE, KeyRange::under(under_chat(chat)), Order::OldestFirst) {
            let row = row?;
            let Ok(key) = row.key() else { continue };
            coverage.messages += 1;
            coverage.deleted += u64::from(row.value(&key).is_ok_and(|record| record.deleted_at.is_some()));
            if let Some(id) = IdRange::new(key.id.0, key.id.0) {
                coverage.read.insert(id);
            }
        }
        for row in self.lenient(&ERASED, KeyRange::under(under_chat(chat)), Order::OldestFirst) {
            let Ok(key) = row?.key() else { continue };
            coverage.erased += 1;
            if let Some(id) = IdRange::new(key.id.0, key.id.0) {
                coverage.read.insert(id);
            }
        }
        Ok(coverage)
    }
}

impl std::fmt::Debug for View<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("View").field("path", &self.path).field("snapshot", &self.snapshot.is_some()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rocksdb::perf::{PerfContext, PerfMetric, PerfStatsLevel, set_perf_stats};

    use super::super::Durability;
    use super::*;
    use crate::model::PeerKind;

    #[test]
    fn who_sees_few_peers_does_not_have_the_others_read() {
        let folder = tempfile::tempdir().unwrap();
        let archive = Archive::open(&folder.path().join("archive"), Durability::Os).unwrap();
        let mut write = archive.write(Timestamp(1));
        for number in 1..=1_000 {
            let peer = PeerId::channel(number);
            write.peer(Peer::new(peer, PeerKind::Channel, "a channel".to_owned()));
            write.crawl_state(peer, |_| {});
        }
        write.commit().unwrap();
        let shown: Vec<PeerId> = [700, 300].map(PeerId::channel).into();
        let snapshot = archive.snapshot().limited_to(Arc::new(shown.iter().copied().collect()));
        let view = snapshot.view();
        set_perf_stats(PerfStatsLevel::EnableCount);
        let mut counted = PerfContext::default();
        let mut read = |what: &mut dyn FnMut() -> Vec<PeerId>| {
            counted.reset();
            (what(), counted.metric(PerfMetric::InternalKeySkippedCount))
        };
        let first = PeerId(i64::MIN);
        let of_chats = |chats: Vec<(ChatId, CrawlState)>| chats.into_iter().map(|(chat, _)| chat.peer()).collect::<Vec<_>>();
        let (found, passed) = read(&mut || view.peers(first).map(|peer| peer.unwrap().id).collect());
        assert_eq!(found, shown);
        assert!(passed < 10, "peers: {passed}");
        let (found, passed) = read(&mut || of_chats(view.crawl_states(first.into()).map(Result::unwrap).collect()));
        assert_eq!(found, shown);
        assert!(passed < 10, "crawl states: {passed}");
        let (found, passed) = read(&mut || shown.iter().flat_map(|peer| of_chats(view.chats(*peer).unwrap())).collect());
        assert_eq!(found, shown);
        assert!(passed < 10, "chats: {passed}");
        set_perf_stats(PerfStatsLevel::Disable);
        assert_eq!(view.peers(PeerId::channel(699)).count(), 1, "from the peer behind the first one that is shown");
        assert!(view.chats(PeerId::channel(5)).unwrap().is_empty());
        assert_eq!(archive.view().crawl_states(first.into()).count(), 1_000);
    }
}
