//! One account as the pool sees it: its state, its requests in flight, its own rate limit, and a budget for each method.

use std::collections::BTreeMap;
use std::time::Duration;

use super::bucket::Bucket;
use super::budget::{Budget, Now};
use super::limits::{Limit, Limits, MethodKind};
use super::{AccountState, AccountStatus, PoolSettings, Urgency};
use crate::model::AccountName;

#[derive(Debug)]
pub(super) struct Account {
    pub(super) state: AccountState,
    pub(super) running: usize,
    pub(super) downloads: usize,
    requests: u64,
    /// The number of its last lease, counted over all accounts, for round-robin among equals.
    last_lease: u64,
    /// The account's own rate limit.
    bucket: Bucket,
    /// Before this nothing is asked, whatever it is.
    rests_until: Duration,
    pub(super) budgets: BTreeMap<String, Budget>,
}

/// The sort key of the scheduling: free at, downloads in flight, requests in flight, last lease. The least comes first.
pub(super) type Weight = (Duration, usize, usize, u64);

impl Account {
    pub(super) fn new(limits: &Limits, now: Duration) -> Self {
        Self {
            state: AccountState::Ready,
            running: 0,
            downloads: 0,
            requests: 0,
            last_lease: 0,
            bucket: Bucket::full(limits.account, now),
            rests_until: Duration::ZERO,
            budgets: BTreeMap::new(),
        }
    }

    /// Whether the quota of requests in flight is used up. One extra slot is reserved for live requests, so that they never wait for
    /// the answer to a request of lower priority.
    pub(super) fn is_full(&self, kind: MethodKind, urgency: Urgency, settings: &PoolSettings) -> bool {
        match kind {
            MethodKind::File => self.downloads >= settings.downloads_in_flight_max,
            MethodKind::Read | MethodKind::Contact => {
                self.running >= settings.requests_in_flight_max + usize::from(urgency == Urgency::Live)
            }
        }
    }

    /// When it may call a method: `now`, or later.
    pub(super) fn free_at(&self, budget: &str, limit: Limit, limits: &Limits, urgency: Urgency, now: Duration) -> Duration {
        let paced = match limit.kind {
            MethodKind::File => now,
            MethodKind::Read | MethodKind::Contact => self.bucket.free_at(limits.account, urgency, now),
        };
        let paced = paced.max(self.rests_until);
        self.budgets.get(budget).map_or(paced, |budget| budget.free_at(limit.rate, urgency, now).max(paced))
    }

    /// When one request more may be made within a lease that it has: its waits and the method's own rate limit count. The account's rate
    /// limit was waited for already, for the request that depends on this one.
    pub(super) fn free_within_lease(&self, budget: &str, limit: Limit, now: Duration) -> Duration {
        let rested = now.max(self.rests_until);
        self.budgets.get(budget).map_or(rested, |budget| budget.free_at(limit.rate, Urgency::Live, now).max(rested))
    }

    /// Nothing is asked for a while.
    pub(super) fn rest(&mut self, until: Duration) {
        self.rests_until = self.rests_until.max(until);
    }

    pub(super) fn weight(&self, free_at: Duration) -> Weight {
        (free_at, self.downloads, self.running, self.last_lease)
    }

    /// Starts a leased request.
    pub(super) fn take(&mut self, budget: &str, limit: Limit, limits: &Limits, sequence: u64, now: Duration) {
        match limit.kind {
            MethodKind::File => self.downloads += 1,
            MethodKind::Read | MethodKind::Contact => self.running += 1,
        }
        self.last_lease = sequence;
        self.spend(budget, limit, limits, now);
    }

    /// Takes a token of the account and one of the method.
    pub(super) fn spend(&mut self, budget: &str, limit: Limit, limits: &Limits, now: Duration) {
        self.requests += 1;
        if limit.kind != MethodKind::File {
            self.bucket.take(limits.account, now);
        }
        self.budget(budget, limit, now).take(limit.rate, now);
    }

    /// Ends a leased request.
    pub(super) fn done(&mut self, kind: MethodKind) {
        let running = if kind == MethodKind::File { &mut self.downloads } else { &mut self.running };
        *running = running.saturating_sub(1);
    }

    pub(super) fn budget(&mut self, budget: &str, limit: Limit, now: Duration) -> &mut Budget {
        self.budgets.entry(budget.to_owned()).or_insert_with(|| Budget::new(limit.rate, now))
    }

    pub(super) fn status(&self, name: &AccountName, limits: &Limits, now: Now) -> AccountStatus {
        let parked = |(method, budget): (&String, &Budget)| Some((method.clone(), now.show(budget.waiting(now.at)?.until)));
        let interval =
            |(method, budget): (&String, &Budget)| (method.clone(), budget.rate(limits.of(method).rate, now.at).interval);
        AccountStatus {
            name: *name,
            state: self.state.clone(),
            requests_running: self.running,
            downloads_running: self.downloads,
            requests: self.requests,
            rests_until: (self.rests_until > now.at).then(|| now.show(self.rests_until)),
            parked: self.budgets.iter().filter_map(parked).collect(),
            intervals: self.budgets.iter().map(interval).collect(),
            floods: self.budgets.values().map(|b| b.floods).sum(),
            last_flood: self
                .budgets
                .iter()
                .filter_map(|(method, b)| Some((b.last_flood?, method.clone())))
                .max()
                .map(|(at, method)| (method, at)),
        }
    }
}
