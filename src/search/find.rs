//! Asking the index and showing what the archive has.

use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::{Duration, Instant};

use super::collect::{Best, COUNTED_MAX};
use super::compile::compile;
use super::cursor::Cursor;
use super::snippet::Highlighter;
use super::{Index, Query, SearchError, Snippet};
use crate::archive::{Archive, StoredMessage};
use crate::model::MessageKey;

/// Most hits of a page: more is not read, and a sealed page must stay small.
pub const PAGE_SIZE_MAX: usize = 100;
/// Hits of a page unless asked otherwise.
const PAGE_SIZE: usize = 20;
/// How long a search may take unless asked otherwise: a hundred times what the slowest sensible one does.
const TIME_LIMIT: Duration = Duration::from_secs(5);

/// In which order hits come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Sort {
    /// The best match first; equal ones newest first.
    Relevance,
    /// The newest first.
    #[default]
    Newest,
    /// The oldest first.
    Oldest,
}

/// What is asked.
#[derive(Clone, Debug)]
pub struct Request {
    /// What hits must match.
    pub query: Query,
    /// In which order they come.
    pub sort: Sort,
    /// How many at once, from 1 to [`PAGE_SIZE_MAX`]; what lies outside is brought inside.
    pub page_size: usize,
    /// Where the page before ended ([`Page::next`]); the first page has none.
    pub cursor: Option<String>,
    /// How long the search may take.
    pub time_limit: Duration,
}

impl Request {
    /// The first page of a query, newest first.
    #[must_use]
    pub fn new(query: Query) -> Self {
        Self { query, sort: Sort::default(), page_size: PAGE_SIZE, cursor: None, time_limit: TIME_LIMIT }
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

/// Some hits of a query.
#[derive(Clone, Debug)]
pub struct Page {
    /// The hits, in order.
    pub hits: Vec<Hit>,
    /// The cursor of the next page, if there is one.
    pub next: Option<String>,
    /// How many hits the query had when its first page was asked for.
    pub total: Total,
}

/// A message that matches.
#[derive(Clone, Debug)]
pub struct Hit {
    /// Which message.
    pub key: MessageKey,
    /// How well it matches, in [`Sort::Relevance`]: comparable within one query only.
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
    pub fn search(&self, archive: &Archive, request: &Request) -> Result<Page, SearchError> {
        let Request { query, sort, time_limit, .. } = request;
        let page_size = request.page_size.clamp(1, PAGE_SIZE_MAX);
        let cursor = match &request.cursor {
            Some(text) => Some(Cursor::decode(text, query, *sort).ok_or(SearchError::Cursor)?),
            None => None,
        };
        let asked = compile(query, self.fields(), archive)?;
        let best = Best {
            sort: *sort,
            // One more than is shown tells whether there is a next page.
            count: page_size + 1,
            after: cursor.map(|c| c.after),
            deadline: Instant::now() + *time_limit,
            seen: AtomicU64::new(0),
            uncounted: AtomicBool::new(false),
            late: AtomicBool::new(false),
        };
        let mut ranks = self.searcher().search(&asked, &best).map_err(|e| self.failed(&e))?;
        if best.late.into_inner() {
            return Err(SearchError::Deadline { limit: *time_limit });
        }
        let seen = best.seen.into_inner();
        let uncounted = best.uncounted.into_inner();
        let counted = if uncounted { Total::AtLeast(seen.min(COUNTED_MAX)) } else { Total::Exactly(seen) };
        let total = cursor.map_or(counted, |c| c.total);
        let more = ranks.len() > page_size;
        ranks.truncate(page_size);
        let next = ranks.last().filter(|_| more).map(|last| Cursor { after: *last, total }.encode(query, *sort));
        let places: Vec<_> = ranks.iter().filter_map(|rank| Some((rank.key(*sort)?, rank.score(*sort)))).collect();
        let keys: Vec<MessageKey> = places.iter().map(|(key, _)| *key).collect();
        let highlighter = Highlighter::new(query);
        let hits = places.into_iter().zip(archive.view().messages_by_key(&keys)?).filter_map(|((key, score), message)| {
            // Deleted a moment ago: the index does not know yet, the archive does.
            let message = message.filter(|m| m.deleted_at.is_none() || query.minds_deleted())?;
            Some(Hit { key, score, snippet: highlighter.snippet(&message.message), message })
        });
        Ok(Page { hits: hits.collect(), next, total })
    }
}
