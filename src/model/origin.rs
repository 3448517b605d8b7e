//! Where a message comes from: what it replies to, and where it was forwarded from.

use super::{Entity, Media, MessageId, PeerId, Timestamp};

/// What a message replies to.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Reply {
    /// The message replied to.
    pub id: Option<MessageId>,
    /// The root message of the topic or thread.
    pub topic: Option<MessageId>,
    /// The part that is quoted.
    pub quote: Option<String>,
    /// Where the quoted part starts in the original, in UTF-16 code units.
    pub quote_offset: Option<i32>,
    /// Mark-up of the quoted part.
    pub quote_entities: Vec<Entity>,
    /// Where the original was posted, if elsewhere; also the peer of a story.
    pub peer: Option<PeerId>,
    /// Who wrote the original, where it was posted elsewhere.
    pub from: Option<Forward>,
    /// What the original carries, where it was posted elsewhere.
    pub media: Option<Box<Media>>,
    /// The story replied to; such a reply has no message.
    pub story: Option<i32>,
    /// The task of a to-do list that is meant.
    pub task: Option<i32>,
    /// The poll's option that is meant, in Telegram's bytes.
    pub option: Option<Vec<u8>>,
}

impl Reply {
    /// Whether two replies are to the same; see [`Media::same_content_as`].
    #[must_use]
    pub fn same_content_as(&self, other: &Self) -> bool {
        let media = match (&self.media, &other.media) {
            (Some(old), Some(new)) => old.same_content_as(new),
            (old, new) => old.is_none() && new.is_none(),
        };
        media && Self { media: None, ..self.clone() } == Self { media: None, ..other.clone() }
    }
}

/// Where a message was forwarded from.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Forward {
    /// The original sender.
    pub from: Option<PeerId>,
    /// The original sender's name, where the sender is hidden.
    pub name: Option<String>,
    /// When the original was sent.
    pub date: Option<Timestamp>,
    /// The id of the original channel post.
    pub post: Option<MessageId>,
    /// The signature of the original channel post.
    pub author: Option<String>,
    /// The peer and message it was copied from; in a discussion group, the channel's post that it stands for.
    pub saved_from: Option<(PeerId, MessageId)>,
    /// The kind of public announcement that it is.
    pub announcement: Option<String>,
    /// Whether it was imported from another messenger.
    pub imported: bool,
}
