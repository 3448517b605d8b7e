//! Sweeps: jobs that look at every crawled peer, one peer a step, so that twenty thousand of them hold up nobody.
//!
//! A sweep asks Telegram nothing itself; it finds out what is worth asking and puts it into the queue.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, PoisonError};

use super::Crawler;
use super::unit::{Priority, Unit};
use crate::archive::{ArchiveError, Order};
use crate::lifecycle::{Lifecycle, StepOutcome, Worker};
use crate::model::{AccountName, IdRange, IdSpace, PeerId, PeerKind, Timestamp};
use crate::schedule::{Job, Scope};

/// Peers that are still to be looked at, and for what.
#[derive(Debug, Default)]
pub(super) struct Sweeps {
    pending: VecDeque<(Job, PeerId)>,
}

pub(super) fn start(crawler: &Arc<Crawler>, lifecycle: &Lifecycle) {
    let crawler = Arc::clone(crawler);
    lifecycle.work("sweep", move || SweepWorker { crawler: Arc::clone(&crawler) });
}

struct SweepWorker {
    crawler: Arc<Crawler>,
}

impl Worker for SweepWorker {
    async fn step(&mut self) -> anyhow::Result<StepOutcome> {
        let next = self.crawler.sweeps.lock().unwrap_or_else(PoisonError::into_inner).pending.pop_front();
        let Some((job, peer)) = next else { return Ok(StepOutcome::Idle) };
        let crawler = &self.crawler;
        tokio::task::block_in_place(|| match job {
            Job::Backfill => crawler.plan(peer).map_err(Into::into),
            Job::Recheck => crawler.recheck(peer),
            Job::Counters => crawler.count(peer),
            Job::Discover | Job::CatchUp => Ok(()),
        })?;
        Ok(StepOutcome::Busy)
    }

    async fn wait(&mut self) {
        self.crawler.swept.notified().await;
    }
}

impl Crawler {
    /// Looks at every crawled peer that a scope covers, for a job; not at those that only these accounts read, which are still at work
    /// on the run before.
    pub(super) fn sweep(&self, job: Job, scope: &Scope, occupied: &BTreeSet<AccountName>) -> Result<(), ArchiveError> {
        let mut peers = self.crawled(scope)?;
        if !occupied.is_empty() {
            let mut free = Vec::new();
            for peer in peers {
                if !self.readers(peer)?.iter().all(|name| occupied.contains(name)) {
                    free.push(peer);
                }
            }
            peers = free;
        }
        self.sweeps.lock().unwrap_or_else(PoisonError::into_inner).pending.extend(peers.into_iter().map(|peer| (job, peer)));
        self.swept.notify_one();
        Ok(())
    }

    /// Whether peers are still to be looked at for a job.
    pub(super) fn sweeping(&self, job: Job) -> bool {
        self.sweeps.lock().unwrap_or_else(PoisonError::into_inner).pending.iter().any(|(of, _)| *of == job)
    }

    /// Every peer that is crawled, may be, can be, and is covered by a scope.
    pub(super) fn crawled(&self, scope: &Scope) -> Result<Vec<PeerId>, ArchiveError> {
        let mut peers = Vec::new();
        for entry in self.archive.cursors() {
            let (peer, cursor) = entry?;
            if cursor.unavailable.is_none() && self.covers(scope, peer, None)? {
                peers.push(peer);
            }
        }
        Ok(peers)
    }

    /// Has the recent past of a peer read again: edits, deletions, reactions and views that nobody told of.
    fn recheck(&self, peer: PeerId) -> anyhow::Result<()> {
        let Some(cursor) = self.archive.cursor(peer)? else { return Ok(()) };
        let now = self.clock.timestamp();
        let window = i64::try_from(self.settings.recheck_window.as_secs()).unwrap_or(i64::MAX);
        let since = Timestamp(now.0.saturating_sub(window));
        let Some(all) = IdRange::new(1, cursor.top) else { return Ok(()) };
        let most = usize::try_from(self.settings.recheck_ids_max).unwrap_or(usize::MAX);
        let mut oldest = None;
        for stored in self.archive.messages(peer, all, Order::NewestFirst).take(most) {
            let stored = stored?;
            if stored.message.date < since {
                break;
            }
            oldest = Some(stored.message.key.id.0);
        }
        // Nothing new in the window is nothing to ask for.
        let Some(range) = oldest.and_then(|oldest| IdRange::new(oldest, cursor.top)) else { return Ok(()) };
        let mut write = self.archive.write(now);
        write.cursor(peer, move |cursor| cursor.recheck.insert(range));
        Self::commit(write)?;
        self.add_history(peer, Priority::Recheck)?;
        Ok(())
    }

    /// Has a peer's members, and a channel's views, counted.
    fn count(&self, peer: PeerId) -> anyhow::Result<()> {
        if peer.kind() != IdSpace::Channel {
            return Ok(());
        }
        self.enqueue(Unit::Full { peer }, Priority::Counters);
        if self.archive.peer(peer)?.is_some_and(|p| p.kind == PeerKind::Channel) {
            self.enqueue(Unit::Views { peer }, Priority::Counters);
        }
        Ok(())
    }
}
