//! Why a session cannot be used, named for the way out.

use std::io;
use std::path::PathBuf;

use crate::model::AccountName;
use crate::seal::{InvalidMasterKey, KeyId};

/// A session file could not be used.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// Reading or writing failed.
    #[error("session file `{}`: {source}; check free space, permissions and the disk's health", path.display())]
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
    #[error("session file `{}` can be read by others (mode {mode:o}), who could act as the account: run `chmod 600` on it", path.display())]
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
    #[error("account `{0}` exists already; choose another name, or remove it with `telescribe account remove {0}` first")]
    Exists(AccountName),
    /// Another account of ours has the same authorisation key.
    #[error(
        "account `{account}` has the session of account `{other}`: one account under two names would ask twice as often as it may; \
         keep one of them, and remove the other's file from the sessions folder"
    )]
    Twice {
        /// Whose.
        account: AccountName,
        /// Who has it too.
        other: AccountName,
    },
    /// There is none of that name.
    #[error("there is no account `{0}`; `telescribe account list` shows those that exist, `telescribe login {0}` adds it")]
    Unknown(AccountName),
    /// Another process uses it.
    #[error(
        "account `{account}` is in use by another telescribe (process {process}); stop that one first: two programs on one \
         session would make Telegram end it"
    )]
    InUse {
        /// Whose.
        account: AccountName,
        /// The other's process id, or `unknown`.
        process: String,
    },
    /// It is sealed, and there is no master key.
    #[error(
        "session of account `{account}` is sealed under the master key `{sealed_by}`, and none is set; set \
         `accounts.master_key_file` or TELESCRIBE_MASTER_KEY"
    )]
    NoMasterKey {
        /// Whose.
        account: AccountName,
        /// The key that opens it.
        sealed_by: KeyId,
    },
    /// It is sealed under a master key that is not set.
    #[error(
        "session of account `{account}` is sealed under the master key `{sealed_by}`, but `{set}` is set; set the other one, or \
         change keys with `telescribe account seal --old-key-file FILE`"
    )]
    OtherMasterKey {
        /// Whose.
        account: AccountName,
        /// The key that opens it.
        sealed_by: KeyId,
        /// The one that is set.
        set: KeyId,
    },
    /// The master key's file cannot be read.
    #[error("master key file `{}`: {source}; `telescribe account new-key` makes a key", path.display())]
    MasterKeyIo {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Other users of the machine could read the master key.
    #[error("master key file `{}` can be read by others (mode {mode:o}), who could open every session: run `chmod 600` on it", path.display())]
    MasterKeyExposed {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// The master key is none.
    #[error("{place}: {source}")]
    MasterKeyInvalid {
        /// The file or the environment variable.
        place: String,
        /// What would be one.
        source: InvalidMasterKey,
    },
}
