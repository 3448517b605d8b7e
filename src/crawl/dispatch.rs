//! Dispatch: one task decides which unit is next and who does it, as many as there may be requests do them.
//!
//! The one that decides is the only one that watches the clock, the queue and the pool, so that an idle pool of any size wakes one
//! task now and then, and not one for each account.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::{Mutex, mpsc};

use super::Crawler;
use super::queue::{Found, Taken, Verdict};
use super::unit::Unit;
use crate::accounts::{Lease, Turn};
use crate::lifecycle::{Lifecycle, Step, Worker};
use crate::model::{AccountName, PeerId};
use crate::telegram::TelegramError;

/// The first wait before a unit that got no answer is tried again; doubled each time.
const RETRY_MIN: Duration = Duration::from_millis(500);
/// The longest wait before a unit that got no answer is tried again: an outage that ends is noticed within it.
const RETRY_MAX: Duration = Duration::from_secs(60);
/// The longest that the clock is not looked at, should it have been set, or the machine have slept.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

type Handed = (Taken, Lease);

pub(super) fn start(crawler: &Arc<Crawler>, lifecycle: &Lifecycle) {
    // Each place is a lease that was given, and there is a worker for each.
    let (handing, inbox) = mpsc::channel(crawler.settings.workers.max(1));
    let c = Arc::clone(crawler);
    lifecycle.work("dispatch", move || Dispatcher { crawler: Arc::clone(&c), handing: handing.clone(), next: None });
    let inbox = Arc::new(Mutex::new(inbox));
    for n in 1..=crawler.settings.workers {
        let (crawler, inbox) = (Arc::clone(crawler), Arc::clone(&inbox));
        lifecycle.work(format!("crawl-{n}"), move || CrawlWorker {
            crawler: Arc::clone(&crawler),
            inbox: Arc::clone(&inbox),
            next: None,
        });
    }
}

struct Dispatcher {
    crawler: Arc<Crawler>,
    handing: mpsc::Sender<Handed>,
    next: Option<DateTime<Utc>>,
}

impl Worker for Dispatcher {
    async fn step(&mut self) -> anyhow::Result<Step> {
        // Whoever is free asks for work by making room.
        let Ok(place) = self.handing.try_reserve() else {
            self.next = None;
            return Ok(Step::Idle);
        };
        match self.crawler.take() {
            Found::Unit(taken, lease) => {
                place.send((taken, lease));
                Ok(Step::Busy)
            }
            Found::Nothing(next) => {
                self.next = next;
                Ok(Step::Idle)
            }
        }
    }

    async fn wait(&mut self) {
        let now = self.crawler.clock.now();
        let due = self.next.map_or(LOOK_AGAIN, |at| (at - now).to_std().unwrap_or_default()).min(LOOK_AGAIN);
        tokio::select! {
            () = self.crawler.queue.moved() => {}
            () = self.crawler.pool.freed() => {}
            () = tokio::time::sleep(due) => {}
        }
    }
}

struct CrawlWorker {
    crawler: Arc<Crawler>,
    /// Shared by all workers: whoever waits longest gets the next unit.
    inbox: Arc<Mutex<mpsc::Receiver<Handed>>>,
    next: Option<Handed>,
}

impl Worker for CrawlWorker {
    async fn step(&mut self) -> anyhow::Result<Step> {
        let Some((taken, lease)) = self.next.take() else { return Ok(Step::Idle) };
        self.crawler.work(taken, lease).await?;
        Ok(Step::Busy)
    }

    async fn wait(&mut self) {
        self.next = self.inbox.lock().await.recv().await;
        if self.next.is_none() {
            // The dispatcher is gone: the program is stopping.
            std::future::pending::<()>().await;
        }
    }

    async fn finish(&mut self) -> anyhow::Result<()> {
        self.crawler.worker_ended().await;
        Ok(())
    }
}

impl Crawler {
    fn take(&self) -> Found<Lease> {
        self.queue.take(self.clock.now(), |candidates, method, priority| {
            match self.pool.lease(candidates, method, priority.urgency()) {
                Turn::Now(lease) => Verdict::Take(lease),
                Turn::NotBefore(at) => Verdict::Later(at),
                Turn::Busy => Verdict::Skip,
                Turn::Nobody => Verdict::Drop,
            }
        })
    }

    async fn work(&self, taken: Taken, lease: Lease) -> anyhow::Result<()> {
        let Taken { unit, priority, failures, claim } = taken;
        let account = lease.account().clone();
        let outcome = match unit.clone() {
            Unit::Start { .. } => self.start_account(lease).await,
            Unit::State { .. } => self.account_state(lease).await,
            Unit::Walk { reach, from, .. } => self.walk_page(lease, reach, from).await,
            Unit::Folders { .. } => self.read_folders(lease).await,
            Unit::Poll { peers, .. } => self.poll_peers(lease, peers).await,
            Unit::AccountEvents { .. } => self.account_events(lease).await,
            Unit::Events { peer } => self.channel_events(lease, peer, priority).await,
            Unit::History { peer } => self.history_page(lease, peer, priority).await,
            Unit::Full { peer } => self.count_members(lease, peer).await,
            Unit::Views { peer } => self.count_views(lease, peer).await,
        };
        metrics::counter!("telescribe_requests_total", "method" => unit.method(), "outcome" => label(&outcome)).increment(1);
        let now = self.clock.now();
        let error = match outcome {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => error,
            Err(error) => {
                // The archive failed: nothing was written, so the unit is still to be done.
                self.again(unit, priority, failures, now + RETRY_MIN);
                drop(claim);
                return Err(error);
            }
        };
        let refused = matches!(error, TelegramError::PeerUnavailable { .. } | TelegramError::Refused { .. });
        match error {
            TelegramError::FloodWait { wait, name } => {
                let method = unit.method();
                tracing::warn!(account.name = %account, method, "account `{account}`: {name} for {method}, {} s", wait.as_secs());
                self.pool.flood(&account, method, wait, &name);
                self.again(unit, priority, failures, now);
            }
            TelegramError::Transient { why } => {
                let wait = RETRY_MIN.saturating_mul(1 << failures.min(16)).min(RETRY_MAX);
                tracing::warn!(account.name = %account, "account `{account}` got no response ({why}); retry in {wait:?}");
                self.again(unit, priority, failures.saturating_add(1), now + wait);
            }
            // The pool knows when.
            TelegramError::Again { why } => {
                tracing::debug!(account.name = %account, "account `{account}`: {} is retried, because {why}", unit.method());
                self.again(unit, priority, failures, now);
            }
            TelegramError::PeerUnavailable { name } | TelegramError::Refused { name, .. } => {
                self.refused(&unit, &account, &name)?;
            }
            error @ (TelegramError::SignedOut { .. } | TelegramError::Banned { .. } | TelegramError::Duplicated { .. }) => {
                self.lost_account(&account, &error);
                self.again(unit, priority, failures, now);
            }
        }
        drop(claim);
        if !refused {
            // Without this account, or while it waits, the others need not. What was refused would be asked again at once.
            self.go_on_with(self.folders_known())?;
        }
        Ok(())
    }

    /// Telegram ended an account's session, or the account: its work is for the others.
    fn lost_account(&self, account: &AccountName, error: &TelegramError) {
        let (Some(name), Some(state)) = (error.lost_name(), error.lost()) else { return };
        self.pool.lose(account, state);
        let Some(session) = self.clients.get(account).map(|client| client.session()) else { return };
        session.set_lost(name, self.clock.now());
        if let Some(lost) = session.lost() {
            tracing::error!(account.name = %account, "account `{account}`: {}", lost.in_full(account));
        }
    }

    /// Puts a unit back into the queue, to be done again.
    pub(super) fn again(&self, unit: Unit, priority: super::unit::Priority, failures: u32, not_before: DateTime<Utc>) {
        if let Some(place) = self.place(&unit) {
            self.queue.put_back(unit, priority, place, failures, not_before);
        }
    }

    /// An account cannot read a peer, or the request was refused: another account may; where none can, the peer is marked.
    fn refused(&self, unit: &Unit, account: &AccountName, name: &str) -> anyhow::Result<()> {
        if let Unit::Poll { peers, .. } = unit {
            return self.poll_refused(account, peers, name);
        }
        let Some(peer) = unit.peer() else {
            tracing::error!(account.name = %account, "account `{account}`: Telegram refused {} ({name})", unit.method());
            return Ok(());
        };
        tracing::warn!(account.name = %account, peer.id = peer.0, "account `{account}` cannot read peer {peer} ({name})");
        match unit {
            // What cannot be counted may still be read.
            Unit::Full { .. } | Unit::Views { .. } => Ok(()),
            _ => {
                self.lost_peer(account, peer, name)?;
                self.enqueue(unit.clone(), super::unit::Priority::Fresh);
                Ok(())
            }
        }
    }

    /// An account can no longer read a peer.
    pub(super) fn lost_peer(&self, account: &AccountName, peer: PeerId, name: &str) -> anyhow::Result<()> {
        if let Some(client) = self.clients.get(account) {
            client.session().forget(peer);
        }
        self.queue.withdraw(account, peer);
        let mut write = self.archive.write(self.clock.timestamp());
        write.left(peer, account);
        if self.readers(peer)?.is_empty() && self.archive.cursor(peer)?.is_some() {
            let why = name.to_owned();
            write.cursor(peer, move |cursor| cursor.unavailable = Some(why));
            self.not_followed_alone(std::iter::once(peer));
        }
        Self::commit(write)?;
        Ok(())
    }
}

fn label(outcome: &anyhow::Result<Result<(), TelegramError>>) -> &'static str {
    match outcome {
        Ok(Ok(())) => "ok",
        Ok(Err(TelegramError::FloodWait { .. })) => "flood_wait",
        Ok(Err(error)) if error.lost().is_some() => "lost",
        Ok(Err(TelegramError::Transient { .. })) => "no_answer",
        Ok(Err(TelegramError::Again { .. })) => "again",
        Ok(Err(_)) => "refused",
        Err(_) => "not_archived",
    }
}
