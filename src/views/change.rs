//! The change log.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::FileView;
use crate::show::{PeerView, StoredView};

/// A change, with its message or peer as it is now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = Change)]
pub struct ChangeView {
    /// The epoch of the archive that `seq` is of: the same number can be another change in another one.
    pub(crate) epoch: String,
    /// Its sequence number: the position of a reader that has handled it.
    pub(crate) seq: u64,
    /// When it was archived.
    pub(crate) at: String,
    /// `message.new`, `message.edited`, `message.deleted`, `message.erased`, `peer.changed`, `peer.joined`, `peer.left`, `media.stored` or `media.failed`.
    pub(crate) kind: Cow<'static, str>,
    /// The peer that it is about.
    pub(crate) peer: i64,
    /// The account whose id it is, in basic groups and private chats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) account: Option<String>,
    /// The id of the message that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<i32>,
    /// The number of the new version of an edited message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) version: Option<u32>,
    /// The newest version of the message, which may be newer than the change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) message: Option<StoredView>,
    /// The file that was stored or has failed, as it is now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) file: Option<FileView>,
    /// The peer that changed, as it is now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) changed: Option<PeerView>,
}

/// A page of changes; sealed responses only.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ChangesPage {
    /// The changes in their order, each in the requested form.
    pub(crate) changes: Vec<ChangeLine>,
    /// Value of `after` for the next page, `EPOCH:SEQ`; also present on the last page, which has no changes.
    pub(crate) next: String,
}

/// A change in the requested form.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
#[schema(as = Line)]
pub enum ChangeLine {
    /// With the message as it is now.
    Change(Box<ChangeView>),
    /// As it is published.
    #[schema(value_type = Object)]
    Event(Value),
}

/// The end of the change log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = LogHead)]
pub struct LogHeadView {
    /// The archive's id.
    pub(crate) archive: String,
    /// Its epoch.
    pub(crate) epoch: String,
    /// The newest change's sequence number.
    pub(crate) seq: u64,
    /// The newest link of the hash chain (SHA-256, hexadecimal), over this and all changes before it; missing for who sees some peers only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) link: Option<String>,
}
