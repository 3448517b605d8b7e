//! Typed column families: what the keys and values of each are, and how they are encoded, in one place.
//!
//! Nothing else of the archive matches a key function and a value type by hand: a [`Family`] reads and writes only its own.

use std::marker::PhantomData;

use rocksdb::{DB, WriteBatch};

use crate::model::{AccountName, ChatId, FileId, FilePlace, MessageKey, Peer, PeerId, Seq, Timestamp};

use super::addresses::Address;
use super::attachments::{ArchivedFile, ArchivedOrigin, There};
use super::codec::{RecordError, StoredKey, StoredValue, WrittenValue};
use super::coverage::Coverage;
use super::crawl_state::CrawlState;
use super::dead_letters::DeadLetter;
use super::epoch::Epochs;
use super::erasure::{Erasure, Tombstone};
use super::file_totals::FileTotals;
use super::key::{
    AccountKey, AddressKey, ArchiveIdKey, AttachedKey, DeadLetterKey, EpochsKey, ErasureNumber, FileTotalsKey, FormatKey,
    FormerOwnerKey, JobKey, JudgedByKey, MemberKey, NewestChangeKey, NewestKeptKey, OriginKey, OwnKey, PositionKey, ProbeKey,
    QueueKey, RecountedKey, UnknownUsernameKey, UpgradeKey, Username, VersionKey, WalkedKey, WatchKey, WatchesRevisionKey,
};
use super::members::Membership;
use super::newest::NewestKept;
use super::record::{Form, LogEntry, MessageRecord, Raw};
use super::schema::{self, Cf};
use super::series::{CountersSample, MemberCount};
use super::topics::Topic;
use super::updates::AccountUpdates;
use super::watches::ArchivedWatch;

/// A column family, or the keys of one that share a prefix.
#[derive(Debug)]
pub(super) struct Family<K, V> {
    cf: Cf,
    types: PhantomData<fn(K) -> V>,
}

pub(super) const FORMAT_NUMBER: Family<FormatKey, u32> = Family::new(Cf::Meta);
pub(super) const ARCHIVE_ID: Family<ArchiveIdKey, String> = Family::new(Cf::Meta);
pub(super) const EPOCHS: Family<EpochsKey, Epochs> = Family::new(Cf::Meta);
/// The format to which an upgrade is under way; nothing where none is.
pub(super) const UPGRADE: Family<UpgradeKey, u32> = Family::new(Cf::Meta);
/// Nothing, ever.
pub(super) const PROBE: Family<ProbeKey, u32> = Family::new(Cf::Meta);
/// How far each reader has got: its checkpoint.
pub(super) const POSITION: Family<PositionKey, Seq> = Family::new(Cf::Meta);
/// The newest change of each peer.
pub(super) const NEWEST_CHANGE: Family<NewestChangeKey, Seq> = Family::new(Cf::Meta);
/// Of which changes that is noted.
pub(super) const NEWEST_KEPT: Family<NewestKeptKey, NewestKept> = Family::new(Cf::Meta);
/// Events that outputs could not deliver.
pub(super) const DEAD_LETTER: Family<DeadLetterKey, DeadLetter> = Family::new(Cf::Meta);
/// How far each account has followed what happens outside channels.
pub(super) const UPDATES: Family<AccountKey, AccountUpdates> = Family::new(Cf::Meta);
/// When each job was last started.
pub(super) const JOB_START: Family<JobKey, Timestamp> = Family::new(Cf::Meta);
/// Up to which newest message each account's dialogs were walked.
pub(super) const WALKED: Family<WalkedKey, Timestamp> = Family::new(Cf::Meta);
/// Since when a username is known to lead nowhere (a negative cache).
pub(super) const UNKNOWN_USERNAME: Family<UnknownUsernameKey, Timestamp> = Family::new(Cf::Meta);
/// The account that had archived a peer until format 3, where ids are an account's own: the change log did not name it.
pub(super) const FORMER_OWNER: Family<FormerOwnerKey, AccountName> = Family::new(Cf::Meta);
/// By which rules every file was judged that is not stored: their fingerprint.
pub(super) const JUDGED_BY: Family<JudgedByKey, u64> = Family::new(Cf::Meta);
/// Messages whose views have moved since they were indexed, and how many there are.
pub(super) const RECOUNTED: Family<RecountedKey, i32> = Family::new(Cf::Meta);
/// Saved queries that are run against what is new.
pub(super) const WATCH: Family<WatchKey, ArchivedWatch> = Family::new(Cf::Meta);
/// Raised with every watch that is added or removed.
pub(super) const WATCHES_REVISION: Family<WatchesRevisionKey, u64> = Family::new(Cf::Meta);
/// Sums over all files.
pub(super) const FILE_TOTALS: Family<FileTotalsKey, FileTotals> = Family::new(Cf::Meta);
/// The newest forms of messages, whole.
pub(super) const FORM: Family<MessageKey, Form> = Family::new(Cf::Message);
/// What was understood of them, without Telegram's bytes.
pub(super) const MESSAGE: Family<MessageKey, MessageRecord> = Family::new(Cf::Message);
/// Telegram's bytes of them alone.
pub(super) const RAW: Family<MessageKey, Raw> = Family::new(Cf::Message);
/// The earlier forms, and the same parts of them.
pub(super) const EARLIER_FORM: Family<VersionKey, Form> = Family::new(Cf::Version);
pub(super) const VERSION: Family<VersionKey, MessageRecord> = Family::new(Cf::Version);
pub(super) const EARLIER_RAW: Family<VersionKey, Raw> = Family::new(Cf::Version);
/// The change log; an entry's key is the number of its last change.
pub(super) const LOG: Family<Seq, LogEntry> = Family::new(Cf::Change);
pub(super) const PEER: Family<PeerId, Peer> = Family::new(Cf::Peer);
/// Who has a lower-case username.
pub(super) const USERNAME: Family<Username, PeerId> = Family::new(Cf::Username);
pub(super) const COVERAGE: Family<ChatId, Coverage> = Family::new(Cf::Coverage);
pub(super) const CRAWL_STATE: Family<ChatId, CrawlState> = Family::new(Cf::Cursor);
pub(super) const MEMBER: Family<MemberKey, Membership> = Family::new(Cf::Member);
pub(super) const COUNTERS: Family<(MessageKey, Timestamp), CountersSample> = Family::new(Cf::Counters);
pub(super) const SIZE: Family<(PeerId, Timestamp), MemberCount> = Family::new(Cf::Size);
/// Which chat a message outside channels is in, by its account's id: a deletion names no more.
pub(super) const OWN: Family<OwnKey, PeerId> = Family::new(Cf::Own);
/// By what each account can address peers.
pub(super) const ACCESS_HASH: Family<AddressKey, Address> = Family::new(Cf::Hash);
pub(super) const TOPIC: Family<MessageKey, Topic> = Family::new(Cf::Topic);
/// What is known of each file, and what has become of it.
pub(super) const FILE: Family<FileId, ArchivedFile> = Family::new(Cf::File);
/// Where each was seen.
pub(super) const ORIGIN: Family<OriginKey, ArchivedOrigin> = Family::new(Cf::Origin);
/// The same the other way round.
pub(super) const ATTACHED: Family<AttachedKey, FilePlace> = Family::new(Cf::Attached);
/// The files that are wanted, or have failed.
pub(super) const QUEUE: Family<QueueKey, There> = Family::new(Cf::Queue);
/// The erasures that were ordered.
pub(super) const ERASURE: Family<ErasureNumber, Erasure> = Family::new(Cf::Erasure);
/// The messages that were erased, and those that an erasure has kept out.
pub(super) const ERASED: Family<MessageKey, Tombstone> = Family::new(Cf::Erased);

impl<K: StoredKey, V: StoredValue<K>> Family<K, V> {
    const fn new(cf: Cf) -> Self {
        Self { cf, types: PhantomData }
    }

    /// The column family that it is in.
    pub(super) fn cf(&self) -> Cf {
        self.cf
    }

    /// Adds an entry to a batch.
    pub(super) fn put(&self, db: &DB, batch: &mut WriteBatch, key: &K, value: &V)
    where
        V: WrittenValue<K>,
    {
        batch.put_cf(schema::handle(db, self.cf), key.encode(), self.encode(value));
    }

    /// Adds an entry to a batch whose value is as it was found, because it cannot be decoded.
    pub(super) fn put_bytes(&self, db: &DB, batch: &mut WriteBatch, key: &K, value: &[u8]) {
        batch.put_cf(schema::handle(db, self.cf), key.encode(), value);
    }

    /// Adds to a batch that an entry is gone.
    pub(super) fn delete(&self, db: &DB, batch: &mut WriteBatch, key: &K) {
        batch.delete_cf(schema::handle(db, self.cf), key.encode());
    }

    /// A value as bytes.
    pub(super) fn encode(&self, value: &V) -> Vec<u8>
    where
        V: WrittenValue<K>,
    {
        value.to_bytes()
    }

    /// Reads the value under a key.
    pub(super) fn decode(&self, key: &K, value: &[u8]) -> Result<V, RecordError> {
        V::from_bytes(key, value)
    }
}

/// An entry that is decoded when it is asked for: its key can be read where its value is damaged.
pub(super) struct Row<K, V> {
    key: Box<[u8]>,
    value: Box<[u8]>,
    types: PhantomData<fn(K) -> V>,
}

impl<K: StoredKey, V: StoredValue<K>> Row<K, V> {
    /// An entry as it came from the disk.
    pub(super) fn new(key: Box<[u8]>, value: Box<[u8]>) -> Self {
        Self { key, value, types: PhantomData }
    }

    /// Its bytes, key and value.
    pub(super) fn size(&self) -> u64 {
        (self.key.len() + self.value.len()) as u64
    }

    pub(super) fn key_bytes(&self) -> &[u8] {
        &self.key
    }

    pub(super) fn key(&self) -> Result<K, RecordError> {
        K::decode(&self.key)
    }

    /// Its value, under the key that it has.
    pub(super) fn value(&self, key: &K) -> Result<V, RecordError> {
        V::from_bytes(key, &self.value)
    }

    pub(super) fn entry(&self) -> Result<(K, V), RecordError> {
        let key = self.key()?;
        let value = self.value(&key)?;
        Ok((key, value))
    }
}

/// A range of keys.
#[derive(Clone, Debug, Default)]
pub(super) struct KeyRange {
    pub(super) first: Vec<u8>,
    /// The first key behind the range; `None` where it goes to the end.
    pub(super) end: Option<Vec<u8>>,
}

impl KeyRange {
    /// Every key.
    pub(super) fn all() -> Self {
        Self::default()
    }

    /// A key, and all behind it.
    pub(super) fn from<K: StoredKey>(key: &K) -> Self {
        Self { first: key.encode().as_ref().to_vec(), end: None }
    }

    /// From one key to another, both included.
    pub(super) fn between<K: StoredKey>(first: &K, last: &K) -> Self {
        let mut end = last.encode().as_ref().to_vec();
        end.push(0);
        Self { first: first.encode().as_ref().to_vec(), end: Some(end) }
    }

    /// Of these keys, the ones before another one.
    pub(super) fn before<K: StoredKey>(self, key: &K) -> Self {
        let key = key.encode().as_ref().to_vec();
        Self { end: Some(self.end.map_or_else(|| key.clone(), |end| end.min(key.clone()))), ..self }
    }

    /// Of these keys, those that are not before another one.
    pub(super) fn not_before(self, first: &[u8]) -> Self {
        Self { first: self.first.max(first.to_vec()), ..self }
    }

    /// Every key that begins with the bytes of another one.
    pub(super) fn under(prefix: impl AsRef<[u8]>) -> Self {
        let first = prefix.as_ref().to_vec();
        let mut end = first.clone();
        // The first sequence of bytes that is greater than all that begin so.
        while let Some(last) = end.pop() {
            if let Some(next) = last.checked_add(1) {
                end.push(next);
                return Self { first, end: Some(end) };
            }
        }
        Self { first, end: None }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_keys_under_a_prefix_are_those_that_begin_with_it(
            prefix in prop::collection::vec(prop_oneof![Just(u8::MAX), any::<u8>()], 0..4),
            key in prop::collection::vec(prop_oneof![Just(u8::MAX), any::<u8>()], 0..6),
        ) {
            let keys = KeyRange::under(&prefix);
            let within = key >= keys.first && keys.end.is_none_or(|end| key < end);
            prop_assert_eq!(within, key.starts_with(&prefix));
        }
    }
}
