//! Whose turn it is: the account that is free of floods and has the least to do.
//!
//! A lease is one request's permission. It is given to the candidate with the smallest (free at, running downloads, running
//! requests), so that load spreads and no account's wait holds up another. Pacing and flood waits are decided *before* the
//! request is spent: a method that is parked is not asked for again before its time.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::Notify;

use crate::model::{AccountName, Clock};

/// How the pool paces its accounts.
#[derive(Clone, Copy, Debug)]
pub struct PoolSettings {
    /// The shortest time between two requests of one account.
    pub request_interval: Duration,
    /// How many requests of one account may be under way.
    pub requests_in_flight_max: usize,
}

/// How urgent a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// Something happened just now.
    Live,
    /// Something may have happened.
    Fresh,
    /// Anything else.
    Background,
}

/// What state an account is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccountState {
    /// It may be asked.
    Ready,
    /// Telegram ended its session; only a new login helps. The text is Telegram's error name.
    SignedOut(String),
}

impl AccountState {
    /// Whether it may be asked.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        *self == Self::Ready
    }

    /// What to do about it.
    #[must_use]
    pub fn way_out(&self, account: &AccountName) -> String {
        format!("run `telescribe login {account}`")
    }
}

/// How an account is doing.
#[derive(Clone, Debug)]
pub struct AccountStatus {
    /// Its name.
    pub name: AccountName,
    /// What state it is in.
    pub state: AccountState,
    /// Requests under way.
    pub requests_running: usize,
    /// Requests made since the start.
    pub requests: u64,
    /// Methods that are parked, and until when.
    pub parked: BTreeMap<&'static str, DateTime<Utc>>,
}

#[derive(Debug)]
struct Account {
    state: AccountState,
    running: usize,
    requests: u64,
    paced_until: DateTime<Utc>,
    parked: BTreeMap<&'static str, DateTime<Utc>>,
}

/// What a call for a lease got.
#[derive(Debug)]
pub enum Turn {
    /// The account that may act now.
    Now(Lease),
    /// None may act before this.
    NotBefore(DateTime<Utc>),
    /// All that could are busy: wait for [`Pool::freed`].
    Busy,
    /// No candidate is signed in.
    Nobody,
}

/// The accounts.
#[derive(Debug)]
pub struct Pool {
    accounts: Mutex<BTreeMap<AccountName, Account>>,
    settings: PoolSettings,
    clock: Arc<dyn Clock>,
    freed: Notify,
}

/// Permission for one request of one account; ends when dropped.
#[derive(Debug)]
#[must_use = "a lease that is dropped at once permits nothing"]
pub struct Lease {
    pool: Arc<Pool>,
    account: AccountName,
}

impl Pool {
    /// A pool of accounts.
    pub fn new(names: impl IntoIterator<Item = AccountName>, settings: PoolSettings, clock: Arc<dyn Clock>) -> Arc<Self> {
        let account = || Account {
            state: AccountState::Ready,
            running: 0,
            requests: 0,
            paced_until: DateTime::UNIX_EPOCH,
            parked: BTreeMap::new(),
        };
        let accounts = names.into_iter().map(|name| (name, account())).collect();
        Arc::new(Self { accounts: Mutex::new(accounts), settings, clock, freed: Notify::new() })
    }

    /// Asks for the turn of one of several accounts to call a method.
    pub fn lease<'a>(self: &Arc<Self>, candidates: impl IntoIterator<Item = &'a AccountName>, method: &'static str, _: Urgency) -> Turn {
        let now = self.clock.now();
        let mut accounts = self.lock();
        let mut best: Option<(DateTime<Utc>, usize, &AccountName)> = None;
        let mut busy = false;
        for name in candidates {
            let Some(account) = accounts.get(name).filter(|a| a.state == AccountState::Ready) else { continue };
            if account.running >= self.settings.requests_in_flight_max {
                busy = true;
                continue;
            }
            let free_at = account.free_at(method).max(now);
            if best.is_none_or(|(at, running, _)| (free_at, account.running) < (at, running)) {
                best = Some((free_at, account.running, name));
            }
        }
        match best {
            Some((at, ..)) if at > now => Turn::NotBefore(at),
            Some((.., name)) => {
                if let Some(account) = accounts.get_mut(name) {
                    account.running += 1;
                    account.requests += 1;
                    account.paced_until = now + self.settings.request_interval;
                }
                Turn::Now(Lease { pool: Arc::clone(self), account: name.clone() })
            }
            None if busy => Turn::Busy,
            None => Turn::Nobody,
        }
    }

    /// Parks a method of an account: Telegram asked for a flood wait.
    pub fn flood(&self, account: &AccountName, method: &'static str, wait: Duration, _: &str) {
        let until = self.clock.now() + wait;
        if let Some(account) = self.lock().get_mut(account) {
            let parked = account.parked.entry(method).or_insert(until);
            *parked = until.max(*parked);
        }
    }

    /// Takes an account out of the pool: Telegram ended its session.
    pub fn lose(&self, account: &AccountName, state: AccountState) {
        if let Some(account) = self.lock().get_mut(account) {
            account.state = state;
        }
    }

    /// Whether any account may still act.
    #[must_use]
    pub fn anybody(&self) -> bool {
        self.lock().values().any(|a| a.state == AccountState::Ready)
    }

    /// How the accounts are doing, by name.
    #[must_use]
    pub fn status(&self) -> Vec<AccountStatus> {
        let now = self.clock.now();
        let status = |(name, a): (&AccountName, &Account)| AccountStatus {
            name: name.clone(),
            state: a.state.clone(),
            requests_running: a.running,
            requests: a.requests,
            parked: a.parked.iter().filter(|(_, until)| **until > now).map(|(m, until)| (*m, *until)).collect(),
        };
        self.lock().iter().map(status).collect()
    }

    /// Returns when a lease has ended since the last call.
    pub async fn freed(&self) {
        self.freed.notified().await;
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<AccountName, Account>> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Account {
    fn free_at(&self, method: &str) -> DateTime<Utc> {
        self.parked.get(method).copied().unwrap_or_default().max(self.paced_until)
    }
}

impl Lease {
    /// Whose turn it is.
    #[must_use]
    pub fn account(&self) -> &AccountName {
        &self.account
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(account) = self.pool.lock().get_mut(&self.account) {
            account.running = account.running.saturating_sub(1);
        }
        self.pool.freed.notify_waiters();
        self.pool.freed.notify_one();
    }
}

