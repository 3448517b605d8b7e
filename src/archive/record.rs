//! Values: protobuf messages, because what is archived must be readable for decades (docs/decisions/0002-value-encoding.md).
//!
//! Field numbers are for ever: add new ones, never reuse or renumber. A message's peer and id are in its key only.

mod media;
mod message;
mod origin;
mod service;

use prost::Message as _;

use crate::model::{
    Change, ChangeKind, IdRange, MessageId, MessageKey, Peer, PeerId, PeerKind, PeerMarks, RangeSet, Seq, Timestamp,
};

use super::codec::{RecordError, StoredKey, StoredValue};
use super::key::{ArchiveIdKey, FormatKey, JobKey, PositionKey, UnknownUsernameKey, Username, VersionKey};

pub(super) use message::MessageRecord;

/// Telegram's own bytes of a message, and the schema layer they are to be read with.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Raw {
    /// The TL layer.
    #[prost(int32, tag = "1")]
    pub layer: i32,
    /// The boxed `Message` as TL.
    #[prost(bytes = "vec", tag = "2")]
    pub tl: Vec<u8>,
}

/// The stored number of a kind is its position in `ALL`; kinds are only ever appended.
fn number_of<K: PartialEq>(all: &[K], kind: K) -> u32 {
    all.iter().position(|k| *k == kind).and_then(|at| u32::try_from(at).ok()).unwrap_or(u32::MAX)
}

fn numbered<K: Copy>(all: &[K], number: u32) -> Option<K> {
    all.get(usize::try_from(number).ok()?).copied()
}

#[derive(Clone, PartialEq, prost::Message)]
struct ChangeRecord {
    /// 1 new, 2 edited, 3 deleted, 4 peer changed, 5 peer joined, 6 peer left.
    #[prost(uint32, tag = "1")]
    kind: u32,
    #[prost(sint64, tag = "2")]
    peer: i64,
    #[prost(int32, tag = "3")]
    id: i32,
    #[prost(uint32, tag = "4")]
    version: u32,
    #[prost(int64, tag = "5")]
    at: i64,
}

impl ChangeRecord {
    fn of(kind: ChangeKind, at: Timestamp) -> Self {
        let (number, version) = match kind {
            ChangeKind::MessageNew { .. } => (1, 0),
            ChangeKind::MessageEdited { version, .. } => (2, version),
            ChangeKind::MessageDeleted { .. } => (3, 0),
            ChangeKind::PeerChanged { .. } => (4, 0),
            ChangeKind::PeerJoined { .. } => (5, 0),
            ChangeKind::PeerLeft { .. } => (6, 0),
        };
        let id = kind.message().map_or(0, |key| key.id.0);
        Self { kind: number, peer: kind.peer().0, id, version, at: at.0 }
    }

    fn into_change(self, seq: Seq) -> Result<Change, RecordError> {
        let r = self;
        let key = MessageKey { peer: PeerId(r.peer), id: MessageId(r.id) };
        let kind = match r.kind {
            1 => ChangeKind::MessageNew { key },
            2 => ChangeKind::MessageEdited { key, version: r.version },
            3 => ChangeKind::MessageDeleted { key },
            4 => ChangeKind::PeerChanged { peer: key.peer },
            5 => ChangeKind::PeerJoined { peer: key.peer },
            6 => ChangeKind::PeerLeft { peer: key.peer },
            other => return Err(RecordError::value("change", format!("unknown kind {other} at {seq}"))),
        };
        Ok(Change { seq, at: Timestamp(r.at), kind })
    }
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

impl StoredValue<Seq> for Change {
    fn to_bytes(&self) -> Vec<u8> {
        ChangeRecord::of(self.kind, self.at).encode_to_vec()
    }

    fn from_bytes(seq: &Seq, bytes: &[u8]) -> Result<Self, RecordError> {
        decode::<ChangeRecord>("change", bytes)?.into_change(*seq)
    }
}

impl StoredValue<PeerId> for Peer {
    fn to_bytes(&self) -> Vec<u8> {
        PeerRecord::of(self).encode_to_vec()
    }

    fn from_bytes(id: &PeerId, bytes: &[u8]) -> Result<Self, RecordError> {
        decode::<PeerRecord>("peer", bytes)?.into_peer(*id)
    }
}

impl StoredValue<MessageKey> for MessageRecord {
    fn to_bytes(&self) -> Vec<u8> {
        self.encode_to_vec()
    }

    fn from_bytes(_: &MessageKey, bytes: &[u8]) -> Result<Self, RecordError> {
        decode("message", bytes)
    }
}

impl StoredValue<VersionKey> for MessageRecord {
    fn to_bytes(&self) -> Vec<u8> {
        self.encode_to_vec()
    }

    fn from_bytes(_: &VersionKey, bytes: &[u8]) -> Result<Self, RecordError> {
        decode("message", bytes)
    }
}

impl StoredValue<MessageKey> for Raw {
    fn to_bytes(&self) -> Vec<u8> {
        self.encode_to_vec()
    }

    fn from_bytes(_: &MessageKey, bytes: &[u8]) -> Result<Self, RecordError> {
        decode("raw message", bytes)
    }
}

impl StoredValue<Username> for PeerId {
    fn to_bytes(&self) -> Vec<u8> {
        StoredKey::encode(self).to_vec()
    }

    fn from_bytes(_: &Username, bytes: &[u8]) -> Result<Self, RecordError> {
        StoredKey::decode(bytes)
    }
}

impl StoredValue<PositionKey> for Seq {
    fn to_bytes(&self) -> Vec<u8> {
        StoredKey::encode(self).to_vec()
    }

    fn from_bytes(_: &PositionKey, bytes: &[u8]) -> Result<Self, RecordError> {
        StoredKey::decode(bytes)
    }
}

impl StoredValue<FormatKey> for u32 {
    fn to_bytes(&self) -> Vec<u8> {
        self.to_be_bytes().to_vec()
    }

    fn from_bytes(_: &FormatKey, bytes: &[u8]) -> Result<Self, RecordError> {
        bytes.try_into().map(Self::from_be_bytes).map_err(|_| RecordError::value("format number", "not 4 bytes"))
    }
}

impl StoredValue<ArchiveIdKey> for String {
    fn to_bytes(&self) -> Vec<u8> {
        self.clone().into_bytes()
    }

    fn from_bytes(_: &ArchiveIdKey, bytes: &[u8]) -> Result<Self, RecordError> {
        Self::from_utf8(bytes.to_vec()).map_err(|e| RecordError::value("archive id", e))
    }
}

impl<K: Mark> StoredValue<K> for Timestamp {
    fn to_bytes(&self) -> Vec<u8> {
        self.0.to_be_bytes().to_vec()
    }

    fn from_bytes(_: &K, bytes: &[u8]) -> Result<Self, RecordError> {
        bytes.try_into().map(|at| Self(i64::from_be_bytes(at))).map_err(|_| RecordError::value("time", "not 8 bytes"))
    }
}

/// A key under which the time is kept at which something happened last.
pub(super) trait Mark {}
impl Mark for JobKey {}
impl Mark for UnknownUsernameKey {}

pub(super) fn decode<R: prost::Message + Default>(what: &'static str, bytes: &[u8]) -> Result<R, RecordError> {
    R::decode(bytes).map_err(|e| RecordError::value(what, e))
}
