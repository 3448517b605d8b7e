//! The account pool: rate limits, priorities and load balancing. It leases the account that is free soonest and has the least to do.
//!
//! A lease permits one request. Among the accounts that could ask, it goes to the one with the smallest (free at, running downloads,
//! running requests), and among equals round-robin; no account's wait holds up another. Rate limits, priority and flood waits are
//! decided *before* the request is spent:
//!
//! - **Rate limit.** A token bucket an account (a token every `request_interval`), and one a method, at the rate that [`limits`] says or
//!   that was learnt, whichever is slower. By priority, two tokens are reserved for what is fresh and live, the last one for what is
//!   live.
//! - **Flood waits and backoff.** What Telegram asks for is waited for, and a little longer (jitter). It parks one method of one account,
//!   or the methods that the error is about. Each wait slows that method down exponentially; time without one makes it faster again.
//! - **Dependent requests.** A request that another one needs, such as taking an authorisation to another data centre, asks by itself
//!   ([`Pool::spend`]), under its own method, within the lease of the other.
//! - **Persistence.** [`Pool::budgets`] and [`Pool::restore`] carry waits and what was learnt over a restart.
//!
//! Invariants, checked with random histories: no lease before a wait has ended, however the clock is set; a live request waits for the
//! rate limit only behind other live ones, an interval for each.

mod account;
mod bucket;
mod budget;
pub(super) mod limits;
mod saved;

#[cfg(test)]
mod promises;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::Value;
use tokio::sync::{Notify, watch};

use crate::model::{AccountName, Clock};
use account::{Account, Weight};
use budget::Now;
use limits::{INIT_TAKEOUT, Limits, MethodKind, budget_of, of_kind};

/// The rate limits and quotas of the pool's accounts.
#[derive(Clone, Debug)]
pub struct PoolSettings {
    /// The account's rate limit: the shortest time between two of its requests, over time; zero is no limit, for a server of one's own.
    pub request_interval: Duration,
    /// How many requests of one account may be in flight; one extra slot is reserved for live requests.
    pub requests_in_flight_max: usize,
    /// How many file requests of one account may be in flight, beside the other requests.
    pub downloads_in_flight_max: usize,
    /// The shortest time between two calls of a method by one account, where it is not the usual one.
    pub intervals: BTreeMap<String, Duration>,
}

/// The priority of a request, highest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Urgency {
    /// Something happened just now.
    Live,
    /// Something may have happened.
    Fresh,
    /// History (backfill): it gets what no higher priority wants.
    Background,
}

/// What state an account is in. The text is Telegram's error name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccountState {
    /// It may be asked.
    Ready,
    /// Telegram ended its session; only a new login helps.
    SignedOut(String),
    /// Telegram closed the account itself.
    Banned(String),
    /// Its session is used somewhere else as well, and Telegram ended it for that.
    Duplicated(String),
}

impl AccountState {
    /// The names of all states.
    pub const NAMES: [&'static str; 4] = ["ready", "signed_out", "banned", "duplicated"];

    /// Its name, without Telegram's.
    #[must_use]
    pub fn name(&self) -> &'static str {
        let [ready, signed_out, banned, duplicated] = Self::NAMES;
        match self {
            Self::Ready => ready,
            Self::SignedOut(_) => signed_out,
            Self::Banned(_) => banned,
            Self::Duplicated(_) => duplicated,
        }
    }
}

/// How an account is doing.
#[derive(Clone, Debug)]
pub struct AccountStatus {
    /// Its name.
    pub name: AccountName,
    /// What state it is in.
    pub state: AccountState,
    /// Requests in flight, file requests aside.
    pub requests_running: usize,
    /// File requests in flight.
    pub downloads_running: usize,
    /// Requests made since the start.
    pub requests: u64,
    /// Until when nothing at all is asked: after an unclean stop, or because what has to come first must wait.
    pub rests_until: Option<DateTime<Utc>>,
    /// Methods that are parked, and until when.
    pub parked: BTreeMap<String, DateTime<Utc>>,
    /// The learnt rate limit of each method that was called: the least time between two calls.
    pub intervals: BTreeMap<String, Duration>,
    /// Flood waits that Telegram ever asked for.
    pub floods: u64,
    /// The last of them: for which method, and when.
    pub last_flood: Option<(String, DateTime<Utc>)>,
}

/// The outcome of [`Pool::lease`].
#[derive(Debug)]
pub enum LeaseOutcome {
    /// The account that may act now.
    Granted(Lease),
    /// Rate limited: none may act before this.
    NotBefore(DateTime<Utc>),
    /// All that could have as many requests in flight as they may: wait for [`Pool::freed`].
    Busy,
    /// No candidate is signed in.
    NoCandidate,
}

#[derive(Debug)]
struct PoolState {
    by_name: BTreeMap<AccountName, Account>,
    /// Leases granted so far, for round-robin.
    leases: u64,
}

/// The pool of accounts. Its state is behind one mutex that is held for arithmetic only, never across a request.
#[derive(Debug)]
pub struct Pool {
    accounts: Mutex<PoolState>,
    limits: Limits,
    settings: PoolSettings,
    clock: Arc<dyn Clock>,
    freed: Notify,
    budgets: watch::Sender<u64>,
}

/// Permission for one request of one account; ends when dropped.
#[derive(Debug)]
#[must_use = "a lease that is dropped at once permits nothing"]
pub struct Lease {
    pool: Arc<Pool>,
    account: AccountName,
    kind: MethodKind,
}

impl Pool {
    /// A pool of accounts.
    pub fn new(names: impl IntoIterator<Item = AccountName>, settings: PoolSettings, clock: Arc<dyn Clock>) -> Arc<Self> {
        let limits = Limits::new(settings.request_interval, settings.intervals.clone());
        let now = clock.elapsed();
        let by_name = names.into_iter().map(|name| (name, Account::new(&limits, now))).collect();
        let accounts = Mutex::new(PoolState { by_name, leases: 0 });
        Arc::new(Self { accounts, limits, settings, clock, freed: Notify::new(), budgets: watch::Sender::new(0) })
    }

    /// Leases one of several accounts to call a method.
    pub fn lease<'a>(
        self: &Arc<Self>,
        candidates: impl IntoIterator<Item = &'a AccountName>,
        method: &'static str,
        urgency: Urgency,
    ) -> LeaseOutcome {
        let (budget, now) = (budget_of(method), self.now());
        let limit = self.limits.of(budget);
        let mut accounts = self.lock();
        let mut best: Option<(Weight, &AccountName)> = None;
        let mut busy = false;
        for name in candidates {
            let Some(account) = accounts.by_name.get(name).filter(|a| a.state == AccountState::Ready) else { continue };
            if account.is_full(limit.kind, urgency, &self.settings) {
                busy = true;
                continue;
            }
            let weight = account.weight(account.free_at(budget, limit, &self.limits, urgency, now.at));
            if best.is_none_or(|(least, _)| weight < least) {
                best = Some((weight, name));
            }
        }
        match best {
            Some(((at, ..), _)) if at > now.at => LeaseOutcome::NotBefore(now.show(at)),
            Some((_, name)) => {
                accounts.leases += 1;
                let sequence = accounts.leases;
                if let Some(account) = accounts.by_name.get_mut(name) {
                    account.take(budget, limit, &self.limits, sequence, now.at);
                }
                drop(accounts);
                if limit.rate.interval >= saved::OWED_MIN {
                    self.notify_budgets_changed();
                }
                LeaseOutcome::Granted(Lease { pool: Arc::clone(self), account: *name, kind: limit.kind })
            }
            None if busy => LeaseOutcome::Busy,
            None => LeaseOutcome::NoCandidate,
        }
    }

    /// Spends one request more within a lease that an account has already: one that the leased request depends on, such as taking the
    /// authorisation along to another data centre. It costs what any request costs.
    ///
    /// # Errors
    /// The time before which it may not be made, because Telegram asked for a wait or the method comes seldom.
    pub fn spend(&self, account: &AccountName, method: &'static str) -> Result<(), DateTime<Utc>> {
        let (budget, now) = (budget_of(method), self.now());
        let limit = self.limits.of(budget);
        let mut accounts = self.lock();
        let Some(account) = accounts.by_name.get_mut(account).filter(|a| a.state == AccountState::Ready) else {
            return Err(now.shown);
        };
        let free_at = account.free_within_lease(budget, limit, now.at);
        if free_at > now.at {
            return Err(now.show(free_at));
        }
        account.spend(budget, limit, &self.limits, now.at);
        drop(accounts);
        if limit.rate.interval >= saved::OWED_MIN {
            self.notify_budgets_changed();
        }
        Ok(())
    }

    /// Until when a method of an account is parked; `None` when it is not.
    #[must_use]
    pub fn parked_until(&self, account: &AccountName, method: &'static str) -> Option<DateTime<Utc>> {
        let now = self.now();
        let accounts = self.lock();
        let parked = accounts.by_name.get(account)?.budgets.get(budget_of(method))?.waiting(now.at)?;
        Some(now.show(parked.until))
    }

    /// The accounts that may be asked.
    #[must_use]
    pub fn ready(&self) -> BTreeSet<AccountName> {
        let accounts = self.lock();
        accounts.by_name.iter().filter(|(_, a)| a.state == AccountState::Ready).map(|(name, _)| *name).collect()
    }

    /// When an account may call a method, as far as waits and rate limits are concerned; `None` when it is not in the pool or lost.
    #[must_use]
    pub fn free_at(&self, account: &AccountName, method: &'static str, urgency: Urgency) -> Option<DateTime<Utc>> {
        let (budget, now) = (budget_of(method), self.now());
        let accounts = self.lock();
        let account = accounts.by_name.get(account).filter(|a| a.state == AccountState::Ready)?;
        Some(now.show(account.free_at(budget, self.limits.of(budget), &self.limits, urgency, now.at)))
    }

    /// Telegram asked an account for a wait, under an error's name and in answer to a method. It parks:
    ///
    /// - that method, for `FLOOD_WAIT`, `SLOWMODE_WAIT` (which is about one peer's senders; we never send) and unknown waits;
    /// - every file method, for `FLOOD_PREMIUM_WAIT`;
    /// - every method that makes contact (resolving, joining), for `PEER_FLOOD`: the account is suspected of spam, and reads on;
    /// - only the beginning of takeouts, for `TAKEOUT_INIT_DELAY`, whatever the method was.
    ///
    /// What is about the rate makes the method back off (become slower) as well.
    pub fn flood(&self, account: &AccountName, method: &'static str, wait: Duration, name: &str) {
        let mut methods = vec![budget_of(method)];
        let learn = match name {
            "TAKEOUT_INIT_DELAY" => {
                methods = vec![INIT_TAKEOUT];
                false
            }
            "PEER_FLOOD" => {
                methods.extend(of_kind(MethodKind::Contact));
                false
            }
            "FLOOD_PREMIUM_WAIT" => {
                methods.extend(of_kind(MethodKind::File));
                true
            }
            "SLOWMODE_WAIT" => false,
            _ => true,
        };
        methods.sort_unstable();
        methods.dedup();
        self.wait_for(account, methods, wait, learn);
    }

    fn wait_for(&self, account: &AccountName, methods: Vec<&'static str>, wait: Duration, learn: bool) {
        let now = self.now();
        if let Some(parked) = self.lock().by_name.get_mut(account) {
            for method in methods {
                parked.budget(method, self.limits.of(method), now.at).flood(wait, learn, account.as_str(), now);
            }
        }
        self.notify_budgets_changed();
    }

    /// Parks a method of an account that Telegram refused, for a reason that has nothing to do with the rate.
    pub fn park(&self, account: &AccountName, method: &'static str, wait: Duration, name: &str) {
        tracing::debug!(account.name = %account, method, "account `{account}` is not asked to call {method} for {wait:?} ({name})");
        self.wait_for(account, vec![budget_of(method)], wait, false);
    }

    /// Lets an account rest (cool down): nothing is asked of it for a while, whatever the priority.
    pub fn rest(&self, account: &AccountName, wait: Duration) {
        let until = self.now().at.saturating_add(wait);
        if let Some(account) = self.lock().by_name.get_mut(account) {
            account.rest(until);
        }
    }

    /// Lets an account rest until it may call a method without which nothing else can be done.
    pub fn rest_for(&self, account: &AccountName, method: &'static str) {
        let (budget, now) = (budget_of(method), self.now());
        let limit = self.limits.of(budget);
        if let Some(account) = self.lock().by_name.get_mut(account) {
            account.rest(account.free_within_lease(budget, limit, now.at));
        }
    }

    /// Takes an account out of the pool: Telegram ended its session, or closed the account.
    pub fn mark_lost(&self, account: &AccountName, state: AccountState) {
        if let Some(account) = self.lock().by_name.get_mut(account) {
            account.state = state;
        }
    }

    /// Takes an account back: it is signed in again.
    pub fn mark_ready(&self, account: &AccountName) {
        if let Some(account) = self.lock().by_name.get_mut(account) {
            account.state = AccountState::Ready;
        }
        self.notify_freed();
    }

    /// Whether any account may still act.
    #[must_use]
    pub fn any_ready(&self) -> bool {
        self.lock().by_name.values().any(|a| a.state == AccountState::Ready)
    }

    /// The state of an account that must survive a restart: waits, what was learnt from them, and what rare methods still owe.
    #[must_use]
    pub fn budgets(&self, account: &AccountName) -> Value {
        let now = self.now();
        self.lock().by_name.get_mut(account).map(|a| saved::save(a, &self.limits, now)).unwrap_or_default()
    }

    /// Restores what [`Pool::budgets`] said of an account. What cannot be read is learnt again.
    pub fn restore(&self, account: &AccountName, budgets: &Value) {
        let now = self.now();
        if let Some(account) = self.lock().by_name.get_mut(account) {
            saved::restore(account, budgets, &self.limits, now);
        }
    }

    /// A channel that notifies of every change of budgets that must be saved.
    #[must_use]
    pub fn budgets_changed(&self) -> watch::Receiver<u64> {
        self.budgets.subscribe()
    }

    /// How the accounts are doing, by name.
    #[must_use]
    pub fn status(&self) -> Vec<AccountStatus> {
        let now = self.now();
        self.lock().by_name.iter().map(|(name, account)| account.status(name, &self.limits, now)).collect()
    }

    /// Returns when a lease has ended, or an account has come back, since the last call.
    pub async fn freed(&self) {
        self.freed.notified().await;
    }

    fn notify_freed(&self) {
        self.freed.notify_waiters();
        self.freed.notify_one();
    }

    fn notify_budgets_changed(&self) {
        self.budgets.send_modify(|n| *n += 1);
    }

    fn now(&self) -> Now {
        Now { at: self.clock.elapsed(), shown: self.clock.now() }
    }

    fn lock(&self) -> MutexGuard<'_, PoolState> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lease {
    /// The account that may act.
    #[must_use]
    pub fn account(&self) -> &AccountName {
        &self.account
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(account) = self.pool.lock().by_name.get_mut(&self.account) {
            account.done(self.kind);
        }
        self.pool.notify_freed();
    }
}
