//! Values: protobuf messages, because what is archived must be readable for decades (docs/decisions/0002-value-encoding.md).
//!
//! Field numbers are for ever: add new ones, never reuse or renumber. A message's peer and id are in its key only.

mod form;
mod log_entry;
mod media;
mod message;
mod origin;
mod service;

use prost::Message as _;

use crate::model::{AccountName, IdRange, MessageKey, Peer, PeerId, PeerKind, PeerMarks, RangeSet, Seq, Timestamp};

use super::codec::{RecordError, StoredKey, StoredValue, WrittenValue};
use super::key::{
    ArchiveIdKey, FormatKey, FormerOwnerKey, JobKey, JudgedByKey, NewestChangeKey, OwnKey, PositionKey, ProbeKey, RecountedKey,
    UnknownUsernameKey, UpgradeKey, Username, VersionKey, WalkedKey,
};

pub use form::Raw;
pub(super) use form::{Form, RawRecord};
pub(super) use log_entry::{LogEntry, Seal};
pub(super) use message::MessageRecord;

/// The stored number of a kind is its position in `ALL`; kinds are only ever appended.
pub(super) fn number_of<K: PartialEq>(all: &[K], kind: K) -> u32 {
    all.iter().position(|k| *k == kind).and_then(|at| u32::try_from(at).ok()).unwrap_or(u32::MAX)
}

pub(super) fn numbered<K: Copy>(all: &[K], number: u32) -> Option<K> {
    all.get(usize::try_from(number).ok()?).copied()
}

#[derive(Clone, PartialEq, prost::Message)]
struct PeerRecord {
    /// Position in [`PeerKind::ALL`].
    #[prost(uint32, tag = "1")]
    kind: u32,
    #[prost(string, tag = "2")]
    title: String,
    #[prost(string, optional, tag = "3")]
    username: Option<String>,
    #[prost(string, repeated, tag = "4")]
    usernames: Vec<String>,
    #[prost(sint64, optional, tag = "5")]
    migrated_to: Option<i64>,
    #[prost(bool, tag = "6")]
    bot: bool,
    #[prost(bool, tag = "7")]
    verified: bool,
    #[prost(bool, tag = "8")]
    scam: bool,
    #[prost(bool, tag = "9")]
    fake: bool,
    #[prost(bool, tag = "10")]
    forum: bool,
    #[prost(bool, tag = "11")]
    restricted: bool,
    #[prost(bool, tag = "12")]
    deleted: bool,
    #[prost(bool, tag = "13")]
    protected: bool,
}

impl PeerRecord {
    fn of(peer: &Peer) -> Self {
        let PeerMarks { bot, verified, scam, fake, forum, restricted, deleted, protected } = peer.marks;
        Self {
            kind: number_of(&PeerKind::ALL, peer.kind),
            title: peer.title.clone(),
            username: peer.username.clone(),
            usernames: peer.usernames.clone(),
            migrated_to: peer.migrated_to.map(|p| p.0),
            bot,
            verified,
            scam,
            fake,
            forum,
            restricted,
            deleted,
            protected,
        }
    }

    fn into_peer(self, id: PeerId) -> Result<Peer, RecordError> {
        let r = self;
        let kind =
            numbered(&PeerKind::ALL, r.kind).ok_or_else(|| RecordError::value("peer", format!("unknown kind {}", r.kind)))?;
        let Self { bot, verified, scam, fake, forum, restricted, deleted, protected, .. } = r;
        Ok(Peer {
            id,
            kind,
            title: r.title,
            username: r.username,
            usernames: r.usernames,
            migrated_to: r.migrated_to.map(PeerId),
            marks: PeerMarks { bot, verified, scam, fake, forum, restricted, deleted, protected },
        })
    }
}

pub(super) fn bounds(set: &RangeSet) -> Vec<i32> {
    set.ranges().iter().flat_map(|r| [r.first, r.last]).collect()
}

pub(super) fn ranges(bounds: &[i32]) -> Result<RangeSet, RecordError> {
    let pair = |pair: &[i32]| match *pair {
        [first, last] => IdRange::new(first, last).ok_or_else(|| RecordError::value("coverage", "a range ends before it starts")),
        _ => Err(RecordError::value("coverage", "a range without an end")),
    };
    bounds.chunks(2).map(pair).collect()
}

impl WrittenValue<PeerId> for Peer {
    fn to_bytes(&self) -> Vec<u8> {
        PeerRecord::of(self).encode_to_vec()
    }
}

impl StoredValue<PeerId> for Peer {
    fn from_bytes(id: &PeerId, bytes: &[u8]) -> Result<Self, RecordError> {
        decode::<PeerRecord>("peer", bytes)?.into_peer(*id)
    }
}

impl StoredValue<MessageKey> for MessageRecord {
    fn from_bytes(_: &MessageKey, bytes: &[u8]) -> Result<Self, RecordError> {
        decode("message", bytes)
    }
}

impl StoredValue<VersionKey> for MessageRecord {
    fn from_bytes(_: &VersionKey, bytes: &[u8]) -> Result<Self, RecordError> {
        decode("earlier version", bytes)
    }
}

impl WrittenValue<Username> for PeerId {
    fn to_bytes(&self) -> Vec<u8> {
        StoredKey::encode(self).to_vec()
    }
}

impl StoredValue<Username> for PeerId {
    fn from_bytes(_: &Username, bytes: &[u8]) -> Result<Self, RecordError> {
        StoredKey::decode(bytes).map_err(|_| RecordError::value("username", format!("{} bytes", bytes.len())))
    }
}

impl WrittenValue<OwnKey> for PeerId {
    fn to_bytes(&self) -> Vec<u8> {
        StoredKey::encode(self).to_vec()
    }
}

impl StoredValue<OwnKey> for PeerId {
    fn from_bytes(_: &OwnKey, bytes: &[u8]) -> Result<Self, RecordError> {
        StoredKey::decode(bytes).map_err(|_| RecordError::value("account's id", format!("{} bytes", bytes.len())))
    }
}

impl WrittenValue<FormerOwnerKey> for AccountName {
    fn to_bytes(&self) -> Vec<u8> {
        self.as_str().as_bytes().to_vec()
    }
}

impl StoredValue<FormerOwnerKey> for AccountName {
    fn from_bytes(_: &FormerOwnerKey, bytes: &[u8]) -> Result<Self, RecordError> {
        let name = std::str::from_utf8(bytes).map_err(|e| RecordError::value("former owner", e))?;
        name.parse().map_err(|e| RecordError::value("former owner", e))
    }
}

impl WrittenValue<PositionKey> for Seq {
    fn to_bytes(&self) -> Vec<u8> {
        StoredKey::encode(self).to_vec()
    }
}

impl StoredValue<PositionKey> for Seq {
    fn from_bytes(_: &PositionKey, bytes: &[u8]) -> Result<Self, RecordError> {
        StoredKey::decode(bytes).map_err(|_| RecordError::value("position", format!("{} bytes", bytes.len())))
    }
}

impl WrittenValue<NewestChangeKey> for Seq {
    fn to_bytes(&self) -> Vec<u8> {
        StoredKey::encode(self).to_vec()
    }
}

impl StoredValue<NewestChangeKey> for Seq {
    fn from_bytes(_: &NewestChangeKey, bytes: &[u8]) -> Result<Self, RecordError> {
        StoredKey::decode(bytes).map_err(|_| RecordError::value("newest change", format!("{} bytes", bytes.len())))
    }
}

impl<K: FormatNumber> WrittenValue<K> for u32 {
    fn to_bytes(&self) -> Vec<u8> {
        self.to_be_bytes().to_vec()
    }
}

impl<K: FormatNumber> StoredValue<K> for u32 {
    fn from_bytes(_: &K, bytes: &[u8]) -> Result<Self, RecordError> {
        bytes.try_into().map(Self::from_be_bytes).map_err(|_| RecordError::value("format number", "not 4 bytes"))
    }
}

impl WrittenValue<JudgedByKey> for u64 {
    fn to_bytes(&self) -> Vec<u8> {
        self.to_be_bytes().to_vec()
    }
}

impl StoredValue<JudgedByKey> for u64 {
    fn from_bytes(_: &JudgedByKey, bytes: &[u8]) -> Result<Self, RecordError> {
        bytes.try_into().map(Self::from_be_bytes).map_err(|_| RecordError::value("number of the rules", "not 8 bytes"))
    }
}

impl WrittenValue<RecountedKey> for i32 {
    fn to_bytes(&self) -> Vec<u8> {
        self.to_be_bytes().to_vec()
    }
}

impl StoredValue<RecountedKey> for i32 {
    fn from_bytes(_: &RecountedKey, bytes: &[u8]) -> Result<Self, RecordError> {
        bytes.try_into().map(Self::from_be_bytes).map_err(|_| RecordError::value("number of views", "not 4 bytes"))
    }
}

impl WrittenValue<ArchiveIdKey> for String {
    fn to_bytes(&self) -> Vec<u8> {
        self.clone().into_bytes()
    }
}

impl StoredValue<ArchiveIdKey> for String {
    fn from_bytes(_: &ArchiveIdKey, bytes: &[u8]) -> Result<Self, RecordError> {
        Self::from_utf8(bytes.to_vec()).map_err(|e| RecordError::value("archive id", e))
    }
}

impl<K: Mark> WrittenValue<K> for Timestamp {
    fn to_bytes(&self) -> Vec<u8> {
        self.0.to_be_bytes().to_vec()
    }
}

impl<K: Mark> StoredValue<K> for Timestamp {
    fn from_bytes(_: &K, bytes: &[u8]) -> Result<Self, RecordError> {
        bytes.try_into().map(|at| Self(i64::from_be_bytes(at))).map_err(|_| RecordError::value("time", "not 8 bytes"))
    }
}

/// A key under which the number of a format is kept.
pub(super) trait FormatNumber {}
impl FormatNumber for FormatKey {}
impl FormatNumber for UpgradeKey {}
impl FormatNumber for ProbeKey {}

/// A key under which the time is kept at which something happened last.
pub(super) trait Mark {}
impl Mark for JobKey {}
impl Mark for WalkedKey {}
impl Mark for UnknownUsernameKey {}

pub(super) fn decode<R: prost::Message + Default>(what: &'static str, bytes: &[u8]) -> Result<R, RecordError> {
    R::decode(bytes).map_err(|e| RecordError::value(what, e))
}
