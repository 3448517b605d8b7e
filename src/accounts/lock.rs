//! One process a session: whoever uses an account's session holds the lock of its name.
//!
//! Two programs on one key risk that Telegram ends it (`AUTH_KEY_DUPLICATED`), and each would overwrite what the other saved. The
//! lock is the kernel's, on a file of its own beside the session file, because that one is replaced at each save; it goes with
//! the process, however that ends.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// How often a lock file may vanish between being opened and being locked: each time another process ended just then.
const TRIES_MAX: usize = 100;

/// An account's session is this process's own for as long as this lives.
#[derive(Debug)]
#[must_use = "a lock that is dropped at once keeps nobody out"]
pub struct SessionLock {
    path: PathBuf,
    file: File,
}

/// Who has a lock, or why it cannot be had.
pub(super) enum Unlocked {
    /// Another process has it: its id, or `unknown`.
    InUse(String),
    /// The folder cannot be written.
    Io(io::Error),
}

impl From<io::Error> for Unlocked {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl SessionLock {
    pub(super) fn take(path: &Path) -> Result<Self, Unlocked> {
        for _ in 0..TRIES_MAX {
            let mut file = File::options().create(true).truncate(false).read(true).write(true).mode(0o600).open(path)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    let mut process = String::new();
                    let known = file.read_to_string(&mut process).is_ok() && !process.trim().is_empty();
                    return Err(Unlocked::InUse(if known { process.trim().to_owned() } else { "unknown".to_owned() }));
                }
                Err(TryLockError::Error(error)) => return Err(error.into()),
            }
            // Whoever had it before removed the file when it ended: a lock on a file that has no name keeps nobody out.
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
        Err(Unlocked::InUse("unknown".to_owned()))
    }
}

impl Drop for SessionLock {
    fn drop(&mut self) {
        // Removed while it is still locked, so that nobody can have locked it in between. A file that stays does no harm.
        if let Err(error) = fs::remove_file(&self.path).and_then(|()| self.file.unlock()) {
            tracing::debug!(%error, "a session's lock file could not be removed");
        }
    }
}
