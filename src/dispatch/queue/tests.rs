//! The queue on its own: order, deduplication, locks, lanes.

use futures_util::future::BoxFuture;

use super::super::task::{Assignment, TaskError};
use super::*;
use crate::model::PeerId;

const NOW: DateTime<Utc> = DateTime::UNIX_EPOCH;

/// A task that is only looked at.
#[derive(Debug, PartialEq, Eq)]
struct Asked {
    kind: &'static str,
    peer: PeerId,
    mode: ClaimMode,
}

impl Task for Asked {
    fn key(&self) -> TaskKey {
        TaskKey::new(self.kind, Assignee::ReaderOf(self.peer.into()))
    }

    fn kind(&self) -> &'static str {
        self.kind
    }

    fn method(&self) -> &'static str {
        self.kind
    }

    fn placement(&self) -> anyhow::Result<Placement> {
        Ok(placed(self, &["alpha", "bravo"]))
    }

    fn run(self: Arc<Self>, _: Assignment) -> BoxFuture<'static, Result<(), TaskError>> {
        Box::pin(async { Ok(()) })
    }

    fn refused(&self, _: &AccountName, _: &str) -> anyhow::Result<()> {
        Ok(())
    }
}

fn history(n: i64) -> Asked {
    Asked { kind: "history", peer: PeerId::channel(n), mode: ClaimMode::Shared }
}

fn events(n: i64) -> Asked {
    Asked { kind: "events", peer: PeerId::channel(n), mode: ClaimMode::Exclusive }
}

fn placed(task: &Asked, candidates: &[&str]) -> Placement {
    Placement { lock: lock_of(task.peer), mode: task.mode, candidates: names(candidates) }
}

fn lock_of(peer: PeerId) -> LockKey {
    LockKey::of_peer("messages", peer)
}

fn names(names: &[&str]) -> Vec<AccountName> {
    names.iter().map(|n| n.parse().unwrap()).collect()
}

fn add(queue: &Queue, task: Asked, priority: Priority) {
    add_for(queue, task, priority, &["alpha", "bravo"]);
}

fn add_for(queue: &Queue, task: Asked, priority: Priority, candidates: &[&str]) {
    let placement = placed(&task, candidates);
    queue.add(Arc::new(task), priority, placement, 0, NOW);
}

fn add_later(queue: &Queue, task: Asked, priority: Priority, failures: u32, not_before: DateTime<Utc>) {
    let placement = placed(&task, &["alpha"]);
    queue.add(Arc::new(task), priority, placement, failures, not_before);
}

fn take(queue: &Queue) -> Option<Taken> {
    match queue.take(NOW, |_, _, _| Verdict::Take(())) {
        Found::Task(taken, ()) => Some(taken),
        Found::Nothing(_) => None,
    }
}

#[test]
fn a_task_that_waits_twice_waits_once_with_the_candidates_of_both_and_the_higher_priority() {
    let queue = Queue::default();
    add_for(&queue, history(1), Priority::Fresh, &["alpha"]);
    add_for(&queue, history(1), Priority::Backfill, &["bravo"]);
    add_for(&queue, history(2), Priority::Fresh, &["alpha"]);
    add_for(&queue, history(2), Priority::Live, &["bravo"]);
    let mut seen = Vec::new();
    while let Found::Task(taken, ()) = queue.take(NOW, |who, _, priority| {
        seen.push((who.len(), priority));
        Verdict::Take(())
    }) {
        drop(taken);
    }
    assert_eq!(seen, [(2, Priority::Live), (2, Priority::Fresh)]);
    assert!(lock(&queue.inner).lanes.is_empty());
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
    let keys: Vec<TaskKey> = order.iter().map(|t| t.task.key()).collect();
    assert_eq!(keys, [events(3), history(2), history(1)].map(|task| task.key()));
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
    let beside = queue.claim(lock_of(PeerId::channel(1)));
    assert!(beside.as_ref().is_some_and(Claim::is_shared));
    drop(beside);
    assert!(take(&queue).is_none(), "the reader's own claim stands");
    drop(reading);
    let asking = take(&queue).unwrap();
    assert!(queue.claim(lock_of(PeerId::channel(1))).is_none());
    drop(asking);
    assert!(queue.claim(lock_of(PeerId::channel(1))).is_some());
}

#[test]
fn a_unit_that_must_wait_does_not_hold_up_the_next() {
    let queue = Queue::default();
    add_later(&queue, history(1), Priority::Live, 1, NOW + chrono::Duration::seconds(5));
    add(&queue, history(2), Priority::Backfill);
    assert_eq!(take(&queue).unwrap().task.key(), history(2).key());
    let Found::Nothing(Some(at)) = queue.take(NOW, |_, _, _| Verdict::Take(())) else { panic!() };
    assert_eq!(at, NOW + chrono::Duration::seconds(5));
    assert!(matches!(queue.take(at, |_, _, _| Verdict::Take(())), Found::Task(..)));
}

#[test]
fn what_waits_is_expected_at_its_time_unless_it_fails_again_and_again() {
    let queue = Queue::default();
    let expected = |queue: &Queue| queue.expected_at(&events(1).key());
    assert_eq!(expected(&queue), None);
    let soon = NOW + chrono::Duration::seconds(5);
    add_later(&queue, events(1), Priority::Fresh, 1, soon);
    assert_eq!(expected(&queue), Some(soon));
    let Found::Task(taken, ()) = queue.take(soon, |_, _, _| Verdict::Take(())) else { panic!() };
    assert_eq!(expected(&queue), None, "it is being done");
    drop(taken);
    add_later(&queue, events(1), Priority::Fresh, FAILURES_MAX, soon);
    assert_eq!(expected(&queue), None);
}

#[test]
fn an_account_that_lost_a_peer_is_no_candidate_and_without_any_the_work_is_dropped() {
    let queue = Queue::default();
    let [alpha, bravo] = ["alpha", "bravo"].map(|n| n.parse::<AccountName>().unwrap());
    add(&queue, history(1), Priority::Backfill);
    queue.withdraw(&alpha, PeerId::channel(1).into());
    let Found::Task(taken, ()) = queue.take(NOW, |who, _, _| {
        assert_eq!(who, std::slice::from_ref(&bravo));
        Verdict::Take(())
    }) else {
        panic!()
    };
    drop(taken);
    add(&queue, history(2), Priority::Backfill);
    queue.withdraw(&alpha, PeerId::channel(2).into());
    queue.withdraw(&bravo, PeerId::channel(2).into());
    assert!(take(&queue).is_none());
    add(&queue, history(3), Priority::Backfill);
    assert!(matches!(queue.take(NOW, |_, _, _| Verdict::<()>::Drop), Found::Nothing(Some(_))));
    assert_eq!(queue.len(), (0, 0));
}

#[test]
fn a_lane_that_is_parked_holds_up_no_other() {
    let queue = Queue::default();
    for n in 0..1_000 {
        add_for(&queue, history(n), Priority::Backfill, &["alpha"]);
    }
    add(&queue, events(5_000), Priority::Backfill);
    let mut looks = 0;
    let found = queue.take(NOW, |_, method, _| {
        looks += 1;
        if method == "history" { Verdict::Later(NOW) } else { Verdict::Take(()) }
    });
    assert!(matches!(found, Found::Task(Taken { task, .. }, ()) if task.key() == events(5_000).key()));
    assert!(looks <= 3, "{looks}");
}

#[test]
fn a_retry_that_meets_the_same_work_keeps_its_failures_and_its_wait() {
    let queue = Queue::default();
    let later = NOW + chrono::TimeDelta::seconds(8);
    add(&queue, history(1), Priority::Fresh);
    add_later(&queue, history(1), Priority::Fresh, 3, later);
    assert_eq!(queue.expected_at(&history(1).key()), Some(later));
    add(&queue, history(1), Priority::Fresh);
    assert_eq!(queue.expected_at(&history(1).key()), Some(later), "nor does the same work end it");
    add_later(&queue, history(1), Priority::Fresh, FAILURES_MAX, later);
    assert_eq!(queue.expected_at(&history(1).key()), None, "it is an outage");
    // What is more urgent than a retry is tried at once.
    add(&queue, history(1), Priority::Live);
    assert_eq!(queue.expected_at(&history(1).key()), Some(NOW));
}

#[test]
fn a_clock_that_is_set_back_by_a_day_stops_no_retry_for_a_day() {
    let queue = Queue::default();
    let task = Arc::new(events(1));
    let placement = Placement { lock: lock_of(PeerId::channel(1)), mode: ClaimMode::Exclusive, candidates: names(&["alpha"]) };
    queue.add(task, Priority::Fresh, placement, 1, NOW + TimeDelta::seconds(60));
    let day = TimeDelta::days(1);
    let at = |now| queue.take(now, |_, _, _| Verdict::Take(()));
    assert!(matches!(at(NOW - day + TimeDelta::seconds(61)), Found::Nothing(Some(_))));
    queue.shift_back(day);
    assert!(matches!(at(NOW - day + TimeDelta::seconds(59)), Found::Nothing(Some(_))));
    assert!(matches!(at(NOW - day + TimeDelta::seconds(61)), Found::Task(..)));
}
