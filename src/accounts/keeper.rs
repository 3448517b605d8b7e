//! Keeps what the pool has learnt of each account in the account's session, so that no restart forgets a wait.
//!
//! What Telegram asked for in the very moment in which the program was killed cannot have been saved. So a session says that it is in
//! use, until a stop has let everything finish; one that says so at a start was left by a crash, and its account rests before
//! anything is asked. A program that crashes again and again does not hammer Telegram with its starts either.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::watch;

use super::{AccountState, Loss, Pool, Session};
use crate::lifecycle::{Step, Worker};
use crate::model::AccountName;

/// Members of what is kept.
const POOL: &str = "pool";
const IN_USE: &str = "in_use";

/// The worker that moves budgets from the pool into the sessions.
#[derive(Debug)]
pub struct BudgetKeeper {
    pool: Arc<Pool>,
    sessions: Vec<Arc<Session>>,
    changed: watch::Receiver<u64>,
}

impl BudgetKeeper {
    /// A keeper of these sessions' budgets, from now on.
    #[must_use]
    pub fn new(pool: Arc<Pool>, sessions: &BTreeMap<AccountName, Arc<Session>>) -> Self {
        let changed = pool.budgets_changed();
        Self { pool, sessions: sessions.values().map(Arc::clone).collect(), changed }
    }

    /// Gives the pool what the sessions remember: budgets, which accounts are lost until somebody signs them in again, and which have
    /// to rest for a while because the program was not stopped but killed.
    pub fn restore(pool: &Pool, sessions: &BTreeMap<AccountName, Arc<Session>>, rest_after_crash: Duration) {
        let mut resting = 0;
        for (name, session) in sessions {
            let kept = session.budgets();
            pool.restore(name, kept.get(POOL).unwrap_or(&Value::Null));
            if kept.get(IN_USE).and_then(Value::as_bool) == Some(true) {
                pool.rest(name, rest_after_crash);
                resting += 1;
            }
            session.set_budgets(kept_form(pool.budgets(name), true));
            let Some(lost) = session.lost() else { continue };
            tracing::warn!(account.name = %name, "account `{name}`: {}", lost.in_full(name));
            let state = match lost.loss() {
                Loss::SignedOut => AccountState::SignedOut(lost.name),
                Loss::Duplicated => AccountState::Duplicated(lost.name),
                Loss::Banned => AccountState::Banned(lost.name),
            };
            pool.lose(name, state);
        }
        if resting > 0 && !rest_after_crash.is_zero() {
            tracing::warn!(
                "the program was killed, or the machine failed: {resting} accounts send no requests for {rest_after_crash:?}"
            );
        }
    }

    /// Notes that a stop has let everything finish: no answer is under way that could ask for a wait.
    pub fn release(pool: &Pool, sessions: &BTreeMap<AccountName, Arc<Session>>) {
        for (name, session) in sessions {
            session.set_budgets(kept_form(pool.budgets(name), false));
        }
    }

    fn keep(&mut self) -> Step {
        if !self.changed.has_changed().unwrap_or(false) {
            return Step::Idle;
        }
        self.changed.mark_unchanged();
        for session in &self.sessions {
            session.set_budgets(kept_form(self.pool.budgets(session.name()), true));
        }
        Step::Busy
    }
}

impl Worker for BudgetKeeper {
    async fn step(&mut self) -> anyhow::Result<Step> {
        Ok(self.keep())
    }

    async fn wait(&mut self) {
        if self.changed.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
        self.changed.mark_changed();
    }
}

/// What is kept of an account's budgets.
fn kept_form(pool: Value, in_use: bool) -> Value {
    json!({ POOL: pool, IN_USE: in_use })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounts::{PoolSettings, Turn, Urgency};
    use crate::model::{FixedClock, Timestamp};

    #[test]
    fn an_account_rests_after_a_crash_but_not_after_a_stop() {
        let clock = FixedClock::new(Timestamp(1_000));
        let name: AccountName = "alpha".parse().unwrap();
        let sessions = BTreeMap::from([(name.clone(), Arc::new(Session::new(name.clone(), "simulated", 2, BTreeMap::new())))]);
        let start = || {
            let pool = Pool::new([name.clone()], PoolSettings::default(), Arc::new(clock.clone()));
            BudgetKeeper::restore(&pool, &sessions, Duration::from_secs(10));
            pool
        };
        let may_ask = |pool: &Arc<Pool>| matches!(pool.lease([&name], "m", Urgency::Live), Turn::Now(_));
        let first = start();
        assert!(may_ask(&first), "nothing was in use before");
        let crashed = start();
        assert!(!may_ask(&crashed) && crashed.status()[0].rests_until.is_some());
        clock.advance(10);
        assert!(may_ask(&crashed));
        BudgetKeeper::release(&crashed, &sessions);
        assert!(may_ask(&start()));
    }

    #[test]
    fn a_wait_is_kept_with_the_session() {
        let clock = FixedClock::new(Timestamp(1_000));
        let name: AccountName = "alpha".parse().unwrap();
        let sessions = BTreeMap::from([(name.clone(), Arc::new(Session::new(name.clone(), "simulated", 2, BTreeMap::new())))]);
        let pool = Pool::new([name.clone()], PoolSettings::default(), Arc::new(clock.clone()));
        let mut keeper = BudgetKeeper::new(Arc::clone(&pool), &sessions);
        pool.flood(&name, "messages.getHistory", Duration::from_secs(3_600), "FLOOD_WAIT");
        assert_eq!(keeper.keep(), Step::Busy);
        let again = Pool::new([name.clone()], PoolSettings::default(), Arc::new(clock.clone()));
        BudgetKeeper::restore(&again, &sessions, Duration::ZERO);
        assert!(
            matches!(again.lease([&name], "messages.getHistory", Urgency::Live), Turn::NotBefore(at) if at.timestamp() >= 4_600)
        );
        assert!(matches!(again.lease([&name], "messages.getDialogs", Urgency::Live), Turn::Now(_)), "and for nothing else");
    }
}
