//! The JSON view of a message.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::archive::StoredMessage;
use crate::model::{Message, Reaction, Restriction};

use super::{ButtonView, EntityView, ForwardView, MediaView, ReplyView, ServiceView, is_false, marked, non_empty, time};

/// A reaction and how often it was given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Reaction)]
pub struct ReactionView {
    /// The emoji, a custom emoji's document id as text, or `paid`.
    pub emoji: String,
    /// How often.
    pub count: i32,
}

/// Why a message is not shown to everybody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Restriction)]
pub struct RestrictionView {
    /// Where: `all`, `ios`, `android`, ...
    pub platform: String,
    /// Telegram's word for why: `porn`, `copyright`, `terms`, ...
    pub reason: String,
    /// What is shown instead.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schema(required = false)]
    pub text: String,
}

/// What a message says: everything after its key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = Content)]
pub struct ContentView {
    /// When it was sent: RFC 3339, UTC, whole seconds.
    pub date: String,
    /// The marked id of the sender; absent for channel posts without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sender: Option<i64>,
    /// Text or caption.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schema(required = false)]
    pub text: String,
    /// Mark-up of the text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub entities: Vec<EntityView>,
    /// Whether text and entities were made from a page of headings, lists and tables, of which they are the words.
    #[serde(default, skip_serializing_if = "is_false")]
    #[schema(required = false)]
    pub rich: bool,
    /// What it replies to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<ReplyView>,
    /// Where it was forwarded from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forward: Option<ForwardView>,
    /// What it carries besides text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub media: Option<MediaView>,
    /// Buttons below it, in rows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub buttons: Vec<Vec<ButtonView>>,
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
    /// The marked id of the group in which the comments are, if its replies are comments.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comments: Option<i64>,
    /// Reactions, in Telegram's order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub reactions: Vec<ReactionView>,
    /// The inline bot it was sent with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub via_bot: Option<i64>,
    /// The post author's signature.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// Whether it is pinned.
    #[serde(default, skip_serializing_if = "is_false")]
    #[schema(required = false)]
    pub pinned: bool,
    /// Whether nobody was notified of it.
    #[serde(default, skip_serializing_if = "is_false")]
    #[schema(required = false)]
    pub silent: bool,
    /// Whether it may not be forwarded or saved.
    #[serde(default, skip_serializing_if = "is_false")]
    #[schema(required = false)]
    pub protected: bool,
    /// Whether it was scheduled beforehand.
    #[serde(default, skip_serializing_if = "is_false")]
    #[schema(required = false)]
    pub scheduled: bool,
    /// After how many seconds it deletes itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttl: Option<i32>,
    /// Why it is not shown to everybody.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub restrictions: Vec<RestrictionView>,
    /// What it reports, if it is a service message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<ServiceView>,
}

/// A message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = Message)]
pub struct MessageView {
    /// Always `message`.
    #[serde(rename = "type")]
    pub type_: Cow<'static, str>,
    /// The marked id of the peer it was posted in.
    pub peer: i64,
    /// The account whose id it is, in basic groups and private chats, where each account counts for itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Telegram's message id.
    pub id: i32,
    /// What it says.
    #[serde(flatten)]
    pub content: ContentView,
}

/// An earlier form of a message: what it said.
pub type VersionView = ContentView;

/// A message with what became of it: whether it was deleted, and what it said before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = StoredMessage)]
pub struct StoredView {
    /// Its newest form.
    #[serde(flatten)]
    pub message: MessageView,
    /// When the archive learned that it was deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deleted: Option<String>,
    /// Its earlier forms, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub versions: Vec<VersionView>,
}

impl ContentView {
    /// The peers that it mentions: its sender, its bot, and the source of a forward.
    pub fn mentions(&self) -> impl Iterator<Item = i64> {
        let source = self.forward.as_ref().and_then(|forward| forward.from);
        [self.sender, self.via_bot, source].into_iter().flatten()
    }
}

impl StoredView {
    /// The JSON form of a message and its earlier forms, which [`crate::archive::View::versions`] gives: all of them, or some.
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
        Self {
            type_: "message".into(),
            peer: message.key.peer().0,
            account: message.key.chat.account().map(|account| account.to_string()),
            id: message.key.id.0,
            content: message.into(),
        }
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
            rich: message.rich,
            media: message.media.as_ref().map(Into::into),
            buttons: message.buttons.iter().map(|row| row.iter().map(Into::into).collect()).collect(),
            album: message.album,
            edited: message.edited.map(time),
            views: message.views,
            forwards: message.forwards,
            replies: message.replies,
            comments: marked(message.comments),
            reactions: message.reactions.iter().map(Into::into).collect(),
            via_bot: marked(message.via_bot),
            author: non_empty(message.author.as_ref()),
            pinned: message.pinned,
            silent: message.silent,
            protected: message.protected,
            scheduled: message.scheduled,
            ttl: message.ttl,
            restrictions: message.restrictions.iter().map(Into::into).collect(),
            service: message.service.as_ref().map(Into::into),
        }
    }
}

impl From<&Reaction> for ReactionView {
    fn from(reaction: &Reaction) -> Self {
        Self { emoji: reaction.emoji.clone(), count: reaction.count }
    }
}

impl From<&Restriction> for RestrictionView {
    fn from(restriction: &Restriction) -> Self {
        let Restriction { platform, reason, text } = restriction.clone();
        Self { platform, reason, text }
    }
}
