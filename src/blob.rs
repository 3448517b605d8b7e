//! The store of downloaded files: bytes by their hash, each stored once however often it comes (content-addressed, deduplicated).
//!
//! [`Blobs`] is the one door. Behind it, blobs of up to [`SMALL_MAX`] bytes are values of a RocksDB of their own (BlobDB), because a million photos would
//! be a million files with a sync each; larger ones are files, because a database would copy them three times. Nobody outside needs to know which.
//!
//! ```text
//! blobs/
//!   format              which format this is; a newer one is refused
//!   lock                one process writes, or several read
//!   database/           RocksDB: the index of all blobs, the bytes of small ones, what is there of downloads, totals
//!   large/ab/cd/<hash>  large blobs
//!   partial/            downloads that are not complete, and large blobs that are being written
//! ```
//!
//! # Guarantees
//! - What [`put`](Blobs::put) or [`finish`](Partial::finish) returned is there after a killed process at once, and after a power cut when
//!   [`flush`](Blobs::flush) has returned (group commit: many puts, one flush). Whoever records elsewhere that a file is stored flushes first.
//! - Of a download, no byte is believed to be there that the disk may not have; what is lost is fetched again.
//! - A blob that is damaged or missing is an error that names it, never bytes that are wrong or too few.
//! - A write that would go below the disk's floor of free space, or over the quota, is refused before it begins.
//! - Nothing that is not ours is opened, followed or removed: the keys of downloads are hashed and never paths, a symbolic link is refused.
//!
//! # Correctness
//! A blob is changed under its lock (`pins.rs`), by one thread at a time. Storing goes: pin, lock, ask the index, make the bytes durable, write the index. So
//! of two that store the same content the second finds it there, and removes what it has brought. Removing goes: lock, ask for pins, durably forget in the
//! index, remove the file (`collect.rs` says why a sweep loses nothing).
//!
//! # What this does not do
//! It knows nothing of messages and documents, and of a mirror only what it has and that it can be read from; it starts no thread, and every call
//! blocks: async callers use a thread for blocking work.

mod collect;
mod database;
mod error;
mod folder;
mod hash;
mod incoming;
mod large;
mod mirrored;
mod partial;
mod pins;
mod ranges;
mod reader;
mod record;
mod room;
mod source;
mod store;
#[cfg(test)]
mod tests;
mod verify;

use std::collections::HashSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use database::{Database, Opening, PartialKey};
use folder::BlobFolder;
use incoming::Incoming;
use large::LargeFiles;
use pins::Pins;
use record::BlobPlace;
use room::Room;

pub use collect::{Collected, Collection};
pub use error::BlobError;
pub use hash::{BlobHash, BlobHasher};
pub use mirrored::BlobCopies;
pub use partial::Partial;
pub use pins::Pin;
pub use reader::BlobReader;
pub use record::{BlobAmount, BlobTotals};
pub use room::BlobLimits;
pub use source::MirrorSource;
pub use store::Stored;
pub use verify::{BlobDamage, BlobVerification};

/// The most bytes that a blob in the database has. Below it the sync and the folder entry of a file of its own cost more than its bytes; above it the
/// second write of a write-ahead log costs more than they do, and a read of a part would bring all of it into memory.
pub const SMALL_MAX: usize = 1 << 20;

/// The store of downloaded files. A clone is the same store.
#[derive(Clone, Debug)]
pub struct Blobs {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    database: Database,
    large: LargeFiles,
    incoming: Arc<Incoming>,
    pins: Arc<Pins>,
    room: Room,
    is_writable: bool,
    /// The downloads that are open.
    downloads: Mutex<HashSet<PartialKey>>,
    /// Bytes that incomplete downloads take.
    partial_bytes: AtomicU64,
    /// Whether small blobs were dropped here since the last collection, because the mirror has them.
    has_dropped_small: AtomicBool,
    /// Whether the folder is known to be marked as one that is mirrored.
    is_mirrored: AtomicBool,
    /// Where what is in the mirror only is read from.
    source: OnceLock<Arc<dyn MirrorSource>>,
    /// Last, so that the lock goes when everything else is closed.
    folder: BlobFolder,
}

impl Blobs {
    /// Opens the store at a path for writing; makes it where nothing is.
    ///
    /// # Errors
    /// When something else is there, another process has it, a newer version wrote it, or a part of it is lost.
    pub fn open(path: &Path, limits: BlobLimits) -> Result<Self, BlobError> {
        Self::open_on_disk(path, limits, room::free_space)
    }

    /// The same, where the caller tells how many bytes of the disk are free; `None` where nobody can.
    ///
    /// # Errors
    /// See [`Blobs::open`].
    pub fn open_on_disk(
        path: &Path,
        limits: BlobLimits,
        free: impl Fn(&Path) -> Option<u64> + Send + Sync + 'static,
    ) -> Result<Self, BlobError> {
        let folder = BlobFolder::open(path)?;
        let opening = if folder.is_new { Opening::Make } else { Opening::Write };
        let database = Database::open(&folder.database(), opening)?;
        if folder.is_new {
            database.flush()?;
            folder.mark()?;
        }
        Self::with(folder, database, Room::new(path, limits, free), true)
    }

    /// Opens the store at a path for reading, while no process has it for writing. Nothing of a blob is written.
    ///
    /// # Errors
    /// When there is none; see also [`Blobs::open`].
    pub fn open_read_only(path: &Path) -> Result<Self, BlobError> {
        let folder = BlobFolder::open_read_only(path)?;
        let database = Database::open(&folder.database(), Opening::Read)?;
        Self::with(folder, database, Room::new(path, BlobLimits::default(), room::free_space), false)
    }

    fn with(folder: BlobFolder, database: Database, room: Room, is_writable: bool) -> Result<Self, BlobError> {
        let mut partial_bytes = 0;
        for partial in database.partials() {
            partial_bytes += partial?.1.map_or(0, |record| record.bytes());
        }
        let inner = Inner {
            database,
            large: LargeFiles::new(folder.large()),
            incoming: Arc::new(Incoming::new(folder.partial())),
            pins: Arc::default(),
            room,
            is_writable,
            downloads: Mutex::default(),
            partial_bytes: AtomicU64::new(partial_bytes),
            has_dropped_small: AtomicBool::new(false),
            is_mirrored: AtomicBool::new(false),
            source: OnceLock::new(),
            folder,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Has the disk take everything that was stored and deleted before this is called (group commit). Where nothing was, it costs nothing.
    ///
    /// # Errors
    /// When the disk refuses: then nothing that was not flushed before may be relied on.
    pub fn flush(&self) -> Result<(), BlobError> {
        if self.inner.is_writable { self.inner.database.flush() } else { Ok(()) }
    }

    /// Whether a blob is stored. It may be removed at any moment, unless it is [pinned](Blobs::pin).
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn contains(&self, hash: &BlobHash) -> Result<bool, BlobError> {
        Ok(self.inner.database.find(hash)?.is_some())
    }

    /// The bytes that a blob has; `None` where it is not stored.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn size_of(&self, hash: &BlobHash) -> Result<Option<u64>, BlobError> {
        Ok(self.inner.database.find(hash)?.map(|entry| entry.size))
    }

    /// Keeps a blob for as long as the pin lives; `None` where it is not stored.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn pin(&self, hash: &BlobHash) -> Result<Option<Pin>, BlobError> {
        let pin = self.inner.pins.pin(*hash);
        let _lock = self.inner.pins.lock(*hash);
        Ok(self.inner.database.find(hash)?.map(|_| pin))
    }

    /// Opens a blob for reading; `None` where it is not stored. It stays readable when the blob is deleted.
    ///
    /// # Errors
    /// [`BlobError::DamagedBlob`] where its bytes are missing or damaged; [`BlobError::Unreachable`] where only the mirror has them, and does not
    /// answer.
    pub fn get(&self, hash: &BlobHash) -> Result<Option<BlobReader>, BlobError> {
        // Under the lock: between index and bytes it could be deleted, and would look damaged.
        let lock = self.inner.pins.lock(*hash);
        let Some(entry) = self.inner.database.find(hash)? else { return Ok(None) };
        let opened = match entry.place {
            BlobPlace::Small => self.inner.database.bytes(hash, entry.size).map(|bytes| BlobReader::small(*hash, bytes)),
            BlobPlace::Large => self.inner.large.open(hash, entry.size).map(|file| BlobReader::large(*hash, file, entry.size)),
            BlobPlace::Elsewhere => {
                drop(lock);
                return self.open_mirrored(hash, entry.size).map(Some);
            }
        };
        match opened {
            Err(BlobError::DamagedBlob { .. }) if entry.mirrored && self.inner.source.get().is_some() => {
                drop(lock);
                self.open_mirrored(hash, entry.size).map(Some)
            }
            opened => opened.map(Some),
        }
    }

    /// Every blob with its size, in the order of hashes, as the store is when this is called.
    pub fn iter(&self) -> impl Iterator<Item = Result<(BlobHash, u64), BlobError>> + '_ {
        self.inner.database.entries().map(|entry| entry.map(|(hash, entry)| (hash, entry.size)))
    }

    /// How many blobs there are, and of how many bytes.
    #[must_use]
    pub fn totals(&self) -> BlobTotals {
        self.inner.database.totals()
    }

    /// Bytes that incomplete downloads take.
    #[must_use]
    pub fn partial_bytes(&self) -> u64 {
        self.inner.partial_bytes.load(Ordering::Relaxed)
    }

    /// Deletes a blob, durably. Returns the bytes that it had; `None` where it was not stored. The disk space of a small one is given back by the
    /// next [`collect`](Blobs::collect).
    ///
    /// # Errors
    /// [`BlobError::Pinned`] where somebody holds on to it; also when the disk refuses.
    pub fn delete(&self, hash: &BlobHash) -> Result<Option<u64>, BlobError> {
        self.writable()?;
        let lock = self.inner.pins.lock(*hash);
        let Some(entry) = self.inner.database.find(hash)? else { return Ok(None) };
        if self.inner.pins.is_pinned(&lock) {
            return Err(BlobError::Pinned { hash: *hash });
        }
        self.inner.database.remove(hash, entry)?;
        if entry.place == BlobPlace::Large {
            self.inner.database.flush()?;
            self.inner.large.remove(hash)?;
        }
        Ok(Some(entry.size))
    }

    /// Has the bytes of small blobs that were removed leave the disk, though it may cost as much as writing all others anew: for what is to be
    /// erased. A [`collect`](Blobs::collect) does so only where it is worth it.
    ///
    /// # Errors
    /// When there is no room for that, or the disk refuses.
    pub fn expunge(&self) -> Result<(), BlobError> {
        self.writable()?;
        self.inner.database.reclaim_all(|bytes| self.inner.room.check_disk(bytes))
    }

    /// Gives back the disk space of small blobs that are not here any more, where that is worth its writing.
    ///
    /// # Errors
    /// When the disk refuses.
    fn reclaim(&self) -> Result<(), BlobError> {
        let room = &self.inner.room;
        self.inner.database.reclaim(|bytes| room.check_disk(bytes).is_ok())
    }

    fn writable(&self) -> Result<(), BlobError> {
        let path = &self.inner.folder.root;
        if self.inner.is_writable { Ok(()) } else { Err(BlobError::ReadOnly { path: path.clone() }) }
    }

    /// Fails when there is no room for so many bytes more.
    fn check_room(&self, needed: u64) -> Result<(), BlobError> {
        self.inner.room.check(needed, self.inner.database.stored_bytes().saturating_add(self.partial_bytes()))
    }

    fn downloads(&self) -> MutexGuard<'_, HashSet<PartialKey>> {
        self.inner.downloads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
