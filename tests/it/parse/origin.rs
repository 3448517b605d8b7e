//! Mark-up, replies, forwards and buttons.

use serde_json::{Value, json};

use super::schema::{bytes, constructors_of, int, list, long, made, string, yes};
use super::{DATE, Fields, channel, message, shown, user};

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
        ("messageEntityFormattedDate", "date"),
        ("messageEntityDiffInsert", "diff_insert"),
        ("messageEntityDiffReplace", "diff_replace"),
        ("messageEntityDiffDelete", "diff_delete"),
        ("messageEntityTonAddress", "ton_address"),
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
        ("messageEntityBlockquote", ("collapsed", yes()), json!({ "collapsed": true })),
        ("messageEntityFormattedDate", ("date", int(DATE)), json!({ "date": "2024-01-31T12:00:00Z" })),
        ("messageEntityDiffReplace", ("old_text", string("before")), json!({ "old": "before" })),
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
    let quote = [
        to(),
        ("quote", yes()),
        ("quote_text", string("part")),
        ("quote_offset", int(5)),
        ("quote_entities", list([made("messageEntityBold", &[("length", int(4))])])),
    ];
    let bold = json!([{ "kind": "bold", "offset": 0, "length": 4 }]);
    assert_eq!(reply(&quote), json!({ "id": 40, "quote": "part", "quote_offset": 5, "quote_entities": bold }));
    let elsewhere = [
        to(),
        ("reply_to_peer_id", channel(6)),
        ("reply_from", made("messageFwdHeader", &[("date", int(DATE)), ("from_name", string("Ada"))])),
        ("reply_media", made("messageMediaDice", &[("value", int(3))])),
    ];
    assert_eq!(
        reply(&elsewhere),
        json!({
            "id": 40,
            "peer": -1_000_000_000_006_i64,
            "from": { "name": "Ada", "date": "2024-01-31T12:00:00Z" },
            "media": { "kind": "dice", "value": 3 },
        })
    );
    assert_eq!(reply(&[to(), ("todo_item_id", int(2))]), json!({ "id": 40, "task": 2 }));
    assert_eq!(reply(&[to(), ("poll_option", bytes(&[0, 255]))]), json!({ "id": 40, "option": "AP8=" }));
    let story = made("messageReplyStoryHeader", &[("peer", user(6)), ("story_id", int(3))]);
    assert_eq!(shown(&message(&[("reply_to", story)]))["reply_to"], json!({ "peer": 6, "story": 3 }));
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
    let everything = [
        date(),
        ("from_id", channel(9)),
        ("channel_post", int(12)),
        ("post_author", string("me")),
        ("saved_from_peer", channel(8)),
        ("saved_from_msg_id", int(11)),
        ("psa_type", string("covid")),
        ("imported", yes()),
    ];
    assert_eq!(
        forward(&everything),
        json!({
            "from": -1_000_000_000_009_i64,
            "date": when,
            "post": 12,
            "author": "me",
            "saved_from": { "peer": -1_000_000_000_008_i64, "id": 11 },
            "announcement": "covid",
            "imported": true,
        })
    );
}

#[test]
fn buttons_keep_their_rows_and_what_they_do() {
    let row = |name: &str, buttons: Vec<Vec<u8>>| made(name, &[("buttons", list(buttons))]);
    let inline = |kind: Vec<u8>| made("keyboardInlineButton", &[("text", string("T")), ("type", kind)]);
    let url = || ("url", string("https://example.org/"));
    let inline_kinds = [
        (made("inlineButtonTypeUrl", &[url()]), json!({ "kind": "url", "text": "T", "url": "https://example.org/" })),
        (made("inlineButtonTypeUrlAuth", &[url()]), json!({ "kind": "login", "text": "T", "url": "https://example.org/" })),
        (made("inlineButtonTypeWebView", &[url()]), json!({ "kind": "web_app", "text": "T", "url": "https://example.org/" })),
        (
            made("inlineButtonTypeCallback", &[("data", bytes(&[0, 255]))]),
            json!({ "kind": "callback", "text": "T", "data": "AP8=" }),
        ),
        (made("inlineButtonTypeGame", &[]), json!({ "kind": "game", "text": "T" })),
        (made("inlineButtonTypeBuy", &[]), json!({ "kind": "buy", "text": "T" })),
        (
            made("inlineButtonTypeSwitchInline", &[("query", string("q"))]),
            json!({ "kind": "switch_inline", "text": "T", "query": "q" }),
        ),
        (made("inlineButtonTypeUserProfile", &[("user_id", long(6))]), json!({ "kind": "user", "text": "T", "user": 6 })),
        (made("inlineButtonTypeCopy", &[("copy_text", string("c"))]), json!({ "kind": "copy", "text": "T", "copy": "c" })),
        (made("inlineButtonTypeDisabled", &[]), json!({ "kind": "disabled", "text": "T" })),
    ];
    let rows = inline_kinds.iter().map(|(tl, _)| row("keyboardInlineButtonRow", vec![inline(tl.clone())]));
    let markup = made("replyInlineMarkup", &[("rows", list(rows))]);
    let expected: Vec<Vec<&Value>> = inline_kinds.iter().map(|(_, shown)| vec![shown]).collect();
    assert_eq!(shown(&message(&[("reply_markup", markup)])), json!({ "buttons": expected }));

    let plain = |kind: Vec<u8>| made("keyboardButton", &[("text", string("T")), ("type", kind)]);
    let kinds = [
        ("buttonTypeDefault", "text"),
        ("buttonTypeRequestPhone", "request_phone"),
        ("buttonTypeRequestGeoLocation", "request_location"),
        ("buttonTypeRequestPoll", "request_poll"),
        ("buttonTypeRequestPeer", "request_peer"),
        ("buttonTypeSimpleWebView", "web_app"),
    ];
    let buttons = kinds.iter().map(|(tl, _)| plain(made(tl, &[]))).collect();
    let markup = made("replyKeyboardMarkup", &[("rows", list([row("keyboardButtonRow", buttons)]))]);
    let expected: Vec<Value> = kinds.iter().map(|(_, kind)| json!({ "kind": kind, "text": "T" })).collect();
    assert_eq!(shown(&message(&[("reply_markup", markup)])), json!({ "buttons": [expected] }));

    for none in ["replyKeyboardHide", "replyKeyboardForceReply"] {
        assert_eq!(shown(&message(&[("reply_markup", made(none, &[]))])), json!({}));
    }
    let of_bots = row("keyboardInlineButtonRow", vec![inline(made("inputInlineButtonTypeUserProfile", &[]))]);
    let parsed = message(&[("reply_markup", made("replyInlineMarkup", &[("rows", list([of_bots]))]))]);
    assert_eq!(shown(&parsed)["buttons"], json!([[{ "kind": "other", "text": "T" }]]));
    assert_eq!(parsed.not_understood, ["inputInlineButtonTypeUserProfile"]);
}
