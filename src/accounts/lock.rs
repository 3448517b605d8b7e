//! One process a session: an exclusive lock for each account, held by the process that uses its session.
//!
//! Two programs on one key risk that Telegram ends it (`AUTH_KEY_DUPLICATED`), and each would overwrite what the other saved. The
//! lock is an advisory file lock of the kernel, on a file of its own beside the session file, because that one is replaced at each
//! save; the kernel releases it when the process ends, however that is.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// How many times the race is retried in which a lock file vanishes between being opened and being locked: each time another
/// process ended just then.
const TRIES_MAX: usize = 100;

/// An account's session is this process's own for as long as this lives.
#[derive(Debug)]
#[must_use = "a lock that is dropped at once keeps nobody out"]
pub struct SessionLock {
    path: PathBuf,
    file: File,
}

/// Why a lock could not be acquired.
pub(super) enum LockFailure {
    /// Another process has it: its id, or `unknown`.
    InUse(String),
    /// The folder cannot be written.
    Io(io::Error),
}

impl From<io::Error> for LockFailure {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl SessionLock {
    pub(super) fn take(path: &Path) -> Result<Self, LockFailure> {
        for _ in 0..TRIES_MAX {
            let mut file = File::options().create(true).truncate(false).read(true).write(true).mode(0o600).open(path)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    let mut process = String::new();
                    let known = file.read_to_string(&mut process).is_ok() && !process.trim().is_empty();
                    return Err(LockFailure::InUse(if known { process.trim().to_owned() } else { "unknown".to_owned() }));
                }
                Err(TryLockError::Error(error)) => return Err(error.into()),
            }
            // A race: whoever had it before removed the file when it ended. A lock on a file that has no name keeps nobody out.
            let locked = file.metadata()?;
            if !fs::metadata(path).is_ok_and(|named| (named.dev(), named.ino()) == (locked.dev(), locked.ino())) {
                continue;
            }
            // For the other's error message only.
            file.set_len(0)?;
            file.rewind()?;
            write!(file, "{}", std::process::id())?;
            return Ok(Self { path: path.to_owned(), file });
        }
        Err(LockFailure::InUse("unknown".to_owned()))
    }
}

impl Drop for SessionLock {
    fn drop(&mut self) {
        // Removed while it is still locked, so that there is no race with the next process. A file that stays does no harm.
        if let Err(error) = fs::remove_file(&self.path).and_then(|()| self.file.unlock()) {
            tracing::debug!(%error, "a session's lock file could not be removed");
        }
    }
}
