//! The database: the index of all blobs, the bytes of small ones, what is there of downloads, and the totals. The only file that knows RocksDB.
//!
//! | family | key | value |
//! | --- | --- | --- |
//! | `index` | hash | where the blob is, and its size |
//! | `bytes` | hash | the bytes of a small blob (BlobDB: values in files of their own, which no compaction rewrites) |
//! | `partial` | SHA-256 of the download's key | its file, its size, the ranges that the disk has |
//! | `meta` | name | totals; what the mirror has noted; blobs that are to be removed from it |
//!
//! # Correctness
//! - Index, bytes, totals and the end of a download change in one batch (atomic), under the lock of the totals.
//! - RocksDB's recovery is point-in-time: after a power cut the database is as it was after one of its batches, none of those before the last
//!   [`flush`](Database::flush) missing. What was written after it may end in a log with holes, which is no reason to refuse: nobody
//!   was told that it is stored. All families are written out together (`atomic_flush`), so that no table is ahead of the log's end.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rocksdb::{
    BlockBasedOptions, BottommostLevelCompaction, Cache, ColumnFamily, ColumnFamilyDescriptor, CompactOptions, DB,
    DBCompressionType, DBRecoveryMode, Direction, ErrorKind, FlushOptions, IteratorMode, Options, WriteBatch,
};

use crate::tables;

use super::error::BlobError;
use super::hash::BlobHash;
use super::record::{BlobEntry, BlobPlace, BlobTotals, PartialRecord};

const INDEX: &str = "index";
const BYTES: &str = "bytes";
const PARTIAL: &str = "partial";
const META: &str = "meta";
const FAMILIES: [&str; 4] = [INDEX, BYTES, PARTIAL, META];
const TOTALS: &[u8] = b"totals";
/// Behind it in `meta`: what the mirror has noted, under names of its own.
const NOTE: &[u8] = b"mirror/";
/// Behind it in `meta`: the hash of a blob that was mirrored, and that nothing refers to any more.
const UNREFERRED: &[u8] = b"unreferred/";

/// Values of at least so many bytes go to BlobDB's files; smaller ones cost less within a table than a read of their own.
const SEPARATE_MIN: u64 = 4 << 10;
/// Bytes of small blobs that are gathered in memory before they become one file: 300 of 100 KB. There are two such buffers at most. Half as many
/// bytes would be twice as many files, and each is one of those that may be open.
const WRITE_BUFFER: usize = 32 << 20;
const WRITE_BUFFERS_MAX: i32 = 2;
/// Bytes of one file that a collection rewrites.
const REWRITTEN_FILE_SIZE: u64 = 256 << 20;
/// Bytes of the write-ahead log at which everything in memory is written out.
const LOG_SIZE_MAX: u64 = 128 << 20;
/// Bytes of blocks in memory: those of index and filters of two million blobs. Bytes of blobs are never cached here; the system does that.
const CACHE: usize = 16 << 20;
/// The most files that are open. The archive takes half of what the system gives, and 1,024 is what many give.
const OPEN_FILES_MAX: i32 = 192;
/// One file of RocksDB's info log, and how many of them.
const INFO_LOG_SIZE: usize = 1 << 20;
const INFO_LOGS_MAX: usize = 5;
/// The share of garbage, in percent, from which the files of small blobs are rewritten: below it a collection would write more than it frees.
const GARBAGE_PERCENT: u64 = 30;

/// How the database is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opening {
    Make,
    Write,
    Read,
}

/// The key of a download: the SHA-256 of the name that its caller gave it, so that no name is a path or too long.
pub(super) type PartialKey = [u8; 32];

/// The open database.
pub(super) struct Database {
    db: DB,
    totals: Mutex<BlobTotals>,
    /// The bytes of the totals, for who must not wait while a batch is written.
    stored_bytes: AtomicU64,
    /// The newest batch that the disk has.
    flushed: AtomicU64,
}

impl Database {
    pub(super) fn open(path: &Path, opening: Opening) -> Result<Self, BlobError> {
        let damaged = |why: &str| {
            let path = path.parent().unwrap_or(path).to_owned();
            BlobError::Lost { path, what: format!("is damaged ({why})") }
        };
        let store = |source: rocksdb::Error| match source.kind() {
            ErrorKind::Corruption => damaged(source.as_ref()),
            ErrorKind::IOError if source.as_ref().contains("No such file or directory") => damaged(source.as_ref()),
            _ => BlobError::Store { path: path.to_owned(), source },
        };
        let read_only = || DB::open_cf_descriptors_read_only(&db_options(Opening::Read), path, descriptors(), false);
        if opening != Opening::Make {
            // Before anything is written, as what is damaged stays as it is.
            let missing = tables::missing(&read_only().map_err(store)?);
            if let Some(why) = missing.map_err(|source| BlobError::Io { path: path.to_owned(), source })? {
                return Err(damaged(&why));
            }
        }
        let db = match opening {
            Opening::Read => read_only(),
            Opening::Make | Opening::Write => DB::open_cf_descriptors(&db_options(opening), path, descriptors()),
        };
        let db = db.map_err(store)?;
        let this = Self { db, totals: Mutex::default(), stored_bytes: AtomicU64::new(0), flushed: AtomicU64::new(0) };
        let kept = this.db.get_cf(this.family(META), TOTALS).map_err(|e| this.failed(e))?;
        let totals = match kept.as_deref().map(BlobTotals::decode) {
            None if opening == Opening::Make => BlobTotals::default(),
            Some(Some(totals)) => totals,
            _ => this.count()?,
        };
        this.stored_bytes.store(totals.here().bytes, Ordering::Relaxed);
        *this.totals_lock() = totals;
        Ok(this)
    }

    fn family(&self, name: &str) -> &ColumnFamily {
        #[expect(clippy::expect_used, reason = "every family is opened by `descriptors`")]
        self.db.cf_handle(name).expect("a column family of the table is open")
    }

    /// Writes out what is in memory tables, of all families in one step.
    fn write_tables(&self) -> Result<(), BlobError> {
        let families = FAMILIES.map(|name| self.family(name));
        self.db.flush_cfs_opt(&families.each_ref(), &FlushOptions::default()).map_err(|e| self.failed(e))
    }

    fn failed(&self, source: rocksdb::Error) -> BlobError {
        BlobError::Store { path: self.db.path().to_owned(), source }
    }

    fn totals_lock(&self) -> MutexGuard<'_, BlobTotals> {
        // Whoever panicked had not changed them: they change after the write.
        self.totals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn totals(&self) -> BlobTotals {
        *self.totals_lock()
    }

    /// The bytes of all blobs that are here.
    pub(super) fn stored_bytes(&self) -> u64 {
        self.stored_bytes.load(Ordering::Relaxed)
    }

    /// Counts what the index has, where nothing says it.
    fn count(&self) -> Result<BlobTotals, BlobError> {
        self.entries().try_fold(BlobTotals::default(), |totals, entry| Ok(totals.with(entry?.1)))
    }

    pub(super) fn find(&self, hash: &BlobHash) -> Result<Option<BlobEntry>, BlobError> {
        let found = self.db.get_pinned_cf(self.family(INDEX), hash.0).map_err(|e| self.failed(e))?;
        found.map(|found| decoded(hash, &found)).transpose()
    }

    /// The bytes of a small blob.
    pub(super) fn bytes(&self, hash: &BlobHash, size: u64) -> Result<Vec<u8>, BlobError> {
        let damaged = |why: String| BlobError::DamagedBlob { hash: *hash, why };
        match self.db.get_cf(self.family(BYTES), hash.0) {
            Ok(Some(bytes)) if bytes.len() as u64 == size => Ok(bytes),
            Ok(Some(bytes)) => Err(damaged(format!("it has {} bytes instead of {size}", bytes.len()))),
            Ok(None) => Err(damaged("its bytes are missing".to_owned())),
            Err(error) if error.kind() == ErrorKind::Corruption => Err(damaged(error.to_string())),
            Err(error) => Err(self.failed(error)),
        }
    }

    /// Stores a blob that is not there, whose lock the caller has: a small one with its bytes. The download that brought it ends with that.
    pub(super) fn add(
        &self,
        hash: &BlobHash,
        entry: BlobEntry,
        bytes: Option<&[u8]>,
        of: Option<&PartialKey>,
    ) -> Result<(), BlobError> {
        let mut batch = WriteBatch::default();
        batch.put_cf(self.family(INDEX), hash.0, entry.encode());
        if let Some(bytes) = bytes {
            batch.put_cf(self.family(BYTES), hash.0, bytes);
        }
        if let Some(key) = of {
            batch.delete_cf(self.family(PARTIAL), key);
        }
        self.write(batch, |totals| totals.with(entry))
    }

    /// Forgets a blob that is there, whose lock the caller has.
    pub(super) fn remove(&self, hash: &BlobHash, entry: BlobEntry) -> Result<(), BlobError> {
        let mut batch = WriteBatch::default();
        batch.delete_cf(self.family(INDEX), hash.0);
        if entry.place == BlobPlace::Small {
            batch.delete_cf(self.family(BYTES), hash.0);
        }
        if entry.mirrored {
            batch.put_cf(self.family(META), behind(UNREFERRED, &hash.0), []);
        }
        self.write(batch, |totals| totals.without(entry))
    }

    /// Enters a blob that is there, whose lock the caller has, with another place or mark. Bytes that are not to be here any more go.
    pub(super) fn change(&self, hash: &BlobHash, from: BlobEntry, to: BlobEntry) -> Result<(), BlobError> {
        let mut batch = WriteBatch::default();
        batch.put_cf(self.family(INDEX), hash.0, to.encode());
        if from.place == BlobPlace::Small && to.place != BlobPlace::Small {
            batch.delete_cf(self.family(BYTES), hash.0);
        }
        self.write(batch, |totals| totals.without(from).with(to))
    }

    /// Forgets a blob whose lock the caller has, and that is nowhere any more.
    pub(super) fn forget(&self, hash: &BlobHash, entry: BlobEntry) -> Result<(), BlobError> {
        let mut batch = WriteBatch::default();
        batch.delete_cf(self.family(INDEX), hash.0);
        self.write(batch, |totals| totals.without(entry))
    }

    /// What was mirrored and is referred to no more.
    pub(super) fn unreferred(&self) -> impl Iterator<Item = Result<BlobHash, BlobError>> + '_ {
        self.meta_behind(UNREFERRED).map(|row| Ok(BlobHash(row?.0.try_into().map_err(|_| self.unreadable())?)))
    }

    /// Forgets that a blob was mirrored once.
    pub(super) fn settle_unreferred(&self, hash: &BlobHash) -> Result<(), BlobError> {
        self.db.delete_cf(self.family(META), behind(UNREFERRED, &hash.0)).map_err(|e| self.failed(e))
    }

    /// What the mirror has noted under a name.
    pub(super) fn note(&self, name: &str) -> Result<Option<Vec<u8>>, BlobError> {
        self.db.get_cf(self.family(META), behind(NOTE, name.as_bytes())).map_err(|e| self.failed(e))
    }

    /// Notes something for the mirror under a name, or forgets it.
    pub(super) fn set_note(&self, name: &str, value: Option<&[u8]>) -> Result<(), BlobError> {
        let key = behind(NOTE, name.as_bytes());
        match value {
            Some(value) => self.db.put_cf(self.family(META), key, value),
            None => self.db.delete_cf(self.family(META), key),
        }
        .map_err(|e| self.failed(e))
    }

    /// What the mirror has noted under names that begin so: what follows in the name, and the note.
    pub(super) fn notes(&self, of: &str) -> impl Iterator<Item = Result<(Vec<u8>, Vec<u8>), BlobError>> + use<'_> {
        self.meta_behind(&behind(NOTE, of.as_bytes()))
    }

    fn meta_behind(&self, prefix: &[u8]) -> impl Iterator<Item = Result<(Vec<u8>, Vec<u8>), BlobError>> + use<'_> {
        let from = prefix.to_vec();
        let rows = self.db.iterator_cf(self.family(META), IteratorMode::From(prefix, Direction::Forward));
        rows.map_while(move |row| match row {
            Ok((key, value)) => key.strip_prefix(from.as_slice()).map(|rest| Ok((rest.to_vec(), value.to_vec()))),
            Err(error) => Some(Err(self.failed(error))),
        })
    }

    fn write(&self, mut batch: WriteBatch, change: impl FnOnce(BlobTotals) -> BlobTotals) -> Result<(), BlobError> {
        let mut totals = self.totals_lock();
        let changed = change(*totals);
        batch.put_cf(self.family(META), TOTALS, changed.encode());
        self.db.write(batch).map_err(|e| self.failed(e))?;
        *totals = changed;
        self.stored_bytes.store(changed.here().bytes, Ordering::Relaxed);
        Ok(())
    }

    /// Every blob, in the order of hashes, as it is when this is called.
    pub(super) fn entries(&self) -> impl Iterator<Item = Result<(BlobHash, BlobEntry), BlobError>> + '_ {
        self.entries_from(0)
    }

    /// The same from those on whose hash begins with this byte.
    pub(super) fn entries_from(&self, first: u8) -> impl Iterator<Item = Result<(BlobHash, BlobEntry), BlobError>> + '_ {
        self.db.iterator_cf(self.family(INDEX), IteratorMode::From(&[first], Direction::Forward)).map(|row| {
            let (key, value) = row.map_err(|e| self.failed(e))?;
            let hash = BlobHash(key.as_ref().try_into().map_err(|_| self.unreadable())?);
            Ok((hash, decoded(&hash, &value)?))
        })
    }

    fn unreadable(&self) -> BlobError {
        BlobError::Lost { path: self.db.path().to_owned(), what: "has a key that cannot be read".to_owned() }
    }

    /// What is there of a download. One that cannot be read is none.
    pub(super) fn partial(&self, key: &PartialKey) -> Result<Option<PartialRecord>, BlobError> {
        let found = self.db.get_cf(self.family(PARTIAL), key).map_err(|e| self.failed(e))?;
        Ok(found.and_then(|found| PartialRecord::decode(&found)))
    }

    pub(super) fn put_partial(&self, key: &PartialKey, record: &PartialRecord) -> Result<(), BlobError> {
        self.db.put_cf(self.family(PARTIAL), key, record.encode()).map_err(|e| self.failed(e))
    }

    pub(super) fn remove_partial(&self, key: &PartialKey) -> Result<(), BlobError> {
        self.db.delete_cf(self.family(PARTIAL), key).map_err(|e| self.failed(e))
    }

    /// What is there of all downloads; `None` for one that cannot be read.
    pub(super) fn partials(&self) -> impl Iterator<Item = Result<(PartialKey, Option<PartialRecord>), BlobError>> + '_ {
        self.db.iterator_cf(self.family(PARTIAL), IteratorMode::Start).map(|row| {
            let (key, value) = row.map_err(|e| self.failed(e))?;
            Ok((key.as_ref().try_into().map_err(|_| self.unreadable())?, PartialRecord::decode(&value)))
        })
    }

    /// Has the disk take everything that was written before this is called.
    pub(super) fn flush(&self) -> Result<(), BlobError> {
        let newest = self.db.latest_sequence_number();
        if self.flushed.load(Ordering::Acquire) < newest {
            self.db.flush_wal(true).map_err(|e| self.failed(e))?;
            self.flushed.fetch_max(newest, Ordering::AcqRel);
        }
        Ok(())
    }

    /// Gives back the disk space of blobs that were removed, where that is worth its writing. `may_write` is asked whether there is room for so many bytes.
    pub(super) fn reclaim(&self, may_write: impl FnOnce(u64) -> bool) -> Result<(), BlobError> {
        let number = |name: &str| self.db.property_int_value_cf(self.family(BYTES), name).map(Option::unwrap_or_default);
        self.write_tables()?;
        // Only keys are rewritten: what is not pointed at any more becomes known as garbage, and files of nothing else are removed.
        [INDEX, BYTES].iter().for_each(|name| self.compact(name));
        let live = number("rocksdb.live-blob-file-size").map_err(|e| self.failed(e))?;
        let garbage = number("rocksdb.live-blob-file-garbage-size").map_err(|e| self.failed(e))?;
        if garbage == 0
            || garbage.saturating_mul(100) < live.saturating_mul(GARBAGE_PERCENT)
            || !may_write(live.saturating_sub(garbage))
        {
            return Ok(());
        }
        self.rewrite_bytes()
    }

    /// Has the bytes of removed blobs leave the disk, whatever that costs. `check_room` is asked whether there is room for so many bytes.
    pub(super) fn reclaim_all(&self, check_room: impl FnOnce(u64) -> Result<(), BlobError>) -> Result<(), BlobError> {
        let number = |name: &str| self.db.property_int_value_cf(self.family(BYTES), name).map(Option::unwrap_or_default);
        self.write_tables()?;
        FAMILIES.iter().for_each(|name| self.compact(name));
        let live = number("rocksdb.live-blob-file-size").map_err(|e| self.failed(e))?;
        let garbage = number("rocksdb.live-blob-file-garbage-size").map_err(|e| self.failed(e))?;
        if garbage == 0 {
            return Ok(());
        }
        check_room(live.saturating_sub(garbage))?;
        self.rewrite_bytes()
    }

    fn rewrite_bytes(&self) -> Result<(), BlobError> {
        let rewriting = |on| self.db.set_options_cf(self.family(BYTES), &[("enable_blob_garbage_collection", on)]);
        rewriting("true").map_err(|e| self.failed(e))?;
        self.compact(BYTES);
        rewriting("false").map_err(|e| self.failed(e))
    }

    fn compact(&self, family: &str) {
        let mut options = CompactOptions::default();
        options.set_bottommost_level_compaction(BottommostLevelCompaction::Force);
        self.db.compact_range_cf_opt(self.family(family), None::<&[u8]>, None::<&[u8]>, &options);
    }
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Database").field("path", &self.db.path()).finish_non_exhaustive()
    }
}

/// A key of `meta`.
fn behind(prefix: &[u8], name: &[u8]) -> Vec<u8> {
    [prefix, name].concat()
}

fn decoded(hash: &BlobHash, bytes: &[u8]) -> Result<BlobEntry, BlobError> {
    let why = || "its entry in the index cannot be read".to_owned();
    BlobEntry::decode(bytes).ok_or_else(|| BlobError::DamagedBlob { hash: *hash, why: why() })
}

fn db_options(opening: Opening) -> Options {
    let mut options = Options::default();
    options.create_if_missing(opening == Opening::Make);
    options.create_missing_column_families(opening == Opening::Make);
    options.set_atomic_flush(true);
    options.set_wal_recovery_mode(DBRecoveryMode::PointInTime);
    options.set_track_and_verify_wals_in_manifest(true);
    options.set_max_total_wal_size(LOG_SIZE_MAX);
    options.set_max_background_jobs(2);
    options.set_max_open_files(OPEN_FILES_MAX);
    options.set_max_log_file_size(INFO_LOG_SIZE);
    options.set_keep_log_file_num(INFO_LOGS_MAX);
    options
}

fn descriptors() -> Vec<ColumnFamilyDescriptor> {
    let cache = Cache::new_hyper_clock_cache(CACHE, 0);
    FAMILIES.iter().map(|name| ColumnFamilyDescriptor::new(*name, family_options(name, &cache))).collect()
}

fn family_options(name: &str, cache: &Cache) -> Options {
    let mut blocks = BlockBasedOptions::default();
    blocks.set_format_version(6);
    blocks.set_block_cache(cache);
    blocks.set_cache_index_and_filter_blocks(true);
    blocks.set_pin_l0_filter_and_index_blocks_in_cache(true);
    let mut options = Options::default();
    // Hashes and compressed media: nothing that a compression would make smaller.
    options.set_compression_type(DBCompressionType::None);
    match name {
        // Asked before each download whether it is there.
        INDEX => blocks.set_bloom_filter(10.0, false),
        BYTES => {
            options.set_enable_blob_files(true);
            options.set_min_blob_size(SEPARATE_MIN);
            options.set_blob_file_size(REWRITTEN_FILE_SIZE);
            options.set_blob_compression_type(DBCompressionType::None);
            options.set_write_buffer_size(WRITE_BUFFER);
            options.set_max_write_buffer_number(WRITE_BUFFERS_MAX);
            // Off, but while a collection rewrites: keys are hashes, so that every compaction meets blobs of all files, and would rewrite a share of
            // the whole store each time. When it is on, all files are eligible.
            options.set_enable_blob_gc(false);
            options.set_blob_gc_age_cutoff(1.0);
            options.set_blob_compaction_readahead_size(1 << 20);
        }
        _ => {}
    }
    options.set_block_based_table_factory(&blocks);
    options
}
