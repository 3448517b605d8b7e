//! A lost session: what Telegram said, since when, and the way out in words.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::model::AccountName;

/// What Telegram said when it stopped serving an account's session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LostState {
    /// Telegram's error name.
    pub name: String,
    /// When it was first said.
    pub at: DateTime<Utc>,
}

/// What a lost session needs from its owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// Telegram or the owner ended this session; the account itself is well.
    SignedOut,
    /// Telegram ended the session because two programs used its key from two places.
    Duplicated,
    /// Telegram banned or deleted the account.
    Banned,
}

impl Loss {
    /// The loss as one word, for programs that read.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SignedOut => "signed_out",
            Self::Duplicated => "duplicated",
            Self::Banned => "banned",
        }
    }
}

impl LostState {
    /// What the loss needs from the owner.
    #[must_use]
    pub fn loss(&self) -> Loss {
        match self.name.as_str() {
            "AUTH_KEY_DUPLICATED" => Loss::Duplicated,
            "USER_DEACTIVATED" | "USER_DEACTIVATED_BAN" | "PHONE_NUMBER_BANNED" => Loss::Banned,
            _ => Loss::SignedOut,
        }
    }

    /// The way out, in the words of a command's output.
    #[must_use]
    pub fn way_out(&self, account: &AccountName) -> String {
        match self.loss() {
            Loss::SignedOut => format!("run `telescribe login {account}`"),
            Loss::Duplicated => format!("stop the other program that uses this session, then run `telescribe login {account}`"),
            Loss::Banned => {
                format!("appeal in an official Telegram app, or remove the account with `telescribe account remove {account}`")
            }
        }
    }

    /// What happened and the way out, in one line.
    #[must_use]
    pub fn in_full(&self, account: &AccountName) -> String {
        let what = match self.loss() {
            Loss::SignedOut => "signed out by Telegram",
            Loss::Duplicated => "signed out by Telegram, because two programs used the session at once",
            Loss::Banned => "banned or deleted by Telegram",
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
            ("AUTH_KEY_UNREGISTERED", Loss::SignedOut, "run `telescribe login alpha`"),
            ("SESSION_REVOKED", Loss::SignedOut, "run `telescribe login alpha`"),
            ("SESSION_EXPIRED", Loss::SignedOut, "run `telescribe login alpha`"),
            ("AUTH_KEY_DUPLICATED", Loss::Duplicated, "stop the other program"),
            ("USER_DEACTIVATED", Loss::Banned, "`telescribe account remove alpha`"),
            ("USER_DEACTIVATED_BAN", Loss::Banned, "appeal"),
        ] {
            let lost = LostState { name: said.to_owned(), at: DateTime::UNIX_EPOCH };
            assert_eq!(lost.loss(), loss, "{said}");
            assert!(lost.in_full(&name).contains(way_out), "{said}");
        }
    }
}
