//! Every page is the part of all hits that it should be, by whatever way they are found, and totals are what they say.

use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestRng};
use tantivy::Term;
use tantivy::query::{AllQuery, BooleanQuery, Query, TermQuery};
use tantivy::schema::IndexRecordOption;

use super::super::conjunction::{Conjunction, SCORE_STEP};
use super::super::schema::schema;
use super::super::span::TimeSpan;
use super::super::statistics::FrozenStatistics;
use super::super::test_index::segments_of;
use super::*;

/// An index of messages with these dates, in as many segments as there are lists, without some of them.
fn index(segments: &[Vec<i64>], deleted: &[i64]) -> Arc<OpenSegments> {
    Arc::new(segments_of(segments, deleted.iter().copied(), |date, fields, document| {
        document.add_i64(fields.peer, -1_000);
        document.add_i64(fields.date, *date);
    }))
}

fn page(segments: &OpenSegments, sort: SortOrder, (count, limits): (usize, Limits), after: Option<SortKey>) -> Found {
    let deadline = Deadline::after(Duration::from_mins(5));
    let query = Box::new(Conjunction::of(vec![Box::new(AllQuery)], &deadline));
    let top_hits = TopHits { segments, sort, count, after, deadline, limits, check: None };
    let found = top_hits.find(&Compiled { query, words: None }, segments.searcher()).expect("found");
    assert!(!top_hits.deadline.is_missed(), "only what is counted may be given up");
    found
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn the_pages_of_each_order_are_the_parts_of_all_in_order(
        segments in prop::collection::vec(prop::collection::vec(0_i64..12, 1..200), 1..4),
        deleted in prop::collection::vec(1_i64..60, 0..12),
        count in 1_usize..9,
        (window, counting_looks, counted) in (1_u32..20, 0_u32..12, 0_u64..500),
    ) {
        let limits = Limits { counted, window, counting_looks };
        let open = index(&segments, &deleted);
        let dates = segments.concat();
        let left = (1_i64..).zip(&dates).filter(|(id, _)| !deleted.contains(id));
        let mut all: Vec<(i64, i64)> = left.map(|(id, date)| (*date, id)).collect();
        all.sort_unstable();
        for sort in [SortOrder::Oldest, SortOrder::Newest] {
            if sort == SortOrder::Newest {
                all.reverse();
            }
            let (mut found, mut after) = (Vec::new(), None);
            loop {
                let Found { sort_keys: keys, counted } = page(&open, sort, (count, limits), after);
                match counted {
                    _ if after.is_some() => {}
                    Total::Exactly(counted) => prop_assert_eq!(counted, all.len() as u64),
                    Total::AtLeast(counted) => prop_assert!(counted <= all.len() as u64),
                }
                prop_assert!(keys.len() == count || found.len() + keys.len() == all.len());
                found.extend(keys.iter().map(|key| if sort == SortOrder::Oldest { (key.date, key.id) } else { (!key.date, !key.id) }));
                match keys.last() {
                    Some(last) => after = Some(*last),
                    None => break,
                }
            }
            prop_assert_eq!(&found, &all);
        }
    }
}

#[test]
fn what_is_merely_counted_ends_with_its_allowance() {
    let open = index(&[(0..1_000).collect(), (0..1_000).collect()], &[]);
    for sort in [SortOrder::Oldest, SortOrder::Newest] {
        let counted =
            |counting_looks| page(&open, sort, (5, Limits { window: 10, counting_looks, ..Limits::default() }), None).counted;
        assert!(matches!(counted(5), Total::AtLeast(counted) if (5..1_000).contains(&counted)), "{sort:?}: {:?}", counted(5));
        assert_eq!(counted(100), Total::Exactly(2_000), "{sort:?}");
    }
}

/// An index of texts of made-up words, some of them frequent and most rare; the texts of each segment are of about some length.
fn of_words(random: &mut TestRng, lengths: &[usize]) -> Arc<OpenSegments> {
    let mut message = |length: &usize| {
        let words = (0..random.random_range(1..=2 * length)).map(|_| word(random.random::<u32>().trailing_zeros()));
        (words.collect::<Vec<_>>().join(" "), random.random_range(0..500))
    };
    let segments: Vec<Vec<(String, i64)>> = lengths.iter().map(|length| (0..1_000).map(|_| message(length)).collect()).collect();
    let deleted = random.random_range(1..=1_000);
    Arc::new(segments_of(&segments, [deleted], |(text, date), fields, document| {
        document.add_text(fields.text, text);
        document.add_i64(fields.peer, -1_000);
        document.add_i64(fields.date, *date);
    }))
}

/// A word: each is half as frequent as the one before.
fn word(number: u32) -> String {
    format!("w{number}x")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn what_is_passed_over_is_not_among_the_best(
        seed in any::<[u8; 16]>(),
        lengths in prop::collection::vec(1_usize..30, 1..4),
        asked in prop::collection::btree_set(0_u32..6, 1..4),
        (count, first, span) in (1_usize..60, 0_i64..250, 200_i64..500),
        (is_timed, most) in (any::<bool>(), 0_u64..3_000),
    ) {
        let open = of_words(&mut TestRng::from_seed(RngAlgorithm::XorShift, &seed), &lengths);
        let (_, fields) = schema();
        let deadline = Deadline::after(Duration::from_mins(5));
        let terms = || asked.iter().map(|frequency| -> Box<dyn Query> {
            Box::new(TermQuery::new(Term::from_field_text(fields.text, &word(*frequency)), IndexRecordOption::WithFreqs))
        });
        let (not_before, before) = if is_timed { (first, first + span) } else { ALWAYS };
        let time = TimeSpan { not_before, before, segments: Arc::clone(&open) };
        let made = |words| {
            let each = terms().map(|term| -> Box<dyn Query> { Box::new(Conjunction::of(vec![term], &deadline)) });
            let all: Vec<Box<dyn Query>> = vec![Box::new(BooleanQuery::union(each.collect())), Box::new(time.clone())];
            Compiled { query: Box::new(Conjunction::of(all, &deadline)), words }
        };
        let words = Words {
            any: Box::new(BooleanQuery::union(terms().collect())),
            field: fields.text,
            margin: SCORE_STEP * (asked.len() + 1) as Score,
            span: if is_timed { (first, first + span) } else { ALWAYS },
            of_hits: asked.iter().map(|frequency| Term::from_field_text(fields.text, &word(*frequency))).collect(),
            left_out: Term::from_field_text(fields.tag, "is:deleted"),
        };
        let (slow, quick) = (made(None), made(Some(words)));
        let mut after = None;
        for page in 0..4 {
            let find = |asked: &Compiled| {
                let deadline = Arc::clone(&deadline);
                let limits = Limits { counted: most, ..Limits::default() };
                let top = TopHits { segments: &open, sort: SortOrder::Relevance, count, after, deadline, limits, check: None };
                let found = top.find(asked, &FrozenStatistics::of_all(Some(open.searcher()), &[])).expect("found");
                (found.sort_keys, found.counted)
            };
            let (expected, counted) = find(&slow);
            let (found, as_counted) = find(&quick);
            prop_assert_eq!(&found, &expected, "page {}", page);
            match (counted, as_counted) {
                _ if page > 0 => {}
                (Total::Exactly(all), Total::AtLeast(least)) => prop_assert!(least == most && all >= least, "{} {}", all, least),
                (counted, as_counted) => prop_assert_eq!(counted, as_counted),
            }
            after = expected.last().copied();
            if after.is_none() {
                break;
            }
        }
    }
}
