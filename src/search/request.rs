//! What can be asked of the index: query, order, pagination, deadline.

use std::time::Duration;

use super::collapse_kinds::Collapse;
use super::facets::FacetRequest;
use super::order::SortOrder;
use super::query::SearchQuery;
use crate::model::MessageKey;

/// The largest page size: more is not read, and a sealed page must stay small.
pub const PAGE_SIZE_MAX: usize = 100;
/// The default page size.
const PAGE_SIZE: usize = 20;
/// The default deadline of a search: a hundred times what the slowest sensible one takes.
const TIME_LIMIT: Duration = Duration::from_secs(5);

/// A search request: query, order, pagination, deadline.
#[derive(Clone, Debug)]
pub struct Request {
    /// What hits must match.
    pub query: SearchQuery,
    /// In which order they come, where the query does not say it.
    pub sort: SortOrder,
    /// Whether hits that belong together are listed as one, and by what they do.
    pub collapse: Option<Collapse>,
    /// Where hits are collapsed: not one of each group, but the hits of the group that this hit is in.
    pub group: Option<MessageKey>,
    /// How many at once, from 1 to [`PAGE_SIZE_MAX`]; what lies outside is brought inside.
    pub page_size: usize,
    /// The pagination cursor of the page before ([`SearchPage::next`](super::SearchPage::next)); the first page has none.
    pub cursor: Option<String>,
    /// What is to be counted over all hits.
    pub facets: FacetRequest,
    /// How long the search may take.
    pub time_limit: Duration,
}

impl Request {
    /// The first page of a query, newest first.
    #[must_use]
    pub fn new(query: SearchQuery) -> Self {
        Self {
            query,
            sort: SortOrder::default(),
            collapse: None,
            group: None,
            page_size: PAGE_SIZE,
            cursor: None,
            facets: FacetRequest::default(),
            time_limit: TIME_LIMIT,
        }
    }

    /// What besides query and order says which hits are listed, for their cursors.
    pub(super) fn scope(&self) -> String {
        let Some(collapse) = self.collapse else { return String::new() };
        let group = self.group.map(|key| format!(" {key}")).unwrap_or_default();
        format!("{collapse}{group}")
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
