//! A search, and what it finds.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::show::{PeerView, StoredView};

/// The parameters of a search.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Search)]
pub struct SearchBody {
    /// The query (docs/query.md); an empty one matches every message.
    pub(crate) q: String,
    /// `newest` (the default), `oldest` or `relevance` first.
    pub(crate) sort: Option<String>,
    /// Maximum number of hits.
    pub(crate) limit: Option<usize>,
    /// `next` of the previous page, of the same query and sort order.
    pub(crate) cursor: Option<String>,
}

/// A page of hits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = Found)]
pub struct HitsPage {
    pub(crate) hits: Vec<HitView>,
    /// How many hits the query had when its first page was requested.
    pub(crate) total: TotalView,
    /// The peers that the hits mention: where they were posted, senders, and sources of forwards.
    pub(crate) peers: Vec<PeerView>,
    /// Position of the index in the change log; what was archived later cannot be found yet.
    pub(crate) position: u64,
    /// Value of `cursor` for the next page; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<String>,
}

/// A message that matches.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = Hit)]
pub struct HitView {
    pub(crate) message: StoredView,
    pub(crate) snippet: SnippetView,
    /// How well it matches: comparable within one query only, and only there when sorted by relevance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) score: Option<f32>,
}

/// The part of a message that matches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Snippet)]
pub struct SnippetView {
    /// The part as it was written, with `…` where something was left out.
    pub(crate) text: String,
    /// What matches: offset and length in UTF-16 code units, as in a message's entities; in order, not overlapping.
    pub(crate) highlights: Vec<[usize; 2]>,
}

/// How many hits a query has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Total)]
pub struct TotalView {
    pub(crate) count: u64,
    /// Whether `count` is exact; if not, there are at least that many.
    pub(crate) exact: bool,
}
