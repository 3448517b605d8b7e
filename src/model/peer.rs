//! A peer: a user, group or channel, as far as all accounts see it alike.

use super::PeerId;

/// What kind of peer it is, in Telegram's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PeerKind {
    /// A user or bot.
    User,
    /// A basic group.
    Group,
    /// A supergroup (a channel in which everyone may write).
    Supergroup,
    /// A broadcast channel.
    Channel,
}

impl PeerKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::User, Self::Group, Self::Supergroup, Self::Channel];

    /// The name used in JSON, queries and on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Group => "group",
            Self::Supergroup => "supergroup",
            Self::Channel => "channel",
        }
    }
}

/// A peer. Access hashes are not here: they belong to the account that got them, and live in its session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The marked id.
    pub id: PeerId,
    /// What kind of peer it is.
    pub kind: PeerKind,
    /// Title, or first and last name.
    pub title: String,
    /// Username without `@`.
    pub username: Option<String>,
}
