//! Whatever an export of Telegram Desktop holds, it is a world with warnings or a refusal.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use telescribe_simulator::World;

static FOLDER: LazyLock<tempfile::TempDir> = LazyLock::new(|| tempfile::tempdir().expect("a folder"));

fuzz_target!(|data: &[u8]| {
    let path = FOLDER.path().join("result.json");
    std::fs::write(&path, data).expect("a file");
    match World::from_export(&path) {
        Ok((world, _)) => assert!(world.chats.iter().all(|chat| chat.history.messages().is_sorted_by(|a, b| a.id < b.id))),
        Err(error) => assert!(error.to_string().contains("result.json")),
    }
});
