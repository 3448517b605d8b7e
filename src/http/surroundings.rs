//! What is around a message in the archive: the messages before and after it, what it replies to, and its album.

use std::collections::BTreeSet;

use crate::archive::{ArchiveError, Order, StoredMessage, View};
use crate::model::{ChatId, IdRange, MessageId, MessageKey};
use crate::search::topic_of;
use crate::views::MissingMessageView;

/// How many messages a reply chain has at most: longer ones are read by asking for the context of its first.
const CHAIN_MAX: usize = 50;
/// Why a message is not shown that is archived: what is shown is long enough.
pub(super) const TOO_FAR: &str = "too_far";
/// How many messages of a forum are looked at for those of a topic: a rare one has its neighbours far away.
const SCANNED_MAX: usize = 5_000;
/// How far apart ids of an album can be. Telegram gives its (ten at most) messages ids in a row, but for those that others send meanwhile.
const ALBUM_REACH: i32 = 50;

/// The neighbours of a message in one direction, the nearest first; in a forum, those of its topic.
pub(super) fn neighbours(
    view: View<'_>,
    key: MessageKey,
    topic: Option<MessageId>,
    order: Order,
    count: usize,
) -> Result<Vec<StoredMessage>, ArchiveError> {
    let range = match order {
        Order::NewestFirst => IdRange::new(i32::MIN, key.id.0.saturating_sub(1)),
        Order::OldestFirst => IdRange::new(key.id.0.saturating_add(1), i32::MAX),
    };
    // The bounds of the ids have no neighbours beyond them.
    let Some(range) = range.filter(|range| !range.contains(key.id.0)) else { return Ok(Vec::new()) };
    let of_topic = |stored: &StoredMessage| topic.is_none_or(|topic| topic_of(&stored.message) == topic);
    let scanned = view.messages(key.chat, range, order).take(if topic.is_some() { SCANNED_MAX } else { count });
    scanned.filter(|stored| stored.as_ref().map_or(true, of_topic)).take(count).collect()
}

/// The album of a message, itself included, by id; empty where it is in none.
pub(super) fn album(view: View<'_>, stored: &StoredMessage) -> Result<Vec<StoredMessage>, ArchiveError> {
    let (Some(album), MessageKey { chat, id }) = (stored.message.album, stored.message.key) else { return Ok(Vec::new()) };
    let near = IdRange::new(id.0.saturating_sub(ALBUM_REACH), id.0.saturating_add(ALBUM_REACH));
    let messages = near.into_iter().flat_map(|range| view.messages(chat, range, Order::OldestFirst));
    messages.filter(|stored| stored.as_ref().map_or(true, |stored| stored.message.album == Some(album))).collect()
}

/// What a message replies to, what that replies to, and so on.
pub(super) struct ReplyChain {
    /// The nearest first.
    pub(super) messages: Vec<StoredMessage>,
    /// What the last replies to, where the chain ends before its root.
    pub(super) missing: Option<MissingMessageView>,
}

impl ReplyChain {
    /// Reads it upwards, also into other chats as far as they are archived. What replied to itself by way of others would end it.
    pub(super) fn of(view: View<'_>, stored: &StoredMessage) -> Result<Self, ArchiveError> {
        let mut chain = Self { messages: Vec::new(), missing: None };
        let mut seen = BTreeSet::from([stored.message.key]);
        let mut next = replied_to(stored);
        while let Some(key) = next.filter(|key| seen.insert(*key)) {
            match view.message(key)? {
                Some(_) if chain.messages.len() == CHAIN_MAX => {
                    chain.missing = Some(missing(key, TOO_FAR));
                    break;
                }
                Some(stored) => {
                    next = replied_to(&stored);
                    chain.messages.push(stored);
                }
                None => {
                    chain.missing = Some(missing(key, why_missing(view, key)?));
                    break;
                }
            }
        }
        Ok(chain)
    }
}

/// The message that a message replies to. In another chat with ids of an account's own it is that account's.
fn replied_to(stored: &StoredMessage) -> Option<MessageKey> {
    let (key, reply) = (stored.message.key, stored.message.reply.as_ref()?);
    let chat = match reply.peer {
        Some(peer) if peer != key.peer() => ChatId::new(peer, key.chat.account()),
        _ => key.chat,
    };
    Some(MessageKey { chat, id: reply.id? })
}

/// A message that is not shown, and why.
pub(super) fn missing(key: MessageKey, why: &str) -> MissingMessageView {
    MissingMessageView { peer: key.peer().0, id: key.id.0, why: why.to_owned() }
}

fn why_missing(view: View<'_>, key: MessageKey) -> Result<&'static str, ArchiveError> {
    if view.tombstone(key)?.is_some() {
        return Ok("erased");
    }
    if view.coverage(key.chat)?.read.contains(key.id.0) {
        return Ok("absent");
    }
    Ok(if view.crawl_state(key.chat)?.is_some() { "not_read" } else { "not_archived" })
}
