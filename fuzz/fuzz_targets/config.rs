//! Whatever stands in a configuration file, it is a configuration or a refusal in one piece of text.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use telescribe::config::Config;

static FOLDER: LazyLock<tempfile::TempDir> = LazyLock::new(|| tempfile::tempdir().expect("a folder"));

fuzz_target!(|text: &str| {
    let path = FOLDER.path().join("config.toml");
    std::fs::write(&path, text).expect("a file");
    if let Err(error) = Config::load(&path, true, std::iter::empty()) {
        assert!(error.to_string().contains("config.toml"));
    }
});
