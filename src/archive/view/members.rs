//! Reading who sees what, and how far each account has followed it.

use crate::model::{AccountName, PeerId, UpdatesState};

use super::super::ArchiveError;
use super::super::codec::StoredKey as _;
use super::super::family::{KeyRange, MEMBER, UPDATES};
use super::super::key::{AccountKey, MemberKey};
use super::super::members::Membership;
use super::{Order, View};

impl<'a> View<'a> {
    /// The accounts that have, or had, a peer among their dialogs, by name.
    ///
    /// # Errors
    /// When the disk refuses, or a stored record cannot be decoded.
    pub fn members(self, peer: PeerId) -> Result<Vec<Membership>, ArchiveError> {
        let entries = self.scan(&MEMBER, KeyRange::under(peer.encode()), Order::OldestFirst);
        entries.map(|entry| entry.map(|(_, membership)| membership)).collect()
    }

    /// Whether, since when and where an account has, or had, a peer among its dialogs.
    ///
    /// # Errors
    /// When the disk refuses, or the stored record cannot be decoded.
    pub fn membership(self, peer: PeerId, account: &AccountName) -> Result<Option<Membership>, ArchiveError> {
        self.readable(&MEMBER, &MemberKey { peer, account: *account })
    }

    /// Every membership of every account, by peer, lazily.
    pub fn memberships(self) -> impl Iterator<Item = Result<(PeerId, Membership), ArchiveError>> + use<'a> {
        self.scan(&MEMBER, KeyRange::all(), Order::OldestFirst).map(|entry| entry.map(|(key, membership)| (key.peer, membership)))
    }

    /// How far an account, which is a user, has followed what happens outside channels; `None` where that is not known of this user.
    ///
    /// # Errors
    /// When the disk refuses, or the stored record cannot be decoded.
    pub fn updates_state(self, account: &AccountName, user: i64) -> Result<Option<UpdatesState>, ArchiveError> {
        let found = self.readable(&UPDATES, &AccountKey(*account))?;
        Ok(found.filter(|found| found.user == user).map(|found| found.state))
    }
}
