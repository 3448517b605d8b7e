//! Searching the index, with pagination, and showing what the archive has.

use std::sync::Arc;

use super::collapse::PageStart;
use super::collapse_kinds::CollapsedHits;
use super::collect::{HitCheck, SortKey};
use super::columns::OpenSegments;
use super::compile::{Compiled, Compiler, compile};
use super::counting::{Counted, TooManyBuckets, count};
use super::cursor::PageCursor;
use super::deadline::Deadline;
use super::facets::{BUCKETS_MAX, FacetRequest, Facets};
use super::interval::Interval;
use super::listing::{Listed, PageOf};
use super::order::SortOrder;
use super::query::SearchQuery;
use super::query_set::QuerySet;
use super::request::{PAGE_SIZE_MAX, Request, Total};
use super::schema::earlier_versions;
use super::snippet::Highlighter;
use super::statistics::FrozenStatistics;
use super::verdict::Verdicts;
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
    /// What was counted over all hits, where it was asked for.
    pub facets: Option<Facets>,
    /// How far into the change log the search has seen.
    pub position: Seq,
    /// Of collapsed hits, where the first page began and how many groups there were.
    collapsed: Option<(PageStart, u64)>,
    /// What the cursor behind each hit is made of.
    query: SearchQuery,
    sort: SortOrder,
    scope: String,
    statistics: Vec<u8>,
}

impl SearchPage {
    /// How many groups the hits were collapsed to when the first page was asked for, where they are.
    #[must_use]
    pub fn groups(&self) -> Option<u64> {
        self.collapsed.map(|(_, groups)| groups)
    }

    /// Leaves out what follows so many hits, which the next page begins with then: for who can take no more. One hit always stays.
    pub fn truncate(&mut self, count: usize) {
        if count >= self.hits.len() {
            return;
        }
        self.hits.truncate(count.max(1));
        self.next = self.hits.last().map(|last| self.cursor_behind(last.sort_key));
    }

    fn cursor_behind(&self, after: SortKey) -> String {
        let (total, collapsed, statistics) = (self.total, self.collapsed, self.statistics.clone());
        PageCursor { after, total, collapsed, statistics }.encode(&self.query, self.sort, &self.scope)
    }
}

/// A message that matches.
#[derive(Clone, Debug)]
pub struct Hit {
    /// Which message.
    pub key: MessageKey,
    /// How well it matches, in [`SortOrder::Relevance`]: comparable within one query only.
    pub score: Option<f32>,
    /// The part of it that matches.
    pub snippet: Snippet,
    /// The number of the earlier version that the snippet is of, where that matches and the newest does not.
    pub version: Option<u32>,
    /// The message as the archive has it.
    pub message: StoredMessage,
    /// The others of its group, where hits are collapsed and there are some.
    pub collapsed: Option<CollapsedHits>,
    sort_key: SortKey,
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
        let Request { query, time_limit, .. } = request;
        let sort = query.order(request.sort);
        let page_size = request.page_size.clamp(1, PAGE_SIZE_MAX);
        let cursor = match &request.cursor {
            Some(text) => Some(PageCursor::decode(text, query, sort, &request.scope()).ok_or(SearchError::Cursor)?),
            None => None,
        };
        let position = self.position();
        let (segments, deadline) = (self.segments(), Deadline::after(*time_limit));
        let is_scored = sort == SortOrder::Relevance;
        let compiler = Compiler { fields: self.fields(), archive, segments: &segments, deadline: &deadline, is_scored };
        let asked = compile(query, &compiler)?;
        let set = query.is_exact().then(|| QuerySet::new([query]));
        let verdicts = set.as_ref().map(|set| Verdicts::of(set, archive));
        let is_match = |key: MessageKey| verdicts.as_ref().is_none_or(|verdicts| verdicts.is_match(key));
        let page = PageOf {
            segments: &segments,
            sort,
            // One more than the page size tells whether there is a next page.
            count: page_size + 1,
            cursor: cursor.as_ref(),
            deadline: &deadline,
            check: verdicts.as_ref().map(|_| &is_match as &HitCheck<'_>),
        };
        let given = cursor.as_ref().map_or(&[][..], |cursor| &cursor.statistics);
        let statistics = FrozenStatistics::new(segments.searcher(), archive, given);
        let collapse = request.collapse.map(|collapse| (collapse, request.group));
        let Listed { mut hits, counted, collapsed } = page.list(self, &asked, &statistics, collapse)?;
        if deadline.is_missed() {
            return Err(SearchError::Deadline { limit: *time_limit });
        }
        if !statistics.are_all_known(cursor.is_none()) {
            return Err(SearchError::Cursor);
        }
        // They are those of the query, and a group has a total of its own.
        let (facets, counted) = match request.facets.is_asked(cursor.is_none()) && request.group.is_none() {
            true => self.count_all(&asked, (&segments, &deadline), (&request.facets, page.check), counted)?,
            false => (None, counted),
        };
        verdicts.as_ref().map_or(Ok(()), Verdicts::end)?;
        let collapsed = cursor.as_ref().and_then(|cursor| cursor.collapsed).or(collapsed);
        let total = cursor.map_or(counted, |c| c.total);
        let more = hits.len() > page_size;
        hits.truncate(page_size);
        let last = hits.last().filter(|_| more).map(|(last, _)| *last);
        let shown = Shown { newest: Highlighter::new(query), earlier: Highlighter::of_earlier(query), archive };
        let mut hits = shown.hits(hits, sort, query.sort().unwrap_or(request.sort) == SortOrder::Relevance)?;
        // A race: deleted a moment ago, which the archive knows and the index does not yet.
        hits.retain(|hit| hit.message.deleted_at.is_none() || query.mentions_deleted());
        let (query, scope, statistics) = (query.clone(), request.scope(), statistics.into_bytes());
        let mut page = SearchPage { hits, next: None, total, facets, position, collapsed, query, sort, scope, statistics };
        page.next = last.map(|last| page.cursor_behind(last));
        Ok(page)
    }

    /// Counts all hits by what was asked for. Their total is exact then, unless the time was up.
    fn count_all(
        &self,
        asked: &Compiled,
        (segments, deadline): (&OpenSegments, &Arc<Deadline>),
        facets: (&FacetRequest, Option<&HitCheck<'_>>),
        total: Total,
    ) -> Result<(Option<Facets>, Total), SearchError> {
        let counted = count(asked.query.as_ref(), segments, deadline, facets).map_err(|e| self.failed(&e))?;
        let Counted { facets, hits, is_whole } = counted.map_err(|TooManyBuckets(seconds)| SearchError::TooManyBuckets {
            max: BUCKETS_MAX,
            interval: Interval::fitting(seconds, BUCKETS_MAX),
        })?;
        let total = match total {
            _ if is_whole => Total::Exactly(hits),
            Total::AtLeast(count) => Total::AtLeast(count.max(hits)),
            exactly => exactly,
        };
        Ok((Some(facets), total))
    }
}

/// What is shown of a hit.
struct Shown<'a> {
    newest: Highlighter,
    /// Nothing where earlier versions are not asked for.
    earlier: Option<Highlighter>,
    archive: &'a Snapshot,
}

impl Shown<'_> {
    /// What is shown of the messages with these sort keys, as far as the archive has them.
    fn hits(
        &self,
        listed: Vec<(SortKey, Option<CollapsedHits>)>,
        sort: SortOrder,
        is_scored: bool,
    ) -> Result<Vec<Hit>, SearchError> {
        let with_key = |(sort_key, others): (SortKey, _)| Some((sort_key, others, sort_key.message_key(sort)?));
        let found: Vec<_> = listed.into_iter().filter_map(with_key).collect();
        let keys: Vec<MessageKey> = found.iter().map(|(_, _, key)| *key).collect();
        let mut hits = Vec::with_capacity(found.len());
        for ((sort_key, collapsed, key), message) in found.into_iter().zip(self.archive.view().messages_by_key(&keys)?) {
            let Some(message) = message else { continue };
            let (snippet, version) = self.snippet(&message)?;
            let score = is_scored.then(|| sort_key.score(sort).unwrap_or_default());
            hits.push(Hit { key, score, snippet, version, message, collapsed, sort_key });
        }
        Ok(hits)
    }

    /// The part of a message that matches, and which earlier version that is of.
    fn snippet(&self, message: &StoredMessage) -> Result<(Snippet, Option<u32>), SearchError> {
        let snippet = self.newest.snippet(&message.message);
        let Some(earlier) = self.earlier.as_ref().filter(|_| snippet.highlights.is_empty()) else { return Ok((snippet, None)) };
        for number in earlier_versions(message).rev() {
            let version = self.archive.view().version_if_whole(message.message.key, number)?;
            let found = version.map(|version| earlier.snippet(&version.message)).filter(|found| !found.highlights.is_empty());
            if let Some(found) = found {
                return Ok((found, Some(number)));
            }
        }
        Ok((snippet, None))
    }
}
