//! Pushing updates to connected clients (publish/subscribe).

use grammers_tl_types::{Serializable, enums, types};

use crate::clock;
use crate::core::Core;
use crate::encode::{AccountView, MentionedPeers};
use crate::hub::PushSender;
use crate::world::{AccountState, BareId, World};

/// What is pushed after the world has changed.
pub(super) enum PushedEvent {
    New(i32),
    Edited(i32),
    Deleted(Vec<i32>),
    Reacted(i32),
}

impl Core {
    /// Pushes what happened in a chat, or in a copy of it, to everybody there who is not kept from it.
    pub(super) fn push(&self, world: &World, index: u32, pts: i32, push: &PushedEvent) {
        let Some(chat) = world.chats.get(index as usize) else { return };
        for member in chat.audience() {
            let receives = world.accounts.get(*member).is_some_and(|account| {
                !account.muted && account.state == AccountState::SignedIn && !account.forbidden.contains(&chat.peer)
            });
            if !receives || !self.hub.has_subscribers(*member) {
                continue;
            }
            let view = AccountView::new(world, *member);
            let mut mentioned = MentionedPeers::default();
            mentioned.add(chat.peer);
            let mut message = |id: i32| {
                let message = chat.shown(*member, id)?;
                mentioned.add_message(chat, message);
                Some(view.message(chat, message))
            };
            let channel_id = match chat.peer.bare() {
                BareId::Channel(id) => Some(id),
                _ => None,
            };
            let update: Option<enums::Update> = match push {
                PushedEvent::New(id) => message(*id).map(|message| match channel_id {
                    Some(_) => types::UpdateNewChannelMessage { message, pts, pts_count: 1 }.into(),
                    None => types::UpdateNewMessage { message, pts, pts_count: 1 }.into(),
                }),
                PushedEvent::Edited(id) => message(*id).map(|message| match channel_id {
                    Some(_) => types::UpdateEditChannelMessage { message, pts, pts_count: 1 }.into(),
                    None => types::UpdateEditMessage { message, pts, pts_count: 1 }.into(),
                }),
                PushedEvent::Deleted(ids) => {
                    let (messages, pts_count) = (ids.clone(), ids.len() as i32);
                    Some(match channel_id {
                        Some(channel_id) => types::UpdateDeleteChannelMessages { channel_id, messages, pts, pts_count }.into(),
                        None => types::UpdateDeleteMessages { messages, pts, pts_count }.into(),
                    })
                }
                PushedEvent::Reacted(id) => chat.shown(*member, *id).map(|message| {
                    let update = types::UpdateMessageReactions {
                        peer: chat.peer.into(),
                        msg_id: *id,
                        top_msg_id: None,
                        saved_peer_id: None,
                        reactions: AccountView::reactions(message),
                    };
                    update.into()
                }),
            };
            let Some(update) = update else { continue };
            let updates = types::Updates {
                updates: vec![update],
                users: mentioned.users(view),
                chats: mentioned.chats(view),
                date: clock::unix_seconds(),
                seq: 0,
            };
            self.hub.push(*member, &enums::Updates::Updates(updates).to_bytes(), None);
        }
    }

    /// Tells an account that it is in a chat now, or not any more, on all its connections but the one that knows; returns what
    /// is told.
    pub(crate) fn push_membership(&self, world: &World, account: usize, index: u32, but: Option<&PushSender>) -> enums::Updates {
        let view = AccountView::new(world, account);
        let update = world.chats.get(index as usize).and_then(|chat| match chat.peer.bare() {
            BareId::Channel(channel_id) => Some(types::UpdateChannel { channel_id }.into()),
            BareId::Group(chat_id) => Some(types::UpdateChat { chat_id }.into()),
            BareId::User(_) => None,
        });
        let updates = enums::Updates::Updates(types::Updates {
            updates: update.into_iter().collect(),
            users: vec![],
            chats: view.chat(index).into_iter().collect(),
            date: clock::unix_seconds(),
            seq: 0,
        });
        if world.accounts.get(account).is_some_and(|account| !account.muted && account.state == AccountState::SignedIn) {
            self.hub.push(account, &updates.to_bytes(), but);
        }
        updates
    }
}
