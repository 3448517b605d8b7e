//! Messages.

use crate::model::{Button, ButtonKind, Counters, Message, MessageKey, PeerId, Reaction, Restriction, Timestamp};

use super::media::MediaRecord;
use super::origin::{EntityRecord, ForwardRecord, ReplyRecord};
use super::service::ServiceRecord;
use super::{number_of, numbered};

#[derive(Clone, PartialEq, prost::Message)]
struct ReactionRecord {
    #[prost(string, tag = "1")]
    emoji: String,
    #[prost(int32, tag = "2")]
    count: i32,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ButtonRowRecord {
    #[prost(message, repeated, tag = "1")]
    buttons: Vec<ButtonRecord>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ButtonRecord {
    #[prost(uint32, tag = "1")]
    kind: u32,
    #[prost(string, tag = "2")]
    text: String,
    #[prost(string, optional, tag = "3")]
    url: Option<String>,
    #[prost(bytes = "vec", optional, tag = "4")]
    data: Option<Vec<u8>>,
    #[prost(string, optional, tag = "5")]
    query: Option<String>,
    #[prost(sint64, optional, tag = "6")]
    user: Option<i64>,
    #[prost(string, optional, tag = "7")]
    copy: Option<String>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct RestrictionRecord {
    #[prost(string, tag = "1")]
    platform: String,
    #[prost(string, tag = "2")]
    reason: String,
    #[prost(string, tag = "3")]
    text: String,
}

/// A message, and what the archive knows about this form of it (tags from 32 up).
#[derive(Clone, PartialEq, prost::Message)]
pub(in crate::archive) struct MessageRecord {
    #[prost(int64, tag = "1")]
    date: i64,
    #[prost(sint64, optional, tag = "2")]
    sender: Option<i64>,
    #[prost(string, tag = "3")]
    text: String,
    #[prost(message, repeated, tag = "4")]
    entities: Vec<EntityRecord>,
    #[prost(message, optional, tag = "5")]
    reply: Option<ReplyRecord>,
    #[prost(message, optional, tag = "6")]
    forward: Option<ForwardRecord>,
    #[prost(message, optional, tag = "7")]
    media: Option<MediaRecord>,
    #[prost(int64, optional, tag = "8")]
    album: Option<i64>,
    #[prost(int64, optional, tag = "9")]
    edited: Option<i64>,
    #[prost(int32, optional, tag = "10")]
    views: Option<i32>,
    #[prost(int32, optional, tag = "11")]
    forwards: Option<i32>,
    #[prost(int32, optional, tag = "12")]
    replies: Option<i32>,
    #[prost(message, repeated, tag = "13")]
    reactions: Vec<ReactionRecord>,
    #[prost(sint64, optional, tag = "14")]
    via_bot: Option<i64>,
    #[prost(string, optional, tag = "15")]
    author: Option<String>,
    #[prost(bool, tag = "16")]
    pinned: bool,
    #[prost(message, optional, tag = "17")]
    service: Option<ServiceRecord>,
    #[prost(bool, tag = "18")]
    rich: bool,
    #[prost(message, repeated, tag = "19")]
    buttons: Vec<ButtonRowRecord>,
    #[prost(sint64, optional, tag = "20")]
    comments: Option<i64>,
    #[prost(bool, tag = "21")]
    silent: bool,
    #[prost(bool, tag = "22")]
    protected: bool,
    #[prost(bool, tag = "23")]
    scheduled: bool,
    #[prost(int32, optional, tag = "24")]
    ttl: Option<i32>,
    #[prost(message, repeated, tag = "25")]
    restrictions: Vec<RestrictionRecord>,

    /// The number of this form; the first is 0.
    #[prost(uint32, tag = "32")]
    pub(in crate::archive) version: u32,
    /// When this form was archived.
    #[prost(int64, tag = "33")]
    pub(in crate::archive) archived_at: i64,
    /// The peer's pts when Telegram gave this answer, where Telegram tells: an answer with a smaller one is older.
    #[prost(int32, optional, tag = "34")]
    pub(in crate::archive) as_of: Option<i32>,
    /// Telegram's edit date, also of edits that it hides: an answer with a smaller one is older.
    #[prost(int64, tag = "35")]
    pub(in crate::archive) revision: i64,
    /// When the archive learned that the message was deleted.
    #[prost(int64, optional, tag = "36")]
    pub(in crate::archive) deleted_at: Option<i64>,
    /// When the counters were seen to have become what they are; absent while they are as first archived.
    #[prost(int64, optional, tag = "37")]
    pub(in crate::archive) counted_at: Option<i64>,
}

impl MessageRecord {
    pub(in crate::archive) fn of(m: &Message) -> Self {
        Self {
            date: m.date.0,
            sender: m.sender.map(|p| p.0),
            text: m.text.clone(),
            entities: m.entities.iter().map(EntityRecord::of).collect(),
            reply: m.reply.as_ref().map(ReplyRecord::of),
            forward: m.forward.as_ref().map(ForwardRecord::of),
            media: m.media.as_ref().map(MediaRecord::of),
            album: m.album,
            edited: m.edited.map(|d| d.0),
            views: m.views,
            forwards: m.forwards,
            replies: m.replies,
            reactions: m.reactions.iter().map(|r| ReactionRecord { emoji: r.emoji.clone(), count: r.count }).collect(),
            via_bot: m.via_bot.map(|p| p.0),
            author: m.author.clone(),
            pinned: m.pinned,
            service: m.service.as_ref().map(ServiceRecord::of),
            rich: m.rich,
            buttons: m.buttons.iter().map(|row| ButtonRowRecord::of(row)).collect(),
            comments: m.comments.map(|p| p.0),
            silent: m.silent,
            protected: m.protected,
            scheduled: m.scheduled,
            ttl: m.ttl,
            restrictions: m.restrictions.iter().map(RestrictionRecord::of).collect(),
            version: 0,
            archived_at: 0,
            as_of: None,
            revision: 0,
            deleted_at: None,
            counted_at: None,
        }
    }

    /// What is counted about the message.
    pub(in crate::archive) fn counters(&self) -> Counters {
        let reactions = self.reactions.iter().map(|r| Reaction { emoji: r.emoji.clone(), count: r.count }).collect();
        Counters { views: self.views, forwards: self.forwards, replies: self.replies, reactions: Some(reactions) }
    }

    /// Takes over those counters that are given. Reactions are given whole or, where nothing is known of them, not at all.
    pub(in crate::archive) fn count(&mut self, new: &Counters) {
        self.views = new.views.or(self.views);
        self.forwards = new.forwards.or(self.forwards);
        self.replies = new.replies.or(self.replies);
        if let Some(reactions) = &new.reactions {
            self.reactions = reactions.iter().map(|r| ReactionRecord { emoji: r.emoji.clone(), count: r.count }).collect();
        }
    }

    pub(in crate::archive) fn into_message(self, key: MessageKey) -> Message {
        Message {
            key,
            date: Timestamp(self.date),
            sender: self.sender.map(PeerId),
            text: self.text,
            entities: self.entities.into_iter().map(EntityRecord::into_entity).collect(),
            rich: self.rich,
            reply: self.reply.map(ReplyRecord::into_reply),
            forward: self.forward.map(ForwardRecord::into_forward),
            media: self.media.map(MediaRecord::into_media),
            buttons: self.buttons.into_iter().map(ButtonRowRecord::into_row).collect(),
            album: self.album,
            edited: self.edited.map(Timestamp),
            views: self.views,
            forwards: self.forwards,
            replies: self.replies,
            comments: self.comments.map(PeerId),
            reactions: self.reactions.into_iter().map(|r| Reaction { emoji: r.emoji, count: r.count }).collect(),
            via_bot: self.via_bot.map(PeerId),
            author: self.author,
            pinned: self.pinned,
            silent: self.silent,
            protected: self.protected,
            scheduled: self.scheduled,
            ttl: self.ttl,
            restrictions: self.restrictions.into_iter().map(RestrictionRecord::into_restriction).collect(),
            service: self.service.map(ServiceRecord::into_service),
        }
    }
}

impl ButtonRowRecord {
    fn of(row: &[Button]) -> Self {
        let button = |b: &Button| {
            let Button { kind, text, url, data, query, user, copy } = b.clone();
            ButtonRecord { kind: number_of(&ButtonKind::ALL, kind), text, url, data, query, user: user.map(|p| p.0), copy }
        };
        Self { buttons: row.iter().map(button).collect() }
    }

    fn into_row(self) -> Vec<Button> {
        let button = |b: ButtonRecord| {
            let kind = numbered(&ButtonKind::ALL, b.kind).unwrap_or(ButtonKind::Other);
            Button { kind, text: b.text, url: b.url, data: b.data, query: b.query, user: b.user.map(PeerId), copy: b.copy }
        };
        self.buttons.into_iter().map(button).collect()
    }
}

impl RestrictionRecord {
    fn of(r: &Restriction) -> Self {
        Self { platform: r.platform.clone(), reason: r.reason.clone(), text: r.text.clone() }
    }

    fn into_restriction(self) -> Restriction {
        Restriction { platform: self.platform, reason: self.reason, text: self.text }
    }
}
