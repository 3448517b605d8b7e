//! The JSON views of mark-up, replies and forwards.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::model::{Entity, Forward, Reply};

use super::{MediaView, is_false, marked, non_empty, number, time};

/// A marked-up part of the text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Entity)]
pub struct EntityView {
    /// `bold`, `url`, `mention`, ...
    pub kind: Cow<'static, str>,
    /// Where it starts, in UTF-16 code units.
    pub offset: i32,
    /// How long it is, in UTF-16 code units.
    pub length: i32,
    /// The address behind the text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The language of a code block.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// The marked id of a user without username.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<i64>,
    /// The document id of a custom emoji.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub emoji: Option<i64>,
    /// Whether a quotation is folded until tapped.
    #[serde(default, skip_serializing_if = "is_false")]
    #[schema(required = false)]
    pub collapsed: bool,
    /// The time that a date stands for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub date: Option<String>,
    /// What a correction replaced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old: Option<String>,
}

/// What a message replies to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = Reply)]
pub struct ReplyView {
    /// The message replied to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<i32>,
    /// The root message of the topic or thread.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topic: Option<i32>,
    /// The part that is quoted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quote: Option<String>,
    /// Where the quoted part starts in the original, in UTF-16 code units.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quote_offset: Option<i32>,
    /// Mark-up of the quoted part.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub quote_entities: Vec<EntityView>,
    /// The marked id of the peer of the original or the story, where it is another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peer: Option<i64>,
    /// Who wrote the original, where it is elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<ForwardView>,
    /// What the original carries, where it is elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub media: Option<Box<MediaView>>,
    /// The story replied to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub story: Option<i32>,
    /// The task of a to-do list that is meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task: Option<i32>,
    /// The poll's option that is meant: Telegram's bytes, in base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub option: Option<String>,
}

/// Where a message was forwarded from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Forward)]
pub struct ForwardView {
    /// The marked id of the source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<i64>,
    /// The source's name, where it is hidden.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// When the original was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub date: Option<String>,
    /// The id of the original channel post.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub post: Option<i32>,
    /// The signature of the original channel post.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// The message it was copied from; in a discussion group, the channel's post that it stands for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub saved_from: Option<SavedFromView>,
    /// The kind of public announcement that it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub announcement: Option<String>,
    /// Whether it was imported from another messenger.
    #[serde(default, skip_serializing_if = "is_false")]
    #[schema(required = false)]
    pub imported: bool,
}

/// The message that a message was copied from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = SavedFrom)]
pub struct SavedFromView {
    /// The marked id of its peer.
    pub peer: i64,
    /// Its id there.
    pub id: i32,
}

impl From<&Entity> for EntityView {
    fn from(entity: &Entity) -> Self {
        Self {
            kind: entity.kind.name().into(),
            offset: entity.offset,
            length: entity.length,
            url: non_empty(entity.url.as_ref()),
            language: non_empty(entity.language.as_ref()),
            user: marked(entity.user),
            emoji: entity.emoji,
            collapsed: entity.collapsed,
            date: entity.date.map(time),
            old: non_empty(entity.old.as_ref()),
        }
    }
}

impl From<&Reply> for ReplyView {
    fn from(reply: &Reply) -> Self {
        Self {
            id: number(reply.id),
            topic: number(reply.topic),
            quote: non_empty(reply.quote.as_ref()),
            quote_offset: reply.quote_offset,
            quote_entities: reply.quote_entities.iter().map(Into::into).collect(),
            peer: marked(reply.peer),
            from: reply.from.as_ref().map(Into::into),
            media: reply.media.as_deref().map(|media| Box::new(media.into())),
            story: reply.story,
            task: reply.task,
            option: reply.option.as_ref().map(|bytes| STANDARD.encode(bytes)),
        }
    }
}

impl From<&Forward> for ForwardView {
    fn from(forward: &Forward) -> Self {
        Self {
            from: marked(forward.from),
            name: non_empty(forward.name.as_ref()),
            date: forward.date.map(time),
            post: number(forward.post),
            author: non_empty(forward.author.as_ref()),
            saved_from: forward.saved_from.map(|(peer, id)| SavedFromView { peer: peer.0, id: id.0 }),
            announcement: non_empty(forward.announcement.as_ref()),
            imported: forward.imported,
        }
    }
}
