//! Searching and reading in a real browser: what comes late is shown nowhere else, what is forgotten is gone, and the address says what is shown.

use std::fmt::Write as _;

use serde_json::{Value, json};
use telescribe::app::{App, server_id};
use telescribe::seal::KeyRing;
use telescribe_simulator::world::{ChatKind, Entity, EntityKind, Media};
use telescribe_simulator::{PeerId, Post, WorldSpec};
use tokio::time::{Instant, sleep};

use super::{browse, shots};
use crate::serving::picture;
use crate::support::gallery::{Gallery, ask};
use crate::support::waiting::PATIENCE;

/// In the texts of each chat; no other text has them.
const WORDS: [&str; 3] = ["heronword", "ibisword", "storkword"];
/// Texts in each chat: more than a screen shows, so that what was in the chat before is not in view.
const POSTS: u64 = 20;

/// Three chats with texts of their own, the first two with the same title.
struct Shelf {
    gallery: Gallery,
    chats: Vec<ShelvedChat>,
}

#[derive(Clone)]
struct ShelvedChat {
    peer: PeerId,
    word: &'static str,
    title: String,
    /// What tells it from others of the same title.
    which: String,
}

impl Shelf {
    async fn new() -> Self {
        let spec = WorldSpec { seed: 5, accounts: 1, peers: 8, messages: 60, real_media: true, ..WorldSpec::default() };
        let mut world = spec.generate();
        let readable = world.chats.iter_mut().filter(|chat| chat.kind.is_channel() && !chat.members.is_empty());
        let mut chats = Vec::new();
        for (chat, word) in readable.zip(WORDS) {
            chat.title = if chats.len() < 2 { "Twins".to_owned() } else { "Only child".to_owned() };
            let kind = if chat.kind == ChatKind::Channel { "channel" } else { "supergroup" };
            let name = chat.username.as_ref().map_or_else(|| chat.peer.marked().to_string(), |username| format!("@{username}"));
            chats.push(ShelvedChat { peer: chat.peer, word, title: chat.title.clone(), which: format!("{name} · {kind}") });
        }
        assert_eq!(chats.len(), WORDS.len());
        let gallery = Gallery::in_world(world).await;
        for chat in &chats {
            for number in 0..POSTS {
                gallery.fleet.simulator.post(chat.peer, Post::text(format!("A {} of number {number}", chat.word))).unwrap();
            }
        }
        Self { gallery, chats }
    }

    /// Starts the program, and waits until every text can be found.
    async fn start(&self) -> App {
        let app = self.gallery.start().await;
        for word in WORDS {
            let end = Instant::now() + PATIENCE;
            while self.count(&app, word).await < POSTS {
                assert!(Instant::now() < end, "`{word}` is not found");
                sleep(std::time::Duration::from_millis(20)).await;
            }
        }
        app
    }

    async fn count(&self, app: &App, word: &str) -> u64 {
        ask(app.addresses[0], "GET", &format!("/v1/search?q={word}"), &[]).await.json()["total"]["count"].as_u64().unwrap_or(0)
    }

    /// The chats, for a browser.
    fn json(&self) -> Value {
        self.chats.iter().map(|chat| json!({ "id": chat.peer.marked(), "word": chat.word, "title": chat.title })).collect()
    }

    fn key(&self) -> String {
        let server = server_id(&self.gallery.fleet.data()).unwrap();
        String::from_utf8(KeyRing::export(&self.gallery.key, &server).to_vec()).unwrap()
    }
}

fn texts(seen: &Value) -> Vec<&str> {
    seen.as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect()
}

/// The address of something to show.
fn hash(members: &[(&str, &str)]) -> String {
    let mut hash = String::new();
    for (at, (name, value)) in members.iter().enumerate() {
        write!(hash, "{}{name}={value}", if at == 0 { '#' } else { '&' }).unwrap();
    }
    hash
}

/// Checks that a list of texts is of this chat: some have its word, and none has another's.
fn check_of(chat: &ShelvedChat, seen: &Value) {
    let texts = texts(seen);
    assert!(texts.iter().any(|text| text.contains(chat.word)), "{texts:?}");
    let others = WORDS.iter().filter(|word| **word != chat.word);
    for other in others {
        assert!(!texts.iter().any(|text| text.contains(other)), "{other} stands among what is of {}: {texts:?}", chat.word);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_comes_late_is_not_shown_under_another_title() {
    let shelf = Shelf::new().await;
    let app = shelf.start().await;
    let [plain, sealed] = [app.addresses[0], app.addresses[1]].map(|address| format!("http://{address}"));
    let seen = browse(json!([
        { "what": "late", "base": plain, "chats": shelf.json() },
        { "what": "late", "base": sealed, "key": shelf.key(), "chats": shelf.json() },
    ]))
    .await;
    let last = shelf.chats.last().unwrap();
    for seen in seen["results"].as_array().unwrap() {
        for step in ["reading", "searching"] {
            let seen = &seen[step];
            assert_eq!((seen["title"].as_str(), seen["which"].as_str()), (Some(&*last.title), Some(&*last.which)), "{step}");
            assert_eq!(seen["errors"], json!([]), "{step}");
            check_of(last, &seen["read"]);
        }
        check_of(last, &seen["searching"]["found"]);
        let closed = &seen["closed"];
        assert_eq!((&closed["title"], &closed["read"]), (&Value::Null, &json!([])));
    }
    shelf.gallery.fleet.stop(app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forgotten_key_leaves_nothing_on_the_page_and_nothing_is_asked_in_the_clear() {
    let mut shelf = Shelf::new().await;
    let bytes = picture(640, 480, image::ImageFormat::Jpeg);
    shelf.gallery.channel = shelf.chats[0].peer;
    let photo = Post::photo(640, 480, bytes.len().try_into().unwrap()).captioned("A picture of the heronword");
    let posted = shelf.gallery.post(photo, &bytes);
    let app = shelf.start().await;
    shelf.gallery.until_pictured(&app, &[posted.id]).await;
    // This listener answers plainly too: nothing but the page keeps it from asking so.
    let base = format!("http://{}", app.addresses[0]);
    let step = json!({ "what": "forgetKey", "base": base, "key": shelf.key(), "chats": shelf.json(), "shots": shots() });
    let seen = browse(json!([step])).await;
    let seen = &seen["results"][0];
    // The picture was opened, and then no more.
    assert_eq!(seen["loaded"], json!([true, false]));
    let blank = &seen["blank"];
    for place in ["text", "all", "typed", "hash"] {
        let shown = blank[place].as_str().unwrap();
        for chat in &shelf.chats {
            assert!(!shown.contains(chat.word) && !shown.contains(&chat.title), "{place}: {shown}");
        }
    }
    assert_eq!((&blank["elements"], &blank["typed"], &blank["hash"]), (&0.into(), &"".into(), &"".into()));
    assert_eq!(seen["asksForKey"], json!([true, true, true]));
    assert!(texts(&seen["during"]).iter().all(|url| url.ends_with("/v1/sealed")), "{}", seen["during"]);
    assert_eq!(seen["later"], json!([]));
    let after = &seen["after"];
    assert_eq!((&after["read"], &after["found"]), (&json!([]), &json!([])));
    assert!(texts(&after["errors"]).iter().any(|text| text.contains("the key was forgotten")), "{after}");
    check_of(&shelf.chats[1], &seen["again"]["read"]);
    shelf.gallery.fleet.stop(app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_address_holds_what_is_shown_and_no_request_does() {
    let shelf = Shelf::new().await;
    let app = shelf.start().await;
    let [plain, sealed] = [app.addresses[0], app.addresses[1]].map(|address| format!("http://{address}"));
    let seen = browse(json!([
        { "what": "useAddress", "base": plain, "chats": shelf.json() },
        { "what": "useAddress", "base": sealed, "key": shelf.key(), "chats": shelf.json() },
    ]))
    .await;
    let (chat, other) = (&shelf.chats[0], &shelf.chats[1]);
    let [marked, other_marked] = [chat, other].map(|chat| chat.peer.marked().to_string());
    for (seen, is_sealed) in seen["results"].as_array().unwrap().iter().zip([false, true]) {
        let steps = seen["steps"].as_array().unwrap();
        let [found, sorted, read, beside, back, closed, unsorted, forth] = steps.as_slice() else { panic!("{seen}") };
        let query = ("q", chat.word);
        assert_eq!(found["hash"], hash(&[query]));
        assert_eq!(sorted["hash"], hash(&[query, ("sort", "oldest")]));
        let read_hash = read["hash"].as_str().unwrap();
        let (head, message) = read_hash.rsplit_once('=').unwrap();
        assert_eq!(format!("{head}="), hash(&[query, ("sort", "oldest"), ("peer", &marked), ("message", "")]));
        assert!(message.parse::<i32>().unwrap() > 0);
        assert_eq!(beside["hash"], hash(&[query, ("sort", "oldest"), ("peer", &other_marked)]));
        check_of(other, &beside["read"]);
        // Back and forth, and anew: the same is shown.
        for (seen, same) in [(back, read), (closed, sorted), (unsorted, found), (forth, read), (&seen["opens"], read)] {
            for member in ["hash", "q", "sort", "title", "which", "read", "here", "found", "errors"] {
                assert_eq!(seen[member], same[member], "{member}");
            }
        }
        assert!(read["here"].as_str().unwrap().contains(chat.word), "{read}");
        assert_eq!(texts(&found["found"]).first(), texts(&sorted["found"]).last());
        check_of(chat, &found["found"]);
        let requests = texts(&seen["requests"]);
        assert!(requests.len() > 5, "{requests:?}");
        for url in requests {
            assert!(!url.contains(chat.word) && !url.contains("q="), "{url}");
            let is_of_page = url.rsplit_once('/').is_some_and(|(_, file)| !file.contains('?')) && !url.contains("/v1/");
            assert!(!is_sealed || url.ends_with("/v1/sealed") || is_of_page || url.starts_with("data:"), "{url}");
        }
    }
    shelf.gallery.fleet.stop(app).await;
}

fn entity(text: &str, part: &str, kind: EntityKind) -> Entity {
    let units = |text: &str| i32::try_from(text.encode_utf16().count()).unwrap();
    let (before, _) = text.split_once(part).unwrap();
    Entity { kind, offset: units(before), length: units(part) }
}

/// Posts links, a poll and what is edited later, and returns the id of that.
fn furnish(shelf: &Shelf) -> i32 {
    let peer = shelf.chats[0].peer;
    let post = |post| shelf.gallery.fleet.simulator.post(peer, post).unwrap();
    let text = "🦩 See example.com/a, a <b>label</b> or a <i>trick</i>, not tg://resolve";
    let to = |url: &str| EntityKind::TextUrl { url: url.to_owned() };
    let entities = vec![
        entity(text, "example.com/a", EntityKind::Url),
        entity(text, "<b>label</b>", to("https://example.org/x?y=1")),
        entity(text, "<i>trick</i>", to("javascript:window.ran=1")),
        entity(text, "tg://resolve", EntityKind::Url),
    ];
    post(Post { entities, ..Post::text(text) });
    let options = vec!["War and Peace".to_owned(), "红楼梦".to_owned()];
    post(Post::media(Media::Poll { id: 5, question: "Which book?".to_owned(), options, voters: vec![10, 30] }));
    post(Post::text("The first words"))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_shows_versions_polls_and_links_tells_twins_apart_and_gives_a_phone_to_one_thing() {
    let shelf = Shelf::new().await;
    let edited = furnish(&shelf);
    let app = shelf.start().await;
    for text in ["The second words", "The last words"] {
        shelf.gallery.fleet.simulator.edit(shelf.chats[0].peer, edited, text).unwrap();
        shelf.gallery.fleet.until_archived(text).await;
    }
    let base = format!("http://{}", app.addresses[0]);
    let seen = browse(json!([{ "what": "details", "base": base, "chats": shelf.json(), "shots": shots() }])).await;
    let seen = &seen["results"][0];
    assert_eq!(seen["versions"], json!(["The second words", "The first words"]));
    assert_eq!(texts(&seen["texts"]).last(), Some(&"The last words"));
    let polls = seen["polls"].as_array().unwrap();
    let poll = polls.iter().find(|poll| poll["question"] == "Which book?").unwrap_or_else(|| panic!("{polls:?}"));
    assert_eq!(poll["options"], json!([["War and Peace", "10 · 25 %"], ["红楼梦", "30 · 75 %"]]));
    assert!(poll["facts"].as_str().unwrap().contains("40 voted"), "{poll}");
    let links = seen["links"].as_array().unwrap();
    let link = |text: &str, href: &str| json!({ "text": text, "href": href, "rel": "noopener noreferrer", "target": "_blank" });
    for expected in [link("example.com/a", "https://example.com/a"), link("<b>label</b>", "https://example.org/x?y=1")] {
        assert!(links.contains(&expected), "{links:?}");
    }
    for link in links {
        let href = link["href"].as_str().unwrap();
        assert!(href.starts_with("https://") || href.starts_with("http://"), "{link}");
        assert_eq!(link["rel"], "noopener noreferrer");
        assert!(!["<i>trick</i>", "tg://resolve"].iter().any(|text| link["text"] == *text), "{link}");
    }
    assert_eq!((&seen["markup"], &seen["ran"]), (&0.into(), &Value::Null));
    // Of one title, and yet two.
    for chat in &shelf.chats {
        let peers = seen["peers"].as_array().unwrap();
        let listed =
            peers.iter().find(|peer| peer["id"].as_str().and_then(|id| id.parse().ok()) == Some(chat.peer.marked())).unwrap();
        assert_eq!((&listed["title"], &listed["which"]), (&chat.title.as_str().into(), &chat.which.as_str().into()));
    }
    assert_ne!(shelf.chats[0].which, shelf.chats[1].which);
    assert!(texts(&seen["hits"]).iter().all(|which| *which == shelf.chats[0].which), "{}", seen["hits"]);
    // On a phone one thing has the width, and all of the height that the head leaves.
    for (step, part) in [("searching", "#results"), ("reading", "#reader"), ("back", "#results"), ("start", "nav")] {
        let phone = &seen["phone"][step];
        let of = |part: &str, side: &str| phone[part][side].as_f64().unwrap();
        assert!(phone["wide"].as_f64().unwrap() <= 390.0, "{step} scrolls sideways");
        assert!(of(part, "width") >= 389.0 && of(part, "height") > 600.0, "{step}: {phone}");
        for hidden in ["nav", "#results", "#reader"].into_iter().filter(|hidden| *hidden != part) {
            assert!(of(hidden, "height") == 0.0, "{step}: {hidden} is there too: {phone}");
        }
    }
    shelf.gallery.fleet.stop(app).await;
}
