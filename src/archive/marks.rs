//! When something happened last that is asked about again: a job's start, a username that led nowhere (a negative cache).

use crate::model::{AccountName, Timestamp};

use super::ArchiveError;
use super::codec::{StoredKey, StoredValue};
use super::family::{Family, JOB_START, UNKNOWN_USERNAME, WALKED};
use super::key::{JobKey, UnknownUsernameKey, Username, WalkedKey};
use super::view::View;

impl View<'_> {
    /// When a job was last started; `None` when it never was.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn job_started(self, job: &str) -> Result<Option<Timestamp>, ArchiveError> {
        self.mark(&JOB_START, &JobKey(job.to_owned()))
    }

    /// Since when nobody is known to have a username (without `@`, in any case).
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn username_unknown_since(self, name: &str) -> Result<Option<Timestamp>, ArchiveError> {
        self.mark(&UNKNOWN_USERNAME, &UnknownUsernameKey(Username::new(name)))
    }

    /// When the newest message was posted that an account's last whole walk of its dialogs has seen; `None` before the first one.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn walked(self, account: &AccountName) -> Result<Option<Timestamp>, ArchiveError> {
        self.mark(&WALKED, &WalkedKey(*account))
    }

    fn mark<K: StoredKey>(self, family: &Family<K, Timestamp>, key: &K) -> Result<Option<Timestamp>, ArchiveError>
    where
        Timestamp: StoredValue<K>,
    {
        // A damaged time is no reason to stop: it is done again.
        self.readable(family, key)
    }
}
