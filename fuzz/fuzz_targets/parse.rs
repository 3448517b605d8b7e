//! Whatever reads as a message, user or chat is parsed, keeps its bytes, and is shown as JSON without `null`.
#![no_main]

use grammers_tl_types::{Deserializable as _, Serializable as _, enums};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fn has_null(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(values) => values.iter().any(has_null),
        Value::Object(members) => members.values().any(has_null),
        _ => false,
    }
}

fuzz_target!(|data: &[u8]| {
    let user = enums::User::from_bytes(data).ok().and_then(|tl| telescribe::parse::user(&tl));
    let chat = enums::Chat::from_bytes(data).ok().and_then(|tl| telescribe::parse::chat(&tl));
    for peer in user.into_iter().chain(chat) {
        assert!(!has_null(&serde_json::to_value(telescribe::show::peer(&peer)).expect("a peer is JSON")));
    }
    let Ok(tl) = enums::Message::from_bytes(data) else { return };
    let Some(parsed) = telescribe::parse::message(&tl) else { return };
    assert_eq!(parsed.raw, tl.to_bytes());
    assert_eq!(
        telescribe::parse::message(&enums::Message::from_bytes(&parsed.raw).expect("its own bytes")),
        Some(parsed.clone())
    );
    assert!(parsed.message.same_content_as(&parsed.message), "the same again is no edit");
    assert!(!has_null(&serde_json::to_value(telescribe::show::message(&parsed.message)).expect("a message is JSON")));
});
