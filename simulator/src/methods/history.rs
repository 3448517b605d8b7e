//! Histories: pagination of messages, and messages by id.

use std::ops::Range;

use grammers_tl_types::{Serializable, enums, functions as f, types};

use super::Call;
use crate::answer::{Answer, RpcError};
use crate::encode::{AccountView, MentionedPeers};
use crate::world::{BareId, Chat, History, Message};

/// Telegram's own bound on the page size.
const PAGE_SIZE_MAX: i32 = 100;

/// The pagination window: which part of a history is asked for; see <https://core.telegram.org/api/offsets>.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    pub offset_id: i32,
    pub offset_date: i32,
    pub add_offset: i32,
    pub limit: i32,
    pub max_id: i32,
    pub min_id: i32,
}

impl Window {
    /// The positions of the messages asked for, in ascending order; they are sent newest first.
    ///
    /// The window is laid over the list from newest to oldest, beginning after the messages at or above the offset, and
    /// moved by `add_offset`; `max_id` and `min_id` only thin out what is inside it, exactly as Telegram does it.
    pub(super) fn select(&self, history: &History) -> Range<usize> {
        let count = history.len() as i64;
        let older = if self.offset_id > 0 {
            history.count_below(self.offset_id)
        } else if self.offset_date > 0 {
            history.count_before(self.offset_date)
        } else {
            history.len()
        };
        let limit = i64::from(self.limit.clamp(0, PAGE_SIZE_MAX));
        let newest = count - older as i64 + i64::from(self.add_offset);
        let start = newest.clamp(0, count);
        let end = (newest + limit).clamp(0, count);
        let (mut low, mut high) = ((count - end) as usize, (count - start) as usize);
        if self.max_id > 0 {
            high = high.min(history.count_below(self.max_id));
        }
        if self.min_id > 0 {
            low = low.max(history.count_below(self.min_id.saturating_add(1)));
        }
        low..high.max(low)
    }
}

impl Call<'_> {
    pub(super) fn get_history(&self) -> Answer {
        let request: f::messages::GetHistory = self.request()?;
        let world = self.core.world();
        let (_, chat) = self.chat_of(&world, &request.peer)?;
        let window = Window {
            offset_id: request.offset_id,
            offset_date: request.offset_date,
            add_offset: request.add_offset,
            limit: request.limit,
            max_id: request.max_id,
            min_id: request.min_id,
        };
        let hidden = chat.history.count_below(chat.first_shown(self.account));
        let Range { start, end } = window.select(&chat.history);
        let page = chat.history.messages().get(start.max(hidden)..end.max(hidden)).unwrap_or_default();
        let view = AccountView::new(&world, self.account);
        let mut mentioned = MentionedPeers::default();
        mentioned.add(chat.peer);
        page.iter().for_each(|message| mentioned.add_message(chat, message));
        let messages = page.iter().rev().map(|message| view.message(chat, message)).collect();
        let mut answer = messages_of(chat, messages, page.len(), &mentioned, view).to_bytes();
        for message in page.iter().filter(|message| chat.unknown.contains(&message.id)) {
            make_unknown(&mut answer, &view.message(chat, message).to_bytes());
        }
        Ok(answer)
    }

    pub(super) fn get_channel_messages(&self) -> Answer {
        let request: f::channels::GetMessages = self.request()?;
        let world = self.core.world();
        let (_, chat) = self.channel_of(&world, &request.channel)?;
        let view = AccountView::new(&world, self.account);
        let mut mentioned = MentionedPeers::default();
        mentioned.add(chat.peer);
        let messages: Vec<_> = ids(&request.id)?
            .map(|id| match chat.shown(self.account, id) {
                Some(message) => {
                    mentioned.add_message(chat, message);
                    view.message(chat, message)
                }
                None => AccountView::empty_message(id, Some(chat.peer)),
            })
            .collect();
        let count = messages.len();
        Ok(messages_of(chat, messages, count, &mentioned, view).to_bytes())
    }

    pub(super) fn get_messages(&self) -> Answer {
        let request: f::messages::GetMessages = self.request()?;
        let world = self.core.world();
        let view = AccountView::new(&world, self.account);
        let mut mentioned = MentionedPeers::default();
        let messages = ids(&request.id)?
            .map(|id| match self.own_message(&world, id) {
                Some((chat, message)) => {
                    mentioned.add_message(chat, message);
                    view.message(chat, message)
                }
                None => AccountView::empty_message(id, None),
            })
            .collect();
        let answer =
            types::messages::Messages { messages, topics: vec![], chats: mentioned.chats(view), users: mentioned.users(view) };
        Ok(enums::messages::Messages::Messages(answer).to_bytes())
    }

    /// A message of the account's own sequence: of a basic group or a private chat.
    pub(super) fn own_message<'w>(&self, world: &'w crate::world::World, id: i32) -> Option<(&'w Chat, &'w Message)> {
        let index = world.accounts.get(self.account)?.chat_of_message(id)?;
        let chat = world.chats.get(index as usize)?;
        chat.history.get(id).map(|message| (chat, message))
    }
}

/// The ids that are asked for; replies and pinned messages by reference are not simulated.
fn ids(messages: &[enums::InputMessage]) -> Result<impl Iterator<Item = i32> + '_, RpcError> {
    if messages.is_empty() {
        return Err(RpcError::new(400, "MESSAGE_IDS_EMPTY"));
    }
    Ok(messages.iter().take(PAGE_SIZE_MAX as usize).map(|message| match message {
        enums::InputMessage::Id(message) => message.id,
        enums::InputMessage::ReplyTo(message) => message.id,
        enums::InputMessage::CallbackQuery(message) => message.id,
        enums::InputMessage::Pinned => 0,
    }))
}

/// Gives a part of an answer a constructor of no schema.
fn make_unknown(answer: &mut [u8], part: &[u8]) {
    let at = answer.windows(part.len()).position(|window| window == part);
    if let Some(constructor) = at.and_then(|at| answer.get_mut(at..at + 4)) {
        constructor.copy_from_slice(&[0xde, 0xad, 0xbe, 0xef]);
    }
}

/// Messages in the form that belongs to the kind of chat.
fn messages_of(
    chat: &Chat,
    messages: Vec<enums::Message>,
    shown: usize,
    mentioned: &MentionedPeers,
    view: AccountView<'_>,
) -> enums::messages::Messages {
    let (chats, users) = (mentioned.chats(view), mentioned.users(view));
    let total = chat.history.len() - chat.history.count_below(chat.first_shown(view.account));
    let count = total as i32;
    if matches!(chat.peer.bare(), BareId::Channel(_)) {
        return enums::messages::Messages::ChannelMessages(types::messages::ChannelMessages {
            inexact: false,
            pts: chat.journal.pts(),
            count,
            offset_id_offset: None,
            messages,
            topics: vec![],
            chats,
            users,
        });
    }
    if shown >= total {
        return enums::messages::Messages::Messages(types::messages::Messages { messages, topics: vec![], chats, users });
    }
    enums::messages::Messages::Slice(types::messages::MessagesSlice {
        inexact: false,
        count,
        next_rate: None,
        offset_id_offset: None,
        search_flood: None,
        messages,
        topics: vec![],
        chats,
        users,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(ids: &[i32]) -> History {
        let mut history = History::default();
        for id in ids {
            history.push(Message::new(*id, id * 10, None, ""));
        }
        history
    }

    /// The documented meaning, written the slow way.
    fn expected(ids: &[i32], window: &Window) -> Vec<i32> {
        let mut newest_first: Vec<i32> = ids.to_vec();
        newest_first.reverse();
        let skipped = newest_first
            .iter()
            .filter(|id| {
                if window.offset_id > 0 {
                    **id >= window.offset_id
                } else {
                    window.offset_date > 0 && **id * 10 >= window.offset_date
                }
            })
            .count() as i32;
        let from = skipped + window.add_offset;
        newest_first
            .iter()
            .enumerate()
            .filter(|(at, _)| (*at as i32) >= from && (*at as i32) < from + window.limit.clamp(0, 100))
            .map(|(_, id)| *id)
            .filter(|id| (window.max_id == 0 || *id < window.max_id) && *id > window.min_id)
            .collect()
    }

    #[test]
    fn a_window_selects_what_the_documentation_says() {
        let ids = [2, 3, 5, 6, 7, 11, 12, 13, 14, 20];
        let history = history(&ids);
        for offset_id in [0, 1, 2, 4, 7, 12, 20, 21, i32::MAX] {
            for offset_date in [0, 55, 120] {
                for add_offset in [-100, -11, -3, -1, 0, 1, 4, 100] {
                    for limit in [0, 1, 3, 10, 1000] {
                        for (max_id, min_id) in [(0, 0), (12, 0), (0, 6), (14, 3), (3, 14), (1, 0), (0, i32::MAX)] {
                            let window = Window { offset_id, offset_date, add_offset, limit, max_id, min_id };
                            let page = history.messages().get(window.select(&history)).unwrap();
                            let got: Vec<i32> = page.iter().rev().map(|message| message.id).collect();
                            assert_eq!(got, expected(&ids, &window), "{window:?}");
                        }
                    }
                }
            }
        }
    }
}
