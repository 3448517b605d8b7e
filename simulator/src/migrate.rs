//! Migration: a basic group becomes a supergroup, a new peer with ids of its own.

use crate::clock;
use crate::script::{Post, ScriptError};
use crate::simulator::Simulator;
use crate::world::{Chat, ChatKind, PeerId, Service, World};

impl Simulator {
    /// Turns a basic group into a supergroup and returns the new peer. The old one stays in the dialogs, says where it went,
    /// and keeps its history; the new one begins with `channel_migrate_from`.
    ///
    /// # Errors
    /// When there is no such basic group.
    pub fn migrate(&self, group: PeerId) -> Result<PeerId, ScriptError> {
        let (channel, title) = {
            let mut world = self.core.world_mut();
            let old = *world.chat_of.get(&group).ok_or(ScriptError::NoSuchPeer(group))?;
            add_successor(&mut world, old).ok_or(ScriptError::NoSuchPeer(group))?
        };
        let bare = |peer: PeerId| match peer.bare() {
            crate::world::BareId::User(id) | crate::world::BareId::Group(id) | crate::world::BareId::Channel(id) => id,
        };
        let moved = Service::ChatMigrateTo { channel: bare(channel) };
        self.post(group, Post { service: Some(moved), ..Post::default() })?;
        let came = Service::ChannelMigrateFrom { title, chat: bare(group) };
        self.post(channel, Post { service: Some(came), sender: Some(channel), ..Post::default() })?;
        Ok(channel)
    }
}

/// Adds the supergroup that a basic group becomes; nothing where the chat is no basic group.
fn add_successor(world: &mut World, old: u32) -> Option<(PeerId, String)> {
    let index = world.chats.len() as u32;
    let highest = world.chats.iter().filter(|chat| chat.kind.is_channel()).map(|chat| chat.peer).min();
    // Channels' marked ids are negative: the next free one is below the lowest.
    let peer = highest.map_or(PeerId::channel(1_100_000_000), |peer| PeerId::from_marked(peer.marked() - 1));
    let invite = world.invite_hash(peer, 0);
    let group = world.chats.get_mut(old as usize).filter(|chat| chat.kind == ChatKind::Group && chat.migrated_to.is_none())?;
    group.migrated_to = Some(peer);
    let title = group.title.clone();
    let chat = Chat {
        about: group.about.clone(),
        date: clock::unix_seconds(),
        members: group.members.clone(),
        participants: group.participants.clone(),
        participants_count: group.participants_count,
        invite: Some(invite.clone()),
        ..Chat::new(peer, ChatKind::Supergroup, title.clone())
    };
    for member in &chat.members {
        if let Some(account) = world.accounts.get_mut(*member) {
            // The highest index of all: the dialogs stay in order.
            account.dialogs.push(index);
        }
    }
    world.chat_of.insert(peer, index);
    world.chat_of_invite.insert(invite, index);
    world.chats.push(chat);
    Some((peer, title))
}
