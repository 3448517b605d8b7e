//! Which accounts see a peer, and a forum's topics.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::archive::{Membership, Topic};
use crate::show::PeerView;

/// The accounts that see a peer, or did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Accounts)]
pub struct PeerAccountsView {
    pub(crate) peer: PeerView,
    /// By name.
    pub(crate) accounts: Vec<MembershipView>,
}

/// An account that sees a peer, or did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = AccountView)]
pub struct MembershipView {
    /// The account's name.
    pub(crate) name: String,
    /// When the peer was first seen among its dialogs, or seen there again.
    pub(crate) since: String,
    /// When the account was noticed to have left or to have been removed; absent while it is a member.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) until: Option<String>,
    /// The account's folders that hold the peer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) folders: Vec<String>,
}

/// A page of a forum's topics, by id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Topics)]
pub struct TopicsPage {
    pub(crate) peer: PeerView,
    /// The topics of this page.
    pub(crate) topics: Vec<TopicView>,
    /// Value of `after` for the next page; absent on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<i32>,
}

/// A forum's topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TopicView {
    /// Its root message: the `topic` of the messages in it.
    pub(crate) id: i32,
    /// Its current title.
    pub(crate) title: String,
    /// When it was given this title.
    pub(crate) titled_at: String,
}

impl From<Membership> for MembershipView {
    fn from(m: Membership) -> Self {
        Self {
            name: m.account.to_string(),
            since: m.since.to_string(),
            until: m.until.map(|at| at.to_string()),
            folders: m.folders,
        }
    }
}

impl From<Topic> for TopicView {
    fn from(t: Topic) -> Self {
        Self { id: t.id.0, title: t.title, titled_at: t.titled_at.to_string() }
    }
}
