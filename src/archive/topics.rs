//! Topics of forums: what each is called now.
//!
//! Telegram announces a topic, and each new name, by a service message in the forum; they are read from those, so that knowing a
//! forum's topics costs no request of its own.

use prost::Message as _;
use rocksdb::IteratorMode;

use crate::model::{Message, MessageId, MessageKey, PeerId, Timestamp};

use super::read::bounds;
use super::record::{RecordError, decode};
use super::schema::Cf;
use super::{Archive, ArchiveError, key};

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
    pub(super) fn of(message: &Message) -> Option<Self> {
        let service = message.service.as_ref()?;
        let id = match service.action.as_str() {
            "topic_create" => message.key.id,
            "topic_edit" => message.reply.as_ref().and_then(|r| r.topic.or(r.id))?,
            _ => return None,
        };
        Some(Self { id, title: service.title.clone()?, titled_at: message.date })
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        TopicRecord { title: self.title.clone(), titled_at: self.titled_at.0 }.encode_to_vec()
    }

    pub(super) fn read(id: MessageId, value: &[u8]) -> Result<Self, RecordError> {
        let r: TopicRecord = decode("topic", value)?;
        Ok(Self { id, title: r.title, titled_at: Timestamp(r.titled_at) })
    }
}

impl Archive {
    /// A forum's topics, by id.
    ///
    /// # Errors
    /// When the disk refuses, or something stored could not be understood.
    pub fn topics(&self, peer: PeerId) -> Result<Vec<Topic>, ArchiveError> {
        let mut after = key::peer(peer).to_vec();
        after.extend_from_slice(&[u8::MAX; 5]);
        self.db
            .iterator_cf_opt(self.cf(Cf::Topic), bounds(key::peer(peer).to_vec(), after), IteratorMode::Start)
            .map(|entry| {
                let (key, value) = entry.map_err(|e| self.store(e))?;
                Ok(Topic::read(key::read_message(&key)?.id, &value)?)
            })
            .collect()
    }

    pub(super) fn topic(&self, key: MessageKey) -> Result<Option<Topic>, ArchiveError> {
        Ok(self.get(Cf::Topic, key::message(key))?.map(|bytes| Topic::read(key.id, &bytes)).transpose()?)
    }
}
