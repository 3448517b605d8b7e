//! Collecting the top hits of a query, in a total order that does not depend on how the index is cut into segments.
//!
//! Every segment is sorted by date, newest first, so newest-first needs no more than the first hits of each, and oldest-first the last ones; the
//! rest is only counted: up to a limit, and no longer than for so many looks at the clock. By relevance all hits are walked through; of words alone, blocks of which
//! no message can be among the best are passed over ([`TopHits::scan`]), and hits are counted as for the other orders. All of it ends at the deadline.

use std::collections::{BinaryHeap, VecDeque};
use std::ops::ControlFlow;
use std::sync::Arc;

use tantivy::query::{Bm25StatisticsProvider, EnableScoring, Scorer, Weight};
use tantivy::{DocId, DocSet as _, Score, SegmentReader, TERMINATED, TantivyError};

use super::columns::{Columns, OpenSegments};
use super::compile::{ALWAYS, Compiled, Words};
use super::conjunction::rounded;
use super::deadline::{Deadline, Steps};
use super::order::SortOrder;
use super::request::Total;
use crate::model::{AccountName, ChatId, MessageId, MessageKey, PeerId};

/// How much is looked at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// How many hits are counted before counting is given up, and "at least" said: it would otherwise read what need not be read.
    pub(super) counted: u64,
    /// How many documents at the end of a segment oldest-first looks at first.
    pub(super) window: DocId,
    /// After how many looks at the clock counting is given up.
    pub(super) counting_looks: u32,
}

impl Default for Limits {
    /// Enough looks to count so many hits of words, and of phrases as many as are found in some ten milliseconds.
    fn default() -> Self {
        Self { counted: 10_000, window: 1 << 16, counting_looks: 1_024 }
    }
}

/// How many times more documents oldest-first looks at where those at the end have too few hits.
const WINDOW_GROWTH: DocId = 8;
/// The bound of oldest-first's buffer: how many hits more than a page it may hold before it drops the newest of them.
const HELD_MAX: usize = 4_096;

/// The sort key of a hit among all hits of a query: smaller is earlier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SortKey {
    /// The rank, reversed, in the orders that have one: the score, or the views.
    pub(super) score: u32,
    pub(super) date: i64,
    pub(super) peer: i64,
    pub(super) id: i64,
    /// Whose id that is, outside channels: in any order the same way.
    pub(super) account: Option<AccountName>,
}

impl SortKey {
    /// Makes the key; `!` reverses an order without overflow.
    fn new(sort: SortOrder, rank: u32, date: i64, (peer, id, account): (i64, i64, Option<AccountName>)) -> Self {
        match sort {
            SortOrder::Relevance | SortOrder::Views => Self { score: !rank, date: !date, peer: !peer, id: !id, account },
            SortOrder::Newest => Self { score: 0, date: !date, peer: !peer, id: !id, account },
            SortOrder::Oldest => Self { score: 0, date, peer, id, account },
        }
    }

    /// The message with this sort key; `None` when the key came from a forged cursor.
    pub(super) fn message_key(&self, sort: SortOrder) -> Option<MessageKey> {
        let (peer, id) = if sort == SortOrder::Oldest { (self.peer, self.id) } else { (!self.peer, !self.id) };
        Some(MessageKey::new(ChatId::new(PeerId(peer), self.account), MessageId(i32::try_from(id).ok()?)))
    }

    /// The relevance of the message with this sort key.
    pub(super) fn score(&self, sort: SortOrder) -> Option<Score> {
        (sort == SortOrder::Relevance).then(|| f32::from_bits(!self.score))
    }
}

/// How many hits are looked at in the archive, where the index cannot tell, before counting is given up: each is a read of the archive.
const CHECKED_MAX: u64 = 1_000;

/// The rank of hits in the orders that have none: all are equal, and none is out by it.
const UNRANKED: u32 = u32::MAX;

/// Whether a message is what was asked for, where the index has more than that.
pub(super) type HitCheck<'c> = dyn Fn(MessageKey) -> bool + 'c;

/// The collector of the top hits of a query.
pub(super) struct TopHits<'s> {
    pub(super) segments: &'s OpenSegments,
    pub(super) sort: SortOrder,
    /// How many.
    pub(super) count: usize,
    /// Only those after this sort key (keyset pagination).
    pub(super) after: Option<SortKey>,
    pub(super) deadline: Arc<Deadline>,
    pub(super) limits: Limits,
    /// What hits must pass besides. Only those that would be shown are looked at, and a number of others, to count them.
    pub(super) check: Option<&'s HitCheck<'s>>,
}

/// What was found.
pub(super) struct Found {
    /// In order.
    pub(super) sort_keys: Vec<SortKey>,
    /// How many hits there are; of a later page nothing, as it knows the total from the first one.
    pub(super) counted: Total,
}

impl TopHits<'_> {
    /// Collects the top hits of what was asked, one segment after another: what is better than the best so far is all that is looked for in the next one.
    pub(super) fn find(&self, asked: &Compiled, statistics: &dyn Bm25StatisticsProvider) -> Result<Found, TantivyError> {
        let searcher = self.segments.searcher();
        let scoring = match self.sort {
            SortOrder::Relevance => EnableScoring::enabled_from_statistics_provider(statistics, searcher),
            SortOrder::Newest | SortOrder::Oldest | SortOrder::Views => EnableScoring::disabled_from_searcher(searcher),
        };
        let weight = asked.query.weight(scoring)?;
        let words = match &asked.words {
            // What must be looked at in the archive is not looked at for each of them.
            Some(words) if self.sort == SortOrder::Relevance && self.check.is_none() => {
                let any = words.any.weight(scoring)?;
                let counted = asked.query.weight(EnableScoring::disabled_from_searcher(searcher))?;
                // Asked for only now, when the weights have: they ask in one order on all pages.
                let mean_length = statistics.total_num_tokens(words.field)? as Score / statistics.total_num_docs()? as Score;
                Some(WeighedWords { words, any, counted, mean_length })
            }
            _ => None,
        };
        let mut tally = Tally { top: TopK::new(self.count), counted: 0, checked: 0, is_all_counted: true };
        let mut uncounted = Vec::new();
        for reader in searcher.segment_readers() {
            if self.deadline.has_passed() {
                break;
            }
            let mut segment = Segment { scorer: weight.scorer(reader, 1.0)?, columns: self.segments.columns(reader)?, reader };
            match (self.sort, words.as_ref().filter(|words| words.are_mostly_hits(&segment))) {
                (SortOrder::Relevance, Some(words)) => {
                    self.scan(words, &mut segment, &mut tally)?;
                    uncounted.push((reader, Uncounted::All(words.counted.as_ref())));
                }
                (SortOrder::Relevance, None) => {
                    self.by_rank(&mut segment, &mut tally, |scorer, _, _| rank_of(scorer.score()));
                }
                (SortOrder::Views, _) => {
                    self.by_rank(&mut segment, &mut tally, |_, columns, doc| columns.views_rank(doc));
                }
                (SortOrder::Newest, _) => {
                    self.newest(&mut segment, &mut tally);
                    uncounted.push((reader, Uncounted::Behind(segment)));
                }
                (SortOrder::Oldest, _) => {
                    self.oldest(weight.as_ref(), &segment, &mut tally)?;
                    uncounted.push((reader, Uncounted::All(weight.as_ref())));
                }
            }
        }
        self.count(uncounted, asked.words.as_ref(), &mut tally)?;
        let Tally { top, counted, is_all_counted, checked: _ } = tally;
        let counted = if is_all_counted { Total::Exactly(counted) } else { Total::AtLeast(counted.min(self.limits.counted)) };
        Ok(Found { sort_keys: top.0.into_sorted_vec(), counted })
    }

    /// Visits every hit of a segment until told to stop, or until the deadline. Returns how many it has visited.
    fn walk(&self, segment: &mut Segment<'_>, mut visit: impl FnMut(&mut dyn Scorer, &Columns, DocId) -> ControlFlow<()>) {
        let mut steps = Steps::until(&self.deadline);
        let mut doc = segment.scorer.doc();
        while doc != TERMINATED && steps.step() {
            if !segment.reader.is_deleted(doc) && visit(segment.scorer.as_mut(), &segment.columns, doc).is_break() {
                break;
            }
            doc = segment.scorer.advance();
        }
    }

    /// Walks through all hits: the best ranks come first.
    fn by_rank(&self, segment: &mut Segment<'_>, tally: &mut Tally, rank: impl Fn(&mut dyn Scorer, &Columns, DocId) -> u32) {
        self.walk(segment, |scorer, columns, doc| {
            let candidate = self.candidate(&tally.top, rank(scorer, columns, doc), columns, doc);
            self.count_and_keep(tally, candidate, columns, doc);
            ControlFlow::Continue(())
        });
    }

    /// Counts a hit, and keeps it if it is a candidate.
    fn count_and_keep(&self, tally: &mut Tally, candidate: Option<SortKey>, columns: &Columns, doc: DocId) {
        if let Some(check) = self.check {
            if candidate.is_none() && tally.checked >= CHECKED_MAX {
                tally.is_all_counted = false;
                return;
            }
            tally.checked += 1;
            let key = sort_key(columns, self.sort, UNRANKED, doc).message_key(self.sort);
            if !key.is_some_and(check) {
                return;
            }
        }
        tally.counted += 1;
        if let Some(sort_key) = candidate {
            tally.top.push(sort_key);
        }
    }

    /// The best hits of a query of words alone, by Tantivy's own loop (block-max WAND): what does not score well enough is passed over, in blocks where
    /// nothing can, and the others are looked at as by [`TopHits::by_rank`].
    fn scan(&self, words: &WeighedWords<'_>, segment: &mut Segment<'_>, tally: &mut Tally) -> Result<(), TantivyError> {
        let slack = words.slack(segment.reader)?;
        // What is no better than the worst of the best, but by its rounding, is good enough to look, as it may be newer; and how well a block
        // can fit is known up to the slack.
        let enough = |top: &TopK| {
            let worst = top.worst().and_then(|worst| worst.score(self.sort));
            worst.map_or(Score::MIN, |worst| ((worst - words.words.margin) / slack).max(0.0))
        };
        let mut steps = Steps::until(&self.deadline);
        words.any.for_each_pruning(enough(&tally.top), segment.reader, &mut |doc, _| {
            if !steps.step() {
                return Score::MAX;
            }
            if segment.scorer.doc() <= doc && segment.scorer.seek(doc) == doc && !segment.reader.is_deleted(doc) {
                let rank = rank_of(segment.scorer.score());
                if let Some(sort_key) = self.candidate(&tally.top, rank, &segment.columns, doc) {
                    tally.top.push(sort_key);
                }
            }
            enough(&tally.top)
        })
    }

    /// The sort key of a hit that is better than the worst of the best.
    fn candidate(&self, top: &TopK, rank: u32, columns: &Columns, doc: DocId) -> Option<SortKey> {
        // Most hits are out by their rank alone, and then nothing else has to be read.
        if top.worst().is_some_and(|worst| !rank > worst.score) {
            return None;
        }
        let sort_key = sort_key(columns, self.sort, rank, doc);
        let is_better = top.worst().is_none_or(|worst| sort_key < *worst);
        (is_better && self.after.is_none_or(|after| sort_key > after)).then_some(sort_key)
    }

    /// The newest hits of a segment. Those that are older than enough others are left to be counted.
    fn newest(&self, segment: &mut Segment<'_>, tally: &mut Tally) {
        if let Some(after) = self.after {
            let first = segment.columns.first_older(segment.reader.max_doc(), (!after.date).saturating_add(1));
            if segment.scorer.doc() < first {
                segment.scorer.seek(first);
            }
        }
        self.walk(segment, |_, columns, doc| {
            if tally.top.worst().is_some_and(|worst| columns.dates.get_val(doc) < !worst.date) {
                return ControlFlow::Break(());
            }
            let candidate = self.candidate(&tally.top, UNRANKED, columns, doc);
            self.count_and_keep(tally, candidate, columns, doc);
            ControlFlow::Continue(())
        });
    }

    /// Counts the hits that were not looked at, up to the limits of all. A later page knows the total from the first one.
    fn count(
        &self,
        uncounted: Vec<(&SegmentReader, Uncounted<'_>)>,
        words: Option<&Words>,
        tally: &mut Tally,
    ) -> Result<(), TantivyError> {
        if self.after.is_some() || uncounted.is_empty() {
            return Ok(());
        }
        if words.is_some_and(|words| words.span == ALWAYS) && self.least_hits(words)? > self.limits.counted {
            (tally.counted, tally.is_all_counted) = (self.limits.counted, false);
            return Ok(());
        }
        let allowance = self.deadline.allow(self.limits.counting_looks);
        for (reader, hits) in uncounted {
            let mut segment = match hits {
                Uncounted::Behind(segment) => segment,
                Uncounted::All(weight) => {
                    Segment { scorer: weight.scorer(reader, 1.0)?, columns: self.segments.columns(reader)?, reader }
                }
            };
            self.walk(&mut segment, |_, columns, doc| {
                self.count_and_keep(tally, None, columns, doc);
                tally.is_all_counted &= tally.counted <= self.limits.counted;
                if tally.is_all_counted { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            });
            tally.is_all_counted &= !allowance.is_used_up();
            if !tally.is_all_counted {
                break;
            }
        }
        Ok(())
    }

    /// How many messages have one of the words at least and are not left out, by the numbers that the dictionary has: no message is looked at.
    fn least_hits(&self, words: Option<&Words>) -> Result<u64, TantivyError> {
        let Some(words) = words else { return Ok(0) };
        let mut least = 0;
        for reader in self.segments.searcher().segment_readers() {
            let index = reader.inverted_index(words.field)?;
            let mut most = 0;
            for term in &words.of_hits {
                most = most.max(index.doc_freq(term)?);
            }
            let left_out = reader.inverted_index(words.left_out.field())?.doc_freq(&words.left_out)?;
            least += u64::from(most.saturating_sub(left_out.saturating_add(reader.num_deleted_docs())));
        }
        Ok(least)
    }

    /// The oldest are the last ones of a segment, and documents can only be visited forwards: so from windows at its end, each longer than the one
    /// behind it, until those before it are all newer than enough others.
    fn oldest(&self, weight: &dyn Weight, segment: &Segment<'_>, Tally { top, .. }: &mut Tally) -> Result<(), TantivyError> {
        let (reader, columns) = (segment.reader, &segment.columns);
        // Those that are older are on earlier pages.
        let mut end = self.after.map_or(reader.max_doc(), |after| columns.first_older(reader.max_doc(), after.date));
        let mut length = self.limits.window;
        let needed =
            |top: &TopK, end: DocId| end > 0 && top.worst().is_none_or(|worst| columns.dates.get_val(end - 1) <= worst.date);
        while needed(top, end) && !self.deadline.has_passed() {
            let start = columns.start_of_second(reader.max_doc(), end.saturating_sub(length));
            let mut scorer = weight.scorer(reader, 1.0)?;
            let mut window: VecDeque<DocId> = VecDeque::new();
            let mut steps = Steps::until(&self.deadline);
            let mut doc = if scorer.doc() < start { scorer.seek(start) } else { scorer.doc() };
            while doc < end && steps.step() {
                if !reader.is_deleted(doc) {
                    window.push_back(doc);
                }
                if window.len() > self.count + HELD_MAX && self.check.is_none() {
                    // What is newer than so many others is on a later page, unless it is of the very same second.
                    let needed = window.get(window.len() - self.count).map(|doc| columns.dates.get_val(*doc));
                    while window.front().map(|doc| columns.dates.get_val(*doc)) > needed {
                        window.pop_front();
                    }
                }
                doc = scorer.advance();
            }
            // The oldest first: what is newer than enough others is not looked at.
            for doc in window.into_iter().rev() {
                let candidate = self.candidate(top, UNRANKED, columns, doc);
                let passes = |key: &SortKey| self.check.is_none_or(|check| key.message_key(self.sort).is_some_and(check));
                candidate.filter(passes).into_iter().for_each(|key| top.push(key));
            }
            (end, length) = (start, length.saturating_mul(WINDOW_GROWTH));
        }
        Ok(())
    }
}

/// What [`compile`](super::compile) says of a query of words alone, ready to be asked.
struct WeighedWords<'a> {
    words: &'a Words,
    any: Box<dyn Weight>,
    /// What is asked, without scores.
    counted: Box<dyn Weight>,
    /// Of a message, in words, as it scores.
    mean_length: Score,
}

/// How many of a segment's messages must be of the time that is asked for, or the others are not worth passing over.
const OF_THE_TIME: DocId = 4;
/// By how much lengths are rounded in the index, at most: the bound of all scores of a word does not allow for it.
const LENGTH_ROUNDING: Score = 1.07;

impl WeighedWords<'_> {
    /// Whether enough messages of a segment are of the time that is asked for.
    fn are_mostly_hits(&self, segment: &Segment<'_>) -> bool {
        let (max_doc, (first, end)) = (segment.reader.max_doc(), self.words.span);
        let before = |time| segment.columns.first_older(max_doc, time);
        let of_the_time = if first == i64::MIN { max_doc } else { before(first) };
        let newer = if end == i64::MAX { 0 } else { before(end) };
        of_the_time.saturating_sub(newer).saturating_mul(OF_THE_TIME) >= max_doc
    }

    /// By how much a message may score better than what the segment says of its block. For that it has kept the message of the block that scores best with
    /// the segment's own mean length; with another one, no score of a word changes by more than both differ.
    fn slack(&self, reader: &SegmentReader) -> Result<Score, TantivyError> {
        let own = reader.inverted_index(self.words.field)?.total_num_tokens() as Score / reader.max_doc().max(1) as Score;
        let ratio = self.mean_length / own;
        Ok(if ratio.is_finite() && ratio > 0.0 { ratio.max(ratio.recip()) * LENGTH_ROUNDING } else { Score::MAX })
    }
}

/// What is found so far.
struct Tally {
    top: TopK,
    counted: u64,
    /// How many were looked at in the archive.
    checked: u64,
    /// Whether there are no hits that were not counted.
    is_all_counted: bool,
}

/// The hits of a segment that are still to be counted.
enum Uncounted<'a> {
    /// Those that the scorer has not come to.
    Behind(Segment<'a>),
    /// All that this finds.
    All(&'a dyn Weight),
}

struct Segment<'a> {
    scorer: Box<dyn Scorer>,
    columns: Arc<Columns>,
    reader: &'a SegmentReader,
}

/// A score as a rank: the bits of a float that is not negative are in the order of its value.
pub(super) fn rank_of(score: Score) -> u32 {
    rounded(score.max(0.0)).to_bits()
}

/// The sort key of a document with a rank.
pub(super) fn sort_key(columns: &Columns, sort: SortOrder, rank: u32, doc: DocId) -> SortKey {
    let (peer, id) = (columns.peers.get_val(doc), columns.ids.get_val(doc));
    let account = if PeerId(peer).has_own_ids() { columns.account(doc) } else { None };
    SortKey::new(sort, rank, columns.dates.get_val(doc), (peer, id, account))
}

/// The top k of a stream: a bounded heap, the worst of them on top.
struct TopK(BinaryHeap<SortKey>, usize);

impl TopK {
    fn new(count: usize) -> Self {
        Self(BinaryHeap::with_capacity(count + 1), count)
    }

    /// The worst of the best, once there are enough.
    fn worst(&self) -> Option<&SortKey> {
        if self.0.len() < self.1 { None } else { self.0.peek() }
    }

    fn push(&mut self, sort_key: SortKey) {
        self.0.push(sort_key);
        if self.0.len() > self.1 {
            self.0.pop();
        }
    }
}

#[cfg(test)]
mod tests;
