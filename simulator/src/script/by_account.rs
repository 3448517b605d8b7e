//! What one account does, in its own ids.

use super::{Post, ScriptError, make_unknown};
use crate::simulator::Simulator;
use crate::world::{ChatKind, PeerId, World};

/// The script of one account: what it writes is from itself where the post names nobody else, and the ids of basic groups and private chats
/// are its own. See [`Simulator::by`].
#[derive(Clone, Copy)]
pub struct AccountScript<'s> {
    simulator: &'s Simulator,
    account: &'s str,
}

impl Simulator {
    /// Speaks for an account: with its ids, where ids are each account's own, and in its private chats.
    #[must_use]
    pub fn by<'s>(&'s self, account: &'s str) -> AccountScript<'s> {
        AccountScript { simulator: self, account }
    }

    /// Opens a private chat of an account with a user, or its Saved Messages where that is its own; there already is fine. It is among the
    /// dialogs from the first message on.
    ///
    /// # Errors
    /// When there is no such account or user.
    pub fn open_private(&self, account: &str, user: PeerId) -> Result<(), ScriptError> {
        let mut world = self.core.world_mut();
        let at = world.account_named(account).ok_or_else(|| ScriptError::NoSuchAccount(account.into()))?;
        world.open_private(at, user).map(drop).ok_or(ScriptError::NoSuchPeer(user))
    }
}

impl AccountScript<'_> {
    /// Posts a message as the account, where the post names no other sender, and returns its id. A private chat reaches the other side too,
    /// where that is an account.
    ///
    /// # Errors
    /// When there is no such account or peer, the account is not in it, or it is a basic group that became a supergroup.
    pub fn post(&self, peer: PeerId, mut post: Post) -> Result<i32, ScriptError> {
        let mut world = self.simulator.core.world_mut();
        let (index, own) = self.place(&world, peer)?;
        post.sender = post.sender.or(own);
        self.simulator.core.post(&mut world, index, post)
    }

    /// [`Simulator::edit`] by the account's ids.
    ///
    /// # Errors
    /// When there is no such account, peer or message, or the account is not in it.
    pub fn edit(&self, peer: PeerId, id: i32, text: impl Into<String>) -> Result<(), ScriptError> {
        let mut world = self.simulator.core.world_mut();
        let (index, _) = self.place(&world, peer)?;
        self.simulator.core.edit(&mut world, index, id, &text.into())
    }

    /// [`Simulator::react`] by the account's ids.
    ///
    /// # Errors
    /// When there is no such account, peer or message, or the account is not in it.
    pub fn react(&self, peer: PeerId, id: i32, emoji: &str, count: i32) -> Result<(), ScriptError> {
        let mut world = self.simulator.core.world_mut();
        let (index, _) = self.place(&world, peer)?;
        self.simulator.core.react(&mut world, index, id, emoji, count)
    }

    /// [`Simulator::delete`] by the account's ids.
    ///
    /// # Errors
    /// When there is no such account or peer, or the account is not in it.
    pub fn delete(&self, peer: PeerId, ids: &[i32]) -> Result<usize, ScriptError> {
        let mut world = self.simulator.core.world_mut();
        let (index, _) = self.place(&world, peer)?;
        self.simulator.core.delete(&mut world, index, ids)
    }

    /// [`Simulator::pin`] by the account's ids.
    ///
    /// # Errors
    /// When there is no such account, peer or message, or the account is not in it.
    pub fn pin(&self, peer: PeerId, id: i32) -> Result<i32, ScriptError> {
        let mut world = self.simulator.core.world_mut();
        let (index, own) = self.place(&world, peer)?;
        self.simulator.core.pin(&mut world, index, id, own)
    }

    /// [`Simulator::make_unknown`] by the account's ids.
    ///
    /// # Errors
    /// When there is no such account or peer, or the account is not in it.
    pub fn make_unknown(&self, peer: PeerId, id: i32, unknown: bool) -> Result<(), ScriptError> {
        let mut world = self.simulator.core.world_mut();
        let (index, _) = self.place(&world, peer)?;
        make_unknown(&mut world, index, id, unknown);
        Ok(())
    }

    /// The account's copy of a chat that it is in, and who it is there: nobody in a channel.
    fn place(&self, world: &World, peer: PeerId) -> Result<(u32, Option<PeerId>), ScriptError> {
        let no_account = || ScriptError::NoSuchAccount(self.account.into());
        let not_member = || ScriptError::NotMember { account: self.account.into(), peer };
        let at = world.account_named(self.account).ok_or_else(no_account)?;
        let index = world.chat_index(at, peer);
        if index.is_none() && world.chat_of.contains_key(&peer) {
            return Err(not_member());
        }
        let index = index.ok_or(ScriptError::NoSuchPeer(peer))?;
        let chat = world.chats.get(index as usize).ok_or(ScriptError::NoSuchPeer(peer))?;
        if !chat.members.contains(&at) || !world.is_live(index) {
            return Err(not_member());
        }
        let own = world.accounts.get(at).filter(|_| chat.kind != ChatKind::Channel).map(|account| PeerId::user(account.user_id));
        Ok((index, own))
    }
}
