//! Whatever reads as a message, user or chat is parsed, keeps its bytes, is shown as JSON without `null`, and tells of files that each have
//! one original.
#![no_main]

use grammers_tl_types::{Deserializable as _, Serializable as _, enums};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use telescribe::model::{RenditionRole, SeenFile};

fn has_null(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(values) => values.iter().any(has_null),
        Value::Object(members) => members.values().any(has_null),
        _ => false,
    }
}

fn has_one_original(file: &SeenFile) {
    let originals = file.renditions.iter().filter(|rendition| rendition.role == RenditionRole::Original).count();
    assert_eq!(originals, 1, "of {}", file.id);
}

fuzz_target!(|data: &[u8]| {
    let (user, chat) = (enums::User::from_bytes(data).ok(), enums::Chat::from_bytes(data).ok());
    let full = enums::Photo::from_bytes(data).ok().and_then(|tl| telescribe::parse::full_photo(&tl));
    let avatars = user.as_ref().and_then(telescribe::parse::user_avatar).into_iter();
    avatars.chain(chat.as_ref().and_then(telescribe::parse::chat_avatar)).chain(full).for_each(|file| has_one_original(&file));
    let user = user.and_then(|tl| telescribe::parse::user(&tl));
    let chat = chat.and_then(|tl| telescribe::parse::chat(&tl));
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
    assert_eq!(telescribe::parse::files_of_raw(0, &parsed.raw), Ok(telescribe::parse::files(&tl)));
    parsed.files.iter().for_each(has_one_original);
    assert!(parsed.message.same_content_as(&parsed.message), "the same again is no edit");
    assert!(!has_null(&serde_json::to_value(telescribe::show::message(&parsed.message)).expect("a message is JSON")));
});
