//! Resuming where the program last ended, however it ended: what was unfinished then is found in the archive, and planned at once.
//!
//! Units are kept in memory only, because coverage and crawl states are the checkpoint. At a start every hole becomes a unit again
//! (idempotent: what is covered is not read twice), with two cares: a channel whose newest messages are the hole was told of them, so its
//! difference is asked for and not its history; and a peer that no account can address any more (its hash was lost with a session file)
//! is looked for among the dialogs of those that are in it.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use super::admission::Admission;
use super::lost_peers::{LostPeers, Unaddressed};
use super::planner::Planner;
use super::standing::Standings;
use super::unit::Unit;
use crate::accounts::Pool;
use crate::archive::{Archive, ArchiveError};
use crate::dispatch::{Dispatch, Priority};
use crate::lifecycle::{Lifecycle, StepOutcome, Worker};
use crate::model::{AccountName, ChatId};
use crate::schedule::{Job, Scope};
use crate::telegram::Clients;

/// Whether the folders are known that the operator's rules depend on; what allows more is greater.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum FoldersKnown {
    /// They are being read.
    #[default]
    Soon,
    /// Some accounts' are not, and these must wait or get no answer. What is crawled already is crawled on, and nothing else is.
    Partly,
    /// They are, or no rule depends on any.
    All,
}

/// Resumes what was unfinished, as soon as the folders that the rules depend on allow it.
pub(super) struct Resumption {
    pub(super) archive: Arc<Archive>,
    pub(super) pool: Arc<Pool>,
    pub(super) clients: Arc<Clients>,
    pub(super) dispatch: Arc<Dispatch>,
    pub(super) admission: Arc<Admission>,
    pub(super) planner: Arc<Planner>,
    pub(super) lost_peers: Arc<LostPeers>,
    pub(super) standings: Arc<Standings>,
    /// The peers of which what coverage lacks is planned.
    pub(super) resumed: Vec<Scope>,
    /// How much was known of the folders when what had been put off was resumed.
    pub(super) resumed_with: Mutex<FoldersKnown>,
}

impl Resumption {
    /// Has the folders read that the operator's rules depend on, where they were not yet, and tells how much of them is known for an
    /// account's part of the crawl: it waits for its own, and for nobody else's.
    ///
    /// What must not be crawled because of its folder would otherwise be, until its folder is known.
    pub(super) fn folders_known(&self, account: &AccountName) -> FoldersKnown {
        self.folders_known_to(&BTreeSet::from([*account]))
    }

    /// The same for several accounts: they wait as long as all of them do.
    fn folders_known_to(&self, accounts: &BTreeSet<AccountName>) -> FoldersKnown {
        if !self.admission.is_by_folder() {
            return FoldersKnown::All;
        }
        let lacking = self.admission.without_folders(self.pool.ready());
        if lacking.is_empty() {
            return FoldersKnown::All;
        }
        let standing = self.standings.of(Job::Discover, &Scope::all());
        for account in &lacking {
            self.planner.add(Unit::Folders { account: *account }, Priority::Live);
        }
        let waits = |name: &AccountName| lacking.contains(name) && !standing.held().contains_key(name);
        if accounts.iter().all(waits) { FoldersKnown::Soon } else { FoldersKnown::Partly }
    }

    /// Resumes what was unfinished when the program last ended, and the walks that were put off: once as soon as the folders that the
    /// rules depend on can no longer be waited for, and once more when all are known.
    pub(super) fn resume_with(&self, known: FoldersKnown) -> Result<(), ArchiveError> {
        let before = {
            let mut resumed_with = self.resumed_with.lock().unwrap_or_else(PoisonError::into_inner);
            if known <= *resumed_with {
                return Ok(());
            }
            std::mem::replace(&mut *resumed_with, known)
        };
        if let Err(error) = tokio::task::block_in_place(|| self.resume(before == FoldersKnown::Soon)) {
            *self.resumed_with.lock().unwrap_or_else(PoisonError::into_inner) = before;
            return Err(error);
        }
        if self.admission.is_by_folder() {
            for account in self.clients.names() {
                self.planner.add(Unit::discovery(account), Priority::Fresh);
            }
        }
        Ok(())
    }

    /// Plans what coverage lacks of every peer that a backfill by the clock would read; `afresh` the first time.
    fn resume(&self, afresh: bool) -> Result<(), ArchiveError> {
        let (mut nobodys, mut unaddressed) = (BTreeSet::new(), Unaddressed::new());
        for scope in &self.resumed {
            for chat in self.admission.crawled(scope)?.iter().copied() {
                if !self.lost_peers.plan_or_seek(chat, afresh, &mut unaddressed)? {
                    nobodys.insert(chat.peer());
                }
            }
        }
        self.lost_peers.walk_again(&unaddressed);
        if nobodys.is_empty() {
            return Ok(());
        }
        // A group that is read without a member is known from the channel that it is the discussion group of.
        for entry in self.archive.view().crawl_states(ChatId::FIRST) {
            let (channel, state) = entry?;
            if state.linked.is_some_and(|group| nobodys.contains(&group)) {
                self.planner.add(Unit::Full { peer: channel.peer() }, Priority::Counters);
            }
        }
        Ok(())
    }

    /// Resumes with what is known now. Where an account must wait, or is lost, the others need not wait for its folders.
    pub(super) fn resume_now(&self) -> Result<(), ArchiveError> {
        self.resume_with(self.folders_known_to(&self.pool.ready()))
    }

    /// The folders of an account were read for the first time. One that is back defers the others' walks while its folders are being read.
    pub(super) fn folders_read(&self, is_first: bool) -> Result<(), ArchiveError> {
        if is_first && self.admission.is_by_folder() {
            let mut resumed_with = self.resumed_with.lock().unwrap_or_else(PoisonError::into_inner);
            *resumed_with = (*resumed_with).min(FoldersKnown::Partly);
        }
        self.resume_now()
    }
}

pub(super) fn start(resumption: &Arc<Resumption>, lifecycle: &Lifecycle) {
    let resumption = Arc::clone(resumption);
    lifecycle.work("resume", move || ResumeWorker { resumption: Arc::clone(&resumption), is_due: false });
}

/// Looks again whenever a task was put off.
struct ResumeWorker {
    resumption: Arc<Resumption>,
    is_due: bool,
}

impl Worker for ResumeWorker {
    async fn step(&mut self) -> anyhow::Result<StepOutcome> {
        if !self.is_due {
            return Ok(StepOutcome::Idle);
        }
        self.resumption.resume_now()?;
        self.is_due = false;
        Ok(StepOutcome::Busy)
    }

    async fn wait(&mut self) {
        self.resumption.dispatch.put_off().await;
        self.is_due = true;
    }
}
