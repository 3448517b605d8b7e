//! Session files: `sessions/<name>.session`, one an account, JSON, mode 0600, replaced as a whole.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::session::{Session, SessionData, VERSION};
use crate::model::AccountName;

/// The folder of session files, for one kind of server.
#[derive(Clone, Debug)]
pub struct Sessions {
    folder: PathBuf,
    server: String,
}

/// A session file could not be used.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// Reading or writing failed.
    #[error("session file `{}`: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is not a session file.
    #[error("session file `{}` cannot be read ({why}); restore a copy, or remove it and sign in again with `telescribe login {account}`", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Whose.
        account: AccountName,
        /// What is wrong with it.
        why: String,
    },
    /// Other users of the machine could read it.
    #[error("session file `{}` can be read by others (mode {mode:o}); whoever reads it is the account: `chmod 600` it", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// It was made for another kind of server.
    #[error(
        "session of account `{account}` was made for server `{made_for}`, but the configuration says `{configured}`; \
         use another sessions folder for each"
    )]
    OtherServer {
        /// Whose.
        account: AccountName,
        /// The server it was made for.
        made_for: String,
        /// The server that is configured.
        configured: String,
    },
    /// There is already one of that name.
    #[error("account `{0}` exists already; choose another name, or remove its session file first")]
    Exists(AccountName),
    /// There is none of that name.
    #[error("there is no account `{0}`; `telescribe account list` shows those that exist, `telescribe login {0}` adds it")]
    Unknown(AccountName),
}

impl Sessions {
    /// The session files of a folder, for a kind of server.
    #[must_use]
    pub fn new(folder: &Path, server: &str) -> Self {
        Self { folder: folder.to_owned(), server: server.to_owned() }
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
                Err(error) => tracing::warn!("session file passed over: {error}"),
            }
        }
        names.sort();
        Ok(names)
    }

    /// Loads every session, by name.
    ///
    /// # Errors
    /// At the first that cannot be used.
    pub fn load_all(&self) -> Result<BTreeMap<AccountName, Arc<Session>>, SessionError> {
        self.names()?.into_iter().map(|name| Ok((name.clone(), Arc::new(self.load(&name)?)))).collect()
    }

    /// Loads one session.
    ///
    /// # Errors
    /// When it is missing, damaged, readable by others, or made for another kind of server.
    pub fn load(&self, name: &AccountName) -> Result<Session, SessionError> {
        let path = self.path(name);
        let io = |source: io::Error| match source.kind() {
            io::ErrorKind::NotFound => SessionError::Unknown(name.clone()),
            _ => SessionError::Io { path: path.clone(), source },
        };
        let mode = std::fs::metadata(&path).map_err(io)?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(SessionError::Exposed { path, mode });
        }
        let bytes = zeroize::Zeroizing::new(std::fs::read(&path).map_err(io)?);
        let damaged = |why: String| SessionError::Damaged { path: path.clone(), account: name.clone(), why };
        let data: SessionData = serde_json::from_slice(&bytes).map_err(|e| damaged(e.to_string()))?;
        if data.version != VERSION {
            return Err(damaged(format!("form {} is not known to this version", data.version)));
        }
        if data.server != self.server {
            let (made_for, configured) = (data.server, self.server.clone());
            return Err(SessionError::OtherServer { account: name.clone(), made_for, configured });
        }
        Ok(Session::of(name.clone(), data))
    }

    /// Saves a new session.
    ///
    /// # Errors
    /// When there is one of that name already, or the disk refuses.
    pub fn create(&self, session: &Session) -> Result<(), SessionError> {
        if self.path(session.name()).exists() {
            return Err(SessionError::Exists(session.name().clone()));
        }
        self.save(session)
    }

    /// Saves a session, replacing the file as a whole: a crash leaves the old one or the new one.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn save(&self, session: &Session) -> Result<(), SessionError> {
        let path = self.path(session.name());
        self.replace(&path, session).map_err(|source| SessionError::Io { path, source })
    }

    /// Removes an account's session file. The authorisation itself lives on at Telegram until it is logged out there.
    ///
    /// # Errors
    /// When there is none, or the disk refuses.
    pub fn remove(&self, name: &AccountName) -> Result<(), SessionError> {
        let path = self.path(name);
        std::fs::remove_file(&path).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => SessionError::Unknown(name.clone()),
            _ => SessionError::Io { path, source },
        })
    }

    fn replace(&self, path: &Path, session: &Session) -> io::Result<()> {
        if !self.folder.is_dir() {
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
        }
        let json = zeroize::Zeroizing::new(serde_json::to_vec(&session.data())?);
        // A NamedTempFile is made with mode 0600.
        let mut file = tempfile::NamedTempFile::new_in(&self.folder)?;
        file.write_all(&json)?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|e| e.error)?;
        std::fs::File::open(&self.folder)?.sync_all()
    }

    fn path(&self, name: &AccountName) -> PathBuf {
        self.folder.join(format!("{name}.session"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::session::{AuthKey, DataCentre, UpdatesState};
    use super::*;
    use crate::model::PeerId;

    fn session(name: &str) -> Session {
        let dc = DataCentre { ipv4: "127.0.0.1:443".parse().unwrap(), ipv6: None, auth_key: Some(AuthKey::new([7; 256])) };
        Session::new(name.parse().unwrap(), "simulated", 2, BTreeMap::from([(2, dc)]))
    }

    #[test]
    fn a_session_comes_back_as_it_was_saved_and_only_its_owner_can_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let store = Sessions::new(folder.path(), "simulated");
        let s = session("alpha");
        s.learn(PeerId::channel(5), Some(-9));
        s.learn(PeerId::chat(6), None);
        s.set_updates(UpdatesState { pts: 3, qts: 0, date: 1, seq: 0 });
        s.set_budgets(serde_json::json!({ "messages.getHistory": 3 }));
        store.create(&s).unwrap();
        assert_eq!(store.load(s.name()).unwrap().data(), s.data());
        let mode = std::fs::metadata(store.path(s.name())).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600);
        assert!(matches!(store.create(&s), Err(SessionError::Exists(_))));
    }

    #[test]
    fn a_session_of_another_kind_of_server_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        Sessions::new(folder.path(), "simulated").create(&session("alpha")).unwrap();
        let error = Sessions::new(folder.path(), "telegram").load_all().unwrap_err();
        assert!(matches!(error, SessionError::OtherServer { .. }), "{error}");
    }

    #[test]
    fn a_session_that_others_can_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let store = Sessions::new(folder.path(), "simulated");
        store.create(&session("alpha")).unwrap();
        let path = store.path(&"alpha".parse().unwrap());
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(store.load_all(), Err(SessionError::Exposed { .. })));
    }

    #[test]
    fn a_damaged_session_file_is_a_clear_error() {
        let folder = tempfile::tempdir().unwrap();
        let store = Sessions::new(folder.path(), "simulated");
        store.create(&session("alpha")).unwrap();
        let path = store.path(&"alpha".parse().unwrap());
        std::fs::write(&path, b"{\"version\":1").unwrap();
        let error = store.load_all().unwrap_err().to_string();
        assert!(error.contains("alpha.session") && error.contains("telescribe login alpha"), "{error}");
    }

    #[test]
    fn the_home_key_is_never_replaced() {
        let s = session("alpha");
        let other = DataCentre { auth_key: Some(AuthKey::new([8; 256])), ..s.data_centre(2).unwrap() };
        assert!(s.set_data_centre(2, other.clone()).is_err());
        assert_eq!(s.data_centre(2).unwrap().auth_key, Some(AuthKey::new([7; 256])));
        s.set_data_centre(4, other).unwrap();
    }
}
