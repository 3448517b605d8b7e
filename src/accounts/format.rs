//! The file format of a session: JSON, or the same JSON encrypted at rest (sealed) under the operator's master key.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use zeroize::Zeroizing;

use super::SessionError;
use super::session::{SessionData, VERSION};
use crate::seal::{KeyId, MasterKey, sealed_by, system_random};

/// The longest file that is taken for a master key; one has 88 characters.
const MASTER_KEY_FILE_LENGTH_MAX: u64 = 1_024;

/// The format of a session file: whether whoever has it can read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionFormat {
    /// It is JSON with the account's keys in it.
    Plain,
    /// It is sealed under the master key of this id.
    Sealed(KeyId),
}

/// Why bytes cannot be parsed as a session.
pub(super) enum UnreadableSession {
    /// The key that they name is not among those that are set.
    KeyMissing(KeyId),
    /// They are damaged, or never were one.
    Damaged(String),
}

/// Detects the format by content.
pub(super) fn format(bytes: &[u8]) -> Result<SessionFormat, UnreadableSession> {
    if bytes.trim_ascii_start().starts_with(b"{") {
        return Ok(SessionFormat::Plain);
    }
    let token = std::str::from_utf8(bytes).unwrap_or_default().trim();
    let key = sealed_by(token).ok_or_else(|| UnreadableSession::Damaged("it is neither JSON nor sealed".to_owned()))?;
    Ok(SessionFormat::Sealed(key))
}

/// Reads a session, opening it first where it is sealed.
pub(super) fn read(bytes: &[u8], keys: &[MasterKey]) -> Result<(SessionData, SessionFormat), UnreadableSession> {
    let format = format(bytes)?;
    let opened;
    let json = match &format {
        SessionFormat::Plain => bytes,
        SessionFormat::Sealed(key) if keys.iter().all(|k| k.id() != key) => {
            return Err(UnreadableSession::KeyMissing(key.clone()));
        }
        SessionFormat::Sealed(_) => {
            let token = std::str::from_utf8(bytes).unwrap_or_default().trim();
            opened = MasterKey::open(token, keys)
                .map_err(|_| UnreadableSession::Damaged("its seal is invalid: it was changed".to_owned()))?;
            opened.as_slice()
        }
    };
    let data: SessionData = serde_json::from_slice(json).map_err(|e| UnreadableSession::Damaged(place(&e)))?;
    if data.version != VERSION {
        return Err(UnreadableSession::Damaged(format!("its version {} is unknown", data.version)));
    }
    Ok((data, format))
}

/// Serialises a session, sealed where there is a key.
pub(super) fn write(data: &SessionData, key: Option<&MasterKey>) -> serde_json::Result<Zeroizing<Vec<u8>>> {
    let json = Zeroizing::new(serde_json::to_vec(data)?);
    Ok(match key {
        None => json,
        Some(key) => {
            let mut token = key.seal(&json, &mut system_random());
            token.push('\n');
            Zeroizing::new(token.into_bytes())
        }
    })
}

/// Where deserialising a session failed. serde's own text may quote what stands there, which is somebody's key.
fn place(error: &serde_json::Error) -> String {
    use serde_json::error::Category;
    let what = match error.classify() {
        Category::Data => "its members are not as expected",
        Category::Eof => "it ends too early",
        Category::Io | Category::Syntax => "it is not JSON",
    };
    format!("{what}, line {} column {}", error.line(), error.column())
}

/// Reads the master key from a file that only its owner can read.
///
/// # Errors
/// When it cannot be read, others could read it, or it holds no key.
pub fn read_master_key(path: &Path) -> Result<MasterKey, SessionError> {
    let io = |source| SessionError::MasterKeyIo { path: path.to_owned(), source };
    let file = fs::File::open(path).map_err(io)?;
    let mode = file.metadata().map_err(io)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(SessionError::MasterKeyExposed { path: path.to_owned(), mode });
    }
    let mut text = Zeroizing::new(String::new());
    let invalid = |source| SessionError::MasterKeyInvalid { place: format!("`{}`", path.display()), source };
    match file.take(MASTER_KEY_FILE_LENGTH_MAX).read_to_string(&mut text) {
        Ok(_) => MasterKey::read(&text).map_err(invalid),
        Err(error) if error.kind() == std::io::ErrorKind::InvalidData => Err(invalid(crate::seal::InvalidMasterKey)),
        Err(error) => Err(io(error)),
    }
}
