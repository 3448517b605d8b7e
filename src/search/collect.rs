//! Collecting the top hits of a query, in a total order that does not depend on how the index is cut into segments.
//!
//! Every segment is sorted by date, newest first, so newest-first needs no more than the first hits of each; the rest is
//! only counted, up to a limit. Everything else walks through all hits, and all of it ends at the deadline.

use std::cmp::Ordering::{Equal, Less};
use std::collections::{BinaryHeap, VecDeque};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use tantivy::collector::{Collector, SegmentCollector};
use tantivy::columnar::{ColumnValues, StrColumn};
use tantivy::query::{Scorer, Weight};
use tantivy::{DocId, Score, SegmentReader, TERMINATED};

use super::request::SortOrder;
use super::schema::{ACCOUNT, DATE, ID, PEER};
use crate::model::{AccountName, ChatId, MessageId, MessageKey, PeerId};

/// How many hits newest-first counts before it gives up and says "at least": it would otherwise read what it need not.
pub(super) const COUNTED_MAX: u64 = 10_000;
/// How many hits are visited between two checks of the deadline: some ten microseconds of work.
const DEADLINE_EVERY: u64 = 256;
/// The bound of oldest-first's buffer: how many hits more than a page it may hold before it drops the newest of them.
const HELD_MAX: usize = 4_096;

/// The sort key of a hit among all hits of a query: smaller is earlier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SortKey {
    pub(super) score: u32,
    pub(super) date: i64,
    pub(super) peer: i64,
    pub(super) id: i64,
    /// Whose id that is, outside channels: in any order the same way.
    pub(super) account: Option<AccountName>,
}

impl SortKey {
    /// Makes the key; `!` reverses an order without overflow.
    fn new(sort: SortOrder, score: Score, date: i64, (peer, id, account): (i64, i64, Option<AccountName>)) -> Self {
        match sort {
            // The bits of a float that is not negative are in the order of its value.
            SortOrder::Relevance => Self { score: !score.max(0.0).to_bits(), date: !date, peer: !peer, id: !id, account },
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

/// The collector of the top hits of a query.
pub(super) struct TopHits {
    pub(super) sort: SortOrder,
    /// How many.
    pub(super) count: usize,
    /// Only those after this sort key (keyset pagination).
    pub(super) after: Option<SortKey>,
    pub(super) deadline: Instant,
    /// Hits counted so far, in all segments.
    pub(super) counted: AtomicU64,
    /// Whether there are hits that were not counted.
    pub(super) uncounted: AtomicBool,
    /// Whether the deadline has passed.
    pub(super) timed_out: AtomicBool,
}

impl TopHits {
    /// Whether the deadline has passed; noted, because a walk that was given up must not look like one that ended.
    fn is_past_deadline(&self) -> bool {
        let timed_out = Instant::now() >= self.deadline;
        if timed_out {
            self.timed_out.store(true, Ordering::Relaxed);
        }
        timed_out
    }

    /// Visits every hit of a segment until told to stop, or until the deadline.
    fn walk(&self, segment: &mut Segment<'_>, mut visit: impl FnMut(&mut dyn Scorer, &Columns, DocId) -> ControlFlow<()>) {
        let mut walked: u64 = 0;
        let mut doc = segment.scorer.doc();
        while doc != TERMINATED {
            walked += 1;
            if walked.is_multiple_of(DEADLINE_EVERY) && self.is_past_deadline() {
                break;
            }
            if !segment.reader.is_deleted(doc) {
                self.counted.fetch_add(1, Ordering::Relaxed);
                if visit(segment.scorer.as_mut(), &segment.columns, doc).is_break() {
                    self.uncounted.store(true, Ordering::Relaxed);
                    break;
                }
            }
            doc = segment.scorer.advance();
        }
    }

    fn by_relevance(&self, segment: &mut Segment<'_>) -> Vec<SortKey> {
        let mut top = TopK::new(self.count);
        self.walk(segment, |scorer, columns, doc| {
            let score = scorer.score();
            // Most hits are out by their score alone, and then nothing else has to be read.
            if top.worst().is_none_or(|worst| !score.max(0.0).to_bits() <= worst.score) {
                let sort_key = columns.sort_key(self.sort, score, doc);
                if self.after.is_none_or(|after| sort_key > after) {
                    top.push(sort_key);
                }
            }
            ControlFlow::Continue(())
        });
        top.0.into_vec()
    }

    fn newest(&self, segment: &mut Segment<'_>) -> Vec<SortKey> {
        let mut top = TopK::new(self.count);
        if let Some(after) = self.after {
            let first = segment.columns.first_not_newer(segment.reader.max_doc(), !after.date);
            if segment.scorer.doc() < first {
                segment.scorer.seek(first);
            }
        }
        let mut complete = false;
        self.walk(segment, |_, columns, doc| {
            complete = complete || top.worst().is_some_and(|worst| columns.dates.get_val(doc) < !worst.date);
            if !complete {
                let sort_key = columns.sort_key(self.sort, 0.0, doc);
                if self.after.is_none_or(|after| sort_key > after) {
                    top.push(sort_key);
                }
                return ControlFlow::Continue(());
            }
            // A later page knows the total from the first one.
            let counted = self.after.is_some() || self.counted.load(Ordering::Relaxed) > COUNTED_MAX;
            if counted { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        top.0.into_vec()
    }

    fn oldest(&self, segment: &mut Segment<'_>) -> Vec<SortKey> {
        let mut held: VecDeque<(i64, DocId)> = VecDeque::new();
        self.walk(segment, |_, columns, doc| {
            let date = columns.dates.get_val(doc);
            match self.after.map(|after| (date.cmp(&after.date), after)) {
                // From here on, all of the segment is on earlier pages.
                Some((Less, _)) => return ControlFlow::Break(()),
                Some((Equal, after)) if columns.sort_key(self.sort, 0.0, doc) <= after => return ControlFlow::Continue(()),
                _ => held.push_back((date, doc)),
            }
            if held.len() > self.count + HELD_MAX {
                let needed = held.get(held.len() - self.count).map(|(date, _)| *date);
                while held.front().map(|(date, _)| *date) > needed {
                    held.pop_front();
                }
            }
            ControlFlow::Continue(())
        });
        let columns = &segment.columns;
        let mut sort_keys: Vec<_> = held.into_iter().map(|(_, doc)| columns.sort_key(self.sort, 0.0, doc)).collect();
        sort_keys.sort_unstable();
        sort_keys.truncate(self.count);
        sort_keys
    }
}

impl Collector for TopHits {
    type Fruit = Vec<SortKey>;
    type Child = UnusedSegmentCollector;

    fn for_segment(&self, _: u32, _: &SegmentReader) -> tantivy::Result<UnusedSegmentCollector> {
        Ok(UnusedSegmentCollector)
    }

    fn requires_scoring(&self) -> bool {
        self.sort == SortOrder::Relevance
    }

    fn merge_fruits(&self, segments: Vec<Vec<SortKey>>) -> tantivy::Result<Vec<SortKey>> {
        let mut all = segments.concat();
        all.sort_unstable();
        all.truncate(self.count);
        Ok(all)
    }

    fn collect_segment(&self, weight: &dyn Weight, _: u32, reader: &SegmentReader) -> tantivy::Result<Vec<SortKey>> {
        if self.is_past_deadline() {
            return Ok(Vec::new());
        }
        let mut segment = Segment { scorer: weight.scorer(reader, 1.0)?, columns: Columns::of(reader)?, reader };
        Ok(match self.sort {
            SortOrder::Relevance => self.by_relevance(&mut segment),
            SortOrder::Newest => self.newest(&mut segment),
            SortOrder::Oldest => self.oldest(&mut segment),
        })
    }
}

/// Tantivy's way of being given hits one by one, without a say on when to stop; [`TopHits`] fetches them itself.
pub(super) struct UnusedSegmentCollector;

impl SegmentCollector for UnusedSegmentCollector {
    type Fruit = Vec<SortKey>;

    fn collect(&mut self, _: DocId, _: Score) {}

    fn harvest(self) -> Vec<SortKey> {
        Vec::new()
    }
}

struct Segment<'a> {
    scorer: Box<dyn Scorer>,
    columns: Columns,
    reader: &'a SegmentReader,
}

/// The columns that sort keys are made from.
pub(super) struct Columns {
    dates: Arc<dyn ColumnValues<i64>>,
    peers: Arc<dyn ColumnValues<i64>>,
    ids: Arc<dyn ColumnValues<i64>>,
    /// None in a segment of channels' messages only.
    accounts: Option<StrColumn>,
}

impl Columns {
    fn of(reader: &SegmentReader) -> tantivy::Result<Self> {
        let column = |name| Ok::<_, tantivy::TantivyError>(reader.fast_fields().i64(name)?.first_or_default_col(0));
        Ok(Self { dates: column(DATE)?, peers: column(PEER)?, ids: column(ID)?, accounts: reader.fast_fields().str(ACCOUNT)? })
    }

    fn sort_key(&self, sort: SortOrder, score: Score, doc: DocId) -> SortKey {
        let (peer, id) = (self.peers.get_val(doc), self.ids.get_val(doc));
        let account = if PeerId(peer).has_own_ids() { account_of(self.accounts.as_ref(), doc) } else { None };
        SortKey::new(sort, score, self.dates.get_val(doc), (peer, id, account))
    }

    /// The first document of a segment that is not newer than a date, by binary search.
    fn first_not_newer(&self, documents: DocId, date: i64) -> DocId {
        let (mut low, mut high) = (0, documents);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.dates.get_val(middle) > date { low = middle + 1 } else { high = middle }
        }
        low
    }
}

/// Whose id the message of a document has.
pub(super) fn account_of(accounts: Option<&StrColumn>, doc: DocId) -> Option<AccountName> {
    let accounts = accounts?;
    let mut name = String::new();
    let found = accounts.ord_to_str(accounts.term_ords(doc).next()?, &mut name).ok()?;
    found.then(|| name.parse().ok())?
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
