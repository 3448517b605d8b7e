//! What is known of the mirror: which blobs it has, which are nowhere else, what is to be removed from it; and reading from it.
//!
//! # Correctness
//! - A mark says that somebody has verified the mirror's copy. It is written under the blob's lock, only while the blob is there.
//! - A copy here goes after the mark is durable, and the entry says so, durably, before a file is removed. What a process leaves that is killed in
//!   between is removed by the next collection.
//! - Whoever removes a blob that has a mark notes in the same batch that the mirror's copy is to go. Storing the content again takes nothing back: the mirror
//!   asks, before it removes its copy, whether the blob is there again.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::error::BlobError;
use super::hash::BlobHash;
use super::reader::BlobReader;
use super::record::{BlobEntry, BlobPlace};
use super::source::{MirrorSource, MirroredBytes};
use super::{Blobs, SMALL_MAX};

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
        let bytes = MirroredBytes::new(*hash, size, Arc::clone(source));
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
