//! Which hits a page lists: every hit by itself, or collapsed.

use std::sync::Arc;

use tantivy::TantivyError;

use super::collapse::{COLLAPSED_MAX, CollapsedFound, CollapsedTopHits, PageStart};
use super::collapse_kinds::{Collapse, CollapsedHits};
use super::collect::{Found, HitCheck, Limits, SortKey, TopHits};
use super::columns::OpenSegments;
use super::compile::Compiled;
use super::cursor::PageCursor;
use super::deadline::Deadline;
use super::order::SortOrder;
use super::request::Total;
use super::statistics::FrozenStatistics;
use super::{Index, SearchError};
use crate::model::MessageKey;

/// A page that is to be listed.
pub(super) struct PageOf<'a> {
    pub(super) segments: &'a OpenSegments,
    pub(super) sort: SortOrder,
    pub(super) count: usize,
    pub(super) cursor: Option<&'a PageCursor>,
    pub(super) deadline: &'a Arc<Deadline>,
    /// Whether a hit is one, where the index cannot tell.
    pub(super) check: Option<&'a HitCheck<'a>>,
}

/// What is on a page.
pub(super) struct Listed {
    /// In order.
    pub(super) hits: Vec<(SortKey, Option<CollapsedHits>)>,
    pub(super) counted: Total,
    /// Of collapsed hits, where the first page began and how many groups it counted.
    pub(super) collapsed: Option<(PageStart, u64)>,
}

impl PageOf<'_> {
    /// Lists the hits of what was asked; `collapse` says by what they are collapsed, and of which group all are listed.
    pub(super) fn list(
        &self,
        index: &Index,
        asked: &Compiled,
        statistics: &FrozenStatistics<'_>,
        collapse: Option<(Collapse, Option<MessageKey>)>,
    ) -> Result<Listed, SearchError> {
        match collapse {
            None => self.hits(asked, statistics).map_err(|e| index.failed(&e)),
            Some((collapse, group)) => {
                let listed = self.groups(asked, statistics, collapse, group).map_err(|e| index.failed(&e))?;
                listed.ok_or(SearchError::TooManyHits { limit: COLLAPSED_MAX })
            }
        }
    }

    fn after(&self) -> Option<SortKey> {
        self.cursor.map(|cursor| cursor.after)
    }

    /// Every hit by itself.
    fn hits(&self, asked: &Compiled, statistics: &FrozenStatistics<'_>) -> Result<Listed, TantivyError> {
        let top_hits = TopHits {
            segments: self.segments,
            sort: self.sort,
            count: self.count,
            after: self.after(),
            deadline: Arc::clone(self.deadline),
            limits: Limits::default(),
            check: self.check,
        };
        let Found { sort_keys, counted } = top_hits.find(asked, statistics)?;
        Ok(Listed { hits: sort_keys.into_iter().map(|key| (key, None)).collect(), counted, collapsed: None })
    }

    /// One hit of each group, or the hits of one group; `None` where there are too many.
    fn groups(
        &self,
        asked: &Compiled,
        statistics: &FrozenStatistics<'_>,
        collapse: Collapse,
        group: Option<MessageKey>,
    ) -> Result<Option<Listed>, TantivyError> {
        let collector = CollapsedTopHits {
            segments: self.segments,
            sort: self.sort,
            collapse,
            group,
            count: self.count,
            after: self.after(),
            start: self.cursor.and_then(|cursor| cursor.collapsed).map(|(start, _)| start),
            deadline: Arc::clone(self.deadline),
            check: self.check,
        };
        let found = collector.find(asked, statistics)?;
        Ok(found.map(|CollapsedFound { listed, hits, groups, start }| {
            let start = start.unwrap_or(PageStart { score: 0, date: i64::MIN });
            Listed { hits: listed, counted: Total::Exactly(hits), collapsed: Some((start, groups)) }
        }))
    }
}
