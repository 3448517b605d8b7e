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
    /// Its newest version, whether it was deleted, and its earlier versions; of very many only the newest.
    pub(crate) message: StoredView,
    /// When each version was archived, those that are listed, oldest first; the last entry is of the newest version.
    pub(crate) archived: Vec<String>,
    /// The number of the first version that is listed; the first of all is 0.
    #[serde(default)]
    pub(crate) first_version: u32,
    /// Value of `versions_before` for the versions before these; absent where these are all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) versions_before: Option<u32>,
    /// The other peers that it mentions.
    pub(crate) peers: Vec<PeerView>,
    /// Telegram's raw bytes, if requested.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) raw: Option<RawView>,
    /// The same of each earlier version that is listed, if requested; none where it was replaced before raw bytes were kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) raw_versions: Vec<Option<RawView>>,
}

/// Telegram's raw bytes of a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RawView {
    /// The layer of the TL schema that decodes them.
    pub(crate) layer: i32,
    /// The boxed `Message` in base64.
    pub(crate) tl: String,
    /// The account that got them, at the time at which the version was archived; unknown in older archives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) account: Option<String>,
}
