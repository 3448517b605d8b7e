//! Mark-up, replies and forwards.

use crate::model::{Entity, EntityKind, Forward, MessageId, PeerId, Reply, Timestamp};

use super::media::MediaRecord;
use super::{number_of, numbered};

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct EntityRecord {
    #[prost(uint32, tag = "1")]
    kind: u32,
    #[prost(int32, tag = "2")]
    offset: i32,
    #[prost(int32, tag = "3")]
    length: i32,
    #[prost(string, optional, tag = "4")]
    url: Option<String>,
    #[prost(string, optional, tag = "5")]
    language: Option<String>,
    #[prost(sint64, optional, tag = "6")]
    user: Option<i64>,
    #[prost(int64, optional, tag = "7")]
    emoji: Option<i64>,
    #[prost(bool, tag = "8")]
    collapsed: bool,
    #[prost(int64, optional, tag = "9")]
    date: Option<i64>,
    #[prost(string, optional, tag = "10")]
    old: Option<String>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct ReplyRecord {
    #[prost(int32, optional, tag = "1")]
    id: Option<i32>,
    #[prost(int32, optional, tag = "2")]
    topic: Option<i32>,
    #[prost(string, optional, tag = "3")]
    quote: Option<String>,
    #[prost(sint64, optional, tag = "4")]
    peer: Option<i64>,
    #[prost(int32, optional, tag = "5")]
    quote_offset: Option<i32>,
    #[prost(message, repeated, tag = "6")]
    quote_entities: Vec<EntityRecord>,
    #[prost(message, optional, tag = "7")]
    from: Option<ForwardRecord>,
    #[prost(message, optional, boxed, tag = "8")]
    media: Option<Box<MediaRecord>>,
    #[prost(int32, optional, tag = "9")]
    story: Option<i32>,
    #[prost(int32, optional, tag = "10")]
    task: Option<i32>,
    #[prost(bytes = "vec", optional, tag = "11")]
    option: Option<Vec<u8>>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct ForwardRecord {
    #[prost(sint64, optional, tag = "1")]
    from: Option<i64>,
    #[prost(string, optional, tag = "2")]
    name: Option<String>,
    #[prost(int64, optional, tag = "3")]
    date: Option<i64>,
    #[prost(int32, optional, tag = "4")]
    post: Option<i32>,
    #[prost(string, optional, tag = "5")]
    author: Option<String>,
    #[prost(sint64, optional, tag = "6")]
    saved_from_peer: Option<i64>,
    #[prost(int32, optional, tag = "7")]
    saved_from_message: Option<i32>,
    #[prost(string, optional, tag = "8")]
    announcement: Option<String>,
    #[prost(bool, tag = "9")]
    imported: bool,
}

impl EntityRecord {
    pub(super) fn of(e: &Entity) -> Self {
        Self {
            kind: number_of(&EntityKind::ALL, e.kind),
            offset: e.offset,
            length: e.length,
            url: e.url.clone(),
            language: e.language.clone(),
            user: e.user.map(|p| p.0),
            emoji: e.emoji,
            collapsed: e.collapsed,
            date: e.date.map(|d| d.0),
            old: e.old.clone(),
        }
    }

    pub(super) fn into_entity(self) -> Entity {
        Entity {
            kind: numbered(&EntityKind::ALL, self.kind).unwrap_or(EntityKind::Unknown),
            offset: self.offset,
            length: self.length,
            url: self.url,
            language: self.language,
            user: self.user.map(PeerId),
            emoji: self.emoji,
            collapsed: self.collapsed,
            date: self.date.map(Timestamp),
            old: self.old,
        }
    }
}

impl ReplyRecord {
    pub(super) fn of(r: &Reply) -> Self {
        Self {
            id: r.id.map(|i| i.0),
            topic: r.topic.map(|i| i.0),
            quote: r.quote.clone(),
            peer: r.peer.map(|p| p.0),
            quote_offset: r.quote_offset,
            quote_entities: r.quote_entities.iter().map(EntityRecord::of).collect(),
            from: r.from.as_ref().map(ForwardRecord::of),
            media: r.media.as_ref().map(|m| Box::new(MediaRecord::of(m))),
            story: r.story,
            task: r.task,
            option: r.option.clone(),
        }
    }

    pub(super) fn into_reply(self) -> Reply {
        Reply {
            id: self.id.map(MessageId),
            topic: self.topic.map(MessageId),
            quote: self.quote,
            quote_offset: self.quote_offset,
            quote_entities: self.quote_entities.into_iter().map(EntityRecord::into_entity).collect(),
            peer: self.peer.map(PeerId),
            from: self.from.map(ForwardRecord::into_forward),
            media: self.media.map(|m| Box::new(m.into_media())),
            story: self.story,
            task: self.task,
            option: self.option,
        }
    }
}

impl ForwardRecord {
    pub(super) fn of(f: &Forward) -> Self {
        Self {
            from: f.from.map(|p| p.0),
            name: f.name.clone(),
            date: f.date.map(|d| d.0),
            post: f.post.map(|i| i.0),
            author: f.author.clone(),
            saved_from_peer: f.saved_from.map(|(peer, _)| peer.0),
            saved_from_message: f.saved_from.map(|(_, id)| id.0),
            announcement: f.announcement.clone(),
            imported: f.imported,
        }
    }

    pub(super) fn into_forward(self) -> Forward {
        Forward {
            from: self.from.map(PeerId),
            name: self.name,
            date: self.date.map(Timestamp),
            post: self.post.map(MessageId),
            author: self.author,
            saved_from: self.saved_from_peer.map(PeerId).zip(self.saved_from_message.map(MessageId)),
            announcement: self.announcement,
            imported: self.imported,
        }
    }
}
