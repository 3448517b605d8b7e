//! The archive: the only thing that is true.
//!
//! One page of history, or one live update, becomes true in ONE atomic RocksDB write: messages, earlier versions, raw bytes, change
//! log, coverage and crawl state together, or not at all. Everything to the right of the archive (search, publishing, media)
//! reads the change log with a position of its own (its checkpoint) and can be thrown away and rebuilt.
//!
//! Invariants:
//! - nothing is overwritten (append-only): an edit adds a version, a deletion marks;
//! - change numbers are gapless and in commit order;
//! - what [`Write::commit`] returned is durable: it survives `kill -9`, and with [`Durability::Always`] also a power cut;
//! - an answer that Telegram gave earlier never replaces one that it gave later, whatever the order in which they arrive;
//! - archiving is idempotent: the same answer again adds no version and no change.
//!
//! It does not interpret Telegram's bytes, ask Telegram anything, or know who reads it.
//!
//! The way through: [`schema`](self) lists the column families and `family` their types, `key` has the keys, `record`, `coverage`,
//! `crawl_state`, `members`, `series` and `topics` the values; `write` collects a batch and `staged` works it out; [`View`] reads it back;
//! `folder` locks the data folder; `open` makes an archive, opens it, and refuses one that has lost something (`files` looks before RocksDB
//! does, `loss` continues without what is lost); `upgrade` migrates an older archive to this format.

mod bench_support;
mod changes;
mod codec;
mod coverage;
mod crawl_state;
mod family;
mod files;
mod folder;
mod key;
mod loss;
mod marks;
mod members;
mod open;
mod outcome;
mod reader;
mod record;
mod retention;
mod schema;
mod series;
mod staged;
mod topics;
mod upgrade;
mod verify;
mod view;
mod write;

use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rocksdb::{ColumnFamily, DB};
use tokio::sync::watch;

pub use bench_support::EncodingStore;
pub use codec::RecordError;
pub use coverage::{Completeness, Coverage};
pub use crawl_state::CrawlState;
pub use folder::{DataFolder, FolderError};
pub use loss::Loss;
pub use members::Membership;
pub use open::ExternalPosition;
pub use outcome::{Archived, MassDeletion};
pub use reader::Reader;
pub use record::Raw;
pub use retention::ExpiryCursor;
pub use schema::FORMAT;
pub use series::Sample;
pub use topics::Topic;
pub use verify::ArchiveReport;
pub use view::{Order, Snapshot, StoredMessage, View};
pub use write::Write;

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
    #[error("archive at `{}`: {source}; {}", path.display(), way_out(source))]
    Store {
        /// Where the archive is.
        path: PathBuf,
        /// What RocksDB said.
        source: rocksdb::Error,
    },
    /// A stored record cannot be decoded.
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
    /// There is no archive.
    #[error("there is no archive at `{}`; `telescribe run` creates one", path.display())]
    Missing {
        /// Where it would be.
        path: PathBuf,
    },
    /// There is no archive, but somebody has seen one.
    #[error(
        "there is no archive at `{}`, but {by} has seen change {position} of one; restore a backup, or move the index away to begin a new archive",
        path.display()
    )]
    Gone {
        /// Where it would be.
        path: PathBuf,
        /// Who has seen it, in words.
        by: String,
        /// The number of the newest change seen.
        position: Seq,
    },
    /// What is there is no whole archive. Nothing was changed.
    #[error(
        "archive at `{}` is damaged: {why}; nothing was changed: restore a backup, or move that folder and the index away to begin a new archive",
        path.display()
    )]
    Damaged {
        /// Where the archive is.
        path: PathBuf,
        /// What was found.
        why: String,
    },
    /// Changes that were there are missing. Nothing was changed.
    #[error(
        "archive at `{}` {what}; nothing was changed: restore a backup, or continue without them with `telescribe reindex --accept-loss`",
        path.display()
    )]
    Lost {
        /// Where the archive is.
        path: PathBuf,
        /// How many are missing, where that is known.
        missing: Option<u64>,
        /// What was found, in words.
        what: String,
    },
    /// The archive's folder could not be made or looked into.
    #[error("archive at `{}`: {source}; check permissions, free space and the limit of open files", path.display())]
    Io {
        /// Where the archive is.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// What helps against what RocksDB said.
fn way_out(error: &rocksdb::Error) -> &'static str {
    match error.kind() {
        rocksdb::ErrorKind::Corruption => {
            "a file is damaged: restore a backup, or move that folder and the index away to crawl everything again"
        }
        _ => "check free space, permissions, the limit of open files (`ulimit -n`) and the disk's health",
    }
}

/// An open archive. Shared between threads; writes are serialised (one writer at a time).
pub struct Archive {
    db: DB,
    path: PathBuf,
    durability: Durability,
    /// The next change's number; its lock (a mutex) is the one writer's.
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

    /// Flushes everything that is still in memory into tables, so that nothing is in the write-ahead log alone; for a clean stop.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn flush(&self) -> Result<(), ArchiveError> {
        self.sync()?;
        Cf::ALL.iter().try_for_each(|cf| self.db.flush_cf(self.cf(*cf))).map_err(|e| self.store(e))
    }

    /// Syncs everything that was committed to the disk (fsync): no power cut takes it back.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn sync(&self) -> Result<(), ArchiveError> {
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
