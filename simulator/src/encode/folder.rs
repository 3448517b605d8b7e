//! Folders, and how an account names peers in them.

use grammers_tl_types::{enums, types};

use super::AccountView;
use crate::world::{BareId, Folder, PeerId};

impl AccountView<'_> {
    /// A peer as the account would ask for it.
    pub(crate) fn input_peer(&self, peer: PeerId) -> enums::InputPeer {
        let access_hash = self.world.access_hash(self.account, peer);
        match peer.bare() {
            BareId::User(user_id) => types::InputPeerUser { user_id, access_hash }.into(),
            BareId::Group(chat_id) => types::InputPeerChat { chat_id }.into(),
            BareId::Channel(channel_id) => types::InputPeerChannel { channel_id, access_hash }.into(),
        }
    }

    /// A folder.
    pub(crate) fn folder(&self, folder: &Folder) -> enums::DialogFilter {
        let peers = |peers: &[PeerId]| peers.iter().map(|peer| self.input_peer(*peer)).collect();
        enums::DialogFilter::Filter(types::DialogFilter {
            contacts: folder.contacts,
            non_contacts: folder.non_contacts,
            groups: folder.groups,
            broadcasts: folder.broadcasts,
            bots: folder.bots,
            exclude_muted: folder.exclude_muted,
            exclude_read: folder.exclude_read,
            exclude_archived: folder.exclude_archived,
            title_noanimate: false,
            id: folder.id,
            title: types::TextWithEntities { text: folder.title.clone(), entities: vec![] }.into(),
            emoticon: None,
            color: None,
            pinned_peers: peers(&folder.pinned_peers),
            include_peers: peers(&folder.include_peers),
            exclude_peers: peers(&folder.exclude_peers),
        })
    }
}
