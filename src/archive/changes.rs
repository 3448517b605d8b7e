//! The change log and its readers' positions.

use std::path::Path;

use rocksdb::{DB, Direction, IteratorMode};

use crate::model::{Change, Seq, Timestamp};

use super::record::ChangeRecord;
use super::schema::{self, Cf};
use super::{Archive, ArchiveError, key};

/// The number of the newest change on disk; 0 when there is none.
pub(super) fn last(db: &DB, path: &Path) -> Result<Seq, ArchiveError> {
    match db.iterator_cf(schema::handle(db, Cf::Change), IteratorMode::End).next() {
        None => Ok(Seq(0)),
        Some(Ok((key, _))) => Ok(key::read_seq(&key)?),
        Some(Err(source)) => Err(ArchiveError::Store { path: path.to_owned(), source }),
    }
}

pub(super) fn position_key(reader: &str) -> String {
    format!("position/{reader}")
}

fn job_key(job: &str) -> String {
    format!("job/{job}")
}

fn unknown_key(username: &str) -> String {
    format!("unknown/{}", username.to_lowercase())
}

impl Archive {
    /// The changes after a position, in order, at most `limit`.
    ///
    /// # Errors
    /// When the disk refuses, or something stored could not be understood.
    pub fn changes(&self, after: Seq, limit: usize) -> Result<Vec<Change>, ArchiveError> {
        let last = Seq(u64::MAX);
        let from = key::seq(after.next());
        self.db
            .iterator_cf(self.cf(Cf::Change), IteratorMode::From(&from, Direction::Forward))
            // After the last number there is nothing, though `next` stays on it.
            .take(if after == last { 0 } else { limit })
            .map(|entry| {
                let (key, value) = entry.map_err(|e| self.store(e))?;
                Ok(ChangeRecord::read(key::read_seq(&key)?, &value)?)
            })
            .collect()
    }

    /// How far a reader has got; 0 when it never stored a position.
    ///
    /// # Errors
    /// See [`Archive::changes`].
    pub fn position(&self, reader: &str) -> Result<Seq, ArchiveError> {
        Ok(self.get(Cf::Meta, position_key(reader))?.map(|bytes| key::read_seq(&bytes)).transpose()?.unwrap_or_default())
    }

    /// When a job was last started; `None` when it never was.
    ///
    /// # Errors
    /// See [`Archive::changes`].
    pub fn job_started(&self, job: &str) -> Result<Option<Timestamp>, ArchiveError> {
        let bytes = self.get(Cf::Meta, job_key(job))?;
        // A damaged time is no reason to stop: the job is run again.
        Ok(bytes.and_then(|b| b.try_into().ok()).map(|b| Timestamp(i64::from_be_bytes(b))))
    }

    /// Since when nobody is known to have a username (without `@`, in any case).
    ///
    /// # Errors
    /// See [`Archive::changes`].
    pub fn username_unknown_since(&self, name: &str) -> Result<Option<Timestamp>, ArchiveError> {
        let bytes = self.get(Cf::Meta, unknown_key(name))?;
        Ok(bytes.and_then(|b| b.try_into().ok()).map(|b| Timestamp(i64::from_be_bytes(b))))
    }

    /// Notes that nobody has a username.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn set_username_unknown(&self, name: &str, at: Timestamp) -> Result<(), ArchiveError> {
        self.db.put_cf(self.cf(Cf::Meta), unknown_key(name), at.0.to_be_bytes()).map_err(|e| self.store(e))
    }

    /// Notes that a job was started.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn set_job_started(&self, job: &str, at: Timestamp) -> Result<(), ArchiveError> {
        self.db.put_cf(self.cf(Cf::Meta), job_key(job), at.0.to_be_bytes()).map_err(|e| self.store(e))
    }
}
