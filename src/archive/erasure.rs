//! Erasures: what an operator has ordered to be erased, how far that has got, and what is left of a message that was.
//!
//! # Invariants
//! - A tombstone holds nothing of what a message said: when it was erased, by which erasure, how many forms there were, and the digest of the newest,
//!   salted with what is gone.
//! - A message is there or has a tombstone, never both; both change in one write.

use prost::Message as _;

use crate::model::{ChatId, ErasureScope, ErasureSelection, MessageId, MessageKey, PeerId, Timestamp};

use super::chain::Leaf;
use super::codec::{RecordError, StoredKey as _, StoredValue, WrittenValue};
use super::key::ErasureNumber;
use super::record::decode;

/// How far an erasure has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErasureStage {
    /// Messages are being erased.
    Messages,
    /// They are; what is left of them in the index, in the store of files and in the database's own files is being removed.
    Traces,
    /// Nothing of them is left.
    Ended,
}

impl ErasureStage {
    /// Every stage; the position is the number under which it is stored, so only append.
    const ALL: [Self; 3] = [Self::Messages, Self::Traces, Self::Ended];
}

/// How much was erased, or would be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct ErasedCounts {
    /// Messages.
    pub messages: u64,
    /// Their forms: the newest ones and the earlier ones.
    pub versions: u64,
    /// Stored files that nothing else refers to.
    pub files: u64,
    /// Bytes of these.
    pub bytes: u64,
}

/// An erasure that was ordered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Erasure {
    /// Its number in this archive.
    pub number: ErasureNumber,
    /// What names it in every copy of the archive: 32 hexadecimal digits; of a rule `rule/` and its name.
    pub id: String,
    /// What is erased.
    pub selection: ErasureSelection,
    /// When it was ordered.
    pub ordered_at: Timestamp,
    /// How far it has got.
    pub stage: ErasureStage,
    /// The last message that was looked at.
    pub cursor: Option<MessageKey>,
    /// What was erased so far.
    pub counts: ErasedCounts,
    /// When nothing was left.
    pub ended_at: Option<Timestamp>,
}

/// What is left of a message that was erased, or that an erasure has kept out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tombstone {
    /// By which erasure.
    pub erasure: ErasureNumber,
    /// When.
    pub at: Timestamp,
    /// How many forms were erased; none where it was kept out.
    pub versions: u32,
    /// The digest of the newest, as it is in the hash chain.
    pub(super) leaf: Option<Leaf>,
}

impl Tombstone {
    /// The digest of the newest form (SHA-256, salted), where there was one.
    #[must_use]
    pub fn digest(&self) -> Option<[u8; 32]> {
        self.leaf
    }
}

#[derive(Clone, PartialEq, prost::Message)]
struct ErasureRecord {
    #[prost(string, tag = "1")]
    id: String,
    /// 1 a peer, 2 messages, 3 a sender, 4 everything, 5 several peers.
    #[prost(uint32, tag = "2")]
    scope: u32,
    #[prost(sint64, tag = "3")]
    peer: i64,
    #[prost(string, tag = "4")]
    account: String,
    #[prost(sint32, repeated, tag = "5")]
    ids: Vec<i32>,
    #[prost(int64, optional, tag = "6")]
    before: Option<i64>,
    #[prost(int64, tag = "7")]
    ordered_at: i64,
    /// Position in [`ErasureStage::ALL`].
    #[prost(uint32, tag = "8")]
    stage: u32,
    /// A key of `message`.
    #[prost(bytes = "vec", tag = "9")]
    cursor: Vec<u8>,
    #[prost(uint64, tag = "10")]
    messages: u64,
    #[prost(uint64, tag = "11")]
    versions: u64,
    #[prost(uint64, tag = "12")]
    files: u64,
    #[prost(uint64, tag = "13")]
    bytes: u64,
    #[prost(int64, optional, tag = "14")]
    ended_at: Option<i64>,
    #[prost(sint64, repeated, tag = "15")]
    peers: Vec<i64>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct TombstoneRecord {
    #[prost(uint32, tag = "1")]
    erasure: u32,
    #[prost(int64, tag = "2")]
    at: i64,
    #[prost(uint32, tag = "3")]
    versions: u32,
    #[prost(bytes = "vec", tag = "4")]
    leaf: Vec<u8>,
}

impl WrittenValue<ErasureNumber> for Erasure {
    fn to_bytes(&self) -> Vec<u8> {
        let (mut peer, mut account, mut ids, mut peers) = (0, String::new(), Vec::new(), Vec::new());
        let scope = match &self.selection.scope {
            ErasureScope::Peer(whole) => {
                peer = whole.0;
                1
            }
            ErasureScope::Messages { chat, ids: some } => {
                (peer, account) = (chat.peer().0, chat.account_name().to_owned());
                ids = some.iter().map(|id| id.0).collect();
                2
            }
            ErasureScope::Sender(sender) => {
                peer = sender.0;
                3
            }
            ErasureScope::Everything => 4,
            ErasureScope::Peers(several) => {
                peers = several.iter().map(|peer| peer.0).collect();
                5
            }
        };
        let ErasedCounts { messages, versions, files, bytes } = self.counts;
        let record = ErasureRecord {
            id: self.id.clone(),
            scope,
            peer,
            account,
            ids,
            before: self.selection.before.map(|at| at.0),
            ordered_at: self.ordered_at.0,
            stage: super::record::number_of(&ErasureStage::ALL, self.stage),
            cursor: self.cursor.map(|key| key.encode().to_vec()).unwrap_or_default(),
            messages,
            versions,
            files,
            bytes,
            ended_at: self.ended_at.map(|at| at.0),
            peers,
        };
        record.encode_to_vec()
    }
}

impl StoredValue<ErasureNumber> for Erasure {
    fn from_bytes(number: &ErasureNumber, bytes: &[u8]) -> Result<Self, RecordError> {
        let r: ErasureRecord = decode("erasure", bytes)?;
        let account = match r.account.as_str() {
            "" => None,
            name => Some(name.parse().map_err(|e| RecordError::value("erasure", e))?),
        };
        let peer = PeerId(r.peer);
        let scope = match r.scope {
            1 => ErasureScope::Peer(peer),
            2 => ErasureScope::Messages { chat: ChatId::new(peer, account), ids: r.ids.into_iter().map(MessageId).collect() },
            3 => ErasureScope::Sender(peer),
            4 => ErasureScope::Everything,
            5 => ErasureScope::Peers(r.peers.into_iter().map(PeerId).collect()),
            other => return Err(RecordError::value("erasure", format!("unknown scope {other}"))),
        };
        let stage = super::record::numbered(&ErasureStage::ALL, r.stage);
        Ok(Self {
            number: *number,
            id: r.id,
            selection: ErasureSelection { scope, before: r.before.map(Timestamp) },
            ordered_at: Timestamp(r.ordered_at),
            stage: stage.ok_or_else(|| RecordError::value("erasure", format!("unknown stage {}", r.stage)))?,
            cursor: if r.cursor.is_empty() { None } else { Some(MessageKey::decode(&r.cursor)?) },
            counts: ErasedCounts { messages: r.messages, versions: r.versions, files: r.files, bytes: r.bytes },
            ended_at: r.ended_at.map(Timestamp),
        })
    }
}

impl WrittenValue<MessageKey> for Tombstone {
    fn to_bytes(&self) -> Vec<u8> {
        let Self { erasure, at, versions, leaf } = *self;
        let leaf = leaf.map(|leaf| leaf.to_vec()).unwrap_or_default();
        TombstoneRecord { erasure: erasure.0, at: at.0, versions, leaf }.encode_to_vec()
    }
}

impl StoredValue<MessageKey> for Tombstone {
    fn from_bytes(_: &MessageKey, bytes: &[u8]) -> Result<Self, RecordError> {
        let r: TombstoneRecord = decode("erased message", bytes)?;
        let leaf = if r.leaf.is_empty() { None } else { Some(r.leaf.try_into()) };
        let leaf = leaf.transpose().map_err(|_| RecordError::value("erased message", "a digest that has not 32 bytes"))?;
        Ok(Self { erasure: ErasureNumber(r.erasure), at: Timestamp(r.at), versions: r.versions, leaf })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn scope() -> impl Strategy<Value = ErasureScope> {
        let chat = ChatId::seen_by("alpha".parse().expect("a name"), PeerId(-42));
        prop_oneof![
            any::<i64>().prop_map(|peer| ErasureScope::Peer(PeerId(peer))),
            any::<i64>().prop_map(|peer| ErasureScope::Sender(PeerId(peer))),
            Just(ErasureScope::Everything),
            prop::collection::vec(any::<i64>().prop_map(PeerId), 1..4).prop_map(ErasureScope::Peers),
            prop::collection::vec(any::<i32>().prop_map(MessageId), 1..4)
                .prop_map(move |ids| ErasureScope::Messages { chat, ids }),
        ]
    }

    proptest! {
        #[test]
        fn an_erasure_reads_back(
            scope in scope(), times in any::<[i64; 3]>(), before in any::<bool>(), counts in any::<[u64; 4]>(),
            stage in prop::sample::select(ErasureStage::ALL.to_vec()), cursor in prop::option::of(any::<i32>()),
        ) {
            let [messages, versions, files, bytes] = counts;
            let erasure = Erasure {
                number: ErasureNumber(7),
                id: "0a1b".to_owned(),
                selection: ErasureSelection { scope, before: before.then_some(Timestamp(times[0])) },
                ordered_at: Timestamp(times[1]),
                stage,
                cursor: cursor.map(|id| MessageKey::new(PeerId(-1_001_500_000_001), MessageId(id))),
                counts: ErasedCounts { messages, versions, files, bytes },
                ended_at: before.then_some(Timestamp(times[2])),
            };
            prop_assert_eq!(Erasure::from_bytes(&erasure.number, &erasure.to_bytes()).expect("own bytes"), erasure);
        }

        #[test]
        fn foreign_bytes_are_refused_not_panicked_on(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            drop(Erasure::from_bytes(&ErasureNumber(1), &bytes));
            drop(Tombstone::from_bytes(&MessageKey::new(PeerId(1), MessageId(1)), &bytes));
        }
    }
}
