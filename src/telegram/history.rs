//! History, with pagination: one page a request, newest first.

use grammers_tl_types::{enums, functions};

use super::mentioned::{MentionedPeers, learn_mentioned};
use super::{Client, TelegramError};
use crate::model::{IdRange, PeerId};
use crate::parse::{self, Parsed};

/// The page size of history: what Telegram gives at most.
const PAGE_SIZE: i32 = 100;

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
    /// A page of a peer's history: the newest messages of a range.
    ///
    /// # Errors
    /// See [`TelegramError`].
    pub async fn history(&self, peer: PeerId, range: IdRange) -> Result<HistoryPage, TelegramError> {
        let messages = self.invoke(&self.history_request(peer, range)?).await?;
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
                return Err(TelegramError::Refused { name: "history not modified".to_owned(), value: None });
            }
        };
        let seen = learn_mentioned(self.session(), &users, &chats);
        let of_range = |p: &Parsed| p.message.key.peer == peer && range.contains(p.message.key.id.0);
        // Parsed messages are large: growing a list of them copies more than they weigh.
        let mut parsed = Vec::with_capacity(messages.len());
        parsed.extend(messages.iter().filter_map(parse::message).filter(of_range));
        let messages = parsed;
        // Telegram may give fewer than were asked for in the middle of a history: only an empty page says that nothing
        // is left below, and a page covers what lies between its messages.
        let lowest = messages.iter().map(|p| p.message.key.id.0).min();
        let covered = IdRange { first: lowest.unwrap_or(range.first), last: range.last };
        Ok(HistoryPage { messages, pts, covered, seen })
    }
}
