//! The clients' keys, read again when their file changes: `telescribe key new` and `key remove` take effect without a restart. One that has ended is
//! not among them: nothing tells it from one that never was.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::time::Instant;

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
    /// When that was found out: before it, it is not so where the clock was set back.
    looked: Option<DateTime<Utc>>,
    /// The state of the file that was loaded.
    stamp: Option<FileStamp>,
    /// The state that could not be loaded, and when that was tried last.
    refused: Option<(Option<FileStamp>, Instant)>,
}

/// How often files that could not be loaded are tried again: what was in the way can pass without a trace on them.
pub(super) const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Tells one state of the file from another: its inode, its length, and when it was last changed, its mode included (ctime).
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
            held.read_again(path, Instant::now());
        }
        if held.valid_until.is_none_or(|until| until <= now) || held.looked.is_some_and(|looked| now < looked) {
            held.look_at(now);
        }
        Arc::clone(&held.valid)
    }
}

impl Held {
    /// Loads the file if it is another one than the one that was loaded. Each state of it that cannot be loaded is told of once.
    fn read_again(&mut self, path: &Path, now: Instant) {
        let current = stamp(path);
        if current == self.stamp {
            self.refused = None;
            return;
        }
        let tried = self.refused.filter(|(refused, _)| *refused == current).map(|(_, tried)| tried);
        if tried.is_some_and(|tried| now.duration_since(tried) < LOOK_EVERY) {
            return;
        }
        let why = match KeyRing::load(path) {
            Ok(_) if current.is_none() && !self.keys.is_empty() => format!(
                "key file `{}` has vanished; the keys that were loaded before stay in use until the program stops: put it back",
                path.display()
            ),
            Ok(ring) => {
                (self.keys, self.valid_until, self.stamp, self.refused) = (ring.keys().into(), None, current, None);
                return;
            }
            Err(error) => format!("{error}; the keys that were loaded before stay in use"),
        };
        if tried.is_none() {
            tracing::error!("{why}");
        }
        self.refused = Some((current, now));
    }

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
        (self.valid_until, self.looked) = (Some(changes.min().unwrap_or(DateTime::<Utc>::MAX_UTC)), Some(now));
    }
}

/// The state that a file is in; `None` where it cannot be told.
pub(super) fn stamp(path: &Path) -> Option<FileStamp> {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.ino(), metadata.len(), metadata.ctime(), metadata.ctime_nsec()))
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt as _;

    use chrono::TimeDelta;

    use super::*;
    use crate::seal::{self, Rights};

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_700_000_000, 0).unwrap()
    }

    /// Adds a key to a file.
    fn add(path: &Path, ends: Option<DateTime<Utc>>) {
        let mut ring = KeyRing::load(path).unwrap();
        ring.add(&"desk".parse().unwrap(), Rights { ends, ..Rights::default() }, now(), &mut seal::system_random());
        ring.save(path).unwrap();
    }

    #[test]
    fn a_file_that_could_not_be_read_is_read_when_it_can_be() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.json");
        let mut held = Held::default();
        add(&path, None);
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        let tried = Instant::now();
        held.read_again(&path, tried);
        assert_eq!(held.keys.len(), 0, "others can read it");
        // Neither its content nor its time of modification is another one, and its time of change need not be: a clock of files ticks slowly.
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        held.read_again(&path, tried + LOOK_EVERY);
        assert_eq!(held.keys.len(), 1);
    }

    #[test]
    fn what_was_in_the_way_of_reading_may_have_left_no_trace_on_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.json");
        let mut held = Held::default();
        add(&path, None);
        let tried = Instant::now();
        // As after a failure that was not the file's own: too many open files.
        held.refused = Some((stamp(&path), tried));
        held.read_again(&path, tried + LOOK_EVERY / 2);
        assert_eq!(held.keys.len(), 0, "it is not tried at each request");
        held.read_again(&path, tried + LOOK_EVERY);
        assert_eq!((held.keys.len(), held.stamp), (1, stamp(&path)));
    }

    #[test]
    fn a_key_is_good_again_when_the_clock_was_ahead_and_is_set_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.json");
        add(&path, Some(now() + TimeDelta::days(30)));
        let keys = Keys::open(&path).unwrap();
        let found = [0, 31, 0].map(|days| keys.at(now() + TimeDelta::days(days)).len());
        assert_eq!(found, [1, 0, 1]);
    }
}
