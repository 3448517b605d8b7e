//! A lost session (revoked, duplicated or banned): Telegram's error, since when, and the way out in words.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::model::AccountName;

/// Telegram's error when it stopped serving an account's session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LostSession {
    /// Telegram's error name.
    pub name: String,
    /// When it was first said.
    pub at: DateTime<Utc>,
}

/// Why a session is lost, by what its owner has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionLoss {
    /// Telegram or the owner ended this session; the account itself is well.
    SignedOut,
    /// Telegram ended the session because two programs used its key from two places.
    Duplicated,
    /// Telegram banned or deleted the account.
    Banned,
}

impl SessionLoss {
    /// The reason as one word, for programs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SignedOut => "signed_out",
            Self::Duplicated => "duplicated",
            Self::Banned => "banned",
        }
    }
}

impl LostSession {
    /// Why the session is lost.
    #[must_use]
    pub fn loss(&self) -> SessionLoss {
        match self.name.as_str() {
            "AUTH_KEY_DUPLICATED" => SessionLoss::Duplicated,
            "USER_DEACTIVATED" | "USER_DEACTIVATED_BAN" | "PHONE_NUMBER_BANNED" => SessionLoss::Banned,
            _ => SessionLoss::SignedOut,
        }
    }

    /// The way out, in the words of a command's output.
    #[must_use]
    pub fn way_out(&self, account: &AccountName) -> String {
        match self.loss() {
            SessionLoss::SignedOut => format!("run `telescribe login {account}`"),
            SessionLoss::Duplicated => {
                format!("stop the other program that uses this session, then run `telescribe login {account}`")
            }
            SessionLoss::Banned => {
                format!("appeal in an official Telegram app, or remove the account with `telescribe account remove {account}`")
            }
        }
    }

    /// What happened and the way out, in one line.
    #[must_use]
    pub fn in_full(&self, account: &AccountName) -> String {
        let what = match self.loss() {
            SessionLoss::SignedOut => "signed out by Telegram",
            SessionLoss::Duplicated => "signed out by Telegram, because two programs used the session at once",
            SessionLoss::Banned => "banned or deleted by Telegram",
        };
        format!("{what} ({}); {}", self.name, self.way_out(account))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_loss_names_its_way_out() {
        let name = "alpha".parse().unwrap();
        for (said, loss, way_out) in [
            ("AUTH_KEY_UNREGISTERED", SessionLoss::SignedOut, "run `telescribe login alpha`"),
            ("SESSION_REVOKED", SessionLoss::SignedOut, "run `telescribe login alpha`"),
            ("SESSION_EXPIRED", SessionLoss::SignedOut, "run `telescribe login alpha`"),
            ("AUTH_KEY_DUPLICATED", SessionLoss::Duplicated, "stop the other program"),
            ("USER_DEACTIVATED", SessionLoss::Banned, "`telescribe account remove alpha`"),
            ("USER_DEACTIVATED_BAN", SessionLoss::Banned, "appeal"),
        ] {
            let lost = LostSession { name: said.to_owned(), at: DateTime::UNIX_EPOCH };
            assert_eq!(lost.loss(), loss, "{said}");
            assert!(lost.in_full(&name).contains(way_out), "{said}");
        }
    }
}
