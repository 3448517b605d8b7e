//! Joining, only ever because somebody asked for it: by username or by invite link.
//!
//! A username is resolved only when the joining account has no hash for its peer, and one that nobody has is remembered (a negative
//! cache), because this is the call with Telegram's strictest rate limit. What was joined is crawled from then on.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use super::planner::Planner;
use super::recorder::Recorder;
use crate::accounts::{AccountState, Lease, LeaseOutcome, Pool, Urgency};
use crate::archive::{Archive, ArchiveError};
use crate::model::{AccountName, Clock, InvalidLink, Peer, PeerId, PeerLink};
use crate::telegram::{Clients, Joined, MentionedPeers, TelegramError, method};

/// How long a username that nobody has is not asked for again (a negative cache's time to live).
const UNKNOWN_FOR: Duration = Duration::from_hours(24);

/// What to join.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JoinTarget {
    /// Who has this username, without `@`.
    Username(String),
    /// Whatever this invite's hash leads to.
    Invite(String),
}

/// What became of a request to join.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joining {
    /// Which account.
    pub account: AccountName,
    /// The peer, where Telegram told it.
    pub peer: Option<Peer>,
    /// Whether the account was in before.
    pub already: bool,
    /// Whether an administrator has to agree first.
    pub requested: bool,
}

/// Why a peer could not be joined.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// No such account is signed in.
    #[error("there is no account `{0}` that is signed in; `telescribe account list` shows those that exist")]
    NoAccount(String),
    /// No account is signed in.
    #[error("no account is signed in")]
    Nobody,
    /// The account must wait (a rate limit).
    #[error(
        "account `{account}` may not join or look up usernames before {until}: both are rate limited, because Telegram bans accounts that \
         do it often"
    )]
    TooEarly {
        /// Which account.
        account: AccountName,
        /// When it may.
        until: String,
    },
    /// The account is busy.
    #[error("account `{0}` is busy; retry")]
    Busy(AccountName),
    /// Nobody has the username.
    #[error("nobody has the username `@{0}`")]
    UnknownUsername(String),
    /// The username is a person's.
    #[error("`@{0}` is a person; only groups and channels can be joined or followed")]
    Person(String),
    /// Telegram refuses.
    #[error("Telegram refuses account `{account}`: {}", explained(name))]
    Refused {
        /// Which account.
        account: AccountName,
        /// Telegram's error name.
        name: String,
    },
    /// Telegram gave no answer.
    #[error("no response: {0}; the account may have joined all the same, `telescribe peers` will show the peer then")]
    NoAnswer(String),
    /// The archive cannot be read or written.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
}

fn explained(name: &str) -> String {
    let why = match name {
        "INVITE_HASH_EXPIRED" => "the invite link has expired",
        "INVITE_HASH_INVALID" | "INVITE_HASH_EMPTY" => "this is not an invite link",
        "CHANNELS_TOO_MUCH" => "the account is in as many channels as Telegram allows; leave some, or use another account",
        "CHANNEL_PRIVATE" => "the channel is private, or the account was banned from it; an invite link is needed",
        "CHANNEL_INVALID" => "the account cannot see such a channel",
        "USERS_TOO_MUCH" => "the group is full",
        _ => return name.to_owned(),
    };
    format!("{why} ({name})")
}

/// Why a text is nothing that can be joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidJoinTarget {
    /// It is anything else.
    #[error("this is neither a username nor an invite link; {FORMS}")]
    Unknown,
    /// It is a peer's id.
    #[error("an id is not enough to join by; {FORMS}")]
    Id,
    /// It is a link that only members can follow.
    #[error("a link into a private chat has no username; ask a member for an invite link, such as `https://t.me/+hash`")]
    Private,
    /// It is a link to something else.
    #[error("this is {0}; {FORMS}")]
    Link(InvalidLink),
}

const FORMS: &str = "write `@username`, `https://t.me/username` or `https://t.me/+hash`";

impl FromStr for JoinTarget {
    type Err = InvalidJoinTarget;

    /// Reads `@username`, `username`, or a link to a public peer or an invite.
    fn from_str(text: &str) -> Result<Self, InvalidJoinTarget> {
        let text = text.trim();
        match PeerLink::parse(text) {
            Some(Ok(PeerLink::Username(name))) => return Ok(Self::Username(name)),
            Some(Ok(PeerLink::Invite(hash))) => return Ok(Self::Invite(hash)),
            Some(Ok(PeerLink::Id(_))) => return Err(InvalidJoinTarget::Private),
            Some(Err(error)) => return Err(InvalidJoinTarget::Link(error)),
            None => {}
        }
        if text.parse::<PeerId>().is_ok() {
            return Err(InvalidJoinTarget::Id);
        }
        let name = text.strip_prefix('@').unwrap_or(text);
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let starts = name.starts_with(|c: char| c.is_ascii_alphabetic());
        let is_username = starts && (4..=32).contains(&name.len()) && name.chars().all(fits);
        is_username.then(|| Self::Username(name.to_owned())).ok_or(InvalidJoinTarget::Unknown)
    }
}

/// A peer as somebody names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeerTarget {
    /// A peer that the archive knows.
    Id(PeerId),
    /// One that is named.
    Named(JoinTarget),
}

impl FromStr for PeerTarget {
    type Err = InvalidJoinTarget;

    /// Reads a marked id, `@username`, `username`, or a link.
    fn from_str(text: &str) -> Result<Self, InvalidJoinTarget> {
        match (PeerLink::parse(text), text.trim().parse::<PeerId>()) {
            (Some(Ok(PeerLink::Id(id))), _) | (None, Ok(id)) => Ok(Self::Id(id)),
            _ => text.parse().map(Self::Named),
        }
    }
}

/// Joins peers.
pub(super) struct Joins {
    pub(super) archive: Arc<Archive>,
    pub(super) pool: Arc<Pool>,
    pub(super) clients: Arc<Clients>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) planner: Arc<Planner>,
    pub(super) recorder: Arc<Recorder>,
}

impl Joins {
    /// Joins a peer with an account, or with the signed-in one that is in the fewest.
    ///
    /// # Errors
    /// See [`JoinError`].
    pub(super) async fn join(&self, account: Option<&str>, target: &JoinTarget) -> Result<Joining, JoinError> {
        let account = self.joiner(account)?;
        let client = self.clients.get(&account).ok_or(JoinError::Nobody)?;
        let answer = match target {
            JoinTarget::Invite(hash) => {
                let lease = self.lease_now(&account, method::JOIN_BY_INVITE)?;
                let answer = client.join_by_invite(hash).await;
                drop(lease);
                answer.map_err(|e| self.join_failed(&account, method::JOIN_BY_INVITE, e))?
            }
            JoinTarget::Username(name) => {
                let peer = self.resolve(&account, name).await?;
                let lease = self.lease_now(&account, method::JOIN)?;
                let answer = client.join(peer).await;
                drop(lease);
                answer.map_err(|e| self.join_failed(&account, method::JOIN, e))?
            }
        };
        let (seen, peer, already, requested) = match answer {
            Joined::In { seen } => {
                let peer = seen.peers.iter().find(|p| p.id.0 < 0).map(|p| p.id);
                // For Telegram joining is idempotent: a member may join again, and the answer does not tell.
                let was_in = match peer {
                    Some(peer) => self.archive.view().members(peer)?.iter().any(|m| m.account == account && m.current()),
                    None => false,
                };
                (seen, peer, was_in, false)
            }
            Joined::Already { peer } => (MentionedPeers::default(), peer, true, false),
            Joined::Requested => (MentionedPeers::default(), None, false, true),
        };
        let mut write = self.recorder.write();
        self.recorder.mention(&mut write, &account, seen)?;
        Recorder::commit(&self.recorder.turn().await, write)?;
        if let Some(peer) = peer.filter(|peer| client.session().knows(*peer)) {
            self.planner.add_poll_of(&account, peer);
        }
        let peer = peer.map(|peer| self.archive.view().peer(peer)).transpose()?.flatten();
        Ok(Joining { account, peer, already, requested })
    }

    pub(super) fn joiner(&self, named: Option<&str>) -> Result<AccountName, JoinError> {
        let mut ready: Vec<AccountName> =
            self.pool.status().into_iter().filter(|a| a.state == AccountState::Ready).map(|a| a.name).collect();
        if let Some(named) = named {
            return ready.into_iter().find(|name| name.as_str() == named).ok_or_else(|| JoinError::NoAccount(named.to_owned()));
        }
        ready.sort_by_key(|name| self.clients.get(name).map(|c| c.session().peers().len()));
        ready.into_iter().next().ok_or(JoinError::Nobody)
    }

    fn lease_now(&self, account: &AccountName, method: &'static str) -> Result<Lease, JoinError> {
        match self.pool.lease([account], method, Urgency::Live) {
            LeaseOutcome::Granted(lease) => Ok(lease),
            LeaseOutcome::NotBefore(until) => Err(JoinError::TooEarly { account: *account, until: until.to_rfc3339() }),
            LeaseOutcome::Busy => Err(JoinError::Busy(*account)),
            LeaseOutcome::NoCandidate => Err(JoinError::NoAccount(account.to_string())),
        }
    }

    /// The peer of a username, as this account can address it.
    pub(super) async fn resolve(&self, account: &AccountName, name: &str) -> Result<PeerId, JoinError> {
        let client = self.clients.get(account).ok_or(JoinError::Nobody)?;
        if let Some(peer) = self.archive.view().peer_by_username(name)?
            && client.session().knows(peer.id)
        {
            return Ok(peer.id);
        }
        let now = self.recorder.now();
        let unknown_for = i64::try_from(UNKNOWN_FOR.as_secs()).unwrap_or(i64::MAX);
        if self.archive.view().username_unknown_since(name)?.is_some_and(|since| (0..unknown_for).contains(&(now.0 - since.0))) {
            return Err(JoinError::UnknownUsername(name.to_owned()));
        }
        let lease = self.lease_now(account, method::RESOLVE_USERNAME)?;
        let answer = client.resolve_username(name).await;
        drop(lease);
        match answer {
            Ok(resolved) if resolved.peer.0 > 0 => Err(JoinError::Person(name.to_owned())),
            Ok(resolved) => {
                let mut write = self.recorder.write();
                self.recorder.mention(&mut write, account, resolved.seen)?;
                Recorder::commit(&self.recorder.turn().await, write)?;
                Ok(resolved.peer)
            }
            Err(TelegramError::Refused { name: why, .. }) if why.starts_with("USERNAME_") => {
                let mut write = self.recorder.write();
                write.username_unknown(name);
                Recorder::commit(&self.recorder.turn().await, write)?;
                Err(JoinError::UnknownUsername(name.to_owned()))
            }
            Err(error) => Err(self.join_failed(account, method::RESOLVE_USERNAME, error)),
        }
    }

    fn join_failed(&self, account: &AccountName, method: &'static str, error: TelegramError) -> JoinError {
        match error {
            TelegramError::FloodWait { wait, name } => {
                self.pool.flood(account, method, wait, &name);
                let until = self.clock.now() + wait;
                JoinError::TooEarly { account: *account, until: until.to_rfc3339() }
            }
            TelegramError::PeerUnavailable { name } | TelegramError::Refused { name, .. } => {
                JoinError::Refused { account: *account, name }
            }
            TelegramError::RetryLater { .. } => JoinError::Busy(*account),
            error => JoinError::NoAnswer(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_a_username_or_a_link() {
        let username = |name: &str| Ok(JoinTarget::Username(name.to_owned()));
        let invite = |hash: &str| Ok(JoinTarget::Invite(hash.to_owned()));
        for (text, target) in [
            ("@durov", username("durov")),
            ("durov", username("durov")),
            ("https://t.me/durov", username("durov")),
            ("t.me/durov/", username("durov")),
            ("https://t.me/durov/17", username("durov")),
            ("https://t.me/+AbCdEfGh_1-2", invite("AbCdEfGh_1-2")),
            ("tg://join?invite=AbCdEfGh12", invite("AbCdEfGh12")),
            ("https://example.org/durov", Err(InvalidJoinTarget::Unknown)),
            ("https://t.me/+a b", Err(InvalidJoinTarget::Link(InvalidLink::Invite))),
            ("https://t.me/c/1234567890/5", Err(InvalidJoinTarget::Private)),
            ("-1001234567890", Err(InvalidJoinTarget::Id)),
            ("@1abc", Err(InvalidJoinTarget::Unknown)),
            ("", Err(InvalidJoinTarget::Unknown)),
        ] {
            assert_eq!(text.parse(), target, "{text}");
        }
    }
}
