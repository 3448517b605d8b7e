//! The name of a watch: a saved query that is run against every new or edited message.

use std::fmt;
use std::str::FromStr;

/// Most characters of a watch's name.
const LENGTH_MAX: usize = 64;

/// The name of a watch: a part of keys, event ids, routing keys and paths, so it has none of the characters that mean something there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WatchName(String);

/// What was given is no name of a watch.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` cannot be the name of a watch; use lower-case letters, digits, `.`, `_` and `-`, at most 64 of them, a letter or digit first"
)]
pub struct InvalidWatchName(String);

impl WatchName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for WatchName {
    type Err = InvalidWatchName;

    fn from_str(text: &str) -> Result<Self, InvalidWatchName> {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let is_name = text.len() <= LENGTH_MAX
            && text.bytes().next().is_some_and(plain)
            && text.bytes().all(|b| plain(b) || matches!(b, b'.' | b'_' | b'-'));
        if is_name { Ok(Self(text.to_owned())) } else { Err(InvalidWatchName(text.chars().take(2 * LENGTH_MAX).collect())) }
    }
}

impl fmt::Display for WatchName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_fits_into_keys_paths_and_routing_keys() {
        for name in ["a", "leaks", "0day", "bank-1.eu_x", &"a".repeat(64)] {
            assert_eq!(name.parse::<WatchName>().expect(name).as_str(), name);
        }
        for name in ["", "-a", ".a", "_a", "A", "a b", "a/b", "утечки", "a*", "a#", &"a".repeat(65)] {
            let error = name.parse::<WatchName>().expect_err(name).to_string();
            assert!(error.contains("lower-case letters"), "{error}");
        }
    }
}
