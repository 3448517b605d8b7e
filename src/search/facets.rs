//! Facets and date histogram: what can be asked for beside hits, and what is answered.

use super::interval::Interval;
use super::schema::{HASHTAG, HOST, LANG, PEER, SENDER, TAG};
use crate::schedule::Zone;

/// Most values of a facet in one response.
pub const FACET_LIMIT_MAX: usize = 100;
/// How many there are by default.
pub const FACET_LIMIT: usize = 10;
/// Most buckets of a histogram, empty ones included: more than a screen has points, and fewer than a response would be long by.
pub const BUCKETS_MAX: usize = 2_000;

/// What hits are counted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FacetField {
    /// Where they were posted.
    Peer,
    /// Who sent them.
    Sender,
    /// What they carry: the values of the filter `has:`, but for `media`, which is any of them.
    Kind,
    /// The language that they are written in.
    Lang,
    /// The hosts that they link to.
    Host,
    /// Their hashtags.
    Hashtag,
}

impl FacetField {
    /// Every one.
    pub const ALL: [Self; 6] = [Self::Peer, Self::Sender, Self::Kind, Self::Lang, Self::Host, Self::Hashtag];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Peer => "peer",
            Self::Sender => "sender",
            Self::Kind => "kind",
            Self::Lang => "lang",
            Self::Host => "host",
            Self::Hashtag => "hashtag",
        }
    }

    /// The field of the index that it is in.
    pub(super) fn column(self) -> &'static str {
        match self {
            Self::Peer => PEER,
            Self::Sender => SENDER,
            Self::Kind => TAG,
            Self::Lang => LANG,
            Self::Host => HOST,
            Self::Hashtag => HASHTAG,
        }
    }
}

/// What is to be counted beside the hits of a page, over all hits of the query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FacetRequest {
    /// By what.
    pub fields: Vec<FacetField>,
    /// How many values of each, at most [`FACET_LIMIT_MAX`]; the most frequent come first.
    pub limit: usize,
    /// How long the buckets of the date histogram are, if there is to be one, and by which clock.
    pub histogram: Option<(Interval, Zone)>,
    /// Whether later pages are to have them too, which count anew.
    pub on_every_page: bool,
}

impl Default for FacetRequest {
    fn default() -> Self {
        Self { fields: Vec::new(), limit: FACET_LIMIT, histogram: None, on_every_page: false }
    }
}

impl FacetRequest {
    /// Whether anything is to be counted.
    pub(super) fn is_asked(&self, is_first_page: bool) -> bool {
        (!self.fields.is_empty() || self.histogram.is_some()) && (is_first_page || self.on_every_page)
    }
}

/// What was counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facets {
    /// In the order in which they were asked for.
    pub facets: Vec<(FacetField, Facet)>,
    /// The date histogram, if it was asked for.
    pub histogram: Option<Histogram>,
}

/// How many hits have each value.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Facet {
    /// The most frequent values, the most frequent first.
    pub values: Vec<(FacetValue, u64)>,
    /// How often hits have any other value: a hit may have several.
    pub other: u64,
    /// How many hits have none.
    pub without: u64,
    /// Whether all of that is exact; if not, there are at least so many of each, and a value may be missing that is as frequent.
    pub is_exact: bool,
}

/// A value that hits are counted by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FacetValue {
    /// The marked id of a peer.
    Id(i64),
    /// A word.
    Text(Box<str>),
}

/// How many hits were sent when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Histogram {
    /// The first second of each bucket (Unix time), and how many hits are in it: in order, with the empty ones between them.
    pub buckets: Vec<(i64, u64)>,
    /// The first second after the last one; `None` without hits.
    pub end: Option<i64>,
    /// Whether all hits were counted; if not, there are at least so many.
    pub is_exact: bool,
}
