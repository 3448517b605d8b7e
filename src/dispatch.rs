//! Dispatch: a priority queue of tasks, and the workers that run them. A task is one request to Telegram.
//!
//! What is to be asked is made a [`Task`] and added ([`Dispatch::add`]). One dispatcher takes the task with the highest priority for which
//! an account is free, leases that account from the pool, and hands both to a worker. Dispatch knows no kind of task: crawling and
//! downloading are files elsewhere that implement the trait.
//!
//! # Guarantees
//! - Tasks with equal keys wait once (deduplication): the second merges its candidates into the first, and the higher priority is kept.
//! - Two tasks never hold the same [`LockKey`] at a time (mutual exclusion).
//! - Rate limits are kept before a request is spent; a task that meets one, or gets no answer, is retried, with exponential backoff where
//!   Telegram names no time. What waits holds up nothing else: tasks wait in lanes, one for each (account, method).
//! - Nothing here is durable. What is left to do after a restart is planned anew from the archive.

mod backlog;
mod queue;
mod task;
mod worker;

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::accounts::Pool;
use crate::lifecycle::Lifecycle;
use crate::model::{AccountName, ChatId, Clock};
use crate::telegram::Clients;
use backlog::Backlog;

pub use queue::{Claim, FAILURES_MAX, Pending};
pub use task::{Assignee, Assignment, ClaimMode, LockKey, Placement, Priority, Task, TaskError, TaskKey};

/// The tasks that wait or run, and the accounts that may run them.
#[derive(Debug)]
pub struct Dispatch {
    backlog: Arc<Backlog>,
}

impl Dispatch {
    /// An empty queue; nothing runs before [`Dispatch::start`], nor while `is_open` says no: then what a task brings could not be kept. It
    /// is asked before each task, and every few seconds.
    #[must_use]
    pub fn new(
        pool: Arc<Pool>,
        clients: Arc<Clients>,
        clock: Arc<dyn Clock>,
        is_open: impl Fn() -> bool + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self { backlog: Arc::new(Backlog::new(pool, clients, clock, is_open)) })
    }

    /// Starts the dispatcher and so many workers, which are called by this name and a number. When they end, the last user of the clients
    /// closes the connections.
    pub fn start(&self, name: &str, workers: usize, lifecycle: &Lifecycle) {
        worker::start(&self.backlog, name, workers, lifecycle);
    }

    /// Adds a task. Without anybody who could do it, it is dropped: a later walk plans it again.
    pub fn add(&self, task: Arc<dyn Task>, priority: Priority) {
        self.backlog.add(task, priority, 0, DateTime::UNIX_EPOCH);
    }

    /// The same, not to be run before a time.
    pub fn add_not_before(&self, task: Arc<dyn Task>, priority: Priority, not_before: DateTime<Utc>) {
        self.backlog.add(task, priority, 0, not_before);
    }

    /// Claims a lock for what Telegram pushed; `None` when a task holds it exclusively: its answer could be older and not say so.
    #[must_use]
    pub fn claim(&self, key: LockKey) -> Option<Claim> {
        self.backlog.queue.claim(key)
    }

    /// Takes an account out of the candidates for a chat's tasks: it cannot read the chat any more.
    pub fn withdraw(&self, account: &AccountName, chat: ChatId) {
        self.backlog.queue.withdraw(account, chat);
    }

    /// Before when a task that waits will not run: a time that has passed where it only waits for an account. `None` when no such task
    /// waits, or when it got no answer so often that nobody should count on it.
    #[must_use]
    pub fn expected_at(&self, key: &TaskKey) -> Option<DateTime<Utc>> {
        self.backlog.queue.expected_at(key)
    }

    /// Shows every task that waits or runs, under the queue's lock.
    pub fn each(&self, look: impl FnMut(Pending<'_>)) {
        self.backlog.queue.each(look);
    }

    /// How many tasks wait, and how many locks are held.
    #[must_use]
    pub fn len(&self) -> (usize, usize) {
        self.backlog.queue.len()
    }

    /// How many tasks of each priority wait: the queue depth. Looks at every one of them.
    #[must_use]
    pub fn depths(&self) -> BTreeMap<Priority, usize> {
        self.backlog.queue.depths()
    }

    /// Whether nothing waits and nothing runs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == (0, 0)
    }

    /// Returns when a task was put off since the last call: its account must wait, is lost, or gave no answer. For one caller.
    pub async fn put_off(&self) {
        self.backlog.put_off.notified().await;
    }
}
