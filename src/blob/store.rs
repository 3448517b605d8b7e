//! Storing: bytes that come in one piece, and the last step of those that came in parts.

use std::io::Write as _;
use std::path::Path;

use super::database::PartialKey;
use super::error::BlobError;
use super::hash::BlobHash;
use super::pins::Pin;
use super::record::{BlobEntry, BlobPlace};
use super::{Blobs, SMALL_MAX};

/// A blob that is stored, and stays stored at least for as long as this lives: let it go when the archive says that the file is there.
#[derive(Debug)]
#[must_use = "the blob may be collected once this is dropped"]
pub struct Stored {
    /// Its name.
    pub hash: BlobHash,
    /// Its bytes.
    pub size: u64,
    /// Whether it was stored before.
    pub was_known: bool,
    /// What keeps it from being collected.
    pub pin: Pin,
}

impl Blobs {
    /// Stores bytes that are there in one piece. Durable at the latest when [`Blobs::flush`] has returned.
    ///
    /// # Errors
    /// When there is no room, or the disk refuses: then nothing is left behind.
    pub fn put(&self, bytes: &[u8]) -> Result<Stored, BlobError> {
        self.writable()?;
        let (hash, size) = (BlobHash::of(bytes), bytes.len() as u64);
        if bytes.len() <= SMALL_MAX {
            return self.store_small(hash, bytes, None);
        }
        let pin = self.inner.pins.pin(hash);
        let _lock = self.inner.pins.lock(hash);
        if self.is_whole(&hash)? {
            return Ok(Stored { hash, size, was_known: true, pin });
        }
        self.check_room(size)?;
        let folder = self.inner.folder.partial();
        let incoming = self.inner.incoming.make(&hash.to_string()).map_err(BlobError::io(&folder))?;
        let path = incoming.path();
        let written = (&incoming.file).write_all(bytes).and_then(|()| incoming.file.sync_all()).map_err(BlobError::io(&path));
        if let Err(error) = written.and_then(|()| self.place_large(hash, size, &path, None)) {
            // The first error is the one to tell of; what cannot be removed is collected later.
            drop(incoming.remove());
            return Err(error);
        }
        Ok(Stored { hash, size, was_known: false, pin })
    }

    /// Stores a small blob in the database. A download that brought it ends with that, and its bytes count already.
    pub(super) fn store_small(&self, hash: BlobHash, bytes: &[u8], of: Option<&PartialKey>) -> Result<Stored, BlobError> {
        let size = bytes.len() as u64;
        let pin = self.inner.pins.pin(hash);
        let _lock = self.inner.pins.lock(hash);
        let was_known = self.is_whole(&hash)?;
        match (was_known, of) {
            (true, None) => {}
            (true, Some(key)) => self.inner.database.remove_partial(key)?,
            (false, _) => {
                if of.is_some() {
                    self.inner.room.check_disk(size)?
                } else {
                    self.check_room(size)?
                };
                self.inner.database.add(&hash, BlobEntry::here(BlobPlace::Small, size), Some(bytes), of)?;
            }
        }
        Ok(Stored { hash, size, was_known, pin })
    }

    /// Stores a large blob, which is a file whose bytes the disk has and which nobody writes to any more. Where the blob is known, the file stays.
    pub(super) fn store_large(&self, hash: BlobHash, size: u64, path: &Path, of: &PartialKey) -> Result<Stored, BlobError> {
        let pin = self.inner.pins.pin(hash);
        let _lock = self.inner.pins.lock(hash);
        let was_known = self.is_whole(&hash)?;
        match was_known {
            true => self.inner.database.remove_partial(of)?,
            false => self.place_large(hash, size, path, Some(of))?,
        }
        Ok(Stored { hash, size, was_known, pin })
    }

    /// Moves a file to its place and enters it. The lock of its hash must be held.
    fn place_large(&self, hash: BlobHash, size: u64, path: &Path, of: Option<&PartialKey>) -> Result<(), BlobError> {
        self.inner.large.place(&hash, path)?;
        self.inner.database.add(&hash, BlobEntry::here(BlobPlace::Large, size), None, of)
    }

    /// Whether a blob is stored. One whose file is missing or has another size is forgotten, so that it is stored again, unless the mirror has it.
    /// Its lock must be held.
    fn is_whole(&self, hash: &BlobHash) -> Result<bool, BlobError> {
        let Some(entry) = self.inner.database.find(hash)? else { return Ok(false) };
        if entry.place != BlobPlace::Large {
            return Ok(true);
        }
        match self.inner.large.open(hash, entry.size) {
            Ok(_) => Ok(true),
            Err(error @ BlobError::DamagedBlob { .. }) if entry.mirrored => {
                tracing::warn!("{error}; the mirror has it");
                self.inner.database.change(hash, entry, BlobEntry { place: BlobPlace::Elsewhere, ..entry })?;
                Ok(true)
            }
            Err(error @ BlobError::DamagedBlob { .. }) => {
                tracing::warn!("{error}; it is stored again");
                self.inner.database.remove(hash, entry)?;
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }
}
