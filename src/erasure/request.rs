//! What an operator asks to be erased, in words, and what it means in this archive.

use chrono::{DateTime, Utc};

use crate::archive::{ArchiveError, View};
use crate::model::{AccountName, ChatId, ErasureScope, ErasureSelection, MessageId, MessageKey, PeerId, PeerLink};
use crate::schedule::since;

/// Missing ids that an error names.
const NAMED_MAX: usize = 10;

/// What an operator asks to be erased.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct ErasureRequest {
    /// A peer: a marked id, `@username` or a link.
    pub peer: Option<String>,
    /// Messages of it; all where none is named.
    pub messages: Vec<i32>,
    /// Whose message ids are meant, in basic groups and private chats.
    pub account: Option<String>,
    /// Whose messages, in all chats.
    pub sender: Option<String>,
    /// Only what was sent before: RFC 3339, a date (UTC), or how long ago.
    pub before: Option<String>,
}

/// What was asked cannot be erased. Each is told apart by what has to be done about it.
#[derive(Debug, thiserror::Error)]
pub enum InvalidErasure {
    /// It is not said what.
    #[error("name what to erase: a peer, messages of it, a sender, or a time before which everything goes")]
    Nothing,
    /// A peer and a sender.
    #[error("a peer and a sender are two ways to say what is to be erased; name one of them")]
    PeerAndSender,
    /// Messages, or an account, of no peer.
    #[error("messages and an account are of a peer; name it")]
    OfNoPeer,
    /// The name is none.
    #[error("`{0}` is no peer: write a marked id such as `-1001500000001`, `@` and a username, or a link with one of them")]
    NoPeer(String),
    /// Nothing is known of the peer.
    #[error("the archive holds nothing of `{0}`")]
    UnknownPeer(String),
    /// None of the messages is archived.
    #[error("not archived: {0}")]
    UnknownMessages(String),
    /// No such account, or none of this chat.
    #[error("{0}")]
    Account(String),
    /// The time is none.
    #[error("{0}")]
    Time(String),
    /// The time is to come.
    #[error("`{0}` is in the future; only what is archived can be erased, leave the time out to erase all of it")]
    Future(String),
    /// The archive cannot be read.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
}

impl ErasureRequest {
    /// What it means in an archive.
    ///
    /// # Errors
    /// When it means nothing, or nothing that is there.
    pub fn resolve(&self, archive: View<'_>, now: DateTime<Utc>) -> Result<ErasureSelection, InvalidErasure> {
        let before = match &self.before {
            Some(text) => {
                let at = since(text, now).map_err(|error| InvalidErasure::Time(error.to_string()))?;
                if at > now {
                    return Err(InvalidErasure::Future(text.clone()));
                }
                Some(at.into())
            }
            None => None,
        };
        let scope = match (&self.peer, &self.sender) {
            (Some(_), Some(_)) => return Err(InvalidErasure::PeerAndSender),
            (None, _) if !self.messages.is_empty() || self.account.is_some() => return Err(InvalidErasure::OfNoPeer),
            (Some(peer), None) => self.of_peer(archive, known_peer(archive, peer)?)?,
            (None, Some(sender)) => ErasureScope::Sender(known_peer(archive, sender)?),
            (None, None) if before.is_some() => ErasureScope::Everything,
            (None, None) => return Err(InvalidErasure::Nothing),
        };
        Ok(ErasureSelection { scope, before })
    }

    fn of_peer(&self, archive: View<'_>, peer: PeerId) -> Result<ErasureScope, InvalidErasure> {
        if self.messages.is_empty() && self.account.is_none() {
            return Ok(ErasureScope::Peer(peer));
        }
        let chat = self.chat(archive, peer)?;
        if self.messages.is_empty() {
            let what = "an account says whose message ids are meant; name the messages, or leave it out to erase all of the peer";
            return Err(InvalidErasure::Account(what.to_owned()));
        }
        let mut ids: Vec<MessageId> = self.messages.iter().copied().map(MessageId).collect();
        ids.sort_unstable();
        ids.dedup();
        let mut missing = Vec::new();
        for id in &ids {
            let key = MessageKey { chat, id: *id };
            // One that is damaged can be erased too.
            let is_there = !matches!(archive.message(key), Ok(None));
            if !is_there && !archive.is_erased(key)? {
                missing.push(id.0.to_string());
            }
        }
        if missing.is_empty() {
            return Ok(ErasureScope::Messages { chat, ids });
        }
        let more = missing.len().saturating_sub(NAMED_MAX);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        missing.truncate(NAMED_MAX);
        Err(InvalidErasure::UnknownMessages(format!("{}{more}", missing.join(", "))))
    }

    /// The chat whose message ids are meant.
    fn chat(&self, archive: View<'_>, peer: PeerId) -> Result<ChatId, InvalidErasure> {
        let account = self.account.as_deref().map(str::parse::<AccountName>).transpose();
        let account = account.map_err(|error| InvalidErasure::Account(error.to_string()))?;
        let chats: Vec<ChatId> = archive.chats(peer)?.into_iter().map(|(chat, _)| chat).collect();
        let names = || chats.iter().map(ChatId::account_name).collect::<Vec<_>>().join(", ");
        match (account, chats.as_slice()) {
            (Some(account), chats) => {
                let asked = ChatId::seen_by(account, peer);
                let found = chats.contains(&asked).then_some(asked);
                found.ok_or_else(|| InvalidErasure::Account(format!("account `{account}` does not archive this peer")))
            }
            (None, [only]) => Ok(*only),
            (None, []) => Ok(peer.into()),
            (None, _) => {
                let what = format!("message ids are each account's own here; name one of these accounts: {}", names());
                Err(InvalidErasure::Account(what))
            }
        }
    }
}

/// The peer that a text names, of which the archive has something.
fn known_peer(archive: View<'_>, text: &str) -> Result<PeerId, InvalidErasure> {
    let unknown = || InvalidErasure::UnknownPeer(shown(text));
    let by_username = |name: &str| Ok(archive.peer_by_username(name)?.ok_or_else(unknown)?.id);
    if let Some(username) = text.strip_prefix('@') {
        return by_username(username);
    }
    let id = match PeerLink::parse(text) {
        Some(Ok(PeerLink::Username(name))) => return by_username(&name),
        Some(Ok(PeerLink::Id(id))) => id,
        Some(Ok(PeerLink::Invite(_)) | Err(_)) => return Err(InvalidErasure::NoPeer(shown(text))),
        None => text.parse::<PeerId>().map_err(|_| InvalidErasure::NoPeer(shown(text)))?,
    };
    match archive.peer(id)?.is_some() || !archive.chats(id)?.is_empty() {
        true => Ok(id),
        false => Err(unknown()),
    }
}

/// A name as it was written, without what would disturb a terminal.
fn shown(text: &str) -> String {
    text.chars().take(60).flat_map(char::escape_debug).collect()
}
