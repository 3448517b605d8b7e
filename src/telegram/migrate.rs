//! Following an account that Telegram has moved to another data centre.
//!
//! An account that is signed in (`USER_MIGRATE`) takes its authorisation along: it is exported where it was and imported where it is going
//! (<https://core.telegram.org/api/datacenter>). Only then does the session call the new place home, so a move that fails half way
//! leaves everything as it was. Before a login (`PHONE_MIGRATE`, `NETWORK_MIGRATE`) there is nothing to take along. No key is ever replaced: the old home's stays, the new home's is the one it has, or a new one.

use grammers_tl_types::{enums, functions};
use tokio::time::Instant;

use super::{Client, TelegramError};

/// Says that the account, which is signed in, lives elsewhere.
const USER_MOVED: &str = "USER_MIGRATE";
/// Errors that say where an account is to sign in. Others name data centres too (`FILE_MIGRATE`), but not the account's home.
const SIGN_IN_ELSEWHERE: [&str; 2] = ["NETWORK_MIGRATE", "PHONE_MIGRATE"];

/// A new home.
#[derive(Clone, Copy, Debug)]
pub(super) struct Move {
    pub(super) to: i32,
    signed_in: bool,
}

impl Client {
    /// The account's new home, when an error says that it has one.
    pub(super) fn moved(&self, error: &TelegramError) -> Option<Move> {
        let TelegramError::Refused { name, .. } = error else { return None };
        let signed_in = name == USER_MOVED;
        let to = error.data_centre().filter(|_| signed_in || SIGN_IN_ELSEWHERE.contains(&name.as_str()))?;
        // Telegram never sends an account where it is; asking there again would go round in circles.
        (to != self.session().home()).then_some(Move { to, signed_in })
    }

    /// Moves to a new home.
    pub(super) async fn follow(&self, Move { to: new, signed_in }: Move, deadline: Instant) -> Result<(), TelegramError> {
        let (old, account) = (self.session().home(), self.session().name());
        if self.session().data_centre(new).is_none() {
            return Err(TelegramError::Refused { name: format!("moved to data centre {new}, which is not known"), value: None });
        }
        if signed_in {
            let export = functions::auth::ExportAuthorization { dc_id: new };
            let enums::auth::ExportedAuthorization::Authorization(exported) = self.invoke_in_dc(old, &export, deadline).await?;
            let import = functions::auth::ImportAuthorization { id: exported.id, bytes: exported.bytes };
            self.invoke_in_dc(new, &import, deadline).await?;
        }
        self.session().set_home(new);
        // A connection that was made to a place that was not home yet does not bring updates.
        self.disconnect();
        tracing::info!(account.name = %account, "account `{account}` has moved from data centre {old} to {new}");
        Ok(())
    }
}
