//! Pages, their order, and the bounds of a search.

use std::time::Duration;

use telescribe::model::{Media, MediaKind, MessageKey, PeerId, Timestamp};
use telescribe::search::{Request, SearchError, SearchQuery, SortOrder, Total};

use crate::support::indexed::{Indexed, request};
use crate::support::messages::{CHAT, NOW, text};

#[tokio::test]
async fn a_query_of_a_thousand_parentheses_is_refused() {
    for query in ["(".repeat(1_000), format!("{}a{}", "(".repeat(250), ")".repeat(250)), "a OR ".repeat(300)] {
        let error = SearchQuery::parse(&query).expect_err("too much");
        assert!(error.at > 0 && !error.what.is_empty(), "{error}");
    }
}

#[tokio::test]
async fn a_search_ends_at_its_deadline() {
    let mut world = Indexed::new();
    world.archive((1..=20).map(|id| text(id, "text")));
    world.index().await;
    let late = Request { time_limit: Duration::ZERO, ..request("text") };
    assert!(matches!(world.ask(&late), Err(SearchError::Deadline { .. })));
}

#[tokio::test]
async fn pages_of_newest_first_neither_repeat_nor_skip() {
    let mut world = Indexed::new();
    // Several segments, many equal dates, two peers, and edits that move messages to younger segments.
    for round in 0..4 {
        world.archive((1..=60).map(|n| {
            let mut message = text(round * 60 + n, "needle");
            message.date = Timestamp(1_700_000_000 + i64::from(n / 7));
            message.key = MessageKey::new(if n % 2 == 0 { CHAT } else { PeerId(42) }, message.key.id);
            message
        }));
        world.index().await;
    }
    let mut edited = text(100, "needle again");
    edited.edited = Some(NOW);
    world.archive([edited]);
    world.index().await;
    for sort in [SortOrder::Newest, SortOrder::Oldest, SortOrder::Relevance] {
        let whole = world.paged("needle", sort, 100);
        assert_eq!(whole.len(), 240);
        for page_size in [1, 7, 99] {
            assert_eq!(world.paged("needle", sort, page_size), whole, "{sort:?} {page_size}");
        }
        let mut once = whole.clone();
        once.sort_unstable();
        once.dedup();
        assert_eq!(once.len(), whole.len());
    }
    let dates = |sort| -> Vec<i64> {
        let keys = world.paged("needle", sort, 13);
        keys.iter().map(|k| world.archive.view().message(*k).expect("read").expect("there").message.date.0).collect()
    };
    assert!(dates(SortOrder::Newest).is_sorted_by(|a, b| a >= b));
    assert!(dates(SortOrder::Oldest).is_sorted());

    // What arrives while somebody reads does not disturb the pages that follow.
    let first = world.ask(&Request { page_size: 50, ..request("needle") }).expect("a page");
    let mut newer = text(1_000, "needle");
    newer.date = Timestamp(1_800_000_000);
    world.archive([newer]);
    world.index().await;
    let second = world.ask(&Request { page_size: 50, cursor: first.next, ..request("needle") }).expect("a page");
    let both: Vec<MessageKey> = first.hits.iter().chain(&second.hits).map(|h| h.key).collect();
    assert_eq!(both[..], world.paged("needle", SortOrder::Newest, 100)[1..101]);
    assert_eq!((first.total, second.total), (Total::Exactly(240), Total::Exactly(240)));
}

#[tokio::test]
async fn a_cursor_of_another_query_is_refused() {
    let mut world = Indexed::new();
    world.archive((1..=20).map(|id| text(id, "one two")));
    world.index().await;
    let next = world.ask(&Request { page_size: 5, ..request("one") }).expect("a page").next;
    assert!(next.is_some());
    for (query, cursor) in [("two", next.clone()), ("one", Some("nonsense".to_owned()))] {
        let error = world.ask(&Request { cursor, ..request(query) }).expect_err("refused");
        assert!(matches!(error, SearchError::Cursor), "{error}");
    }
}

#[tokio::test]
async fn relevance_puts_the_better_match_first_and_filters_do_not_weigh() {
    let mut world = Indexed::new();
    let mut short = text(1, "whale");
    short.media = Some(Media::new(MediaKind::Photo));
    world.archive([short, text(2, "a long text in which a whale is mentioned once among many other animals"), text(3, "sheep")]);
    world.index().await;
    let page = world.ask(&Request { sort: SortOrder::Relevance, ..request("whale") }).expect("a page");
    assert_eq!(page.hits.iter().map(|h| h.key.id.0).collect::<Vec<_>>(), [1, 2]);
    assert!(page.hits[0].score > page.hits[1].score);
    let filtered = world.ask(&Request { sort: SortOrder::Relevance, ..request("whale has:photo") }).expect("a page");
    assert_eq!(filtered.hits[0].score, page.hits[0].score);
    assert_eq!(filtered.hits[0].snippet.highlights.first(), Some(&(0..5)));
}
