//! The folder of blobs: what belongs in it, the mark of its format, and the lock that makes one process its owner.
//!
//! Nothing is made where something else is. What is not ours in a folder of ours is told of and left alone, and a symbolic link in the place of the
//! folder or of one of its parts is refused: what it leads to was not made by us.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::atomic_file;

use super::error::BlobError;

/// The newest format; raised by every change that an older version could not read. What differs: 2 knows of mirrors.
const FORMAT: u32 = 2;
/// The format of a folder that was never mirrored: what an older version can read stays readable for it.
const PLAIN_FORMAT: u32 = 1;
/// The hash that names blobs (docs/decisions/0018).
const HASH: &str = "sha-256";
/// The mark: written last when a folder is made, so a folder that has it was whole once.
const MARK: &str = "format";
/// How the names of files begin that were to become the mark.
const UNFINISHED_MARK: &str = ".format-";
/// The file whose lock makes one process the owner; readers share it.
const LOCK: &str = "lock";
const DATABASE: &str = "database";
const LARGE: &str = "large";
const PARTIAL: &str = "partial";
/// What file systems put into the top of a volume of its own.
const LOST_AND_FOUND: &str = "lost+found";
/// Names of foreign files that a message repeats: enough to know what they are.
const NAMED_MAX: usize = 5;

/// What the mark says.
#[derive(Debug, Serialize, Deserialize)]
struct Mark {
    format: u32,
    hash: String,
}

/// A folder that this process has.
#[derive(Debug)]
pub(super) struct BlobFolder {
    pub(super) root: PathBuf,
    /// Whether it has its mark yet.
    pub(super) is_new: bool,
    _lock: File,
}

impl BlobFolder {
    /// Makes the folder where there is none, readable by its owner only, and locks it. [`BlobFolder::mark`] makes a new one count.
    pub(super) fn open(root: &Path) -> Result<Self, BlobError> {
        if !is_folder(root)? {
            make(root).map_err(BlobError::io(root))?;
        }
        // Before anything is written there.
        let is_new = read_mark(root)?.is_none();
        if is_new {
            refuse_foreign(root)?;
        }
        let lock = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(root.join(LOCK));
        let lock = lock.map_err(BlobError::io(root))?;
        locked(root, lock.try_lock())?;
        // Another process may have made it meanwhile.
        let is_new = read_mark(root)?.is_none();
        let folder = Self { root: root.to_owned(), is_new, _lock: lock };
        if !is_new {
            refuse_without(root, &[DATABASE, LARGE])?;
        }
        for part in [folder.database(), folder.large(), folder.partial()] {
            if !is_folder(&part)? {
                make(&part).map_err(BlobError::io(&part))?;
            }
        }
        atomic_file::clear_leftovers(&root.join(MARK)).map_err(BlobError::io(root))?;
        folder.tell_foreign()?;
        Ok(folder)
    }

    /// Shares the lock of a folder that is there, for reading.
    pub(super) fn open_read_only(root: &Path) -> Result<Self, BlobError> {
        if !is_folder(root)? || read_mark(root)?.is_none() {
            return Err(BlobError::NoBlobs { path: root.to_owned() });
        }
        let lock = File::open(root.join(LOCK)).map_err(BlobError::io(root))?;
        locked(root, lock.try_lock_shared())?;
        let folder = Self { root: root.to_owned(), is_new: false, _lock: lock };
        refuse_without(root, &[DATABASE, LARGE])?;
        Ok(folder)
    }

    /// Marks a folder whose parts are there: from now on it is one of blobs.
    pub(super) fn mark(&self) -> Result<(), BlobError> {
        self.mark_as(PLAIN_FORMAT)
    }

    /// Marks it as one that is mirrored, before anything is written that an older version could not read.
    pub(super) fn mark_mirrored(&self) -> Result<(), BlobError> {
        match read_mark(&self.root)? {
            Some(mark) if mark.format >= FORMAT => Ok(()),
            _ => self.mark_as(FORMAT),
        }
    }

    fn mark_as(&self, format: u32) -> Result<(), BlobError> {
        let mark = Mark { format, hash: HASH.to_owned() };
        let text = serde_json::to_vec(&mark).map_err(io::Error::from).map_err(BlobError::io(&self.root))?;
        atomic_file::replace(&self.root.join(MARK), &text).map(drop).map_err(BlobError::io(&self.root))
    }

    /// The database: the index of all blobs, the bytes of small ones, and what is there of downloads.
    pub(super) fn database(&self) -> PathBuf {
        self.root.join(DATABASE)
    }

    /// The files of large blobs.
    pub(super) fn large(&self) -> PathBuf {
        self.root.join(LARGE)
    }

    /// The files of downloads, and of large blobs that are being written.
    pub(super) fn partial(&self) -> PathBuf {
        self.root.join(PARTIAL)
    }

    /// Says which files are not ours.
    fn tell_foreign(&self) -> Result<(), BlobError> {
        let ours = [MARK, LOCK, DATABASE, LARGE, PARTIAL, LOST_AND_FOUND];
        let foreign = names(&self.root)?.into_iter().filter(|name| ours.iter().all(|ours| name != ours));
        let foreign: Vec<String> = foreign.take(NAMED_MAX).map(|name| name.display().to_string()).collect();
        if !foreign.is_empty() {
            tracing::warn!("`{}` has files that are not ours, which are left alone: {}", self.root.display(), foreign.join(", "));
        }
        Ok(())
    }
}

pub(super) fn lost(root: &Path, what: &str) -> BlobError {
    BlobError::Lost { path: root.to_owned(), what: what.to_owned() }
}

fn locked(root: &Path, outcome: Result<(), TryLockError>) -> Result<(), BlobError> {
    match outcome {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(BlobError::BlobsInUse { path: root.to_owned() }),
        Err(TryLockError::Error(source)) => Err(BlobError::io(root)(source)),
    }
}

/// Whether a folder is there; an error where something else is.
fn is_folder(path: &Path) -> Result<bool, BlobError> {
    let not_ours = |what: String| Err(BlobError::NotOurs { path: path.to_owned(), what });
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => Ok(true),
        Ok(found) if found.is_symlink() => {
            let to = fs::read_link(path).unwrap_or_default();
            not_ours(format!("is a symbolic link to `{}`", to.display()))
        }
        Ok(_) => not_ours("is not a folder".to_owned()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(BlobError::io(path)(error)),
    }
}

/// Refuses a folder that had these parts once, and has them no more.
fn refuse_without(root: &Path, parts: &[&str]) -> Result<(), BlobError> {
    for part in parts {
        if !is_folder(&root.join(part))? {
            return Err(lost(root, &format!("has lost its part `{part}`")));
        }
    }
    Ok(())
}

/// Makes a folder, down to the disk.
pub(super) fn make(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    path.parent().map_or(Ok(()), sync)
}

/// Has the disk take the entries of a folder.
pub(super) fn sync(folder: &Path) -> io::Result<()> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    File::open(folder)?.sync_all()
}

fn read_mark(root: &Path) -> Result<Option<Mark>, BlobError> {
    let text = match fs::read(root.join(MARK)) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(BlobError::io(&root.join(MARK))(error)),
    };
    let Ok(mark) = serde_json::from_slice::<Mark>(&text) else {
        return Err(lost(root, "has a damaged file `format`"));
    };
    if mark.format > FORMAT {
        return Err(BlobError::NewerFormat { path: root.to_owned(), found: mark.format, known: FORMAT });
    }
    if mark.hash != HASH {
        let what = format!("names files by their `{}`, which is not `{HASH}`", mark.hash);
        return Err(BlobError::NotOurs { path: root.to_owned(), what });
    }
    Ok(Some(mark))
}

fn names(folder: &Path) -> Result<Vec<OsString>, BlobError> {
    let entries = fs::read_dir(folder).map_err(BlobError::io(folder))?;
    entries.map(|entry| Ok(entry.map_err(BlobError::io(folder))?.file_name())).collect()
}

/// Refuses a folder without a mark that has anything but what a start that was killed has left.
fn refuse_foreign(root: &Path) -> Result<(), BlobError> {
    for name in names(root)? {
        let text = name.to_string_lossy();
        let is_left = match &*text {
            LOCK | DATABASE | LOST_AND_FOUND => true,
            // Nothing is stored before there is a mark.
            LARGE | PARTIAL => names(&root.join(&name))?.is_empty(),
            text => text.starts_with(UNFINISHED_MARK),
        };
        if !is_left {
            let what = format!("is not a folder of downloaded files: `{text}` is in it, and no file `{MARK}`");
            return Err(BlobError::NotOurs { path: root.to_owned(), what });
        }
    }
    Ok(())
}
