//! The backlog: the queue, and the accounts that may run what is in it.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use tokio::sync::Notify;

use super::queue::{Found, Queue, Verdict};
use super::task::{Priority, Task};
use crate::accounts::{Lease, LeaseOutcome, Pool};
use crate::model::Clock;
use crate::telegram::Clients;

/// What the workers share with those who add tasks.
#[derive(Debug)]
pub(super) struct Backlog {
    pub(super) queue: Queue,
    pub(super) pool: Arc<Pool>,
    pub(super) clients: Arc<Clients>,
    pub(super) clock: Arc<dyn Clock>,
    /// Told when a task is put off.
    pub(super) put_off: Notify,
    pub(super) gate: Gate,
}

/// Whether anything may be run at present: what is asked for must be of use.
pub(super) struct Gate(Box<dyn Fn() -> bool + Send + Sync>);

impl Gate {
    pub(super) fn is_open(&self) -> bool {
        (self.0)()
    }
}

impl std::fmt::Debug for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Gate").field(&self.is_open()).finish()
    }
}

impl Backlog {
    pub(super) fn new(
        pool: Arc<Pool>,
        clients: Arc<Clients>,
        clock: Arc<dyn Clock>,
        is_open: impl Fn() -> bool + Send + Sync + 'static,
    ) -> Self {
        Self { queue: Queue::default(), pool, clients, clock, put_off: Notify::new(), gate: Gate(Box::new(is_open)) }
    }

    /// Adds a task that got no answer so often.
    pub(super) fn add(&self, task: Arc<dyn Task>, priority: Priority, failures: u32, not_before: DateTime<Utc>) {
        match task.placement() {
            Ok(placement) => self.queue.add(task, priority, placement, failures, not_before),
            Err(error) => tracing::error!("{error:#}; the next walk through the dialogs retries"),
        }
    }

    /// Takes the task whose turn it is, with a lease of an account that may run it.
    pub(super) fn take(&self) -> Found<Lease> {
        self.queue.take(self.clock.now(), |candidates, method, priority| {
            match self.pool.lease(candidates, method, priority.urgency()) {
                LeaseOutcome::Granted(lease) => Verdict::Take(lease),
                LeaseOutcome::NotBefore(at) => Verdict::Later(at),
                LeaseOutcome::Busy => Verdict::Skip,
                LeaseOutcome::NoCandidate => Verdict::Drop,
            }
        })
    }
}
