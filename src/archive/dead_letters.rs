//! Dead letters: events that an output could not deliver and passed over. They are kept until they are delivered after all, or let go of.
//!
//! Only which event it is and why is kept: the event itself can be made again from the archive. They are no changes, and a part of the archive so that
//! one is there from the moment on at which its output's position is behind it (atomic).

use prost::Message as _;

use crate::model::{Seq, Timestamp};

use super::codec::{RecordError, StoredValue, WrittenValue};
use super::key::DeadLetterKey;
use super::record::decode;

/// An event that an output could not deliver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// The output's name.
    pub output: String,
    /// The change that it is of.
    pub seq: Seq,
    /// The event's id.
    pub event: String,
    /// When it was passed over.
    pub at: Timestamp,
    /// Why: what the output said.
    pub why: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct DeadLetterRecord {
    #[prost(int64, tag = "1")]
    at: i64,
    #[prost(string, tag = "2")]
    why: String,
}

impl DeadLetter {
    pub(super) fn key(&self) -> DeadLetterKey {
        DeadLetterKey { output: self.output.clone(), seq: self.seq, event: self.event.clone() }
    }

    /// One of which no more is known than its key says.
    pub(super) fn damaged(DeadLetterKey { output, seq, event }: DeadLetterKey) -> Self {
        Self { output, seq, event, at: Timestamp(0), why: "why cannot be read: the record is damaged".to_owned() }
    }
}

impl WrittenValue<DeadLetterKey> for DeadLetter {
    fn to_bytes(&self) -> Vec<u8> {
        DeadLetterRecord { at: self.at.0, why: self.why.clone() }.encode_to_vec()
    }
}

impl StoredValue<DeadLetterKey> for DeadLetter {
    fn from_bytes(key: &DeadLetterKey, bytes: &[u8]) -> Result<Self, RecordError> {
        let DeadLetterRecord { at, why } = decode("dead letter", bytes)?;
        let DeadLetterKey { output, seq, event } = key.clone();
        Ok(Self { output, seq, event, at: Timestamp(at), why })
    }
}
