//! The clients' keys, read again when their file changes: `telescribe key new` and `key remove` take effect without a restart. One that has ended is
//! not among them: nothing tells it from one that never was.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Utc};

use crate::seal::{Key, KeyFileError, KeyRing};

/// The clients' keys.
#[derive(Debug)]
pub struct Keys {
    path: Option<PathBuf>,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    /// All of the file.
    keys: Arc<[Arc<Key>]>,
    /// Those of them that have not ended.
    valid: Arc<[Arc<Key>]>,
    /// Until when this is so; not known before it was first looked at.
    valid_until: Option<DateTime<Utc>>,
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
        Ok(Self { path: Some(path.to_owned()), held: Mutex::new(Held { keys, stamp, ..Held::default() }) })
    }

    /// The keys that are good at a time. A file that became unusable or vanished leaves the last good ones, because a mistake must not lock every client
    /// out. A command that removes the last key leaves a file without keys.
    pub(super) fn at(&self, now: DateTime<Utc>) -> Arc<[Arc<Key>]> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(path) = &self.path {
            let current = stamp(path);
            if current != held.stamp {
                match KeyRing::load(path) {
                    Ok(_) if current.is_none() && !held.keys.is_empty() => tracing::error!(
                        "key file `{}` has vanished; the keys that were loaded before stay in use until the program stops: put it back",
                        path.display()
                    ),
                    Ok(ring) => (held.keys, held.valid_until) = (ring.keys().into(), None),
                    Err(error) => tracing::error!("{error}; the keys that were loaded before stay in use"),
                }
                held.stamp = current;
            }
        }
        if held.valid_until.is_none_or(|until| until <= now) {
            held.look_at(now);
        }
        Arc::clone(&held.valid)
    }
}

impl Held {
    /// Finds out which keys have not ended, and says of those that have, or soon will.
    fn look_at(&mut self, now: DateTime<Utc>) {
        for key in self.keys.iter() {
            let (id, rights) = (key.id(), key.rights());
            let Some(ends) = rights.ends.map(|ends| ends.to_rfc3339()) else { continue };
            if rights.have_ended(now) {
                tracing::info!(
                    key.id = id.as_str(),
                    "key `{id}` has ended ({ends}); `telescribe key remove {id}` takes it out of the list"
                );
            } else if rights.end_soon(now) {
                let client = key.client();
                tracing::warn!(
                    key.id = id.as_str(),
                    "key `{id}` ends soon ({ends}); `telescribe key rotate {client} --out FILE` makes the next one"
                );
            }
        }
        self.valid = self.keys.iter().filter(|key| !key.rights().have_ended(now)).cloned().collect();
        let changes = self.keys.iter().filter_map(|key| key.rights().changes_after(now));
        self.valid_until = Some(changes.min().unwrap_or(DateTime::<Utc>::MAX_UTC));
    }
}

/// The state that a file is in; `None` where it cannot be told.
pub(super) fn stamp(path: &Path) -> Option<FileStamp> {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.ino(), metadata.len(), metadata.mtime(), metadata.mtime_nsec()))
}
