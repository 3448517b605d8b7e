//! Service messages.

use serde_json::{Value, json};

use super::schema::{constructors_of, int, list, long, made, string, yes};
use super::{DATE, parsed_as, shown, text_with, user};

const WHEN: &str = "2024-01-31T12:00:00Z";

fn service(action: Vec<u8>) -> Value {
    shown(&parsed_as("messageService", &[("action", action)]))["service"].take()
}

#[test]
fn service_messages_say_what_happened() {
    let users = || ("users", list([long(6), long(7)]));
    let title = || ("title", string("New"));
    let date = || ("schedule_date", int(DATE));
    let no = || made("boolFalse", &[]);
    let gift = made("starGift", &[("title", string("Bear")), ("stars", long(15))]);
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
        (
            made("messageActionSetMessagesTTL", &[("period", int(9)), ("auto_setting_from", long(6))]),
            json!({ "action": "set_messages_ttl", "users": [6], "period": 9 }),
        ),
        (
            made("messageActionChatMigrateTo", &[("channel_id", long(6))]),
            json!({ "action": "chat_migrate_to", "migrated": -1_000_000_000_006_i64 }),
        ),
        (
            made("messageActionChannelMigrateFrom", &[title(), ("chat_id", long(6))]),
            json!({ "action": "channel_migrate_from", "title": "New", "migrated": -6 }),
        ),
        (
            made("messageActionChatEditPhoto", &[("photo", made("photo", &[("id", long(8))]))]),
            json!({ "action": "chat_edit_photo", "photo": 8 }),
        ),
        (
            made("messageActionTopicCreate", &[title(), ("icon_emoji_id", long(5))]),
            json!({ "action": "topic_create", "title": "New", "icon": 5 }),
        ),
        (
            made("messageActionTopicEdit", &[("closed", no()), ("hidden", made("boolTrue", &[]))]),
            json!({ "action": "topic_edit", "states": ["reopened", "hidden"] }),
        ),
        (
            made(
                "messageActionPhoneCall",
                &[("video", yes()), ("reason", made("phoneCallDiscardReasonBusy", &[])), ("duration", int(61))],
            ),
            json!({ "action": "phone_call", "duration": 61, "states": ["video", "busy"] }),
        ),
        (
            made("messageActionConferenceCall", &[("missed", yes()), ("other_participants", list([user(6)]))]),
            json!({ "action": "conference_call", "users": [6], "states": ["missed"] }),
        ),
        (made("messageActionGroupCall", &[("duration", int(61))]), json!({ "action": "group_call", "duration": 61 })),
        (made("messageActionGroupCallScheduled", &[date()]), json!({ "action": "group_call_scheduled", "date": WHEN })),
        (
            made("messageActionGeoProximityReached", &[("from_id", user(6)), ("to_id", user(7)), ("distance", int(50))]),
            json!({ "action": "geo_proximity_reached", "users": [6, 7], "count": 50 }),
        ),
        (made("messageActionCustomAction", &[("message", string("m"))]), json!({ "action": "custom_action", "text": "m" })),
        (made("messageActionBoostApply", &[("boosts", int(4))]), json!({ "action": "boost_apply", "count": 4 })),
        (
            made(
                "messageActionPaymentSent",
                &[("currency", string("EUR")), ("total_amount", long(990)), ("invoice_slug", string("s"))],
            ),
            json!({ "action": "payment_sent", "payment": { "currency": "EUR", "amount": 990 }, "slug": "s" }),
        ),
        (
            made(
                "messageActionGiftCode",
                &[("slug", string("s")), ("days", int(90)), ("via_giveaway", yes()), ("boost_peer", user(6))],
            ),
            json!({ "action": "gift_code", "users": [6], "count": 90, "slug": "s", "states": ["via_giveaway"] }),
        ),
        (
            made("messageActionStarGift", &[("gift", gift), ("message", text_with("for you")), ("from_id", user(6))]),
            json!({ "action": "star_gift", "title": "Bear", "users": [6], "text": "for you", "payment": { "currency": "XTR", "amount": 15 } }),
        ),
        (
            made(
                "messageActionSuggestedPostApproval",
                &[("price", made("starsTonAmount", &[("amount", long(7))])), ("rejected", yes())],
            ),
            json!({ "action": "suggested_post_approval", "payment": { "currency": "TON", "amount": 7 }, "states": ["rejected"] }),
        ),
        (
            made("messageActionTodoCompletions", &[("completed", list([int(1)])), ("incompleted", list([int(2)]))]),
            json!({ "action": "todo_completions", "completed": [1], "reopened": [2] }),
        ),
        (
            made("messageActionNoForwardsToggle", &[("new_value", made("boolTrue", &[]))]),
            json!({ "action": "no_forwards_toggle", "states": ["protected"] }),
        ),
        (
            made("messageActionPrizeStars", &[("stars", long(500)), ("boost_peer", user(6)), ("giveaway_msg_id", int(41))]),
            json!({ "action": "prize_stars", "users": [6], "message": 41, "count": 500 }),
        ),
    ] {
        assert_eq!(service(action), expected);
    }
    let header = made("messageReplyHeader", &[("reply_to_msg_id", int(39))]);
    let pin = parsed_as("messageService", &[("action", made("messageActionPinMessage", &[])), ("reply_to", header)]);
    assert_eq!(shown(&pin), json!({ "service": { "action": "pin_message", "message": 39 } }));
}

#[test]
fn every_action_has_a_name() {
    for constructor in constructors_of("MessageAction") {
        let action = service(made(constructor, &[]))["action"].take();
        let action = action.as_str().unwrap();
        assert!(
            !action.is_empty() && action.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'),
            "{action}"
        );
    }
}
