//! Whatever reads as a message is parsed, keeps its bytes, and is shown as JSON without `null`.
#![no_main]

use grammers_tl_types::{Deserializable as _, Serializable as _, enums};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(tl) = enums::Message::from_bytes(data) else { return };
    let Some(parsed) = telescribe::parse::message(&tl) else { return };
    assert_eq!(parsed.raw, tl.to_bytes());
    assert_eq!(telescribe::parse::message(&enums::Message::from_bytes(&parsed.raw).expect("its own bytes")), Some(parsed.clone()));
    let shown = serde_json::to_value(telescribe::show::message(&parsed.message)).expect("a message is JSON");
    assert!(shown.as_object().expect("an object").values().all(|value| !value.is_null()));
});
