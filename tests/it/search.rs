//! Promises about search, kept with a real archive and a real index.

mod bounds;
mod collapse;
mod export;
mod facets;
mod filters;
mod index;
mod labelled;
mod pages;
mod rebuild;
mod substrings;

use telescribe::model::{
    Button, ButtonKind, Entity, EntityKind, Forward, Media, MediaKind, MessageKey, PeerId, Reply, Timestamp,
};

use crate::support::indexed::{Indexed, request};
use crate::support::messages::{NOW, peer, text};

fn link(kind: EntityKind, url: Option<&str>) -> Entity {
    Entity { url: url.map(str::to_owned), ..Entity::new(kind, 0, 1) }
}

#[tokio::test]
async fn every_substring_of_a_chinese_text_is_found() {
    let mut world = Indexed::new();
    let texts = [
        "我觉得今天天气很好",
        "コーヒーを飲みながら、新聞を読む。",
        "오늘 날씨가 참 좋네요",
        "𠮷野家で牛丼を食べた",
        "一二三一二三二一",
    ];
    world.archive(texts.iter().zip(1..).map(|(said, id)| text(id, said)));
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
    let pattern = "[一-丝甲-男ぁ-げァ-ゲ가-갛ก-ฎ，a1 ]{1,24}";
    let texts = proptest::string::string_regex(pattern).expect("a pattern");
    let texts: Vec<String> = (0..40).map(|_| texts.new_tree(&mut runner).expect("a text").current()).collect();
    let mut world = Indexed::new();
    world.archive(texts.iter().zip(1..).map(|(said, id)| text(id, said)));
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
    let mut world = Indexed::new();
    world.archive([text(1, "Новая книга о Москве"), text(2, "полки с книгами"), text(3, "ёлка"), text(4, "мало слов")]);
    world.index().await;
    assert_eq!(world.ids("книгу"), [1, 2]);
    assert_eq!(world.ids("КНИГ*"), [1, 2]);
    assert_eq!(world.ids("ёлки"), [3]);
    assert_eq!(world.ids("елка"), [3]);
    assert_eq!(world.ids("москвой"), [1]);
}

#[tokio::test]
async fn english_forms_of_a_word_find_each_other() {
    let mut world = Indexed::new();
    world.archive([text(1, "He was running late"), text(2, "She runs"), text(3, "the naïve café"), text(4, "other")]);
    world.index().await;
    assert_eq!(world.ids("run"), [1, 2]);
    assert_eq!(world.ids("runn*"), [1, 2], "a prefix also finds the shorter stem");
    assert_eq!(world.ids("Naive CAFE"), [3]);
    assert_eq!(world.ids("\"run late\""), [1]);
}

#[tokio::test]
async fn simplified_finds_traditional() {
    let mut world = Indexed::new();
    world.archive([text(1, "學習漢語"), text(2, "学习汉语")]);
    world.index().await;
    for query in ["学习", "學習", "汉", "漢", "習漢", "学习汉语"] {
        assert_eq!(world.ids(query), [1, 2], "{query}");
    }
}

#[tokio::test]
async fn parts_of_addresses_names_and_tags_are_found() {
    let mut world = Indexed::new();
    let mut hidden = text(3, "click here");
    hidden.entities = vec![link(EntityKind::TextUrl, Some("https://hidden.example.org/secret-path"))];
    let mut file = text(4, "");
    file.media = Some(Media { name: Some("Отчёт_2024.pdf".to_owned()), ..Media::new(MediaKind::File) });
    let mut poll = text(5, "");
    let options = vec!["Pizza".to_owned(), "寿司".to_owned()];
    poll.media = Some(Media { question: Some("晚饭吃什么？".to_owned()), options, ..Media::new(MediaKind::Poll) });
    let mut button = text(6, "");
    let url = Some("https://buttons.example.org/shop".to_owned());
    button.buttons = vec![vec![Button { url, ..Button::new(ButtonKind::Url, "Купить".to_owned()) }]];
    let mut page = text(7, "");
    page.media = Some(Media { description: Some("天气预报".to_owned()), ..Media::new(MediaKind::Webpage) });
    world.archive([
        text(1, "see https://news.example.com/2024/article?id=77 at 12:30"),
        text(2, "ask @some_user about #breaking_news 👍🏽 iPhone手机"),
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
    let mut world = Indexed::new();
    let other = PeerId(42);
    let at = |text: &str| chrono::DateTime::parse_from_rfc3339(text).expect("a time").timestamp();
    let mut photo = text(1, "one");
    photo.media = Some(Media::new(MediaKind::Photo));
    photo.date = Timestamp(at("2024-02-29T23:59:59Z"));
    let mut linked = text(2, "two http://x.org");
    linked.entities = vec![link(EntityKind::Url, None)];
    linked.sender = Some(other);
    linked.date = Timestamp(at("2024-03-01T00:00:00Z"));
    let mut reply = text(3, "three");
    reply.reply = Some(Reply::default());
    reply.forward = Some(Forward::default());
    reply.edited = Some(Timestamp(1));
    reply.date = Timestamp(at("2023-12-31T23:59:59Z"));
    let mut elsewhere = text(4, "four");
    elsewhere.key = MessageKey::new(other, elsewhere.key.id);
    elsewhere.date = reply.date;
    world.archive([photo, linked, reply, elsewhere]);
    let mut write = world.archive.write(NOW);
    write.peer(peer(other.0, Some("Some_Body")));
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
