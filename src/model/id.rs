//! Newtypes for every number that could be mistaken for another.

use std::fmt;
use std::str::FromStr;

use arrayvec::ArrayString;

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
    /// The first in the order of ids whose messages have an account's own ids: all after it have, too.
    pub const FIRST_WITH_OWN_IDS: Self = Self(1 - CHANNEL_MARK);

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

    /// Whether each account has ids of its own for its messages.
    #[must_use]
    pub fn has_own_ids(self) -> bool {
        self.kind() != IdSpace::Channel
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

/// What has message ids of its own: a channel or supergroup, or one account's side of a basic group or private chat.
///
/// Outside channels each account counts the messages of all its chats in one sequence, so one message has another id for each account that
/// is there, and the same id is another message.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChatId {
    peer: PeerId,
    account: Option<AccountName>,
}

impl ChatId {
    /// The first in the order of chats: where to begin to look at all.
    pub const FIRST: Self = Self { peer: PeerId(i64::MIN), account: None };

    /// The chat with a peer as an account sees it; a channel is the same to all.
    #[must_use]
    pub fn seen_by(account: AccountName, peer: PeerId) -> Self {
        Self::new(peer, Some(account))
    }

    /// The same where the account may be unknown: the first of all chats with a peer in their order.
    #[must_use]
    pub fn new(peer: PeerId, account: Option<AccountName>) -> Self {
        Self { peer, account: account.filter(|_| peer.has_own_ids()) }
    }

    /// Where messages are posted.
    #[must_use]
    pub fn peer(self) -> PeerId {
        self.peer
    }

    /// Whose ids its messages have; nobody's own in a channel.
    #[must_use]
    pub fn account(self) -> Option<AccountName> {
        self.account
    }

    /// The name of that account; empty where there is none.
    #[must_use]
    pub fn account_name(&self) -> &str {
        self.account.as_ref().map_or("", AccountName::as_str)
    }
}

impl From<PeerId> for ChatId {
    fn from(peer: PeerId) -> Self {
        Self::new(peer, None)
    }
}

impl fmt::Debug for ChatId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for ChatId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.account {
            Some(account) => write!(f, "{}@{account}", self.peer),
            None => self.peer.fmt(f),
        }
    }
}

/// A text is not a chat's.
#[derive(Debug, thiserror::Error)]
#[error("a chat is a marked peer id, and `@` and an account's name where ids are an account's own")]
pub struct InvalidChatId;

impl FromStr for ChatId {
    type Err = InvalidChatId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (peer, account) = text.split_once('@').map_or((text, None), |(peer, account)| (peer, Some(account)));
        let account = account.map(str::parse).transpose().map_err(|_| InvalidChatId)?;
        Ok(Self::new(peer.parse().map_err(|_| InvalidChatId)?, account))
    }
}

/// The primary key of one message in the archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageKey {
    /// Where it was posted, and whose id it has.
    pub chat: ChatId,
    /// Its id there.
    pub id: MessageId,
}

impl MessageKey {
    /// The key of an id in a chat.
    #[must_use]
    pub fn new(chat: impl Into<ChatId>, id: MessageId) -> Self {
        Self { chat: chat.into(), id }
    }

    /// Where it was posted.
    #[must_use]
    pub fn peer(self) -> PeerId {
        self.chat.peer
    }
}

impl fmt::Display for MessageKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.chat, self.id)
    }
}

/// The most characters that an account's name has.
const ACCOUNT_NAME_MAX: usize = 32;

/// The operator's name of an account: what its session file is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountName(ArrayString<ACCOUNT_NAME_MAX>);

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
        match ArrayString::from(text) {
            Ok(name) if starts_well && text.chars().all(allowed) => Ok(Self(name)),
            _ => Err(InvalidAccountName(text.to_owned())),
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
    fn a_chat_is_an_accounts_own_outside_channels_only() {
        let (alpha, beta): (AccountName, AccountName) = ("alpha".parse().unwrap(), "beta".parse().unwrap());
        let channel = PeerId::channel(1_500_000_001);
        assert_eq!(ChatId::seen_by(alpha, channel), ChatId::seen_by(beta, channel));
        for peer in [PeerId::user(7_000_001), PeerId::chat(42)] {
            let (of_alpha, of_beta) = (ChatId::seen_by(alpha, peer), ChatId::seen_by(beta, peer));
            assert!(ChatId::from(peer) < of_alpha && of_alpha < of_beta);
            assert_eq!(of_alpha.to_string().parse::<ChatId>().unwrap(), of_alpha);
        }
        assert!("-42@".parse::<ChatId>().is_err() && "@alpha".parse::<ChatId>().is_err());
        assert_eq!("-1001500000001@alpha".parse::<ChatId>().unwrap(), ChatId::from(channel));
    }

    #[test]
    fn an_account_name_cannot_leave_its_folder() {
        for bad in ["", "..", "a/b", "-x", "A", "é", &"a".repeat(33)] {
            assert!(bad.parse::<AccountName>().is_err(), "{bad}");
        }
        assert!("alpha-2_x".parse::<AccountName>().is_ok());
    }
}
