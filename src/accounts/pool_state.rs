//! Persists the pool's state (rate limits, flood waits) of each account in the account's session, so that no restart forgets a wait.
//!
//! What Telegram asked for in the very moment in which the program was killed cannot have been saved. So a session is marked as in
//! use (a dirty flag), until a clean stop has let everything finish; one that is still marked at a start was left by a crash, and its
//! account rests before anything is asked. A crash loop does not hammer Telegram with its starts either.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::watch;

use super::{AccountState, Pool, Session, SessionLoss};
use crate::lifecycle::{StepOutcome, Worker};
use crate::model::AccountName;

/// Members of what is saved.
const POOL: &str = "pool";
const IN_USE: &str = "in_use";

/// The worker that moves budgets from the pool into the sessions.
#[derive(Debug)]
pub struct PoolStatePersister {
    pool: Arc<Pool>,
    sessions: Vec<Arc<Session>>,
    changed: watch::Receiver<u64>,
}

impl PoolStatePersister {
    /// Persists these sessions' budgets from now on.
    #[must_use]
    pub fn new(pool: Arc<Pool>, sessions: &BTreeMap<AccountName, Arc<Session>>) -> Self {
        let changed = pool.budgets_changed();
        Self { pool, sessions: sessions.values().map(Arc::clone).collect(), changed }
    }

    /// Restores the pool's state from the sessions: budgets, which accounts are lost until somebody signs them in again, and which have
    /// to rest for a while because the program was not stopped but killed.
    pub fn restore(pool: &Pool, sessions: &BTreeMap<AccountName, Arc<Session>>, rest_after_crash: Duration) {
        let mut resting = 0;
        for (name, session) in sessions {
            let saved = session.budgets();
            pool.restore(name, saved.get(POOL).unwrap_or(&Value::Null));
            if saved.get(IN_USE).and_then(Value::as_bool) == Some(true) {
                pool.rest(name, rest_after_crash);
                resting += 1;
            }
            session.set_budgets(saved_state(pool.budgets(name), true));
            let Some(lost) = session.lost() else { continue };
            tracing::warn!(account.name = %name, "account `{name}`: {}", lost.in_full(name));
            let state = match lost.loss() {
                SessionLoss::SignedOut => AccountState::SignedOut(lost.name),
                SessionLoss::Duplicated => AccountState::Duplicated(lost.name),
                SessionLoss::Banned => AccountState::Banned(lost.name),
            };
            pool.mark_lost(name, state);
        }
        if resting > 0 && !rest_after_crash.is_zero() {
            tracing::warn!(
                "the program was killed, or the machine failed: {resting} accounts send no requests for {rest_after_crash:?}"
            );
        }
    }

    /// Clears the dirty flag: a stop has let everything finish, and no answer is under way that could ask for a wait.
    pub fn mark_clean_stop(pool: &Pool, sessions: &BTreeMap<AccountName, Arc<Session>>) {
        for (name, session) in sessions {
            session.set_budgets(saved_state(pool.budgets(name), false));
        }
    }

    fn persist(&mut self) -> StepOutcome {
        if !self.changed.has_changed().unwrap_or(false) {
            return StepOutcome::Idle;
        }
        self.changed.mark_unchanged();
        for session in &self.sessions {
            session.set_budgets(saved_state(self.pool.budgets(session.name()), true));
        }
        StepOutcome::Busy
    }
}

impl Worker for PoolStatePersister {
    async fn step(&mut self) -> anyhow::Result<StepOutcome> {
        Ok(self.persist())
    }

    async fn wait(&mut self) {
        if self.changed.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
        self.changed.mark_changed();
    }
}

/// What is saved of an account's budgets.
fn saved_state(pool: Value, in_use: bool) -> Value {
    json!({ POOL: pool, IN_USE: in_use })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounts::{LeaseOutcome, PoolSettings, Urgency};
    use crate::model::{FixedClock, Timestamp};

    #[test]
    fn an_account_rests_after_a_crash_but_not_after_a_stop() {
        let clock = FixedClock::new(Timestamp(1_000));
        let name: AccountName = "alpha".parse().unwrap();
        let sessions = BTreeMap::from([(name, Arc::new(Session::new(name, "simulated", 2, BTreeMap::new())))]);
        let start = || {
            let pool = Pool::new([name], PoolSettings::default(), Arc::new(clock.clone()));
            PoolStatePersister::restore(&pool, &sessions, Duration::from_secs(10));
            pool
        };
        let may_ask = |pool: &Arc<Pool>| matches!(pool.lease([&name], "m", Urgency::Live), LeaseOutcome::Granted(_));
        let first = start();
        assert!(may_ask(&first), "nothing was in use before");
        let crashed = start();
        assert!(!may_ask(&crashed) && crashed.status()[0].rests_until.is_some());
        clock.advance(10);
        assert!(may_ask(&crashed));
        PoolStatePersister::mark_clean_stop(&crashed, &sessions);
        assert!(may_ask(&start()));
    }

    #[test]
    fn a_wait_is_persisted_with_the_session() {
        let clock = FixedClock::new(Timestamp(1_000));
        let name: AccountName = "alpha".parse().unwrap();
        let sessions = BTreeMap::from([(name, Arc::new(Session::new(name, "simulated", 2, BTreeMap::new())))]);
        let pool = Pool::new([name], PoolSettings::default(), Arc::new(clock.clone()));
        let mut persister = PoolStatePersister::new(Arc::clone(&pool), &sessions);
        pool.flood(&name, "messages.getHistory", Duration::from_secs(3_600), "FLOOD_WAIT");
        assert_eq!(persister.persist(), StepOutcome::Busy);
        let again = Pool::new([name], PoolSettings::default(), Arc::new(clock.clone()));
        PoolStatePersister::restore(&again, &sessions, Duration::ZERO);
        let lease = |method| again.lease([&name], method, Urgency::Live);
        assert!(matches!(lease("messages.getHistory"), LeaseOutcome::NotBefore(at) if at.timestamp() >= 4_600));
        assert!(matches!(lease("messages.getDialogs"), LeaseOutcome::Granted(_)), "and for nothing else");
    }
}
