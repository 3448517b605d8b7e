//! What can be asked of the index: query, order, pagination, deadline.

use std::time::Duration;

use super::SearchQuery;

/// The largest page size: more is not read, and a sealed page must stay small.
pub const PAGE_SIZE_MAX: usize = 100;
/// The default page size.
const PAGE_SIZE: usize = 20;
/// The default deadline of a search: a hundred times what the slowest sensible one takes.
const TIME_LIMIT: Duration = Duration::from_secs(5);

/// In which order hits come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum SortOrder {
    /// The best match first; equal ones newest first.
    Relevance,
    /// The newest first.
    #[default]
    Newest,
    /// The oldest first.
    Oldest,
}

/// A search request: query, order, pagination, deadline.
#[derive(Clone, Debug)]
pub struct Request {
    /// What hits must match.
    pub query: SearchQuery,
    /// In which order they come.
    pub sort: SortOrder,
    /// How many at once, from 1 to [`PAGE_SIZE_MAX`]; what lies outside is brought inside.
    pub page_size: usize,
    /// The pagination cursor of the page before ([`SearchPage::next`](super::SearchPage::next)); the first page has none.
    pub cursor: Option<String>,
    /// How long the search may take.
    pub time_limit: Duration,
}

impl Request {
    /// The first page of a query, newest first.
    #[must_use]
    pub fn new(query: SearchQuery) -> Self {
        Self { query, sort: SortOrder::default(), page_size: PAGE_SIZE, cursor: None, time_limit: TIME_LIMIT }
    }
}

/// How many hits a query has altogether.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Total {
    /// All were counted.
    Exactly(u64),
    /// Counting was given up.
    AtLeast(u64),
}
