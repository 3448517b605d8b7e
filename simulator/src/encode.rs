//! From the world to Telegram's types, one builder a type.
//!
//! Everything is encoded *for an account*: access hashes, file references, `out` and `self` differ between accounts, and a
//! chat that the account is not in says so. Nothing here decides what a request may see; that is for `methods`.

mod config;
mod dialog;
mod folder;
mod media;
mod mentioned;
mod message;
mod peer;
mod reference;
mod topic;

pub(crate) use config::config;
pub(crate) use dialog::notify_settings;
pub(crate) use mentioned::MentionedPeers;
pub(crate) use message::replies_of;
pub(crate) use reference::ReferenceState;

use crate::world::World;

/// The world as one account sees it.
#[derive(Clone, Copy)]
pub(crate) struct AccountView<'w> {
    pub world: &'w World,
    pub account: usize,
}

impl<'w> AccountView<'w> {
    pub(crate) fn new(world: &'w World, account: usize) -> Self {
        Self { world, account }
    }

    /// The account's own user id.
    pub(crate) fn own_id(&self) -> i64 {
        self.world.accounts.get(self.account).map_or(0, |account| account.user_id)
    }
}
