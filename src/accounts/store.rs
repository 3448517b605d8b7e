//! Session files: `sessions/<name>.session`, one an account, mode 0600, replaced atomically (written beside it, synced, renamed);
//! sealed where a master key is set.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use zeroize::Zeroizing;

use super::SessionError;
use super::format::{self, SessionFormat, UnreadableSession};
use super::lock::{LockFailure, SessionLock};
use super::session::{Session, SessionData};
use crate::atomic_file;
use crate::failpoints;
use crate::model::AccountName;
use crate::seal::MasterKey;

/// The folder of session files, for one kind of server.
#[derive(Clone, Debug)]
pub struct Sessions {
    folder: PathBuf,
    server: String,
    /// The first one seals, every one opens.
    keys: Arc<[MasterKey]>,
}

/// Sessions that this process holds the exclusive locks of, for as long as the locks live.
#[derive(Debug)]
pub struct LockedSessions {
    /// The sessions, by name.
    pub sessions: BTreeMap<AccountName, Arc<Session>>,
    /// The locks that keep other processes out.
    pub locks: Vec<SessionLock>,
}

impl Sessions {
    /// The session files of a folder, for a kind of server; plain on the disk.
    #[must_use]
    pub fn new(folder: &Path, server: &str) -> Self {
        Self { folder: folder.to_owned(), server: server.to_owned(), keys: Arc::default() }
    }

    /// The same, sealed on the disk: the first key seals, every one of them opens. Files that are plain are sealed at the next save.
    #[must_use]
    pub fn sealed(self, keys: impl IntoIterator<Item = MasterKey>) -> Self {
        Self { keys: keys.into_iter().collect(), ..self }
    }

    /// The key that seals, if any.
    #[must_use]
    pub fn master_key(&self) -> Option<&MasterKey> {
        self.keys.first()
    }

    /// The names of all accounts, in order.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn names(&self) -> Result<Vec<AccountName>, SessionError> {
        let io = |source| SessionError::Io { path: self.folder.clone(), source };
        let entries = match std::fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(io(e)),
        };
        let mut names = Vec::new();
        for entry in entries {
            let name = entry.map_err(io)?.file_name();
            let Some(name) = name.to_str().and_then(|n| n.strip_suffix(".session")) else { continue };
            match name.parse() {
                Ok(name) => names.push(name),
                Err(error) => tracing::warn!("session file ignored: {error}"),
            }
        }
        names.sort();
        Ok(names)
    }

    /// Acquires the exclusive lock of an account's session, whether there is one yet or not.
    ///
    /// # Errors
    /// When another process uses it, or the folder cannot be written.
    pub fn lock(&self, name: &AccountName) -> Result<SessionLock, SessionError> {
        let path = self.folder.join(format!("{name}.lock"));
        let io = |path: &Path, source| SessionError::Io { path: path.to_owned(), source };
        self.make_folder().map_err(|source| io(&self.folder, source))?;
        SessionLock::take(&path).map_err(|unlocked| match unlocked {
            LockFailure::InUse(process) => SessionError::InUse { account: *name, process },
            LockFailure::Io(source) => io(&path, source),
        })
    }

    /// Locks and loads one session.
    ///
    /// # Errors
    /// As [`Sessions::lock`] and [`Sessions::load`].
    pub fn take(&self, name: &AccountName) -> Result<(Session, SessionLock), SessionError> {
        if !self.path(name).exists() {
            return Err(SessionError::Unknown(*name));
        }
        let lock = self.lock(name)?;
        // A copy of a session must not outlive it, as one of a process would that was killed while it saved.
        let path = self.path(name);
        atomic_file::clear_leftovers(&path).map_err(|source| SessionError::Io { path, source })?;
        Ok((self.load(name)?, lock))
    }

    /// Locks and loads every session, by name.
    ///
    /// # Errors
    /// At the first that cannot be used, or is another one's under another name.
    pub fn take_all(&self) -> Result<LockedSessions, SessionError> {
        let (mut sessions, mut locks) = (BTreeMap::new(), Vec::new());
        let mut owners: BTreeMap<String, AccountName> = BTreeMap::new();
        for name in self.names()? {
            let (session, lock) = self.take(&name)?;
            for key in session.key_fingerprints() {
                if let Some(other) = owners.insert(key, name).filter(|other| *other != name) {
                    return Err(SessionError::Twice { account: name, other });
                }
            }
            sessions.insert(name, Arc::new(session));
            locks.push(lock);
        }
        Ok(LockedSessions { sessions, locks })
    }

    /// Loads every session, by name, to look at.
    ///
    /// # Errors
    /// At the first that cannot be used.
    pub fn load_all(&self) -> Result<BTreeMap<AccountName, Arc<Session>>, SessionError> {
        self.names()?.into_iter().map(|name| Ok((name, Arc::new(self.load(&name)?)))).collect()
    }

    /// Loads one session.
    ///
    /// # Errors
    /// When it is missing, damaged, readable by others, made for another kind of server, or sealed under another key.
    pub fn load(&self, name: &AccountName) -> Result<Session, SessionError> {
        let (data, format) = self.read(name)?;
        let session = Session::of(*name, data);
        if format == SessionFormat::Plain && !self.keys.is_empty() {
            tracing::info!(account.name = %name, "session of account `{name}` is not sealed yet; it will be when it is next saved");
            session.save_soon();
        }
        Ok(session)
    }

    /// Tells whether an account's session file is sealed, without opening it.
    ///
    /// # Errors
    /// When it is missing, unreadable, readable by others, or neither plain nor sealed.
    pub fn format(&self, name: &AccountName) -> Result<SessionFormat, SessionError> {
        format::format(&self.bytes(name)?).map_err(|unread| self.unread(name, unread))
    }

    /// Saves a new session.
    ///
    /// # Errors
    /// When there is one of that name already, or the same one under another name, or the disk refuses.
    pub fn create(&self, session: &Session) -> Result<(), SessionError> {
        if self.path(session.name()).exists() {
            return Err(SessionError::Exists(*session.name()));
        }
        let keys = session.key_fingerprints();
        for other in self.names()? {
            // One that cannot be read is told of by whoever needs it.
            let known = self.load(&other).map(|other| other.key_fingerprints()).unwrap_or_default();
            if known.iter().any(|key| keys.contains(key)) {
                return Err(SessionError::Twice { account: *session.name(), other });
            }
        }
        self.save(session)
    }

    /// Saves a session, replacing the file atomically: a crash leaves the old one or the new one.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn save(&self, session: &Session) -> Result<(), SessionError> {
        session.save_with(|data| self.write(session.name(), data))
    }

    /// Converts an account's session file to the format of `to`, whatever server it was made for: sealed under the first key where
    /// there is one, plain otherwise. Idempotent; says whether there was anything to change.
    ///
    /// # Errors
    /// As [`Sessions::take`]; the file is the old one or the new one, never half of either.
    pub fn convert(&self, name: &AccountName, to: &Self) -> Result<bool, SessionError> {
        let _lock = self.lock(name)?;
        let bytes = self.bytes(name)?;
        let (data, format) = format::read(&bytes, &self.keys).map_err(|unread| self.unread(name, unread))?;
        let wanted = to.master_key().map_or(SessionFormat::Plain, |key| SessionFormat::Sealed(key.id().clone()));
        if format == wanted {
            return Ok(false);
        }
        to.write(name, &data)?;
        Ok(true)
    }

    /// A session file as it is, for a backup; `None` where it is not sealed: whoever has a copy could act as the account.
    ///
    /// # Errors
    /// As [`Sessions::format`].
    pub fn sealed_copy(&self, name: &AccountName) -> Result<Option<Zeroizing<Vec<u8>>>, SessionError> {
        let bytes = self.bytes(name)?;
        let format = format::format(&bytes).map_err(|unread| self.unread(name, unread))?;
        Ok(matches!(format, SessionFormat::Sealed(_)).then_some(bytes))
    }

    /// Puts a copy of a session file back where there is none of that name; says whether it did (idempotent).
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn put_back(&self, name: &AccountName, copy: &[u8]) -> Result<bool, SessionError> {
        let path = self.path(name);
        let io = |source| SessionError::Io { path: path.clone(), source };
        self.make_folder().map_err(io)?;
        let mut file = tempfile::NamedTempFile::new_in(&self.folder).map_err(io)?;
        file.write_all(copy).and_then(|()| file.as_file().sync_all()).map_err(io)?;
        match file.persist_noclobber(&path) {
            Ok(_) => std::fs::File::open(&self.folder).and_then(|folder| folder.sync_all()).map_err(io).map(|()| true),
            Err(failed) if failed.error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(failed) => Err(io(failed.error)),
        }
    }

    /// Removes an account's session file. The authorisation itself lives on at Telegram until it is logged out there.
    ///
    /// # Errors
    /// When there is none, or the disk refuses.
    pub fn remove(&self, name: &AccountName) -> Result<(), SessionError> {
        let path = self.path(name);
        std::fs::remove_file(&path).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => SessionError::Unknown(*name),
            _ => SessionError::Io { path, source },
        })
    }

    fn read(&self, name: &AccountName) -> Result<(SessionData, SessionFormat), SessionError> {
        let (data, format) = format::read(&self.bytes(name)?, &self.keys).map_err(|unread| self.unread(name, unread))?;
        if data.server != self.server {
            let (made_for, configured) = (data.server, self.server.clone());
            return Err(SessionError::OtherServer { account: *name, made_for, configured });
        }
        Ok((data, format))
    }

    fn bytes(&self, name: &AccountName) -> Result<Zeroizing<Vec<u8>>, SessionError> {
        let path = self.path(name);
        let io = |source: io::Error| match source.kind() {
            io::ErrorKind::NotFound => SessionError::Unknown(*name),
            _ => SessionError::Io { path: path.clone(), source },
        };
        let mode = std::fs::metadata(&path).map_err(io)?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(SessionError::Exposed { path, mode });
        }
        Ok(Zeroizing::new(std::fs::read(&path).map_err(io)?))
    }

    fn unread(&self, name: &AccountName, unread: UnreadableSession) -> SessionError {
        let account = *name;
        match (unread, self.keys.first()) {
            (UnreadableSession::Damaged(why), _) => SessionError::Damaged { path: self.path(name), account, why },
            (UnreadableSession::KeyMissing(sealed_by), None) => SessionError::NoMasterKey { account, sealed_by },
            (UnreadableSession::KeyMissing(sealed_by), Some(key)) => {
                SessionError::OtherMasterKey { account, sealed_by, set: key.id().clone() }
            }
        }
    }

    fn write(&self, name: &AccountName, data: &SessionData) -> Result<(), SessionError> {
        let path = self.path(name);
        self.replace(&path, data).map_err(|source| SessionError::Io { path, source })
    }

    fn replace(&self, path: &Path, data: &SessionData) -> io::Result<()> {
        self.make_folder()?;
        failpoints::hit("session-save")?;
        atomic_file::replace(path, &format::write(data, self.keys.first())?)?;
        failpoints::pass("session-saved");
        Ok(())
    }

    fn make_folder(&self) -> io::Result<()> {
        if self.folder.is_dir() {
            return Ok(());
        }
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)
    }

    fn path(&self, name: &AccountName) -> PathBuf {
        self.folder.join(format!("{name}.session"))
    }
}

#[cfg(test)]
mod tests;
