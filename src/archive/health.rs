//! Whether the archive can be written to at present, and what to do where it cannot: trouble that passes must pass.
//!
//! A write that failed, a disk that is nearly full and a folder that has vanished are states, which are logged once and told to whoever
//! would produce more to write (the crawl asks Telegram nothing while nothing can be kept). The thread that flushes looks again: a failing
//! archive is tried with a write of its own until one succeeds, with exponential backoff.

use std::fmt;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use rocksdb::{DB, WriteBatch, WriteOptions};
use tokio::sync::watch;

use crate::failpoints;

use super::family::PROBE;
use super::key::ProbeKey;

/// Whether the archive can be written to.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Health {
    /// It can.
    #[default]
    Writable,
    /// The disk has less room than is to be left free, or none.
    Full {
        /// Bytes that are free.
        free: u64,
        /// Bytes that are to stay free.
        floor: u64,
    },
    /// Writes fail.
    Failing {
        /// What RocksDB or the system said.
        why: String,
    },
    /// A file of it is damaged, which a write or a compaction has met: that does not pass.
    Damaged {
        /// What RocksDB said.
        why: String,
    },
    /// Its folder is not there any more, or is another one.
    Gone {
        /// What was found.
        why: String,
    },
}

impl Health {
    /// Whether it can be written to.
    #[must_use]
    pub fn is_writable(&self) -> bool {
        *self == Self::Writable
    }

    /// What is wrong, in words.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        match self {
            Self::Writable => None,
            Self::Full { free, floor } => Some(format!(
                "the archive's disk has {} MiB left, less than the {} MiB that `archive.free_min_mib` keeps free: make room",
                free >> 20,
                floor >> 20
            )),
            Self::Failing { why } => Some(format!(
                "the archive cannot be written ({why}): check free space, the limit of open files and the disk's health"
            )),
            Self::Damaged { why } => Some(format!(
                "the archive is damaged ({why}): restore a backup, or move that folder, `archive.json` and the index away to crawl everything again"
            )),
            Self::Gone { why } => Some(format!("the archive's folder has vanished ({why}): check the volume that it is on")),
        }
    }
}

/// The state, and whoever watches it.
#[derive(Debug)]
pub(super) struct HealthState {
    current: watch::Sender<Health>,
    /// The folder as it was opened.
    folder: Option<(u64, u64)>,
    floor: u64,
}

impl HealthState {
    pub(super) fn new(path: &Path, floor: u64) -> Self {
        Self { current: watch::Sender::default(), folder: fs::metadata(path).ok().as_ref().map(identity), floor }
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<Health> {
        self.current.subscribe()
    }

    pub(super) fn get(&self) -> Health {
        self.current.borrow().clone()
    }

    /// A write failed.
    pub(super) fn failed(&self, error: &dyn fmt::Display) {
        self.set(of_failure(error.to_string()));
    }

    fn set(&self, health: Health) {
        self.current.send_if_modified(|current| {
            // Of the same trouble in other words, the first word stays.
            let same = std::mem::discriminant(current) == std::mem::discriminant(&health);
            // Nothing comes back from a folder that has vanished, or from damage.
            if same || matches!(current, Health::Gone { .. } | Health::Damaged { .. }) {
                return false;
            }
            match health.trouble() {
                Some(trouble) => tracing::error!("{trouble}; nothing is asked of Telegram until it is over"),
                None => tracing::info!("the archive can be written again"),
            }
            *current = health;
            true
        });
    }

    /// Looks at the disk; and, where writes failed, whether one succeeds now.
    pub(super) fn look(&self, path: &Path, db: &DB) {
        if let Err(why) = self.is_there(path) {
            return self.set(Health::Gone { why });
        }
        let free = free_space(path);
        if let Some(free) = free.filter(|free| *free < self.floor) {
            return self.set(Health::Full { free, floor: self.floor });
        }
        if self.get().is_writable() {
            return;
        }
        match probe(db) {
            Ok(()) => self.set(Health::Writable),
            Err(error) => self.failed(&error),
        }
    }

    /// Whether the folder is the one that was opened, with what makes it a database.
    fn is_there(&self, path: &Path) -> Result<(), String> {
        let found = match fs::metadata(path).and_then(|folder| fs::metadata(path.join("CURRENT")).map(|_| folder)) {
            Ok(folder) => identity(&folder),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(error.to_string()),
            // It says nothing of whether the folder is there: too many open files, or a disk that does not answer.
            Err(_) => return Ok(()),
        };
        if self.folder.is_some_and(|folder| folder != found) { Err("another folder is in its place".to_owned()) } else { Ok(()) }
    }
}

/// What a write that failed so says of the archive.
fn of_failure(why: String) -> Health {
    if why.contains("Corruption: ") { Health::Damaged { why } } else { Health::Failing { why } }
}

fn identity(folder: &Metadata) -> (u64, u64) {
    (folder.dev(), folder.ino())
}

/// Bytes that are free where a path is, for who is not root; `None` where the system does not say.
pub(super) fn free_space(path: &Path) -> Option<u64> {
    let found = rustix::fs::statvfs(path).ok()?;
    found.f_bavail.checked_mul(found.f_frsize)
}

/// A write that changes nothing, down to the disk.
fn probe(db: &DB) -> Result<(), ProbeError> {
    failpoints::hit("archive-write")?;
    let mut batch = WriteBatch::default();
    PROBE.delete(db, &mut batch, &ProbeKey);
    let mut options = WriteOptions::default();
    options.set_sync(true);
    Ok(db.write_opt(batch, &options)?)
}

type ProbeError = Box<dyn std::error::Error>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damage_that_a_write_meets_is_not_waited_for_and_names_its_way_out() {
        let folder = tempfile::tempdir().unwrap();
        let state = HealthState::new(folder.path(), 0);
        state.failed(&"IO error: No space left on device");
        assert!(matches!(state.get(), Health::Failing { .. }));
        state.failed(&"Corruption: block checksum mismatch in 000023.sst");
        let trouble = state.get().trouble().unwrap();
        assert!(trouble.contains("000023.sst") && trouble.contains("restore a backup, or move that folder"), "{trouble}");
        state.failed(&"IO error: No space left on device");
        assert!(matches!(state.get(), Health::Damaged { .. }), "it stays");
    }
}
