//! Who comes and goes.
//!
//! Every change is pushed as `updateChannel` (`updateChat` for basic groups) to the account that it is about. Nobody else is told,
//! and no service message is posted, as in large groups.

use super::ScriptError;
use crate::simulator::Simulator;
use crate::world::{ChatKind, PeerId, World};

impl Simulator {
    /// Lets an account into a group or channel: as if it had joined, been added, or its request been approved. Being in it
    /// already is fine.
    ///
    /// # Errors
    /// When there is no such account or peer, or it is another account's basic group.
    pub fn join(&self, account: &str, peer: PeerId) -> Result<(), ScriptError> {
        let mut world = self.core.world_mut();
        let (at, index) = places(&world, account, peer)?;
        let chat = world.chats.get(index as usize).ok_or(ScriptError::NoSuchPeer(peer))?;
        if chat.kind == ChatKind::Group && chat.owner != Some(at) {
            return Err(ScriptError::OneAccountOnly(peer));
        }
        world.join(at, index);
        self.core.push_membership(&world, at, index, None);
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

/// The places of an account and of a group or channel.
fn places(world: &World, account: &str, peer: PeerId) -> Result<(usize, u32), ScriptError> {
    let at = world.account_named(account).ok_or_else(|| ScriptError::NoSuchAccount(account.into()))?;
    Ok((at, *world.chat_of.get(&peer).ok_or(ScriptError::NoSuchPeer(peer))?))
}
