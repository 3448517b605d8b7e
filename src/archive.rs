//! The archive: the only thing that is true.
//!
//! One page of history, or one live update, becomes true in ONE atomic RocksDB write: messages, earlier versions, raw bytes, change
//! log, coverage and crawl state together, or not at all. Everything to the right of the archive (search, publishing, media)
//! reads the change log with a position of its own (its checkpoint) and can be thrown away and rebuilt.
//!
//! Invariants:
//! - nothing is overwritten (append-only): an edit adds a version, a deletion marks; only what an operator has erased is gone, and stays known as
//!   erased (a tombstone);
//! - change numbers are gapless and in commit order;
//! - what [`Write::commit`] returned is durable: it survives `kill -9`, and with [`Durability::Always`] also a power cut;
//! - an answer that Telegram gave earlier never replaces one that it gave later, whatever the order in which they arrive;
//! - archiving is idempotent: the same answer again adds no version and no change.
//!
//! It does not interpret Telegram's bytes, ask Telegram anything, or know who reads it.
//!
//! The way through: [`schema`](self) lists the column families and `family` their types, `key` has the keys, `record`, `coverage`,
//! `crawl_state`, `members`, `series` and `topics` the values, `totals` their sums; `write` collects a batch and `staged` works it out; [`View`] reads it back;
//! `folder` locks the data folder; `open` makes an archive, opens it, and refuses one that has lost something (`files` looks before RocksDB
//! does, `loss` continues without what is lost); `erasure` has what was ordered to be erased and what is left of it, `gate` keeps it from coming
//! back, `erase` has its bytes leave the disk; `upgrade` migrates an older archive to this format, `backup` has its files
//! at one position.

mod addresses;
mod attachments;
mod backup;
mod bench_support;
mod chain;
mod changes;
mod codec;
mod coverage;
mod crawl_state;
mod damage;
mod dead_letters;
mod epoch;
mod erase;
mod erasure;
mod family;
mod file_totals;
mod files;
mod flush;
mod folder;
mod gate;
mod health;
mod key;
mod log_end;
mod loss;
mod marker;
mod marks;
mod members;
mod newest;
mod open;
mod opened;
mod outcome;
mod reader;
mod recent_peers;
mod record;
mod recounted;
mod retention;
mod schema;
mod series;
mod snapshot;
mod staged;
mod topics;
mod totals;
mod updates;
mod upgrade;
mod verify;
mod view;
mod watches;
mod witness;
mod write;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rocksdb::{ColumnFamily, DB};
use tokio::sync::watch;

pub use addresses::Address;
pub use attachments::{ArchivedFile, ArchivedOrigin};
pub use backup::{ArchivePosition, FrozenArchive};
pub use bench_support::EncodingStore;
pub use chain::Link;
pub use codec::RecordError;
pub use coverage::{Completeness, Coverage};
pub use crawl_state::CrawlState;
pub use damage::Damage;
pub use dead_letters::DeadLetter;
pub use epoch::{Began, Epoch, LogPosition, PositionError};
pub use erase::Expunge;
pub use erasure::{ErasedCounts, Erasure, ErasureStage, Tombstone};
pub use file_totals::FileTotals;
pub use folder::{DataFolder, FolderError};
pub use health::Health;
pub use key::ErasureNumber;
pub use loss::Loss;
pub use marker::seen as seen_by_marker;
pub use members::Membership;
pub use outcome::{Archived, MassDeletion};
pub use reader::{ChangeBatch, Reader};
pub use record::Raw;
pub use retention::ExpiryCursor;
pub use schema::FORMAT;
pub use series::Sample;
pub use snapshot::Snapshot;
pub use topics::Topic;
pub use totals::Totals;
pub use verify::{ArchiveReport, VerifyProgress};
pub use view::{Order, SelectedMessages, StoredMessage, ToldIn, View};
pub use watches::ArchivedWatch;
pub use witness::{ExternalPosition, Witness};
pub use write::Write;

use crate::model::Seq;
use flush::{Flush, Flusher};
use gate::Gate;
use opened::Identity;
use recent_peers::RecentPeers;
use schema::Cf;

/// When a write counts as durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Durability {
    /// When the operating system has it: survives `kill -9`. The disk gets it within a fraction of a second, and readers see it then.
    #[default]
    Os,
    /// When the disk has it.
    Always,
}

/// How an archive is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Writing {
    /// When a write counts as durable.
    pub durability: Durability,
    /// Bytes that are to stay free on the disk: with fewer nothing more is asked for.
    pub free_min: u64,
}

impl From<Durability> for Writing {
    fn from(durability: Durability) -> Self {
        Self { durability, free_min: 0 }
    }
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
    /// What was being done was stopped by who had asked for it.
    #[error("it was stopped before its end")]
    Stopped,
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
    /// The archive was written by an older version, and is only to be read. Nothing was changed.
    #[error(
        "archive at `{}` has format {found}, this version reads format {known}; `telescribe upgrade` or the next `telescribe run` upgrades it",
        path.display()
    )]
    Older {
        /// Where the archive is.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The format it must have.
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
        "there is no archive at `{}`, but {by} has seen change {position} of one; restore a backup, or move `archive.json` and the index away to begin a new archive",
        path.display()
    )]
    Gone {
        /// Where it would be.
        path: PathBuf,
        /// Who has seen it.
        by: Witness,
        /// The number of the newest change seen.
        position: Seq,
    },
    /// What is there is no whole archive. Nothing was changed.
    #[error(
        "archive at `{}` is damaged: {why}; nothing was changed: restore a backup, or move that folder, `archive.json` and the index away to begin a new archive",
        path.display()
    )]
    Damaged {
        /// Where the archive is.
        path: PathBuf,
        /// What was found.
        why: String,
    },
    /// It is another archive than the one that was there. Nothing was changed.
    #[error(
        "archive at `{}` is not the one that was there: `archive.json` beside it names another; if it is meant to be there, move that file away",
        path.display()
    )]
    Another {
        /// Where the archive is.
        path: PathBuf,
    },
    /// Changes that were there are missing. Nothing was changed.
    #[error(
        "archive at `{}` {what}; nothing was changed: restore a backup, or continue without them with `telescribe repair`",
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
            "a file is damaged: restore a backup, or move that folder, `archive.json` and the index away to crawl everything again"
        }
        _ => "check free space, permissions, the limit of open files (`ulimit -n`) and the disk's health",
    }
}

/// An open archive. Shared between threads; writes are serialised (one writer at a time).
pub struct Archive {
    db: Arc<DB>,
    path: Arc<Path>,
    identity: Arc<Identity>,
    damage: Arc<Damage>,
    durability: Durability,
    recent_peers: RecentPeers,
    /// What was erased, and is not to come back.
    gate: Gate,
    /// Moves whenever it may change which chats are crawled, or what rules go by: peers, memberships, what can be read.
    crawled_generation: AtomicU64,
    /// Moves whenever which peers are followed changes.
    followed_generation: AtomicU64,
    flush: Arc<Flush>,
    /// None in one that was opened to be read.
    #[cfg_attr(not(test), expect(dead_code, reason = "it flushes for as long as it lives"))]
    flusher: Option<Flusher>,
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
        &self.identity.id
    }

    /// Which history of the archive its change numbers are of; part of every event's id and of every cursor.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.identity.epochs.current()
    }

    /// All epochs, oldest first.
    #[must_use]
    pub fn epochs(&self) -> &[Began] {
        self.identity.epochs.all()
    }

    /// The last change that an earlier epoch has in common with the archive as it is; `None` where it is none of this archive's.
    #[must_use]
    pub fn common_with(&self, epoch: Epoch) -> Option<Seq> {
        self.identity.epochs.common_with(epoch)
    }

    /// Whether it can be written to, and a way to wait for what becomes of that.
    #[must_use]
    pub fn health(&self) -> watch::Receiver<Health> {
        self.flush.health.subscribe()
    }

    /// Bytes that are free on its disk; `None` where the system does not say.
    #[must_use]
    pub fn free_space(&self) -> Option<u64> {
        health::free_space(&self.path)
    }

    /// The damaged records that were met since it was opened.
    #[must_use]
    pub fn damage(&self) -> &Damage {
        &self.damage
    }

    /// The number of the newest change that is committed; readers may see less, see [`Archive::flushed`].
    #[must_use]
    pub fn last_seq(&self) -> Seq {
        self.flush.writer().last()
    }

    /// Flushes everything that is still in memory into tables, so that nothing is in the write-ahead log alone; for a clean stop.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn flush(&self) -> Result<(), ArchiveError> {
        self.sync()?;
        self.flush.write_tables().map_err(|e| self.store(e))
    }

    /// Bytes of all files of the archive, its write-ahead log included.
    #[must_use]
    pub fn disk_size(&self) -> u64 {
        let files = std::fs::read_dir(&*self.path).into_iter().flatten();
        // A file that a compaction removes meanwhile counts for nothing.
        files.filter_map(|file| file.ok()?.metadata().ok()).filter(std::fs::Metadata::is_file).map(|m| m.len()).sum()
    }

    /// Flushes and compacts every column family, so that sizes on disk can be compared.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn compact(&self) -> Result<(), ArchiveError> {
        schema::write_tables(&self.db).map_err(|e| self.store(e))?;
        for cf in Cf::ALL {
            self.db.compact_range_cf(self.cf(cf), None::<&[u8]>, None::<&[u8]>);
        }
        Ok(())
    }

    /// A number that moves whenever it may change which chats are crawled, or what rules go by (a generation).
    #[must_use]
    pub fn crawled_generation(&self) -> u64 {
        self.crawled_generation.load(Ordering::SeqCst)
    }

    /// A number that moves whenever other peers are followed than before (a generation).
    #[must_use]
    pub fn followed_generation(&self) -> u64 {
        self.followed_generation.load(Ordering::SeqCst)
    }

    fn cf(&self, cf: Cf) -> &ColumnFamily {
        schema::handle(&self.db, cf)
    }

    fn store(&self, source: rocksdb::Error) -> ArchiveError {
        ArchiveError::Store { path: self.path.to_path_buf(), source }
    }
}
