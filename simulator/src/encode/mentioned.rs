//! The users and chats that an answer's messages mention, each once.

use std::collections::BTreeSet;

use grammers_tl_types::enums;

use super::AccountView;
use crate::world::{BareId, Chat, EntityKind, Message, PeerId, Service};

/// Collects the peers that must accompany messages, each once (deduplication).
#[derive(Default)]
pub(crate) struct MentionedPeers {
    peers: BTreeSet<PeerId>,
}

impl MentionedPeers {
    /// Adds a peer.
    pub(crate) fn add(&mut self, peer: PeerId) {
        self.peers.insert(peer);
    }

    /// Adds everything that a message mentions, the chat it is in included.
    pub(crate) fn add_message(&mut self, chat: &Chat, message: &Message) {
        self.add(chat.peer);
        if let Some(sender) = message.sender {
            self.add(sender);
        }
        let Some(extra) = &message.extra else { return };
        if let Some(from) = extra.forward.as_ref().and_then(|forward| forward.from) {
            self.add(from);
        }
        if let Some(bot) = extra.via_bot {
            self.add(PeerId::user(bot));
        }
        for entity in &extra.entities {
            if let EntityKind::MentionName { user } = entity.kind {
                self.add(PeerId::user(user));
            }
        }
        match &extra.service {
            Some(Service::ChatCreate { users, .. } | Service::ChatAddUser { users }) => {
                users.iter().for_each(|user| self.add(PeerId::user(*user)));
            }
            Some(Service::ChatDeleteUser { user } | Service::ChatJoinedByLink { inviter: user }) => self.add(PeerId::user(*user)),
            Some(Service::ChatMigrateTo { channel }) => self.add(PeerId::channel(*channel)),
            Some(Service::ChannelMigrateFrom { chat, .. }) => self.add(PeerId::group(*chat)),
            _ => {}
        }
    }

    /// The users among them.
    pub(crate) fn users(&self, view: AccountView<'_>) -> Vec<enums::User> {
        self.peers
            .iter()
            .filter_map(|peer| match peer.bare() {
                BareId::User(id) => view.world.user(id).map(|user| view.user(user)),
                _ => None,
            })
            .collect()
    }

    /// The groups and channels among them.
    pub(crate) fn chats(&self, view: AccountView<'_>) -> Vec<enums::Chat> {
        self.peers
            .iter()
            .filter_map(|peer| match peer.bare() {
                BareId::User(_) => None,
                _ => view.world.chat_of.get(peer).and_then(|index| view.chat(*index)),
            })
            .collect()
    }
}
