//! Time series: how a message's counters and a peer's number of members moved.
//!
//! Counters are no versions of a message: they move all the time. A message's record holds the newest; whenever they are seen to
//! have moved, what they were before becomes a sample here, so that a message whose counters never move costs nothing.

use prost::Message as _;
use rocksdb::IteratorMode;

use crate::model::{Counters, MessageKey, PeerId, Reaction, Timestamp};

use super::read::bounds;
use super::record::{MessageRecord, RecordError, decode};
use super::schema::Cf;
use super::{Archive, ArchiveError, key};

const KEY_LEN: usize = 12;

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

pub(super) fn counters_key(message: MessageKey, at: Timestamp) -> Vec<u8> {
    let mut bytes = key::message(message).to_vec();
    bytes.extend_from_slice(&(at.0 ^ i64::MIN).to_be_bytes());
    bytes
}

pub(super) fn size_key(peer: PeerId, at: Timestamp) -> Vec<u8> {
    let mut bytes = key::peer(peer).to_vec();
    bytes.extend_from_slice(&(at.0 ^ i64::MIN).to_be_bytes());
    bytes
}

fn time_of(what: &'static str, key: &[u8], prefix: usize) -> Result<Timestamp, RecordError> {
    let at = key.get(prefix..).and_then(|at| at.try_into().ok()).ok_or_else(|| RecordError::key(what, key))?;
    Ok(Timestamp(i64::from_be_bytes(at) ^ i64::MIN))
}

pub(super) fn encode_counters(c: &Counters) -> Vec<u8> {
    let (emoji, count) = c.reactions.iter().flatten().map(|r| (r.emoji.clone(), r.count)).unzip();
    CountersRecord { views: c.views, forwards: c.forwards, replies: c.replies, emoji, count }.encode_to_vec()
}

fn read_counters(value: &[u8]) -> Result<Counters, RecordError> {
    let r: CountersRecord = decode("counters", value)?;
    let reactions = r.emoji.into_iter().zip(r.count).map(|(emoji, count)| Reaction { emoji, count }).collect();
    Ok(Counters { views: r.views, forwards: r.forwards, replies: r.replies, reactions: Some(reactions) })
}

pub(super) fn read_size(value: &[u8]) -> Result<i32, RecordError> {
    value.try_into().map(i32::from_be_bytes).map_err(|_| RecordError::value("member count", "not 4 bytes"))
}

impl Archive {
    /// How a message's counters moved, oldest first; the last is what they are now. `None` for a message that is not archived.
    ///
    /// # Errors
    /// When the disk refuses, or something stored could not be understood.
    pub fn counters(&self, message: MessageKey) -> Result<Option<Vec<Sample<Counters>>>, ArchiveError> {
        let Some(bytes) = self.get(Cf::Message, key::message(message))? else { return Ok(None) };
        let record: MessageRecord = decode("message", &bytes)?;
        let now = Sample { at: Timestamp(record.counted_at.unwrap_or(record.archived_at)), value: record.counters() };
        let mut after = key::message(message).to_vec();
        after.extend_from_slice(&[u8::MAX; 9]);
        let earlier = self
            .db
            .iterator_cf_opt(self.cf(Cf::Counters), bounds(key::message(message).to_vec(), after), IteratorMode::Start)
            .map(|entry| {
                let (key, value) = entry.map_err(|e| self.store(e))?;
                Ok(Sample { at: time_of("counters", &key, KEY_LEN)?, value: read_counters(&value)? })
            });
        earlier.chain([Ok(now)]).collect::<Result<_, _>>().map(Some)
    }

    /// How many members a peer was seen to have, oldest first; an entry for each change.
    ///
    /// # Errors
    /// See [`Archive::counters`].
    pub fn member_counts(&self, peer: PeerId) -> Result<Vec<Sample<i32>>, ArchiveError> {
        self.sizes(peer, IteratorMode::Start).collect()
    }

    /// The newest number of members that a peer was seen to have.
    ///
    /// # Errors
    /// See [`Archive::counters`].
    pub fn member_count(&self, peer: PeerId) -> Result<Option<Sample<i32>>, ArchiveError> {
        self.sizes(peer, IteratorMode::End).next().transpose()
    }

    fn sizes(&self, peer: PeerId, mode: IteratorMode<'_>) -> impl Iterator<Item = Result<Sample<i32>, ArchiveError>> {
        let mut after = key::peer(peer).to_vec();
        after.extend_from_slice(&[u8::MAX; 9]);
        self.db.iterator_cf_opt(self.cf(Cf::Size), bounds(key::peer(peer).to_vec(), after), mode).map(|entry| {
            let (key, value) = entry.map_err(|e| self.store(e))?;
            Ok(Sample { at: time_of("member count", &key, 8)?, value: read_size(&value)? })
        })
    }
}
