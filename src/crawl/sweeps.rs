//! Sweeps: jobs that look at every crawled peer, one peer a step, so that twenty thousand of them do not block the other work.
//!
//! A sweep asks Telegram nothing itself; it finds out what is worth asking and puts it into the queue.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::admission::Admission;
use super::lost_peers::LostPeers;
use super::peers::Peers;
use super::planner::Planner;
use super::recorder::{Recorder, Turn};
use super::unit::Unit;
use crate::archive::{Archive, ArchiveError, Order};
use crate::dispatch::Priority;
use crate::lifecycle::{Lifecycle, StepOutcome, Worker};
use crate::model::{AccountName, ChatId, IdRange, IdSpace, PeerId, PeerKind, Timestamp};
use crate::schedule::{Job, Scope};

/// Peers that are still to be looked at, and for what.
#[derive(Debug, Default)]
pub(super) struct Sweeps {
    pending: Mutex<VecDeque<(Job, ChatId)>>,
    added: Notify,
}

impl Sweeps {
    /// Whether peers are still to be looked at for a job.
    pub(super) fn holds(&self, job: Job) -> bool {
        self.pending().iter().any(|(of, _)| *of == job)
    }

    fn extend(&self, job: Job, chats: Vec<ChatId>) {
        self.pending().extend(chats.into_iter().map(|chat| (job, chat)));
        self.added.notify_one();
    }

    fn next(&self) -> Option<(Job, ChatId)> {
        self.pending().pop_front()
    }

    fn pending(&self) -> MutexGuard<'_, VecDeque<(Job, ChatId)>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Looks at the peers.
pub(super) struct Sweeper {
    pub(super) archive: Arc<Archive>,
    pub(super) sweeps: Arc<Sweeps>,
    pub(super) peers: Arc<Peers>,
    pub(super) admission: Arc<Admission>,
    pub(super) planner: Arc<Planner>,
    pub(super) lost_peers: Arc<LostPeers>,
    pub(super) recorder: Arc<Recorder>,
    pub(super) recheck_ids_max: u32,
    pub(super) recheck_window: Duration,
}

pub(super) fn start(sweeper: &Arc<Sweeper>, lifecycle: &Lifecycle) {
    let sweeper = Arc::clone(sweeper);
    lifecycle.work("sweep", move || SweepWorker { sweeper: Arc::clone(&sweeper) });
}

struct SweepWorker {
    sweeper: Arc<Sweeper>,
}

impl Worker for SweepWorker {
    async fn step(&mut self) -> anyhow::Result<StepOutcome> {
        let Some((job, chat)) = self.sweeper.sweeps.next() else { return Ok(StepOutcome::Idle) };
        let turn = self.sweeper.recorder.turn().await;
        tokio::task::block_in_place(|| self.sweeper.look_at(&turn, job, chat))?;
        Ok(StepOutcome::Busy)
    }

    async fn wait(&mut self) {
        self.sweeper.sweeps.added.notified().await;
    }
}

impl Sweeper {
    /// Looks at every crawled peer that a scope covers, for a job; not at those that only these accounts read, which are still at work
    /// on the run before.
    pub(super) fn sweep(&self, job: Job, scope: &Scope, occupied: &BTreeSet<AccountName>) -> Result<(), ArchiveError> {
        let mut chats = self.admission.crawled(scope)?.to_vec();
        if !occupied.is_empty() {
            let mut free = Vec::new();
            for chat in chats {
                if !self.peers.readers(chat).iter().all(|name| occupied.contains(name)) {
                    free.push(chat);
                }
            }
            chats = free;
        }
        self.sweeps.extend(job, chats);
        Ok(())
    }

    fn look_at(&self, turn: &Turn<'_>, job: Job, chat: ChatId) -> Result<(), ArchiveError> {
        match job {
            Job::Backfill => self.lost_peers.plan(chat),
            Job::Recheck => self.recheck(turn, chat),
            Job::Counters => self.count(chat.peer()),
            Job::Discover | Job::CatchUp | Job::Backup => Ok(()),
        }
    }

    /// Has the recent past of a peer read again: edits, deletions, reactions and views that nobody told of.
    fn recheck(&self, turn: &Turn<'_>, chat: ChatId) -> Result<(), ArchiveError> {
        let Some(state) = self.archive.view().crawl_state(chat)? else { return Ok(()) };
        let now = self.recorder.now();
        let window = i64::try_from(self.recheck_window.as_secs()).unwrap_or(i64::MAX);
        let since = Timestamp(now.0.saturating_sub(window));
        let Some(all) = IdRange::new(1, state.top) else { return Ok(()) };
        let most = usize::try_from(self.recheck_ids_max).unwrap_or(usize::MAX);
        let mut oldest = None;
        for stored in self.archive.view().messages(chat, all, Order::NewestFirst).take(most) {
            let stored = stored?;
            if stored.message.date < since {
                break;
            }
            oldest = Some(stored.message.key.id.0);
        }
        // Nothing new in the window is nothing to ask for.
        let Some(range) = oldest.and_then(|oldest| IdRange::new(oldest, state.top)) else { return Ok(()) };
        let mut write = self.recorder.write();
        write.crawl_state(chat, move |state| state.recheck.insert(range));
        Recorder::commit(turn, write)?;
        self.planner.add_history(chat, Priority::Recheck)?;
        Ok(())
    }

    /// Has a peer's members, and a channel's views, counted.
    fn count(&self, peer: PeerId) -> Result<(), ArchiveError> {
        if peer.kind() != IdSpace::Channel {
            return Ok(());
        }
        self.planner.add(Unit::Full { peer }, Priority::Counters);
        if self.archive.view().peer(peer)?.is_some_and(|p| p.kind == PeerKind::Channel) {
            self.planner.add(Unit::Views { peer }, Priority::Counters);
        }
        Ok(())
    }
}
