//! Migration of an account that Telegram has moved to another data centre.
//!
//! An account that is signed in (`USER_MIGRATE`) takes its authorisation along: it is exported where it was and imported where it is going
//! (<https://core.telegram.org/api/datacenter>). Only then does the session call the new place home, so the move is
//! atomic: one that fails half way leaves everything as it was. Both requests have rate limits of their own, which the pool
//! is asked for. Before a login
//! (`PHONE_MIGRATE`, `NETWORK_MIGRATE`) there is nothing to take along. No key is ever replaced: the old home's stays, the new home's is
//! the one it has, or a new one.

use std::time::Duration;

use grammers_tl_types::{enums, functions};
use tokio::time::Instant;

use super::kept::ExportedAuthorization;
use super::{Client, TelegramError, method};

/// Says that the account, which is signed in, lives elsewhere.
const USER_MOVED: &str = "USER_MIGRATE";
/// Errors that say where an account is to sign in. Others name data centres too (`FILE_MIGRATE`), but not the account's home.
const SIGN_IN_ELSEWHERE: [&str; 2] = ["NETWORK_MIGRATE", "PHONE_MIGRATE"];

/// The wait before a move that was refused is retried: long enough not to insist, short enough for a person to wait.
const RETRY_AFTER: Duration = Duration::from_secs(60);

/// Why an account could not be migrated.
enum MigrationError {
    /// The rate limit of this method does not allow it yet.
    RateLimited(&'static str),
    /// Something else.
    Telegram(TelegramError),
}

/// A new home.
#[derive(Clone, Copy, Debug)]
pub(super) struct Migration {
    pub(super) to: i32,
    signed_in: bool,
}

impl Client {
    /// The account's new home, when an error says that it has one. `asked` is the data centre that answered: meanwhile another
    /// request may have moved the account to where this one is sent too.
    pub(super) fn migration(asked: i32, error: &TelegramError) -> Option<Migration> {
        let TelegramError::Refused { name, .. } = error else { return None };
        let signed_in = name == USER_MOVED;
        let to = error.data_centre().filter(|_| signed_in || SIGN_IN_ELSEWHERE.contains(&name.as_str()))?;
        // Telegram never sends an account where it was asked; a retry there would be an endless loop.
        (to != asked).then_some(Migration { to, signed_in })
    }

    /// Moves to a new home; idempotent. With a pool, an account that cannot move yet rests until it can: until then every request
    /// would only be told again that it has moved.
    pub(super) async fn migrate(&self, new_home: Migration, deadline: Instant) -> Result<(), TelegramError> {
        let timeout = || TelegramError::timeout(self.settings().request_timeout);
        // An exclusive lock: of two requests that race to the new home, one takes the authorisation along.
        let mut exported = tokio::time::timeout_at(deadline, self.exported.lock()).await.map_err(|_| timeout())?;
        if self.session().home() == new_home.to {
            return Ok(());
        }
        let error = match self.migrate_to(new_home, &mut exported, deadline).await {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        let (Some(pool), account) = (&self.pool, self.session().name()) else { return Err(error.into()) };
        match error {
            MigrationError::RateLimited(method) => pool.rest_for(account, method),
            MigrationError::Telegram(error @ (TelegramError::Refused { .. } | TelegramError::PeerUnavailable { .. })) => {
                tracing::error!(account.name = %account, "account `{account}` cannot move to data centre {}: {error}; retry in {RETRY_AFTER:?}", new_home.to);
                pool.rest(account, RETRY_AFTER);
            }
            MigrationError::Telegram(error) => return Err(error),
        }
        self.retry_later("the account cannot move yet")
    }

    async fn migrate_to(
        &self,
        Migration { to: new, signed_in }: Migration,
        exported: &mut Option<ExportedAuthorization>,
        deadline: Instant,
    ) -> Result<(), MigrationError> {
        let (old, account) = (self.session().home(), self.session().name());
        if self.session().data_centre(new).is_none() {
            let name = format!("moved to data centre {new}, which is unknown");
            return Err(MigrationError::Telegram(TelegramError::Refused { name, value: None }));
        }
        if signed_in {
            self.import(new, exported, deadline).await?;
        }
        self.session().set_home(new);
        // A connection that was made to a place that was not home yet does not bring updates.
        self.disconnect();
        tracing::info!(account.name = %account, "account `{account}` has moved from data centre {old} to {new}");
        Ok(())
    }

    /// Has the new home take the account's authorisation.
    async fn import(
        &self,
        new: i32,
        exported: &mut Option<ExportedAuthorization>,
        deadline: Instant,
    ) -> Result<(), MigrationError> {
        use method::{EXPORT_AUTHORIZATION as EXPORT, IMPORT_AUTHORIZATION as IMPORT};
        if self.pool.as_ref().is_some_and(|pool| pool.parked_until(self.session().name(), IMPORT).is_some()) {
            return Err(MigrationError::RateLimited(IMPORT));
        }
        let taken = match exported.take().filter(|taken| taken.to == new) {
            Some(taken) => taken,
            None => {
                self.spend_for(EXPORT).map_err(|_| MigrationError::RateLimited(EXPORT))?;
                let export = functions::auth::ExportAuthorization { dc_id: new };
                let answer = self.invoke_dependent(EXPORT, self.session().home(), &export, deadline).await;
                let enums::auth::ExportedAuthorization::Authorization(a) = answer.map_err(|e| self.migration_error(EXPORT, e))?;
                ExportedAuthorization { to: new, id: a.id, bytes: a.bytes }
            }
        };
        if self.spend_for(IMPORT).is_err() {
            *exported = Some(taken);
            return Err(MigrationError::RateLimited(IMPORT));
        }
        let import = functions::auth::ImportAuthorization { id: taken.id, bytes: taken.bytes.clone() };
        match self.invoke_dependent(IMPORT, new, &import, deadline).await {
            Ok(_) => Ok(()),
            Err(error) => {
                // One that the new home has not seen can be used for a retry, and another export may be an hour away.
                let is_unseen = |error: &TelegramError| {
                    matches!(
                        error,
                        TelegramError::FloodWait { .. } | TelegramError::Transient { .. } | TelegramError::ServerFault { .. }
                    )
                };
                if is_unseen(&error) {
                    *exported = Some(taken);
                }
                Err(self.migration_error(IMPORT, error))
            }
        }
    }

    fn migration_error(&self, method: &'static str, error: TelegramError) -> MigrationError {
        match error {
            TelegramError::FloodWait { .. } if self.pool.is_some() => MigrationError::RateLimited(method),
            error => MigrationError::Telegram(error),
        }
    }
}

impl From<MigrationError> for TelegramError {
    fn from(error: MigrationError) -> Self {
        match error {
            MigrationError::RateLimited(_) => Self::RetryLater { why: "the account cannot move yet" },
            MigrationError::Telegram(error) => error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Which is where the account is by then, if another request has moved it between the answer and this question.
    #[test]
    fn a_move_is_judged_by_the_data_centre_that_answered() {
        let told = |asked: i32, name: &str| {
            let (name, to) = name.rsplit_once('_').unwrap();
            let error = TelegramError::Refused { name: name.to_owned(), value: to.parse().ok() };
            Client::migration(asked, &error).map(|migration| (migration.to, migration.signed_in))
        };
        assert_eq!(told(2, "USER_MIGRATE_4"), Some((4, true)));
        assert_eq!(told(2, "PHONE_MIGRATE_4"), Some((4, false)));
        assert_eq!(told(4, "USER_MIGRATE_4"), None);
        assert_eq!(told(2, "FILE_MIGRATE_4"), None);
    }
}
