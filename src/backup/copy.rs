//! Copying, and comparing what was written with what is read.
//!
//! What was written is read from the disk and not from memory: once the disk has it, the system is asked to forget what it holds of it
//! (page cache).

use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use rustix::fs::{Advice, fadvise};
use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;

use super::error::BackupError;
use super::manifest::hex;

/// Bytes that are read at once: enough for the disk's full speed, and a stop waits for no more than that.
const CHUNK: usize = 1024 * 1024;
/// How many of a table's last bytes tell it from another one: there is the block of properties, with the random id of the process that
/// wrote it, which is some 2 KiB.
const END: u64 = 16 * 1024;

/// Who watches a backup: may stop it between two chunks, and is told how many bytes were read.
pub struct Watch<'a> {
    /// Whether it is to stop.
    pub stop: &'a (dyn Fn() -> bool + Sync),
    /// Told after each chunk how many bytes it had.
    pub read: &'a (dyn Fn(u64) + Sync),
}

impl Watch<'static> {
    /// Nobody.
    #[must_use]
    pub fn nobody() -> Self {
        Self { stop: &|| false, read: &|_| {} }
    }
}

impl std::fmt::Debug for Watch<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Watch")
    }
}

/// What was read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Content {
    pub(super) sha256: String,
    pub(super) size: u64,
}

/// Reads to the end, and gives each chunk to `take`.
fn read(
    path: &Path,
    mut from: impl Read,
    watch: &Watch<'_>,
    mut take: impl FnMut(&[u8]) -> Result<(), BackupError>,
) -> Result<Content, BackupError> {
    let mut chunk = vec![0; CHUNK];
    let (mut sha256, mut size) = (Sha256::new(), 0);
    loop {
        if (watch.stop)() {
            return Err(BackupError::Stopped);
        }
        let read = match from.read(&mut chunk) {
            Ok(0) => return Ok(Content { sha256: hex(&sha256.finalize()), size }),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(BackupError::io(path)(error)),
        };
        let bytes = chunk.get(..read).unwrap_or_default();
        sha256.update(bytes);
        take(bytes)?;
        size += read as u64;
        (watch.read)(read as u64);
    }
}

/// The content of a file.
pub(super) fn content(path: &Path, watch: &Watch<'_>) -> Result<Content, BackupError> {
    let file = File::open(path).map_err(BackupError::io(path))?;
    forget(&file);
    read(path, file, watch, |_| Ok(()))
}

/// Copies into a file of a folder that is not at its place yet; the disk has it, and it was compared, when this returns.
pub(super) fn copy(
    path: &Path,
    from: impl Read,
    folder: &Path,
    watch: &Watch<'_>,
) -> Result<(NamedTempFile, Content), BackupError> {
    let file = NamedTempFile::with_prefix_in(".incoming-", folder).map_err(BackupError::io(folder))?;
    let written = read(path, from, watch, |bytes| file.as_file().write_all(bytes).map_err(BackupError::io(file.path())))?;
    file.as_file().sync_all().map_err(BackupError::io(file.path()))?;
    let found = content(file.path(), watch)?;
    if found != written {
        return Err(BackupError::Unreliable { path: file.path().to_owned() });
    }
    Ok((file, written))
}

/// The digest of a file's last bytes.
pub(super) fn end(path: &Path) -> Result<String, BackupError> {
    let read = || {
        let mut file = File::open(path)?;
        let size = file.metadata()?.len();
        file.seek(SeekFrom::Start(size.saturating_sub(END)))?;
        let mut bytes = Vec::new();
        file.take(END).read_to_end(&mut bytes)?;
        io::Result::Ok(hex(&Sha256::digest(bytes)))
    };
    read().map_err(BackupError::io(path))
}

/// Asks the system to forget what it holds of a file in memory. Where it does not, what follows is read from there: less is proved then.
fn forget(file: &File) {
    if let Err(error) = fadvise(file, 0, None, Advice::DontNeed) {
        tracing::debug!(%error, "the page cache keeps what was written");
    }
}

/// Has the disk take what was made in a folder, moved into it or removed from it.
pub(super) fn sync_folder(folder: &Path) -> Result<(), BackupError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(BackupError::io(folder))
}
