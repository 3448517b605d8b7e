//! Migration: a basic group becomes a supergroup, a new peer with ids of its own.

use crate::clock;
use crate::script::{Post, ScriptError};
use crate::simulator::Simulator;
use crate::world::{BareId, Chat, ChatKind, PeerId, Service, World};

impl Simulator {
    /// Turns a basic group into a supergroup and returns the new peer, in which all its members are. The old one stays in the dialogs, says
    /// where it went, and keeps its history, each account's own; the new one begins with `channel_migrate_from`.
    ///
    /// # Errors
    /// When there is no such basic group, it is none any more, or nobody is in it.
    pub fn migrate(&self, group: PeerId) -> Result<PeerId, ScriptError> {
        let mut world = self.core.world_mut();
        let old = *world.chat_of.get(&group).ok_or(ScriptError::NoSuchPeer(group))?;
        if world.chats.get(old as usize).is_some_and(|chat| chat.migrated_to.is_some()) {
            return Err(ScriptError::Migrated(group));
        }
        let live = *world.live_copies(old).first().ok_or(ScriptError::NobodyThere(group))?;
        let (new, channel, title) = add_successor(&mut world, old).ok_or(ScriptError::NoSuchPeer(group))?;
        let moved = Service::ChatMigrateTo { channel: bare(channel) };
        self.core.post(&mut world, live, Post { service: Some(moved), ..Post::default() })?;
        let came = Service::ChannelMigrateFrom { title, chat: bare(group) };
        self.core.post(&mut world, new, Post { service: Some(came), sender: Some(channel), ..Post::default() })?;
        Ok(channel)
    }
}

fn bare(peer: PeerId) -> i64 {
    match peer.bare() {
        BareId::User(id) | BareId::Group(id) | BareId::Channel(id) => id,
    }
}

/// Adds the supergroup that a basic group becomes; nothing where the chat is no basic group.
fn add_successor(world: &mut World, old: u32) -> Option<(u32, PeerId, String)> {
    let index = world.chats.len() as u32;
    let highest = world.chats.iter().filter(|chat| chat.kind.is_channel()).map(|chat| chat.peer).min();
    // Channels' marked ids are negative: the next free one is below the lowest.
    let peer = highest.map_or(PeerId::channel(1_100_000_000), |peer| PeerId::from_marked(peer.marked() - 1));
    let invite = world.invite_hash(peer, 0);
    let group = world.chats.get(old as usize).filter(|chat| chat.kind == ChatKind::Group)?;
    let title = group.title.clone();
    let chat = Chat {
        about: group.about.clone(),
        date: clock::unix_seconds(),
        members: group.members.clone(),
        participants: group.participants.clone(),
        participants_count: group.participants_count,
        invite: Some(invite.clone()),
        migrated_from: Some(group.peer),
        ..Chat::new(peer, ChatKind::Supergroup, title.clone())
    };
    world.change_copies(old, |copy| copy.migrated_to = Some(peer));
    for member in &chat.members {
        if let Some(account) = world.accounts.get_mut(*member) {
            // The highest index of all: the dialogs stay in order.
            account.dialogs.push(index);
        }
    }
    world.chat_of.insert(peer, index);
    world.chat_of_invite.insert(invite, index);
    world.chats.push(chat);
    Some((index, peer, title))
}
