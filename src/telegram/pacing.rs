//! Rate limits of dependent requests: with a pool, no request is made that the pool was not asked for.
//!
//! A caller of a client has a lease for one request of one method. What else must be asked on the way (an authorisation that is taken
//! along, a takeout that is begun) has a rate limit of its own, so it asks the pool here, and a flood wait that Telegram asks for parks
//! its own method. Without a pool, as in a login, the caller is told of the wait and nothing is remembered.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use grammers_client::sender::RpcError;
use grammers_tl_types::{Identifiable as _, RemoteCall, functions};
use tokio::time::Instant;

use super::{Client, TelegramError, method};
use crate::accounts::Pool;

impl Client {
    /// The same, with a pool whose rate limits every request obeys for which the caller has no lease.
    #[must_use]
    pub fn paced_by(mut self, pool: Arc<Pool>) -> Self {
        self.pool = Some(pool);
        self
    }

    /// Spends one more request of the pool within the caller's lease.
    pub(super) fn spend_for(&self, method: &'static str) -> Result<(), DateTime<Utc>> {
        self.pool.as_ref().map_or(Ok(()), |pool| pool.spend(self.session().name(), method))
    }

    /// Makes a dependent request that was spent, and parks its method where Telegram asks for a wait.
    pub(super) async fn invoke_dependent<R: RemoteCall>(
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

    /// Has the caller retry under a new lease where there is a pool; without one, it may proceed.
    pub(super) fn retry_later(&self, why: &'static str) -> Result<(), TelegramError> {
        if self.pool.is_some() { Err(TelegramError::RetryLater { why }) } else { Ok(()) }
    }

    /// Whether a connection may be made; nothing can be asked without one.
    pub(super) fn may_connect(&self) -> Result<(), TelegramError> {
        let Some(pool) = &self.pool else { return Ok(()) };
        if self.is_connected() || pool.parked_until(self.session().name(), method::CONFIG).is_none() {
            return Ok(());
        }
        pool.rest_for(self.session().name(), method::CONFIG);
        self.retry_later("no connection may be made yet")
    }

    /// Classifies an error for the caller. A wait that met the request with which connections begin is not about what the caller asked.
    pub(super) fn classify(&self, error: RpcError) -> TelegramError {
        let connecting = error.caused_by == Some(functions::InvokeWithLayer::<functions::help::GetConfig>::CONSTRUCTOR_ID);
        let error = error.into();
        match (&self.pool, &error) {
            (Some(pool), TelegramError::FloodWait { .. }) if connecting => {
                self.park(method::CONFIG, &error);
                pool.rest_for(self.session().name(), method::CONFIG);
                TelegramError::RetryLater { why: "no connection may be made yet" }
            }
            _ => error,
        }
    }

    /// Parks a method where Telegram asks for a wait.
    pub(super) fn park(&self, method: &'static str, error: &TelegramError) {
        if let (Some(pool), TelegramError::FloodWait { wait, name }) = (&self.pool, error) {
            let account = self.session().name();
            tracing::warn!(account.name = %account, method, "account `{account}`: {name} for {method}, {} s", wait.as_secs());
            pool.flood(account, method, *wait, name);
        }
    }
}
