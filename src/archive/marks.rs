//! When something happened last that is asked about again: a job's start, a username that led nowhere (a negative cache).

use crate::model::Timestamp;

use super::ArchiveError;
use super::codec::{StoredKey, StoredValue};
use super::family::{Family, JOB_START, UNKNOWN_USERNAME};
use super::key::{JobKey, UnknownUsernameKey, Username};
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

    fn mark<K: StoredKey>(self, family: &Family<K, Timestamp>, key: &K) -> Result<Option<Timestamp>, ArchiveError>
    where
        Timestamp: StoredValue<K>,
    {
        // A damaged time is no reason to stop: it is done again.
        self.readable(family, key)
    }
}
