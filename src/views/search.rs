//! A search, and what it finds.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::show::{PeerView, StoredView};

/// The parameters of a search.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
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
    /// Of hits that belong together only the first is listed: `album` (parts of one album), `source` (forwards of one post, and the post),
    /// `text` (texts that are nearly the same), or several of them with commas between them.
    #[serde(default)]
    pub(crate) collapse: Option<String>,
    /// With `collapse`: not one hit of each group, but all of the group that this one is in; `group` of its `collapsed`.
    #[serde(default)]
    pub(crate) group: Option<String>,
    /// What all hits are counted by, with commas between: `peer`, `sender`, `kind`, `lang`, `host`, `hashtag`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) facets: Option<String>,
    /// How many values of each facet, 10 by default, at most 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) facet_limit: Option<usize>,
    /// Interval of a date histogram of all hits: `hour`, `day`, `week`, `month`, `quarter`, `year`, or a number with `s`, `m`, `h` or `d`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) histogram: Option<String>,
    /// Time zone of the histogram (IANA), such as `Europe/Berlin`; by default UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) timezone: Option<String>,
    /// Whether to count again on a page that has a cursor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) recount: Option<bool>,
}

/// A page of hits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = Found)]
pub struct HitsPage {
    /// The hits in the requested order.
    pub(crate) hits: Vec<HitView>,
    /// How many hits the query had when its first page was requested.
    pub(crate) total: TotalView,
    /// With `collapse`, how many groups the hits are in, of which one hit each is listed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) groups: Option<u64>,
    /// The peers that the hits mention: where they were posted, senders, and sources of forwards; and those that are values of facets.
    pub(crate) peers: Vec<PeerView>,
    /// How many of all hits have each value, if that was requested.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) facets: Option<FacetsView>,
    /// How many of all hits were sent when, if that was requested.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) histogram: Option<HistogramView>,
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
    /// The number of the earlier version that the snippet is of (from 0), where that matches and the newest does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) version: Option<u32>,
    /// How well it matches: comparable within one query only, and only there when sorted by relevance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) score: Option<f32>,
    /// With `collapse`, the other hits of its group, if there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) collapsed: Option<CollapsedView>,
}

/// The hits of a group that are not listed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Collapsed)]
pub struct CollapsedView {
    /// How many.
    pub(crate) count: u64,
    /// What they have in common with others of the group: `album`, `source`, `text`.
    pub(crate) by: Vec<String>,
    /// Value of `group` that lists all of the group.
    pub(crate) group: String,
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
    /// How many.
    pub(crate) count: u64,
    /// Whether `count` is exact; if not, there are at least that many: counting ends at 10,000, and earlier where it takes long. Where facets are asked
    /// for, all are counted.
    pub(crate) exact: bool,
}

/// How many of all hits have each value: a member for each facet that was requested.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Facets)]
pub struct FacetsView {
    /// Where they were posted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) peer: Option<FacetView>,
    /// Who sent them; the peer itself, where nobody is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sender: Option<FacetView>,
    /// What they carry: the values of the filter `has:`, but for `media`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) kind: Option<FacetView>,
    /// The language that they are written in, as an ISO 639 code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) lang: Option<FacetView>,
    /// The hosts that they link to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) host: Option<FacetView>,
    /// Their hashtags, in lower case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) hashtag: Option<FacetView>,
}

/// How many hits have each value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Facet)]
pub struct FacetView {
    /// The most frequent values, the most frequent first.
    pub(crate) values: Vec<FacetValueView>,
    /// How often hits have any other value; a hit may have several.
    pub(crate) other: u64,
    /// How many hits have none.
    pub(crate) without: u64,
    /// Whether all of that is exact; if not, there are at least so many.
    pub(crate) exact: bool,
}

/// A value and how many hits have it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = FacetValue)]
pub struct FacetValueView {
    /// A marked id, or a word.
    pub(crate) value: FacetKeyView,
    /// How many hits have it.
    pub(crate) count: u64,
}

/// What hits are counted by: a marked id, or a word.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = FacetKey)]
#[serde(untagged)]
pub enum FacetKeyView {
    /// The marked id of a peer.
    Id(i64),
    /// A word.
    Text(String),
}

/// How many hits were sent when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Histogram)]
pub struct HistogramView {
    /// The interval as it was requested.
    pub(crate) interval: String,
    /// The time zone whose clock it goes by.
    pub(crate) timezone: String,
    /// The buckets in order, with the empty ones between them; each ends where the next one begins.
    pub(crate) buckets: Vec<BucketView>,
    /// Where the last bucket ends; absent without hits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) end: Option<String>,
    /// Whether all hits were counted; if not, there are at least so many.
    pub(crate) exact: bool,
}

/// How many hits were sent in a part of the time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Bucket)]
pub struct BucketView {
    /// Its first second: RFC 3339, as the time zone's clock shows it.
    pub(crate) from: String,
    /// How many hits were sent then.
    pub(crate) count: u64,
}
