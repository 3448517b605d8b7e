//! What went wrong, named for what to do next.

use std::time::Duration;

use grammers_mtsender::InvocationError;

use crate::accounts::HomeKeyKept;

/// Why Telegram gave no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TelegramError {
    /// The account must not call this method again before the wait is over.
    #[error("Telegram asks for a wait of {} s ({name})", wait.as_secs())]
    FloodWait {
        /// How long.
        wait: Duration,
        /// Telegram's error name.
        name: String,
    },
    /// The account's session has ended, or the account is banned: only a new login helps.
    #[error("signed out by Telegram ({name})")]
    SignedOut {
        /// Telegram's error name.
        name: String,
    },
    /// This account cannot read the peer.
    #[error("peer cannot be read by this account ({name})")]
    PeerUnavailable {
        /// Telegram's error name.
        name: String,
    },
    /// Trying again later may help: a timeout, a broken connection, a fault of the server.
    #[error("no answer ({why})")]
    Transient {
        /// What happened.
        why: String,
    },
    /// The request is refused; asking again the same way would be refused again.
    #[error("refused ({name})")]
    Refused {
        /// Telegram's error name.
        name: String,
        /// The number in it, if any.
        value: Option<u32>,
    },
}

/// Errors that mean that the session is gone for good.
const SIGNED_OUT: [&str; 8] = [
    "AUTH_KEY_UNREGISTERED",
    "AUTH_KEY_INVALID",
    "AUTH_KEY_DUPLICATED",
    "AUTH_KEY_PERM_EMPTY",
    "SESSION_REVOKED",
    "SESSION_EXPIRED",
    "USER_DEACTIVATED",
    "USER_DEACTIVATED_BAN",
];

/// Errors that mean that this account cannot read this peer.
const UNAVAILABLE: [&str; 7] = [
    "CHANNEL_PRIVATE",
    "CHANNEL_INVALID",
    "CHAT_ID_INVALID",
    "CHAT_FORBIDDEN",
    "PEER_ID_INVALID",
    "USER_BANNED_IN_CHANNEL",
    "CHANNEL_PUBLIC_GROUP_NA",
];

impl TelegramError {
    /// Whether Telegram will never take the session's authorisation key again, so that only a new one helps.
    #[must_use]
    pub fn is_key_dead(&self) -> bool {
        let Self::SignedOut { name } = self else { return false };
        matches!(name.as_str(), "AUTH_KEY_DUPLICATED" | "AUTH_KEY_INVALID" | "AUTH_KEY_PERM_EMPTY")
            || *name == HomeKeyKept.to_string()
    }

    pub(super) fn timeout(after: Duration) -> Self {
        Self::Transient { why: format!("timed out after {after:?}") }
    }
}

impl From<InvocationError> for TelegramError {
    fn from(error: InvocationError) -> Self {
        let transient = |why: String| Self::Transient { why };
        match error {
            InvocationError::Rpc(e) => {
                let wait = || Duration::from_secs(u64::from(e.value.unwrap_or(0)));
                let name = e.name.as_str();
                if name.starts_with("FLOOD") || name.starts_with("SLOWMODE_WAIT") || name == "TAKEOUT_INIT_DELAY" {
                    Self::FloodWait { wait: wait().max(Duration::from_secs(1)), name: e.name }
                } else if name == "PEER_FLOOD" {
                    // Telegram names no time: the account is suspected of spam, and only rest helps.
                    Self::FloodWait { wait: Duration::from_secs(24 * 60 * 60), name: e.name }
                } else if e.code == 401 && name != "SESSION_PASSWORD_NEEDED" || SIGNED_OUT.contains(&name) {
                    Self::SignedOut { name: e.name }
                } else if UNAVAILABLE.contains(&name) {
                    Self::PeerUnavailable { name: e.name }
                } else if e.code >= 500 || e.code == -503 {
                    transient(format!("server fault {} {}", e.code, e.name))
                } else {
                    Self::Refused { value: e.value, name: e.name }
                }
            }
            InvocationError::Session(e) if e.to_string() == HomeKeyKept.to_string() => Self::SignedOut { name: e.to_string() },
            InvocationError::Session(e) => transient(format!("session: {e}")),
            InvocationError::Io(e) => transient(format!("connection: {e}")),
            InvocationError::Transport(e) => transient(format!("transport: {e}")),
            InvocationError::Dropped(why) => transient(format!("connection dropped: {why}")),
            InvocationError::Deserialize(e) => transient(format!("unreadable answer: {e}")),
            InvocationError::InvalidDc => Self::Refused { name: "unknown data centre".to_owned(), value: None },
            InvocationError::Authentication(e) => transient(format!("key exchange: {e}")),
        }
    }
}
