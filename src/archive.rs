//! The archive: the only thing that is true.
//!
//! One page of history, or one live update, becomes true in ONE RocksDB write: messages, earlier versions, raw bytes, change
//! log, coverage and cursor together, or not at all. Everything to the right of the archive (search, publishing, media)
//! reads the change log with a position of its own and can be thrown away and rebuilt.
//!
//! Guarantees:
//! - nothing is overwritten: an edit adds a version, a deletion marks;
//! - change numbers are gapless and in the order of becoming true;
//! - what [`Write::commit`] returned survives `kill -9`, and with [`Durability::Always`] also a power cut;
//! - an answer that Telegram gave earlier never replaces one that it gave later, whatever the order in which they arrive.
//!
//! It does not interpret Telegram's bytes, ask Telegram anything, or know who reads it.
//!
//! The way through: [`schema`](self) lists the column families, `key` their keys, `record` their values; `write` collects a batch and `staged` works it out;
//! `read`, `changes`, `members`, `series` and `topics` give it back; `folder` locks the data folder; `upgrade` brings an older archive to this format.

mod changes;
mod folder;
mod key;
mod members;
mod read;
mod record;
mod schema;
mod series;
mod staged;
mod topics;
mod upgrade;
mod verify;
mod write;
mod yardstick;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rocksdb::{ColumnFamily, DB};
use tokio::sync::watch;

pub use folder::{DataFolder, FolderError};
pub use members::Membership;
pub use read::{Order, StoredMessage};
pub use record::{Coverage, Cursor, Raw, RecordError};
pub use schema::FORMAT;
pub use series::Sample;
pub use topics::Topic;
pub use verify::ArchiveReport;
pub use write::{Archived, MassDeletion, Write};
pub use yardstick::Yardstick;

use crate::model::Seq;
use schema::Cf;

/// When a write counts as durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Durability {
    /// When the operating system has it: survives `kill -9`, not a power cut.
    #[default]
    Os,
    /// When the disk has it.
    Always,
}

/// What can go wrong with the archive.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The disk or RocksDB failed.
    #[error("archive at `{}`: {source}; check free space and the disk's health", path.display())]
    Store {
        /// Where the archive is.
        path: PathBuf,
        /// What RocksDB said.
        source: rocksdb::Error,
    },
    /// Something stored could not be understood.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The archive was written by a newer version.
    #[error("archive at `{}` has format {found}, this version reads up to {known}; install a newer telescribe", path.display())]
    TooNew {
        /// Where the archive is.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The newest format this version knows.
        known: u32,
    },
}

/// An open archive. Shared between threads; writes are made one after the other.
pub struct Archive {
    db: DB,
    path: PathBuf,
    durability: Durability,
    /// The next change's number; the lock makes writers queue up.
    next: Mutex<Seq>,
    last: watch::Sender<Seq>,
    id: String,
}

impl std::fmt::Debug for Archive {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Archive").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Archive {
    /// Opens the archive in a folder, making it when it is not there and upgrading it when it is older.
    ///
    /// # Errors
    /// When RocksDB cannot open it, or it was written by a newer version.
    pub fn open(path: &Path, durability: Durability) -> Result<Self, ArchiveError> {
        let store = |source| ArchiveError::Store { path: path.to_owned(), source };
        let db = DB::open_cf_descriptors(&schema::db_options(), path, schema::descriptors()).map_err(store)?;
        let id = upgrade::bring_to_current(&db, path)?;
        let last = changes::last(&db, path)?;
        Ok(Self { db, path: path.to_owned(), durability, next: Mutex::new(last.next()), last: watch::Sender::new(last), id })
    }

    /// The archive's random id, given when it was made; part of every event's deduplication key.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The number of the newest change, and a way to wait for newer ones.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<Seq> {
        self.last.subscribe()
    }

    /// The number of the newest change.
    #[must_use]
    pub fn last_seq(&self) -> Seq {
        *self.last.borrow()
    }

    /// Writes everything that is still in memory to the disk; for a clean stop.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn flush(&self) -> Result<(), ArchiveError> {
        self.db.flush_wal(true).map_err(|e| self.store(e))
    }

    /// Bytes of all files of the archive, its write-ahead log included.
    #[must_use]
    pub fn disk_size(&self) -> u64 {
        let files = std::fs::read_dir(&self.path).into_iter().flatten();
        // A file that a compaction removes meanwhile counts for nothing.
        files.filter_map(|file| file.ok()?.metadata().ok()).filter(std::fs::Metadata::is_file).map(|m| m.len()).sum()
    }

    /// Flushes and compacts every column family, so that sizes on disk can be compared.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn compact(&self) -> Result<(), ArchiveError> {
        for cf in Cf::ALL {
            self.db.flush_cf(self.cf(cf)).map_err(|e| self.store(e))?;
            self.db.compact_range_cf(self.cf(cf), None::<&[u8]>, None::<&[u8]>);
        }
        Ok(())
    }

    fn cf(&self, cf: Cf) -> &ColumnFamily {
        schema::handle(&self.db, cf)
    }

    fn store(&self, source: rocksdb::Error) -> ArchiveError {
        ArchiveError::Store { path: self.path.clone(), source }
    }

    fn writer(&self) -> MutexGuard<'_, Seq> {
        // A writer that panicked had not committed: the number it would have used is still the next one.
        self.next.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
