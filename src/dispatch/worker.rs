//! The dispatcher, which decides what runs next and who runs it, and the workers that run it: as many as there may be requests.
//!
//! The dispatcher is the only one that watches the clock, the queue and the pool, so that an idle pool of any size wakes one worker now and
//! then, and not one for each account. Back-pressure: it takes a task only where a worker has room for it.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::{Mutex, mpsc};
use tokio::time::Instant;

use super::backlog::Backlog;
use super::queue::{Found, Taken};
use super::task::{Assignment, TaskError};
use crate::accounts::Lease;
use crate::lifecycle::{Lifecycle, StepOutcome, Worker};
use crate::model::AccountName;
use crate::telegram::TelegramError;

/// The first wait before a task that got no answer is retried; doubled each time (exponential backoff).
const RETRY_MIN: Duration = Duration::from_millis(500);
/// The longest wait before a retry: an outage that ends is noticed within it.
const RETRY_MAX: Duration = Duration::from_secs(60);
/// The longest that the clock is not looked at, should it have been set, or the machine have slept.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// How often a task is retried at once after an answer that cannot be read: enough for it to ask for less and less.
const UNREADABLE_MAX: u32 = 16;
/// How long an account does not call a method that Telegram refused to it, for a reason that names no peer.
const REFUSED_FOR: Duration = Duration::from_mins(10);
/// How the names of errors begin that are about the peer or the message that was asked for.
const OF_THE_PEER: [&str; 5] = ["CHANNEL_", "CHAT_", "PEER_", "USER_", "MSG_ID_"];

type Handed = (Taken, Lease);

pub(super) fn start(backlog: &Arc<Backlog>, name: &str, workers: usize, lifecycle: &Lifecycle) {
    // Each place is a lease that was given, and there is a worker for each.
    let (handing, inbox) = mpsc::channel(workers.max(1));
    let b = Arc::clone(backlog);
    lifecycle.work("dispatch", move || {
        let looked = (b.clock.now(), Instant::now());
        Dispatcher { backlog: Arc::clone(&b), looked, handing: handing.clone(), next: None }
    });
    let inbox = Arc::new(Mutex::new(inbox));
    for n in 1..=workers {
        backlog.clients.use_until_released();
        let (backlog, inbox) = (Arc::clone(backlog), Arc::clone(&inbox));
        lifecycle.work(format!("{name}-{n}"), move || TaskWorker {
            backlog: Arc::clone(&backlog),
            inbox: Arc::clone(&inbox),
            next: None,
        });
    }
}

/// By how much the clock may differ from the time that has passed without having been set.
const CLOCK_TOLERANCE: TimeDelta = TimeDelta::seconds(5);

struct Dispatcher {
    backlog: Arc<Backlog>,
    /// What the clock said when it was looked at last, and when that was.
    looked: (DateTime<Utc>, Instant),
    handing: mpsc::Sender<Handed>,
    next: Option<DateTime<Utc>>,
}

impl Dispatcher {
    /// Waits are kept as times of the clock. One that is set back, by a day say, must not stop them for a day.
    fn look_at_clock(&mut self) {
        let (now, (before, at)) = (self.backlog.clock.now(), self.looked);
        let passed = TimeDelta::from_std(at.elapsed()).unwrap_or_default();
        let back = before + passed - now;
        if back > CLOCK_TOLERANCE {
            tracing::warn!(
                "the clock was set back by {} s; what waits for a retry goes by the time that has passed",
                back.num_seconds()
            );
            self.backlog.queue.shift_back(back);
        }
        self.looked = (now, Instant::now());
    }
}

impl Worker for Dispatcher {
    async fn step(&mut self) -> anyhow::Result<StepOutcome> {
        self.look_at_clock();
        if !self.backlog.gate.is_open() {
            self.next = None;
            return Ok(StepOutcome::Idle);
        }
        // A worker that is free asks for work by making room (back-pressure).
        let Ok(place) = self.handing.try_reserve() else {
            self.next = None;
            return Ok(StepOutcome::Idle);
        };
        match self.backlog.take() {
            Found::Task(taken, lease) => {
                place.send((taken, lease));
                Ok(StepOutcome::Busy)
            }
            Found::Nothing(next) => {
                self.next = next;
                Ok(StepOutcome::Idle)
            }
        }
    }

    async fn wait(&mut self) {
        let now = self.backlog.clock.now();
        let due = self.next.map_or(LOOK_AGAIN, |at| (at - now).to_std().unwrap_or_default()).min(LOOK_AGAIN);
        tokio::select! {
            () = self.backlog.queue.changed() => {}
            () = self.backlog.pool.freed() => {}
            () = tokio::time::sleep(due) => {}
        }
    }
}

struct TaskWorker {
    backlog: Arc<Backlog>,
    /// Shared by all workers: the one that waits longest gets the next task.
    inbox: Arc<Mutex<mpsc::Receiver<Handed>>>,
    next: Option<Handed>,
}

impl Worker for TaskWorker {
    async fn step(&mut self) -> anyhow::Result<StepOutcome> {
        let Some((taken, lease)) = self.next.take() else { return Ok(StepOutcome::Idle) };
        self.run(taken, lease).await?;
        Ok(StepOutcome::Busy)
    }

    async fn wait(&mut self) {
        self.next = self.inbox.lock().await.recv().await;
        if self.next.is_none() {
            // The dispatcher is gone: the program is stopping.
            std::future::pending::<()>().await;
        }
    }

    async fn finish(&mut self) -> anyhow::Result<()> {
        self.backlog.clients.release().await;
        Ok(())
    }
}

impl TaskWorker {
    /// Runs a task, and decides what becomes of it; its lock is held until then.
    async fn run(&self, taken: Taken, lease: Lease) -> anyhow::Result<()> {
        let Taken { task, priority, failures, claim } = taken;
        let account = *lease.account();
        let Some(client) = self.backlog.clients.get(&account).cloned() else { return Ok(()) };
        let outcome = Arc::clone(&task).run(Assignment { lease, client, priority, failures }).await;
        metrics::counter!("telescribe_requests_total", "method" => task.method(), "outcome" => label(&outcome)).increment(1);
        let now = self.backlog.clock.now();
        let error = match outcome {
            Ok(()) => return Ok(()),
            Err(TaskError::Telegram(error)) => error,
            Err(TaskError::NotArchived(error)) => {
                // Nothing was written (atomic), so the task is retried.
                self.backlog.add(task, priority, failures, now + RETRY_MIN);
                drop(claim);
                // While nothing can be kept, that is a state which is told elsewhere, and not one failure for each worker.
                return if self.backlog.gate.is_open() { Err(error) } else { Ok(()) };
            }
        };
        match error {
            TelegramError::PeerUnavailable { name } => {
                task.refused(&account, &name)?;
                // What was refused is not put off: it would be asked again at once.
                return Ok(());
            }
            TelegramError::Refused { name, .. } if OF_THE_PEER.iter().any(|start| name.starts_with(start)) => {
                task.refused(&account, &name)?;
                return Ok(());
            }
            // It says nothing of the peer, so it costs no peer: the account, or all of this program, may not call the method just now.
            TelegramError::Refused { name, .. } => {
                let method = task.method();
                tracing::error!(
                    account.name = %account,
                    method,
                    "account `{account}`: Telegram refused {method} ({name}); the account calls it again in {REFUSED_FOR:?}"
                );
                self.backlog.pool.park(&account, method, REFUSED_FOR, &name);
                // One task that is refused to everybody must not park them all, one after the other.
                let wait = RETRY_MAX.saturating_mul(1 << failures.min(16)).min(REFUSED_FOR);
                self.backlog.add(task, priority, failures.saturating_add(1), now + wait);
            }
            TelegramError::FloodWait { wait, name } => {
                let method = task.method();
                tracing::warn!(account.name = %account, method, "account `{account}`: {name} for {method}, {} s", wait.as_secs());
                self.backlog.pool.flood(&account, method, wait, &name);
                self.backlog.add(task, priority, failures, now);
            }
            TelegramError::Transient { why } | TelegramError::ServerFault { name: why } => {
                let wait = RETRY_MIN.saturating_mul(1 << failures.min(16)).min(RETRY_MAX);
                self.no_response(&account, task.method(), &why, wait);
                self.backlog.add(task, priority, failures.saturating_add(1), now + wait);
            }
            // There was an answer: asking otherwise may help, waiting does not.
            TelegramError::Unreadable { why } => {
                tracing::debug!(account.name = %account, "account `{account}`: an answer to {} is unreadable ({why})", task.method());
                let wait = if failures < UNREADABLE_MAX { Duration::ZERO } else { RETRY_MAX };
                self.backlog.add(task, priority, failures.saturating_add(1), now + wait);
            }
            // The pool knows when.
            TelegramError::RetryLater { why } => {
                tracing::debug!(account.name = %account, "account `{account}`: {} is retried, because {why}", task.method());
                self.backlog.add(task, priority, failures, now);
            }
            error @ (TelegramError::SignedOut { .. } | TelegramError::Banned { .. } | TelegramError::Duplicated { .. }) => {
                self.lost_account(&account, &error);
                self.backlog.add(task, priority, failures, now);
            }
        }
        drop(claim);
        self.backlog.put_off.notify_one();
        Ok(())
    }

    /// While nothing answers at all, that is a state which the client tells.
    fn no_response(&self, account: &AccountName, method: &'static str, why: &str, wait: Duration) {
        let client = self.backlog.clients.get(account);
        if let Some(client) = client.filter(|client| client.outage().is_some()) {
            client.tries_again_in(wait);
            tracing::debug!(account.name = %account, method, "account `{account}` got no response to {method} ({why}); retry in {wait:?}");
        } else {
            tracing::warn!(account.name = %account, method, "account `{account}` got no response to {method} ({why}); retry in {wait:?}");
        }
    }

    /// Telegram ended an account's session, or the account: its work is for the others.
    fn lost_account(&self, account: &AccountName, error: &TelegramError) {
        let (Some(name), Some(state)) = (error.lost_name(), error.lost()) else { return };
        self.backlog.pool.mark_lost(account, state);
        let Some(session) = self.backlog.clients.get(account).map(|client| client.session()) else { return };
        session.set_lost(name, self.backlog.clock.now());
        if let Some(lost) = session.lost() {
            tracing::error!(account.name = %account, "account `{account}`: {}", lost.in_full(account));
        }
    }
}

fn label(outcome: &Result<(), TaskError>) -> &'static str {
    match outcome {
        Ok(()) => "ok",
        Err(TaskError::Telegram(TelegramError::FloodWait { .. })) => "flood_wait",
        Err(TaskError::Telegram(error)) if error.lost().is_some() => "lost",
        Err(TaskError::Telegram(TelegramError::Transient { .. })) => "no_answer",
        Err(TaskError::Telegram(TelegramError::ServerFault { .. })) => "fault",
        Err(TaskError::Telegram(TelegramError::Unreadable { .. })) => "unreadable",
        Err(TaskError::Telegram(TelegramError::RetryLater { .. })) => "again",
        Err(TaskError::Telegram(_)) => "refused",
        Err(TaskError::NotArchived(_)) => "not_archived",
    }
}
