//! The sessions folder as the operator set it up: where it is, whose server it is for, and what it is sealed with.

use std::env::{VarError, var};

use crate::accounts::{SessionError, Sessions, read_master_key};
use crate::config::Config;
use crate::seal::{InvalidMasterKey, MasterKey};

/// The environment variable that holds the master key, where no file does.
pub const MASTER_KEY_VARIABLE: &str = "TELESCRIBE_MASTER_KEY";

/// Opens the sessions folder, sealed where a master key is set.
///
/// # Errors
/// When a master key is set that is none, or is set twice; never silently without it.
pub fn open_sessions(config: &Config) -> anyhow::Result<Sessions> {
    let sessions = Sessions::new(&config.accounts.sessions, config.telegram.server.name());
    let in_file = &config.accounts.master_key_file;
    let from_file = (!in_file.as_os_str().is_empty()).then(|| read_master_key(in_file)).transpose()?;
    let from_environment = match var(MASTER_KEY_VARIABLE) {
        Ok(text) => Some(read_variable(&zeroize::Zeroizing::new(text))?),
        Err(VarError::NotPresent) => None,
        Err(VarError::NotUnicode(_)) => Some(read_variable("")?),
    };
    match (from_file, from_environment) {
        (Some(file), Some(variable)) if file != variable => anyhow::bail!(
            "`accounts.master_key_file` and {MASTER_KEY_VARIABLE} hold different keys (`{}` and `{}`); set one of them only",
            file.id(),
            variable.id()
        ),
        (file, variable) => Ok(sessions.sealed(file.or(variable))),
    }
}

/// An empty variable is a mistake of whoever set it: sessions would lie there in clear without anybody knowing.
fn read_variable(text: &str) -> Result<MasterKey, SessionError> {
    let invalid = |source: InvalidMasterKey| SessionError::MasterKeyInvalid { place: MASTER_KEY_VARIABLE.to_owned(), source };
    MasterKey::read(text).map_err(invalid)
}
