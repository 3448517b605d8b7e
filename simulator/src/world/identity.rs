//! Marked peer ids: one number for users, basic groups and channels, as in the Bot API and in the dump.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What is subtracted from a channel's bare id.
const CHANNEL_MARK: i64 = 1_000_000_000_000;

/// A peer's marked id: users positive, basic groups `-id`, channels and supergroups `-(1000000000000 + id)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PeerId(i64);

/// A peer's id as Telegram's types carry it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BareId {
    /// A user.
    User(i64),
    /// A basic group.
    Group(i64),
    /// A supergroup or broadcast channel.
    Channel(i64),
}

impl PeerId {
    /// The peer of a user's bare id.
    #[must_use]
    pub const fn user(id: i64) -> Self {
        Self(id)
    }

    /// The peer of a basic group's bare id.
    #[must_use]
    pub const fn group(id: i64) -> Self {
        Self(-id)
    }

    /// The peer of a channel's or supergroup's bare id.
    #[must_use]
    pub const fn channel(id: i64) -> Self {
        Self(-CHANNEL_MARK - id)
    }

    /// The peer of a marked id.
    #[must_use]
    pub const fn from_marked(marked: i64) -> Self {
        Self(marked)
    }

    /// The marked id.
    #[must_use]
    pub const fn marked(self) -> i64 {
        self.0
    }

    pub(crate) const fn bare(self) -> BareId {
        if self.0 > 0 {
            BareId::User(self.0)
        } else if self.0 > -CHANNEL_MARK {
            BareId::Group(-self.0)
        } else {
            BareId::Channel(-self.0 - CHANNEL_MARK)
        }
    }
}

impl fmt::Display for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
