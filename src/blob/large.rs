//! The files of large blobs: `large/ab/cd/<hash>`, each renamed there when it is whole and on the disk.
//!
//! # Correctness
//! A file's name is durable before the database knows of the blob: the folders above it are synced once in a process (a folder that is there may have
//! been made by a process that was killed before it synced), and its own folder after each rename. It is removed only after the database has
//! durably forgotten the blob. So the database never durably knows of a file that is not durably there.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rustix::fs::OFlags;

use super::error::BlobError;
use super::folder;
use super::hash::BlobHash;

/// Folders below `large`, by the first two bytes of the hash: with ten million files there are 150 in each.
const FOLDERS: usize = 1 << 16;

/// Where the files of large blobs are.
#[derive(Debug)]
pub(super) struct LargeFiles {
    root: PathBuf,
    /// The folders of which the disk has the entries.
    durable: Mutex<Vec<bool>>,
}

impl LargeFiles {
    pub(super) fn new(root: PathBuf) -> Self {
        Self { root, durable: Mutex::new(vec![false; FOLDERS]) }
    }

    pub(super) fn path(&self, hash: &BlobHash) -> PathBuf {
        self.folder(hash).join(hash.to_string())
    }

    fn folder(&self, hash: &BlobHash) -> PathBuf {
        let [first, second, ..] = hash.0;
        self.root.join(format!("{first:02x}")).join(format!("{second:02x}"))
    }

    /// Moves a file, whose bytes the disk has, to its place, over one that may be there: it has the same bytes, or is damaged.
    pub(super) fn place(&self, hash: &BlobHash, from: &Path) -> Result<(), BlobError> {
        let folder = self.folder(hash);
        let [first, second, ..] = hash.0;
        let number = usize::from(first) << 8 | usize::from(second);
        let is_durable = || self.durable.lock().unwrap_or_else(PoisonError::into_inner).get(number) == Some(&true);
        if !is_durable() {
            let above = folder.parent().unwrap_or(&self.root);
            folder::make(&folder)
                .and_then(|()| folder::sync(above))
                .and_then(|()| folder::sync(&self.root))
                .map_err(BlobError::io(&folder))?;
            if let Some(durable) = self.durable.lock().unwrap_or_else(PoisonError::into_inner).get_mut(number) {
                *durable = true;
            }
        }
        fs::rename(from, self.path(hash)).and_then(|()| folder::sync(&folder)).map_err(BlobError::io(&folder))
    }

    /// Opens the file of a blob that has so many bytes; an error where it is not there or has not as many.
    pub(super) fn open(&self, hash: &BlobHash, size: u64) -> Result<File, BlobError> {
        let path = self.path(hash);
        let file = match open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(BlobError::DamagedBlob { hash: *hash, why: "its file is missing".to_owned() });
            }
            opened => opened.map_err(BlobError::io(&path))?,
        };
        let found = file.metadata().map_err(BlobError::io(&path))?;
        if !found.is_file() || found.len() != size {
            let why = format!("its file has {} bytes instead of {size}", found.len());
            return Err(BlobError::DamagedBlob { hash: *hash, why });
        }
        Ok(file)
    }

    /// Removes the file of a blob that the database has durably forgotten. Returns how many bytes it had.
    pub(super) fn remove(&self, hash: &BlobHash) -> Result<u64, BlobError> {
        let path = self.path(hash);
        let size = fs::symlink_metadata(&path).map_or(0, |found| found.len());
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(BlobError::io(&path)(error)),
            _ => Ok(size),
        }
    }

    /// Tells of each file: the hash that it is named after, or `None` where it is none of ours.
    pub(super) fn for_each(&self, mut file: impl FnMut(Option<BlobHash>) -> Result<(), BlobError>) -> Result<(), BlobError> {
        for first in entries(&self.root)? {
            if !first.is_dir {
                file(None)?;
                continue;
            }
            for second in entries(&first.path)? {
                if !second.is_dir {
                    file(None)?;
                    continue;
                }
                for entry in entries(&second.path)? {
                    let name = entry.path.file_name().and_then(|name| name.to_str());
                    let hash = name.and_then(|name| name.parse::<BlobHash>().ok());
                    file(hash.filter(|hash| !entry.is_dir && self.path(hash) == entry.path))?;
                }
            }
        }
        Ok(())
    }
}

/// Opens a file for reading; not what a symbolic link leads to.
pub(super) fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(no_follow()).open(path)
}

/// The flag that makes the system refuse symbolic links.
pub(super) fn no_follow() -> i32 {
    OFlags::NOFOLLOW.bits().cast_signed()
}

struct FoundEntry {
    path: PathBuf,
    is_dir: bool,
}

fn entries(folder: &Path) -> Result<Vec<FoundEntry>, BlobError> {
    let found = fs::read_dir(folder).map_err(BlobError::io(folder))?;
    let entry = |entry: io::Result<fs::DirEntry>| {
        let entry = entry?;
        Ok(FoundEntry { path: entry.path(), is_dir: entry.file_type()?.is_dir() })
    };
    found.map(|found| entry(found).map_err(BlobError::io(folder))).collect()
}
