//! Differences (incremental sync): what happened since a pts, for the account and for each channel.

use grammers_tl_types::{Serializable, enums, functions as f, types};

use super::Call;
use crate::answer::{Answer, RpcError};
use crate::clock;
use crate::encode::{AccountView, MentionedPeers};
use crate::faults::Fault;
use crate::world::{Event, World};

/// The page size of a difference, in events; the client asks again for the rest.
const EVENTS_MAX: usize = 100;
/// The poll interval of a channel's difference.
const POLL_AFTER_SECONDS: i32 = 30;

#[derive(Default)]
struct DifferenceEvents {
    new_messages: Vec<enums::Message>,
    other_updates: Vec<enums::Update>,
    mentioned: MentionedPeers,
    pts: i32,
}

impl Call<'_> {
    pub(super) fn state(&self) -> enums::updates::State {
        Self::state_of(&self.core.world(), self.account)
    }

    pub(super) fn state_of(world: &World, account: usize) -> enums::updates::State {
        let pts = world.accounts.get(account).map_or(1, |account| account.journal.pts());
        Self::state_at(pts)
    }

    fn state_at(pts: i32) -> enums::updates::State {
        // A pts of zero would mean "unknown" to clients.
        let state = types::updates::State { pts: pts.max(1), qts: 0, date: clock::unix_seconds(), seq: 0, unread_count: 0 };
        enums::updates::State::State(state)
    }

    pub(super) fn get_difference(&self) -> Answer {
        let request: f::updates::GetDifference = self.request()?;
        let world = self.core.world();
        let view = AccountView::new(&world, self.account);
        let account = world.accounts.get(self.account).ok_or(RpcError::new(401, "AUTH_KEY_UNREGISTERED"))?;
        let now = account.journal.pts();
        let gap = now.saturating_sub(request.pts);
        if self.fault == Some(Fault::TooLong) || request.pts_total_limit.unwrap_or(self.core.options.difference_gap_max) < gap {
            let too_long = types::updates::DifferenceTooLong { pts: now.max(1) };
            return Ok(enums::updates::Difference::TooLong(too_long).to_bytes());
        }
        if gap <= 0 {
            let empty = types::updates::DifferenceEmpty { date: clock::unix_seconds(), seq: 0 };
            return Ok(enums::updates::Difference::Empty(empty).to_bytes());
        }
        let mut gathered = DifferenceEvents { pts: request.pts, ..DifferenceEvents::default() };
        for (pts, event) in account.journal.after(request.pts).take(EVENTS_MAX) {
            gathered.pts = pts;
            match event {
                Event::New(id) => {
                    if let Some((chat, message)) = self.own_message(&world, id) {
                        gathered.mentioned.add_message(chat, message);
                        gathered.new_messages.push(view.message(chat, message));
                    }
                }
                Event::Edited(id) => {
                    if let Some((chat, message)) = self.own_message(&world, id) {
                        gathered.mentioned.add_message(chat, message);
                        let message = view.message(chat, message);
                        gathered.other_updates.push(types::UpdateEditMessage { message, pts, pts_count: 1 }.into());
                    }
                }
                Event::Deleted(messages) => {
                    let pts_count = messages.len() as i32;
                    gathered.other_updates.push(types::UpdateDeleteMessages { messages, pts, pts_count }.into());
                }
            }
        }
        let (chats, users) = (gathered.mentioned.chats(view), gathered.mentioned.users(view));
        let DifferenceEvents { new_messages, other_updates, pts, .. } = gathered;
        let answer = if pts >= now {
            enums::updates::Difference::Difference(types::updates::Difference {
                new_messages,
                new_encrypted_messages: vec![],
                other_updates,
                chats,
                users,
                state: Self::state_at(pts),
            })
        } else {
            enums::updates::Difference::Slice(types::updates::DifferenceSlice {
                new_messages,
                new_encrypted_messages: vec![],
                other_updates,
                chats,
                users,
                intermediate_state: Self::state_at(pts),
            })
        };
        Ok(answer.to_bytes())
    }

    pub(super) fn get_channel_difference(&self) -> Answer {
        let request: f::updates::GetChannelDifference = self.request()?;
        let world = self.core.world();
        let view = AccountView::new(&world, self.account);
        let (index, chat) = self.channel_of(&world, &request.channel)?;
        if request.pts < 1 {
            return Err(RpcError::new(400, "PERSISTENT_TIMESTAMP_EMPTY"));
        }
        let now = chat.journal.pts();
        let timeout = Some(POLL_AFTER_SECONDS);
        let mut gathered = DifferenceEvents { pts: request.pts, ..DifferenceEvents::default() };
        gathered.mentioned.add(chat.peer);
        let gap = now.saturating_sub(request.pts);
        if self.fault == Some(Fault::TooLong) || gap > self.core.options.channel_difference_gap_max {
            if let Some(newest) = chat.newest_shown(self.account) {
                gathered.mentioned.add_message(chat, newest);
                gathered.new_messages.push(view.message(chat, newest));
            }
            let too_long = types::updates::ChannelDifferenceTooLong {
                r#final: true,
                timeout,
                dialog: view.dialog(index, chat),
                messages: gathered.new_messages,
                chats: gathered.mentioned.chats(view),
                users: gathered.mentioned.users(view),
            };
            return Ok(enums::updates::ChannelDifference::TooLong(too_long).to_bytes());
        }
        if gap <= 0 {
            let empty = types::updates::ChannelDifferenceEmpty { r#final: true, pts: now.max(1), timeout };
            return Ok(enums::updates::ChannelDifference::Empty(empty).to_bytes());
        }
        let limit = usize::try_from(request.limit).unwrap_or(0).clamp(1, EVENTS_MAX);
        let crate::world::BareId::Channel(channel_id) = chat.peer.bare() else {
            return Err(RpcError::new(400, "CHANNEL_INVALID"));
        };
        for (pts, event) in chat.journal.after(request.pts).take(limit) {
            gathered.pts = pts;
            match event {
                Event::New(id) => {
                    if let Some(message) = chat.shown(self.account, id) {
                        gathered.mentioned.add_message(chat, message);
                        gathered.new_messages.push(view.message(chat, message));
                    }
                }
                Event::Edited(id) => {
                    if let Some(message) = chat.shown(self.account, id) {
                        gathered.mentioned.add_message(chat, message);
                        let message = view.message(chat, message);
                        gathered.other_updates.push(types::UpdateEditChannelMessage { message, pts, pts_count: 1 }.into());
                    }
                }
                Event::Deleted(messages) => {
                    let pts_count = messages.len() as i32;
                    let update = types::UpdateDeleteChannelMessages { channel_id, messages, pts, pts_count };
                    gathered.other_updates.push(update.into());
                }
            }
        }
        let difference = types::updates::ChannelDifference {
            r#final: gathered.pts >= now,
            pts: gathered.pts,
            timeout,
            chats: gathered.mentioned.chats(view),
            users: gathered.mentioned.users(view),
            new_messages: gathered.new_messages,
            other_updates: gathered.other_updates,
        };
        Ok(enums::updates::ChannelDifference::Difference(difference).to_bytes())
    }
}
