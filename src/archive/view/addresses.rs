//! Reading by what accounts can address peers.

use crate::model::{AccountName, PeerId};

use super::super::ArchiveError;
use super::super::addresses::Address;
use super::super::family::{ACCESS_HASH, KeyRange};
use super::super::key::AddressKey;
use super::{Order, View};

impl<'a> View<'a> {
    /// The peers that an account can address, by id, lazily.
    pub fn addresses(self, account: AccountName) -> impl Iterator<Item = Result<(PeerId, Address), ArchiveError>> + use<'a> {
        let entries = self.scan(&ACCESS_HASH, KeyRange::under(AddressKey::under(account)), Order::OldestFirst);
        entries.map(|entry| entry.map(|(key, address)| (key.peer, address)))
    }
}
