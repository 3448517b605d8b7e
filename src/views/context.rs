//! A message in its context: what stands around it, what it replies to, what replies to it, its album, its discussion.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::TotalView;
use crate::show::{PeerView, StoredView};

/// A message in its context. Deleted messages are included everywhere, and have `deleted`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = MessageContext)]
pub struct MessageContextView {
    /// Where it was posted.
    pub(crate) peer: PeerView,
    /// The message, without its earlier versions.
    pub(crate) message: StoredView,
    /// In a forum, the topic that it is in, and `before` and `after` too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) topic: Option<i32>,
    /// The messages before it, oldest first.
    pub(crate) before: Vec<StoredView>,
    /// The messages after it, oldest first.
    pub(crate) after: Vec<StoredView>,
    /// What it replies to, after what that replies to, and so on: the root first.
    pub(crate) chain: Vec<StoredView>,
    /// The message that the first of `chain` (or the message itself) replies to, if it is not shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) chain_missing: Option<MissingMessageView>,
    /// The whole album that it is part of, itself included, by id; empty if it is in none.
    pub(crate) album: Vec<StoredView>,
    /// The messages of the chat that reply to it; absent if `replies=0` was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) replies: Option<RelatedView>,
    /// The comments on it, if it is a channel's post that can have some; absent if `replies=0` was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) discussion: Option<DiscussionView>,
    /// The other peers that are mentioned: where messages were posted, senders, and sources of forwards.
    pub(crate) peers: Vec<PeerView>,
    /// Which of `chain`, `album`, `before`, `after`, `replies` and `comments` lack messages, because the response would be too long.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) shortened: Vec<String>,
}

/// A message that is not shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = MissingMessage)]
pub struct MissingMessageView {
    /// The marked id of the peer it was posted in.
    pub(crate) peer: i64,
    /// Telegram's message id.
    pub(crate) id: i32,
    /// Why: `not_read` (its id was not read yet), `absent` (Telegram had none when it was read), `erased`, `not_archived` (the archive has
    /// nothing of its chat), or `too_far` (it is archived, and the chain is longer than is shown at once: ask for its context).
    pub(crate) why: String,
}

/// Messages that belong to another one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = RelatedMessages)]
pub struct RelatedView {
    /// The newest of them, oldest first.
    pub(crate) messages: Vec<StoredView>,
    /// How many there are; absent if that cannot be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) total: Option<TotalView>,
    /// Why they cannot be told (they are found by the search index).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) unavailable: Option<String>,
}

/// The discussion of a channel's post.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = Discussion)]
pub struct DiscussionView {
    /// The marked id of the group in which it is discussed.
    pub(crate) group: i64,
    /// The id of the group's copy of the post; absent if none is archived.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) post: Option<i32>,
    /// The comments: messages in the thread of that copy.
    pub(crate) comments: RelatedView,
}
