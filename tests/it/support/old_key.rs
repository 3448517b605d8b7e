//! Keys as earlier versions made them: of 64 bytes.

#![expect(clippy::unwrap_used, reason = "what cannot be had fails the test")]

use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use telescribe::model::Timestamp;
use telescribe::seal::{Key, KeyRing};

/// Adds one to a file of keys.
pub(crate) fn add_old_key(path: &Path, client: &str, created: Timestamp) -> Arc<Key> {
    let mut set: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let k: [u8; 64] = std::array::from_fn(|index| index as u8);
    let (kid, created) = (format!("{client}-0000000a"), created.to_string());
    let key = json!({
        "kty": "oct", "use": "enc", "kid": kid, "client": client, "created": created, "k": URL_SAFE_NO_PAD.encode(k),
    });
    set["keys"].as_array_mut().unwrap().push(key);
    std::fs::write(path, set.to_string()).unwrap();
    Arc::clone(KeyRing::load(path).unwrap().keys().last().unwrap())
}
