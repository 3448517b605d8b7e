//! Why a part of a file did not come, by what to do next.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::super::TelegramError;

/// Why there is no part of a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    /// It is in another data centre: ask there.
    #[error("the file is in data centre {0}")]
    Migrated(i32),
    /// The file reference has run out, or is none: read again where the file was seen ([`Client::refetch`](crate::telegram::Client::refetch)).
    #[error("the file reference has run out ({name})")]
    ReferenceExpired {
        /// Telegram's error name.
        name: String,
    },
    /// This account cannot have it from there, whenever it asks; another one may.
    #[error("this account cannot have the file ({name})")]
    Gone {
        /// Telegram's error name.
        name: String,
    },
    /// Rate limited. The pool has been told: lease again, and it says when.
    #[error("Telegram asks for a wait of {} s for {method} ({name})", wait.as_secs())]
    FloodWait {
        /// The method that has to wait: `upload.getFile`, or one that it depends on.
        method: &'static str,
        /// How long.
        wait: Duration,
        /// Telegram's error name.
        name: String,
    },
    /// A request that this one depends on may not be made yet, and nothing was asked: this account has nothing from this data centre before
    /// that.
    #[error("{method} may not be called before {not_before}")]
    RateLimited {
        /// Which method.
        method: &'static str,
        /// Before when.
        not_before: DateTime<Utc>,
    },
    /// This data centre does not let the account in, although it is signed in at home: other accounts and data centres are asked meanwhile.
    #[error("data centre {dc} does not let the account in ({name})")]
    Unauthorized {
        /// Which.
        dc: i32,
        /// Telegram's error name.
        name: String,
        /// Before this it is not tried again.
        retry_in: Duration,
    },
    /// A retry may help: a timeout, a broken connection, a fault of the server.
    #[error("no file from Telegram ({why})")]
    Transient {
        /// What happened.
        why: String,
        /// Before this the data centre is not asked; zero where it would be at once.
        retry_in: Duration,
    },
    /// The account is lost, as for any other request that says so.
    #[error(transparent)]
    SignedOut(TelegramError),
    /// The file is served by others' servers only, although none were asked for. It is not followed there.
    #[error("the file is to be had from a server of a content delivery network only, data centre {dc}")]
    CdnRedirect {
        /// Telegram's number of it.
        dc: i32,
    },
    /// The request is refused, and so would every retry be.
    #[error("refused ({name})")]
    Refused {
        /// Telegram's error name.
        name: String,
    },
    /// The program is stopping, or the connections are closed.
    #[error("the program is stopping")]
    Stopping,
}

/// Errors that mean that there is no such file at the location, for this account at least. Names begin with these.
const GONE: [&str; 8] = [
    "LOCATION_INVALID",
    "LOCATION_NOT_AVAILABLE",
    "FILE_ID_INVALID",
    "DOCUMENT_INVALID",
    "PHOTO_INVALID",
    "PHOTO_ID_INVALID",
    "MSG_ID_INVALID",
    "VOLUME_LOC_NOT_FOUND",
];
/// Errors that mean that another file reference is needed. Names begin with these: some name the position of the reference as well.
const REFERENCE: [&str; 2] = ["FILE_REFERENCE", "FILEREF"];

impl FileError {
    /// A broken connection or the like, after which the data centre may be asked at once.
    pub(super) fn transient(why: impl Into<String>) -> Self {
        Self::Transient { why: why.into(), retry_in: Duration::ZERO }
    }

    /// What an error says that a method met which a file depends on, or that asks for it; `asked` is the data centre that answered.
    pub(super) fn of(error: TelegramError, method: &'static str, asked: i32) -> Self {
        let is = |names: &[&str], name: &str| names.iter().any(|known| name.starts_with(known));
        match error {
            TelegramError::FloodWait { wait, name } => Self::FloodWait { method, wait, name },
            TelegramError::PeerUnavailable { name } => Self::Gone { name },
            TelegramError::Transient { why } | TelegramError::ServerFault { name: why } => Self::transient(why),
            TelegramError::RetryLater { why } => Self::transient(why),
            TelegramError::Unreadable { why } => Self::Refused { name: format!("unreadable answer: {why}") },
            error @ (TelegramError::SignedOut { .. } | TelegramError::Banned { .. } | TelegramError::Duplicated { .. }) => {
                Self::SignedOut(error)
            }
            TelegramError::Refused { name, value } => match value.and_then(|dc| i32::try_from(dc).ok()) {
                // One that sends the account where it asked would be an endless loop.
                Some(dc) if name == "FILE_MIGRATE" && dc != asked => Self::Migrated(dc),
                _ if is(&REFERENCE, &name) => Self::ReferenceExpired { name },
                _ if is(&GONE, &name) => Self::Gone { name },
                _ => Self::Refused { name },
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use grammers_client::sender::RpcError;

    use super::*;

    #[test]
    fn every_error_is_named_for_what_to_do_next() {
        for (code, message, kind) in [
            (303, "FILE_MIGRATE_4", "migrated"),
            (303, "FILE_MIGRATE_2", "refused"),
            (400, "FILE_REFERENCE_EXPIRED", "reference"),
            (400, "FILE_REFERENCE_INVALID", "reference"),
            (400, "FILE_REFERENCE_EMPTY", "reference"),
            (400, "FILE_REFERENCE_0_EXPIRED", "reference"),
            (406, "FILEREF_UPGRADE_NEEDED", "reference"),
            (400, "LOCATION_INVALID", "gone"),
            (400, "FILE_ID_INVALID", "gone"),
            (400, "CHANNEL_PRIVATE", "gone"),
            (406, "CHANNEL_PRIVATE", "gone"),
            (400, "PEER_ID_INVALID", "gone"),
            (420, "FLOOD_WAIT_3", "flood wait"),
            (420, "FLOOD_PREMIUM_WAIT_3", "flood wait"),
            (500, "INTERNAL", "transient"),
            (-503, "Timeout", "transient"),
            (401, "AUTH_KEY_UNREGISTERED", "signed out"),
            (406, "AUTH_KEY_DUPLICATED", "signed out"),
            (401, "USER_DEACTIVATED_BAN", "signed out"),
            (400, "LIMIT_INVALID", "refused"),
            (400, "OFFSET_INVALID", "refused"),
        ] {
            let rpc = grammers_tl_types::types::RpcError { error_code: code, error_message: message.to_owned() };
            let found = match FileError::of(RpcError::from(rpc).into(), "upload.getFile", 2) {
                FileError::Migrated(dc) => {
                    assert_eq!(dc, 4);
                    "migrated"
                }
                FileError::ReferenceExpired { .. } => "reference",
                FileError::Gone { .. } => "gone",
                FileError::FloodWait { method, wait, .. } => {
                    assert_eq!((method, wait.as_secs()), ("upload.getFile", 3));
                    "flood wait"
                }
                FileError::Transient { .. } => "transient",
                FileError::SignedOut(_) => "signed out",
                FileError::Refused { .. } => "refused",
                other => panic!("{message}: {other:?}"),
            };
            assert_eq!(found, kind, "{code} {message}");
        }
    }
}
