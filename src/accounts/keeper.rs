//! Keeps what the pool has learnt of each account in the account's session, so that no restart forgets a wait.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::watch;

use super::{AccountState, Loss, Pool, Session};
use crate::lifecycle::{Step, Worker};
use crate::model::AccountName;

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

    /// Gives the pool what the sessions remember: budgets, and which accounts are lost until somebody signs them in again.
    pub fn restore(pool: &Pool, sessions: &BTreeMap<AccountName, Arc<Session>>) {
        for (name, session) in sessions {
            pool.restore(name, &session.budgets());
            let Some(lost) = session.lost() else { continue };
            tracing::warn!(account.name = %name, "account `{name}`: {}", lost.in_full(name));
            let state = match lost.loss() {
                Loss::SignedOut => AccountState::SignedOut(lost.name),
                Loss::Duplicated => AccountState::Duplicated(lost.name),
                Loss::Banned => AccountState::Banned(lost.name),
            };
            pool.lose(name, state);
        }
    }

    fn keep(&mut self) -> Step {
        if !self.changed.has_changed().unwrap_or(false) {
            return Step::Idle;
        }
        self.changed.mark_unchanged();
        for session in &self.sessions {
            session.set_budgets(self.pool.budgets(session.name()));
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

    async fn finish(&mut self) -> anyhow::Result<()> {
        self.keep();
        Ok(())
    }
}
