//! Garbage collection (mark and sweep): removes what nothing refers to any more.
//!
//! # Correctness
//! The danger is a blob that is stored, or found to be there already, while a sweep takes it for unreferenced: the archive would say that the file is
//! there, and it would not be. The order that rules it out:
//!
//! 1. Whoever stores a blob gets a [`Stored`](super::Stored), which pins it, and lets go of it only when the archive durably refers to the blob. Whoever
//!    refers to one that is there already [pins](super::Blobs::pin) it first.
//! 2. [`Blobs::begin_collection`] notes what is pinned. Whatever is pinned from then on until the sweep ends is kept, also when the pin goes.
//! 3. References are looked up after that. So a blob that is not pinned at any moment of the sweep had its reference before the sweep began,
//!    and is seen; or it has none.
//! 4. The sweep removes a blob under its lock, and asks for pins under it. Whoever stores the same content meanwhile has pinned it before it waits for
//!    that lock: the sweep sees the pin, or is done, and the content is stored anew.
//!
//! Therefore `is_referenced` must answer from the archive as it is after the collection began: a list that was made before misses what was
//! stored in between. [`Blobs::collect`] may be given only what looks at each call.
//!
//! A file is removed after the database has durably forgotten it. A power cut in between leaves a file that the database does not know, which the next
//! collection removes, or enters again where it is referred to and has the bytes that its name says.

use std::collections::HashSet;
use std::sync::atomic::Ordering;

use crate::model::Timestamp;

use super::database::PartialKey;
use super::error::BlobError;
use super::hash::BlobHash;
use super::record::{BlobAmount, BlobEntry, BlobPlace};
use super::verify::DAMAGED_MAX;
use super::{Blobs, large};

/// Large blobs that are forgotten before one flush, and their files removed: a flush for each would be most of the time.
const FORGOTTEN_MAX: usize = 1_024;

/// What a collection has done.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Collected {
    /// Blobs that nothing referred to, which were removed.
    pub removed: BlobAmount,
    /// Blobs that nothing referred to, which somebody held on to.
    pub pinned: u64,
    /// Downloads that nobody went on with, and what was left of others, with what they took of the disk.
    pub partials: BlobAmount,
    /// Files of large blobs that the database did not know and nothing referred to, which were removed.
    pub unknown: BlobAmount,
    /// The same, but referred to: the database knows them again.
    pub adopted: BlobAmount,
    /// Files that the database does not know, that are referred to, and whose bytes are not those of their name: the first thousand. They are left.
    pub damaged: Vec<BlobHash>,
    /// Files that are not ours, which are left.
    pub foreign: u64,
}

/// A collection that has begun: from now on everything that is stored or pinned is kept. Dropping it removes nothing.
#[derive(Debug)]
#[must_use = "nothing is removed before the sweep"]
pub struct Collection {
    blobs: Blobs,
}

impl Blobs {
    /// Begins a collection. What is referenced is looked up after this, and given to [`Collection::sweep`].
    ///
    /// # Errors
    /// [`BlobError::CollectionRunning`] where one has begun and not ended.
    pub fn begin_collection(&self) -> Result<Collection, BlobError> {
        self.writable()?;
        if self.inner.pins.begin_sweep() { Ok(Collection { blobs: self.clone() }) } else { Err(BlobError::CollectionRunning) }
    }

    /// Removes every blob that nothing refers to, and downloads that were last written before a time. `is_referenced` must look into the archive as it is
    /// when it is called; see [`Collection::sweep`] for a list that is made in advance.
    ///
    /// # Errors
    /// When the disk refuses. What was removed until then is removed.
    pub fn collect(&self, is_referenced: impl Fn(&BlobHash) -> bool, older_than: Timestamp) -> Result<Collected, BlobError> {
        self.begin_collection()?.sweep(is_referenced, older_than)
    }
}

impl Collection {
    /// Removes every blob that nothing refers to and nobody has pinned since the collection began, and downloads that were last written before a time.
    ///
    /// # Errors
    /// See [`Blobs::collect`].
    pub fn sweep(self, is_referenced: impl Fn(&BlobHash) -> bool, older_than: Timestamp) -> Result<Collected, BlobError> {
        let mut collected = Collected::default();
        let mut forgotten = Vec::new();
        let mut has_freed_small = false;
        for entry in self.blobs.inner.database.entries() {
            let (hash, _) = entry?;
            if is_referenced(&hash) {
                continue;
            }
            match self.forget(&hash, &mut collected)? {
                Some(BlobPlace::Large) => forgotten.push(hash),
                Some(BlobPlace::Small) => has_freed_small = true,
                Some(BlobPlace::Elsewhere) | None => {}
            }
            if forgotten.len() == FORGOTTEN_MAX {
                self.remove_files(&mut forgotten)?;
            }
        }
        self.remove_files(&mut forgotten)?;
        self.sweep_unknown(&is_referenced, &mut collected)?;
        self.sweep_partials(older_than, &mut collected)?;
        let has_dropped_small = self.blobs.inner.has_dropped_small.swap(false, Ordering::Relaxed);
        if has_freed_small || has_dropped_small {
            self.blobs.reclaim()?;
        }
        Ok(collected)
    }

    /// Takes a blob out of the database, unless it is pinned. Returns where it was.
    fn forget(&self, hash: &BlobHash, collected: &mut Collected) -> Result<Option<BlobPlace>, BlobError> {
        let inner = &self.blobs.inner;
        let lock = inner.pins.lock(*hash);
        // As it is now: somebody may have deleted it since the sweep came here.
        let Some(entry) = inner.database.find(hash)? else { return Ok(None) };
        if inner.pins.is_pinned(&lock) {
            collected.pinned += 1;
            return Ok(None);
        }
        inner.database.remove(hash, entry)?;
        collected.removed.add(entry.size);
        Ok(Some(entry.place))
    }

    /// Removes the files of blobs that were forgotten, unless they were stored again meanwhile.
    fn remove_files(&self, forgotten: &mut Vec<BlobHash>) -> Result<(), BlobError> {
        let inner = &self.blobs.inner;
        inner.database.flush()?;
        for hash in forgotten.drain(..) {
            let _lock = inner.pins.lock(hash);
            if inner.database.find(&hash)?.is_none() {
                inner.large.remove(&hash)?;
            }
        }
        Ok(())
    }

    /// Removes or enters files that the database does not know.
    fn sweep_unknown(&self, is_referenced: &impl Fn(&BlobHash) -> bool, collected: &mut Collected) -> Result<(), BlobError> {
        let inner = &self.blobs.inner;
        // What it has forgotten must be forgotten durably.
        inner.database.flush()?;
        inner.large.for_each(|found| {
            let Some(hash) = found else {
                collected.foreign += 1;
                return Ok(());
            };
            if inner.database.find(&hash)?.is_some_and(|entry| entry.place != BlobPlace::Elsewhere) {
                return Ok(());
            }
            let lock = inner.pins.lock(hash);
            match inner.database.find(&hash)? {
                // What a process left that was killed while it dropped its copy of what the mirror has.
                Some(entry) if entry.place == BlobPlace::Elsewhere => {
                    collected.unknown.add(inner.large.remove(&hash)?);
                    return Ok(());
                }
                // Whoever was placing it has entered it before the lock was free.
                Some(_) => return Ok(()),
                None => {}
            }
            if !is_referenced(&hash) && !inner.pins.is_pinned(&lock) {
                collected.unknown.add(inner.large.remove(&hash)?);
                return Ok(());
            }
            let path = inner.large.path(&hash);
            let file = large::open(&path).map_err(BlobError::io(&path))?;
            match BlobHash::of_reader(file, |_| {}).map_err(BlobError::io(&path))? {
                (found, size) if found == hash => {
                    inner.database.add(&hash, BlobEntry::here(BlobPlace::Large, size), None, None)?;
                    collected.adopted.add(size);
                }
                _ if collected.damaged.len() < DAMAGED_MAX => collected.damaged.push(hash),
                _ => {}
            }
            Ok(())
        })
    }

    /// Removes downloads that nobody has gone on with, and files that no download has.
    fn sweep_partials(&self, older_than: Timestamp, collected: &mut Collected) -> Result<(), BlobError> {
        let inner = &self.blobs.inner;
        for partial in inner.database.partials() {
            self.forget_partial(&partial?.0, older_than, collected)?;
        }
        let folder = inner.folder.partial();
        let (names, foreign) = inner.incoming.names().map_err(BlobError::io(&folder))?;
        collected.foreign += foreign;
        // Read after the names: a file is noted right after it was made.
        let mut noted = HashSet::new();
        for partial in inner.database.partials() {
            noted.extend(partial?.1.map(|record| record.file));
        }
        for name in names.iter().filter(|name| !noted.contains(*name)) {
            if let Some(bytes) = inner.incoming.remove_older(name, older_than.0).map_err(BlobError::io(&folder))? {
                collected.partials.add(bytes);
            }
        }
        Ok(())
    }

    fn forget_partial(&self, key: &PartialKey, older_than: Timestamp, collected: &mut Collected) -> Result<(), BlobError> {
        let inner = &self.blobs.inner;
        // Nobody opens it meanwhile.
        let open = self.blobs.downloads();
        if open.contains(key) {
            return Ok(());
        }
        // As it is now; what cannot be read is of no use to anybody.
        if let Some(record) = inner.database.partial(key)? {
            let path = inner.incoming.path(&record.file);
            match inner.incoming.remove_older(&record.file, older_than.0).map_err(BlobError::io(&path))? {
                Some(bytes) => collected.partials.add(bytes),
                // It is young, or gone already.
                None if path.exists() => return Ok(()),
                None => {}
            }
            self.blobs.count_partial(0, record.bytes());
        }
        inner.database.remove_partial(key)
    }
}

impl Drop for Collection {
    fn drop(&mut self) {
        self.blobs.inner.pins.end_sweep();
    }
}
