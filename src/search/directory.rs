//! An index's folder on disk: which files are its own, and a checksum for those that have none.
//!
//! Tantivy ends each file of a segment with a checksum (its footer), but its two lists, `meta.json` (the segments of the newest commit) and
//! `.managed.json` (the files that it may delete), have none: a flipped bit there changes a position or a count, and everything still
//! opens. Here each of them ends with a member that has the checksum of what is before it, so that both stay JSON that Tantivy reads.
//!
//! Opened for reading, a folder is not written to at all: not even Tantivy's lock files are made. Whoever opens it so has the data folder's
//! lock, and no writer beside.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tantivy::Directory;
use tantivy::directory::error::{DeleteError, LockError, OpenDirectoryError, OpenReadError, OpenWriteError};
use tantivy::directory::{DirectoryLock, FileHandle, Lock, MmapDirectory, WatchCallback, WatchHandle, WritePtr};

use super::SearchError;
use super::failure::refused;

/// The list of segments: the file that makes a folder an index.
pub(super) const META: &str = "meta.json";
/// The list of files that Tantivy made, and may delete.
pub(super) const MANAGED: &str = ".managed.json";
/// The mark of an index that is being built, with the reason as its text.
pub(super) const BUILDING: &str = ".building";

/// How a folder is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// Nothing is written, no lock is taken.
    Read,
    /// For the one writer.
    Write,
}

/// Tantivy's directory of memory-mapped files, with checksummed lists.
#[derive(Clone, Debug)]
pub(super) struct IndexDirectory {
    files: MmapDirectory,
    root: PathBuf,
    access: Access,
}

/// A lock of Tantivy's, given back when this is dropped, whoever else has the file open.
///
/// Tantivy's own is given back when the file is closed, and a process that is just being started has the open files of the one that starts
/// it: until it runs its own program the lock would be busy, though nobody holds it.
struct HeldLock(File);

impl IndexDirectory {
    pub(super) fn open(path: &Path, access: Access) -> Result<Self, OpenDirectoryError> {
        Ok(Self { files: MmapDirectory::open(path)?, root: path.to_owned(), access })
    }
}

impl HeldLock {
    fn take(path: &Path, is_blocking: bool) -> Result<Self, LockError> {
        let io = |error| LockError::IoError(Arc::new(error));
        let file = File::options().write(true).create(true).truncate(false).open(path).map_err(io)?;
        if is_blocking {
            file.lock().map_err(io)?;
        } else {
            file.try_lock().map_err(|error| match error {
                TryLockError::WouldBlock => LockError::LockBusy,
                TryLockError::Error(error) => io(error),
            })?;
        }
        Ok(Self(file))
    }
}

impl Drop for HeldLock {
    fn drop(&mut self) {
        // The kernel gives the lock back with the file; an error here changes nothing.
        if let Err(error) = self.0.unlock() {
            tracing::debug!(%error, "an index's lock was not given back");
        }
    }
}

impl Directory for IndexDirectory {
    fn get_file_handle(&self, path: &Path) -> Result<Arc<dyn FileHandle>, OpenReadError> {
        self.files.get_file_handle(path)
    }

    fn delete(&self, path: &Path) -> Result<(), DeleteError> {
        self.files.delete(path)
    }

    fn exists(&self, path: &Path) -> Result<bool, OpenReadError> {
        self.files.exists(path)
    }

    fn open_write(&self, path: &Path) -> Result<WritePtr, OpenWriteError> {
        self.files.open_write(path)
    }

    fn atomic_read(&self, path: &Path) -> Result<Vec<u8>, OpenReadError> {
        let list = self.files.atomic_read(path)?;
        checked(&list)
            .map_err(|why| OpenReadError::wrap_io_error(io::Error::new(io::ErrorKind::InvalidData, why), path.to_owned()))
    }

    fn atomic_write(&self, path: &Path, list: &[u8]) -> io::Result<()> {
        self.files.atomic_write(path, &checksummed(list)?)
    }

    fn sync_directory(&self) -> io::Result<()> {
        self.files.sync_directory()
    }

    fn acquire_lock(&self, lock: &Lock) -> Result<DirectoryLock, LockError> {
        match self.access {
            Access::Read => Ok(DirectoryLock::from(Box::new(()))),
            Access::Write => {
                let held = HeldLock::take(&self.root.join(&lock.filepath), lock.is_blocking)?;
                Ok(DirectoryLock::from(Box::new(held)))
            }
        }
    }

    fn watch(&self, callback: WatchCallback) -> tantivy::Result<WatchHandle> {
        self.files.watch(callback)
    }
}

/// How the last member of an object begins, and that of an array.
const MEMBERS: [(&str, &str); 2] = [("\"crc32\": \"", "\"}\n"), ("\"crc32: ", "\"]\n")];
/// Hexadecimal digits of a checksum.
const DIGITS: usize = 8;

/// A list with its checksum as the last member.
fn checksummed(list: &[u8]) -> io::Result<Vec<u8>> {
    let list = list.trim_ascii_end();
    let Some((close, members)) = list.split_last().filter(|(close, _)| matches!(close, b'}' | b']')) else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "neither a JSON object nor an array"));
    };
    let members = members.trim_ascii_end();
    let mut text = members.to_vec();
    if !members.ends_with(b"{") && !members.ends_with(b"[") {
        text.push(b',');
    }
    let (before, after) = MEMBERS[usize::from(*close == b']')];
    text.extend_from_slice(format!("{before}{:08x}{after}", crc32fast::hash(&text)).as_bytes());
    Ok(text)
}

/// A list without its checksum, or what is wrong with it.
pub(super) fn checked(text: &[u8]) -> Result<Vec<u8>, &'static str> {
    for (before, after) in MEMBERS {
        let length = before.len() + DIGITS + after.len();
        let Some((list, member)) = text.len().checked_sub(length).and_then(|at| text.split_at_checked(at)) else { continue };
        let Some(digits) = member.strip_prefix(before.as_bytes()).and_then(|rest| rest.strip_suffix(after.as_bytes())) else {
            continue;
        };
        if digits != format!("{:08x}", crc32fast::hash(list)).as_bytes() {
            return Err("its checksum is wrong");
        }
        let mut list = list.strip_suffix(b",").unwrap_or(list).to_vec();
        list.extend_from_slice(&after.as_bytes()[1..]);
        return Ok(list);
    }
    Err("it has no checksum")
}

/// Whether there is nothing at a place, or an empty folder.
pub(super) fn is_vacant(path: &Path) -> Result<bool, SearchError> {
    match fs::read_dir(path) {
        Ok(mut entries) => Ok(entries.all(|entry| entry.is_ok_and(|entry| is_lock(&entry.file_name().to_string_lossy())))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(refused(path, &error)),
    }
}

/// What is in an index's folder, which is there; an error where it is anything else.
pub(super) fn files_of_an_index(path: &Path) -> Result<Vec<fs::DirEntry>, SearchError> {
    let entries: io::Result<Vec<_>> = fs::read_dir(path).and_then(Iterator::collect);
    let entries = entries.map_err(|e| refused(path, &e))?;
    if !entries.iter().all(|entry| is_of_an_index(&entry.file_name().to_string_lossy())) {
        return Err(SearchError::NotAnIndex { path: path.to_owned() });
    }
    Ok(entries)
}

/// Makes what was done to the entries of a folder durable.
pub(super) fn sync_folder(path: &Path) -> Result<(), SearchError> {
    fs::File::open(path).and_then(|folder| folder.sync_all()).map_err(|e| refused(path, &e))
}

fn is_lock(name: &str) -> bool {
    name.starts_with(".tantivy-")
}

/// Tantivy's names: its own files, temporary ones, and segments, which are called by 32 hexadecimal digits.
fn is_of_an_index(name: &str) -> bool {
    let is_segment = |stem: &str| stem.len() == 32 && stem.bytes().all(|b| b.is_ascii_hexdigit());
    matches!(name, META | MANAGED | BUILDING)
        || is_lock(name)
        || name.starts_with(".tmp")
        || name.split('.').next().is_some_and(is_segment)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_free_when_it_is_given_back_also_where_another_process_has_its_file_open_still() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let held = HeldLock::take(&path, false).unwrap();
        assert!(matches!(HeldLock::take(&path, false), Err(LockError::LockBusy)));
        // As a process has it that is just being started.
        let inherited = held.0.try_clone().unwrap();
        drop(held);
        HeldLock::take(&path, false).unwrap();
        HeldLock::take(&path, true).unwrap();
        drop(inherited);
    }

    #[test]
    fn a_list_is_json_with_its_checksum_and_any_flipped_bit_is_noticed() {
        for list in ["{\n  \"segments\": [],\n  \"opstamp\": 7\n}\n", "{}", "[\"a.term\",\"meta.json\"]\n", "[]\n"] {
            let text = checksummed(list.as_bytes()).unwrap();
            let plain: serde_json::Value = serde_json::from_slice(&checked(&text).unwrap()).unwrap();
            assert_eq!(plain, serde_json::from_str::<serde_json::Value>(list).unwrap());
            serde_json::from_slice::<serde_json::Value>(&text).unwrap();
            for at in 0..text.len() {
                for bit in 0..8 {
                    let mut flipped = text.clone();
                    flipped[at] ^= 1 << bit;
                    assert!(checked(&flipped).is_err(), "{list}: bit {bit} of byte {at}");
                }
                assert!(checked(&text[..at]).is_err(), "{list}: cut at {at}");
            }
            assert_eq!(checked(list.as_bytes()), Err("it has no checksum"));
        }
    }
}
