//! How a peer looks as JSON.

use serde::Serialize;
use utoipa::ToSchema;

use crate::model::Peer;

/// A user, group or channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Peer)]
pub struct PeerView {
    /// Always `peer`.
    #[serde(rename = "type")]
    pub type_: &'static str,
    /// The marked id, as in the Bot API.
    pub id: i64,
    /// `user`, `group`, `supergroup` or `channel`.
    pub kind: &'static str,
    /// Title, or first and last name.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schema(required = false)]
    pub title: String,
    /// Username without `@`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
}

impl From<&Peer> for PeerView {
    fn from(peer: &Peer) -> Self {
        Self {
            type_: "peer",
            id: peer.id.0,
            kind: peer.kind.name(),
            title: peer.title.clone(),
            username: super::said(peer.username.as_ref()),
        }
    }
}
