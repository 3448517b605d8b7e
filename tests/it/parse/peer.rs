//! Users, groups and channels.

use grammers_tl_types::{Deserializable as _, enums};
use serde_json::{Value, json};
use telescribe::{parse, show};

use super::Fields;
use super::schema::{list, long, made, string, yes};

fn user(fields: Fields<'_>) -> Value {
    let tl = enums::User::from_bytes(&made("user", fields)).unwrap();
    serde_json::to_value(show::peer(&parse::user(&tl).unwrap())).unwrap()
}

fn chat(constructor: &str, fields: Fields<'_>) -> Option<Value> {
    let tl = enums::Chat::from_bytes(&made(constructor, fields)).unwrap();
    parse::chat(&tl).map(|peer| serde_json::to_value(show::peer(&peer)).unwrap())
}

fn usernames(names: &[(&str, bool)]) -> Vec<u8> {
    list(names.iter().map(|(name, active)| {
        let mut fields = vec![("username", string(name))];
        fields.extend(active.then(|| ("active", yes())));
        made("username", &fields)
    }))
}

#[test]
fn a_user_is_what_all_accounts_see() {
    let names = [("id", long(6)), ("first_name", string("Ada")), ("last_name", string("L"))];
    assert_eq!(user(&names), json!({ "type": "peer", "id": 6, "kind": "user", "title": "Ada L" }));
    let flags = ["bot", "verified", "scam", "fake", "restricted", "deleted"];
    for flag in flags {
        assert_eq!(user(&[("id", long(6)), (flag, yes())])[flag], json!(true), "{flag}");
    }
    for other in ["contact", "mutual_contact", "premium", "close_friend", "support"] {
        assert_eq!(user(&[("id", long(6)), (other, yes())]), json!({ "type": "peer", "id": 6, "kind": "user" }), "{other}");
    }
}

#[test]
fn the_first_active_username_comes_first_and_the_others_are_kept() {
    let several = || ("usernames", usernames(&[("old", false), ("ada", true), ("lovelace", true)]));
    let of = |fields: Fields<'_>| {
        let peer = user(fields);
        (peer["username"].clone(), peer["usernames"].clone())
    };
    assert_eq!(of(&[("username", string("ada"))]), (json!("ada"), Value::Null));
    assert_eq!(of(&[several()]), (json!("ada"), json!(["lovelace"])));
    assert_eq!(of(&[("username", string("lovelace")), several()]), (json!("lovelace"), json!(["ada"])));
}

#[test]
fn groups_and_channels_are_told_apart() {
    let title = || ("title", string("T"));
    let of = |id: i64, kind: &str| json!({ "type": "peer", "id": id, "kind": kind, "title": "T" });
    let (group, channel) = (-6, -1_000_000_000_006);
    assert_eq!(chat("chat", &[("id", long(6)), title()]), Some(of(group, "group")));
    assert_eq!(chat("chatForbidden", &[("id", long(6)), title()]), Some(of(group, "group")));
    assert_eq!(chat("channel", &[("id", long(6)), title()]), Some(of(channel, "channel")));
    assert_eq!(chat("channel", &[("id", long(6)), title(), ("megagroup", yes())]), Some(of(channel, "supergroup")));
    assert_eq!(chat("channel", &[("id", long(6)), title(), ("gigagroup", yes())]), Some(of(channel, "supergroup")));
    assert_eq!(chat("channelForbidden", &[("id", long(6)), title()]), Some(of(channel, "channel")));
    for nothing in ["chatEmpty", "community", "communityForbidden"] {
        assert_eq!(chat(nothing, &[]), None, "{nothing}");
    }
    let became = made("inputChannel", &[("channel_id", long(7))]);
    let mut expected = of(group, "group");
    expected["migrated_to"] = json!(-1_000_000_000_007_i64);
    assert_eq!(chat("chat", &[("id", long(6)), title(), ("migrated_to", became)]), Some(expected));
    for (flag, shown) in [
        ("verified", "verified"),
        ("scam", "scam"),
        ("fake", "fake"),
        ("forum", "forum"),
        ("restricted", "restricted"),
        ("noforwards", "protected"),
    ] {
        assert_eq!(chat("channel", &[(flag, yes())]).unwrap()[shown], json!(true), "{flag}");
    }
}
