//! Hits that belong together, listed as one: over all pages each group once.

use telescribe::model::{Forward, Message, MessageId, MessageKey, PeerId, Timestamp};
use telescribe::search::{CollapseBy, Request, SearchError, SortOrder, Total};

use crate::support::indexed::{Indexed, request};
use crate::support::messages::{NOW, message, text};

const OTHER: PeerId = PeerId(-1_001_500_000_077);

/// A spam text as three of a wave say it, and others of the same topic.
const WAVE: [&str; 3] = [
    "🔥 Ищем курьеров на подработку, оплата от 5 000 рублей каждый день, опыт не нужен, пишите в личку @job_now",
    "Ищем курьеров на подработку! Оплата от 7 500 рублей каждый день, опыт не нужен, пишите в личку t.me/work22 ❤️",
    "Анна, ищем курьеров на подработку - оплата от 900 рублей каждый день. Опыт не нужен, пишите в личку https://example.com/x",
];

fn forward(id: i32, said: &str, post: i32) -> Message {
    let forward = Forward { from: Some(OTHER), post: Some(MessageId(post)), ..Forward::default() };
    Message { forward: Some(forward), ..text(id, said) }
}

/// The first hit of each group with the number of the others, page by page, and how many groups there are.
fn groups(world: &Indexed, asked: &Request) -> (Vec<(MessageKey, u64)>, u64) {
    let mut asked = asked.clone();
    let mut all = Vec::new();
    loop {
        let page = world.ask(&asked).expect("a page");
        all.extend(page.hits.iter().map(|hit| (hit.key, hit.collapsed.as_ref().map_or(0, |others| others.count))));
        match page.next.clone() {
            Some(next) => asked.cursor = Some(next),
            None => return (all, page.groups().expect("collapsed")),
        }
    }
}

fn collapsing(query: &str, by: &str, sort: SortOrder) -> Request {
    Request { collapse: Some(by.parse().expect("kinds")), sort, ..request(query) }
}

#[tokio::test]
async fn albums_forwards_and_spam_waves_are_listed_once() {
    let mut world = Indexed::new();
    world.archive(WAVE.iter().zip(1..).map(|(said, id)| text(id, said)));
    world.archive([text(
        4,
        "Требуются курьеры в ночную смену, собеседование в офисе, оформление по договору и обед за счёт компании",
    )]);
    world.index().await;
    world.archive(
        (10..14)
            .map(|id| Message {
                album: Some(77), ..text(id, if id == 10 { "album of couriers: курьеры" } else { "курьеры" })
            }),
    );
    world.archive([
        forward(20, "курьеры", 5),
        forward(21, "курьеры", 5),
        forward(22, "курьеры", 6),
        message(OTHER, 5, "курьеры"),
    ]);
    world.index().await;
    let ids = |by: &str| -> Vec<(i32, u64)> {
        let (listed, count) = groups(&world, &Request { page_size: 3, ..collapsing("курьеры", by, SortOrder::Newest) });
        assert_eq!(listed.len() as u64, count);
        listed.iter().map(|(key, others)| (key.id.0, *others)).collect()
    };
    assert_eq!(ids("text").iter().filter(|(_, others)| *others > 0).collect::<Vec<_>>(), [&(3, 2)], "the wave, by its newest");
    assert_eq!(ids("album").iter().filter(|(_, others)| *others > 0).collect::<Vec<_>>(), [&(13, 3)]);
    assert_eq!(ids("source").iter().filter(|(_, others)| *others > 0).collect::<Vec<_>>(), [&(21, 2)], "with the post itself");
    assert_eq!(ids("text,source,album"), [(22, 0), (21, 2), (13, 3), (4, 0), (3, 2)]);

    let page = world.ask(&collapsing("курьеры", "text", SortOrder::Newest)).expect("a page");
    assert_eq!((page.total, page.groups()), (Total::Exactly(12), Some(10)));
    let wave = page.hits.iter().find_map(|hit| Some((hit.key, hit.collapsed.clone()?))).expect("the wave");
    assert_eq!(wave.1.by, [CollapseBy::Text]);
    let group = Request { group: Some(wave.0), page_size: 2, ..collapsing("курьеры", "text", SortOrder::Newest) };
    let first = world.ask(&group).expect("a page");
    assert_eq!((first.total, first.hits.len()), (Total::Exactly(3), 2));
    let second = world.ask(&Request { cursor: first.next, ..group }).expect("a page");
    assert_eq!(second.hits.iter().map(|hit| hit.key.id.0).collect::<Vec<_>>(), [1]);
}

#[tokio::test]
async fn what_comes_in_meanwhile_hides_no_group_that_was_not_listed_yet() {
    for sort in [SortOrder::Newest, SortOrder::Oldest, SortOrder::Relevance, SortOrder::Views] {
        let mut world = Indexed::new();
        for round in 0..3 {
            // Each group has one message a round.
            world.archive((0..30).map(|n| {
                let id = round * 30 + n + 1;
                let date = Timestamp(NOW.0 + i64::from(id) / 4);
                Message { album: Some(i64::from(n)), date, views: Some(n % 7), ..text(id, "needle and thread") }
            }));
            world.index().await;
        }
        let asked = Request { page_size: 7, ..collapsing("needle", "album", sort) };
        let first = world.ask(&asked).expect("a page");
        assert_eq!((first.total, first.groups()), (Total::Exactly(90), Some(30)), "{sort:?}");
        assert!(first.hits.iter().all(|hit| hit.collapsed.as_ref().is_some_and(|others| others.count == 2)));
        // A newer message of each group, after everything else.
        world.archive((0..30).map(|n| {
            let date = Timestamp(NOW.0 + 1_000 + i64::from(n));
            Message { album: Some(i64::from(n)), date, views: Some(0), ..text(1_000 + n, "needle and thread") }
        }));
        world.index().await;
        let (rest, counted) = groups(&world, &Request { cursor: first.next.clone(), ..asked.clone() });
        assert_eq!(counted, 30, "as the first page has counted");
        let listed = first.hits.iter().map(|hit| hit.key).chain(rest.iter().map(|(key, _)| *key));
        let mut albums: Vec<i64> = listed
            .map(|key| world.archive.view().message(key).expect("read").expect("there").message.album.expect("an album"))
            .collect();
        albums.sort_unstable();
        if sort == SortOrder::Newest || sort == SortOrder::Oldest {
            assert_eq!(albums, (0..30).collect::<Vec<i64>>(), "{sort:?}");
        }
        let before = albums.len();
        albums.dedup();
        assert_eq!(albums.len(), before, "{sort:?}: none is listed twice");
    }
}

#[tokio::test]
async fn a_cursor_belongs_to_what_is_collapsed_and_a_search_ends_at_its_deadline() {
    let mut world = Indexed::new();
    world.archive((1..=200).map(|id| text(id, "needle")));
    world.index().await;
    let asked = Request { page_size: 5, ..collapsing("needle", "text", SortOrder::Newest) };
    let next = world.ask(&asked).expect("a page").next;
    assert!(next.is_some());
    for other in [request("needle"), collapsing("needle", "album", SortOrder::Newest)] {
        let error = world.ask(&Request { cursor: next.clone(), ..other }).expect_err("refused");
        assert!(matches!(error, SearchError::Cursor), "{error}");
    }
    let late = Request { time_limit: std::time::Duration::ZERO, ..asked };
    assert!(matches!(world.ask(&late), Err(SearchError::Deadline { .. })));
}
