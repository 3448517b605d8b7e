//! File references: what lets an account download a file, for as long as Telegram says so.
//! See <https://core.telegram.org/api/file-references>.
//!
//! A reference names the epoch that it was given in and cannot be forged by another account or for another file. Expiring means a new
//! epoch, of all files for one account or of one file for all accounts; whatever carries the file and is read again has a new reference.

use super::AccountView;
use crate::world::{PeerId, mix};

/// How long a file reference is: an epoch and a check value.
const REFERENCE_LENGTH: usize = 12;

/// What a file reference is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReferenceState {
    /// There is none.
    Empty,
    /// The account was never given this one for this file.
    Invalid,
    /// It was given too long ago.
    Expired,
    /// It is good.
    Good,
}

impl AccountView<'_> {
    /// The epoch that the account's references to a file must be of.
    fn reference_epoch(&self, file: i64) -> u32 {
        let of_account = self.world.accounts.get(self.account).map_or(0, |account| account.reference_epoch);
        of_account.saturating_add(self.world.reference_epochs.get(&file).copied().unwrap_or(0))
    }

    /// The file reference that the account is given now: one that has expired already, where it cannot be renewed.
    pub(super) fn reference(&self, file: i64) -> Vec<u8> {
        let is_stale = self.world.stale_files.contains(&file);
        let epoch = self.reference_epoch(file).saturating_sub(u32::from(is_stale));
        let mut reference = Vec::with_capacity(REFERENCE_LENGTH);
        reference.extend(epoch.to_le_bytes());
        reference.extend(self.check_value(file).to_le_bytes());
        reference
    }

    /// What a reference is worth to the account for a file.
    pub(crate) fn reference_state(&self, file: i64, reference: &[u8]) -> ReferenceState {
        if reference.is_empty() {
            return ReferenceState::Empty;
        }
        match reference.split_first_chunk::<4>() {
            Some((epoch, check)) if check == self.check_value(file).to_le_bytes() => {
                let is_good = u32::from_le_bytes(*epoch) >= self.reference_epoch(file);
                if is_good { ReferenceState::Good } else { ReferenceState::Expired }
            }
            _ => ReferenceState::Invalid,
        }
    }

    /// The hash that the account needs beside a photo's or document's id.
    pub(crate) fn file_hash(&self, file: i64) -> i64 {
        mix(self.check_value(file)) as i64
    }

    fn check_value(&self, file: i64) -> u64 {
        mix(self.world.access_hash(self.account, PeerId::user(self.own_id())) as u64 ^ mix(file as u64))
    }
}
