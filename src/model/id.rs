//! Newtypes for every number that could be mistaken for another.

use std::fmt;
use std::str::FromStr;

/// The marked id of a peer, as in the Bot API: users positive, basic groups `-id`, channels and supergroups
/// `-(1_000_000_000_000 + id)`.
///
/// Telegram's three id spaces overlap; the mark makes one id unique among all peers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId(pub i64);

/// The id space of Telegram's that a [`PeerId`] belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdSpace {
    /// A user or bot.
    User,
    /// A basic group; its message ids are per account.
    Chat,
    /// A channel or supergroup; its message ids are the peer's own.
    Channel,
}

const CHANNEL_MARK: i64 = 1_000_000_000_000;

impl PeerId {
    /// The marked id of a user.
    #[must_use]
    pub fn user(bare: i64) -> Self {
        Self(bare)
    }

    /// The marked id of a basic group.
    #[must_use]
    pub fn chat(bare: i64) -> Self {
        Self(bare.wrapping_neg())
    }

    /// The marked id of a channel or supergroup.
    #[must_use]
    pub fn channel(bare: i64) -> Self {
        Self(bare.wrapping_add(CHANNEL_MARK).wrapping_neg())
    }

    /// The id space that the id belongs to.
    #[must_use]
    pub fn kind(self) -> IdSpace {
        if self.0 > 0 {
            IdSpace::User
        } else if self.0 > -CHANNEL_MARK {
            IdSpace::Chat
        } else {
            IdSpace::Channel
        }
    }

    /// The id without its mark, as Telegram's own API counts.
    #[must_use]
    pub fn bare(self) -> i64 {
        match self.kind() {
            IdSpace::User => self.0,
            IdSpace::Chat => self.0.wrapping_neg(),
            IdSpace::Channel => self.0.wrapping_neg().wrapping_sub(CHANNEL_MARK),
        }
    }
}

impl fmt::Debug for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for PeerId {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// Telegram's id of a message; unique in its peer (or, in basic groups and private chats, in its account), from 1 up.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(pub i32);

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The primary key of one message in the archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageKey {
    /// Where it was posted.
    pub peer: PeerId,
    /// Its id there.
    pub id: MessageId,
}

impl fmt::Display for MessageKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.peer, self.id)
    }
}

/// The operator's name of an account: what its session file is called.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountName(String);

/// An account's name was not of the allowed form.
#[derive(Debug, thiserror::Error)]
#[error("account name `{0}` is not allowed: use 1 to 32 of a-z, 0-9, `-` and `_`, starting with a letter or digit")]
pub struct InvalidAccountName(pub String);

impl AccountName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for AccountName {
    type Err = InvalidAccountName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
        let starts_well = text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
        if starts_well && text.len() <= 32 && text.chars().all(allowed) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidAccountName(text.to_owned()))
        }
    }
}

impl fmt::Display for AccountName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marked_id_keeps_its_space_and_its_number() {
        for (id, kind, bare) in [
            (PeerId::user(7_000_001), IdSpace::User, 7_000_001),
            (PeerId::chat(42), IdSpace::Chat, 42),
            (PeerId::channel(1_500_000_001), IdSpace::Channel, 1_500_000_001),
        ] {
            assert_eq!(id.kind(), kind);
            assert_eq!(id.bare(), bare);
        }
        assert_eq!(PeerId::channel(1_500_000_001).0, -1_001_500_000_001);
    }

    #[test]
    fn an_account_name_cannot_leave_its_folder() {
        for bad in ["", "..", "a/b", "-x", "A", "é", &"a".repeat(33)] {
            assert!(bad.parse::<AccountName>().is_err(), "{bad}");
        }
        assert!("alpha-2_x".parse::<AccountName>().is_ok());
    }
}
