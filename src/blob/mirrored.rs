//! What is known of the mirror: which blobs it has, which are nowhere else, what is to be removed from it; and reading from it.
//!
//! # Correctness
//! - A mark says that somebody has verified the mirror's copy. It is written under the blob's lock, only while the blob is there.
//! - A copy here goes after the mark is durable, and the entry says so, durably, before a file is removed. What a process leaves that is killed in
//!   between is removed by the next collection.
//! - Whoever removes a blob that has a mark notes in the same batch that the mirror's copy is to go. Storing the content again takes nothing back: the mirror
//!   asks, before it removes its copy, whether the blob is there again.

use std::fmt::Debug;
use std::ops::Range;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use super::error::BlobError;
use super::hash::BlobHash;
use super::reader::BlobReader;
use super::record::{BlobEntry, BlobPlace};
use super::{Blobs, SMALL_MAX};

/// Bytes that are asked of the mirror at least: whoever plays a video reads on, and each request costs a way there and back.
const READ_MIN: usize = 1 << 20;

/// Where the bytes of a blob are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlobCopies {
    /// Here.
    Here,
    /// Here and in the mirror.
    Both,
    /// In the mirror only.
    Mirror,
}

/// Where what is in the mirror only is read from.
pub trait MirrorSource: Debug + Send + Sync {
    /// Reads a range of a blob, all of it or nothing. Blocks, for a few seconds at most.
    ///
    /// # Errors
    /// Why not, as it follows behind "the file is in the mirror only, and".
    fn read(&self, hash: &BlobHash, range: Range<u64>) -> Result<Vec<u8>, String>;
}

/// The bytes of a blob in the mirror, and the piece that was read last.
#[derive(Debug)]
pub(super) struct MirroredBytes {
    hash: BlobHash,
    size: u64,
    source: Arc<dyn MirrorSource>,
    piece: Mutex<(u64, Vec<u8>)>,
}

impl MirroredBytes {
    /// Reads so many bytes, which are there, from an offset.
    pub(super) fn read_range(&self, offset: u64, length: usize) -> Result<Vec<u8>, BlobError> {
        let mut piece = self.piece.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = part_of(&piece, offset, length) {
            return Ok(found);
        }
        let end = offset.saturating_add(length.max(READ_MIN) as u64).min(self.size);
        let bytes = self.fetch(offset..end)?;
        *piece = (offset, bytes);
        part_of(&piece, offset, length).ok_or_else(|| self.unreachable("it gave another range than it was asked for".to_owned()))
    }

    fn fetch(&self, range: Range<u64>) -> Result<Vec<u8>, BlobError> {
        let wanted = range.end - range.start;
        let bytes = self.source.read(&self.hash, range).map_err(|why| self.unreachable(why))?;
        match bytes.len() as u64 == wanted {
            true => Ok(bytes),
            false => Err(self.unreachable(format!("it gave {} bytes instead of {wanted}", bytes.len()))),
        }
    }

    fn unreachable(&self, why: String) -> BlobError {
        BlobError::Unreachable { hash: self.hash, why }
    }
}

fn part_of((start, bytes): &(u64, Vec<u8>), offset: u64, length: usize) -> Option<Vec<u8>> {
    let from = usize::try_from(offset.checked_sub(*start)?).ok()?;
    bytes.get(from..from.checked_add(length)?).map(<[u8]>::to_vec)
}

impl Blobs {
    /// Has what is in the mirror only be read from there. Only the first source counts.
    pub fn read_from(&self, source: Arc<dyn MirrorSource>) {
        // Whoever comes second has found a mirror that serves.
        drop(self.inner.source.set(source));
    }

    /// Opens what only the mirror has. A small one is read at once, and its bytes are compared with its name.
    pub(super) fn open_mirrored(&self, hash: &BlobHash, size: u64) -> Result<BlobReader, BlobError> {
        let Some(source) = self.inner.source.get() else {
            let why = "no mirror is configured: set `mirror` as it was".to_owned();
            return Err(BlobError::Unreachable { hash: *hash, why });
        };
        let bytes = MirroredBytes { hash: *hash, size, source: Arc::clone(source), piece: Mutex::default() };
        if size > SMALL_MAX as u64 {
            return Ok(BlobReader::mirrored(*hash, bytes, size));
        }
        let content = if size == 0 { Vec::new() } else { bytes.fetch(0..size)? };
        match BlobHash::of(&content) == *hash {
            true => Ok(BlobReader::small(*hash, content)),
            false => Err(BlobError::DamagedBlob { hash: *hash, why: "the mirror has other bytes under its name".to_owned() }),
        }
    }

    /// Where the bytes of a blob are; `None` where it is not stored.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn copies(&self, hash: &BlobHash) -> Result<Option<BlobCopies>, BlobError> {
        Ok(self.inner.database.find(hash)?.map(|entry| match (entry.place, entry.mirrored) {
            (BlobPlace::Elsewhere, _) => BlobCopies::Mirror,
            (_, true) => BlobCopies::Both,
            (_, false) => BlobCopies::Here,
        }))
    }

    /// Notes that the mirror has a blob, which somebody has verified. False where the blob is not stored any more.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn note_mirrored(&self, hash: &BlobHash) -> Result<bool, BlobError> {
        self.mirrored_folder()?;
        let _lock = self.inner.pins.lock(*hash);
        let Some(entry) = self.inner.database.find(hash)? else { return Ok(false) };
        if !entry.mirrored {
            self.inner.database.change(hash, entry, BlobEntry { mirrored: true, ..entry })?;
        }
        Ok(true)
    }

    /// Drops the copy of a blob that is here, where the mirror has one. Returns the bytes that it had; `None` where there is nothing to drop.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn drop_here(&self, hash: &BlobHash) -> Result<Option<u64>, BlobError> {
        self.mirrored_folder()?;
        let _lock = self.inner.pins.lock(*hash);
        let Some(entry) = self.inner.database.find(hash)?.filter(|entry| entry.mirrored) else { return Ok(None) };
        if entry.place == BlobPlace::Elsewhere {
            return Ok(None);
        }
        // That the mirror has it must be durable before anything here goes: of a small one both become true in one batch.
        self.inner.database.change(hash, entry, BlobEntry { place: BlobPlace::Elsewhere, ..entry })?;
        match entry.place {
            BlobPlace::Large => {
                self.inner.database.flush()?;
                self.inner.large.remove(hash)?;
            }
            _ => self.inner.has_dropped_small.store(true, Ordering::Relaxed),
        }
        Ok(Some(entry.size))
    }

    /// Forgets that the mirror has a blob of which there is a copy here: it is to be mirrored again.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn forget_mirrored(&self, hash: &BlobHash) -> Result<(), BlobError> {
        self.writable()?;
        let _lock = self.inner.pins.lock(*hash);
        match self.inner.database.find(hash)? {
            Some(entry) if entry.mirrored && entry.place != BlobPlace::Elsewhere => {
                self.inner.database.change(hash, entry, BlobEntry { mirrored: false, ..entry })
            }
            _ => Ok(()),
        }
    }

    /// Gives up a blob that was in the mirror only, which has lost it: it is not stored any more.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn give_up_mirrored(&self, hash: &BlobHash) -> Result<(), BlobError> {
        self.writable()?;
        let _lock = self.inner.pins.lock(*hash);
        match self.inner.database.find(hash)? {
            Some(entry) if entry.place == BlobPlace::Elsewhere => self.inner.database.forget(hash, entry),
            _ => Ok(()),
        }
    }

    /// Every blob that a mirror has, with its size and where it is, in the order of hashes.
    pub fn mirrored(&self) -> impl Iterator<Item = Result<(BlobHash, u64, BlobCopies), BlobError>> + '_ {
        (0..=u8::MAX).flat_map(|first| self.mirrored_in(first))
    }

    /// The same of those whose hash begins with this byte.
    pub fn mirrored_in(&self, first: u8) -> impl Iterator<Item = Result<(BlobHash, u64, BlobCopies), BlobError>> + '_ {
        let entries = self.inner.database.entries_from(first);
        let of_first = entries.take_while(move |entry| entry.as_ref().map_or(true, |(hash, _)| hash.0[0] == first));
        of_first.filter_map(|entry| match entry {
            Ok((hash, BlobEntry { place, size, mirrored: true })) => {
                let copies = if place == BlobPlace::Elsewhere { BlobCopies::Mirror } else { BlobCopies::Both };
                Some(Ok((hash, size, copies)))
            }
            Ok(_) => None,
            Err(error) => Some(Err(error)),
        })
    }

    /// Blobs that the mirror has and nothing refers to any more: their copies there are to be removed, unless they are stored again.
    pub fn unreferred(&self) -> impl Iterator<Item = Result<BlobHash, BlobError>> + '_ {
        self.inner.database.unreferred()
    }

    /// Notes that the mirror's copy of what is not referred to is removed, or is to stay.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn settle_unreferred(&self, hash: &BlobHash) -> Result<(), BlobError> {
        self.writable()?;
        self.inner.database.settle_unreferred(hash)
    }

    /// What the mirror has noted under a name.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn mirror_note(&self, name: &str) -> Result<Option<Vec<u8>>, BlobError> {
        self.inner.database.note(name)
    }

    /// Notes something for the mirror under a name, or forgets it; durable with the next [`flush`](Blobs::flush).
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn set_mirror_note(&self, name: &str, value: Option<&[u8]>) -> Result<(), BlobError> {
        self.mirrored_folder()?;
        self.inner.database.set_note(name, value)
    }

    /// What the mirror has noted under names that begin so: what follows in the name, and the note.
    pub fn mirror_notes(&self, of: &str) -> impl Iterator<Item = Result<(Vec<u8>, Vec<u8>), BlobError>> + use<'_> {
        self.inner.database.notes(of)
    }

    /// The folder is one that an older version cannot read, from the first word of a mirror on.
    fn mirrored_folder(&self) -> Result<(), BlobError> {
        self.writable()?;
        if !self.inner.is_mirrored.load(Ordering::Acquire) {
            self.inner.folder.mark_mirrored()?;
            self.inner.is_mirrored.store(true, Ordering::Release);
        }
        Ok(())
    }
}
