//! A priority queue: tasks by priority, each key at most once (deduplication), none whose lock is held.
//!
//! Tens of thousands of tasks may wait while one account after the other becomes free, so nothing here looks at all of them: they are
//! kept in lanes, one for each (account, method) that could run them, and only the first of each lane is looked at.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::Notify;

use super::task::{Assignee, ClaimMode, LockKey, Placement, Priority, Task, TaskKey};
use crate::model::{AccountName, ChatId};

/// How often a task may get no answer and still be counted on: three retries take some four seconds, and what fails longer is an outage.
pub const FAILURES_MAX: u32 = 4;

/// When a task was added, so that those of equal priority take turns (first in, first out).
type TurnOrder = u64;
/// Who could run a task, with which method.
type Lane = (AccountName, &'static str);

#[derive(Debug)]
struct Waiting {
    task: Arc<dyn Task>,
    priority: Priority,
    order: TurnOrder,
    placement: Placement,
    failures: u32,
    not_before: DateTime<Utc>,
}

impl Waiting {
    fn lanes(&self) -> impl Iterator<Item = Lane> + '_ {
        let method = self.task.method();
        self.placement.candidates.iter().map(move |account| (*account, method))
    }
}

#[derive(Debug)]
struct Running {
    task: Arc<dyn Task>,
    priority: Priority,
    candidates: Vec<AccountName>,
    failures: u32,
}

/// Invariant: each key of `tasks` is in `sleeping` or in each of its task's lanes, never in both; `running` holds only claimed locks.
#[derive(Debug, Default)]
struct Inner {
    /// By assignee first, so that all tasks about one peer stand together.
    tasks: BTreeMap<TaskKey, Waiting>,
    lanes: BTreeMap<Lane, BTreeMap<(Priority, TurnOrder), TaskKey>>,
    sleeping: BTreeMap<(DateTime<Utc>, TurnOrder), TaskKey>,
    claimed: HashMap<LockKey, ClaimMode>,
    /// The task that holds each lock: a job runs until its last answer is archived.
    running: HashMap<LockKey, Running>,
    order: TurnOrder,
}

/// A task that waits or runs, to look at.
#[derive(Debug)]
pub struct Pending<'a> {
    /// The task.
    pub task: &'a dyn Task,
    /// Its priority.
    pub priority: Priority,
    /// The accounts that could run it.
    pub candidates: &'a [AccountName],
    /// How often it got no answer.
    pub failures: u32,
}

/// The tasks that wait or run.
#[derive(Debug, Default)]
pub(super) struct Queue {
    inner: Arc<Mutex<Inner>>,
    changed: Arc<Notify>,
}

/// A task that was taken, and the claim on its lock.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) task: Arc<dyn Task>,
    pub(super) priority: Priority,
    pub(super) failures: u32,
    pub(super) claim: Claim,
}

/// A lock that is held; released when dropped.
#[derive(Debug)]
#[must_use = "a claim that is dropped at once holds nothing"]
pub struct Claim {
    inner: Arc<Mutex<Inner>>,
    changed: Arc<Notify>,
    /// `None` where it is shared with a running task, which holds the lock.
    lock: Option<LockKey>,
}

/// What [`Queue::take`] found.
#[derive(Debug)]
pub(super) enum Found<T> {
    /// A task whose turn it is, and what it may use.
    Task(Taken, T),
    /// Nothing now; something at this time at the latest, unless the queue or the pool changes before.
    Nothing(Option<DateTime<Utc>>),
}

/// What the caller says to a task that could be taken.
#[derive(Debug)]
pub(super) enum Verdict<T> {
    /// Take it.
    Take(T),
    /// Not before this time.
    Later(DateTime<Utc>),
    /// Not until something changes.
    Skip,
    /// Nobody can run it: drop it.
    Drop,
}

impl Queue {
    /// Adds a task that some accounts could run. Where an equal one waits, it is the one that stays: its candidates are those of both, and
    /// its priority the higher of the two; where that is the new one's, so is the time. A retry brings its failures with it, and waits. Without candidates there is nothing to wait for.
    pub(super) fn add(
        &self,
        task: Arc<dyn Task>,
        priority: Priority,
        placement: Placement,
        failures: u32,
        not_before: DateTime<Utc>,
    ) {
        if placement.candidates.is_empty() {
            return;
        }
        let mut inner = lock(&self.inner);
        let key = task.key();
        let mut waiting = Waiting { task, priority, order: 0, placement, failures, not_before };
        if let Some(old) = inner.tasks.get(&key) {
            let candidates = &waiting.placement.candidates;
            let is_known = old.priority <= priority && candidates.iter().all(|name| old.placement.candidates.contains(name));
            if is_known && failures <= old.failures {
                return;
            }
            if let Some(old) = inner.remove(&key) {
                waiting = old.merged_with(waiting);
            }
        }
        if waiting.order == 0 {
            inner.order += 1;
            waiting.order = inner.order;
        }
        inner.insert(key, waiting);
        drop(inner);
        self.changed.notify_one();
    }

    /// Takes the task with the highest priority whose lock is free and to which `decide` agrees.
    pub(super) fn take<T>(
        &self,
        now: DateTime<Utc>,
        mut decide: impl FnMut(&[AccountName], &'static str, Priority) -> Verdict<T>,
    ) -> Found<T> {
        let mut inner = lock(&self.inner);
        inner.wake(now);
        let mut next = inner.sleeping.first_key_value().map(|((at, _), _)| *at);
        let mut heads: Vec<((Priority, TurnOrder), TaskKey)> =
            inner.lanes.values().filter_map(|lane| inner.first_free(lane)).collect();
        heads.sort_unstable_by_key(|(place, _)| *place);
        heads.dedup_by_key(|(place, _)| *place);
        let mut lost = HashSet::new();
        let mut found = None;
        for (_, key) in heads {
            let Some(waiting) = inner.tasks.get(&key) else { continue };
            match decide(&waiting.placement.candidates, waiting.task.method(), waiting.priority) {
                Verdict::Take(with) => {
                    found = Some((key, with));
                    break;
                }
                Verdict::Later(at) => next = Some(next.map_or(at, |n| n.min(at))),
                Verdict::Skip => {}
                // A later walk adds it again when somebody can.
                Verdict::Drop => drop(lost.insert(key)),
            }
        }
        let dropped = !lost.is_empty();
        for key in lost {
            inner.remove(&key);
        }
        let taken = found.and_then(|(key, with)| Some((inner.remove(&key)?, with)));
        let Some((waiting, with)) = taken else {
            // What stood behind a dropped task has not been looked at yet.
            return Found::Nothing(if dropped { Some(now) } else { next });
        };
        let Waiting { task, priority, failures, placement: Placement { lock, mode, candidates }, .. } = waiting;
        inner.claimed.insert(lock.clone(), mode);
        inner.running.insert(lock.clone(), Running { task: Arc::clone(&task), priority, candidates, failures });
        let claim = Claim { inner: Arc::clone(&self.inner), changed: Arc::clone(&self.changed), lock: Some(lock) };
        Found::Task(Taken { task, priority, failures, claim }, with)
    }

    pub(super) fn claim(&self, key: LockKey) -> Option<Claim> {
        let mut inner = lock(&self.inner);
        let lock = match inner.claimed.get(&key) {
            Some(ClaimMode::Exclusive) => return None,
            Some(ClaimMode::Shared) => None,
            None => {
                inner.claimed.insert(key.clone(), ClaimMode::Exclusive);
                Some(key)
            }
        };
        Some(Claim { inner: Arc::clone(&self.inner), changed: Arc::clone(&self.changed), lock })
    }

    pub(super) fn withdraw(&self, account: &AccountName, chat: ChatId) {
        let mut inner = lock(&self.inner);
        let first = TaskKey::new("", Assignee::ReaderOf(chat));
        let about_peer =
            inner.tasks.range(first..).map(|(key, _)| key).take_while(|key| key.assignee == Assignee::ReaderOf(chat));
        for key in about_peer.cloned().collect::<Vec<_>>() {
            let Some(mut waiting) = inner.remove(&key) else { continue };
            waiting.placement.candidates.retain(|candidate| candidate != account);
            if !waiting.placement.candidates.is_empty() {
                inner.insert(key, waiting);
            }
        }
    }

    /// The clock was set back by so much: what waits does so no longer than it would have.
    pub(super) fn shift_back(&self, by: TimeDelta) {
        let mut inner = lock(&self.inner);
        let inner = &mut *inner;
        for waiting in inner.tasks.values_mut().filter(|waiting| waiting.not_before > DateTime::UNIX_EPOCH) {
            waiting.not_before = waiting.not_before.checked_sub_signed(by).unwrap_or(DateTime::UNIX_EPOCH);
        }
        let sleeping = std::mem::take(&mut inner.sleeping);
        for ((_, order), key) in sleeping {
            let Some(waiting) = inner.tasks.get(&key) else { continue };
            inner.sleeping.insert((waiting.not_before, order), key);
        }
    }

    pub(super) fn expected_at(&self, key: &TaskKey) -> Option<DateTime<Utc>> {
        let inner = lock(&self.inner);
        let waiting = inner.tasks.get(key).filter(|w| w.failures < FAILURES_MAX)?;
        Some(waiting.not_before)
    }

    pub(super) fn each(&self, mut look: impl FnMut(Pending<'_>)) {
        let inner = lock(&self.inner);
        for Waiting { task, priority, placement, failures, .. } in inner.tasks.values() {
            let candidates = &placement.candidates;
            look(Pending { task: task.as_ref(), priority: *priority, candidates, failures: *failures });
        }
        for Running { task, priority, candidates, failures } in inner.running.values() {
            look(Pending { task: task.as_ref(), priority: *priority, candidates, failures: *failures });
        }
    }

    pub(super) fn depths(&self) -> BTreeMap<Priority, usize> {
        let mut depths = BTreeMap::from(Priority::ALL.map(|priority| (priority, 0)));
        for waiting in lock(&self.inner).tasks.values() {
            *depths.entry(waiting.priority).or_default() += 1;
        }
        depths
    }

    pub(super) fn len(&self) -> (usize, usize) {
        let inner = lock(&self.inner);
        (inner.tasks.len(), inner.claimed.len())
    }

    /// Returns when a task was added or a lock was released; for one caller.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }
}

impl Waiting {
    /// One that waits already, and an equal one that is added.
    fn merged_with(self, added: Self) -> Self {
        let mut merged = self;
        // What is locked was looked up later.
        let known = std::mem::replace(&mut merged.placement, added.placement).candidates;
        for name in known {
            if !merged.placement.candidates.contains(&name) {
                merged.placement.candidates.push(name);
            }
        }
        if added.priority < merged.priority {
            // It knows better where it is; only its priority changes.
            merged.priority = added.priority;
            (merged.failures, merged.not_before, merged.order) = (added.failures, added.not_before, 0);
        } else if added.failures > merged.failures {
            // A retry that was overtaken by the same work: that nobody answers is no less true.
            (merged.failures, merged.not_before) = (added.failures, merged.not_before.max(added.not_before));
        }
        merged
    }
}

impl Inner {
    fn insert(&mut self, key: TaskKey, waiting: Waiting) {
        if waiting.not_before > DateTime::UNIX_EPOCH {
            self.sleeping.insert((waiting.not_before, waiting.order), key.clone());
        } else {
            self.line_up(&key, &waiting);
        }
        self.tasks.insert(key, waiting);
    }

    fn line_up(&mut self, key: &TaskKey, waiting: &Waiting) {
        for lane in waiting.lanes() {
            self.lanes.entry(lane).or_default().insert((waiting.priority, waiting.order), key.clone());
        }
    }

    fn first_free(&self, lane: &BTreeMap<(Priority, TurnOrder), TaskKey>) -> Option<((Priority, TurnOrder), TaskKey)> {
        let free = |key: &TaskKey| self.tasks.get(key).is_some_and(|w| !self.claimed.contains_key(&w.placement.lock));
        lane.iter().find(|(_, key)| free(key)).map(|(place, key)| (*place, key.clone()))
    }

    fn wake(&mut self, now: DateTime<Utc>) {
        while let Some(entry) = self.sleeping.first_entry() {
            if entry.key().0 > now {
                break;
            }
            let key = entry.remove();
            if let Some(mut waiting) = self.tasks.remove(&key) {
                waiting.not_before = DateTime::UNIX_EPOCH;
                self.insert(key, waiting);
            }
        }
    }

    fn remove(&mut self, key: &TaskKey) -> Option<Waiting> {
        let waiting = self.tasks.remove(key)?;
        self.sleeping.remove(&(waiting.not_before, waiting.order));
        for lane in waiting.lanes() {
            if let Some(tasks) = self.lanes.get_mut(&lane) {
                tasks.remove(&(waiting.priority, waiting.order));
                if tasks.is_empty() {
                    self.lanes.remove(&lane);
                }
            }
        }
        Some(waiting)
    }
}

impl Claim {
    /// Whether a task holds it too, whose answer may be older than what is done under this claim.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.lock.is_none()
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if let Some(key) = &self.lock {
            let mut inner = lock(&self.inner);
            inner.claimed.remove(key);
            inner.running.remove(key);
            drop(inner);
            self.changed.notify_one();
        }
    }
}

fn lock(inner: &Mutex<Inner>) -> MutexGuard<'_, Inner> {
    inner.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
