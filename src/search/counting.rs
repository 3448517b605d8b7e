//! Counting all hits of a query by their fast columns: facets and the date histogram.
//!
//! It is a walk of its own, without scores and without an order, so that what finds the top hits can stop early. Words are counted by their number in
//! each segment, and each is looked up once afterwards, so that no hit costs a string. All of it ends at the deadline: what was counted until then is
//! a part, and says so.

use std::collections::BTreeMap;
use std::hash::RandomState;
use std::sync::Arc;

use tantivy::columnar::{Column, StrColumn};
use tantivy::query::{EnableScoring, Weight};
use tantivy::{COLLECT_BLOCK_BUFFER_LEN, DocId, SegmentReader, TantivyError};

use super::collect::{HitCheck, sort_key};
use super::columns::{Columns, OpenSegments};
use super::counts::{Counts, OfNumbers};
use super::deadline::Deadline;
use super::facets::{BUCKETS_MAX, FACET_LIMIT_MAX, Facet, FacetField, FacetRequest, FacetValue, Facets, Histogram};
use super::interval::Interval;
use super::order::SortOrder;
use super::schema::kind_of_tag;
use crate::schedule::Zone;

/// Most peers of a facet that are counted at once: some ten megabytes.
const IDS_MAX: usize = 1 << 18;
/// Most words of a facet: they are longer.
const WORDS_MAX: usize = 1 << 16;
/// Up to how many words of a segment are counted in a table of all of them: four megabytes.
const TABLE_MAX: usize = 1 << 20;
/// How many words are looked up between two looks at the clock.
const LOOKED_UP_MAX: usize = 1_024;

/// What was counted of a query.
pub(super) struct Counted {
    pub(super) facets: Facets,
    pub(super) hits: u64,
    /// Whether those are all hits.
    pub(super) is_whole: bool,
}

/// A histogram would have too many buckets: how many seconds it would be long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooManyBuckets(pub(super) i64);

/// Counts all hits of what was asked.
pub(super) fn count(
    asked: &dyn tantivy::query::Query,
    segments: &OpenSegments,
    deadline: &Arc<Deadline>,
    (request, check): (&FacetRequest, Option<&HitCheck<'_>>),
) -> Result<Result<Counted, TooManyBuckets>, TantivyError> {
    let searcher = segments.searcher();
    let weight = asked.weight(EnableScoring::disabled_from_searcher(searcher))?;
    let mut counting = Counting {
        fields: request.fields.iter().map(|field| Field::new(*field)).collect(),
        dates: request.histogram.as_ref().map(|(interval, zone)| Dates::new(interval, zone)),
        hits: 0,
        check,
        deadline,
    };
    for reader in searcher.segment_readers() {
        if deadline.has_passed() {
            break;
        }
        counting.segment(weight.as_ref(), reader, &*segments.columns(reader)?)?;
    }
    Ok(counting.finish(request.limit.clamp(1, FACET_LIMIT_MAX)))
}

/// What is counted so far.
struct Counting<'a> {
    fields: Vec<Field>,
    dates: Option<Dates<'a>>,
    hits: u64,
    /// What hits must pass besides: see `collect`.
    check: Option<&'a HitCheck<'a>>,
    deadline: &'a Arc<Deadline>,
}

impl Counting<'_> {
    fn segment(&mut self, weight: &dyn Weight, reader: &SegmentReader, columns: &Columns) -> Result<(), TantivyError> {
        let values = self.fields.iter().map(|field| Values::of(field.field, reader, columns));
        let mut values = values.collect::<Result<Vec<_>, _>>()?;
        let mut scorer = weight.scorer(reader, 1.0)?;
        let mut buffer = [0; COLLECT_BLOCK_BUFFER_LEN];
        loop {
            let found = scorer.fill_buffer(&mut buffer);
            let mut hits: &[DocId] = buffer.get(..found).unwrap_or_default();
            let mut left = [0; COLLECT_BLOCK_BUFFER_LEN];
            if reader.has_deletes() || self.check.is_some() {
                let mut count = 0;
                for (to, doc) in left.iter_mut().zip(hits.iter().filter(|doc| self.is_hit(reader, columns, **doc))) {
                    (*to, count) = (*doc, count + 1);
                }
                hits = left.get(..count).unwrap_or_default();
            }
            self.hits += hits.len() as u64;
            for (field, values) in self.fields.iter_mut().zip(&mut values) {
                field.count(values, hits);
            }
            if let Some(dates) = &mut self.dates {
                hits.iter().for_each(|doc| dates.count(columns.dates.get_val(*doc)));
            }
            if found < COLLECT_BLOCK_BUFFER_LEN || self.deadline.has_passed() {
                break;
            }
        }
        for (field, values) in self.fields.iter_mut().zip(values) {
            field.look_up(values, self.deadline)?;
        }
        Ok(())
    }

    fn is_hit(&self, reader: &SegmentReader, columns: &Columns, doc: DocId) -> bool {
        // Nothing is looked at in the archive any more when the time is up.
        let passes = |check: &HitCheck<'_>| {
            let key = sort_key(columns, SortOrder::Newest, 0, doc).message_key(SortOrder::Newest);
            !self.deadline.has_passed() && key.is_some_and(check)
        };
        !reader.is_deleted(doc) && self.check.is_none_or(passes)
    }

    fn finish(self, limit: usize) -> Result<Counted, TooManyBuckets> {
        let Self { fields, dates, hits, deadline, .. } = self;
        let is_whole = !deadline.is_missed();
        let facets = fields.into_iter().map(|field| (field.field, field.finish(limit, hits, is_whole))).collect();
        let histogram = dates.map(|dates| dates.finish(is_whole)).transpose()?;
        Ok(Counted { facets: Facets { facets, histogram }, hits, is_whole })
    }
}

/// A facet in the making, over all segments.
struct Field {
    field: FacetField,
    ids: Counts<i64, OfNumbers>,
    words: Counts<Box<str>, RandomState>,
    /// How many values all hits have.
    values: u64,
    /// How many hits have any.
    with: u64,
    /// Whether the words of each segment were all looked up.
    is_exact: bool,
}

/// The values of a field in one segment.
enum Values {
    /// No document has any.
    None,
    Ids(Column<i64>),
    Words {
        words: StrColumn,
        counts: WordCounts,
    },
}

/// How often each word of a segment occurs, by its number there.
enum WordCounts {
    Table(Vec<u32>),
    Few(Counts<u64, OfNumbers>),
    /// Of a few words only these are values.
    Chosen(Vec<(bool, u32)>),
}

impl Values {
    fn of(field: FacetField, reader: &SegmentReader, columns: &Columns) -> Result<Self, TantivyError> {
        if matches!(field, FacetField::Peer | FacetField::Sender) {
            return Ok(columns.numbers(reader, field.column())?.map_or(Self::None, Self::Ids));
        }
        let Some(words) = columns.words(reader, field.column())? else { return Ok(Self::None) };
        let count = words.num_terms();
        let counts = match field {
            FacetField::Kind => {
                let (mut chosen, mut tag) = (Vec::with_capacity(count), String::new());
                for number in 0..count as u64 {
                    chosen.push((words.ord_to_str(number, &mut tag)? && kind_of_tag(&tag).is_some(), 0));
                }
                WordCounts::Chosen(chosen)
            }
            _ if count <= TABLE_MAX => WordCounts::Table(vec![0; count]),
            _ => WordCounts::Few(Counts::at_most(IDS_MAX)),
        };
        Ok(Self::Words { words, counts })
    }
}

impl WordCounts {
    /// Counts a word; says whether it is a value.
    fn add(&mut self, number: u64) -> bool {
        let at = number as usize;
        match self {
            Self::Table(table) => table.get_mut(at).map(|count| *count += 1).is_some(),
            Self::Few(counts) => {
                counts.add(&number, 1);
                true
            }
            Self::Chosen(chosen) => match chosen.get_mut(at) {
                Some((true, count)) => {
                    *count += 1;
                    true
                }
                _ => false,
            },
        }
    }

    /// Each word that occurs, in the order of their numbers, and whether that is exact.
    fn finish(self) -> (Vec<(u64, u64)>, bool) {
        let numbered = |counts: Vec<u32>| (0..).zip(counts).filter(|(_, n)| *n > 0).map(|(at, n)| (at, n.into())).collect();
        match self {
            Self::Table(table) => (numbered(table), true),
            Self::Chosen(chosen) => (numbered(chosen.into_iter().map(|(_, count)| count).collect()), true),
            Self::Few(counts) => {
                let is_exact = counts.is_exact();
                let mut all: Vec<(u64, u64)> = counts.into_all().collect();
                all.sort_unstable();
                (all, is_exact)
            }
        }
    }
}

impl Field {
    fn new(field: FacetField) -> Self {
        let (ids, words) = (Counts::at_most(IDS_MAX), Counts::at_most(WORDS_MAX));
        Self { field, ids, words, values: 0, with: 0, is_exact: true }
    }

    fn count(&mut self, values: &mut Values, hits: &[DocId]) {
        match values {
            Values::None => {}
            Values::Ids(column) => {
                let mut first = [None; COLLECT_BLOCK_BUFFER_LEN];
                let first = first.get_mut(..hits.len()).unwrap_or_default();
                column.first_vals(hits, first);
                for id in first.iter().flatten() {
                    self.ids.add(id, 1);
                    (self.values, self.with) = (self.values + 1, self.with + 1);
                }
            }
            Values::Words { words, counts } => {
                for doc in hits {
                    let of_hit = words.term_ords(*doc).filter(|number| counts.add(*number)).count() as u64;
                    (self.values, self.with) = (self.values + of_hit, self.with + of_hit.min(1));
                }
            }
        }
    }

    /// Adds what was counted in a segment, by the words themselves.
    fn look_up(&mut self, values: Values, deadline: &Deadline) -> Result<(), TantivyError> {
        let Values::Words { words, counts } = values else { return Ok(()) };
        let (found, is_exact) = counts.finish();
        self.is_exact &= is_exact;
        for some in found.chunks(LOOKED_UP_MAX) {
            if deadline.has_passed() {
                self.is_exact = false;
                break;
            }
            let numbers: Vec<u64> = some.iter().map(|(number, _)| *number).collect();
            let mut counts = some.iter().map(|(_, count)| *count);
            words.dictionary().sorted_ords_to_term_cb(&numbers, |word| {
                let (word, count) = (String::from_utf8_lossy(word), counts.next().unwrap_or_default());
                let word = if self.field == FacetField::Kind { kind_of_tag(&word).unwrap_or_default() } else { &word };
                self.words.add(word, count);
            })?;
        }
        Ok(())
    }

    fn finish(self, limit: usize, hits: u64, is_whole: bool) -> Facet {
        let is_exact = is_whole && self.is_exact && self.ids.is_exact() && self.words.is_exact();
        let ids = self.ids.into_most_frequent(limit).into_iter().map(|(id, count)| (FacetValue::Id(id), count));
        let words = self.words.into_most_frequent(limit).into_iter().map(|(word, count)| (FacetValue::Text(word), count));
        let values: Vec<(FacetValue, u64)> = ids.chain(words).collect();
        let listed: u64 = values.iter().map(|(_, count)| count).sum();
        Facet { values, other: self.values.saturating_sub(listed), without: hits.saturating_sub(self.with), is_exact }
    }
}

/// A histogram in the making. Hits of a segment come in the order of time, so that most are in the bucket of the hit before.
struct Dates<'a> {
    interval: &'a Interval,
    zone: &'a Zone,
    /// By their first second; no more than there may be.
    buckets: BTreeMap<i64, u64>,
    current: (i64, i64),
    in_current: u64,
    /// The first and the last second that any bucket has.
    span: Option<(i64, i64)>,
    is_too_long: bool,
}

impl<'a> Dates<'a> {
    fn new(interval: &'a Interval, zone: &'a Zone) -> Self {
        Self { interval, zone, buckets: BTreeMap::new(), current: (0, 0), in_current: 0, span: None, is_too_long: false }
    }

    fn count(&mut self, date: i64) {
        let (from, to) = self.current;
        if !(from..to).contains(&date) {
            self.close();
            let (from, to) = self.interval.bucket(self.zone, date);
            self.current = (from, to);
            let (first, last) = self.span.unwrap_or((from, to));
            self.span = Some((first.min(from), last.max(to)));
        }
        self.in_current += 1;
    }

    fn close(&mut self) {
        let count = std::mem::take(&mut self.in_current);
        if count == 0 {
            return;
        }
        self.is_too_long |= self.buckets.len() >= BUCKETS_MAX && !self.buckets.contains_key(&self.current.0);
        if !self.is_too_long {
            *self.buckets.entry(self.current.0).or_default() += count;
        }
    }

    fn finish(mut self, is_whole: bool) -> Result<Histogram, TooManyBuckets> {
        self.close();
        let Some((first, end)) = self.span else { return Ok(Histogram { buckets: Vec::new(), end: None, is_exact: is_whole }) };
        let mut buckets = Vec::with_capacity(self.buckets.len());
        let mut start = first;
        while start < end {
            if self.is_too_long || buckets.len() == BUCKETS_MAX {
                return Err(TooManyBuckets(end - first));
            }
            buckets.push((start, self.buckets.get(&start).copied().unwrap_or_default()));
            start = self.interval.bucket(self.zone, start).1;
        }
        Ok(Histogram { buckets, end: Some(end), is_exact: is_whole })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::Duration;

    use proptest::prelude::*;
    use tantivy::query::AllQuery;

    use super::super::test_index::segments_of;
    use super::*;

    /// What a message of the test has.
    #[derive(Clone, Debug)]
    struct Said {
        peer: i64,
        sender: Option<i64>,
        date: i64,
        kinds: BTreeSet<&'static str>,
        hosts: BTreeSet<String>,
    }

    fn said() -> impl Strategy<Value = Said> {
        let kinds =
            prop::collection::btree_set(prop::sample::select(&["has:photo", "has:link", "has:media", "is:edited"][..]), 0..4);
        let hosts = prop::collection::btree_set("[a-e]\\.org", 0..4);
        let dates = 1_711_800_000_i64..1_711_900_000;
        (-3_i64..0, prop::option::of(1_i64..6), dates, kinds, hosts).prop_map(|(peer, sender, date, kinds, hosts)| Said {
            peer,
            sender,
            date,
            kinds,
            hosts,
        })
    }

    /// An index of these messages, in as many segments as there are lists, without some of them.
    fn index(segments: &[Vec<Said>], deleted: &BTreeSet<i64>) -> OpenSegments {
        segments_of(segments, deleted.iter().copied(), |said, fields, document| {
            document.add_i64(fields.peer, said.peer);
            document.add_i64(fields.date, said.date);
            said.sender.iter().for_each(|sender| document.add_i64(fields.sender, *sender));
            said.kinds.iter().for_each(|kind| document.add_text(fields.tag, kind));
            said.hosts.iter().for_each(|host| document.add_text(fields.host, host));
        })
    }

    fn counted(segments: &OpenSegments, deadline: &Arc<Deadline>, request: &FacetRequest) -> Result<Counted, TooManyBuckets> {
        count(&AllQuery, segments, deadline, (request, None)).expect("an index that can be read")
    }

    fn in_time() -> Arc<Deadline> {
        Deadline::after(Duration::from_mins(5))
    }

    fn facet(all: &[&Said], limit: usize, values: impl Fn(&Said) -> Vec<FacetValue>) -> Facet {
        let mut counts: BTreeMap<FacetValue, u64> = BTreeMap::new();
        all.iter().flat_map(|said| values(said)).for_each(|value| *counts.entry(value).or_default() += 1);
        let mut sorted: Vec<(FacetValue, u64)> = counts.into_iter().collect();
        sorted.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let rest = sorted.split_off(limit.min(sorted.len()));
        let without = all.iter().filter(|said| values(said).is_empty()).count() as u64;
        Facet { values: sorted, other: rest.iter().map(|(_, count)| count).sum(), without, is_exact: true }
    }

    fn words<'a>(words: impl IntoIterator<Item = &'a str>) -> Vec<FacetValue> {
        words.into_iter().map(|word| FacetValue::Text(word.into())).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn facets_and_histogram_are_what_counting_by_hand_finds(
            segments in prop::collection::vec(prop::collection::vec(said(), 1..100), 1..4),
            deleted in prop::collection::btree_set(1_i64..200, 0..40),
            limit in 1_usize..6,
            interval in prop::sample::select(&["hour", "day", "90s", "3h"][..]),
        ) {
            let open = index(&segments, &deleted);
            let all = segments.concat();
            let left: Vec<&Said> = (1..).zip(&all).filter(|(id, _)| !deleted.contains(id)).map(|(_, said)| said).collect();
            let (interval, zone): (Interval, Zone) = (interval.parse().unwrap(), "Europe/Berlin".parse().unwrap());
            let request = FacetRequest {
                fields: FacetField::ALL.to_vec(), limit, histogram: Some((interval.clone(), zone.clone())), on_every_page: false,
            };
            let Counted { facets: Facets { facets, histogram }, hits, is_whole } = counted(&open, &in_time(), &request).unwrap();
            prop_assert_eq!((hits, is_whole), (left.len() as u64, true));
            let kinds = |said: &Said| words(said.kinds.iter().filter_map(|tag| kind_of_tag(tag)));
            let expected = [
                facet(&left, limit, |said| vec![FacetValue::Id(said.peer)]),
                facet(&left, limit, |said| said.sender.map(FacetValue::Id).into_iter().collect()),
                facet(&left, limit, kinds),
                facet(&left, limit, |_| Vec::new()),
                facet(&left, limit, |said| words(said.hosts.iter().map(String::as_str))),
                facet(&left, limit, |_| Vec::new()),
            ];
            for ((field, found), expected) in facets.iter().zip(&expected) {
                prop_assert_eq!(found, expected, "{:?}", field);
            }
            prop_assert_eq!(facets.len(), expected.len());

            let histogram = histogram.unwrap();
            prop_assert_eq!(histogram.buckets.iter().map(|(_, count)| count).sum::<u64>(), hits);
            for (at, (from, count)) in histogram.buckets.iter().enumerate() {
                let to = histogram.buckets.get(at + 1).map_or(histogram.end.unwrap(), |(next, _)| *next);
                prop_assert_eq!(interval.bucket(&zone, *from), (*from, to), "without a gap");
                let by_hand = left.iter().filter(|said| (*from..to).contains(&said.date)).count() as u64;
                prop_assert_eq!(*count, by_hand);
            }
            let ends = [histogram.buckets.first(), histogram.buckets.last()];
            prop_assert!(ends.into_iter().flatten().all(|(_, count)| *count > 0));
        }
    }

    #[test]
    fn what_the_deadline_cuts_short_is_said_to_be_at_least() {
        let one =
            Said { peer: -1, sender: Some(1), date: 0, kinds: BTreeSet::new(), hosts: BTreeSet::from(["a.org".to_owned()]) };
        let open = index(&[vec![one.clone(); 300], vec![one; 300]], &BTreeSet::new());
        let request = FacetRequest {
            fields: vec![FacetField::Peer, FacetField::Host],
            histogram: Some(("day".parse().unwrap(), Zone::utc())),
            ..FacetRequest::default()
        };
        let (mut partial, mut look) = (BTreeSet::new(), 0);
        loop {
            let Counted { facets, hits, is_whole } = counted(&open, &Deadline::at_look(look), &request).unwrap();
            let histogram = facets.histogram.unwrap();
            let [(_, peer), (_, host)] = facets.facets.as_slice() else { panic!() };
            assert_eq!([peer.is_exact, host.is_exact, histogram.is_exact], [is_whole; 3]);
            let in_histogram: u64 = histogram.buckets.iter().map(|(_, count)| count).sum();
            assert_eq!(in_histogram, hits);
            let of_host = host.values.first().map_or(0, |(_, count)| *count);
            assert_eq!((peer.values.first().map_or(0, |(_, count)| *count), of_host + host.other), (hits, hits));
            if is_whole {
                assert_eq!(hits, 600);
                break;
            }
            assert!(hits <= 600);
            partial.insert(hits);
            look += 1;
        }
        assert!(partial.len() > 5, "{partial:?}");
    }

    #[test]
    fn more_buckets_than_there_may_be_are_refused() {
        let at = |date| Said { peer: -1, sender: None, date, kinds: BTreeSet::new(), hosts: BTreeSet::new() };
        let day = 86_400;
        for (said, seconds) in [
            (vec![at(0), at(1_999 * day)], None),
            (vec![at(0), at(2_000 * day)], Some(2_001 * day)),
            ((0..2_500).map(|n| at(n * day)).collect(), Some(2_500 * day)),
        ] {
            let open = index(&[said], &BTreeSet::new());
            let request = FacetRequest { histogram: Some(("day".parse().unwrap(), Zone::utc())), ..FacetRequest::default() };
            match (counted(&open, &in_time(), &request), seconds) {
                (Ok(counted), None) => assert_eq!(counted.facets.histogram.unwrap().buckets.len(), 2_000),
                (Err(TooManyBuckets(found)), Some(seconds)) => assert_eq!(found, seconds),
                (found, expected) => panic!("{:?} {expected:?}", found.err()),
            }
        }
    }
}
