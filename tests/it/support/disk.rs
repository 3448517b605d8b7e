//! An archive's files as RocksDB shows them: families, keys and values, without the archive.

#![expect(clippy::unwrap_used, reason = "what cannot be had fails the test")]

use std::fmt::Write as _;
use std::path::Path;

use rocksdb::{DB, Options};
use telescribe::model::{MessageKey, PeerId};

pub(crate) const FAMILIES: [&str; 20] = [
    "meta", "message", "version", "change", "peer", "username", "coverage", "cursor", "member", "counters", "size", "topic",
    "own", "hash", "file", "origin", "attached", "queue", "erasure", "erased",
];

pub(crate) fn raw_db(path: &Path) -> DB {
    let names = DB::list_cf(&Options::default(), path).unwrap();
    DB::open_cf(&Options::default(), path, names).unwrap()
}

pub(crate) fn put(db: &DB, family: &str, key: &[u8], value: &[u8]) {
    db.put_cf(db.cf_handle(family).unwrap(), key, value).unwrap();
}

pub(crate) fn get(db: &DB, family: &str, key: &[u8]) -> Vec<u8> {
    db.get_cf(db.cf_handle(family).unwrap(), key).unwrap().unwrap()
}

pub(crate) fn delete(db: &DB, family: &str, key: &[u8]) {
    db.delete_cf(db.cf_handle(family).unwrap(), key).unwrap();
}

/// The key of a message as it is on disk.
pub(crate) fn stored_at(key: MessageKey) -> Vec<u8> {
    let mut bytes = (key.peer().0 ^ i64::MIN).to_be_bytes().to_vec();
    if key.peer().has_own_ids() {
        bytes.extend(key.chat.account_name().bytes().chain([0]));
    }
    bytes.extend((key.id.0 ^ i32::MIN).to_be_bytes());
    bytes
}

/// The key of a message as it was on disk until format 3.
pub(crate) fn formerly_at(key: MessageKey) -> Vec<u8> {
    [(key.peer().0 ^ i64::MIN).to_be_bytes().as_slice(), &(key.id.0 ^ i32::MIN).to_be_bytes()].concat()
}

pub(crate) fn stored_peer(peer: PeerId) -> [u8; 8] {
    (peer.0 ^ i64::MIN).to_be_bytes()
}

pub(crate) fn stored_time(seconds: i64) -> Vec<u8> {
    (seconds ^ i64::MIN).to_be_bytes().to_vec()
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

pub(crate) fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}
