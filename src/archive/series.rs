//! Time series: how a message's counters and a peer's number of members moved.
//!
//! Counters are no versions of a message: they move all the time. A message's record holds the newest; whenever they are seen to
//! have moved, what they were before becomes a sample here, so that a message whose counters never move costs nothing.

use prost::Message as _;

use crate::model::{Counters, MessageKey, PeerId, Reaction, Timestamp};

use super::codec::{RecordError, StoredValue, WrittenValue};
use super::record::decode;

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

impl WrittenValue<(MessageKey, Timestamp)> for CountersSample {
    fn to_bytes(&self) -> Vec<u8> {
        let c = &self.0;
        let (emoji, count) = c.reactions.iter().flatten().map(|r| (r.emoji.clone(), r.count)).unzip();
        CountersRecord { views: c.views, forwards: c.forwards, replies: c.replies, emoji, count }.encode_to_vec()
    }
}

impl StoredValue<(MessageKey, Timestamp)> for CountersSample {
    fn from_bytes(_: &(MessageKey, Timestamp), bytes: &[u8]) -> Result<Self, RecordError> {
        let r: CountersRecord = decode("counters", bytes)?;
        let reactions = r.emoji.into_iter().zip(r.count).map(|(emoji, count)| Reaction { emoji, count }).collect();
        Ok(Self(Counters { views: r.views, forwards: r.forwards, replies: r.replies, reactions: Some(reactions) }))
    }
}

impl WrittenValue<(PeerId, Timestamp)> for MemberCount {
    fn to_bytes(&self) -> Vec<u8> {
        self.0.to_be_bytes().to_vec()
    }
}

impl StoredValue<(PeerId, Timestamp)> for MemberCount {
    fn from_bytes(_: &(PeerId, Timestamp), bytes: &[u8]) -> Result<Self, RecordError> {
        bytes.try_into().map(|n| Self(i32::from_be_bytes(n))).map_err(|_| RecordError::value("member count", "not 4 bytes"))
    }
}
