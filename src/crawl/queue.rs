//! What is to be done next: units by urgency, each at most once, none on a subject that is being worked on.
//!
//! Tens of thousands of units may wait while one account after the other becomes free, so nothing here looks at all of them: they are
//! kept in lanes, one for each (account, method) that could do them, and only the first of each lane is looked at.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use tokio::sync::Notify;

use super::unit::{Identity, Priority, Subject, Unit};
use crate::model::{AccountName, PeerId};

/// How often a unit may get no answer and still be counted on: three retries take some four seconds, and what fails longer is an outage.
pub(super) const FAILURES_MAX: u32 = 4;

/// When a unit was added, so that equally urgent ones take turns.
type Order = u64;
/// Who could do a unit, with which method.
type Lane = (AccountName, &'static str);

#[derive(Debug)]
struct Waiting {
    unit: Unit,
    priority: Priority,
    order: Order,
    subject: Subject,
    candidates: Vec<AccountName>,
    failures: u32,
    not_before: DateTime<Utc>,
}

impl Waiting {
    fn lanes(&self) -> impl Iterator<Item = Lane> + '_ {
        let method = self.unit.method();
        self.candidates.iter().map(move |account| (account.clone(), method))
    }
}

/// What is done with a subject at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Work {
    /// Something whose answer could contradict a pushed event.
    Exclusive,
    /// A page of history: it states its own time, so that a later event stands beside it.
    Reading,
}

#[derive(Debug, Default)]
struct Inner {
    units: HashMap<Identity, Waiting>,
    lanes: BTreeMap<Lane, BTreeMap<(Priority, Order), Identity>>,
    sleeping: BTreeMap<(DateTime<Utc>, Order), Identity>,
    claimed: HashMap<Subject, Work>,
    /// What is being done: a job runs until its last answer is archived.
    working: HashMap<Subject, Working>,
    order: Order,
}

#[derive(Debug)]
struct Working {
    unit: Unit,
    priority: Priority,
    candidates: Vec<AccountName>,
    failures: u32,
}

/// A unit that waits, or is being worked on, to look at.
#[derive(Debug)]
pub(super) struct Pending<'a> {
    pub(super) unit: &'a Unit,
    pub(super) priority: Priority,
    pub(super) candidates: &'a [AccountName],
    /// How often it got no answer.
    pub(super) failures: u32,
}

/// The units that wait.
#[derive(Debug, Default)]
pub(super) struct Queue {
    inner: Arc<Mutex<Inner>>,
    moved: Arc<Notify>,
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
    moved: Arc<Notify>,
    /// `None` beside a reader, whose claim it is.
    subject: Option<Subject>,
}

/// What [`Queue::take`] found.
#[derive(Debug)]
pub(super) enum Found<T> {
    /// A unit whose turn it is, and what it may use.
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
    /// Nobody can do it: drop it.
    Drop,
}

impl Queue {
    /// Adds a unit that some accounts could do; when the same work waits already, it only becomes as urgent as the more urgent of the
    /// two. Without candidates there is nothing to wait for.
    pub(super) fn add(&self, unit: Unit, priority: Priority, subject: Subject, candidates: Vec<AccountName>) {
        self.insert(unit, priority, subject, candidates, 0, DateTime::UNIX_EPOCH);
    }

    /// Puts a unit back that could not be done.
    pub(super) fn put_back(
        &self,
        unit: Unit,
        priority: Priority,
        (subject, candidates): (Subject, Vec<AccountName>),
        failures: u32,
        not_before: DateTime<Utc>,
    ) {
        self.insert(unit, priority, subject, candidates, failures, not_before);
    }

    fn insert(
        &self,
        unit: Unit,
        priority: Priority,
        subject: Subject,
        candidates: Vec<AccountName>,
        failures: u32,
        not_before: DateTime<Utc>,
    ) {
        if candidates.is_empty() {
            return;
        }
        let mut inner = lock(&self.inner);
        let identity = unit.identity();
        let mut waiting = Waiting { unit, priority, order: 0, subject, candidates, failures, not_before };
        if let Some(old) = inner.units.get(&identity) {
            if old.priority <= priority {
                return;
            }
            // The one that waits knows better where it is; only its urgency changes.
            if let Some(old) = inner.remove(&identity) {
                waiting.unit = old.unit;
            }
        }
        inner.order += 1;
        waiting.order = inner.order;
        if waiting.not_before > DateTime::UNIX_EPOCH {
            inner.sleeping.insert((waiting.not_before, waiting.order), identity.clone());
        } else {
            inner.line_up(&identity, &waiting);
        }
        inner.units.insert(identity, waiting);
        drop(inner);
        self.moved.notify_one();
    }

    /// Takes the most urgent unit whose subject is free and to which `decide` agrees.
    pub(super) fn take<T>(
        &self,
        now: DateTime<Utc>,
        mut decide: impl FnMut(&[AccountName], &'static str, Priority) -> Verdict<T>,
    ) -> Found<T> {
        let mut inner = lock(&self.inner);
        inner.wake(now);
        let mut next = inner.sleeping.first_key_value().map(|((at, _), _)| *at);
        let mut heads: Vec<((Priority, Order), Identity)> =
            inner.lanes.values().filter_map(|lane| inner.first_free(lane)).collect();
        heads.sort_unstable_by_key(|(place, _)| *place);
        heads.dedup_by_key(|(place, _)| *place);
        let mut lost = HashSet::new();
        let mut found = None;
        for (_, identity) in heads {
            let Some(waiting) = inner.units.get(&identity) else { continue };
            match decide(&waiting.candidates, waiting.unit.method(), waiting.priority) {
                Verdict::Take(with) => {
                    found = Some((identity, with));
                    break;
                }
                Verdict::Later(at) => next = Some(next.map_or(at, |n| n.min(at))),
                Verdict::Skip => {}
                // A later walk adds it again when somebody can.
                Verdict::Drop => drop(lost.insert(identity)),
            }
        }
        let dropped = !lost.is_empty();
        for identity in lost {
            inner.remove(&identity);
        }
        let taken = found.and_then(|(identity, with)| Some((inner.remove(&identity)?, with)));
        let Some((waiting, with)) = taken else {
            // What stood behind a dropped unit has not been looked at yet.
            return Found::Nothing(if dropped { Some(now) } else { next });
        };
        let Waiting { unit, priority, failures, subject, candidates, .. } = waiting;
        inner.claimed.insert(subject.clone(), unit.work());
        inner.working.insert(subject.clone(), Working { unit: unit.clone(), priority, candidates, failures });
        let claim = Claim { inner: Arc::clone(&self.inner), moved: Arc::clone(&self.moved), subject: Some(subject) };
        Found::Unit(Taken { unit, priority, failures, claim }, with)
    }

    /// Claims a subject for a pushed event; `None` when somebody works on it whose answer could be older than the event and not say so.
    pub(super) fn claim(&self, subject: Subject) -> Option<Claim> {
        let mut inner = lock(&self.inner);
        let subject = match inner.claimed.get(&subject) {
            Some(Work::Exclusive) => return None,
            Some(Work::Reading) => None,
            None => {
                inner.claimed.insert(subject.clone(), Work::Exclusive);
                Some(subject)
            }
        };
        Some(Claim { inner: Arc::clone(&self.inner), moved: Arc::clone(&self.moved), subject })
    }

    /// Takes an account out of the candidates for a peer's units: it cannot read the peer anymore.
    pub(super) fn withdraw(&self, account: &AccountName, peer: PeerId) {
        let mut inner = lock(&self.inner);
        for identity in Identity::of_peer(peer) {
            let Some(mut waiting) = inner.remove(&identity) else { continue };
            waiting.candidates.retain(|candidate| candidate != account);
            if waiting.candidates.is_empty() {
                continue;
            }
            if waiting.not_before > DateTime::UNIX_EPOCH {
                inner.sleeping.insert((waiting.not_before, waiting.order), identity.clone());
            } else {
                inner.line_up(&identity, &waiting);
            }
            inner.units.insert(identity, waiting);
        }
    }

    /// Before when a unit that waits will not be done: a time that has passed where it only waits for an account. `None` when no such unit
    /// waits, or when it got no answer so often that nobody should count on it.
    pub(super) fn expected_at(&self, identity: &Identity) -> Option<DateTime<Utc>> {
        let inner = lock(&self.inner);
        let waiting = inner.units.get(identity).filter(|w| w.failures < FAILURES_MAX)?;
        Some(waiting.not_before)
    }

    /// Shows every unit that waits or is being worked on.
    pub(super) fn each(&self, mut look: impl FnMut(Pending<'_>)) {
        let inner = lock(&self.inner);
        for Waiting { unit, priority, candidates, failures, .. } in inner.units.values() {
            look(Pending { unit, priority: *priority, candidates, failures: *failures });
        }
        for Working { unit, priority, candidates, failures } in inner.working.values() {
            look(Pending { unit, priority: *priority, candidates, failures: *failures });
        }
    }

    /// How many units wait, and how many subjects are being worked on.
    pub(super) fn len(&self) -> (usize, usize) {
        let inner = lock(&self.inner);
        (inner.units.len(), inner.claimed.len())
    }

    /// Returns when a unit was added or a subject became free; for one who waits.
    pub(super) async fn moved(&self) {
        self.moved.notified().await;
    }
}

impl Inner {
    fn line_up(&mut self, identity: &Identity, waiting: &Waiting) {
        for lane in waiting.lanes() {
            self.lanes.entry(lane).or_default().insert((waiting.priority, waiting.order), identity.clone());
        }
    }

    fn first_free(&self, lane: &BTreeMap<(Priority, Order), Identity>) -> Option<((Priority, Order), Identity)> {
        let free = |identity: &Identity| self.units.get(identity).is_some_and(|w| !self.claimed.contains_key(&w.subject));
        lane.iter().find(|(_, identity)| free(identity)).map(|(place, identity)| (*place, identity.clone()))
    }

    fn wake(&mut self, now: DateTime<Utc>) {
        while let Some(entry) = self.sleeping.first_entry() {
            if entry.key().0 > now {
                break;
            }
            let identity = entry.remove();
            if let Some(mut waiting) = self.units.remove(&identity) {
                waiting.not_before = DateTime::UNIX_EPOCH;
                self.line_up(&identity, &waiting);
                self.units.insert(identity, waiting);
            }
        }
    }

    fn remove(&mut self, identity: &Identity) -> Option<Waiting> {
        let waiting = self.units.remove(identity)?;
        self.sleeping.remove(&(waiting.not_before, waiting.order));
        for lane in waiting.lanes() {
            if let Some(units) = self.lanes.get_mut(&lane) {
                units.remove(&(waiting.priority, waiting.order));
                if units.is_empty() {
                    self.lanes.remove(&lane);
                }
            }
        }
        Some(waiting)
    }
}

impl Claim {
    /// Whether a page of history is being read beside it, whose answer may be older than what is done under this claim.
    pub(super) fn is_beside_reader(&self) -> bool {
        self.subject.is_none()
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if let Some(subject) = &self.subject {
            let mut inner = lock(&self.inner);
            inner.claimed.remove(subject);
            inner.working.remove(subject);
            drop(inner);
            self.moved.notify_one();
        }
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

    fn events(n: i64) -> Unit {
        Unit::Events { peer: PeerId::channel(n) }
    }

    fn names(names: &[&str]) -> Vec<AccountName> {
        names.iter().map(|n| n.parse().unwrap()).collect()
    }

    fn add(queue: &Queue, unit: Unit, priority: Priority) {
        let (Unit::History { peer } | Unit::Events { peer }) = unit else { panic!() };
        queue.add(unit, priority, Subject::Channel(peer), names(&["alpha", "bravo"]));
    }

    fn take(queue: &Queue) -> Option<Taken> {
        match queue.take(NOW, |_, _, _| Verdict::Take(())) {
            Found::Unit(taken, ()) => Some(taken),
            Found::Nothing(_) => None,
        }
    }

    #[test]
    fn what_is_live_comes_before_the_past_and_the_same_work_waits_once() {
        let queue = Queue::default();
        add(&queue, history(1), Priority::Backfill);
        add(&queue, history(2), Priority::Backfill);
        add(&queue, events(3), Priority::Live);
        add(&queue, history(2), Priority::Fresh);
        add(&queue, history(2), Priority::Backfill);
        let order: Vec<Taken> = std::iter::from_fn(|| take(&queue)).collect();
        let units: Vec<&Unit> = order.iter().map(|t| &t.unit).collect();
        assert_eq!(units, [&events(3), &history(2), &history(1)]);
        drop(order);
        assert_eq!(queue.len(), (0, 0));
        assert!(lock(&queue.inner).lanes.is_empty());
    }

    #[test]
    fn a_peer_is_worked_on_by_one_at_a_time_but_a_page_of_history_lets_events_pass() {
        let queue = Queue::default();
        add(&queue, history(1), Priority::Live);
        add(&queue, events(1), Priority::Backfill);
        let reading = take(&queue).unwrap();
        assert!(take(&queue).is_none());
        let beside = queue.claim(Subject::Channel(PeerId::channel(1)));
        assert!(beside.as_ref().is_some_and(Claim::is_beside_reader));
        drop(beside);
        assert!(take(&queue).is_none(), "the reader's own claim stands");
        drop(reading);
        let asking = take(&queue).unwrap();
        assert!(queue.claim(Subject::Channel(PeerId::channel(1))).is_none());
        drop(asking);
        assert!(queue.claim(Subject::Channel(PeerId::channel(1))).is_some());
    }

    #[test]
    fn a_unit_that_must_wait_does_not_hold_up_the_next() {
        let queue = Queue::default();
        let place = (Subject::Channel(PeerId::channel(1)), names(&["alpha"]));
        queue.put_back(history(1), Priority::Live, place, 1, NOW + chrono::Duration::seconds(5));
        add(&queue, history(2), Priority::Backfill);
        assert_eq!(take(&queue).unwrap().unit, history(2));
        let Found::Nothing(Some(at)) = queue.take(NOW, |_, _, _| Verdict::Take(())) else { panic!() };
        assert_eq!(at, NOW + chrono::Duration::seconds(5));
        assert!(matches!(queue.take(at, |_, _, _| Verdict::Take(())), Found::Unit(..)));
    }

    #[test]
    fn what_waits_is_expected_at_its_time_unless_it_fails_again_and_again() {
        let queue = Queue::default();
        let place = || (Subject::Channel(PeerId::channel(1)), names(&["alpha"]));
        let expected = |queue: &Queue| queue.expected_at(&Identity::Events(PeerId::channel(1)));
        assert_eq!(expected(&queue), None);
        let soon = NOW + chrono::Duration::seconds(5);
        queue.put_back(events(1), Priority::Fresh, place(), 1, soon);
        assert_eq!(expected(&queue), Some(soon));
        let Found::Unit(taken, ()) = queue.take(soon, |_, _, _| Verdict::Take(())) else { panic!() };
        assert_eq!(expected(&queue), None, "it is being done");
        drop(taken);
        queue.put_back(events(1), Priority::Fresh, place(), FAILURES_MAX, soon);
        assert_eq!(expected(&queue), None);
    }

    #[test]
    fn an_account_that_lost_a_peer_is_no_candidate_and_without_any_the_work_is_dropped() {
        let queue = Queue::default();
        let [alpha, bravo] = ["alpha", "bravo"].map(|n| n.parse::<AccountName>().unwrap());
        add(&queue, history(1), Priority::Backfill);
        queue.withdraw(&alpha, PeerId::channel(1));
        let Found::Unit(taken, ()) = queue.take(NOW, |who, _, _| {
            assert_eq!(who, std::slice::from_ref(&bravo));
            Verdict::Take(())
        }) else {
            panic!()
        };
        drop(taken);
        add(&queue, history(2), Priority::Backfill);
        queue.withdraw(&alpha, PeerId::channel(2));
        queue.withdraw(&bravo, PeerId::channel(2));
        assert!(take(&queue).is_none());
        add(&queue, history(3), Priority::Backfill);
        assert!(matches!(queue.take(NOW, |_, _, _| Verdict::<()>::Drop), Found::Nothing(Some(_))));
        assert_eq!(queue.len(), (0, 0));
    }

    #[test]
    fn a_lane_that_is_parked_holds_up_no_other() {
        let queue = Queue::default();
        for n in 0..1_000 {
            queue.add(history(n), Priority::Backfill, Subject::Channel(PeerId::channel(n)), names(&["alpha"]));
        }
        add(&queue, events(5_000), Priority::Backfill);
        let mut looks = 0;
        let found = queue.take(NOW, |_, method, _| {
            looks += 1;
            if method == history(1).method() { Verdict::Later(NOW) } else { Verdict::Take(()) }
        });
        assert!(matches!(found, Found::Unit(Taken { unit, .. }, ()) if unit == events(5_000)));
        assert!(looks <= 3, "{looks}");
    }
}
