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
    /// Further active usernames.
    pub usernames: Vec<String>,
    /// The supergroup that a basic group became.
    pub migrated_to: Option<PeerId>,
    /// What Telegram says it is.
    pub marks: PeerMarks,
}

/// What Telegram says that a peer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct PeerMarks {
    /// A bot.
    pub bot: bool,
    /// Verified by Telegram.
    pub verified: bool,
    /// Reported by many as a scam.
    pub scam: bool,
    /// Reported by many as pretending to be somebody else.
    pub fake: bool,
    /// A supergroup with topics.
    pub forum: bool,
    /// Not shown to everybody.
    pub restricted: bool,
    /// A deleted account.
    pub deleted: bool,
    /// A group or channel whose messages may not be forwarded or saved.
    pub protected: bool,
}

impl Peer {
    /// A peer with nothing but a title.
    #[must_use]
    pub fn new(id: PeerId, kind: PeerKind, title: String) -> Self {
        Self { id, kind, title, username: None, usernames: Vec::new(), migrated_to: None, marks: PeerMarks::default() }
    }

    /// Whether it is a user of whom no name is known, and that is no sign of anything: a deleted account has none either.
    #[must_use]
    pub fn is_nameless(&self) -> bool {
        self.kind == PeerKind::User && self.title.is_empty() && !self.marks.deleted
    }

    /// All usernames, the first one first.
    pub fn all_usernames(&self) -> impl Iterator<Item = &str> {
        self.username.iter().chain(&self.usernames).map(String::as_str)
    }
}
