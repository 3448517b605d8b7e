//! Filters that choose by what messages are and where they come from, and forms of words that are asked for as such.

use telescribe::model::{Counters, Entity, EntityKind, Forward, Message, MessageId, PeerId, PeerKind, Reply, Service};
use telescribe::search::{SearchError, SortOrder, Total};

use crate::support::indexed::{Indexed, request};
use crate::support::messages::{CHAT, NOW, at, message, peer, text, titled};

const NEWS: PeerId = PeerId(-1_001_500_000_002);

#[tokio::test]
async fn chats_are_chosen_by_lists_and_by_their_titles() {
    let mut world = Indexed::new();
    world.archive([text(1, "word"), message(NEWS, 2, "word"), message(PeerId(42), 3, "word")]);
    let mut write = world.archive.write(NOW);
    write.peer(titled(CHAT, PeerKind::Supergroup, "Рыбалка и охота")).peer(titled(NEWS, PeerKind::Channel, "Daily News, Berlin"));
    write.peer(peer(42, Some("durov")));
    write.commit().expect("a write");
    world.index().await;
    assert_eq!(world.ids(&format!("word in:{CHAT},@durov")), [1, 3]);
    assert_eq!(world.ids("in:*РЫБАЛКА*"), [1]);
    assert_eq!(world.ids("in:\"title:daily news, *\""), [2]);
    assert_eq!(world.ids("in:*news*,@durov"), [2, 3]);
    assert_eq!(world.ids("word -in:*news*"), [1, 3]);
    let error = world.ask(&request("in:*nothing*")).expect_err("no such title");
    assert!(matches!(&error, SearchError::Query(error) if error.what.contains("no archived chat has such a title")), "{error}");
}

#[tokio::test]
async fn a_post_that_names_no_sender_is_by_its_channel() {
    let mut world = Indexed::new();
    let signed = Message { sender: Some(PeerId(7)), ..message(NEWS, 2, "word") };
    world.archive([message(NEWS, 1, "word"), signed, Message { sender: Some(NEWS), ..text(3, "word") }]);
    let mut write = world.archive.write(NOW);
    write.peer(telescribe::model::Peer { username: Some("news".to_owned()), ..titled(NEWS, PeerKind::Channel, "News") });
    write.commit().expect("a write");
    world.index().await;
    assert_eq!(world.ids("word from:@news"), [1, 3]);
    assert_eq!(world.ids("from:7"), [2]);
    assert_eq!(world.ids("from:@news,7"), [1, 2, 3]);
}

#[tokio::test]
async fn messages_are_chosen_by_topic_reply_bot_and_source() {
    let mut world = Indexed::new();
    let reply =
        |id: i32, topic: Option<i32>| Some(Reply { id: Some(MessageId(id)), topic: topic.map(MessageId), ..Reply::default() });
    let elsewhere = Reply { id: Some(MessageId(1)), peer: Some(NEWS), ..Reply::default() };
    let forward = |from, saved_from| Some(Forward { from, saved_from, ..Forward::default() });
    let opened = Service { action: "topic_create".to_owned(), title: Some("Fish".to_owned()), ..Service::default() };
    world.archive([
        text(1, "general"),
        Message { service: Some(opened), ..text(2, "") },
        Message { reply: reply(2, Some(2)), ..text(3, "a perch") },
        Message { reply: reply(3, Some(2)), ..text(4, "a pike") },
        Message { reply: reply(1, None), ..text(5, "an answer") },
        Message { reply: Some(elsewhere), ..text(6, "an answer to elsewhere") },
        Message { via_bot: Some(PeerId(77)), ..text(7, "by a bot") },
        Message { forward: forward(Some(NEWS), None), ..text(8, "copied") },
        Message { forward: forward(None, Some((NEWS, MessageId(5)))), ..text(9, "copied by way of another") },
    ]);
    world.index().await;
    assert_eq!(world.ids("topic:2"), [2, 3, 4]);
    assert_eq!(world.ids("topic:1"), [1, 5, 6, 7, 8, 9]);
    assert_eq!(world.ids("reply:3"), [4]);
    assert_eq!(world.ids("reply:1"), [5], "ids are a chat's own");
    assert_eq!(world.ids("via:77"), [7]);
    assert_eq!(world.ids(&format!("source:{NEWS}")), [8, 9]);
}

#[tokio::test]
async fn messages_are_chosen_by_language_host_and_hashtag() {
    let mut world = Indexed::new();
    let with = |id: i32, said: &str, kind: EntityKind, offset: i32, url: Option<&str>| {
        let length = i32::try_from(said.encode_utf16().count()).expect("short") - offset;
        let entity = Entity { url: url.map(str::to_owned), ..Entity::new(kind, offset, length) };
        Message { entities: vec![entity], ..text(id, said) }
    };
    world.archive([
        text(1, "Сьогодні на ринку знову зросли ціни"),
        text(2, "Сегодня на рынке снова выросли цены"),
        text(3, "今天市场价格又上涨了"),
        with(4, "see www.News.example.com/a", EntityKind::Url, 4, None),
        with(5, "here", EntityKind::TextUrl, 0, Some("https://example.com")),
        with(6, "here", EntityKind::TextUrl, 0, Some("https://badexample.com")),
        with(7, "о рыбе #Новости", EntityKind::Hashtag, 8, None),
        text(8, "новости"),
    ]);
    world.index().await;
    assert_eq!(world.ids("lang:uk"), [1]);
    assert_eq!(world.ids("lang:russian"), [2, 7, 8]);
    assert_eq!(world.ids("lang:zh -lang:uk"), [3]);
    assert_eq!(world.ids("host:example.com"), [4, 5]);
    assert_eq!(world.ids("host:news.example.com"), [4]);
    assert_eq!(world.ids("hashtag:новости"), [7]);
    assert_eq!(world.ids("новости"), [7, 8]);
}

#[tokio::test]
async fn views_choose_and_order_and_follow_what_is_counted_later() {
    let mut world = Indexed::new();
    let viewed = |id: i32, views: i32| Message { views: Some(views), ..text(id, "word") };
    world.archive([viewed(1, 10), viewed(2, 5_000), text(3, "word"), viewed(4, 999), viewed(5, 1_000)]);
    world.index().await;
    assert_eq!(world.ids("views:>=1000"), [2, 5]);
    assert_eq!(world.ids("word views:10..999"), [1, 4]);
    assert_eq!(world.ids("-views:>0"), [3], "what is not counted has no views");
    let ordered = |world: &Indexed| {
        let keys = world.paged("word", SortOrder::Views, 2);
        assert_eq!(keys, world.paged("word sort:views", SortOrder::Newest, 100));
        keys.iter().map(|key| key.id.0).collect::<Vec<_>>()
    };
    assert_eq!(ordered(&world), [2, 5, 4, 1, 3]);

    let mut write = world.archive.write(NOW);
    write.counters(at(1), Counters { views: Some(70_000), ..Counters::default() });
    write.commit().expect("a write");
    assert_eq!(world.archive.view().recounted(9).expect("read"), [(at(1), 70_000)]);
    world.index().await;
    assert_eq!(ordered(&world), [1, 2, 5, 4, 3]);
    assert_eq!(world.ids("views:>6000"), [1]);
    assert!(world.archive.view().recounted(9).expect("read").is_empty(), "the index has them");
}

#[tokio::test]
async fn slips_of_the_pen_are_forgiven_where_that_is_asked_for() {
    let mut world = Indexed::new();
    let texts = [
        "I received it",
        "ticket",
        "Telegram",
        "телеграмма пришла",
        "Киев",
        "Клев",
        "cat",
        "in the city for minutes",
        "очень хорошая",
    ];
    world.archive(texts.iter().zip(1..).map(|(said, id)| text(id, said)));
    world.index().await;
    assert!(world.ids("recieve").is_empty());
    assert_eq!(world.ids("recieved~"), [1]);
    assert_eq!(world.ids("telgram~"), [3]);
    assert!(world.ids("tlegarm~").is_empty(), "three slips in seven letters");
    assert_eq!(world.ids("телиграма~"), [4]);
    assert_eq!(world.ids("клев~"), [5, 6]);
    assert!(world.ids("cut~").is_empty(), "too short to be mistaken");
    assert_eq!(world.ids("-клев~ -recieved~"), [2, 3, 4, 7, 8, 9]);
    // Slips in what is cut off to find the other forms.
    assert_eq!((world.ids("ciyt~"), world.ids("mnutes~"), world.ids("хорошаб~")), (vec![8], vec![8], vec![9]));
    assert!(world.ids("thd~").is_empty());
    let hit = &world.ask(&request("telgram~")).expect("found").hits[0];
    assert_eq!(hit.snippet.highlights.first(), Some(&(0..8)), "what is similar is marked");
}

#[tokio::test]
async fn earlier_versions_are_found_and_said_to_be_so() {
    let mut world = Indexed::new();
    world.archive([text(1, "the secret meeting is at noon"), text(2, "nothing"), text(3, "会议在中午")]);
    world.index().await;
    let edited =
        |id: i32, said: &str, time: i64| Message { edited: Some(telescribe::model::Timestamp(NOW.0 + time)), ..text(id, said) };
    world.archive([edited(1, "the meeting is at nine", 10), edited(3, "没有了", 10)]);
    world.index().await;
    world.archive([edited(1, "the meeting is off", 20)]);
    world.index().await;
    assert!(world.ids("secret").is_empty());
    assert_eq!(world.ids("earlier:secret"), [1]);
    assert_eq!(world.ids("earlier:\"at nine\""), [1]);
    assert!(world.ids("earlier:\"noon the\"").is_empty(), "versions are kept apart");
    assert_eq!(world.ids("earlier:会议 OR nothing"), [2, 3]);
    assert_eq!(world.ids("earlier:午"), [3]);
    assert_eq!(world.ids("earlier:secre*"), [1]);
    assert!(world.ids("meeting -earlier:secret").is_empty());
    let shown = |query: &str| {
        let page = world.ask(&request(query)).expect("found");
        let hit = page.hits.into_iter().next().expect("a hit");
        (hit.snippet.text, hit.version)
    };
    assert_eq!(shown("earlier:secret"), ("the secret meeting is at noon".to_owned(), Some(0)));
    assert_eq!(shown("earlier:nine"), ("the meeting is at nine".to_owned(), Some(1)));
    assert_eq!(shown("off earlier:secret"), ("the meeting is off".to_owned(), None), "the newest matches too");
}

#[tokio::test]
async fn exact_forms_are_told_from_others_in_every_order() {
    let mut world = Indexed::new();
    let texts =
        ["He was running", "She runs", "run!", "Data breaches", "a data breach", "RUNNING data-breaches", "книгами", "книга"];
    world.archive(texts.iter().zip(1..).map(|(said, id)| text(id, said)));
    world.index().await;
    assert_eq!(world.ids("running"), [1, 2, 3, 6]);
    assert_eq!(world.ids("=running"), [1, 6]);
    assert_eq!(world.ids("=\"running\" -=data"), [1]);
    assert_eq!(world.ids("=\"data breaches\""), [4, 6]);
    assert_eq!(world.ids("run -=running"), [2, 3]);
    assert_eq!(world.ids("=run OR =книга"), [3, 8]);
    for sort in [SortOrder::Newest, SortOrder::Oldest, SortOrder::Relevance, SortOrder::Views] {
        for page_size in [1, 100] {
            let mut ids: Vec<i32> = world.paged("=running OR =breach", sort, page_size).iter().map(|key| key.id.0).collect();
            ids.sort_unstable();
            assert_eq!(ids, [1, 5, 6], "{sort:?} {page_size}");
        }
    }
    let page = world.ask(&request("=running")).expect("found");
    assert_eq!(page.total, Total::Exactly(2));
    assert!(page.hits.iter().all(|hit| hit.snippet.highlights.len() == 1));
    // More candidates than are looked at to count them.
    let mut world = Indexed::new();
    world.archive((1..=3_000).map(|id| text(id, if id % 3 == 0 { "running" } else { "runs" })));
    world.index().await;
    let page = world.ask(&request("=running")).expect("found");
    assert!(matches!(page.total, Total::AtLeast(counted) if (100..=1_000).contains(&counted)), "{:?}", page.total);
    assert_eq!(world.paged("=running", SortOrder::Relevance, 100).len(), 1_000);
    assert_eq!(world.paged("=running", SortOrder::Oldest, 99).len(), 1_000);
    assert_eq!(world.paged("=running", SortOrder::Newest, 77).len(), 1_000);
}
