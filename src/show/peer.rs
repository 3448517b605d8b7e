//! The JSON view of a peer.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::model::{Peer, PeerMarks};

use super::{is_false, marked, non_empty};

/// A user, group or channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Peer)]
pub struct PeerView {
    /// Always `peer`.
    #[serde(rename = "type")]
    pub type_: Cow<'static, str>,
    /// The marked id, as in the Bot API.
    pub id: i64,
    /// `user`, `group`, `supergroup` or `channel`.
    pub kind: Cow<'static, str>,
    /// Title, or first and last name.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schema(required = false)]
    pub title: String,
    /// Username without `@`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// Further active usernames.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub usernames: Vec<String>,
    /// The marked id of the supergroup that a basic group became.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub migrated_to: Option<i64>,
    /// A bot.
    #[serde(default, skip_serializing_if = "is_false")]
    #[schema(required = false)]
    pub bot: bool,
    /// Verified by Telegram.
    #[serde(default, skip_serializing_if = "is_false")]
    #[schema(required = false)]
    pub verified: bool,
    /// Reported by many as a scam.
    #[serde(default, skip_serializing_if = "is_false")]
    #[schema(required = false)]
    pub scam: bool,
    /// Reported by many as pretending to be somebody else.
    #[serde(default, skip_serializing_if = "is_false")]
    #[schema(required = false)]
    pub fake: bool,
    /// A supergroup with topics.
    #[serde(default, skip_serializing_if = "is_false")]
    #[schema(required = false)]
    pub forum: bool,
    /// Not shown to everybody.
    #[serde(default, skip_serializing_if = "is_false")]
    #[schema(required = false)]
    pub restricted: bool,
    /// A deleted account.
    #[serde(default, skip_serializing_if = "is_false")]
    #[schema(required = false)]
    pub deleted: bool,
    /// A group or channel whose messages may not be forwarded or saved.
    #[serde(default, skip_serializing_if = "is_false")]
    #[schema(required = false)]
    pub protected: bool,
}

impl From<&Peer> for PeerView {
    fn from(peer: &Peer) -> Self {
        let PeerMarks { bot, verified, scam, fake, forum, restricted, deleted, protected } = peer.marks;
        Self {
            type_: "peer".into(),
            id: peer.id.0,
            kind: peer.kind.name().into(),
            title: peer.title.clone(),
            username: non_empty(peer.username.as_ref()),
            usernames: peer.usernames.clone(),
            migrated_to: marked(peer.migrated_to),
            bot,
            verified,
            scam,
            fake,
            forum,
            restricted,
            deleted,
            protected,
        }
    }
}
