//! History, with pagination: one page a request, newest first.

use grammers_tl_types::{enums, functions};

use super::mentioned::{MentionedPeers, learn_mentioned};
use super::{Client, TelegramError};
use crate::model::{IdRange, PeerId};
use crate::parse::{self, Parsed};

/// The page size of history: what Telegram gives at most.
pub const PAGE_SIZE: i32 = 100;

/// A page of history.
#[derive(Clone, Debug)]
pub struct HistoryPage {
    /// Messages, newest first.
    pub messages: Vec<Parsed>,
    /// The channel's state when Telegram answered.
    pub pts: Option<i32>,
    /// The part of the requested range that this page covers completely: what is not among its messages is not there.
    pub covered: IdRange,
    /// Peers that the page mentions.
    pub seen: MentionedPeers,
}

impl Client {
    /// A page of a peer's history: the newest messages of a range, so many at most.
    ///
    /// # Errors
    /// See [`TelegramError`].
    pub async fn history(&self, peer: PeerId, range: IdRange, most: i32) -> Result<HistoryPage, TelegramError> {
        let request = functions::messages::GetHistory { limit: most, ..self.history_request(peer, range)? };
        let messages = self.invoke(&request).await?;
        self.page(peer, range, messages)
    }

    /// The request for the newest messages of a range.
    pub(super) fn history_request(&self, peer: PeerId, range: IdRange) -> Result<functions::messages::GetHistory, TelegramError> {
        Ok(functions::messages::GetHistory {
            peer: self.input_peer(peer)?,
            offset_id: range.last.saturating_add(1),
            offset_date: 0,
            add_offset: 0,
            limit: PAGE_SIZE,
            max_id: 0,
            min_id: range.first.saturating_sub(1),
            hash: 0,
        })
    }

    /// The page that its answer holds.
    pub(super) fn page(
        &self,
        peer: PeerId,
        range: IdRange,
        answer: enums::messages::Messages,
    ) -> Result<HistoryPage, TelegramError> {
        let (messages, users, chats, pts) = match answer {
            enums::messages::Messages::Messages(m) => (m.messages, m.users, m.chats, None),
            enums::messages::Messages::Slice(m) => (m.messages, m.users, m.chats, None),
            enums::messages::Messages::ChannelMessages(m) => (m.messages, m.users, m.chats, Some(m.pts)),
            enums::messages::Messages::NotModified(_) => {
                return Err(TelegramError::Transient { why: "history not modified".to_owned() });
            }
        };
        let seen = learn_mentioned(self.session(), &users, &chats);
        let covered = covered(range, messages.iter().map(id_of))?;
        let of_range = |p: &Parsed| p.message.key.peer() == peer && range.contains(p.message.key.id.0);
        // Parsed messages are large: growing a list of them copies more than they weigh.
        let mut parsed = Vec::with_capacity(messages.len());
        parsed.extend(messages.iter().filter_map(parse::message).filter(of_range));
        let messages = parsed;
        Ok(HistoryPage { messages, pts, covered, seen })
    }
}

/// The id of anything that a page holds, also of an empty message, which says that there is none with that id.
fn id_of(message: &enums::Message) -> i32 {
    match message {
        enums::Message::Empty(m) => m.id,
        enums::Message::Message(m) => m.id,
        enums::Message::Service(m) => m.id,
    }
}

/// What a page covers of the range that was asked for, by the ids of everything that it holds.
///
/// Telegram may give fewer than were asked for in the middle of a history: only a page that holds nothing at all, or something older than
/// the range, says that nothing is left below. Else it covers what lies between its messages.
fn covered(range: IdRange, ids: impl Iterator<Item = i32>) -> Result<IdRange, TelegramError> {
    let (mut lowest, mut newer) = (None, false);
    for id in ids {
        match id {
            id if id > range.last => newer = true,
            id => lowest = Some(lowest.map_or(id, |lowest: i32| lowest.min(id))),
        }
    }
    match lowest {
        None if newer => Err(TelegramError::Transient { why: "a page of newer history than was asked for".to_owned() }),
        None => Ok(range),
        Some(lowest) => Ok(IdRange { first: lowest.max(range.first), last: range.last }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_covers_what_lies_between_what_it_holds_and_only_one_that_holds_nothing_is_the_end() {
        let range = IdRange { first: 10, last: 500 };
        let of = |ids: &[i32]| covered(range, ids.iter().copied()).map(|covered| (covered.first, covered.last)).ok();
        assert_eq!(of(&[]), Some((10, 500)), "nothing is there");
        assert_eq!(of(&[500, 450, 401]), Some((401, 500)), "whether these are messages or empty ones");
        assert_eq!(of(&[480, 10]), Some((10, 500)));
        assert_eq!(of(&[9, 3]), Some((10, 500)), "what comes next is older than the range");
        assert_eq!(of(&[600, 501]), None, "another page");
        assert_eq!(of(&[600, 499]), Some((499, 500)));
    }
}
