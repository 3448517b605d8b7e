//! Adding and removing watches while the program runs: a queue of what was asked for, and the worker that writes it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::BoxFuture;
use tokio::sync::{Notify, oneshot};

use crate::archive::{Archive, ArchivedWatch};
use crate::http::{WatchKeeper, WatchRefusal};
use crate::lifecycle::{Lifecycle, StepOutcome, Worker};
use crate::model::Clock;
use crate::watches::{self, WantedWatch, WatchError};

/// The bound of the queue: each takes some milliseconds.
const WAITING_MAX: usize = 64;

/// What was asked for and is not done yet.
#[derive(Default)]
pub(super) struct WatchRequests {
    waiting: Mutex<VecDeque<WatchRequest>>,
    requested: Notify,
}

struct WatchRequest {
    wanted: WatchWish,
    answer: oneshot::Sender<Result<ArchivedWatch, WatchError>>,
}

enum WatchWish {
    Add(WantedWatch),
    Remove(String),
}

impl WatchRequests {
    /// Starts the worker; returns where to ask it.
    pub(super) fn start(archive: &Arc<Archive>, clock: &Arc<dyn Clock>, lifecycle: &Lifecycle) -> Arc<Self> {
        let requests = Arc::new(Self::default());
        let (archive, clock, waiting) = (Arc::clone(archive), Arc::clone(clock), Arc::clone(&requests));
        lifecycle.work("watches", move || WatchWriter {
            archive: Arc::clone(&archive),
            clock: Arc::clone(&clock),
            requests: Arc::clone(&waiting),
        });
        requests
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<WatchRequest>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn ask(&self, wanted: WatchWish) -> Result<ArchivedWatch, WatchRefusal> {
        let (answer, answered) = oneshot::channel();
        {
            let mut waiting = self.waiting();
            // Who has gone away wants nothing any more.
            waiting.retain(|request| !request.answer.is_closed());
            if waiting.len() >= WAITING_MAX {
                return Err(WatchRefusal::Busy);
            }
            waiting.push_back(WatchRequest { wanted, answer });
        }
        self.requested.notify_one();
        // The worker has ended, or failed at it.
        Ok(answered.await.map_err(|_| WatchRefusal::NotRunning)??)
    }
}

impl WatchKeeper for WatchRequests {
    fn add(&self, wanted: WantedWatch) -> BoxFuture<'_, Result<ArchivedWatch, WatchRefusal>> {
        Box::pin(self.ask(WatchWish::Add(wanted)))
    }

    fn remove(&self, name: String) -> BoxFuture<'_, Result<ArchivedWatch, WatchRefusal>> {
        Box::pin(self.ask(WatchWish::Remove(name)))
    }
}

/// The worker that writes.
struct WatchWriter {
    archive: Arc<Archive>,
    clock: Arc<dyn Clock>,
    requests: Arc<WatchRequests>,
}

impl Worker for WatchWriter {
    async fn step(&mut self) -> anyhow::Result<StepOutcome> {
        let Some(WatchRequest { wanted, answer }) = self.requests.waiting().pop_front() else { return Ok(StepOutcome::Idle) };
        let now = self.clock.timestamp();
        let done = tokio::task::block_in_place(|| match wanted {
            WatchWish::Add(wanted) => watches::add(&self.archive, &wanted, now),
            WatchWish::Remove(name) => watches::remove(&self.archive, &name, now),
        });
        if answer.send(done).is_err() {
            tracing::debug!("who asked for a watch has gone away");
        }
        Ok(StepOutcome::Busy)
    }

    async fn wait(&mut self) {
        self.requests.requested.notified().await;
    }

    async fn finish(&mut self) -> anyhow::Result<()> {
        // Whoever waits is told, by the senders that are dropped.
        self.requests.waiting().clear();
        Ok(())
    }
}
