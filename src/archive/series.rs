//! Time series: how a message's counters and a peer's number of members moved.
//!
//! Counters are no versions of a message: they move all the time. A message's record holds the newest; whenever they are seen to
//! have moved, what they were before becomes a sample here, so that a message whose counters never move costs nothing.

use prost::Message as _;

use crate::model::{Counters, MessageKey, PeerId, Reaction, Timestamp};

use super::ArchiveError;
use super::codec::{StoredKey as _, RecordError, StoredValue};
use super::family::{COUNTERS, KeyRange, MESSAGE, SIZE};
use super::record::decode;
use super::view::{Order, View};

/// What was counted, and when it was seen to be so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample<T> {
    /// When.
    pub at: Timestamp,
    /// What.
    pub value: T,
}

#[derive(Clone, PartialEq, prost::Message)]
struct CountersRecord {
    #[prost(int32, optional, tag = "1")]
    views: Option<i32>,
    #[prost(int32, optional, tag = "2")]
    forwards: Option<i32>,
    #[prost(int32, optional, tag = "3")]
    replies: Option<i32>,
    #[prost(string, repeated, tag = "4")]
    emoji: Vec<String>,
    #[prost(int32, repeated, tag = "5")]
    count: Vec<i32>,
}

/// What a message's counters were.
#[derive(Clone, Debug)]
pub(super) struct CountersSample(pub(super) Counters);

/// How many members a peer had.
#[derive(Clone, Copy, Debug)]
pub(super) struct MemberCount(pub(super) i32);

impl StoredValue<(MessageKey, Timestamp)> for CountersSample {
    fn to_bytes(&self) -> Vec<u8> {
        let c = &self.0;
        let (emoji, count) = c.reactions.iter().flatten().map(|r| (r.emoji.clone(), r.count)).unzip();
        CountersRecord { views: c.views, forwards: c.forwards, replies: c.replies, emoji, count }.encode_to_vec()
    }

    fn from_bytes(_: &(MessageKey, Timestamp), bytes: &[u8]) -> Result<Self, RecordError> {
        let r: CountersRecord = decode("counters", bytes)?;
        let reactions = r.emoji.into_iter().zip(r.count).map(|(emoji, count)| Reaction { emoji, count }).collect();
        Ok(Self(Counters { views: r.views, forwards: r.forwards, replies: r.replies, reactions: Some(reactions) }))
    }
}

impl StoredValue<(PeerId, Timestamp)> for MemberCount {
    fn to_bytes(&self) -> Vec<u8> {
        self.0.to_be_bytes().to_vec()
    }

    fn from_bytes(_: &(PeerId, Timestamp), bytes: &[u8]) -> Result<Self, RecordError> {
        bytes.try_into().map(|n| Self(i32::from_be_bytes(n))).map_err(|_| RecordError::value("member count", "not 4 bytes"))
    }
}

impl<'a> View<'a> {
    /// How a message's counters moved, oldest first; the last is what they are now. `None` for a message that is not archived.
    ///
    /// # Errors
    /// When the disk refuses, or something stored could not be understood.
    pub fn counters(self, message: MessageKey) -> Result<Option<Vec<Sample<Counters>>>, ArchiveError> {
        let Some(record) = self.get(&MESSAGE, &message)? else { return Ok(None) };
        let now = Sample { at: Timestamp(record.counted_at.unwrap_or(record.archived_at)), value: record.counters() };
        let earlier = self
            .scan(&COUNTERS, KeyRange::under(message.encode()), Order::OldestFirst)
            .map(|entry| entry.map(|((_, at), CountersSample(value))| Sample { at, value }));
        earlier.chain([Ok(now)]).collect::<Result<_, _>>().map(Some)
    }

    /// How many members a peer was seen to have, oldest first; an entry for each change.
    ///
    /// # Errors
    /// See [`View::counters`].
    pub fn member_counts(self, peer: PeerId) -> Result<Vec<Sample<i32>>, ArchiveError> {
        self.sizes(peer, Order::OldestFirst).collect()
    }

    /// The newest number of members that a peer was seen to have.
    ///
    /// # Errors
    /// See [`View::counters`].
    pub fn member_count(self, peer: PeerId) -> Result<Option<Sample<i32>>, ArchiveError> {
        self.sizes(peer, Order::NewestFirst).next().transpose()
    }

    fn sizes(self, peer: PeerId, order: Order) -> impl Iterator<Item = Result<Sample<i32>, ArchiveError>> + use<'a> {
        let entries = self.scan(&SIZE, KeyRange::under(peer.encode()), order);
        entries.map(|entry| entry.map(|((_, at), MemberCount(value))| Sample { at, value }))
    }
}
