//! The supervisor: the one worker loop of the program, graceful shutdown, and the only place that spawns tasks.
//!
//! A worker does one bounded unit of work a [`Worker::step`], which is never cut half way, and waits for more in
//! [`Worker::wait`], which is cancel safe. A soft stop (graceful shutdown) lets the current step finish; a hard stop drops it. Either
//! way nothing is lost, because what is true is only ever changed by one atomic archive write.
//!
//! A step that fails is retried with exponential backoff; a worker that panics is made anew (restarted) first. Both show up in
//! [`Lifecycle::workers`].

use std::collections::BTreeMap;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::panics;

/// The first backoff before a failed worker is retried; doubled at each further failure.
const BACKOFF_MIN: Duration = Duration::from_millis(100);
/// The longest backoff before a failed worker is retried: long enough not to fill a log, short enough for a person to wait.
const BACKOFF_MAX: Duration = Duration::from_secs(30);

/// The outcome of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepOutcome {
    /// It did something; there may be more.
    Busy,
    /// There was nothing to do: wait.
    Idle,
}

/// Something that works for as long as the program runs.
pub trait Worker: Send + 'static {
    /// Does one bounded unit of work. Not cut half way by a soft stop.
    fn step(&mut self) -> impl Future<Output = anyhow::Result<StepOutcome>> + Send;

    /// Returns when there may be something to do. Cancel safe: may be dropped at any moment.
    fn wait(&mut self) -> impl Future<Output = ()> + Send;

    /// Called once after the last step of a soft stop: flush what is buffered.
    fn finish(&mut self) -> impl Future<Output = anyhow::Result<()>> + Send {
        async { Ok(()) }
    }
}

/// How a worker is doing.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct WorkerStatus {
    /// Steps that did something.
    pub steps: u64,
    /// Steps that failed, panics included.
    pub failures: u64,
    /// What the last failure said, until a step succeeds again.
    pub failing: Option<String>,
    /// What it is waiting for the end of, if so: trouble that it has said itself, and that is no failure of its own.
    pub trouble: Option<String>,
    /// Whether it has ended.
    pub stopped: bool,
}

/// The running program: its tasks, and the two ways to stop them.
#[derive(Clone, Debug, Default)]
pub struct Lifecycle {
    tracker: TaskTracker,
    soft: CancellationToken,
    hard: CancellationToken,
    workers: Arc<Mutex<BTreeMap<String, WorkerStatus>>>,
    ending: Arc<OnceLock<Ending>>,
}

/// Why the program ends, where nobody asked it to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It cannot go on.
    Failed(String),
    /// It is to begin again, with everything opened anew.
    Reopen(String),
}

impl Lifecycle {
    /// A program in which nothing runs yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Shows that a worker is waiting for trouble to pass, or that it has.
    pub fn show_trouble(&self, worker: &str, trouble: Option<String>) {
        self.note(worker, |status| status.trouble = trouble);
    }

    /// Begins a graceful shutdown that nobody asked for; the first reason counts. One that somebody has asked for stays a stop: it never
    /// becomes a new beginning.
    pub fn end(&self, ending: Ending) {
        if !(self.stopping() && matches!(ending, Ending::Reopen(_))) {
            let _ = self.ending.set(ending);
        }
        self.stop_soft();
    }

    /// Why it ends, where nobody asked it to.
    #[must_use]
    pub fn ending(&self) -> Option<&Ending> {
        self.ending.get()
    }

    /// Begins a graceful shutdown: asks every worker to finish its current step.
    pub fn stop_soft(&self) {
        self.soft.cancel();
        self.tracker.close();
    }

    /// Drops everything that still runs.
    pub fn stop_hard(&self) {
        self.stop_soft();
        self.hard.cancel();
    }

    /// Whether a stop was asked for.
    #[must_use]
    pub fn stopping(&self) -> bool {
        self.soft.is_cancelled()
    }

    /// Whether something may have been dropped half way.
    #[must_use]
    pub fn stopped_hard(&self) -> bool {
        self.hard.is_cancelled()
    }

    /// Returns when a stop is asked for.
    pub async fn stop_asked(&self) {
        self.soft.cancelled().await;
    }

    /// Returns when everything has ended; call after a stop.
    pub async fn ended(&self) {
        self.tracker.close();
        self.tracker.wait().await;
    }

    /// How many tasks run.
    #[must_use]
    pub fn tasks(&self) -> usize {
        self.tracker.len()
    }

    /// How the workers are doing, by name.
    #[must_use]
    pub fn workers(&self) -> BTreeMap<String, WorkerStatus> {
        self.statuses().clone()
    }

    /// Spawns a supervised worker that runs until the program stops; `make` makes it, and makes it anew after a panic.
    pub fn work<W: Worker>(&self, name: impl Into<String>, make: impl FnMut() -> W + Send + 'static) {
        let name = name.into();
        self.statuses().insert(name.clone(), WorkerStatus::default());
        let lifecycle = self.clone();
        let run = async move {
            tokio::select! {
                () = lifecycle.supervise(&name, make) => {}
                () = lifecycle.hard.cancelled() => tracing::warn!(worker.name = %name, "worker `{name}` was stopped at once, without finishing"),
            }
            lifecycle.note(&name, |status| status.stopped = true);
        };
        self.tracker.spawn(run);
    }

    /// Spawns a task: a future that ends by itself, or at the soft stop if it watches for it; a hard stop drops it.
    pub fn task(&self, future: impl Future<Output = ()> + Send + 'static) {
        let hard = self.hard.clone();
        self.tracker.spawn(async move {
            tokio::select! {
                () = future => {}
                () = hard.cancelled() => {}
            }
        });
    }

    async fn supervise<W: Worker>(&self, name: &str, mut make: impl FnMut() -> W + Send + 'static) {
        let mut backoff = BACKOFF_MIN;
        let mut worker = make();
        let mut trouble: Option<Trouble> = None;
        loop {
            if self.soft.is_cancelled() {
                if let Err(error) = worker.finish().await {
                    tracing::error!(worker.name = %name, "worker `{name}` could not flush: {error:#}");
                }
                return;
            }
            let outcome = AssertUnwindSafe(worker.step()).catch_unwind().await;
            let failure = match outcome {
                Ok(Ok(StepOutcome::Busy)) => {
                    backoff = BACKOFF_MIN;
                    Trouble::end(trouble.take(), name);
                    self.note(name, |status| {
                        status.steps += 1;
                        status.failing = None;
                    });
                    // Against starvation: a worker that always has work must not keep the others of its thread waiting.
                    tokio::task::yield_now().await;
                    continue;
                }
                Ok(Ok(StepOutcome::Idle)) => {
                    backoff = BACKOFF_MIN;
                    Trouble::end(trouble.take(), name);
                    self.note(name, |status| status.failing = None);
                    tokio::select! {
                        () = worker.wait() => {}
                        () = self.soft.cancelled() => {}
                    }
                    continue;
                }
                Ok(Err(error)) => format!("{error:#}"),
                Err(panic) => {
                    worker = make();
                    format!("panicked: {}", panics::said(panic.as_ref()))
                }
            };
            Trouble::meet(&mut trouble, name, &failure);
            self.note(name, |status| {
                status.failures += 1;
                status.failing = Some(failure);
            });
            tokio::select! {
                () = tokio::time::sleep(backoff) => {}
                () = self.soft.cancelled() => {}
            }
            backoff = (backoff * 2).min(BACKOFF_MAX);
        }
    }

    fn note(&self, name: &str, change: impl FnOnce(&mut WorkerStatus)) {
        if let Some(status) = self.statuses().get_mut(name) {
            change(status);
        }
    }

    fn statuses(&self) -> MutexGuard<'_, BTreeMap<String, WorkerStatus>> {
        self.workers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A worker's failures in a row. They are logged as a state: when it begins or changes, and when it is over.
struct Trouble {
    failure: String,
    count: u32,
    since: Instant,
}

impl Trouble {
    fn meet(trouble: &mut Option<Self>, name: &str, failure: &str) {
        let known = trouble.get_or_insert_with(|| Self { failure: String::new(), count: 0, since: Instant::now() });
        known.count += 1;
        if known.failure == failure {
            tracing::debug!(worker.name = %name, "worker `{name}` failed again, {} times in a row: {failure}", known.count);
            return;
        }
        tracing::error!(worker.name = %name, "worker `{name}` failed and is tried again until it works: {failure}");
        failure.clone_into(&mut known.failure);
    }

    fn end(trouble: Option<Self>, name: &str) {
        if let Some(Self { count, since, .. }) = trouble {
            let lasted = Duration::from_secs(since.elapsed().as_secs());
            tracing::info!(worker.name = %name, "worker `{name}` works again after {count} failures in {lasted:?}");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    struct Counting {
        made: u32,
        steps: Arc<AtomicU32>,
        finished: Arc<AtomicU32>,
    }

    impl Worker for Counting {
        async fn step(&mut self) -> anyhow::Result<StepOutcome> {
            let n = self.steps.fetch_add(1, Ordering::SeqCst);
            assert!(self.made > 1 || n < 2, "third step of the first worker panics");
            anyhow::ensure!(n != 4, "fifth step fails");
            Ok(if n < 8 { StepOutcome::Busy } else { StepOutcome::Idle })
        }

        async fn wait(&mut self) {
            std::future::pending().await
        }

        async fn finish(&mut self) -> anyhow::Result<()> {
            self.finished.fetch_add(1, Ordering::SeqCst);
            Ok(())
        }
    }

    #[test]
    fn a_stop_that_was_asked_for_never_becomes_a_new_beginning() {
        let lifecycle = Lifecycle::new();
        lifecycle.stop_soft();
        lifecycle.end(Ending::Reopen("trouble".to_owned()));
        assert_eq!(lifecycle.ending(), None);
        lifecycle.end(Ending::Failed("gone".to_owned()));
        assert_eq!(lifecycle.ending(), Some(&Ending::Failed("gone".to_owned())));
    }

    #[tokio::test]
    async fn a_worker_that_panics_or_fails_goes_on_and_finishes_at_a_soft_stop() {
        let lifecycle = Lifecycle::new();
        let (steps, finished) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
        let mut made = 0;
        let (s, f) = (Arc::clone(&steps), Arc::clone(&finished));
        lifecycle.work("counting", move || {
            made += 1;
            Counting { made, steps: Arc::clone(&s), finished: Arc::clone(&f) }
        });
        while steps.load(Ordering::SeqCst) < 9 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        lifecycle.stop_soft();
        lifecycle.ended().await;
        let status = lifecycle.workers()["counting"].clone();
        assert_eq!(status.failures, 2, "{status:?}");
        assert!(status.stopped && status.failing.is_none());
        assert_eq!(finished.load(Ordering::SeqCst), 1);
        assert_eq!(lifecycle.tasks(), 0);
    }
}
