//! Members, views and reactions as time series.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::archive::Sample;
use crate::model::Counters;
use crate::show::{PeerView, ReactionView};

/// A time series of the number of members of a peer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = MemberCounts)]
pub struct MemberCountsPage {
    pub(crate) peer: PeerView,
    /// Oldest first; an entry for each change.
    pub(crate) members: Vec<MemberCountView>,
    /// Value of `after` for the next page; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<String>,
}

/// A sample of the number of members.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = MemberCount)]
pub struct MemberCountView {
    /// When this number was first seen.
    pub(crate) at: String,
    /// The number of members.
    pub(crate) count: i32,
}

/// A time series of a message's counters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = MessageCounters)]
pub struct MessageCountersPage {
    /// Oldest first; the last page ends with the current values.
    pub(crate) counters: Vec<CountersView>,
    /// Value of `after` for the next page; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<String>,
}

/// A sample of a message's counters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CountersView {
    /// When these values were first seen.
    pub(crate) at: String,
    /// How often it was viewed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) views: Option<i32>,
    /// How often it was forwarded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) forwards: Option<i32>,
    /// How many replies or comments it had.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) replies: Option<i32>,
    /// Reactions, in Telegram's order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) reactions: Vec<ReactionView>,
}

impl From<Sample<i32>> for MemberCountView {
    fn from(sample: Sample<i32>) -> Self {
        Self { at: sample.at.to_string(), count: sample.value }
    }
}

impl From<Sample<Counters>> for CountersView {
    fn from(sample: Sample<Counters>) -> Self {
        let Counters { views, forwards, replies, reactions } = sample.value;
        let reactions = reactions.into_iter().flatten().map(|r| ReactionView { emoji: r.emoji, count: r.count }).collect();
        Self { at: sample.at.to_string(), views, forwards, replies, reactions }
    }
}
