//! What Telegram's answers mean: each kind of thing becomes what `docs/dump.md` says, and nothing that Telegram may send is a panic.
//!
//! The TL values are made by `schema` from Telegram's schema text, so that neither grammers nor our simulator is the only witness.

#![expect(clippy::unwrap_used, reason = "what cannot be had fails the test")]

mod schema;

use grammers_tl_types::{Deserializable as _, Serializable as _, enums};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use telescribe::archive::{Archive, Durability, Raw, StoredMessage};
use telescribe::model::{MessageId, MessageKey, PeerId, Timestamp};
use telescribe::parse::{self, Parsed};
use telescribe::show::{self, StoredView};

use schema::{Random, bytes, constructors_of, double, int, list, long, made, string, yes};

type Fields<'a> = &'a [(&'a str, Vec<u8>)];

const DATE: i32 = 1_706_702_400;

fn channel(id: i64) -> Vec<u8> {
    made("peerChannel", &[("channel_id", long(id))])
}

fn user(id: i64) -> Vec<u8> {
    made("peerUser", &[("user_id", long(id))])
}

fn decoded(bytes: &[u8]) -> enums::Message {
    enums::Message::from_bytes(bytes).unwrap_or_else(|e| panic!("the schema and grammers disagree: {e:?}"))
}

fn parsed_as(constructor: &str, fields: Fields<'_>) -> Parsed {
    let mut all = vec![("id", int(42)), ("peer_id", channel(5)), ("date", int(DATE))];
    all.retain(|(name, _)| !fields.iter().any(|(given, _)| given == name));
    all.extend(fields.iter().cloned());
    parse::message(&decoded(&made(constructor, &all))).unwrap()
}

/// An ordinary message with these fields.
fn message(fields: Fields<'_>) -> Parsed {
    parsed_as("message", fields)
}

/// What a message looks like as JSON, without what every one has.
fn shown(parsed: &Parsed) -> Value {
    let mut shown = serde_json::to_value(show::message(&parsed.message)).unwrap();
    for always in ["type", "peer", "id", "date"] {
        shown.as_object_mut().unwrap().remove(always).unwrap();
    }
    shown
}

fn media(tl: Vec<u8>) -> Value {
    shown(&message(&[("media", tl)]))["media"].take()
}

fn service(action: Vec<u8>) -> Value {
    shown(&parsed_as("messageService", &[("action", action)]))["service"].take()
}

fn text_with(text: &str) -> Vec<u8> {
    made("textWithEntities", &[("text", string(text))])
}

fn point() -> Vec<u8> {
    made("geoPoint", &[("lat", double(52.5)), ("long", double(-13.25))])
}

fn document(flags: Fields<'_>, attributes: Vec<Vec<u8>>) -> Value {
    let fields = [("id", long(9)), ("mime_type", string("x/y")), ("size", long(1 << 40)), ("attributes", list(attributes))];
    let mut all = vec![("document", made("document", &fields))];
    all.extend(flags.iter().cloned());
    media(made("messageMediaDocument", &all))
}

#[test]
fn a_message_is_where_and_when_and_by_whom() {
    let parsed =
        message(&[("from_id", user(7)), ("message", string("今天")), ("grouped_id", long(3)), ("post_author", string("me"))]);
    let key = MessageKey { peer: PeerId(-1_000_000_000_005), id: MessageId(42) };
    assert_eq!((parsed.message.key, parsed.message.date), (key, Timestamp(i64::from(DATE))));
    assert_eq!(shown(&parsed), json!({ "sender": 7, "text": "今天", "album": 3, "author": "me" }));
    assert_eq!((parsed.revision, parsed.not_understood), (0, vec![]));
    for (peer, marked) in [(user(6), 6), (made("peerChat", &[("chat_id", long(6))]), -6), (channel(6), -1_000_000_000_006)] {
        assert_eq!(message(&[("peer_id", peer)]).message.key.peer.0, marked);
    }
}

#[test]
fn an_empty_message_is_none() {
    assert_eq!(parse::message(&decoded(&made("messageEmpty", &[("id", int(42)), ("peer_id", channel(5))]))), None);
}

#[test]
fn in_a_private_chat_the_sender_follows_from_the_direction() {
    assert_eq!(message(&[("peer_id", user(6))]).message.sender, Some(PeerId(6)));
    assert_eq!(message(&[("peer_id", user(6)), ("out", yes())]).message.sender, None);
    assert_eq!(message(&[]).message.sender, None, "a channel's post has none");
}

#[test]
fn an_edit_is_shown_unless_telegram_hides_it_and_counts_either_way() {
    let edited = message(&[("edit_date", int(DATE + 60))]);
    assert_eq!((edited.revision, shown(&edited)), (i64::from(DATE) + 60, json!({ "edited": "2024-01-31T12:01:00Z" })));
    let hidden = message(&[("edit_date", int(DATE + 60)), ("edit_hide", yes())]);
    assert_eq!((hidden.revision, shown(&hidden)), (i64::from(DATE) + 60, json!({})));
}

#[test]
fn counters_pins_and_bots_are_told() {
    let replies = made("messageReplies", &[("replies", int(4))]);
    let all =
        message(&[("views", int(0)), ("forwards", int(2)), ("replies", replies), ("pinned", yes()), ("via_bot_id", long(9))]);
    assert_eq!(shown(&all), json!({ "views": 0, "forwards": 2, "replies": 4, "via_bot": 9, "pinned": true }));
}

#[test]
fn every_kind_of_media_becomes_what_the_dump_says() {
    let size = |letter: &str, w: i32, h: i32, bytes: i32| {
        made("photoSize", &[("type", string(letter)), ("w", int(w)), ("h", int(h)), ("size", int(bytes))])
    };
    let sizes = list([int(9), int(100), int(50)]);
    let progressive = made("photoSizeProgressive", &[("type", string("y")), ("w", int(1280)), ("h", int(720)), ("sizes", sizes)]);
    let stripped = made("photoStrippedSize", &[("type", string("i")), ("bytes", bytes(&[1; 300]))]);
    let photo = |sizes: Vec<Vec<u8>>| {
        media(made("messageMediaPhoto", &[("photo", made("photo", &[("id", long(8)), ("sizes", list(sizes))]))]))
    };
    let full = json!({ "kind": "photo", "id": 8, "size": 100, "width": 1280, "height": 720 });
    assert_eq!(photo(vec![stripped.clone(), size("m", 320, 180, 5), progressive]), full);
    assert_eq!(photo(vec![size("y", 1280, 720, 100), size("m", 320, 180, 5)]), full);
    assert_eq!(photo(vec![stripped]), json!({ "kind": "photo", "id": 8 }));
    assert_eq!(media(made("messageMediaPhoto", &[])), json!({ "kind": "photo" }), "an expired one");

    let webpage = |page: Vec<u8>| media(made("messageMediaWebPage", &[("webpage", page)]));
    let (url, title) = (("url", string("https://example.org/")), ("title", string("T")));
    assert_eq!(
        webpage(made("webPage", &[url.clone(), title])),
        json!({ "kind": "webpage", "url": "https://example.org/", "title": "T" })
    );
    assert_eq!(
        webpage(made("webPagePending", std::slice::from_ref(&url))),
        json!({ "kind": "webpage", "url": "https://example.org/" })
    );
    assert_eq!(webpage(made("webPageEmpty", &[url])), json!({ "kind": "webpage", "url": "https://example.org/" }));
    assert_eq!(webpage(made("webPageNotModified", &[])), json!({ "kind": "webpage" }));

    let answer = |text: &str| made("pollAnswer", &[("text", text_with(text))]);
    let poll = made("poll", &[("question", text_with("Which?")), ("answers", list([answer("one"), answer("two")]))]);
    let poll = media(made("messageMediaPoll", &[("poll", poll), ("results", made("pollResults", &[]))]));
    assert_eq!(poll, json!({ "kind": "poll", "question": "Which?", "options": ["one", "two"] }));

    let venue = made("messageMediaVenue", &[("geo", point()), ("title", string("Zoo")), ("address", string("A"))]);
    let names = [("first_name", string("Ada")), ("last_name", string("L")), ("phone_number", string("+1")), ("user_id", long(5))];
    let game = made("messageMediaGame", &[("game", made("game", &[("title", string("Chess"))]))]);
    for (tl, expected) in [
        (made("messageMediaGeo", &[("geo", point())]), json!({ "kind": "geo", "latitude": 52.5, "longitude": -13.25 })),
        (made("messageMediaGeo", &[("geo", made("geoPointEmpty", &[]))]), json!({ "kind": "geo" })),
        (made("messageMediaGeoLive", &[("geo", point())]), json!({ "kind": "geo", "latitude": 52.5, "longitude": -13.25 })),
        (venue, json!({ "kind": "venue", "title": "Zoo", "latitude": 52.5, "longitude": -13.25 })),
        (made("messageMediaContact", &names), json!({ "kind": "contact", "title": "Ada L", "phone": "+1" })),
        (made("messageMediaContact", &names[1..3]), json!({ "kind": "contact", "title": "L", "phone": "+1" })),
        (made("messageMediaDice", &[("value", int(6)), ("emoticon", string("🎲"))]), json!({ "kind": "dice" })),
        (game, json!({ "kind": "game", "title": "Chess" })),
        (made("messageMediaInvoice", &[("title", string("Bill"))]), json!({ "kind": "invoice", "title": "Bill" })),
        (made("messageMediaStory", &[("id", int(3))]), json!({ "kind": "story" })),
        (made("messageMediaEmpty", &[]), Value::Null),
    ] {
        assert_eq!(media(tl), expected);
    }
}

#[test]
fn a_document_is_what_its_attributes_say() {
    let video = |fields: Fields<'_>| {
        let mut all = vec![("duration", double(12.5)), ("w", int(640)), ("h", int(360))];
        all.extend(fields.iter().cloned());
        made("documentAttributeVideo", &all)
    };
    let audio = |fields: Fields<'_>| {
        let mut all = vec![("duration", int(61))];
        all.extend(fields.iter().cloned());
        made("documentAttributeAudio", &all)
    };
    let image = || made("documentAttributeImageSize", &[("w", int(512)), ("h", int(512))]);
    let sticker = || made("documentAttributeSticker", &[("alt", string("👍"))]);
    let animated = || made("documentAttributeAnimated", &[]);
    let named = || made("documentAttributeFilename", &[("file_name", string("../a.bin"))]);
    let (yes, none): (Vec<u8>, Fields<'_>) = (yes(), &[]);
    for (flags, attributes, kind, more) in [
        (none, vec![], "file", json!({})),
        (none, vec![named(), made("documentAttributeHasStickers", &[])], "file", json!({ "name": "../a.bin" })),
        (none, vec![video(&[])], "video", json!({ "width": 640, "height": 360, "duration": 12.5 })),
        (none, vec![video(&[]), animated()], "animation", json!({ "width": 640, "height": 360, "duration": 12.5 })),
        (none, vec![video(&[("round_message", yes.clone())])], "round", json!({ "width": 640, "height": 360, "duration": 12.5 })),
        (none, vec![audio(&[("title", string("Song"))])], "audio", json!({ "duration": 61, "title": "Song" })),
        (none, vec![audio(&[("voice", yes.clone())])], "voice", json!({ "duration": 61 })),
        (none, vec![image(), sticker()], "sticker", json!({ "width": 512, "height": 512 })),
        (none, vec![video(&[]), sticker()], "sticker", json!({ "width": 640, "height": 360, "duration": 12.5 })),
        (none, vec![image()], "file", json!({ "width": 512, "height": 512 })),
    ] {
        let mut expected = json!({ "kind": kind, "id": 9, "mime": "x/y", "size": 1_i64 << 40 });
        for (name, value) in more.as_object().unwrap() {
            expected[name] = value.clone();
        }
        assert_eq!(document(flags, attributes), expected);
    }
    for (flag, kind) in [("voice", "voice"), ("round", "round"), ("video", "video"), ("spoiler", "file")] {
        let expired = made("messageMediaDocument", &[(flag, yes.clone())]);
        assert_eq!(media(expired), json!({ "kind": kind }), "of an expired one only its kind is left");
    }
}

#[test]
fn every_kind_of_entity_keeps_its_place() {
    let known = [
        ("messageEntityMention", "mention"),
        ("messageEntityHashtag", "hashtag"),
        ("messageEntityBotCommand", "bot_command"),
        ("messageEntityUrl", "url"),
        ("messageEntityEmail", "email"),
        ("messageEntityBold", "bold"),
        ("messageEntityItalic", "italic"),
        ("messageEntityCode", "code"),
        ("messageEntityPre", "pre"),
        ("messageEntityTextUrl", "text_url"),
        ("messageEntityMentionName", "mention_name"),
        ("messageEntityPhone", "phone"),
        ("messageEntityCashtag", "cashtag"),
        ("messageEntityUnderline", "underline"),
        ("messageEntityStrike", "strike"),
        ("messageEntityBlockquote", "blockquote"),
        ("messageEntityBankCard", "bank_card"),
        ("messageEntitySpoiler", "spoiler"),
        ("messageEntityCustomEmoji", "custom_emoji"),
        ("messageEntityUnknown", "unknown"),
    ];
    for constructor in constructors_of("MessageEntity") {
        let kind = known.iter().find(|(name, _)| *name == constructor).map(|(_, kind)| *kind);
        let parsed = message(&[("entities", list([made(constructor, &[("offset", int(3)), ("length", int(2))])]))]);
        let entity = shown(&parsed)["entities"][0].take();
        assert_eq!((&entity["offset"], &entity["length"]), (&json!(3), &json!(2)), "{constructor}");
        assert_eq!(entity["kind"], kind.unwrap_or("unknown"), "{constructor}");
        let reported: Vec<&str> = if kind.is_some() { vec![] } else { vec![constructor] };
        assert_eq!(parsed.not_understood, reported, "what has no name in the model is reported");
    }
    let carried = [
        ("messageEntityPre", ("language", string("rust")), json!({ "language": "rust" })),
        ("messageEntityTextUrl", ("url", string("u")), json!({ "url": "u" })),
        ("messageEntityMentionName", ("user_id", long(7)), json!({ "user": 7 })),
        ("messageEntityCustomEmoji", ("document_id", long(8)), json!({ "emoji": 8 })),
    ];
    for (constructor, field, expected) in carried {
        let entity = shown(&message(&[("entities", list([made(constructor, &[field])]))]))["entities"][0].take();
        for (name, value) in expected.as_object().unwrap() {
            assert_eq!(entity[name], *value, "{constructor}");
        }
    }
}

#[test]
fn replies_name_message_topic_and_quote() {
    let reply = |fields: Fields<'_>| shown(&message(&[("reply_to", made("messageReplyHeader", fields))]))["reply_to"].take();
    let to = || ("reply_to_msg_id", int(40));
    assert_eq!(reply(&[to()]), json!({ "id": 40 }));
    assert_eq!(reply(&[to(), ("quote_text", string("part")), ("quote", yes())]), json!({ "id": 40, "quote": "part" }));
    assert_eq!(reply(&[to(), ("reply_to_top_id", int(3))]), json!({ "id": 40, "topic": 3 }));
    assert_eq!(reply(&[to(), ("forum_topic", yes())]), json!({ "id": 40, "topic": 40 }), "straight into a topic");
    assert_eq!(reply(&[to(), ("reply_to_top_id", int(3)), ("forum_topic", yes())]), json!({ "id": 40, "topic": 3 }));
    assert_eq!(message(&[("reply_to", made("messageReplyStoryHeader", &[]))]).message.reply, None);
}

#[test]
fn forwards_name_their_source() {
    let forward = |fields: Fields<'_>| shown(&message(&[("fwd_from", made("messageFwdHeader", fields))]))["forward"].take();
    let date = || ("date", int(DATE));
    let when = "2024-01-31T12:00:00Z";
    assert_eq!(forward(&[date(), ("from_id", user(5))]), json!({ "from": 5, "date": when }));
    assert_eq!(forward(&[date(), ("from_name", string("Hidden"))]), json!({ "name": "Hidden", "date": when }));
    let post = forward(&[date(), ("from_id", channel(9)), ("channel_post", int(12))]);
    assert_eq!(post, json!({ "from": -1_000_000_000_009_i64, "date": when, "post": 12 }));
}

#[test]
fn reactions_are_emoji_ids_or_paid() {
    let count = |reaction: Vec<u8>, count: i32| made("reactionCount", &[("reaction", reaction), ("count", int(count))]);
    let results = list([
        count(made("reactionEmoji", &[("emoticon", string("👍"))]), 4),
        count(made("reactionCustomEmoji", &[("document_id", long(77))]), 3),
        count(made("reactionPaid", &[]), 2),
        count(made("reactionEmpty", &[]), 1),
    ]);
    let all = shown(&message(&[("reactions", made("messageReactions", &[("results", results)]))]));
    let expected = json!([{ "emoji": "👍", "count": 4 }, { "emoji": "77", "count": 3 }, { "emoji": "paid", "count": 2 }]);
    assert_eq!(all["reactions"], expected);
}

#[test]
fn service_messages_say_what_happened() {
    let users = || ("users", list_of_longs(&[6, 7]));
    let title = || ("title", string("New"));
    for (action, expected) in [
        (
            made("messageActionChatCreate", &[title(), users()]),
            json!({ "action": "chat_create", "title": "New", "users": [6, 7] }),
        ),
        (made("messageActionChatEditTitle", &[title()]), json!({ "action": "chat_edit_title", "title": "New" })),
        (made("messageActionChannelCreate", &[title()]), json!({ "action": "channel_create", "title": "New" })),
        (made("messageActionTopicCreate", &[title()]), json!({ "action": "topic_create", "title": "New" })),
        (made("messageActionTopicEdit", &[]), json!({ "action": "topic_edit" })),
        (made("messageActionChatAddUser", &[users()]), json!({ "action": "chat_add_user", "users": [6, 7] })),
        (made("messageActionChatDeleteUser", &[("user_id", long(6))]), json!({ "action": "chat_delete_user", "users": [6] })),
        (
            made("messageActionChatJoinedByLink", &[("inviter_id", long(6))]),
            json!({ "action": "chat_joined_by_link", "users": [6] }),
        ),
        (made("messageActionSetMessagesTTL", &[("period", int(9))]), json!({ "action": "set_messages_ttl" })),
        (made("messageActionChatMigrateTo", &[("channel_id", long(6))]), json!({ "action": "chat_migrate_to" })),
    ] {
        assert_eq!(service(action), expected);
    }
    let header = made("messageReplyHeader", &[("reply_to_msg_id", int(39))]);
    let pin = parsed_as("messageService", &[("action", made("messageActionPinMessage", &[])), ("reply_to", header)]);
    assert_eq!(shown(&pin), json!({ "service": { "action": "pin_message", "message": 39 } }));
    for constructor in constructors_of("MessageAction") {
        let action = service(made(constructor, &[]))["action"].take();
        let action = action.as_str().unwrap();
        assert!(
            !action.is_empty() && action.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'),
            "{action}"
        );
    }
}

fn list_of_longs(values: &[i64]) -> Vec<u8> {
    list(values.iter().map(|value| long(*value)))
}

#[test]
fn what_has_no_name_is_other_and_reported_and_kept_raw() {
    for constructor in ["messageMediaUnsupported", "messageMediaGiveaway", "messageMediaPaidMedia", "messageMediaToDo"] {
        let tl = made(constructor, &[]);
        let parsed = message(&[("media", tl.clone())]);
        assert_eq!(shown(&parsed), json!({ "media": { "kind": "other" } }));
        assert_eq!(parsed.not_understood, [constructor]);
        assert!(parsed.raw.windows(tl.len()).any(|window| window == tl), "the raw bytes have it");
    }
}

#[test]
fn what_is_no_number_is_no_value() {
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let geo = made("messageMediaGeo", &[("geo", made("geoPoint", &[("lat", double(bad)), ("long", double(1.5))]))]);
        let parsed = message(&[("media", geo)]);
        assert_eq!(parsed.message.media.as_ref().unwrap().latitude, None);
        assert!(parsed.message.says_the_same(&parsed.message.clone()), "or each reading would be an edit");
        let video = made("documentAttributeVideo", &[("duration", double(bad))]);
        assert_eq!(document(&[], vec![video])["duration"], Value::Null);
    }
}

fn has_null(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(values) => values.iter().any(has_null),
        Value::Object(members) => members.values().any(has_null),
        _ => false,
    }
}

/// An archive that every value goes through.
struct Through {
    archive: Archive,
    next: i32,
    _folder: tempfile::TempDir,
}

impl Through {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { archive: Archive::open(folder.path(), Durability::Os).unwrap(), next: 0, _folder: folder }
    }

    /// What must hold for whatever Telegram may send.
    fn check(&mut self, tl: &enums::Message) -> Result<(), TestCaseError> {
        let Some(parsed) = parse::message(tl) else { return Ok(()) };
        prop_assert_eq!(&parsed.raw, &tl.to_bytes());
        let again = enums::Message::from_bytes(&parsed.raw).unwrap();
        prop_assert_eq!(again.to_bytes(), parsed.raw.clone());
        let reparsed = parse::message(&again).unwrap();
        prop_assert_eq!(&reparsed, &parsed);

        let json = serde_json::to_string(&show::message(&parsed.message)).unwrap();
        let value: Value = serde_json::from_str(&json).unwrap();
        prop_assert!(!has_null(&value), "{}", json);

        let mut message = parsed.message;
        self.next += 1;
        message.key = MessageKey { peer: message.key.peer, id: MessageId(self.next) };
        let raw = Raw { layer: grammers_tl_types::LAYER, tl: parsed.raw };
        for round in 0..2 {
            let mut write = self.archive.write(Timestamp(0));
            write.message(message.clone(), raw.clone(), parsed.revision);
            let archived = write.commit().unwrap();
            prop_assert_eq!((archived.new, archived.unchanged), (1 - round, round), "the same again is no edit");
        }
        let stored = self.archive.message(message.key).unwrap().unwrap();
        prop_assert_eq!(&stored.message, &message);
        prop_assert_eq!(self.archive.raw(message.key).unwrap(), Some(raw));
        let all = StoredView::new(&stored, &[StoredMessage { deleted_at: Some(Timestamp(i64::MAX)), ..stored.clone() }]);
        prop_assert!(!has_null(&serde_json::to_value(&all).unwrap()));
        Ok(())
    }
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

#[test]
fn whatever_the_schema_allows_is_parsed_kept_and_shown() {
    let through = std::cell::RefCell::new(Through::new());
    let kinds = ["Message", "MessageMedia", "MessageEntity", "MessageAction"];
    TestRunner::new(config(1_500))
        .run(&(any::<u64>(), 0..kinds.len()), |(seed, kind)| {
            let mut random = Random(seed);
            let tl = match kinds[kind] {
                "Message" => random.value("Message", 0),
                "MessageMedia" => made("message", &[("id", int(1)), ("media", random.value("MessageMedia", 1))]),
                "MessageEntity" => made("message", &[("entities", random.value("Vector<MessageEntity>", 1))]),
                _ => random.named("messageService"),
            };
            let decoded = decoded(&tl);
            prop_assert_eq!(decoded.to_bytes(), tl, "the schema and grammers agree");
            through.borrow_mut().check(&decoded)
        })
        .unwrap();
}

/// Changes bytes of a serialised message: words of a number's end, flipped bits, parts cut or doubled.
fn mutate(tl: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..=random.below(4) {
        let at = random.below(tl.len() / 4) * 4;
        match random.below(6) {
            0 => tl[at..at + 4].copy_from_slice(&int(i32::MIN)),
            1 => tl[at..at + 4].copy_from_slice(&int(i32::MAX)),
            2 => tl[at..at + 4].copy_from_slice(&int(0)),
            3 => tl[at + random.below(4)] ^= 1 << random.below(8),
            4 => tl.truncate(at + 4),
            _ => tl.extend_from_within(at..),
        }
    }
}

#[test]
fn whatever_still_reads_as_a_message_is_parsed_kept_and_shown() {
    let read = std::cell::Cell::new(0);
    let through = std::cell::RefCell::new(Through::new());
    TestRunner::new(config(3_000))
        .run(&any::<u64>(), |seed| {
            let mut random = Random(seed);
            let mut tl = random.value("Message", 0);
            mutate(&mut tl, &mut random);
            let Ok(decoded) = enums::Message::from_bytes(&tl) else { return Ok(()) };
            read.set(read.get() + 1);
            through.borrow_mut().check(&decoded)
        })
        .unwrap();
    assert!(read.get() > 300, "only {} of the changed messages could be read", read.get());
}
