//! Who comes and goes.
//!
//! Every change is pushed as `updateChannel` (`updateChat` for basic groups) to the account that it is about. In channels and supergroups
//! nobody else is told, and no service message is posted, as in large groups. In a basic group a service message says so to those who are
//! still in it; who left or was thrown out gets nothing any more and keeps its copy as it was.

use super::push::PushedEvent;
use super::{Post, ScriptError};
use crate::core::Core;
use crate::simulator::Simulator;
use crate::world::{ChatKind, PeerId, Service, World};

/// How many of the newest messages of a basic group somebody who is added to it gets, as Telegram's own bound on `fwd_limit` of
/// `messages.addChatUser`.
const FORWARDED_MAX: usize = 100;

impl Simulator {
    /// Lets an account into a group or channel: as if it had joined, been added, or its request been approved. Being in it
    /// already is fine. In a basic group it gets the newest messages, a hundred at most, under ids of its own, as if it had been added with
    /// the highest `fwd_limit`; then it gets everything.
    ///
    /// # Errors
    /// When there is no such account or peer, or it is a basic group that became a supergroup.
    pub fn join(&self, account: &str, peer: PeerId) -> Result<(), ScriptError> {
        self.join_with(account, peer, FORWARDED_MAX)
    }

    /// The same, with so many of a basic group's newest messages, a hundred at most.
    ///
    /// # Errors
    /// When there is no such account or peer, or it is a basic group that became a supergroup.
    pub fn join_with(&self, account: &str, peer: PeerId, forwarded: usize) -> Result<(), ScriptError> {
        let mut world = self.core.world_mut();
        let (at, index) = places(&world, account, peer)?;
        if world.chats.get(index as usize).is_some_and(|chat| chat.migrated_to.is_some()) {
            return Err(ScriptError::Migrated(peer));
        }
        let is_new = world.join(at, index);
        self.core.push_membership(&world, at, index, None);
        if is_new {
            self.core.welcome(&mut world, at, index, forwarded, false);
        }
        Ok(())
    }

    /// Takes an account out of a group or channel as if it had left: a public one it can still read, and a basic group up to
    /// where it left.
    ///
    /// # Errors
    /// When there is no such account or peer, or the account is not in it.
    pub fn leave(&self, account: &str, peer: PeerId) -> Result<(), ScriptError> {
        self.part(account, peer, false)
    }

    /// Throws an account out of a group or channel for good: `CHANNEL_PRIVATE`, until [`Simulator::join`].
    ///
    /// # Errors
    /// When there is no such account or peer, or the account is not in it.
    pub fn kick(&self, account: &str, peer: PeerId) -> Result<(), ScriptError> {
        self.part(account, peer, true)
    }

    fn part(&self, account: &str, peer: PeerId, kicked: bool) -> Result<(), ScriptError> {
        let mut world = self.core.world_mut();
        let (at, index) = places(&world, account, peer)?;
        if !world.leave(at, index) {
            return Err(ScriptError::NotMember { account: account.into(), peer });
        }
        if let Some(account) = world.accounts.get_mut(at).filter(|_| kicked) {
            account.forbidden.insert(peer);
        }
        self.core.push_membership(&world, at, index, None);
        self.core.bid_farewell(&mut world, at, index, kicked);
        Ok(())
    }

    /// Revokes the invite link of a group or channel and returns the hash of a new one.
    ///
    /// # Errors
    /// When there is no such peer.
    pub fn revoke_invite(&self, peer: PeerId) -> Result<String, ScriptError> {
        let mut world = self.core.world_mut();
        let index = *world.chat_of.get(&peer).ok_or(ScriptError::NoSuchPeer(peer))?;
        Ok(world.renew_invite(index))
    }

    /// Hides from new members of a group or channel what was said before they joined, or no longer. Their `channelFull` says up to
    /// where (`available_min_id`).
    ///
    /// # Errors
    /// When there is no such peer.
    pub fn hide_prehistory(&self, peer: PeerId, hidden: bool) -> Result<(), ScriptError> {
        let mut world = self.core.world_mut();
        let index = *world.chat_of.get(&peer).ok_or(ScriptError::NoSuchPeer(peer))?;
        world.chats.get_mut(index as usize).ok_or(ScriptError::NoSuchPeer(peer))?.hidden_prehistory = hidden;
        Ok(())
    }

    /// Makes joining a group or channel a request that somebody must approve (`INVITE_REQUEST_SENT`, then
    /// [`Simulator::join`]), or no longer.
    ///
    /// # Errors
    /// When there is no such peer.
    pub fn set_join_request(&self, peer: PeerId, needed: bool) -> Result<(), ScriptError> {
        let mut world = self.core.world_mut();
        let index = *world.chat_of.get(&peer).ok_or(ScriptError::NoSuchPeer(peer))?;
        world.chats.get_mut(index as usize).ok_or(ScriptError::NoSuchPeer(peer))?.join_request = needed;
        Ok(())
    }
}

impl Core {
    /// Gives a new member of a basic group its newest messages, and has the group told that it is there: that somebody added it, or that it
    /// followed a link.
    pub(crate) fn welcome(&self, world: &mut World, account: usize, index: u32, forwarded: usize, by_link: bool) {
        let Some(chat) = world.chats.get(index as usize).filter(|chat| chat.kind == ChatKind::Group) else { return };
        let (Some(copy), Some(user)) = (world.chat_index(account, chat.peer), user_of(world, account)) else { return };
        for (id, pts) in world.forward_newest(copy, forwarded.min(FORWARDED_MAX)) {
            self.push(world, copy, pts, &PushedEvent::New(id));
        }
        let inviter = somebody_else(world, copy, user);
        let (service, sender) = if by_link {
            (Service::ChatJoinedByLink { inviter }, user)
        } else {
            (Service::ChatAddUser { users: vec![user] }, inviter)
        };
        self.announce(world, copy, service, sender);
    }

    /// Has those who are still in a basic group told that somebody left it, or was thrown out.
    pub(crate) fn bid_farewell(&self, world: &mut World, account: usize, index: u32, kicked: bool) {
        let is_group = world.chats.get(index as usize).is_some_and(|chat| chat.kind == ChatKind::Group);
        let Some(copy) = world.live_copies(index).first().copied().filter(|_| is_group) else { return };
        let Some(user) = user_of(world, account) else { return };
        let sender = if kicked { somebody_else(world, copy, user) } else { user };
        self.announce(world, copy, Service::ChatDeleteUser { user }, sender);
    }

    fn announce(&self, world: &mut World, copy: u32, service: Service, sender: i64) {
        let post = Post { service: Some(service), sender: Some(PeerId::user(sender)), ..Post::default() };
        if let Err(error) = self.post(world, copy, post) {
            tracing::debug!(%error, "nobody is told who came or went");
        }
    }
}

fn user_of(world: &World, account: usize) -> Option<i64> {
    world.accounts.get(account).map(|account| account.user_id)
}

/// Somebody in a group who could have added or thrown out a user; the user where there is nobody else.
fn somebody_else(world: &World, copy: u32, user: i64) -> i64 {
    let participants = world.chats.get(copy as usize).map(|chat| &chat.participants[..]).unwrap_or_default();
    participants.iter().copied().find(|participant| *participant != user).unwrap_or(user)
}

/// The places of an account and of a group or channel.
fn places(world: &World, account: &str, peer: PeerId) -> Result<(usize, u32), ScriptError> {
    let at = world.account_named(account).ok_or_else(|| ScriptError::NoSuchAccount(account.into()))?;
    Ok((at, *world.chat_of.get(&peer).ok_or(ScriptError::NoSuchPeer(peer))?))
}
