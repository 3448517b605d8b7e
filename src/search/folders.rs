//! The folders of an index: the one that is searched, one that is being built beside it, and one that was replaced; and the swap.
//!
//! # Correctness
//! A folder cannot be renamed onto one with files in it, so the swap takes two renames, and any start can finish it
//! ([`IndexFolders::recover`]), because what is there tells how far it got. While an index is being built, the mark `.building` is in its
//! folder, from before its first file until it is complete and durable:
//!
//! | `index` | `index.new` | `index.old` | what happened | what a start does |
//! | --- | --- | --- | --- | --- |
//! | any | marked | | the build was interrupted | builds on |
//! | any | complete, no mark | | complete, not swapped yet | swaps |
//! | | complete, no mark | there | one rename of two | the other |
//! | there | | there | both renames | deletes `index.old` |
//! | | | there | what was complete is gone | takes `index.old` back |
//!
//! The old index is deleted last, so at every moment one of them is whole, if one was.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::SearchError;
use super::directory::{BUILDING, META, files_of_an_index, is_vacant, sync_folder};
use super::failure::refused;
use super::index::{Index, seen};
use crate::archive::{Archive, ExternalPosition};
use crate::failpoints;

/// The folders of an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexFolders {
    current: PathBuf,
    new: PathBuf,
    old: PathBuf,
}

impl IndexFolders {
    /// The folders of the index at a place: the others are beside it, `NAME.new` and `NAME.old`.
    #[must_use]
    pub fn at(current: &Path) -> Self {
        Self { current: current.to_owned(), new: current.with_extension("new"), old: current.with_extension("old") }
    }

    /// Where the index is that searches use.
    #[must_use]
    pub fn current(&self) -> &Path {
        &self.current
    }

    /// Where one is built beside it.
    pub(super) fn beside(&self) -> &Path {
        &self.new
    }

    /// How far the index has seen which archive; `None` where it cannot be told, or nothing was seen yet. After an interrupted swap or
    /// rebuild, what has seen most of the same archive counts.
    ///
    /// # Errors
    /// When the system refuses: what it has seen must not be taken for nothing.
    pub fn seen(&self) -> Result<Option<ExternalPosition>, SearchError> {
        let mut most: Option<ExternalPosition> = None;
        for place in [&self.current, &self.old, &self.new] {
            let Some(seen) = seen(place)? else { continue };
            let counts = most.as_ref().is_none_or(|most| most.archive == seen.archive && most.position < seen.position);
            if counts {
                most = Some(seen);
            }
        }
        Ok(most)
    }

    /// Opens the index of an archive for reading, or where a swap was interrupted what takes its place; changes nothing.
    ///
    /// # Errors
    /// See [`Index::open_existing`].
    pub fn open_to_read(&self, archive: &Archive) -> Result<Index, SearchError> {
        Index::open_existing(self.readable(), archive)
    }

    fn readable(&self) -> &Path {
        let is_there = |place: &Path| place.join(META).is_file();
        if is_there(&self.current) || !is_there(&self.old) {
            return &self.current;
        }
        if is_there(&self.new) && !self.new.join(BUILDING).is_file() { &self.new } else { &self.old }
    }

    /// Fails when a folder holds other files than an index, so that it could not be replaced. Changes nothing.
    ///
    /// # Errors
    /// Also when the system refuses.
    pub fn check_replaceable(&self) -> Result<(), SearchError> {
        for place in [&self.current, &self.new, &self.old] {
            if !is_vacant(place)? {
                files_of_an_index(place)?;
            }
        }
        Ok(())
    }

    /// Finishes a swap that was interrupted, and deletes what a finished one has left. To be called when nobody has any of them open.
    pub(super) fn recover(&self, archive: &Archive) -> Result<(), SearchError> {
        if self.is_complete(archive)? {
            return self.swap();
        }
        if is_vacant(&self.old)? {
            return remove(&self.old);
        }
        if is_vacant(&self.current)? {
            remove(&self.current)?;
            return rename(&self.old, &self.current);
        }
        remove(&self.old)
    }

    /// Whether an index was built beside the other, to its end; what is there instead and was not begun by a rebuild is deleted.
    fn is_complete(&self, archive: &Archive) -> Result<bool, SearchError> {
        if is_vacant(&self.new)? {
            remove(&self.new)?;
            return Ok(false);
        }
        if self.reason_of_rebuild()?.is_some() {
            return Ok(false);
        }
        match Index::open_existing(&self.new, archive) {
            Ok(_) => Ok(true),
            Err(error @ (SearchError::Unusable { .. } | SearchError::NoIndex { .. })) => {
                tracing::warn!("what an earlier rebuild has left is deleted: {error}");
                remove(&self.new)?;
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// Why an index is being built beside the other; `None` where none is.
    pub(super) fn reason_of_rebuild(&self) -> Result<Option<String>, SearchError> {
        match fs::read(self.new.join(BUILDING)) {
            Ok(why) => Ok(Some(String::from_utf8_lossy(&why).into_owned())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(refused(&self.new, &error)),
        }
    }

    /// Begins an empty index beside the other, in place of what was there.
    pub(super) fn begin(&self, why: &str) -> Result<Index, SearchError> {
        let io = |error: io::Error| refused(&self.new, &error);
        fs::create_dir_all(&self.new).map_err(io)?;
        let leftovers = files_of_an_index(&self.new)?;
        let mark = self.new.join(BUILDING);
        fs::write(&mark, why).and_then(|()| fs::File::open(&mark)?.sync_all()).map_err(io)?;
        for leftover in leftovers.iter().filter(|entry| entry.file_name() != BUILDING) {
            fs::remove_file(leftover.path()).map_err(io)?;
        }
        sync_folder(&self.new)?;
        sync_folder(beside(&self.new))?;
        Index::make(&self.new)
    }

    /// Says that the index that was built beside the other is complete, and puts it in its place. To be called when nobody writes to it.
    pub(super) fn complete(&self) -> Result<(), SearchError> {
        match fs::remove_file(self.new.join(BUILDING)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(refused(&self.new, &error)),
            _ => sync_folder(&self.new)?,
        }
        self.swap()
    }

    fn swap(&self) -> Result<(), SearchError> {
        if is_vacant(&self.current)? {
            remove(&self.current)?;
        } else {
            remove(&self.old)?;
            rename(&self.current, &self.old)?;
            failpoints::pass("index-swap");
        }
        rename(&self.new, &self.current)?;
        remove(&self.old)
    }
}

fn beside(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn rename(from: &Path, to: &Path) -> Result<(), SearchError> {
    fs::rename(from, to).map_err(|e| refused(from, &e))?;
    sync_folder(beside(to))
}

/// Deletes an index's folder, and no other: its path comes from a configuration. Nothing there is well.
fn remove(path: &Path) -> Result<(), SearchError> {
    if !path.try_exists().map_err(|e| refused(path, &e))? {
        return Ok(());
    }
    let io = |error: io::Error| refused(path, &error);
    files_of_an_index(path)?.iter().try_for_each(|entry| fs::remove_file(entry.path())).map_err(io)?;
    fs::remove_dir(path).map_err(io)
}
