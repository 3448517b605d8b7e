//! What a search may take, and pages that stay true while messages arrive.

#![expect(clippy::unwrap_used, reason = "what cannot be had fails the test")]

use std::collections::BTreeSet;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use telescribe::model::{MessageKey, Timestamp};
use telescribe::search::{Request, SearchError, SortOrder};

use crate::support::indexed::{Indexed, request};
use crate::support::messages::text;

/// Messages that fit a query differently well.
fn fitting(world: &Indexed, ids: std::ops::Range<i32>) {
    world.archive(ids.map(|id| {
        let rest = "more of it ".repeat(usize::try_from(id % 13).unwrap());
        let mut message = text(id, &format!("{}{rest}", "needle ".repeat(usize::try_from(1 + id % 5).unwrap())));
        message.date = Timestamp(1_700_000_000 + i64::from(id % 17));
        message
    }));
}

#[tokio::test]
async fn pages_by_relevance_neither_repeat_nor_skip_while_messages_arrive_and_segments_are_merged() {
    for (query, sort) in [
        ("needle", SortOrder::Relevance),
        ("needle more", SortOrder::Relevance),
        ("needle OR it", SortOrder::Relevance),
        ("\"more of it\"", SortOrder::Relevance),
        ("needle", SortOrder::Newest),
        ("needle", SortOrder::Oldest),
    ] {
        let mut world = Indexed::new();
        for round in 0..4 {
            fitting(&world, round * 50 + 1..round * 50 + 51);
            world.index().await;
        }
        let all: BTreeSet<MessageKey> = world.paged(query, sort, 100).into_iter().collect();
        let mut read: Vec<MessageKey> = Vec::new();
        let mut asked = Request { sort, page_size: 9, ..request(query) };
        let mut added = 1_000;
        loop {
            let page = world.ask(&asked).unwrap();
            read.extend(page.hits.iter().map(|hit| hit.key));
            let Some(next) = page.next else { break };
            asked.cursor = Some(next);
            // More messages with the words, and many without: all that a score is made of changes.
            fitting(&world, added..added + 7);
            world.archive((added + 7..added + 200).map(|id| text(id, "nothing of that kind")));
            added += 200;
            world.index().await;
        }
        let distinct: BTreeSet<MessageKey> = read.iter().copied().collect();
        assert_eq!(distinct.len(), read.len(), "{query} {sort:?} repeats");
        let skipped: Vec<_> = all.difference(&distinct).collect();
        assert!(skipped.is_empty(), "{query} {sort:?} skips {skipped:?}");
    }
}

#[tokio::test]
async fn a_forged_cursor_is_refused_or_is_another_place_and_never_damage() {
    let mut world = Indexed::new();
    fitting(&world, 1..100);
    world.index().await;
    for sort in [SortOrder::Relevance, SortOrder::Newest, SortOrder::Oldest] {
        let asked = Request { sort, page_size: 5, ..request("needle more -absent after:2001-01-01 nee*") };
        let cursor = world.ask(&asked).unwrap().next.unwrap();
        let bytes = URL_SAFE_NO_PAD.decode(&cursor).unwrap();
        let outcomes = |forged: Vec<u8>| {
            let asked = Request { cursor: Some(URL_SAFE_NO_PAD.encode(forged)), ..asked.clone() };
            match world.ask(&asked) {
                Ok(_) | Err(SearchError::Cursor) => {}
                Err(error) => panic!("{error}"),
            }
        };
        for at in 0..bytes.len() {
            for byte in [0, 1, 127, 128, 254, 255, !bytes[at]] {
                let mut forged = bytes.clone();
                forged[at] = byte;
                outcomes(forged);
            }
            outcomes(bytes[..at].to_vec());
        }
        outcomes([&bytes[..], &[0; 300]].concat());
    }
}

#[tokio::test]
async fn no_kind_of_query_answers_after_its_deadline() {
    let mut world = Indexed::new();
    world.archive((1..=300).map(|id| text(id, if id % 2 == 0 { "и один и другой" } else { "три, 今天天气" })));
    world.index().await;
    let phrase = vec!["и"; 200].join(".");
    let queries =
        [phrase.as_str(), "один три", "один -и", "оди*", "(один OR три) 今天", "天气今天", "-и -три", "after:2001-01-01", ""];
    for query in queries {
        for sort in [SortOrder::Newest, SortOrder::Oldest, SortOrder::Relevance] {
            let late = Request { time_limit: Duration::ZERO, sort, ..request(query) };
            assert!(matches!(world.ask(&late), Err(SearchError::Deadline { .. })), "{query} {sort:?}");
            world.ask(&Request { sort, ..request(query) }).unwrap();
        }
    }
}

#[tokio::test]
async fn a_page_that_is_cut_short_goes_on_where_it_was_cut() {
    let mut world = Indexed::new();
    fitting(&world, 1..100);
    world.index().await;
    for sort in [SortOrder::Relevance, SortOrder::Newest, SortOrder::Oldest] {
        let all = world.paged("needle", sort, 100);
        let mut read = Vec::new();
        let mut asked = Request { sort, page_size: 10, ..request("needle") };
        for count in (0..=11).cycle() {
            let mut page = world.ask(&asked).unwrap();
            let hits = page.hits.len();
            page.truncate(count);
            assert_eq!(page.hits.len(), hits.min(count.max(1)));
            read.extend(page.hits.iter().map(|hit| hit.key));
            let Some(next) = page.next else { break };
            asked.cursor = Some(next);
        }
        assert_eq!(read, all, "{sort:?}");
    }
}
