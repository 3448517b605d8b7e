//! Rate limits of requests that come along with others: where a pool paces, none is made that it was not asked for.
//!
//! Whoever calls a client has a lease for one request of one method. What else must be asked on the way (an authorisation that is taken
//! along, a takeout that is begun) has waits and a pace of its own, so it asks the pool here, and a wait that Telegram asks for parks its
//! own method. Without a pool, as in a login, the caller hears of the wait and nothing is remembered.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use grammers_mtsender::RpcError;
use grammers_tl_types::{Identifiable as _, RemoteCall, functions};
use tokio::time::Instant;

use super::{Client, TelegramError, method};
use crate::accounts::Pool;

impl Client {
    /// The same, with a pool that is asked for every request beside those that callers have leases for.
    #[must_use]
    pub fn paced_by(mut self, pool: Arc<Pool>) -> Self {
        self.pool = Some(pool);
        self
    }

    /// Asks for one request beside the one that the caller has a lease for.
    pub(super) fn leave_for(&self, method: &'static str) -> Result<(), DateTime<Utc>> {
        self.pool.as_ref().map_or(Ok(()), |pool| pool.spend(self.session().name(), method))
    }

    /// Makes a request for which there is leave, and parks its method where Telegram asks for a wait.
    pub(super) async fn beside<R: RemoteCall>(
        &self,
        method: &'static str,
        dc: i32,
        request: &R,
        deadline: Instant,
    ) -> Result<R::Return, TelegramError> {
        let answer = self.invoke_in_dc(dc, request, deadline).await;
        if let Err(error) = &answer {
            self.park(method, error);
        }
        answer
    }

    /// Has what was asked asked again by whoever paces; where nobody does, the caller may go on.
    pub(super) fn again(&self, why: &'static str) -> Result<(), TelegramError> {
        if self.pool.is_some() { Err(TelegramError::Again { why }) } else { Ok(()) }
    }

    /// Whether a connection may be made; nothing can be asked without one.
    pub(super) fn may_connect(&self) -> Result<(), TelegramError> {
        let Some(pool) = &self.pool else { return Ok(()) };
        if self.is_connected() || pool.parked_until(self.session().name(), method::CONFIG).is_none() {
            return Ok(());
        }
        pool.rest_for(self.session().name(), method::CONFIG);
        self.again("no connection may be made yet")
    }

    /// What an error is to the caller. A wait that met the request with which connections begin is not about what the caller asked.
    pub(super) fn met(&self, error: RpcError) -> TelegramError {
        let connecting = error.caused_by == Some(functions::InvokeWithLayer::<functions::help::GetConfig>::CONSTRUCTOR_ID);
        let error = error.into();
        match (&self.pool, &error) {
            (Some(pool), TelegramError::FloodWait { .. }) if connecting => {
                self.park(method::CONFIG, &error);
                pool.rest_for(self.session().name(), method::CONFIG);
                TelegramError::Again { why: "no connection may be made yet" }
            }
            _ => error,
        }
    }

    fn park(&self, method: &'static str, error: &TelegramError) {
        if let (Some(pool), TelegramError::FloodWait { wait, name }) = (&self.pool, error) {
            let account = self.session().name();
            tracing::warn!(account.name = %account, method, "account `{account}`: {name} for {method}, {} s", wait.as_secs());
            pool.flood(account, method, *wait, name);
        }
    }
}
