//! The keys that are accepted, and the file that holds them: a JWK Set (RFC 7517 section 5) of `oct` keys.
//!
//! A file that group or others may read is refused. It is replaced atomically, and only while it still is the one that was loaded
//! (optimistic concurrency: of two writers that race, one is refused).
//! The file is not encrypted: whoever may read it is the program.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use rand::CryptoRng;
use serde_json::Map;
use zeroize::Zeroizing;

use super::key::{ClientName, Key, KeyId};
use super::rights::Rights;
use super::server_id::ServerId;
use crate::atomic_file;

mod jwk;

/// The longest key file, in bytes: some 4,000 keys; a longer one is another file by mistake.
const FILE_LENGTH_MAX: u64 = 1024 * 1024;

/// A key file could not be read or written; the text names the file, what is wrong and the way out.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// Group or others could read the keys.
    #[error("key file `{path}` can be read by others (mode {mode:04o}); run `chmod 600 {path}`, and make new keys if anybody may have read it", path = .path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file is not a set of keys as they are used here.
    #[error(
        "key file `{path}` is not usable: {what}; put a copy of it back, or move it away and make new keys with `telescribe key new`",
        path = .path.display()
    )]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong, where, and the way out.
        what: String,
    },
    /// Somebody else wrote the file since it was loaded.
    #[error("key file `{path}` was changed by another program meanwhile; nothing was written, run the command again", path = .path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// There is a file of this name, which is never overwritten.
    #[error("`{path}` is there already, and a key file is never overwritten; choose another name, or move it away", path = .path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error("cannot {doing} key file `{path}`: {source}", path = .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// `read` or `write`.
        doing: &'static str,
        /// Why.
        source: io::Error,
    },
}

/// Keys with distinct ids, oldest first as they stand in the file.
#[derive(Debug, Default)]
pub struct KeyRing {
    set: jwk::KeySet,
    /// The file as it was loaded; none where there was none.
    loaded: Option<FileVersion>,
}

/// The version of a file, for optimistic concurrency. Each of our writes makes a new inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FileVersion {
    inode: u64,
    length: u64,
    modified: (i64, i64),
}

impl KeyRing {
    /// Reads a key file; where there is none, the ring is empty.
    ///
    /// # Errors
    /// [`KeyFileError`]; never an excerpt of the file.
    pub fn load(path: &Path) -> Result<Self, KeyFileError> {
        let fail = |source| KeyFileError::Io { path: path.to_owned(), doing: "read", source };
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(fail(error)),
        };
        let metadata = file.metadata().map_err(fail)?;
        let malformed = |what| KeyFileError::Malformed { path: path.to_owned(), what };
        if !metadata.is_file() {
            return Err(malformed("it is not a regular file".to_owned()));
        }
        let mode = metadata.permissions().mode() & 0o7777;
        if mode & 0o077 != 0 {
            return Err(KeyFileError::Exposed { path: path.to_owned(), mode });
        }
        if metadata.len() > FILE_LENGTH_MAX {
            return Err(malformed(format!(
                "it has {} bytes, more than {FILE_LENGTH_MAX}; it must be another file",
                metadata.len()
            )));
        }
        let mut text = Zeroizing::new(Vec::with_capacity(metadata.len() as usize + 1));
        file.take(FILE_LENGTH_MAX).read_to_end(&mut text).map_err(fail)?;
        let set = jwk::read(&text).map_err(malformed)?;
        Ok(Self { set, loaded: Some(FileVersion::of(&metadata)) })
    }

    /// Returns all keys, oldest first.
    pub fn keys(&self) -> &[Arc<Key>] {
        &self.set.keys
    }

    /// Returns the key with this id.
    pub fn find(&self, id: &KeyId) -> Option<&Arc<Key>> {
        self.set.keys.iter().find(|key| key.id() == id)
    }

    /// Returns the key that `client` should seal with: the newest, so that older ones run out.
    pub fn newest(&self, client: &ClientName) -> Option<&Arc<Key>> {
        self.set.keys.iter().rev().find(|key| key.client() == client)
    }

    /// Makes another key for `client`, with all rights; [`KeyRing::save`] makes it last.
    pub fn add_new(&mut self, client: &ClientName, now: DateTime<Utc>, random: &mut impl CryptoRng) -> Arc<Key> {
        self.add(client, Rights::default(), now, random)
    }

    /// Makes another key for `client`; [`KeyRing::save`] makes it last.
    pub fn add(&mut self, client: &ClientName, rights: Rights, now: DateTime<Utc>, random: &mut impl CryptoRng) -> Arc<Key> {
        let key = loop {
            let key = Key::generate(client, now, random);
            if self.find(key.id()).is_none() {
                break Arc::new(key.with_rights(rights));
            }
        };
        self.set.keys.push(Arc::clone(&key));
        self.set.foreign.push(Map::new());
        key
    }

    /// Has every key of `client` end at a time, unless it ends before; [`KeyRing::save`] makes it last. Returns those that were not to end by then.
    pub fn end_all(&mut self, client: &ClientName, at: DateTime<Utc>) -> Vec<Arc<Key>> {
        let mut ended = Vec::new();
        for key in self.set.keys.iter_mut().filter(|key| key.client() == client && key.rights().ends.is_none_or(|ends| ends > at))
        {
            *key = Arc::new(key.again_with(Rights { ends: Some(at), ..key.rights().clone() }));
            ended.push(Arc::clone(key));
        }
        ended
    }

    /// Takes the key with this id out; [`KeyRing::save`] makes it last.
    pub fn remove(&mut self, id: &KeyId) -> Option<Arc<Key>> {
        let index = self.set.keys.iter().position(|key| key.id() == id)?;
        self.set.foreign.remove(index);
        Some(self.set.keys.remove(index))
    }

    /// Returns a JWK Set of this one key for its server, to hand to its client; as secret as the key itself.
    pub fn export(key: &Key, server: &ServerId) -> Zeroizing<Vec<u8>> {
        jwk::write_for(key, server)
    }

    /// Writes the same to a new file, mode 0600, durable when this returns.
    ///
    /// # Errors
    /// [`KeyFileError::Exists`] where there is a file of this name; otherwise what the system says.
    pub fn export_to(path: &Path, key: &Key, server: &ServerId) -> Result<(), KeyFileError> {
        atomic_file::create(path, &jwk::write_for(key, server)).map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists => KeyFileError::Exists { path: path.to_owned() },
            _ => KeyFileError::Io { path: path.to_owned(), doing: "write", source },
        })
    }

    /// Replaces the file atomically, mode 0600, durable when this returns. The folder must exist.
    ///
    /// # Errors
    /// [`KeyFileError::Changed`] where the file is not the one that was loaded; otherwise what the system says.
    pub fn save(&mut self, path: &Path) -> Result<(), KeyFileError> {
        let fail = |source| KeyFileError::Io { path: path.to_owned(), doing: "write", source };
        // A link stays a link: what it names is replaced.
        let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let current = match fs::metadata(&target) {
            Ok(metadata) => Some(FileVersion::of(&metadata)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(fail(error)),
        };
        if current != self.loaded {
            return Err(KeyFileError::Changed { path: path.to_owned() });
        }
        let file = atomic_file::replace(&target, &jwk::write(&self.set)).map_err(fail)?;
        self.loaded = Some(FileVersion::of(&file.metadata().map_err(fail)?));
        Ok(())
    }
}

impl FileVersion {
    fn of(metadata: &fs::Metadata) -> Self {
        Self { inode: metadata.ino(), length: metadata.len(), modified: (metadata.mtime(), metadata.mtime_nsec()) }
    }
}

#[cfg(test)]
mod tests;
