//! How a job stands, account by account: what is under way, what only waits, and who is free for the next run.
//!
//! A run of a job begins with the accounts that have ended the one before (runs do not overlap). An account that must wait for hours, or
//! that gets no answer (a proxy that is down), keeps its own part pending and no other's. Also what a single peer waits for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::peers::Peers;
use super::planner::PACING;
use super::sweeps::Sweeps;
use super::unit;
use crate::accounts::{Outage, Pool, Urgency};
use crate::dispatch::{Dispatch, FAILURES_MAX, Pending, Priority};
use crate::model::{AccountName, ChatId, Clock, Timestamp};
use crate::schedule::{Job, Scope};
use crate::telegram::{Clients, method};

/// How a job stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Whether peers are still to be looked at.
    sweeping: bool,
    /// Whether something is asked, or will be as soon as it is its turn.
    going: bool,
    /// The accounts that something of it waits for.
    occupied: BTreeSet<AccountName>,
    held: BTreeMap<AccountName, Option<DateTime<Utc>>>,
    /// Whether an account that could be asked has nothing left of it.
    anybody_free: bool,
}

impl Standing {
    /// Whether nothing of the last run is left.
    #[must_use]
    pub fn is_over(&self) -> bool {
        !self.sweeping && self.occupied.is_empty()
    }

    /// Whether it runs: something gets on, or everybody has something left that waits.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.sweeping || self.going || self.is_left_out()
    }

    /// Whether a run that is due now is left out, because no account has ended the one before.
    #[must_use]
    pub fn is_left_out(&self) -> bool {
        self.sweeping || (!self.occupied.is_empty() && !self.anybody_free)
    }

    /// The accounts whose part still waits, and until when, where Telegram named a time; without one, nobody answers them.
    #[must_use]
    pub fn held(&self) -> &BTreeMap<AccountName, Option<DateTime<Utc>>> {
        &self.held
    }

    /// How a job stands that asks nobody.
    #[must_use]
    pub fn without_requests(running: bool) -> Self {
        Self { sweeping: running, ..Self::default() }
    }

    /// The accounts that something of it waits for.
    pub(super) fn occupied(&self) -> &BTreeSet<AccountName> {
        &self.occupied
    }
}

/// When each account may call a method with an urgency; `None` when it is lost.
type Turns = BTreeMap<(&'static str, Urgency), BTreeMap<AccountName, Option<DateTime<Utc>>>>;

/// Finds out how jobs stand.
pub(super) struct Standings {
    pub(super) pool: Arc<Pool>,
    pub(super) clients: Arc<Clients>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) dispatch: Arc<Dispatch>,
    pub(super) sweeps: Arc<Sweeps>,
    pub(super) peers: Arc<Peers>,
}

impl Standings {
    /// How a job for the peers of a scope stands.
    pub(super) fn of(&self, job: Job, scope: &Scope) -> Standing {
        let mut standing = Standing { sweeping: self.sweeps.holds(job), ..Standing::default() };
        let mut turns = Turns::new();
        let soon = self.clock.now() + PACING;
        self.dispatch.each(|pending| {
            if is_part_of(job, scope, &pending) {
                self.add_to(&mut standing, &mut turns, soon, &pending);
            }
        });
        standing.anybody_free = self.pool.ready().iter().any(|name| !standing.occupied.contains(name));
        standing
    }

    /// What keeps a chat from being read on just now: nobody who can read it, or a wait that Telegram asked for.
    pub(super) fn hindrance(&self, chat: ChatId) -> Option<String> {
        let readers = self.peers.readers(chat);
        if readers.is_empty() {
            return Some("no account can read it".to_owned());
        }
        let now = self.clock.now();
        let free = readers.iter().filter_map(|account| self.pool.free_at(account, method::HISTORY, Urgency::Background)).min();
        match free {
            None => Some("the accounts that can read it are signed out or banned; see `telescribe account list`".to_owned()),
            Some(at) if at > now + PACING => Some(format!("flood wait until {}", Timestamp::from(at))),
            Some(_) => self.no_response(&readers),
        }
    }

    /// Where none of the accounts that could read it gets a response, for how long one of them has not, and why.
    fn no_response(&self, readers: &[AccountName]) -> Option<String> {
        let able = readers.iter().filter(|name| self.pool.free_at(name, method::HISTORY, Urgency::Background).is_some());
        let mut outages = able.map(|name| Some((name, self.clients.get(name)?.outage().filter(Outage::is_certain)?)));
        let (name, Outage { since, method, why, .. }) = outages.next()??;
        let all = outages.all(|outage| outage.is_some());
        let seconds = since.elapsed().as_secs();
        all.then(|| format!("account `{name}` has had no response to {method} for {seconds} s ({why})"))
    }

    /// Under the queue's lock, for each of tens of thousands of units.
    fn add_to(&self, standing: &mut Standing, turns: &mut Turns, soon: DateTime<Utc>, pending: &Pending<'_>) {
        let (method, urgency) = (pending.task.method(), pending.priority.urgency());
        let turn = |name: &AccountName| (*name, self.pool.free_at(name, method, urgency));
        let turns = turns.entry((method, urgency)).or_insert_with(|| self.clients.names().map(turn).collect());
        // An account that is lost does nothing any more, and nobody waits for it.
        let able = || pending.candidates.iter().filter_map(|name| Some((name, (*turns.get(name)?)?)));
        // One answer that did not come is no outage.
        let going = pending.failures < FAILURES_MAX && able().any(|(_, at)| at <= soon);
        standing.going |= going;
        for (name, at) in able() {
            standing.occupied.insert(*name);
            if !going {
                standing.held.insert(*name, (at > soon).then_some(at));
            }
        }
    }
}

/// Whether a unit is part of a job for the peers of a scope.
fn is_part_of(job: Job, scope: &Scope, pending: &Pending<'_>) -> bool {
    let (kind, priority) = (pending.task.kind(), pending.priority);
    match job {
        Job::Discover => matches!(kind, unit::WALK_EVERYTHING | unit::FOLDERS),
        Job::CatchUp if scope.only.is_empty() => kind == unit::WALK_NEWS,
        Job::CatchUp => kind == unit::POLL && priority == Priority::Fresh,
        // What is left of the past is added again: it waits once, and a peer that got one more reader gets it too.
        Job::Backfill | Job::Backup => false,
        Job::Recheck => kind == unit::HISTORY && priority == Priority::Recheck,
        Job::Counters => matches!(kind, unit::FULL | unit::VIEWS),
    }
}
