//! How a data centre that is not an account's home comes to let the account in.
//!
//! Home gives out an authorisation for it (`auth.exportAuthorization`), which is imported to the key that the account has with it
//! (<https://core.telegram.org/api/auth#exporting-authorization>). All connections have the same key, so that is done once; the key is in the
//! session's file, so it lasts over a restart. Whether it was done is not written down: the data centre says so. A 401 from there
//! is about that key alone and never a sign-out; only home's answer to the export can be one.

use std::time::Duration;

use grammers_tl_types::{enums, functions};
use tokio::sync::MutexGuard;
use tokio::time::Instant;

use super::super::file_connections::{Authorization, DataCentreConnections};
use super::super::kept::ExportedAuthorization;
use super::super::{Client, TelegramError, method};
use super::{CallError, FileError};

/// The wait before an authorisation that was refused is tried again: what is wrong is nothing that passes quickly, and each try costs an
/// export, of which an account has one a minute.
const AUTHORIZE_AGAIN_AFTER: Duration = Duration::from_secs(600);

impl Authorization {
    fn refuse(&mut self, dc: i32, name: &str) -> FileError {
        self.missing = true;
        self.exported = None;
        self.refused = Some((Instant::now() + AUTHORIZE_AGAIN_AFTER, name.to_owned()));
        FileError::Unauthorized { dc, name: name.to_owned(), retry_in: AUTHORIZE_AGAIN_AFTER }
    }
}

impl DataCentreConnections {
    async fn authorization(&self, deadline: Instant) -> Result<MutexGuard<'_, Authorization>, FileError> {
        let authorization = tokio::time::timeout_at(deadline, self.authorization.lock()).await;
        authorization.map_err(|_| FileError::transient("timed out while another request takes the authorisation along"))
    }
}

impl Client {
    /// Has a data centre let the account in, where it is known not to. Returns the number of the authorisation.
    pub(super) async fn authorize_files(&self, at: &DataCentreConnections, deadline: Instant) -> Result<u64, FileError> {
        let mut authorization = at.authorization(deadline).await?;
        if !authorization.missing {
            return Ok(authorization.generation);
        }
        if let Some((until, name)) = &authorization.refused {
            let retry_in = until.saturating_duration_since(Instant::now());
            if !retry_in.is_zero() {
                return Err(FileError::Unauthorized { dc: at.dc, name: name.clone(), retry_in });
            }
        }
        self.take_authorization_along(at, &mut authorization, deadline).await?;
        let account = self.session().name();
        tracing::debug!(account.name = %account, dc = at.dc, "account `{account}` is let in by data centre {} for files", at.dc);
        (authorization.missing, authorization.refused) = (false, None);
        authorization.generation += 1;
        Ok(authorization.generation)
    }

    /// A data centre did not let the account in with an authorisation.
    pub(super) async fn not_let_in(
        &self,
        at: &DataCentreConnections,
        generation: u64,
        deadline: Instant,
    ) -> Result<(), FileError> {
        let mut authorization = at.authorization(deadline).await?;
        if authorization.generation == generation {
            authorization.missing = true;
        }
        Ok(())
    }

    /// The same right after the authorisation was made: another one would not help.
    pub(super) async fn never_let_in(
        &self,
        at: &DataCentreConnections,
        generation: u64,
        name: &str,
        deadline: Instant,
    ) -> Result<FileError, FileError> {
        let mut authorization = at.authorization(deadline).await?;
        if authorization.generation != generation {
            return Ok(FileError::transient(format!("data centre {} was authorised meanwhile", at.dc)));
        }
        Ok(authorization.refuse(at.dc, name))
    }

    async fn take_authorization_along(
        &self,
        at: &DataCentreConnections,
        authorization: &mut Authorization,
        deadline: Instant,
    ) -> Result<(), FileError> {
        use method::{EXPORT_AUTHORIZATION as EXPORT, IMPORT_AUTHORIZATION as IMPORT};
        let limited = |method| move |not_before| FileError::RateLimited { method, not_before };
        let parked = self.pool.as_ref().and_then(|pool| pool.parked_until(self.session().name(), IMPORT));
        parked.map_or(Ok(()), |not_before| Err(limited(IMPORT)(not_before)))?;
        loop {
            let was_kept = authorization.exported.is_some();
            if !was_kept {
                self.spend_for(EXPORT).map_err(limited(EXPORT))?;
                let export = functions::auth::ExportAuthorization { dc_id: at.dc };
                match self.invoke_dependent(EXPORT, self.session().home(), &export, deadline).await {
                    Ok(enums::auth::ExportedAuthorization::Authorization(a)) => {
                        authorization.exported = Some(ExportedAuthorization { to: at.dc, id: a.id, bytes: a.bytes });
                    }
                    Err(TelegramError::Refused { name, .. } | TelegramError::PeerUnavailable { name }) => {
                        return Err(authorization.refuse(at.dc, &name));
                    }
                    Err(_) if self.lifecycle().stopping() => return Err(FileError::Stopping),
                    Err(error) => return Err(FileError::of(error, EXPORT, at.dc)),
                }
            }
            let Some(ExportedAuthorization { id, bytes, .. }) = &authorization.exported else { continue };
            let import = functions::auth::ImportAuthorization { id: *id, bytes: bytes.clone() };
            self.spend_for(IMPORT).map_err(limited(IMPORT))?;
            let error = match self.call_for_files(at, &import, deadline).await {
                Ok(_) => {
                    authorization.exported = None;
                    return Ok(());
                }
                // One that the data centre has not seen can be used for a retry, and another export may be an hour away.
                Err(CallError::NotAnswered(error)) => return Err(error),
                Err(CallError::Answered { error, .. }) => error,
            };
            self.park(IMPORT, &error);
            match error {
                TelegramError::FloodWait { .. } | TelegramError::ServerFault { .. } => {
                    return Err(FileError::of(error, IMPORT, at.dc));
                }
                // It was given out a while ago, and they do not last.
                _ if was_kept => authorization.exported = None,
                error => return Err(authorization.refuse(at.dc, &name_of(&error))),
            }
        }
    }
}

/// Telegram's error name.
pub(super) fn name_of(error: &TelegramError) -> String {
    match error {
        TelegramError::Refused { name, .. } | TelegramError::PeerUnavailable { name } => name.clone(),
        error => error.lost_name().map_or_else(|| error.to_string(), ToOwned::to_owned),
    }
}
