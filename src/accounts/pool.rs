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

/// What state an account is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccountState {
    /// It may be asked.
    Ready,
    /// Telegram ended its session; only a new login helps. The text is Telegram's error name.
    SignedOut(String),
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
    pub fn lease<'a>(self: &Arc<Self>, candidates: impl IntoIterator<Item = &'a AccountName>, method: &'static str) -> Turn {
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
    pub fn park(&self, account: &AccountName, method: &'static str, wait: Duration) {
        let until = self.clock.now() + wait;
        if let Some(account) = self.lock().get_mut(account) {
            let parked = account.parked.entry(method).or_insert(until);
            *parked = until.max(*parked);
        }
    }

    /// Takes an account out of the pool: Telegram ended its session.
    pub fn sign_out(&self, account: &AccountName, why: &str) {
        if let Some(account) = self.lock().get_mut(account) {
            account.state = AccountState::SignedOut(why.to_owned());
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{FixedClock, Timestamp};

    fn pool(in_flight: usize, interval: Duration) -> (Arc<Pool>, FixedClock, Vec<AccountName>) {
        let clock = FixedClock::new(Timestamp(1_000));
        let names: Vec<AccountName> = ["alpha", "bravo"].iter().map(|n| n.parse().unwrap()).collect();
        let settings = PoolSettings { request_interval: interval, requests_in_flight_max: in_flight };
        (Pool::new(names.clone(), settings, Arc::new(clock.clone())), clock, names)
    }

    fn whose(turn: &Turn) -> &str {
        match turn {
            Turn::Now(lease) => lease.account().as_str(),
            other => panic!("no lease: {other:?}"),
        }
    }

    #[test]
    fn the_account_with_the_least_to_do_is_asked() {
        let (pool, _, names) = pool(2, Duration::ZERO);
        let first = pool.lease(&names, "m");
        let second = pool.lease(&names, "m");
        assert_ne!(whose(&first), whose(&second));
        let rest = (pool.lease(&names, "m"), pool.lease(&names, "m"));
        assert!(matches!(pool.lease(&names, "m"), Turn::Busy));
        drop(first);
        assert!(matches!(pool.lease(&names, "m"), Turn::Now(_)));
        drop(rest);
    }

    #[test]
    fn a_flood_wait_on_one_account_does_not_stop_the_others_nor_its_other_methods() {
        let (pool, clock, names) = pool(9, Duration::ZERO);
        pool.park(&names[0], "history", Duration::from_secs(30));
        for _ in 0..3 {
            assert_eq!(whose(&pool.lease(&names, "history")), "bravo");
        }
        assert_eq!(whose(&pool.lease(&names[..1], "dialogs")), "alpha");
        clock.advance(29);
        assert!(matches!(pool.lease(&names[..1], "history"), Turn::NotBefore(_)));
        clock.advance(1);
        assert_eq!(whose(&pool.lease(&names[..1], "history")), "alpha");
    }

    #[test]
    fn an_account_is_paced() {
        let (pool, clock, names) = pool(9, Duration::from_secs(2));
        drop(pool.lease(&names[..1], "m"));
        assert!(matches!(pool.lease(&names[..1], "m"), Turn::NotBefore(_)));
        clock.advance(2);
        assert!(matches!(pool.lease(&names[..1], "m"), Turn::Now(_)));
    }

    #[test]
    fn a_signed_out_account_is_not_asked_again() {
        let (pool, _, names) = pool(1, Duration::ZERO);
        pool.sign_out(&names[0], "AUTH_KEY_UNREGISTERED");
        assert_eq!(whose(&pool.lease(&names, "m")), "bravo");
        pool.sign_out(&names[1], "USER_DEACTIVATED");
        assert!(matches!(pool.lease(&names, "m"), Turn::Nobody));
        assert!(!pool.anybody());
    }
}
