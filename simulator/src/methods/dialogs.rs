//! Dialogs: the list of an account's chats, newest first.

use std::cmp::Reverse;

use grammers_tl_types::{Serializable, enums, functions as f, types};

use super::Call;
use crate::encode::{Referenced, View};
use crate::wire::session::{Answer, RpcError};
use crate::world::{Chat, PeerId, World};

/// Telegram's own bound on a page.
const PAGE_SIZE_MAX: i32 = 100;

/// What dialogs are ordered by: the date and id of the newest message, then the peer, to make it total.
fn rank(chat: &Chat) -> (i32, i32, PeerId) {
    let newest = chat.history.newest();
    (newest.map_or(chat.date, |message| message.date), newest.map_or(0, |message| message.id), chat.peer)
}

#[derive(Default)]
struct Listed {
    dialogs: Vec<enums::Dialog>,
    messages: Vec<enums::Message>,
    referenced: Referenced,
}

impl Listed {
    fn add(&mut self, view: View<'_>, index: u32, chat: &Chat) {
        self.dialogs.push(view.dialog(index, chat));
        self.referenced.add(chat.peer);
        if let Some(newest) = chat.history.newest() {
            self.referenced.add_message(chat, newest);
            self.messages.push(view.message(chat, newest));
        }
    }
}

impl Call<'_> {
    /// The account's dialogs, newest first. Without a folder every dialog is listed, archived or not, as Telegram does it.
    fn dialogs<'w>(&self, world: &'w World, folder: Option<i32>) -> Vec<(u32, &'w Chat)> {
        let Some(account) = world.accounts.get(self.account) else { return Vec::new() };
        let mut dialogs: Vec<_> = account
            .dialogs
            .iter()
            .filter(|index| folder.is_none_or(|folder| i32::from(account.archived.contains(index)) == folder))
            .filter_map(|index| Some((*index, world.chats.get(*index as usize)?)))
            .filter(|(_, chat)| !account.forbidden.contains(&chat.peer))
            .collect();
        dialogs.sort_by_key(|(_, chat)| Reverse(rank(chat)));
        dialogs
    }

    pub(super) fn get_dialogs(&self) -> Answer {
        let request: f::messages::GetDialogs = self.request()?;
        let world = self.core.world();
        let view = View::new(&world, self.account);
        let all = self.dialogs(&world, request.folder_id);
        let offset_peer = self.offset_peer(&world, &request.offset_peer);
        let from = if request.offset_date <= 0 && request.offset_id <= 0 {
            0
        } else {
            // A dialog that moved up since the last page is not skipped over: the order is compared, not the place.
            let date = if request.offset_date > 0 { request.offset_date } else { i32::MAX };
            let id = if request.offset_id > 0 { request.offset_id } else { i32::MAX };
            let last = (date, id, offset_peer.unwrap_or(PeerId::from_marked(i64::MIN)));
            all.partition_point(|(_, chat)| rank(chat) >= last)
        };
        let limit = request.limit.clamp(0, PAGE_SIZE_MAX) as usize;
        let mut listed = Listed::default();
        for (index, chat) in all.iter().skip(from).take(limit) {
            listed.add(view, *index, chat);
        }
        let (chats, users) = (listed.referenced.chats(view), listed.referenced.users(view));
        let Listed { dialogs, messages, .. } = listed;
        let answer = if dialogs.len() == all.len() {
            enums::messages::Dialogs::Dialogs(types::messages::Dialogs { dialogs, messages, chats, users })
        } else {
            let count = all.len() as i32;
            enums::messages::Dialogs::Slice(types::messages::DialogsSlice { count, dialogs, messages, chats, users })
        };
        Ok(answer.to_bytes())
    }

    fn offset_peer(&self, world: &World, peer: &enums::InputPeer) -> Option<PeerId> {
        self.chat_of(world, peer).ok().map(|(_, chat)| chat.peer)
    }

    pub(super) fn get_pinned_dialogs(&self) -> Answer {
        let world = self.core.world();
        Ok(self.peer_dialogs(Listed::default(), View::new(&world, self.account)))
    }

    pub(super) fn get_peer_dialogs(&self) -> Answer {
        let request: f::messages::GetPeerDialogs = self.request()?;
        let world = self.core.world();
        let view = View::new(&world, self.account);
        let mut listed = Listed::default();
        for peer in request.peers.iter().take(PAGE_SIZE_MAX as usize) {
            match peer {
                enums::InputDialogPeer::Peer(peer) => {
                    let (index, chat) = self.chat_of(&world, &peer.peer)?;
                    listed.add(view, index, chat);
                }
                _ => return Err(RpcError::new(400, "FOLDER_ID_INVALID")),
            }
        }
        Ok(self.peer_dialogs(listed, view))
    }

    fn peer_dialogs(&self, listed: Listed, view: View<'_>) -> Vec<u8> {
        let answer = types::messages::PeerDialogs {
            chats: listed.referenced.chats(view),
            users: listed.referenced.users(view),
            dialogs: listed.dialogs,
            messages: listed.messages,
            state: Self::state_of(view.world, self.account),
        };
        enums::messages::PeerDialogs::Dialogs(answer).to_bytes()
    }

    pub(super) fn get_dialog_filters(&self) -> Answer {
        let filters = types::messages::DialogFilters { tags_enabled: false, filters: vec![enums::DialogFilter::Default] };
        Ok(enums::messages::DialogFilters::Filters(filters).to_bytes())
    }
}
