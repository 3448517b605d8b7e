//! How a message looks as JSON.

use serde::Serialize;
use utoipa::ToSchema;

use crate::archive::StoredMessage;
use crate::model::{Entity, Forward, Message, MessageId, PeerId, Reaction, Reply, Service, Timestamp};

use super::{MediaView, is_false, said};

/// A marked-up part of the text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Entity)]
pub struct EntityView {
    /// `bold`, `url`, `mention`, ...
    pub kind: &'static str,
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
}

/// What a message replies to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
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
}

/// Where a message was forwarded from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
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
}

/// A reaction and how often it was given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Reaction)]
pub struct ReactionView {
    /// The emoji, a custom emoji's document id as text, or `paid`.
    pub emoji: String,
    /// How often.
    pub count: i32,
}

/// What a service message reports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Service)]
pub struct ServiceView {
    /// `chat_create`, `pin_message`, ...
    pub action: String,
    /// The new title.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The marked ids of the users concerned.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub users: Vec<i64>,
    /// The pinned message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<i32>,
}

/// What a message says: everything after its key.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = Content)]
pub struct ContentView {
    /// When it was sent: RFC 3339, UTC, whole seconds.
    pub date: String,
    /// The marked id of the sender; absent for channel posts without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sender: Option<i64>,
    /// Text or caption.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schema(required = false)]
    pub text: String,
    /// Mark-up of the text.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub entities: Vec<EntityView>,
    /// What it replies to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<ReplyView>,
    /// Where it was forwarded from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forward: Option<ForwardView>,
    /// What it carries besides text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub media: Option<MediaView>,
    /// The album (Telegram's grouped id) it is part of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub album: Option<i64>,
    /// When it was last edited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub edited: Option<String>,
    /// How often it was viewed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub views: Option<i32>,
    /// How often it was forwarded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forwards: Option<i32>,
    /// How many replies or comments it has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replies: Option<i32>,
    /// Reactions, in Telegram's order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub reactions: Vec<ReactionView>,
    /// The inline bot it was sent with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub via_bot: Option<i64>,
    /// The post author's signature.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// Whether it is pinned.
    #[serde(skip_serializing_if = "is_false")]
    #[schema(required = false)]
    pub pinned: bool,
    /// What it reports, if it is a service message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<ServiceView>,
}

/// A message.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = Message)]
pub struct MessageView {
    /// Always `message`.
    #[serde(rename = "type")]
    pub type_: &'static str,
    /// The marked id of the peer it was posted in.
    pub peer: i64,
    /// Telegram's message id.
    pub id: i32,
    /// What it says.
    #[serde(flatten)]
    pub content: ContentView,
}

/// An earlier form of a message: what it said.
pub type VersionView = ContentView;

/// A message with what became of it: whether it was deleted, and what it said before.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = StoredMessage)]
pub struct StoredView {
    /// Its newest form.
    #[serde(flatten)]
    pub message: MessageView,
    /// When the archive learned that it was deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deleted: Option<String>,
    /// Its earlier forms, oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub versions: Vec<VersionView>,
}

impl StoredView {
    /// The JSON form of a message and its earlier forms, which [`crate::archive::Archive::versions`] gives.
    #[must_use]
    pub fn new(stored: &StoredMessage, versions: &[StoredMessage]) -> Self {
        Self {
            message: (&stored.message).into(),
            deleted: stored.deleted_at.map(time),
            versions: versions.iter().map(|v| (&v.message).into()).collect(),
        }
    }
}

impl From<&Message> for MessageView {
    fn from(message: &Message) -> Self {
        Self { type_: "message", peer: message.key.peer.0, id: message.key.id.0, content: message.into() }
    }
}

impl From<&Message> for ContentView {
    fn from(message: &Message) -> Self {
        Self {
            date: time(message.date),
            sender: marked(message.sender),
            text: message.text.clone(),
            entities: message.entities.iter().map(Into::into).collect(),
            reply_to: message.reply.as_ref().map(Into::into),
            forward: message.forward.as_ref().map(Into::into),
            media: message.media.as_ref().map(Into::into),
            album: message.album,
            edited: message.edited.map(time),
            views: message.views,
            forwards: message.forwards,
            replies: message.replies,
            reactions: message.reactions.iter().map(Into::into).collect(),
            via_bot: marked(message.via_bot),
            author: said(message.author.as_ref()),
            pinned: message.pinned,
            service: message.service.as_ref().map(Into::into),
        }
    }
}

impl From<&Entity> for EntityView {
    fn from(entity: &Entity) -> Self {
        Self {
            kind: entity.kind.name(),
            offset: entity.offset,
            length: entity.length,
            url: said(entity.url.as_ref()),
            language: said(entity.language.as_ref()),
            user: marked(entity.user),
            emoji: entity.emoji,
        }
    }
}

impl From<&Reply> for ReplyView {
    fn from(reply: &Reply) -> Self {
        Self { id: number(reply.id), topic: number(reply.topic), quote: said(reply.quote.as_ref()) }
    }
}

impl From<&Forward> for ForwardView {
    fn from(forward: &Forward) -> Self {
        Self {
            from: marked(forward.from),
            name: said(forward.name.as_ref()),
            date: forward.date.map(time),
            post: number(forward.post),
        }
    }
}

impl From<&Reaction> for ReactionView {
    fn from(reaction: &Reaction) -> Self {
        Self { emoji: reaction.emoji.clone(), count: reaction.count }
    }
}

impl From<&Service> for ServiceView {
    fn from(service: &Service) -> Self {
        Self {
            action: service.action.clone(),
            title: said(service.title.as_ref()),
            users: service.users.iter().map(|u| u.0).collect(),
            message: number(service.message),
        }
    }
}

fn time(at: Timestamp) -> String {
    at.to_string()
}

fn marked(peer: Option<PeerId>) -> Option<i64> {
    peer.map(|p| p.0)
}

fn number(id: Option<MessageId>) -> Option<i32> {
    id.map(|i| i.0)
}
