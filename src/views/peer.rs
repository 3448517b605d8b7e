//! The peers that the archive knows.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::archive::Coverage;
use crate::model::{ChatId, Peer};
use crate::show::{self, PeerView};

/// A page of peers, by ascending id.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PeersPage {
    /// The peers of this page.
    pub(crate) peers: Vec<KnownPeer>,
    /// Value of `after` for the next page; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<i64>,
}

/// A peer and how much of it is archived.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct KnownPeer {
    #[serde(flatten)]
    pub(crate) peer: PeerView,
    /// Whether its messages are archived.
    pub(crate) crawled: bool,
    /// How many messages are archived, also those deleted since.
    pub(crate) messages: u64,
    /// Of these, how many were deleted in Telegram.
    pub(crate) messages_deleted: u64,
    /// The accounts that archived it each by ids of its own, in basic groups and private chats.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub(crate) accounts: Vec<String>,
}

impl KnownPeer {
    /// A peer with what the coverage of its chats counts.
    pub(crate) fn new(peer: &Peer, chats: &[(ChatId, Coverage)]) -> Self {
        let sum = |count: fn(&Coverage) -> u64| chats.iter().map(|(_, coverage)| count(coverage)).sum();
        Self {
            peer: show::peer(peer),
            crawled: !chats.is_empty(),
            messages: sum(|coverage| coverage.messages),
            messages_deleted: sum(|coverage| coverage.deleted),
            accounts: chats.iter().filter_map(|(chat, _)| chat.account()).map(|account| account.to_string()).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::model::{PeerId, PeerKind, PeerMarks};

    use super::*;

    #[test]
    fn a_deleted_account_is_marked_beside_the_count_of_deleted_messages_and_read_back() {
        let marks = PeerMarks { deleted: true, ..PeerMarks::default() };
        let peer = Peer { marks, ..Peer::new(PeerId::user(7), PeerKind::User, String::new()) };
        let known = KnownPeer::new(&peer, &[]);
        let json = serde_json::to_string(&known).unwrap();
        assert_eq!(
            json,
            r#"{"type":"peer","id":7,"kind":"user","deleted":true,"crawled":false,"messages":0,"messages_deleted":0}"#
        );
        assert_eq!(serde_json::from_str::<KnownPeer>(&json).unwrap(), known);
    }
}
