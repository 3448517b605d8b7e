//! The crawl workers: take a unit, have it done by an account that is free, and see to what went wrong.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::queue::{Found, Priority, Subject, Taken, Verdict};
use super::{Crawler, Unit};
use crate::accounts::{Lease, Turn, Urgency};
use crate::lifecycle::{Step, Worker};
use crate::model::{AccountName, PeerId, PeerKindOfId};
use crate::telegram::TelegramError;

/// The first wait before a unit that got no answer is tried again; doubled each time.
const RETRY_MIN: Duration = Duration::from_millis(500);
/// The longest wait before a unit that got no answer is tried again: an outage that ends is noticed within it.
const RETRY_MAX: Duration = Duration::from_secs(60);
/// The longest a worker waits without looking again, should the clock have been set.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

pub(super) struct CrawlWorker {
    crawler: Arc<Crawler>,
    next: Option<DateTime<Utc>>,
}

impl CrawlWorker {
    pub(super) fn new(crawler: Arc<Crawler>) -> Self {
        Self { crawler, next: None }
    }
}

impl Worker for CrawlWorker {
    async fn step(&mut self) -> anyhow::Result<Step> {
        match self.crawler.take() {
            Found::Unit(taken, lease) => {
                self.crawler.work(taken, lease).await?;
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

    async fn finish(&mut self) -> anyhow::Result<()> {
        self.crawler.worker_ended();
        Ok(())
    }
}

impl Crawler {
    fn take(&self) -> Found<Lease> {
        let decide = |unit: &Unit, priority: Priority| {
            let (method, urgency) = (unit.method(), urgency(priority));
            let turn = match unit {
                Unit::Start { account } | Unit::Walk { account, .. } | Unit::AccountEvents { account } => {
                    self.pool.lease([account], method, urgency)
                }
                Unit::Events { peer } | Unit::History { peer } => match self.readers(*peer) {
                    Ok(readers) => self.pool.lease(&readers, method, urgency),
                    // The archive cannot be read now; the next look may succeed.
                    Err(_) => Turn::Busy,
                },
            };
            match turn {
                Turn::Now(lease) => Verdict::Take(lease),
                Turn::NotBefore(at) => Verdict::Later(at),
                Turn::Busy => Verdict::Skip,
                // No account can do it: a later walk adds it again when one can.
                Turn::Nobody => Verdict::Drop,
            }
        };
        self.queue.take(self.clock.now(), |unit| self.subject(unit), decide)
    }

    fn subject(&self, unit: &Unit) -> Subject {
        match unit {
            Unit::Walk { account, .. } => Subject::Dialogs(account.clone()),
            Unit::Start { account } | Unit::AccountEvents { account } => Subject::Account(account.clone()),
            Unit::Events { peer } | Unit::History { peer } => {
                let own_ids = peer.kind() != PeerKindOfId::Channel;
                let owner = own_ids.then(|| self.archive.cursor(*peer).ok().flatten()?.account).flatten();
                owner.map_or(Subject::Channel(*peer), Subject::Account)
            }
        }
    }

    async fn work(&self, taken: Taken, lease: Lease) -> anyhow::Result<()> {
        let Taken { unit, priority, failures, claim } = taken;
        let account = lease.account().clone();
        let outcome = match unit.clone() {
            Unit::Start { .. } => self.start_account(lease).await,
            Unit::Walk { reach, from, .. } => self.walk_page(lease, reach, from).await,
            Unit::AccountEvents { .. } => self.account_events(lease).await,
            Unit::Events { peer } => self.channel_events(lease, peer, priority).await,
            Unit::History { peer } => self.history_page(lease, peer, priority).await,
        };
        let label = match &outcome {
            Ok(Ok(())) => "ok",
            Ok(Err(TelegramError::FloodWait { .. })) => "flood_wait",
            Ok(Err(error)) if error.lost().is_some() => "signed_out",
            Ok(Err(TelegramError::Transient { .. })) => "no_answer",
            Ok(Err(_)) => "refused",
            Err(_) => "not_archived",
        };
        metrics::counter!("telescribe_requests_total", "method" => unit.method(), "outcome" => label).increment(1);
        let now = self.clock.now();
        let again = |failures: u32, at| self.queue.put_back(unit.clone(), priority, failures, at);
        let failed = match outcome {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error),
            Err(error) => {
                // The archive failed: nothing was written, so the unit is still to be done.
                again(failures, now + RETRY_MIN);
                drop(claim);
                return Err(error);
            }
        };
        match failed {
            None => {}
            Some(TelegramError::FloodWait { wait, name }) => {
                let method = unit.method();
                tracing::warn!(account.name = %account, method, "account `{account}`: {name} for {method}, {} s", wait.as_secs());
                self.pool.flood(&account, method, wait, &name);
                again(failures, now);
            }
            Some(
                error @ (TelegramError::SignedOut { .. } | TelegramError::Banned { .. } | TelegramError::Duplicated { .. }),
            ) => {
                tracing::error!(account.name = %account, "account `{account}` was {error}; run `telescribe login {account}`");
                if let Some(state) = error.lost() {
                    self.pool.lose(&account, state);
                }
                again(failures, now);
            }
            Some(TelegramError::Transient { why }) => {
                let wait = RETRY_MIN.saturating_mul(1 << failures.min(16)).min(RETRY_MAX);
                tracing::warn!(account.name = %account, "account `{account}` got no answer ({why}); again in {wait:?}");
                again(failures.saturating_add(1), now + wait);
            }
            Some(TelegramError::PeerUnavailable { name } | TelegramError::Refused { name, .. }) => {
                self.refused(&unit, &account, &name)?;
            }
        }
        drop(claim);
        Ok(())
    }

    /// An account cannot read a peer, or the request was refused: another account may; where none can, the peer is marked.
    fn refused(&self, unit: &Unit, account: &AccountName, name: &str) -> anyhow::Result<()> {
        let (Unit::Events { peer } | Unit::History { peer }) = unit else {
            tracing::error!(account.name = %account, "account `{account}`: Telegram refused {} ({name})", unit.method());
            return Ok(());
        };
        tracing::warn!(account.name = %account, peer.id = peer.0, "account `{account}` cannot read peer {peer} ({name})");
        self.forget(account, *peer);
        if self.readers(*peer)?.is_empty() {
            let why = name.to_owned();
            let mut write = self.archive.write(self.clock.timestamp());
            write.cursor(*peer, move |cursor| cursor.unavailable = Some(why));
            Self::commit(write)?;
        } else {
            self.queue.add(unit.clone(), super::Priority::Fresh);
        }
        Ok(())
    }

    fn forget(&self, account: &AccountName, peer: PeerId) {
        if let Some(client) = self.clients.get(account) {
            client.session().forget(peer);
        }
    }
}

fn urgency(priority: Priority) -> Urgency {
    match priority {
        Priority::Live => Urgency::Live,
        Priority::Fresh => Urgency::Fresh,
        Priority::Backfill => Urgency::Background,
    }
}
