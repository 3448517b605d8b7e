//! What is to be done next: units by urgency, each at most once, none on a subject that is being worked on.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use tokio::sync::Notify;

use super::walk::Reach;
use crate::model::{AccountName, PeerId};
use crate::telegram::{Offset, method};

/// One request's worth of work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unit {
    /// An account says who it is, and asks Telegram to push updates.
    Start {
        /// Which account.
        account: AccountName,
    },
    /// A page of an account's dialogs.
    Walk {
        /// Which account.
        account: AccountName,
        /// How far the walk goes.
        reach: Reach,
        /// Where it is.
        from: Option<Offset>,
    },
    /// What happened outside channels since the account last asked.
    AccountEvents {
        /// Which account.
        account: AccountName,
    },
    /// What happened in a channel since the archive's state.
    Events {
        /// Which channel.
        peer: PeerId,
    },
    /// The newest ids that a peer's coverage lacks.
    History {
        /// Which peer.
        peer: PeerId,
    },
}

/// How urgent a unit is. History never takes the turn of what is live.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Priority {
    /// Something happened just now.
    Live,
    /// Something may have happened: polls, and the messages they found.
    Fresh,
    /// The past.
    Backfill,
}

/// What a unit works on; one unit at a time does.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Subject {
    /// A channel or supergroup.
    Channel(PeerId),
    /// Everything whose message ids are an account's own.
    Account(AccountName),
    /// An account's list of dialogs.
    Dialogs(AccountName),
}

impl Unit {
    /// The method that it calls.
    pub(super) fn method(&self) -> &'static str {
        match self {
            Self::Start { .. } | Self::AccountEvents { .. } => method::DIFFERENCE,
            Self::Walk { .. } => method::DIALOGS,
            Self::Events { .. } => method::CHANNEL_DIFFERENCE,
            Self::History { .. } => method::HISTORY,
        }
    }

    /// Tells units apart: the same kind of unit on the same thing is the same work.
    fn identity(&self) -> (u8, String) {
        match self {
            Self::Start { account } => (0, account.to_string()),
            Self::Walk { account, .. } => (1, account.to_string()),
            Self::AccountEvents { account } => (2, account.to_string()),
            Self::Events { peer } => (3, peer.to_string()),
            Self::History { peer } => (4, peer.to_string()),
        }
    }
}

#[derive(Debug)]
struct Waiting {
    unit: Unit,
    failures: u32,
    not_before: DateTime<Utc>,
}

#[derive(Debug, Default)]
struct Inner {
    waiting: BTreeMap<(Priority, u64), Waiting>,
    places: HashMap<(u8, String), (Priority, u64)>,
    claimed: HashSet<Subject>,
    order: u64,
}

/// The units that wait.
#[derive(Debug, Default)]
pub(super) struct Queue {
    inner: Arc<Mutex<Inner>>,
    added: Arc<Notify>,
}

/// A unit that was taken, and the claim on its subject.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) unit: Unit,
    pub(super) priority: Priority,
    pub(super) failures: u32,
    pub(super) claim: Claim,
}

/// While it lives nobody else works on the subject.
#[derive(Debug)]
pub(super) struct Claim {
    inner: Arc<Mutex<Inner>>,
    added: Arc<Notify>,
    subject: Subject,
}

/// What [`Queue::take`] found.
#[derive(Debug)]
pub(super) enum Found<T> {
    /// A unit whose turn it is, and what the caller decided it may use.
    Unit(Taken, T),
    /// Nothing now; something at this time at the latest, unless the queue or the pool moves before.
    Nothing(Option<DateTime<Utc>>),
}

/// What the caller says to a unit that could be taken.
#[derive(Debug)]
pub(super) enum Verdict<T> {
    /// Take it.
    Take(T),
    /// Not before this time.
    Later(DateTime<Utc>),
    /// Not until something changes.
    Skip,
    /// Never: drop it.
    Drop,
}

impl Queue {
    /// Adds a unit; when the same work waits already, it only becomes as urgent as the more urgent of the two.
    pub(super) fn add(&self, unit: Unit, priority: Priority) {
        self.insert(unit, priority, 0, DateTime::UNIX_EPOCH);
    }

    /// Puts a unit back that could not be done.
    pub(super) fn put_back(&self, unit: Unit, priority: Priority, failures: u32, not_before: DateTime<Utc>) {
        self.insert(unit, priority, failures, not_before);
    }

    fn insert(&self, unit: Unit, priority: Priority, failures: u32, not_before: DateTime<Utc>) {
        let mut inner = lock(&self.inner);
        let identity = unit.identity();
        let mut waiting = Waiting { unit, failures, not_before };
        if let Some(place) = inner.places.get(&identity).copied() {
            if place.0 <= priority {
                return;
            }
            // The one that waits knows better where it is; only its urgency changes.
            if let Some(old) = inner.waiting.remove(&place) {
                waiting.unit = old.unit;
            }
        }
        inner.order += 1;
        let place = (priority, inner.order);
        inner.places.insert(identity, place);
        inner.waiting.insert(place, waiting);
        drop(inner);
        self.added.notify_waiters();
        self.added.notify_one();
    }

    /// Takes the most urgent unit whose subject is free and to which `decide` agrees.
    pub(super) fn take<T>(
        &self,
        now: DateTime<Utc>,
        subject: impl Fn(&Unit) -> Subject,
        mut decide: impl FnMut(&Unit, Priority) -> Verdict<T>,
    ) -> Found<T> {
        let mut inner = lock(&self.inner);
        let mut next: Option<DateTime<Utc>> = None;
        let mut later = |at: DateTime<Utc>| next = Some(next.map_or(at, |n: DateTime<Utc>| n.min(at)));
        let mut dropped = Vec::new();
        let mut found = None;
        for (place, waiting) in &inner.waiting {
            if waiting.not_before > now {
                later(waiting.not_before);
                continue;
            }
            let subject = subject(&waiting.unit);
            if inner.claimed.contains(&subject) {
                continue;
            }
            match decide(&waiting.unit, place.0) {
                Verdict::Take(with) => {
                    found = Some((*place, subject, with));
                    break;
                }
                Verdict::Later(at) => later(at),
                Verdict::Skip => {}
                Verdict::Drop => dropped.push(*place),
            }
        }
        for place in dropped {
            inner.remove(place);
        }
        let Some((place, subject, with)) = found else { return Found::Nothing(next) };
        let Some(waiting) = inner.remove(place) else { return Found::Nothing(next) };
        inner.claimed.insert(subject.clone());
        let claim = Claim { inner: Arc::clone(&self.inner), added: Arc::clone(&self.added), subject };
        Found::Unit(Taken { unit: waiting.unit, priority: place.0, failures: waiting.failures, claim }, with)
    }

    /// Claims a subject for work that is not a unit; `None` when somebody works on it.
    pub(super) fn claim(&self, subject: Subject) -> Option<Claim> {
        let claimed = lock(&self.inner).claimed.insert(subject.clone());
        claimed.then(|| Claim { inner: Arc::clone(&self.inner), added: Arc::clone(&self.added), subject })
    }

    /// Whether a unit of some kind waits or is being done.
    pub(super) fn has(&self, kind: impl Fn(&Unit) -> bool) -> bool {
        lock(&self.inner).waiting.values().any(|w| kind(&w.unit))
    }

    /// How many units wait, and how many subjects are being worked on.
    pub(super) fn len(&self) -> (usize, usize) {
        let inner = lock(&self.inner);
        (inner.waiting.len(), inner.claimed.len())
    }

    /// Returns when a unit was added or a subject became free.
    pub(super) async fn moved(&self) {
        self.added.notified().await;
    }
}

impl Inner {
    fn remove(&mut self, place: (Priority, u64)) -> Option<Waiting> {
        let waiting = self.waiting.remove(&place)?;
        self.places.remove(&waiting.unit.identity());
        Some(waiting)
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        lock(&self.inner).claimed.remove(&self.subject);
        self.added.notify_waiters();
        self.added.notify_one();
    }
}

fn lock(inner: &Mutex<Inner>) -> MutexGuard<'_, Inner> {
    inner.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: DateTime<Utc> = DateTime::UNIX_EPOCH;

    fn history(n: i64) -> Unit {
        Unit::History { peer: PeerId::channel(n) }
    }

    fn subject(unit: &Unit) -> Subject {
        match unit {
            Unit::Events { peer } | Unit::History { peer } => Subject::Channel(*peer),
            Unit::Walk { account, .. } => Subject::Dialogs(account.clone()),
            Unit::Start { account } | Unit::AccountEvents { account } => Subject::Account(account.clone()),
        }
    }

    fn take(queue: &Queue) -> Option<Taken> {
        match queue.take(NOW, subject, |_, _| Verdict::Take(())) {
            Found::Unit(taken, ()) => Some(taken),
            Found::Nothing(_) => None,
        }
    }

    #[test]
    fn what_is_live_comes_before_the_past_and_the_same_work_waits_once() {
        let queue = Queue::default();
        queue.add(history(1), Priority::Backfill);
        queue.add(history(2), Priority::Backfill);
        queue.add(Unit::Events { peer: PeerId::channel(3) }, Priority::Live);
        queue.add(history(2), Priority::Fresh);
        queue.add(history(2), Priority::Backfill);
        let order: Vec<Taken> = std::iter::from_fn(|| take(&queue)).collect();
        let units: Vec<&Unit> = order.iter().map(|t| &t.unit).collect();
        assert_eq!(units, [&Unit::Events { peer: PeerId::channel(3) }, &history(2), &history(1)]);
    }

    #[test]
    fn a_peer_is_worked_on_by_one_at_a_time() {
        let queue = Queue::default();
        queue.add(history(1), Priority::Backfill);
        queue.add(Unit::Events { peer: PeerId::channel(1) }, Priority::Backfill);
        let first = take(&queue).unwrap();
        assert!(take(&queue).is_none());
        assert!(queue.claim(Subject::Channel(PeerId::channel(1))).is_none());
        drop(first);
        assert!(take(&queue).is_some());
    }

    #[test]
    fn a_unit_that_must_wait_does_not_hold_up_the_next() {
        let queue = Queue::default();
        queue.put_back(history(1), Priority::Live, 1, NOW + chrono::Duration::seconds(5));
        queue.add(history(2), Priority::Backfill);
        assert_eq!(take(&queue).unwrap().unit, history(2));
        let Found::Nothing(Some(at)) = queue.take(NOW, subject, |_, _| Verdict::Take(())) else { panic!() };
        assert_eq!(at, NOW + chrono::Duration::seconds(5));
    }
}
