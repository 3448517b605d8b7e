//! A peer's history, and one message with everything that is known about it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::show::{PeerView, StoredView};

/// A page of a peer's history.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = History)]
pub struct MessagesPage {
    /// The peer.
    pub(crate) peer: PeerView,
    /// Messages in the requested order, without their earlier versions; deleted ones are included and have `deleted`.
    pub(crate) messages: Vec<StoredView>,
    /// The other peers that the messages mention: senders, and sources of forwards.
    pub(crate) peers: Vec<PeerView>,
    /// Value of `before` (newest first) or `after` (oldest first) for the next page; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<i32>,
}

/// A message with everything that is known about it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct MessageDetail {
    /// Where it was posted.
    pub(crate) peer: PeerView,
    /// Its newest version, whether it was deleted, and its earlier versions.
    pub(crate) message: StoredView,
    /// When each version was archived, oldest first; the last entry is of the newest version.
    pub(crate) archived: Vec<String>,
    /// The other peers that it mentions.
    pub(crate) peers: Vec<PeerView>,
    /// Telegram's raw bytes, if requested.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) raw: Option<RawView>,
}

/// Telegram's raw bytes of a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RawView {
    /// The layer of the TL schema that decodes them.
    pub(crate) layer: i32,
    /// The boxed `Message` in base64.
    pub(crate) tl: String,
}
