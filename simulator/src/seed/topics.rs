//! Topics: how the messages of a generated forum are spread over them.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::language::Language;
use super::{WorldSpec, generator, phrases};
use crate::world::{Chat, ChatKind, GENERAL_TOPIC, History, Message, PeerId, Reply, Service};

/// Topics that a forum begins with.
const FIRST_TOPICS: usize = 3;
/// Topics in all.
const TOPICS_MAX: usize = 40;

/// The topics of a forum whose messages are being made.
pub(super) struct Topics {
    rng: ChaCha8Rng,
    ids: Vec<i32>,
    /// Where the last message went, and the album that it was part of.
    last: (i32, Option<i64>),
}

impl Topics {
    pub(super) fn new(spec: &WorldSpec, chat: usize) -> Self {
        Self { rng: generator(spec.seed, 8, chat as u64), ids: vec![GENERAL_TOPIC], last: (GENERAL_TOPIC, None) }
    }

    /// Perhaps creates a topic with the message of this number.
    pub(super) fn create(
        &mut self,
        at: usize,
        id: i32,
        date: i32,
        sender: Option<PeerId>,
        language: Language,
    ) -> Option<Message> {
        let is_due = (1..=FIRST_TOPICS).contains(&at) || (at > FIRST_TOPICS && self.rng.random_bool(0.01));
        if !is_due || self.ids.len() >= TOPICS_MAX {
            return None;
        }
        self.ids.push(id);
        let title = phrases::title(language, ChatKind::Supergroup, &mut self.rng);
        let mut message = Message::new(id, date, sender, "");
        message.extra_mut().service = Some(Service::TopicCreate { title });
        Some(message)
    }

    /// Puts a message into a topic: that of the message it replies to or of the album it is part of, or any.
    pub(super) fn place(&mut self, message: &mut Message, history: &History) {
        if message.service().is_some() {
            return;
        }
        let album = message.extra.as_ref().and_then(|extra| extra.album);
        if let Some(reply) = message.extra.as_mut().and_then(|extra| extra.reply.as_mut()) {
            let topic = history.get(reply.id).map_or(GENERAL_TOPIC, Chat::topic_of);
            reply.topic = Some(topic).filter(|topic| *topic != GENERAL_TOPIC);
            self.last = (topic, album);
            return;
        }
        if album.is_none() || album != self.last.1 {
            let at = self.rng.random_range(0..self.ids.len());
            self.last = (self.ids.get(at).copied().unwrap_or(GENERAL_TOPIC), album);
        }
        let (topic, _) = self.last;
        if topic != GENERAL_TOPIC {
            message.extra_mut().reply = Some(Reply { id: topic, topic: Some(topic), quote: None });
        }
    }
}
