//! Promises about search, kept with a real archive and a real index.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use telescribe::archive::{Archive, Durability, Raw};
use telescribe::lifecycle::{StepOutcome, Worker as _};
use telescribe::model::{
    Button, ButtonKind, Entity, EntityKind, Forward, Media, MediaKind, Message, MessageId, MessageKey, Peer, PeerId, PeerKind,
    Reply, Timestamp,
};
use telescribe::search::{
    Difference, Index, Indexer, IndexerSettings, Request, SearchError, SearchPage, SearchQuery, SortOrder, Total,
};
use tempfile::TempDir;

const CHAT: PeerId = PeerId(-1_001_500_000_001);
const NOW: Timestamp = Timestamp(1_700_000_000);

/// An archive and its index in a folder that goes away.
struct World {
    archive: Arc<Archive>,
    index: Arc<Index>,
    indexer: Indexer,
    folder: TempDir,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let archive = Archive::open(&folder.path().join("archive"), Durability::Os).expect("an archive");
        Self::with(Arc::new(archive), folder)
    }

    fn with(archive: Arc<Archive>, folder: TempDir) -> Self {
        let index = Arc::new(open(folder.path()));
        let indexer = indexer(&index, &archive);
        Self { archive, index, indexer, folder }
    }

    /// The same archive with the index opened anew, after something was done to its folder.
    fn reopened(self, meanwhile: impl FnOnce(&Path)) -> Self {
        let Self { archive, index, indexer, folder } = self;
        drop((index, indexer));
        meanwhile(&folder.path().join("index"));
        Self::with(archive, folder)
    }

    fn archive(&self, messages: impl IntoIterator<Item = Message>) {
        let mut write = self.archive.write(NOW);
        for message in messages {
            let revision = message.edited.map_or(0, |t| t.0);
            write.message(message, Raw::default(), revision);
        }
        write.commit().expect("a write");
    }

    async fn index(&mut self) {
        self.indexer.catch_up().await.expect("indexing");
        assert_eq!(self.index.position(), self.archive.last_seq());
        let found = self.index.verify(&self.archive).expect("a comparison");
        assert!(found.is_equal(), "{found:?}");
    }

    fn ask(&self, request: &Request) -> Result<SearchPage, SearchError> {
        self.index.search(&self.archive, request)
    }

    /// The ids of the first hits of a query, ascending.
    fn ids(&self, query: &str) -> Vec<i32> {
        let request = Request { page_size: 100, ..request(query) };
        let page = self.ask(&request).unwrap_or_else(|e| panic!("{query}: {e}"));
        let mut ids: Vec<i32> = page.hits.iter().map(|hit| hit.key.id.0).collect();
        ids.sort_unstable();
        ids
    }

    /// Every hit of a query, page by page.
    fn paged(&self, query: &str, sort: SortOrder, page_size: usize) -> Vec<MessageKey> {
        let mut request = Request { sort, page_size, ..request(query) };
        let mut all = Vec::new();
        loop {
            let page = self.ask(&request).expect("a page");
            assert!(page.hits.len() <= page_size);
            all.extend(page.hits.iter().map(|hit| hit.key));
            match page.next {
                Some(next) => request.cursor = Some(next),
                None => return all,
            }
        }
    }
}

fn open(folder: &Path) -> Index {
    Index::open(&folder.join("index")).expect("an index")
}

fn indexer(index: &Arc<Index>, archive: &Arc<Archive>) -> Indexer {
    Indexer::new(Arc::clone(index), Arc::clone(archive), IndexerSettings::default())
}

fn request(query: &str) -> Request {
    Request::new(SearchQuery::parse(query).unwrap_or_else(|e| panic!("{query}: {e}")))
}

fn key(id: i32) -> MessageKey {
    MessageKey { peer: CHAT, id: MessageId(id) }
}

fn message(id: i32, text: &str) -> Message {
    let mut message = Message::new(key(id), Timestamp(1_700_000_000 + i64::from(id)));
    text.clone_into(&mut message.text);
    message
}

fn link(kind: EntityKind, url: Option<&str>) -> Entity {
    Entity { url: url.map(str::to_owned), ..Entity::new(kind, 0, 1) }
}

#[tokio::test]
async fn every_substring_of_a_chinese_text_is_found() {
    let mut world = World::new();
    let texts = [
        "我觉得今天天气很好",
        "コーヒーを飲みながら、新聞を読む。",
        "오늘 날씨가 참 좋네요",
        "𠮷野家で牛丼を食べた",
        "一二三一二三二一",
    ];
    world.archive(texts.iter().zip(1..).map(|(text, id)| message(id, text)));
    world.index().await;
    for (text, id) in texts.iter().zip(1..) {
        let chars: Vec<char> = text.chars().collect();
        for from in 0..chars.len() {
            for to in from + 1..=chars.len() {
                let part: String = chars[from..to].iter().collect();
                if part.chars().any(char::is_alphanumeric) {
                    assert!(world.ids(&part).contains(&id), "`{part}` of `{text}`");
                    assert!(world.ids(&format!("\"{part}\"")).contains(&id), "`{part}` of `{text}`, quoted");
                }
            }
        }
    }
    assert_eq!(world.ids("今天"), [1]);
    assert!(world.ids("天今").is_empty());
    assert!(world.ids("今天气").is_empty());
    assert!(world.ids("三二三").is_empty());
}

#[tokio::test]
async fn every_substring_of_random_dense_texts_is_found() {
    use proptest::strategy::{Strategy as _, ValueTree as _};
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let text = "[一-丝甲-男ぁ-げァ-ゲ가-갛ก-ฎ，a1 ]{1,24}";
    let texts = proptest::string::string_regex(text).expect("a pattern");
    let texts: Vec<String> = (0..40).map(|_| texts.new_tree(&mut runner).expect("a text").current()).collect();
    let mut world = World::new();
    world.archive(texts.iter().zip(1..).map(|(text, id)| message(id, text)));
    world.index().await;
    // Words of other scripts are found whole, so a cut must not go through one.
    let is_word = |c: char| c.is_ascii_alphanumeric();
    let mut tried = 0;
    for (text, id) in texts.iter().zip(1..) {
        let chars: Vec<char> = text.chars().collect();
        let cuts_word = |at: usize| at > 0 && at < chars.len() && is_word(chars[at - 1]) && is_word(chars[at]);
        for from in 0..chars.len() {
            for to in (from + 1..=chars.len()).filter(|to| !cuts_word(from) && !cuts_word(*to)) {
                let part: String = chars[from..to].iter().collect();
                if part.chars().any(char::is_alphanumeric) {
                    assert!(world.ids(&format!("\"{part}\"")).contains(&id), "`{part}` of `{text}`");
                    tried += 1;
                }
            }
        }
    }
    assert!(tried > 1_000, "{tried}");
}

#[tokio::test]
async fn russian_forms_of_a_word_find_each_other() {
    let mut world = World::new();
    world.archive([
        message(1, "Новая книга о Москве"),
        message(2, "полки с книгами"),
        message(3, "ёлка"),
        message(4, "мало слов"),
    ]);
    world.index().await;
    assert_eq!(world.ids("книгу"), [1, 2]);
    assert_eq!(world.ids("КНИГ*"), [1, 2]);
    assert_eq!(world.ids("ёлки"), [3]);
    assert_eq!(world.ids("елка"), [3]);
    assert_eq!(world.ids("москвой"), [1]);
}

#[tokio::test]
async fn english_forms_of_a_word_find_each_other() {
    let mut world = World::new();
    world.archive([message(1, "He was running late"), message(2, "She runs"), message(3, "the naïve café"), message(4, "other")]);
    world.index().await;
    assert_eq!(world.ids("run"), [1, 2]);
    assert_eq!(world.ids("runn*"), [1, 2], "a prefix also finds the shorter stem");
    assert_eq!(world.ids("Naive CAFE"), [3]);
    assert_eq!(world.ids("\"run late\""), [1]);
}

#[tokio::test]
async fn simplified_finds_traditional() {
    let mut world = World::new();
    world.archive([message(1, "學習漢語"), message(2, "学习汉语")]);
    world.index().await;
    for query in ["学习", "學習", "汉", "漢", "習漢", "学习汉语"] {
        assert_eq!(world.ids(query), [1, 2], "{query}");
    }
}

#[tokio::test]
async fn parts_of_addresses_names_and_tags_are_found() {
    let mut world = World::new();
    let mut hidden = message(3, "click here");
    hidden.entities = vec![link(EntityKind::TextUrl, Some("https://hidden.example.org/secret-path"))];
    let mut file = message(4, "");
    file.media = Some(Media { name: Some("Отчёт_2024.pdf".to_owned()), ..Media::new(MediaKind::File) });
    let mut poll = message(5, "");
    let options = vec!["Pizza".to_owned(), "寿司".to_owned()];
    poll.media = Some(Media { question: Some("晚饭吃什么？".to_owned()), options, ..Media::new(MediaKind::Poll) });
    let mut button = message(6, "");
    let url = Some("https://buttons.example.org/shop".to_owned());
    button.buttons = vec![vec![Button { url, ..Button::new(ButtonKind::Url, "Купить".to_owned()) }]];
    let mut page = message(7, "");
    page.media = Some(Media { description: Some("天气预报".to_owned()), ..Media::new(MediaKind::Webpage) });
    world.archive([
        message(1, "see https://news.example.com/2024/article?id=77 at 12:30"),
        message(2, "ask @some_user about #breaking_news 👍🏽 iPhone手机"),
        hidden,
        file,
        poll,
        button,
        page,
    ]);
    world.index().await;
    for (query, expected) in [
        ("example.com", vec![1]),
        ("article", vec![1]),
        ("https://news.example.com/2024/article", vec![1]),
        ("12:30", vec![1]),
        ("77", vec![1]),
        ("@some_user", vec![2]),
        ("some_use*", vec![2]),
        ("#breaking_news", vec![2]),
        ("breaking", vec![2]),
        ("👍", vec![2]),
        ("iphone手机", vec![2]),
        ("手", vec![2]),
        ("hidden.example.org", vec![3]),
        ("отчет", vec![4]),
        ("pdf", vec![4]),
        ("吃什么", vec![5]),
        ("寿司", vec![5]),
        ("купить", vec![6]),
        ("buttons.example.org", vec![6]),
        ("купить has:link", vec![6]),
        ("预报", vec![7]),
        ("pizza", vec![5]),
    ] {
        assert_eq!(world.ids(query), expected, "{query}");
    }
}

#[tokio::test]
async fn filters_choose_by_peer_sender_kind_state_and_day() {
    let mut world = World::new();
    let other = PeerId(42);
    let at = |text: &str| chrono::DateTime::parse_from_rfc3339(text).expect("a time").timestamp();
    let mut photo = message(1, "one");
    photo.media = Some(Media::new(MediaKind::Photo));
    photo.date = Timestamp(at("2024-02-29T23:59:59Z"));
    let mut linked = message(2, "two http://x.org");
    linked.entities = vec![link(EntityKind::Url, None)];
    linked.sender = Some(other);
    linked.date = Timestamp(at("2024-03-01T00:00:00Z"));
    let mut reply = message(3, "three");
    reply.reply = Some(Reply::default());
    reply.forward = Some(Forward::default());
    reply.edited = Some(Timestamp(1));
    let mut elsewhere = message(4, "four");
    elsewhere.key.peer = other;
    world.archive([photo, linked, reply, elsewhere]);
    let mut write = world.archive.write(NOW);
    let peer = |id, name: &str| Peer { username: Some(name.to_owned()), ..Peer::new(id, PeerKind::User, name.to_owned()) };
    write.peer(peer(other, "Some_Body"));
    write.commit().expect("a write");
    world.index().await;
    for (query, expected) in [
        ("has:photo", vec![1]),
        ("has:media", vec![1]),
        ("has:link", vec![2]),
        ("is:reply is:forwarded is:edited", vec![3]),
        ("in:42", vec![4]),
        ("in:@some_body", vec![4]),
        ("from:some_body", vec![2]),
        ("in:-1001500000001 -has:photo", vec![2, 3]),
        ("before:2024-02-29 after:2024", vec![1]),
        ("before:2024-02 after:2024-02-29", vec![1]),
        ("after:2024-03", vec![2]),
        ("after:2024-02 before:2024-03-01", vec![1, 2]),
        ("-three -four after:2024", vec![1, 2]),
        ("one OR (two -has:photo)", vec![1, 2]),
        ("-(one OR two) in:-1001500000001", vec![3]),
    ] {
        assert_eq!(world.ids(query), expected, "{query}");
    }
    let error = world.ask(&request("x in:@nobody")).expect_err("an unknown peer").to_string();
    assert_eq!(
        error,
        "no archived peer has the username `@nobody`; look it up with `telescribe peers`, or give its id (at character 3 of the query)"
    );
}

#[tokio::test]
async fn an_edit_is_found_by_its_new_words_and_not_by_its_old() {
    let mut world = World::new();
    world.archive([message(1, "the old words"), message(2, "others")]);
    world.index().await;
    let mut edited = message(1, "the new words");
    edited.edited = Some(NOW);
    world.archive([edited.clone()]);
    world.index().await;
    assert!(world.ids("old").is_empty());
    assert_eq!(world.ids("new"), [1]);
    assert_eq!(world.ids("is:edited"), [1]);
    assert_eq!(world.index.document_count(), 2);

    // New and edited before anything was committed, and an edit of something committed, in one go.
    world.archive([message(3, "three")]);
    edited.text = "newest".to_owned();
    edited.edited = Some(Timestamp(NOW.0 + 1));
    let mut third = message(3, "third");
    third.edited = Some(NOW);
    world.archive([edited, third]);
    world.index().await;
    assert_eq!(world.ids("newest OR third"), [1, 3]);
    assert!(world.ids("new OR three").is_empty());
}

#[tokio::test]
async fn a_deleted_message_is_found_only_when_asked_for() {
    let mut world = World::new();
    world.archive([message(1, "gone"), message(2, "gone too")]);
    world.index().await;
    let mut write = world.archive.write(NOW);
    write.delete(key(1));
    write.commit().expect("a write");
    assert_eq!(world.ids("gone"), [2], "the archive knows before the index does");
    world.index().await;
    assert_eq!(world.ids("gone"), [2]);
    assert_eq!(world.ids("gone is:deleted"), [1]);
    assert_eq!(world.ids("gone (is:deleted OR -is:deleted)"), [1, 2]);
    assert_eq!(world.index.document_count(), 2);
}

#[tokio::test]
async fn a_deleted_index_is_rebuilt() {
    let mut world = World::new();
    world.archive((1..=50).map(|id| message(id, "text")));
    world.index().await;
    let mut world = world.reopened(|index| std::fs::remove_dir_all(index).expect("deleted"));
    assert_eq!(world.index.position().0, 0);
    world.index().await;
    assert_eq!(world.ids("text").len(), 50);
}

#[tokio::test]
async fn a_damaged_index_is_rebuilt() {
    let mut world = World::new();
    world.archive((1..=50).map(|id| message(id, "text")));
    world.index().await;
    let mut world = world.reopened(|index| std::fs::write(index.join("meta.json"), "{").expect("damaged"));
    assert_eq!(world.index.document_count(), 0);
    world.index().await;
    let mut world = world.reopened(|index| {
        let terms = std::fs::read_dir(index)
            .expect("files")
            .map(|e| e.expect("a file").path())
            .find(|p| p.extension() == Some("term".as_ref()));
        std::fs::write(terms.expect("terms"), "").expect("damaged");
    });
    world.index().await;
    assert_eq!(world.ids("text").len(), 50);
}

#[tokio::test]
async fn an_index_of_another_analyser_is_rebuilt() {
    let mut world = World::new();
    world.archive((1..=5).map(|id| message(id, "text")));
    world.index().await;
    let mut world = world.reopened(|index| {
        let meta = std::fs::read_to_string(index.join("meta.json")).expect("read");
        assert!(meta.contains("telescribe_words_"));
        std::fs::write(index.join("meta.json"), meta.replace("telescribe_words_", "earlier_words_")).expect("written");
    });
    assert_eq!(world.index.document_count(), 0);
    world.index().await;
    assert_eq!(world.ids("text").len(), 5);
}

#[test]
fn a_folder_of_other_files_is_never_cleared() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("thesis.txt"), "years of work").expect("a file");
    let error = Index::open(folder.path()).expect_err("not an index");
    assert!(matches!(error, SearchError::NotAnIndex { .. }), "{error}");
    assert!(folder.path().join("thesis.txt").exists());
}

#[tokio::test]
async fn an_index_of_another_archive_is_rebuilt() {
    let mut world = World::new();
    world.archive((1..=20).map(|id| message(id, "first")));
    world.index().await;
    let World { folder, index, indexer, .. } = world;
    drop((index, indexer));
    let other = Archive::open(&folder.path().join("other"), Durability::Os).expect("an archive");
    let mut world = World::with(Arc::new(other), folder);
    world.archive((1..=30).map(|id| message(id, "second")));
    world.index().await;
    assert!(world.ids("first").is_empty());
    assert_eq!(world.ids("second").len(), 30);
}

#[tokio::test]
async fn what_was_not_committed_is_read_again_after_a_crash() {
    let mut world = World::new();
    world.archive([message(1, "first")]);
    world.index().await;
    let committed = world.index.position();
    world.archive([message(2, "second")]);
    // Read, but within the interval after the last commit, so not committed.
    assert_eq!(world.indexer.step().await.expect("a step"), StepOutcome::Busy);
    assert_eq!(world.index.position(), committed);
    let mut world = world.reopened(|_| ());
    assert_eq!(world.index.position(), committed);
    world.index().await;
    assert_eq!(world.ids("first OR second"), [1, 2]);
}

#[tokio::test]
async fn a_fresh_message_is_committed_without_waiting_for_more() {
    let mut world = World::new();
    world.archive([message(1, "fresh")]);
    // No wait and no finish: the first step reads it, and nothing holds the commit back.
    while world.indexer.step().await.expect("a step") == StepOutcome::Busy {}
    assert_eq!(world.ids("fresh"), [1]);
}

#[tokio::test]
async fn a_query_of_a_thousand_parentheses_is_refused() {
    for query in ["(".repeat(1_000), format!("{}a{}", "(".repeat(250), ")".repeat(250)), "a OR ".repeat(300)] {
        let error = SearchQuery::parse(&query).expect_err("too much");
        assert!(error.at > 0 && !error.what.is_empty(), "{error}");
    }
}

#[tokio::test]
async fn a_search_ends_at_its_deadline() {
    let mut world = World::new();
    world.archive((1..=20).map(|id| message(id, "text")));
    world.index().await;
    let late = Request { time_limit: Duration::ZERO, ..request("text") };
    assert!(matches!(world.ask(&late), Err(SearchError::Deadline { .. })));
}

#[tokio::test]
async fn pages_of_newest_first_neither_repeat_nor_skip() {
    let mut world = World::new();
    // Several segments, many equal dates, two peers, and edits that move messages to younger segments.
    for round in 0..4 {
        world.archive((1..=60).map(|n| {
            let mut message = message(round * 60 + n, "needle");
            message.date = Timestamp(1_700_000_000 + i64::from(n / 7));
            message.key.peer = if n % 2 == 0 { CHAT } else { PeerId(42) };
            message
        }));
        world.index().await;
    }
    let mut edited = message(100, "needle again");
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
    let mut newer = message(1_000, "needle");
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
    let mut world = World::new();
    world.archive((1..=20).map(|id| message(id, "one two")));
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
    let mut world = World::new();
    let mut short = message(1, "whale");
    short.media = Some(Media::new(MediaKind::Photo));
    world.archive([
        short,
        message(2, "a long text in which a whale is mentioned once among many other animals"),
        message(3, "sheep"),
    ]);
    world.index().await;
    let page = world.ask(&Request { sort: SortOrder::Relevance, ..request("whale") }).expect("a page");
    assert_eq!(page.hits.iter().map(|h| h.key.id.0).collect::<Vec<_>>(), [1, 2]);
    assert!(page.hits[0].score > page.hits[1].score);
    let filtered = world.ask(&Request { sort: SortOrder::Relevance, ..request("whale has:photo") }).expect("a page");
    assert_eq!(filtered.hits[0].score, page.hits[0].score);
    assert_eq!(filtered.hits[0].snippet.highlights.first(), Some(&(0..5)));
}

#[tokio::test]
async fn what_is_not_read_yet_is_pending_and_no_difference() {
    let mut world = World::new();
    world.archive([message(1, "one"), message(2, "two")]);
    world.index().await;
    let mut edited = message(1, "uno");
    edited.edited = Some(NOW);
    world.archive([edited, message(3, "three")]);
    let found = world.index.verify(&world.archive).expect("a comparison");
    assert!(!found.is_equal());
    assert_eq!(found.differences, []);
    assert_eq!((found.messages, found.documents, found.pending), (3, 2, 2));
}

#[tokio::test]
async fn verify_finds_what_is_missing() {
    let mut world = World::new();
    world.archive([message(1, "one"), message(2, "two")]);
    world.index().await;
    let mut world = world.reopened(|folder| {
        // Another hand empties the index, and leaves the position as it was.
        let index = tantivy::Index::open_in_dir(folder).expect("an index");
        let payload = index.load_metas().expect("its state").payload.expect("its position");
        let mut writer = index.writer_with_num_threads::<tantivy::TantivyDocument>(1, 16 << 20).expect("its writer");
        writer.delete_all_documents().expect("an empty index");
        let mut commit = writer.prepare_commit().expect("a commit");
        commit.set_payload(&payload);
        commit.commit().expect("a commit");
    });
    let found = world.index.verify(&world.archive).expect("a comparison");
    assert!(!found.is_equal());
    assert_eq!(found.differences, [Difference::Missing(key(1)), Difference::Missing(key(2))]);
    assert_eq!((found.messages, found.documents, found.missing), (2, 0, 2));
    world.archive([message(3, "three")]);
    world.indexer.catch_up().await.expect("indexing");
    assert_eq!(world.index.verify(&world.archive).expect("a comparison").missing, 2, "only a rebuild mends it");
}

#[tokio::test]
async fn a_rebuild_of_many_changes_takes_few_commits() {
    let mut world = World::new();
    for round in 0..5 {
        world.archive((1..=2_000).map(|n| message(round * 2_000 + n, "bulk 今天天气")));
    }
    world.index().await;
    assert_eq!(world.index.document_count(), 10_000);
    let page = world.ask(&request("天气")).expect("a page");
    assert_eq!(page.hits[0].key, key(10_000));
    assert!(matches!(page.total, Total::Exactly(10_000) | Total::AtLeast(_)));
}
