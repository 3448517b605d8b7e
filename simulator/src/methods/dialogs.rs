//! Dialogs: the list of an account's chats, newest first, with pagination.

use grammers_tl_types::{Serializable, enums, functions as f, types};

use super::Call;
use crate::answer::{Answer, RpcError};
use crate::encode::{AccountView, MentionedPeers};
use crate::world::{Chat, Listing, PeerId, World};

/// Telegram's own bound on the page size.
const PAGE_SIZE_MAX: i32 = 100;

#[derive(Default)]
struct DialogList {
    dialogs: Vec<enums::Dialog>,
    messages: Vec<enums::Message>,
    mentioned: MentionedPeers,
}

impl DialogList {
    fn add(&mut self, view: AccountView<'_>, index: u32, chat: &Chat) {
        self.dialogs.push(view.dialog(index, chat));
        self.mentioned.add(chat.peer);
        if let Some(newest) = chat.newest_shown(view.account) {
            self.mentioned.add_message(chat, newest);
            self.messages.push(view.message(chat, newest));
        }
    }
}

impl Call<'_> {
    pub(super) fn get_dialogs(&self) -> Answer {
        let request: f::messages::GetDialogs = self.request()?;
        let world = self.core.world();
        let view = AccountView::new(&world, self.account);
        let account = world.accounts.get(self.account).ok_or(super::AUTH_KEY_UNREGISTERED)?;
        let listing = match request.folder_id {
            None => Listing::All,
            Some(0) => Listing::Main,
            Some(1) => Listing::Archived,
            Some(_) => return Err(RpcError::new(400, "FOLDER_ID_INVALID")),
        };
        let last = (request.offset_date > 0 || request.offset_id > 0).then(|| {
            // Keyset pagination: a dialog that moved up since the last page is not skipped over, because the order is compared and not the
            // place.
            let date = if request.offset_date > 0 { request.offset_date } else { i32::MAX };
            let id = if request.offset_id > 0 { request.offset_id } else { i32::MAX };
            (date, id, self.offset_peer(&world, &request.offset_peer).unwrap_or(PeerId::from_marked(i64::MIN)))
        });
        let limit = request.limit.clamp(0, PAGE_SIZE_MAX) as usize;
        let mut listed = DialogList::default();
        for index in account.order.below(listing, last).take(limit) {
            if let Some(chat) = world.chats.get(index as usize) {
                listed.add(view, index, chat);
            }
        }
        let count = account.order.len(listing);
        let (chats, users) = (listed.mentioned.chats(view), listed.mentioned.users(view));
        let DialogList { dialogs, messages, .. } = listed;
        let answer = if dialogs.len() == count {
            enums::messages::Dialogs::Dialogs(types::messages::Dialogs { dialogs, messages, chats, users })
        } else {
            let count = count as i32;
            enums::messages::Dialogs::Slice(types::messages::DialogsSlice { count, dialogs, messages, chats, users })
        };
        Ok(answer.to_bytes())
    }

    fn offset_peer(&self, world: &World, peer: &enums::InputPeer) -> Option<PeerId> {
        self.chat_of(world, peer).ok().map(|(_, chat)| chat.peer)
    }

    pub(super) fn get_pinned_dialogs(&self) -> Answer {
        let world = self.core.world();
        Ok(self.peer_dialogs(DialogList::default(), AccountView::new(&world, self.account)))
    }

    pub(super) fn get_peer_dialogs(&self) -> Answer {
        let request: f::messages::GetPeerDialogs = self.request()?;
        let world = self.core.world();
        let view = AccountView::new(&world, self.account);
        let mut listed = DialogList::default();
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

    fn peer_dialogs(&self, listed: DialogList, view: AccountView<'_>) -> Vec<u8> {
        let answer = types::messages::PeerDialogs {
            chats: listed.mentioned.chats(view),
            users: listed.mentioned.users(view),
            dialogs: listed.dialogs,
            messages: listed.messages,
            state: Self::state_of(view.world, self.account),
        };
        enums::messages::PeerDialogs::Dialogs(answer).to_bytes()
    }

    pub(super) fn get_dialog_filters(&self) -> Answer {
        let world = self.core.world();
        let view = AccountView::new(&world, self.account);
        let folders = world.accounts.get(self.account).map(|account| &account.folders[..]).unwrap_or_default();
        let filters =
            [enums::DialogFilter::Default].into_iter().chain(folders.iter().map(|folder| view.folder(folder))).collect();
        let filters = types::messages::DialogFilters { tags_enabled: false, filters };
        Ok(enums::messages::DialogFilters::Filters(filters).to_bytes())
    }
}
