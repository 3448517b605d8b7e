//! Telegram's errors, classified by what to do next: retry, wait, sign in again, or give up.
//!
//! Telegram's errors are a code and a name (<https://core.telegram.org/api/errors>). The name decides, because the codes are not kept
//! to: `PEER_FLOOD` is a 400, `CHANNEL_PRIVATE` a 400 or a 406. A name that is not known goes by its code, so that a new kind of wait is
//! waited for and a new kind of sign-out is one.

use std::time::Duration;

use grammers_client::InvocationError;
use grammers_client::sender::RpcError;

use crate::accounts::{AccountState, HomeKeyKept};

/// Why Telegram gave no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TelegramError {
    /// Rate limited: the account must not call this method again before the wait is over.
    #[error("Telegram asks for a wait of {} s ({name})", wait.as_secs())]
    FloodWait {
        /// How long.
        wait: Duration,
        /// Telegram's error name.
        name: String,
    },
    /// The account's session has ended: only a new login helps.
    #[error("signed out by Telegram ({name})")]
    SignedOut {
        /// Telegram's error name.
        name: String,
    },
    /// Telegram closed the account itself.
    #[error("banned by Telegram ({name})")]
    Banned {
        /// Telegram's error name.
        name: String,
    },
    /// The session is used somewhere else as well; Telegram ended it for both.
    #[error("signed out by Telegram because the session is used somewhere else as well ({name})")]
    Duplicated {
        /// Telegram's error name.
        name: String,
    },
    /// This account cannot read the peer.
    #[error("peer cannot be read by this account ({name})")]
    PeerUnavailable {
        /// Telegram's error name.
        name: String,
    },
    /// A retry may help: a timeout, a broken connection.
    #[error("no response ({why})")]
    Transient {
        /// What happened.
        why: String,
    },
    /// Telegram has answered that it cannot at present: a fault of the server. A retry may help.
    #[error("server fault ({name})")]
    ServerFault {
        /// Telegram's code and error name.
        name: String,
    },
    /// Telegram has answered, with what this version cannot read, such as a type of a later layer. The connection is well.
    #[error("unreadable answer ({why})")]
    Unreadable {
        /// What could not be read.
        why: String,
    },
    /// The request has to be retried under a new lease: what it depends on has changed, or has to wait, and the pool knows of it. Only
    /// with a pool.
    #[error("to be retried, because {why}")]
    RetryLater {
        /// What it waits for.
        why: &'static str,
    },
    /// The request is refused, and so would every retry be.
    #[error("refused ({name})")]
    Refused {
        /// Telegram's error name.
        name: String,
        /// The number in it, if any.
        value: Option<u32>,
    },
}

/// Errors that mean that the session is gone for good.
const SIGNED_OUT: [&str; 5] =
    ["AUTH_KEY_UNREGISTERED", "AUTH_KEY_INVALID", "AUTH_KEY_PERM_EMPTY", "SESSION_REVOKED", "SESSION_EXPIRED"];

/// Errors that mean that Telegram closed the account.
const BANNED: [&str; 3] = ["USER_DEACTIVATED", "USER_DEACTIVATED_BAN", "PHONE_NUMBER_BANNED"];

/// Errors that mean that this account cannot read this peer; from what Telegram documents for reading and joining.
const UNAVAILABLE: [&str; 18] = [
    "CHANNEL_PRIVATE",
    "CHANNEL_INVALID",
    "CHANNEL_FORUM_MISSING",
    "CHANNEL_MONOFORUM_UNSUPPORTED",
    "CHANNEL_PARICIPANT_MISSING",
    "CHANNEL_PUBLIC_GROUP_NA",
    "CHANNEL_TOO_LARGE",
    "CHAT_FORBIDDEN",
    "CHAT_ID_INVALID",
    "CHAT_INVALID",
    "CHAT_RESTRICTED",
    "FROZEN_PARTICIPANT_MISSING",
    "INPUT_USER_DEACTIVATED",
    "PEER_ID_INVALID",
    "PEER_ID_NOT_SUPPORTED",
    "USER_BANNED_IN_CHANNEL",
    "USER_ID_INVALID",
    "USER_NOT_PARTICIPANT",
];

/// Errors of the 4xx codes that are the server's trouble all the same.
const TRANSIENT: [&str; 4] = ["MSG_WAIT_FAILED", "MSG_WAIT_TIMEOUT", "CONNECTION_NOT_INITED", "RPC_CALL_FAIL"];

/// Errors that forbid a method without saying for how long; what is known to help is a pause. For `PEER_FLOOD` the account is suspected of
/// spam, for `FROZEN_METHOD_INVALID` it is frozen until its owner appeals.
const REST: [&str; 2] = ["PEER_FLOOD", "FROZEN_METHOD_INVALID"];
/// How long that pause is: what peers see a limited account recover in.
const REST_FOR: Duration = Duration::from_secs(24 * 3_600);
/// The wait before a retry where Telegram names no time: long enough not to insist, short enough to be noticed as over.
const UNNAMED_WAIT: Duration = Duration::from_secs(600);

/// Telegram's code for a rate limit ("too often").
const FLOOD: i32 = 420;
/// Its code for "not signed in".
const UNAUTHORIZED: i32 = 401;

impl TelegramError {
    /// Whether Telegram will never take the session's authorisation key again, so that only a new one helps.
    #[must_use]
    pub fn is_key_dead(&self) -> bool {
        match self {
            Self::Duplicated { .. } => true,
            Self::SignedOut { name } => {
                matches!(name.as_str(), "AUTH_KEY_INVALID" | "AUTH_KEY_PERM_EMPTY") || *name == HomeKeyKept.to_string()
            }
            _ => false,
        }
    }

    pub(super) fn timeout(after: Duration) -> Self {
        Self::Transient { why: format!("timed out after {after:?}") }
    }

    /// Telegram's error name, when the account is lost by the error.
    #[must_use]
    pub fn lost_name(&self) -> Option<&str> {
        match self {
            Self::SignedOut { name } | Self::Banned { name } | Self::Duplicated { name } => Some(name),
            Self::FloodWait { .. }
            | Self::PeerUnavailable { .. }
            | Self::Transient { .. }
            | Self::ServerFault { .. }
            | Self::Unreadable { .. }
            | Self::RetryLater { .. }
            | Self::Refused { .. } => None,
        }
    }

    /// What state the error leaves the account in, when it is lost by it.
    #[must_use]
    pub fn lost(&self) -> Option<AccountState> {
        match self {
            Self::SignedOut { name } => Some(AccountState::SignedOut(name.clone())),
            Self::Banned { name } => Some(AccountState::Banned(name.clone())),
            Self::Duplicated { name } => Some(AccountState::Duplicated(name.clone())),
            Self::FloodWait { .. }
            | Self::PeerUnavailable { .. }
            | Self::Transient { .. }
            | Self::ServerFault { .. }
            | Self::Unreadable { .. }
            | Self::RetryLater { .. }
            | Self::Refused { .. } => None,
        }
    }

    /// The data centre that is to be asked instead, where the error names one (`FILE_MIGRATE_4`).
    #[must_use]
    pub fn data_centre(&self) -> Option<i32> {
        match self {
            Self::Refused { name, value: Some(dc) } if name.ends_with("_MIGRATE") => i32::try_from(*dc).ok(),
            _ => None,
        }
    }
}

impl From<RpcError> for TelegramError {
    fn from(error: RpcError) -> Self {
        let RpcError { code, name, value, .. } = error;
        let is = |names: &[&str]| names.contains(&name.as_str());
        if is(&REST) {
            Self::FloodWait { wait: REST_FOR, name }
        } else if code == FLOOD || name.contains("_WAIT") && value.is_some() || name == "TAKEOUT_INIT_DELAY" {
            let wait = value.map_or(UNNAMED_WAIT, |seconds| Duration::from_secs(u64::from(seconds.max(1))));
            Self::FloodWait { wait, name }
        } else if name == "AUTH_KEY_DUPLICATED" {
            Self::Duplicated { name }
        } else if is(&BANNED) {
            Self::Banned { name }
        } else if is(&SIGNED_OUT) || code == UNAUTHORIZED && name != "SESSION_PASSWORD_NEEDED" {
            Self::SignedOut { name }
        } else if is(&UNAVAILABLE) {
            Self::PeerUnavailable { name }
        } else if is(&TRANSIENT) || !(0..500).contains(&code) {
            Self::ServerFault { name: format!("{code} {name}") }
        } else {
            Self::Refused { name, value }
        }
    }
}

impl From<InvocationError> for TelegramError {
    fn from(error: InvocationError) -> Self {
        let transient = |why: String| Self::Transient { why };
        match error {
            InvocationError::Rpc(e) => e.into(),
            InvocationError::Session(e) if e.to_string() == HomeKeyKept.to_string() => Self::SignedOut { name: e.to_string() },
            InvocationError::Session(e) => transient(format!("session: {e}")),
            InvocationError::Io(e) => transient(format!("connection: {e}")),
            InvocationError::Transport(e) => transient(format!("transport: {e}")),
            InvocationError::Dropped(why) => transient(format!("connection dropped: {why}")),
            InvocationError::Deserialize(e) => Self::Unreadable { why: e.to_string() },
            InvocationError::InvalidDc => Self::Refused { name: "unknown data centre".to_owned(), value: None },
            // The type of this error has no name outside of the library; its text lists the keys' numbers.
            InvocationError::Authentication(e) if e.to_string().contains("fingerprints are unknown") => transient(
                "key exchange: the server's public key is none of Telegram's; with a self-hosted server only imported sessions work \
                 (`telescribe account import`), each on the data centre that it has a key for"
                    .to_owned(),
            ),
            InvocationError::Authentication(e) => transient(format!("key exchange: {e}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(code: i32, message: &str) -> TelegramError {
        let rpc = grammers_tl_types::types::RpcError { error_code: code, error_message: message.to_owned() };
        RpcError::from(rpc).into()
    }

    #[test]
    fn every_error_is_named_for_what_to_do_next() {
        for (code, message, seconds) in [
            (420, "FLOOD_WAIT_31", 31),
            (420, "FLOOD_WAIT_0", 1),
            (420, "FLOOD_WAIT_74263", 74_263),
            (420, "FLOOD_PREMIUM_WAIT_9", 9),
            (420, "FLOOD_TEST_PHONE_WAIT_5", 5),
            (420, "SLOWMODE_WAIT_60", 60),
            (420, "TAKEOUT_INIT_DELAY_86400", 86_400),
            (420, "STORY_SEND_FLOOD_WEEKLY_77", 77),
            (420, "SOMETHING_NEW", 600),
            (400, "SOMETHING_NEW_WAIT_12", 12),
            (429, "FLOOD_WAIT_3", 3),
            (400, "PEER_FLOOD", 86_400),
            (420, "FROZEN_METHOD_INVALID", 86_400),
        ] {
            let TelegramError::FloodWait { wait, name } = of(code, message) else { panic!("{message}: {:?}", of(code, message)) };
            assert_eq!(wait.as_secs(), seconds, "{message}");
            assert!(!name.is_empty() && name.chars().all(|c| !c.is_ascii_digit()), "{name}");
        }
        for (code, message, kind) in [
            (401, "AUTH_KEY_UNREGISTERED", "signed out"),
            (401, "AUTH_KEY_INVALID", "signed out"),
            (401, "AUTH_KEY_PERM_EMPTY", "signed out"),
            (401, "SESSION_REVOKED", "signed out"),
            (401, "SESSION_EXPIRED", "signed out"),
            (401, "SOMETHING_NEW", "signed out"),
            (401, "USER_DEACTIVATED", "banned"),
            (401, "USER_DEACTIVATED_BAN", "banned"),
            (400, "PHONE_NUMBER_BANNED", "banned"),
            (406, "AUTH_KEY_DUPLICATED", "duplicated"),
            (401, "SESSION_PASSWORD_NEEDED", "refused"),
            (400, "CHANNEL_PRIVATE", "unavailable"),
            (406, "CHANNEL_PRIVATE", "unavailable"),
            (400, "CHANNEL_INVALID", "unavailable"),
            (403, "CHANNEL_PUBLIC_GROUP_NA", "unavailable"),
            (403, "CHAT_FORBIDDEN", "unavailable"),
            (400, "CHAT_ID_INVALID", "unavailable"),
            (400, "CHAT_INVALID", "unavailable"),
            (400, "PEER_ID_INVALID", "unavailable"),
            (400, "USER_BANNED_IN_CHANNEL", "unavailable"),
            (400, "USER_NOT_PARTICIPANT", "unavailable"),
            (400, "FROZEN_PARTICIPANT_MISSING", "unavailable"),
            (400, "CHANNELS_TOO_MUCH", "refused"),
            (400, "USER_CHANNELS_TOO_MUCH", "refused"),
            (400, "USER_ALREADY_PARTICIPANT", "refused"),
            (400, "INVITE_HASH_INVALID", "refused"),
            (406, "INVITE_HASH_EXPIRED", "refused"),
            (400, "INVITE_REQUEST_SENT", "refused"),
            (400, "USERNAME_INVALID", "refused"),
            (400, "USERNAME_NOT_OCCUPIED", "refused"),
            (400, "MSG_ID_INVALID", "refused"),
            (400, "TAKEOUT_INVALID", "refused"),
            (400, "TAKEOUT_REQUIRED", "refused"),
            (400, "PERSISTENT_TIMESTAMP_EMPTY", "refused"),
            (400, "PERSISTENT_TIMESTAMP_INVALID", "refused"),
            (500, "PERSISTENT_TIMESTAMP_OUTDATED", "fault"),
            (406, "UPDATE_APP_TO_LOGIN", "refused"),
            (403, "CHAT_ADMIN_REQUIRED", "refused"),
            (404, "METHOD_INVALID", "refused"),
            (303, "USER_MIGRATE_3", "refused"),
            (303, "NETWORK_MIGRATE_1", "refused"),
            (303, "PHONE_MIGRATE_5", "refused"),
            (303, "FILE_MIGRATE_4", "refused"),
            (500, "INTERDC_2_CALL_ERROR", "fault"),
            (500, "HISTORY_GET_FAILED", "fault"),
            (500, "AUTH_RESTART", "fault"),
            (500, "MSG_WAIT_FAILED", "fault"),
            (400, "MSG_WAIT_FAILED", "fault"),
            (-500, "MSG_WAIT_TIMEOUT", "fault"),
            (-503, "Timeout", "fault"),
            (503, "TIMEOUT", "fault"),
        ] {
            let error = of(code, message);
            let found = match &error {
                TelegramError::FloodWait { .. } => "flood wait",
                TelegramError::SignedOut { .. } => "signed out",
                TelegramError::Banned { .. } => "banned",
                TelegramError::Duplicated { .. } => "duplicated",
                TelegramError::PeerUnavailable { .. } => "unavailable",
                TelegramError::Transient { .. } => "transient",
                TelegramError::ServerFault { .. } => "fault",
                TelegramError::Unreadable { .. } => "unreadable",
                TelegramError::RetryLater { .. } => "again",
                TelegramError::Refused { .. } => "refused",
            };
            assert_eq!(found, kind, "{code} {message}");
            assert_eq!(error.lost().is_some(), ["signed out", "banned", "duplicated"].contains(&kind), "{message}");
        }
    }

    #[test]
    fn an_error_that_names_another_data_centre_says_which() {
        assert_eq!(of(303, "FILE_MIGRATE_4").data_centre(), Some(4));
        assert_eq!(of(303, "USER_MIGRATE_2").data_centre(), Some(2));
        assert_eq!(of(400, "CHANNEL_PRIVATE").data_centre(), None);
        assert_eq!(of(420, "FLOOD_WAIT_4").data_centre(), None);
    }
}
