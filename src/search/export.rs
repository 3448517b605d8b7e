//! All hits of a query, one after another, each read once: what an export is made of.
//!
//! The sort keys of many hits are found at a time, and their messages are read from them, a few at a time. The next keys are those behind the last one (keyset
//! pagination, as between pages), so a step costs memory for its keys only, ends at a deadline of its own, and can be the first after a restart. There is no
//! counting and no snippet, and the statistics that scores are made of stay those of the first step.
//!
//! It is no snapshot: the segments are the newest ones at each step. Holding the first ones would keep the files of those that were merged meanwhile, and with
//! them words that were to be erased, for as long as a client likes to read. So what arrives while it runs is there where its place was not yet passed.

use std::collections::VecDeque;
use std::time::Duration;

use super::collect::{Found, HitCheck, Limits, SortKey, TopHits};
use super::compile::{Compiler, compile};
use super::cursor::PageCursor;
use super::deadline::Deadline;
use super::order::SortOrder;
use super::query::SearchQuery;
use super::query_set::QuerySet;
use super::request::Total;
use super::statistics::FrozenStatistics;
use super::verdict::Verdicts;
use super::{Index, SearchError};
use crate::archive::{ArchiveError, Snapshot, StoredMessage};
use crate::model::MessageKey;

/// How many keys the first step finds: few, so that the first messages come soon and short exports cost little. Each step finds more.
const FIRST_STEP: usize = 512;
const STEP_GROWTH: usize = 4;
/// How many keys a step finds at most: about a megabyte.
const STEP_MAX: usize = 1 << 13;
/// The same for orders in which each step looks at all hits; there are eight times fewer of them.
const RANKED_STEP_MAX: usize = 1 << 16;

/// All hits of a query, from a place on.
#[derive(Debug)]
pub struct Export {
    query: SearchQuery,
    sort: SortOrder,
    /// Behind which hit it goes on; nothing at the beginning.
    after: Option<SortKey>,
    /// What scores are made of, from the first step on.
    statistics: Vec<u8>,
    /// What was found and not read yet, in order.
    keys: VecDeque<SortKey>,
    step: usize,
    is_begun: bool,
    /// Whether there is nothing behind the keys.
    is_last: bool,
}

impl Export {
    /// All hits of a query, or those behind the place that a cursor names: that of a page, or [`Export::cursor`].
    ///
    /// # Errors
    /// When the cursor is not one of this query and order.
    pub fn new(query: SearchQuery, sort: SortOrder, cursor: Option<&str>) -> Result<Self, SearchError> {
        let sort = query.order(sort);
        let cursor = cursor.map(|text| PageCursor::decode(text, &query, sort, "").ok_or(SearchError::Cursor)).transpose()?;
        let is_begun = cursor.is_some();
        let (after, statistics) = cursor.map_or((None, Vec::new()), |cursor| (Some(cursor.after), cursor.statistics));
        Ok(Self { query, sort, after, statistics, keys: VecDeque::new(), step: FIRST_STEP, is_begun, is_last: false })
    }

    /// Whether the next hits have to be found first.
    #[must_use]
    pub fn wants_keys(&self) -> bool {
        self.keys.is_empty() && !self.is_last
    }

    /// Whether all hits were taken.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.keys.is_empty() && self.is_last
    }

    /// Reads the messages of the next hits, at most so many, without taking them; nothing in the place of one that was deleted a moment ago.
    ///
    /// # Errors
    /// When the archive fails.
    pub fn read(&self, archive: &Snapshot, count: usize) -> Result<Vec<Option<StoredMessage>>, ArchiveError> {
        let keys: Vec<Option<MessageKey>> = self.keys.iter().take(count).map(|key| key.message_key(self.sort)).collect();
        let known: Vec<MessageKey> = keys.iter().flatten().copied().collect();
        let mut messages = archive.view().messages_by_key(&known)?.into_iter();
        let is_shown = |message: &StoredMessage| message.deleted_at.is_none() || self.query.mentions_deleted();
        Ok(keys.into_iter().map(|key| key.and_then(|_| messages.next().flatten()).filter(is_shown)).collect())
    }

    /// Takes the next hits, so many.
    pub fn take(&mut self, count: usize) {
        let last = self.keys.drain(..count.min(self.keys.len())).next_back();
        self.after = last.or(self.after);
    }

    /// Names the place behind the last hit that was taken; `None` before the first one.
    #[must_use]
    pub fn cursor(&self) -> Option<String> {
        let cursor =
            PageCursor { after: self.after?, total: Total::AtLeast(0), collapsed: None, statistics: self.statistics.clone() };
        Some(cursor.encode(&self.query, self.sort, ""))
    }
}

impl Index {
    /// Finds the next hits of an export, if it [wants](Export::wants_keys) any. Blocks.
    ///
    /// # Errors
    /// See [`Index::search`].
    pub fn continue_export(&self, archive: &Snapshot, export: &mut Export, time_limit: Duration) -> Result<(), SearchError> {
        if !export.wants_keys() {
            return Ok(());
        }
        self.caught(|| self.find_keys(archive, export, time_limit))
    }

    fn find_keys(&self, archive: &Snapshot, export: &mut Export, time_limit: Duration) -> Result<(), SearchError> {
        let (segments, deadline) = (self.segments(), Deadline::after(time_limit));
        let is_scored = export.sort == SortOrder::Relevance;
        let compiler = Compiler { fields: self.fields(), archive, segments: &segments, deadline: &deadline, is_scored };
        let asked = compile(&export.query, &compiler)?;
        let set = export.query.is_exact().then(|| QuerySet::new([&export.query]));
        let verdicts = set.as_ref().map(|set| Verdicts::of(set, archive));
        let is_match = |key: MessageKey| verdicts.as_ref().is_none_or(|verdicts| verdicts.is_match(key));
        let top_hits = TopHits {
            segments: &segments,
            sort: export.sort,
            count: export.step,
            after: export.after,
            deadline: std::sync::Arc::clone(&deadline),
            limits: Limits::default(),
            check: verdicts.as_ref().map(|_| &is_match as &HitCheck<'_>),
        };
        let statistics = FrozenStatistics::new(segments.searcher(), archive, &export.statistics);
        let Found { sort_keys, .. } = top_hits.find(&asked, &statistics).map_err(|e| self.failed(&e))?;
        verdicts.as_ref().map_or(Ok(()), Verdicts::end)?;
        if deadline.is_missed() {
            return Err(SearchError::Deadline { limit: time_limit });
        }
        if !statistics.are_all_known(!export.is_begun) {
            return Err(SearchError::Cursor);
        }
        (export.statistics, export.is_begun) = (statistics.into_bytes(), true);
        export.is_last = sort_keys.len() < export.step;
        export.keys = sort_keys.into();
        let max = match export.sort {
            SortOrder::Newest | SortOrder::Oldest => STEP_MAX,
            SortOrder::Relevance | SortOrder::Views => RANKED_STEP_MAX,
        };
        export.step = (export.step * STEP_GROWTH).min(max);
        Ok(())
    }
}
