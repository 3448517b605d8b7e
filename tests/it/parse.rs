//! What Telegram's answers mean: each kind of thing becomes what `docs/dump.md` says, and nothing that Telegram may send is a panic.
//!
//! The TL values are made by `schema` from Telegram's schema text, so that neither grammers nor our simulator is the only witness.

#![expect(clippy::unwrap_used, reason = "what cannot be had fails the test")]

mod arbitrary;
mod files;
mod media;
mod origin;
mod peer;
mod rich;
mod schema;
mod service;

use grammers_tl_types::{Deserializable as _, enums};
use serde_json::{Value, json};
use telescribe::model::{MessageId, MessageKey, PeerId, Timestamp};
use telescribe::parse::{self, Parsed};
use telescribe::show;

use schema::{int, list, long, made, string, yes};

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

fn text_with(text: &str) -> Vec<u8> {
    made("textWithEntities", &[("text", string(text))])
}

#[test]
fn a_message_is_where_and_when_and_by_whom() {
    let parsed =
        message(&[("from_id", user(7)), ("message", string("今天")), ("grouped_id", long(3)), ("post_author", string("me"))]);
    let key = MessageKey::new(PeerId(-1_000_000_000_005), MessageId(42));
    assert_eq!((parsed.message.key, parsed.message.date), (key, Timestamp(i64::from(DATE))));
    assert_eq!(shown(&parsed), json!({ "sender": 7, "text": "今天", "album": 3, "author": "me" }));
    assert_eq!((parsed.revision, parsed.not_understood), (0, vec![]));
    for (peer, marked) in [(user(6), 6), (made("peerChat", &[("chat_id", long(6))]), -6), (channel(6), -1_000_000_000_006)] {
        assert_eq!(message(&[("peer_id", peer)]).message.key.peer().0, marked);
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
fn comments_name_their_group() {
    let replies = |fields: Fields<'_>| shown(&message(&[("replies", made("messageReplies", fields))]));
    let all = [("replies", int(4)), ("comments", yes()), ("channel_id", long(6))];
    assert_eq!(replies(&all), json!({ "replies": 4, "comments": -1_000_000_000_006_i64 }));
    assert_eq!(replies(&[("replies", int(4)), ("max_id", int(6))]), json!({ "replies": 4 }), "replies in a group");
}

#[test]
fn what_a_researcher_asks_of_a_message_is_told() {
    for (flag, shown_as) in [("silent", "silent"), ("noforwards", "protected"), ("from_scheduled", "scheduled")] {
        assert_eq!(shown(&message(&[(flag, yes())])), json!({ shown_as: true }));
    }
    let reason = [("platform", string("all")), ("reason", string("terms")), ("text", string("Not here."))];
    let reasons = list([made("restrictionReason", &reason)]);
    let all = message(&[("ttl_period", int(86_400)), ("restriction_reason", reasons)]);
    let restrictions = json!([{ "platform": "all", "reason": "terms", "text": "Not here." }]);
    assert_eq!(shown(&all), json!({ "ttl": 86_400, "restrictions": restrictions }));
    assert!(message(&[]).message.same_content_as(&all.message), "what moderation decides is no edit");
}

#[test]
fn counters_pins_and_bots_are_told() {
    let replies = made("messageReplies", &[("replies", int(4))]);
    let all =
        message(&[("views", int(0)), ("forwards", int(2)), ("replies", replies), ("pinned", yes()), ("via_bot_id", long(9))]);
    assert_eq!(shown(&all), json!({ "views": 0, "forwards": 2, "replies": 4, "via_bot": 9, "pinned": true }));
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
