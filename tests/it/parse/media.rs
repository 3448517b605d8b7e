//! Media of every kind.

use serde_json::{Value, json};

use super::schema::{bytes, constructors_of, double, int, list, long, made, string, yes};
use super::{DATE, Fields, channel, media, message, shown, text_with, user};

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
fn photos_and_web_pages_become_what_the_dump_says() {
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
    let photo_of_page = made("photo", &[("id", long(8))]);
    let document_of_page = made("document", &[("id", long(9))]);
    let everything = made(
        "webPage",
        &[
            url.clone(),
            ("display_url", string("example.org")),
            ("type", string("article")),
            ("site_name", string("Site")),
            ("description", string("D")),
            ("author", string("A")),
            ("embed_url", string("https://example.org/player")),
            ("photo", photo_of_page),
            ("document", document_of_page),
            ("cached_page", made("page", &[])),
        ],
    );
    assert_eq!(
        webpage(everything),
        json!({
            "kind": "webpage",
            "url": "https://example.org/",
            "description": "D",
            "page": {
                "display_url": "example.org",
                "site": "Site",
                "type": "article",
                "author": "A",
                "embed": "https://example.org/player",
                "photo": 8,
                "document": 9,
                "instant": true,
            },
        })
    );
    assert_eq!(
        webpage(made("webPagePending", std::slice::from_ref(&url))),
        json!({ "kind": "webpage", "url": "https://example.org/" })
    );
    assert_eq!(webpage(made("webPageEmpty", &[url])), json!({ "kind": "webpage", "url": "https://example.org/" }));
    assert_eq!(webpage(made("webPageNotModified", &[])), json!({ "kind": "webpage" }));
}

#[test]
fn every_other_kind_of_media_becomes_what_the_dump_says() {
    let venue = made("messageMediaVenue", &[("geo", point()), ("title", string("Zoo")), ("address", string("A"))]);
    let names = [("first_name", string("Ada")), ("last_name", string("L")), ("phone_number", string("+1")), ("user_id", long(5))];
    let game = [("title", string("Chess")), ("short_name", string("chess")), ("description", string("D"))];
    let game = made("messageMediaGame", &[("game", made("game", &game))]);
    let story = made("storyItem", &[("caption", string("C")), ("media", made("messageMediaDice", &[]))]);
    let until = || ("until_date", int(DATE));
    let giveaway = [
        ("channels", list([long(6)])),
        ("countries_iso2", list([string("DE")])),
        ("prize_description", string("a car")),
        ("quantity", int(3)),
        ("months", int(6)),
        until(),
    ];
    let results = [
        ("channel_id", long(6)),
        ("launch_msg_id", int(41)),
        ("winners_count", int(2)),
        ("unclaimed_count", int(1)),
        ("winners", list([long(7), long(8)])),
        ("stars", long(500)),
        until(),
    ];
    let preview = made("messageExtendedMediaPreview", &[("w", int(640)), ("h", int(360))]);
    let video_preview = made("messageExtendedMediaPreview", &[("video_duration", int(9))]);
    let photo = made("messageMediaPhoto", &[("photo", made("photo", &[("id", long(8))]))]);
    let bought = made("messageExtendedMedia", &[("media", photo)]);
    let task = |id, title| made("todoItem", &[("id", int(id)), ("title", text_with(title))]);
    let tasks = list([task(1, "tickets"), task(2, "hotel")]);
    let todo = made("todoList", &[("title", text_with("Trip")), ("list", tasks)]);
    let done = made("todoCompletion", &[("id", int(1)), ("completed_by", user(7)), ("date", int(DATE))]);
    for (tl, expected) in [
        (made("messageMediaGeo", &[("geo", point())]), json!({ "kind": "geo", "latitude": 52.5, "longitude": -13.25 })),
        (made("messageMediaGeo", &[("geo", made("geoPointEmpty", &[]))]), json!({ "kind": "geo" })),
        (
            made("messageMediaGeoLive", &[("geo", point()), ("period", int(900)), ("heading", int(45))]),
            json!({ "kind": "geo", "latitude": 52.5, "longitude": -13.25, "place": { "period": 900, "heading": 45 } }),
        ),
        (venue, json!({ "kind": "venue", "title": "Zoo", "latitude": 52.5, "longitude": -13.25, "place": { "address": "A" } })),
        (made("messageMediaContact", &names), json!({ "kind": "contact", "title": "Ada L", "phone": "+1", "user": 5 })),
        (made("messageMediaContact", &names[1..3]), json!({ "kind": "contact", "title": "L", "phone": "+1" })),
        (
            made("messageMediaDice", &[("value", int(6)), ("emoticon", string("🎲"))]),
            json!({ "kind": "dice", "emoji": "🎲", "value": 6 }),
        ),
        (game, json!({ "kind": "game", "name": "chess", "title": "Chess", "description": "D" })),
        (
            made("messageMediaInvoice", &[("title", string("Bill")), ("currency", string("EUR")), ("total_amount", long(990))]),
            json!({ "kind": "invoice", "title": "Bill", "payment": { "currency": "EUR", "amount": 990 } }),
        ),
        (
            made("messageMediaStory", &[("id", int(3)), ("peer", channel(6)), ("story", story)]),
            json!({
                "kind": "story",
                "description": "C",
                "story": { "peer": -1_000_000_000_006_i64, "id": 3 },
                "items": [{ "kind": "dice", "value": 0 }],
            }),
        ),
        (made("messageMediaStory", &[("peer", user(6))]), json!({ "kind": "story", "story": { "peer": 6, "id": 0 } })),
        (
            made("messageMediaGiveaway", &giveaway),
            json!({
                "kind": "giveaway",
                "description": "a car",
                "giveaway": {
                    "channels": [-1_000_000_000_006_i64],
                    "countries": ["DE"],
                    "quantity": 3,
                    "months": 6,
                    "until": "2024-01-31T12:00:00Z",
                },
            }),
        ),
        (
            made("messageMediaGiveawayResults", &results),
            json!({
                "kind": "giveaway_results",
                "giveaway": {
                    "channels": [-1_000_000_000_006_i64],
                    "quantity": 2,
                    "unclaimed": 1,
                    "stars": 500,
                    "until": "2024-01-31T12:00:00Z",
                    "winners": [7, 8],
                    "message": 41,
                },
            }),
        ),
        (
            made(
                "messageMediaPaidMedia",
                &[("stars_amount", long(50)), ("extended_media", list([preview, video_preview, bought]))],
            ),
            json!({
                "kind": "paid",
                "payment": { "currency": "XTR", "amount": 50 },
                "items": [
                    { "kind": "photo", "width": 640, "height": 360 },
                    { "kind": "video", "duration": 9 },
                    { "kind": "photo", "id": 8 },
                ],
            }),
        ),
        (
            made("messageMediaToDo", &[("todo", todo), ("completions", list([done]))]),
            json!({
                "kind": "todo",
                "title": "Trip",
                "tasks": [
                    { "id": 1, "text": "tickets", "completed_by": 7, "completed": "2024-01-31T12:00:00Z" },
                    { "id": 2, "text": "hotel" },
                ],
            }),
        ),
        (made("messageMediaVideoStream", &[]), json!({ "kind": "stream" })),
        (made("messageMediaUnsupported", &[]), json!({ "kind": "unsupported" })),
        (made("messageMediaEmpty", &[]), Value::Null),
    ] {
        assert_eq!(media(tl), expected);
    }
}

#[test]
fn a_poll_has_its_results_beside_its_options() {
    let answer = |text: &str, option: &[u8]| made("pollAnswer", &[("text", text_with(text)), ("option", bytes(option))]);
    let answers = list([answer("one", &[0]), answer("two", &[1])]);
    let of = |fields: Fields<'_>, results: Fields<'_>| {
        let mut all = vec![("id", long(7)), ("question", text_with("Which?")), ("answers", answers.clone())];
        all.extend(fields.iter().cloned());
        media(made("messageMediaPoll", &[("poll", made("poll", &all)), ("results", made("pollResults", results))]))
    };
    let plain = json!({ "kind": "poll", "question": "Which?", "options": ["one", "two"], "poll": { "id": 7 } });
    assert_eq!(of(&[], &[]), plain);

    let voted = |option: &[u8], voters, flags: Fields<'_>| {
        let mut all = vec![("option", bytes(option)), ("voters", int(voters))];
        all.extend(flags.iter().cloned());
        made("pollAnswerVoters", &all)
    };
    // In another order than the answers, and one of an option that is not there.
    let results = list([voted(&[1], 4, &[("correct", yes())]), voted(&[9], 1, &[]), voted(&[0], 0, &[])]);
    let results = [("results", results), ("total_voters", int(5)), ("solution", string("Because."))];
    let flags =
        [("quiz", yes()), ("closed", yes()), ("multiple_choice", yes()), ("public_voters", yes()), ("close_date", int(DATE))];
    let mut expected = plain.clone();
    expected["poll"] = json!({
        "id": 7,
        "quiz": true,
        "closed": true,
        "multiple": true,
        "public": true,
        "closes": "2024-01-31T12:00:00Z",
        "results": [{ "voters": 0 }, { "voters": 4, "correct": true }],
        "voters": 5,
        "solution": "Because.",
    });
    assert_eq!(of(&flags, &results), expected);
    let partly = [("results", list([voted(&[1], 4, &[])]))];
    assert_eq!(of(&[], &partly)["poll"]["results"], json!([{}, { "voters": 4 }]), "each result stands where its option does");
}

#[test]
fn what_moves_by_itself_makes_no_edit() {
    let answers = list([made("pollAnswer", &[("text", text_with("one"))])]);
    let poll = |question: &str, voters: i32| {
        let poll = made("poll", &[("question", text_with(question)), ("answers", answers.clone())]);
        let results = list([made("pollAnswerVoters", &[("voters", int(voters))])]);
        let results = made("pollResults", &[("results", results), ("total_voters", int(voters))]);
        made("messageMediaPoll", &[("poll", poll), ("results", results)])
    };
    let with = |media: Vec<u8>| message(&[("media", media)]).message;
    assert!(with(poll("Which?", 1)).same_content_as(&with(poll("Which?", 2))), "votes");
    assert!(!with(poll("Which?", 1)).same_content_as(&with(poll("Why?", 1))));

    let page = |fields: Fields<'_>, name| made("messageMediaWebPage", &[("webpage", made(name, fields))]);
    let pending = with(page(&[("url", string("u"))], "webPagePending"));
    let made_since = with(page(&[("url", string("u")), ("title", string("T"))], "webPage"));
    assert!(pending.same_content_as(&made_since), "a preview that was still being made");
    assert!(!made_since.same_content_as(&with(page(&[("url", string("u")), ("title", string("T2"))], "webPage"))));
    assert!(!made_since.same_content_as(&message(&[]).message));

    let task = list([made("todoItem", &[("id", int(1))])]);
    let todo =
        |done: Vec<u8>| made("messageMediaToDo", &[("todo", made("todoList", &[("list", task.clone())])), ("completions", done)]);
    let done = list([made("todoCompletion", &[("id", int(1))])]);
    assert!(with(todo(list([]))).same_content_as(&with(todo(done))), "a task that was done");
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
    let sticker = || {
        let set = made("inputStickerSetID", &[("id", long(77))]);
        made("documentAttributeSticker", &[("alt", string("👍")), ("stickerset", set)])
    };
    let animated = || made("documentAttributeAnimated", &[]);
    let named = || made("documentAttributeFilename", &[("file_name", string("../a.bin"))]);
    let (yes, none): (Vec<u8>, Fields<'_>) = (yes(), &[]);
    for (flags, attributes, kind, more) in [
        (none, vec![], "file", json!({})),
        (none, vec![named(), made("documentAttributeHasStickers", &[])], "file", json!({ "name": "../a.bin" })),
        (none, vec![video(&[])], "video", json!({ "width": 640, "height": 360, "duration": 12.5 })),
        (none, vec![video(&[]), animated()], "animation", json!({ "width": 640, "height": 360, "duration": 12.5 })),
        (none, vec![video(&[("round_message", yes.clone())])], "round", json!({ "width": 640, "height": 360, "duration": 12.5 })),
        (
            none,
            vec![audio(&[("title", string("Song")), ("performer", string("Band"))])],
            "audio",
            json!({ "duration": 61, "title": "Song", "performer": "Band" }),
        ),
        (none, vec![audio(&[("voice", yes.clone())])], "voice", json!({ "duration": 61 })),
        (none, vec![image(), sticker()], "sticker", json!({ "width": 512, "height": 512, "emoji": "👍", "sticker_set": 77 })),
        (
            none,
            vec![video(&[]), sticker()],
            "sticker",
            json!({ "width": 640, "height": 360, "duration": 12.5, "emoji": "👍", "sticker_set": 77 }),
        ),
        (none, vec![image()], "file", json!({ "width": 512, "height": 512 })),
    ] {
        let mut expected = json!({ "kind": kind, "id": 9, "mime": "x/y", "size": 1_i64 << 40 });
        for (name, value) in more.as_object().unwrap() {
            expected[name] = value.clone();
        }
        assert_eq!(document(flags, attributes), expected);
    }
    for (flag, kind) in [("voice", "voice"), ("round", "round"), ("video", "video"), ("nopremium", "file")] {
        let expired = made("messageMediaDocument", &[(flag, yes.clone())]);
        assert_eq!(media(expired), json!({ "kind": kind }), "of an expired one only its kind is left");
    }
    let once = made("messageMediaPhoto", &[("spoiler", yes.clone()), ("ttl_seconds", int(i32::MAX))]);
    assert_eq!(media(once), json!({ "kind": "photo", "spoiler": true, "ttl": i32::MAX }));
    let once = made("messageMediaDocument", &[("spoiler", yes.clone()), ("ttl_seconds", int(30)), ("video", yes)]);
    assert_eq!(media(once), json!({ "kind": "video", "spoiler": true, "ttl": 30 }));
}

#[test]
fn every_constructor_of_media_has_a_kind_and_what_is_not_understood_is_reported_and_kept_raw() {
    for constructor in constructors_of("MessageMedia") {
        let tl = made(constructor, &[]);
        let parsed = message(&[("media", tl.clone())]);
        let kind = shown(&parsed)["media"]["kind"].take();
        assert_ne!(kind, "other", "{constructor}");
        let expected: &[&str] = if constructor == "messageMediaUnsupported" { &[constructor] } else { &[] };
        assert_eq!(parsed.not_understood, expected);
        assert!(parsed.raw.windows(tl.len()).any(|window| window == tl), "the raw bytes have it");
    }
    let entities = list([made("inputMessageEntityMentionName", &[]), made("inputMessageEntityMentionName", &[])]);
    assert_eq!(message(&[("entities", entities)]).not_understood, ["inputMessageEntityMentionName"], "each once");
}

#[test]
fn what_is_no_number_is_no_value() {
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let geo = made("messageMediaGeo", &[("geo", made("geoPoint", &[("lat", double(bad)), ("long", double(1.5))]))]);
        let parsed = message(&[("media", geo)]);
        assert_eq!(parsed.message.media.as_ref().unwrap().latitude, None);
        assert!(parsed.message.same_content_as(&parsed.message.clone()), "or each reading would be an edit");
        let video = made("documentAttributeVideo", &[("duration", double(bad))]);
        assert_eq!(document(&[], vec![video])["duration"], Value::Null);
    }
}
