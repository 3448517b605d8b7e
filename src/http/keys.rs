//! The clients' keys, read again when their file changes: `telescribe key new` and `key remove` take effect without a restart.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::seal::{Key, KeyFileError, KeyRing};

/// The clients' keys.
#[derive(Debug)]
pub struct Keys {
    path: Option<PathBuf>,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    keys: Arc<[Arc<Key>]>,
    stamp: Option<FileStamp>,
}

/// Tells one state of the file from another; each write of ours makes a new inode.
pub(super) type FileStamp = (u64, u64, i64, i64);

impl Keys {
    /// No keys: every sealed request is refused.
    #[must_use]
    pub fn none() -> Self {
        Self { path: None, held: Mutex::default() }
    }

    /// The keys of a file, which may not be there yet.
    ///
    /// # Errors
    /// When it is there but cannot be read, or others can read it.
    pub fn open(path: &Path) -> Result<Self, KeyFileError> {
        let stamp = stamp(path);
        let keys = KeyRing::load(path)?.keys().into();
        Ok(Self { path: Some(path.to_owned()), held: Mutex::new(Held { keys, stamp }) })
    }

    /// The current keys. A file that became unusable or vanished leaves the last good ones, because a mistake must not lock every client
    /// out. A command that removes the last key leaves a file without keys.
    pub(super) fn now(&self) -> Arc<[Arc<Key>]> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(path) = &self.path {
            let current = stamp(path);
            if current != held.stamp {
                match KeyRing::load(path) {
                    Ok(_) if current.is_none() && !held.keys.is_empty() => tracing::error!(
                        "key file `{}` has vanished; the keys that were loaded before stay in use until the program stops: put it back",
                        path.display()
                    ),
                    Ok(ring) => held.keys = ring.keys().into(),
                    Err(error) => tracing::error!("{error}; the keys that were loaded before stay in use"),
                }
                held.stamp = current;
            }
        }
        Arc::clone(&held.keys)
    }
}

/// The state that a file is in; `None` where it cannot be told.
pub(super) fn stamp(path: &Path) -> Option<FileStamp> {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.ino(), metadata.len(), metadata.mtime(), metadata.mtime_nsec()))
}
