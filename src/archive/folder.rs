//! The data folder: one process at a time owns it (an exclusive file lock), and everything in it is named here.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::atomic_file;

/// The wait between retries to lock a folder that another process has.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// The file whose lock makes one process the owner; there from the first use on.
const LOCK: &str = "lock";
/// The file whose lock is held by who waits for the folder: who only looks into it gives way.
const WANTED: &str = "lock.wanted";
/// How the names of the folders begin that hold links to the files of an archive, for a backup.
pub(super) const LINKED: &str = ".backup-";
/// How the names of the folders begin in which an archive is made, or tried out.
pub(super) const UNFINISHED: &str = ".archive-";
/// What keeps an empty folder in the repository.
const PLACEHOLDER: &str = ".gitkeep";

/// The data folder, locked exclusively for as long as this lives.
#[derive(Debug)]
pub struct DataFolder {
    root: PathBuf,
    lock: File,
}

/// The data folder could not be had.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// Another process has it.
    #[error(
        "data folder `{}` is in use by another telescribe (process {process}); stop that one first, or use its HTTP API",
        path.display()
    )]
    InUse {
        /// The folder.
        path: PathBuf,
        /// The other's process id, or `unknown`.
        process: String,
    },
    /// It has no archive.
    #[error("there is no archive in `{}`; `telescribe run` creates one, and `--data` names another folder", path.display())]
    NoArchive {
        /// The folder.
        path: PathBuf,
    },
    /// It has no archive, but the index of one.
    #[error(
        "there is no archive in `{}`, but the index of one; restore a backup of the archive, or move `{}` away to begin a new one",
        path.display(),
        index_of(path).display()
    )]
    ArchiveGone {
        /// The folder.
        path: PathBuf,
    },
    /// A backup was being restored into it, and is not in place.
    #[error(
        "a restore into this data folder was interrupted (`{}`); run `telescribe restore` again, or remove that folder to begin a new archive",
        left.display()
    )]
    RestoreInterrupted {
        /// What it has left.
        left: PathBuf,
    },
    /// It could not be made or read.
    #[error("data folder `{}`: {source}", path.display())]
    Io {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl DataFolder {
    /// How the name of the folder begins in which a restore puts everything together.
    pub const RESTORING: &str = ".restore-";

    /// Makes the folder where it is missing, readable by its owner only.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn make(root: &Path) -> Result<(), FolderError> {
        make_private(root).map_err(|source| FolderError::Io { path: root.to_owned(), source })
    }

    /// Makes the folder where it is missing (readable by its owner only) and locks it.
    ///
    /// # Errors
    /// When another process has it, or it cannot be made.
    pub fn lock(root: &Path) -> Result<Self, FolderError> {
        let failed = |source| FolderError::Io { path: root.to_owned(), source };
        make_private(root).map_err(failed)?;
        let mut lock =
            File::options().create(true).truncate(false).read(true).write(true).open(root.join(LOCK)).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut process = String::new();
                let known = lock.read_to_string(&mut process).is_ok() && !process.trim().is_empty();
                let process = if known { process.trim().to_owned() } else { "unknown".to_owned() };
                return Err(FolderError::InUse { path: root.to_owned(), process });
            }
            Err(TryLockError::Error(e)) => return Err(failed(e)),
        }
        // For the other's error message only; the lock itself is the kernel's.
        lock.set_len(0).and_then(|()| lock.rewind()).and_then(|()| write!(lock, "{}", std::process::id())).map_err(failed)?;
        Ok(Self { root: root.to_owned(), lock })
    }

    /// The same, but only where there is an archive: looking at one makes none.
    ///
    /// # Errors
    /// When there is none, another process has it, or the folder cannot be read.
    pub fn lock_existing(root: &Path) -> Result<Self, FolderError> {
        if !archive_of(root).is_dir() {
            refuse_interrupted_restore(root)?;
            let path = root.to_owned();
            return Err(if index_of(root).is_dir() {
                FolderError::ArchiveGone { path }
            } else {
                FolderError::NoArchive { path }
            });
        }
        Self::lock(root)
    }

    /// The same, but waits for another process that has the folder for a moment only, as the reading commands do: those that take longer give way.
    ///
    /// # Errors
    /// When another process still has it after the wait, or it cannot be made.
    pub async fn lock_within(root: &Path, patience: Duration) -> Result<Self, FolderError> {
        let mut waited = Duration::ZERO;
        // Held for as long as this waits.
        let mut claim = None;
        loop {
            match Self::lock(root) {
                Err(FolderError::InUse { .. }) if waited < patience => {
                    if claim.is_none() {
                        claim = claim_of(root).map_err(|source| FolderError::Io { path: root.to_owned(), source })?;
                    }
                    tokio::time::sleep(LOOK_AGAIN).await;
                    waited += LOOK_AGAIN;
                }
                outcome => return outcome,
            }
        }
    }

    /// Whether another process [waits](Self::lock_within) for the folder.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        let wanted = File::open(self.root.join(WANTED));
        wanted.is_ok_and(|wanted| matches!(wanted.try_lock_shared(), Err(TryLockError::WouldBlock)))
    }

    /// Removes what processes that were killed have left beside the archive: copies, links to its files (which take the disk's room when
    /// it has replaced them), what a restore was put together in, and files that were to replace others of this folder.
    ///
    /// # Errors
    /// When a restore is not in place yet, or the disk refuses.
    pub fn clear_leftovers(&self) -> Result<(), FolderError> {
        if !archive_of(&self.root).is_dir() {
            refuse_interrupted_restore(&self.root)?;
        }
        let prefixes = [LINKED, UNFINISHED, Self::RESTORING];
        let removed = prefixes.iter().try_for_each(|prefix| remove_folders(&self.root, prefix));
        // Only those that are written by who has the lock.
        let files = [Self::backup_record(&self.root), Self::marker(&self.root)];
        let removed = removed.and_then(|()| files.iter().try_for_each(|file| atomic_file::clear_leftovers(file)));
        removed.map_err(|source| FolderError::Io { path: self.root.clone(), source })
    }

    /// The folder itself.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where the archive is.
    #[must_use]
    pub fn archive(&self) -> PathBuf {
        archive_of(&self.root)
    }

    /// Where the full-text index is; may be deleted, it is rebuilt.
    #[must_use]
    pub fn index(&self) -> PathBuf {
        index_of(&self.root)
    }

    /// Where the bytes of files are.
    #[must_use]
    pub fn blobs(&self) -> PathBuf {
        blobs_of(&self.root)
    }

    /// The same of the data folder at a path.
    #[must_use]
    pub fn blobs_at(root: &Path) -> PathBuf {
        blobs_of(root)
    }

    /// The socket on which a running daemon answers the commands of this machine's owner.
    #[must_use]
    pub fn socket(root: &Path) -> PathBuf {
        root.join("telescribe.sock")
    }

    /// The server's id.
    #[must_use]
    pub fn server(root: &Path) -> PathBuf {
        root.join("server.json")
    }

    /// The audit log of the HTTP API.
    #[must_use]
    pub fn audit(root: &Path) -> PathBuf {
        root.join("audit")
    }

    /// The clients' keys.
    #[must_use]
    pub fn keys(root: &Path) -> PathBuf {
        root.join("keys.json")
    }
}

impl Drop for DataFolder {
    fn drop(&mut self) {
        // The kernel gives the lock back with the file; an error here changes nothing.
        if let Err(error) = self.lock.unlock() {
            tracing::debug!(%error, "data folder's lock was not given back");
        }
    }
}

/// What tells others that somebody waits for the folder; `None` where somebody else has told them.
fn claim_of(root: &Path) -> io::Result<Option<File>> {
    let wanted = File::options().create(true).truncate(false).write(true).open(root.join(WANTED))?;
    match wanted.try_lock() {
        Ok(()) => Ok(Some(wanted)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Nothing may be begun, or said to be missing, where an archive is about to be.
fn refuse_interrupted_restore(root: &Path) -> Result<(), FolderError> {
    match folders(root, DataFolder::RESTORING) {
        Ok(left) => left.into_iter().next().map_or(Ok(()), |left| Err(FolderError::RestoreInterrupted { left })),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(FolderError::Io { path: root.to_owned(), source }),
    }
}

/// The folders in another one whose names begin with this.
fn folders(root: &Path, prefix: &str) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root)? {
        let entry = entry?;
        if entry.file_name().as_encoded_bytes().starts_with(prefix.as_bytes()) && entry.file_type()?.is_dir() {
            found.push(entry.path());
        }
    }
    Ok(found)
}

/// Removes the folders in another one whose names begin with this.
pub(super) fn remove_folders(root: &Path, prefix: &str) -> io::Result<()> {
    folders(root, prefix)?.into_iter().try_for_each(fs::remove_dir_all)
}

fn archive_of(root: &Path) -> PathBuf {
    root.join("archive")
}

fn index_of(root: &Path) -> PathBuf {
    root.join("index")
}

fn blobs_of(root: &Path) -> PathBuf {
    root.join("blobs")
}

fn make_private(root: &Path) -> io::Result<()> {
    use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
    let private = fs::Permissions::from_mode(0o700);
    if root.is_dir() {
        // The repository brings the folder along, as open as git makes all folders: the first use closes it. Any other is as it is wanted.
        if root.join(PLACEHOLDER).exists() && !root.join(LOCK).exists() {
            fs::set_permissions(root, private)?;
        }
        return Ok(());
    }
    fs::DirBuilder::new().recursive(true).mode(0o700).create(root)?;
    fs::set_permissions(root, private)
}
