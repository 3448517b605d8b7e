//! A download that is not complete: bytes at any offset, from several tasks at once, which a killed process and a power cut leave resumable.
//!
//! # Correctness
//! What is there is known in two steps. A range that was written is *done*: this process may rely on it. It is noted in the database with its checksum, and
//! another process believes of it what has that checksum: after a kill all of it, after a power cut what the disk has. The disk is asked for the data (fdatasync)
//! of many done ranges together, and only after that they are noted as *synced*, and believed unseen. The note itself is durable with
//! the next flush of the store, of whatever thread: one that a power cut loses costs its ranges and no more. It names the download's file, whose name is never given twice (`incoming.rs`), so no note of one file is ever
//! believed of another; and where the file is shorter than its note says, what lies behind its end is not believed.
//!
//! Nobody can write while a download is finished: [`Partial::finish`] takes it, so that there are no other references.

use std::fs::File;
use std::io::{self, Seek as _};
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

use super::database::PartialKey;
use super::error::BlobError;
use super::hash::BlobHash;
use super::incoming::IncomingFile;
use super::ranges::ByteRanges;
use super::record::{PartialRecord, UnsyncedRange};
use super::store::Stored;
use super::{Blobs, SMALL_MAX};

/// Bytes that are done and not synced, from which on they are synced: what a power cut may cost, for one sync each 16 MiB.
const UNSYNCED_MAX: u64 = 16 << 20;
/// Bytes that are done and not synced at which writers wait for a sync that is under way (back-pressure): four times as many, so that they seldom do.
const UNSYNCED_WAIT: u64 = 4 * UNSYNCED_MAX;
/// Separate ranges of one download. Telegram's largest file has 8,000 parts of 512 KiB, of which at most half can lie apart.
const RANGES_MAX: usize = 16_384;
/// Ranges that are done and not synced, from which on they are synced: each note has them all.
const UNSYNCED_RANGES_MAX: usize = 256;
/// Separate ranges that are synced, up to which each write is noted: a file that is fetched in order has a handful, and a note has them all. With more,
/// what is not synced is not noted, and a kill costs what a power cut does.
const NOTED_RANGES_MAX: usize = 64;
/// The largest file: far more than Telegram's 4 GB, and what every file system can address.
const SIZE_MAX: u64 = 1 << 40;

/// A download that is under way. To go on later it is dropped, after a [`sync`](Partial::sync) where nothing is to be fetched twice.
#[derive(Debug)]
pub struct Partial {
    blobs: Blobs,
    key: PartialKey,
    size: Option<u64>,
    /// None when it has ended.
    file: Option<IncomingFile>,
    /// What the database notes, which is written under its lock.
    written: Mutex<Written>,
    /// Held by the one who syncs.
    syncing: Mutex<()>,
    /// How many of the ranges that are not synced are being synced.
    being_synced: AtomicUsize,
    has_failed: AtomicBool,
}

#[derive(Debug, Default)]
struct Written {
    done: ByteRanges,
    synced: ByteRanges,
    /// In the order in which they were written.
    unsynced: Vec<UnsyncedRange>,
}

impl Written {
    /// Whether what is not synced is noted.
    fn is_noted_at_once(&self) -> bool {
        self.synced.count() <= NOTED_RANGES_MAX
    }

    /// How many bytes the disk was not asked for.
    fn bytes_unsynced(&self) -> u64 {
        self.unsynced.iter().map(|range| range.bytes.end - range.bytes.start).sum()
    }

    /// Adds a range; where it goes on after the one before it, they become one.
    fn add(&mut self, bytes: Range<u64>, checksum: crc32fast::Hasher, first_open: usize) {
        self.done.insert(bytes.clone());
        match self.unsynced.get_mut(first_open..).and_then(<[_]>::last_mut) {
            Some(last) if last.bytes.end == bytes.start => {
                let mut both = crc32fast::Hasher::new_with_initial_len(last.checksum, last.bytes.end - last.bytes.start);
                both.combine(&checksum);
                (last.bytes.end, last.checksum) = (bytes.end, both.finalize());
            }
            _ => self.unsynced.push(UnsyncedRange { bytes, checksum: checksum.finalize() }),
        }
    }
}

/// The right to a download's key.
struct Claim<'b> {
    blobs: &'b Blobs,
    key: PartialKey,
    is_used: bool,
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        if !self.is_used {
            self.blobs.downloads().remove(&self.key);
        }
    }
}

impl Blobs {
    /// Begins a download, or goes on with what is there of it. Its key is any text that names it, such as `document:77`; where the size is not the one
    /// that was said before, it is another file, and begins anew.
    ///
    /// # Errors
    /// When the same one is open, there is no room for what is missing, or the disk refuses.
    pub fn partial(&self, key: &str, size: Option<u64>) -> Result<Partial, BlobError> {
        self.writable()?;
        if let Some(found) = size.filter(|size| *size > SIZE_MAX) {
            return Err(BlobError::WrongSize { expected: SIZE_MAX, found });
        }
        let name = key;
        let BlobHash(key) = BlobHash::of(name.as_bytes());
        if !self.downloads().insert(key) {
            return Err(BlobError::DownloadOpen { key: name.to_owned() });
        }
        let mut claim = Claim { blobs: self, key, is_used: false };
        let before = self.inner.database.partial(&key)?;
        let (file, record) = match before.clone() {
            Some(record) => match self.resumed(record, size)? {
                Some(resumed) => resumed,
                None => self.begun(&key, size, before.as_ref())?,
            },
            None => self.begun(&key, size, None)?,
        };
        let (was, is) = (before.map_or(0, |before| before.bytes()), record.bytes());
        self.count_partial(is, was);
        claim.is_used = true;
        let mut done = record.synced.clone();
        record.unsynced.iter().for_each(|range| done.insert(range.bytes.clone()));
        let written = Written { done, synced: record.synced, unsynced: record.unsynced };
        let partial = Partial {
            blobs: self.clone(),
            key,
            size: record.size,
            file: Some(file),
            written: Mutex::new(written),
            syncing: Mutex::default(),
            being_synced: AtomicUsize::new(0),
            has_failed: AtomicBool::new(false),
        };
        // Said now rather than after an hour.
        match self.check_room(partial.size.map_or(0, |size| size - is)) {
            Ok(()) => Ok(partial),
            Err(refused) if is == 0 => partial.discard().and(Err(refused)),
            Err(refused) => Err(refused),
        }
    }

    /// What was there before, where it is of the same file.
    fn resumed(&self, mut record: PartialRecord, size: Option<u64>) -> Result<Option<(IncomingFile, PartialRecord)>, BlobError> {
        let fits = match (record.size, size) {
            (Some(before), Some(now)) => before == now,
            (None, Some(now)) => record.unsynced.iter().map(|range| range.bytes.end).fold(record.synced.end(), u64::max) <= now,
            _ => true,
        };
        let path = self.inner.incoming.path(&record.file);
        let Some(file) = self.inner.incoming.reopen(&record.file).map_err(BlobError::io(&path))?.filter(|_| fits) else {
            return Ok(None);
        };
        record.synced.truncate(file.file.metadata().map_err(BlobError::io(&path))?.len());
        record.unsynced.retain(|range| has_checksum(&file.file, range));
        record.size = record.size.or(size);
        Ok(Some((file, record)))
    }

    /// A new file, noted with nothing in it, so that the next process finds it. What is there of another one goes.
    fn begun(
        &self,
        key: &PartialKey,
        size: Option<u64>,
        before: Option<&PartialRecord>,
    ) -> Result<(IncomingFile, PartialRecord), BlobError> {
        if let Some(before) = before {
            self.inner.database.remove_partial(key)?;
            self.remove_incoming(&before.file)?;
        }
        let folder = self.inner.folder.partial();
        let file = self.inner.incoming.make(&BlobHash(*key).to_string()).map_err(BlobError::io(&folder))?;
        let record = PartialRecord { file: file.name.clone(), size, synced: ByteRanges::default(), unsynced: Vec::new() };
        self.inner.database.put_partial(key, &record)?;
        Ok((file, record))
    }

    fn remove_incoming(&self, name: &str) -> Result<(), BlobError> {
        let path = self.inner.incoming.path(name);
        self.inner.incoming.remove_older(name, i64::MAX).map(drop).map_err(BlobError::io(&path))
    }

    pub(super) fn count_partial(&self, more: u64, less: u64) {
        self.inner
            .partial_bytes
            .update(Ordering::Relaxed, Ordering::Relaxed, |bytes| bytes.saturating_add(more).saturating_sub(less));
    }
}

impl Partial {
    /// The size of the whole file, where it was said.
    #[must_use]
    pub fn size(&self) -> Option<u64> {
        self.size
    }

    /// How many bytes are there.
    #[must_use]
    pub fn bytes_done(&self) -> u64 {
        self.written().done.bytes()
    }

    /// The ranges of bytes that are missing, in order. Where the size is not known, the last one has no end (`u64::MAX`).
    #[must_use]
    pub fn missing(&self) -> Vec<Range<u64>> {
        self.written().done.gaps(self.size.unwrap_or(u64::MAX))
    }

    /// Writes bytes at an offset; several threads may at once. Bytes that are there already may come again, but must be the same.
    ///
    /// # Errors
    /// When they go beyond the size, there is no room, or the disk refuses.
    pub fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), BlobError> {
        let (length, size) = (bytes.len() as u64, self.size.unwrap_or(SIZE_MAX));
        let range = offset..offset.saturating_add(length);
        if range.end > size {
            return Err(BlobError::WrongSize { expected: size, found: range.end });
        }
        if range.is_empty() {
            return Ok(());
        }
        self.unfailed()?;
        let (incoming, max) = (self.incoming()?, RANGES_MAX);
        let written = self.written();
        if written.done.count() >= max && !written.done.touches(&range) {
            return Err(BlobError::TooScattered { max });
        }
        drop(written);
        self.blobs.check_room(length)?;
        incoming.file.write_all_at(bytes, offset).map_err(BlobError::io(&incoming.path()))?;
        let mut checksum = crc32fast::Hasher::new();
        checksum.update(bytes);
        let (unsynced, count) = {
            let mut written = self.written();
            let before = written.done.bytes();
            // What is being synced stays as it is.
            let first_open = self.being_synced.load(Ordering::Acquire);
            written.add(range, checksum, first_open);
            if written.is_noted_at_once() {
                self.note(incoming, &written)?;
            }
            self.blobs.count_partial(written.done.bytes() - before, 0);
            (written.bytes_unsynced(), written.unsynced.len())
        };
        match unsynced {
            UNSYNCED_WAIT.. => self.sync_under(self.syncing()),
            _ if unsynced >= UNSYNCED_MAX || count >= UNSYNCED_RANGES_MAX => match self.syncing.try_lock() {
                Ok(turn) => self.sync_under(turn),
                // Another thread is at it.
                Err(TryLockError::WouldBlock) => Ok(()),
                Err(TryLockError::Poisoned(poisoned)) => self.sync_under(poisoned.into_inner()),
            },
            _ => Ok(()),
        }
    }

    /// Notes what is there.
    fn note(&self, incoming: &IncomingFile, written: &Written) -> Result<(), BlobError> {
        let synced = written.synced.clone();
        let unsynced = if written.is_noted_at_once() { written.unsynced.clone() } else { Vec::new() };
        let record = PartialRecord { file: incoming.name.clone(), size: self.size, synced, unsynced };
        self.blobs.inner.database.put_partial(&self.key, &record)
    }

    /// Makes everything that was written durable: the next process goes on from here.
    ///
    /// # Errors
    /// When the disk refuses: then it must be opened again, because nobody knows what of it the disk has.
    pub fn sync(&self) -> Result<(), BlobError> {
        self.sync_under(self.syncing())?;
        self.blobs.flush()
    }

    /// Has the disk take what was written, and then notes it.
    fn sync_under(&self, _turn: MutexGuard<'_, ()>) -> Result<(), BlobError> {
        self.unfailed()?;
        let count = {
            let written = self.written();
            self.being_synced.store(written.unsynced.len(), Ordering::Release);
            written.unsynced.len()
        };
        if count == 0 {
            return Ok(());
        }
        let incoming = self.incoming()?;
        if let Err(error) = incoming.file.sync_data() {
            // The system may take the pages for clean now: asking again would be answered with yes.
            self.has_failed.store(true, Ordering::Release);
            return Err(BlobError::io(&incoming.path())(error));
        }
        let mut written = self.written();
        self.being_synced.store(0, Ordering::Release);
        let fresh: Vec<UnsyncedRange> = written.unsynced.drain(..count).collect();
        fresh.into_iter().for_each(|range| written.synced.insert(range.bytes));
        self.note(incoming, &written)
    }

    /// Ends the download: checks that it is whole, hashes it and stores it. Reads the whole file once.
    ///
    /// # Errors
    /// When bytes are missing, there are more than `size`, or the disk refuses: then the download stays as it is, and can be opened again.
    pub fn finish(mut self, size: u64) -> Result<Stored, BlobError> {
        self.unfailed()?;
        let (end, missing) = {
            let written = self.written();
            (self.size.unwrap_or(size).max(written.done.end()), written.done.gaps(size))
        };
        if end != size {
            return Err(BlobError::WrongSize { expected: size, found: end });
        }
        if let Some(first) = missing.first() {
            let count = missing.iter().map(|range| range.end - range.start).sum();
            return Err(BlobError::Incomplete { missing: count, first: first.start });
        }
        let incoming = self.incoming()?;
        let path = incoming.path();
        let stored = if size <= SMALL_MAX as u64 {
            let mut bytes = vec![0; usize::try_from(size).unwrap_or(SMALL_MAX)];
            incoming.file.read_exact_at(&mut bytes, 0).map_err(BlobError::io(&path))?;
            self.blobs.store_small(BlobHash::of(&bytes), &bytes, Some(&self.key))?
        } else {
            incoming.file.sync_all().map_err(BlobError::io(&path))?;
            let (hash, found) = hash_from_start(&incoming.file).map_err(BlobError::io(&path))?;
            if found != size {
                return Err(BlobError::WrongSize { expected: size, found });
            }
            self.blobs.store_large(hash, size, &path, &self.key)?
        };
        // What was moved to its place is not there any more.
        let removed = self.file.take().map_or(Ok(()), IncomingFile::remove);
        if let Err(error) = removed {
            tracing::warn!("`{}` could not be removed ({error}); the next collection of unreferenced files does", path.display());
        }
        Ok(stored)
    }

    /// Gives the download up: nothing of it stays.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn discard(mut self) -> Result<(), BlobError> {
        self.blobs.inner.database.remove_partial(&self.key)?;
        let path = self.incoming()?.path();
        self.file.take().map_or(Ok(()), IncomingFile::remove).map_err(BlobError::io(&path))
    }

    fn incoming(&self) -> Result<&IncomingFile, BlobError> {
        // It is taken only by what takes the download itself.
        self.file.as_ref().ok_or(BlobError::Unsynced)
    }

    fn unfailed(&self) -> Result<(), BlobError> {
        if self.has_failed.load(Ordering::Acquire) { Err(BlobError::Unsynced) } else { Ok(()) }
    }

    fn written(&self) -> MutexGuard<'_, Written> {
        // Sets of ranges do not panic half way.
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(super) fn synced(&self) -> ByteRanges {
        self.written().synced.clone()
    }

    fn syncing(&self) -> MutexGuard<'_, ()> {
        self.syncing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        let written = self.written();
        let kept = match &self.file {
            None => 0,
            Some(_) if written.is_noted_at_once() => written.done.bytes(),
            Some(_) => written.synced.bytes(),
        };
        let done = written.done.bytes();
        drop(written);
        self.blobs.count_partial(kept, done);
        // First the file, so that whoever opens it again finds it closed.
        self.file = None;
        self.blobs.downloads().remove(&self.key);
    }
}

/// Whether a file has a range as it was noted.
fn has_checksum(file: &File, range: &UnsyncedRange) -> bool {
    let (mut hasher, mut at) = (crc32fast::Hasher::new(), range.bytes.start);
    let mut chunk = vec![0; 256 << 10];
    while at < range.bytes.end {
        let length = usize::try_from(range.bytes.end - at).unwrap_or(usize::MAX).min(chunk.len());
        let Some(part) = chunk.get_mut(..length) else { return false };
        if file.read_exact_at(part, at).is_err() {
            return false;
        }
        hasher.update(part);
        at += length as u64;
    }
    hasher.finalize() == range.checksum
}

fn hash_from_start(mut file: &File) -> io::Result<(BlobHash, u64)> {
    file.rewind()?;
    BlobHash::of_reader(file, |_| {})
}
