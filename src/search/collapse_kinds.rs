//! By what hits are collapsed, in requests and answers.

use std::fmt;
use std::str::FromStr;

/// What hits have in common that are collapsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CollapseBy {
    /// They are parts of one album.
    Album,
    /// They are forwards of one post, or the post itself.
    Source,
    /// Their texts are nearly the same.
    Text,
}

impl CollapseBy {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Album, Self::Source, Self::Text];

    /// Its name in requests.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Album => "album",
            Self::Source => "source",
            Self::Text => "text",
        }
    }

    pub(super) fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// By what hits are collapsed: at least one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Collapse(u8);

/// A list of kinds is none.
#[derive(Debug, thiserror::Error)]
#[error("hits are collapsed by `album`, `source` or `text`, or several of them with commas between them")]
pub struct InvalidCollapse;

impl Collapse {
    /// The kinds.
    pub fn kinds(self) -> impl Iterator<Item = CollapseBy> {
        CollapseBy::ALL.into_iter().filter(move |kind| self.has(*kind))
    }

    /// Those that have a bit each ([`CollapseBy::bit`]).
    pub(super) fn of_bits(bits: u8) -> Self {
        Self(bits)
    }

    pub(super) fn has(self, kind: CollapseBy) -> bool {
        self.0 & kind.bit() != 0
    }
}

impl FromStr for Collapse {
    type Err = InvalidCollapse;

    fn from_str(text: &str) -> Result<Self, InvalidCollapse> {
        let kind = |name: &str| CollapseBy::ALL.into_iter().find(|kind| kind.name() == name.trim()).ok_or(InvalidCollapse);
        text.split(',').try_fold(Self(0), |all, name| Ok(Self(all.0 | kind(name)?.bit())))
    }
}

impl fmt::Display for Collapse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.kinds().map(CollapseBy::name).collect::<Vec<_>>().join(","))
    }
}

/// The other hits of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CollapsedHits {
    /// How many.
    pub count: u64,
    /// What they have in common with others of the group.
    pub by: Vec<CollapseBy>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_read_as_they_are_written() {
        for text in ["album", "text", "album,source", "album,source,text"] {
            assert_eq!(text.parse::<Collapse>().expect("kinds").to_string(), text);
        }
        assert_eq!("text, album".parse::<Collapse>().expect("kinds").to_string(), "album,text");
        for text in ["", "texts", "album,", "album;text"] {
            assert!(text.parse::<Collapse>().is_err(), "{text}");
        }
    }
}
