//! What the configuration in the repository promises: it is the documented default, all of it and nothing else.

use std::path::Path;

#[test]
fn the_configuration_in_the_repository_is_the_one_that_the_program_prints() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config.toml");
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    let printed = telescribe::config::template();
    let differs = text.trim_end().lines().zip(printed.trim_end().lines()).position(|(here, there)| here != there);
    let line = differs.unwrap_or_else(|| text.lines().count().min(printed.lines().count())) + 1;
    assert!(
        text.trim_end() == printed.trim_end(),
        "config.toml is not what the types of the configuration say, from line {line} on; make it again: telescribe config > config.toml"
    );
}
