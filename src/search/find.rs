//! Searching the index, with pagination, and showing what the archive has.

use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::Instant;

use super::collect::{COUNTED_MAX, SortKey, TopHits};
use super::compile::compile;
use super::cursor::PageCursor;
use super::request::{PAGE_SIZE_MAX, Request, Total};
use super::snippet::Highlighter;
use super::{Index, SearchError, Snippet};
use crate::archive::{Snapshot, StoredMessage};
use crate::model::{MessageKey, Seq};

/// A page of hits.
#[derive(Clone, Debug)]
pub struct SearchPage {
    /// The hits, in order.
    pub hits: Vec<Hit>,
    /// The cursor of the next page, if there is one.
    pub next: Option<String>,
    /// How many hits the query had when its first page was asked for.
    pub total: Total,
    /// How far into the change log the search has seen.
    pub position: Seq,
}

/// A message that matches.
#[derive(Clone, Debug)]
pub struct Hit {
    /// Which message.
    pub key: MessageKey,
    /// How well it matches, in [`SortOrder::Relevance`](super::SortOrder::Relevance): comparable within one query only.
    pub score: Option<f32>,
    /// The part of it that matches.
    pub snippet: Snippet,
    /// The message as the archive has it.
    pub message: StoredMessage,
}

impl Index {
    /// Finds a page of messages. Blocks: call it where blocking is allowed.
    ///
    /// # Errors
    /// When the query names an unknown peer, the cursor is not one of this query, the time is up, or index or archive fail.
    pub fn search(&self, archive: &Snapshot, request: &Request) -> Result<SearchPage, SearchError> {
        self.caught(|| self.find(archive, request))
    }

    fn find(&self, archive: &Snapshot, request: &Request) -> Result<SearchPage, SearchError> {
        let Request { query, sort, time_limit, .. } = request;
        let page_size = request.page_size.clamp(1, PAGE_SIZE_MAX);
        let cursor = match &request.cursor {
            Some(text) => Some(PageCursor::decode(text, query, *sort).ok_or(SearchError::Cursor)?),
            None => None,
        };
        let position = self.position();
        let asked = compile(query, self.fields(), archive)?;
        let top_hits = TopHits {
            sort: *sort,
            // One more than the page size tells whether there is a next page.
            count: page_size + 1,
            after: cursor.map(|c| c.after),
            deadline: Instant::now() + *time_limit,
            counted: AtomicU64::new(0),
            uncounted: AtomicBool::new(false),
            timed_out: AtomicBool::new(false),
        };
        let mut sort_keys = self.searcher().search(&asked, &top_hits).map_err(|e| self.failed(&e))?;
        if top_hits.timed_out.into_inner() {
            return Err(SearchError::Deadline { limit: *time_limit });
        }
        let seen = top_hits.counted.into_inner();
        let uncounted = top_hits.uncounted.into_inner();
        let counted = if uncounted { Total::AtLeast(seen.min(COUNTED_MAX)) } else { Total::Exactly(seen) };
        let total = cursor.map_or(counted, |c| c.total);
        let more = sort_keys.len() > page_size;
        sort_keys.truncate(page_size);
        let next = sort_keys.last().filter(|_| more).map(|last| PageCursor { after: *last, total }.encode(query, *sort));
        let scored = |sort_key: &SortKey| Some((sort_key.message_key(*sort)?, sort_key.score(*sort)));
        let scored_keys: Vec<_> = sort_keys.iter().filter_map(scored).collect();
        let keys: Vec<MessageKey> = scored_keys.iter().map(|(key, _)| *key).collect();
        let highlighter = Highlighter::new(query);
        let hits = scored_keys.into_iter().zip(archive.view().messages_by_key(&keys)?).filter_map(|((key, score), message)| {
            // A race: deleted a moment ago, which the archive knows and the index does not yet.
            let message = message.filter(|m| m.deleted_at.is_none() || query.mentions_deleted())?;
            Some(Hit { key, score, snippet: highlighter.snippet(&message.message), message })
        });
        Ok(SearchPage { hits: hits.collect(), next, total, position })
    }
}
