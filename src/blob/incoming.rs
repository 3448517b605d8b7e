//! Files that are being written in `partial/`: names that are used once, and the list of those that a thread has open.
//!
//! # Correctness
//! A name is random and never given twice, so a record of an earlier download can never speak of another file that came to the same name after a power
//! cut. Files are made, noted as open, and removed by a sweep under one lock: none is removed that is open.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::large::no_follow;

/// Random characters of a name: enough that none comes twice.
const RANDOM: usize = 16;
const SUFFIX: &str = ".part";
/// Digits of the hash of a download's key that its file's name begins with, for whoever looks into the folder.
const KEY_DIGITS: usize = 16;

/// The files in `partial/`.
#[derive(Debug)]
pub(super) struct Incoming {
    folder: PathBuf,
    open: Mutex<HashSet<String>>,
}

/// A file that is open, and stays in `partial/` when this is dropped, unless it was told to be [removed](IncomingFile::remove).
#[derive(Debug)]
pub(super) struct IncomingFile {
    pub(super) file: File,
    pub(super) name: String,
    incoming: Arc<Incoming>,
}

impl Incoming {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder, open: Mutex::default() }
    }

    fn open_names(&self) -> MutexGuard<'_, HashSet<String>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a new file, readable by its owner only. Its name begins with a prefix of [`KEY_DIGITS`] hexadecimal digits.
    pub(super) fn make(self: &Arc<Self>, prefix: &str) -> io::Result<IncomingFile> {
        let mut open = self.open_names();
        let mut builder = tempfile::Builder::new();
        let prefix = format!("{}-", prefix.get(..KEY_DIGITS).unwrap_or(prefix));
        let (file, path) = builder.prefix(&prefix).suffix(SUFFIX).rand_bytes(RANDOM).tempfile_in(&self.folder)?.keep()?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        open.insert(name.clone());
        Ok(IncomingFile { file, name, incoming: Arc::clone(self) })
    }

    /// Opens a file that an earlier process, or an earlier use, has left; `None` where it is not there any more.
    pub(super) fn reopen(self: &Arc<Self>, name: &str) -> io::Result<Option<IncomingFile>> {
        let mut open = self.open_names();
        match OpenOptions::new().read(true).write(true).custom_flags(no_follow()).open(self.folder.join(name)) {
            Ok(file) if file.metadata()?.is_file() => {
                open.insert(name.to_owned());
                Ok(Some(IncomingFile { file, name: name.to_owned(), incoming: Arc::clone(self) }))
            }
            Ok(_) => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The names of all files there; those that are none of ours apart.
    pub(super) fn names(&self) -> io::Result<(Vec<String>, u64)> {
        let (mut ours, mut foreign) = (Vec::new(), 0);
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            match entry.file_name().into_string() {
                Ok(name) if is_ours(&name) && entry.file_type()?.is_file() => ours.push(name),
                _ => foreign += 1,
            }
        }
        Ok((ours, foreign))
    }

    /// Removes a file that is not open and was last written before a time, in seconds since 1970. Returns how many bytes of the disk it took.
    pub(super) fn remove_older(&self, name: &str, than: i64) -> io::Result<Option<u64>> {
        use std::os::unix::fs::MetadataExt as _;
        let open = self.open_names();
        let path = self.path(name);
        let found = match fs::symlink_metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            found => found?,
        };
        if open.contains(name) || found.mtime() >= than || !is_ours(name) {
            return Ok(None);
        }
        remove(&path)?;
        Ok(Some(found.blocks().saturating_mul(512)))
    }
}

impl IncomingFile {
    pub(super) fn path(&self) -> PathBuf {
        self.incoming.path(&self.name)
    }

    /// Removes the file.
    pub(super) fn remove(self) -> io::Result<()> {
        remove(&self.path())
    }
}

impl Drop for IncomingFile {
    fn drop(&mut self) {
        self.incoming.open_names().remove(&self.name);
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        outcome => outcome,
    }
}

/// Whether a name is one that [`Incoming::make`] gives: nothing else is ever opened or removed.
pub(super) fn is_ours(name: &str) -> bool {
    let Some((prefix, random)) = name.strip_suffix(SUFFIX).and_then(|name| name.split_once('-')) else { return false };
    let is_hex = |c: u8| matches!(c, b'0'..=b'9' | b'a'..=b'f');
    prefix.len() == KEY_DIGITS
        && prefix.bytes().all(is_hex)
        && random.len() == RANDOM
        && random.bytes().all(|c| c.is_ascii_alphanumeric())
}
