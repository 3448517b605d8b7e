//! Topics of forums: what each is called now.
//!
//! Telegram announces a topic, and each new name, by a service message in the forum; they are read from those, so that knowing a
//! forum's topics costs no request of its own.

use crate::model::{Message, MessageId, MessageKey, Timestamp};
use prost::Message as _;

use super::codec::{RecordError, StoredValue, WrittenValue};
use super::record::decode;

/// A forum's topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    /// Its root message.
    pub id: MessageId,
    /// What it is called now.
    pub title: String,
    /// When it was given this title.
    pub titled_at: Timestamp,
}

#[derive(Clone, PartialEq, prost::Message)]
struct TopicRecord {
    #[prost(string, tag = "1")]
    title: String,
    #[prost(int64, tag = "2")]
    titled_at: i64,
}

impl Topic {
    /// The topic that a message announces or renames, if it does.
    #[must_use]
    pub fn of(message: &Message) -> Option<Self> {
        let service = message.service.as_ref()?;
        let id = match service.action.as_str() {
            "topic_create" => message.key.id,
            "topic_edit" => message.reply.as_ref().and_then(|r| r.topic.or(r.id))?,
            _ => return None,
        };
        Some(Self { id, title: service.title.clone()?, titled_at: message.date })
    }
}

impl WrittenValue<MessageKey> for Topic {
    fn to_bytes(&self) -> Vec<u8> {
        TopicRecord { title: self.title.clone(), titled_at: self.titled_at.0 }.encode_to_vec()
    }
}

impl StoredValue<MessageKey> for Topic {
    fn from_bytes(key: &MessageKey, bytes: &[u8]) -> Result<Self, RecordError> {
        let r: TopicRecord = decode("topic", bytes)?;
        Ok(Self { id: key.id, title: r.title, titled_at: Timestamp(r.titled_at) })
    }
}
