//! Erasing while the program runs: the queue of what was asked for, and the worker that counts and erases.
//!
//! One erasure is carried out at a time, in bounded steps; one that a stop or a crash interrupts goes on at the next start.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::archive::{Archive, ArchiveError, ErasedCounts, ErasureNumber};
use crate::erasure::{self, Erased, Eraser, ErasureRequest, InvalidErasure, RetentionRule};
use crate::http::OperatorError;
use crate::lifecycle::{Lifecycle, StepOutcome, Worker};
use crate::model::{Clock, ErasureSelection};
use crate::views::{EraseBody, EraseRunView, ErasureView};

/// The bound of the queue: each may look at the whole archive.
const WAITING_MAX: usize = 16;
/// How many that have ended are remembered for who asked for them.
const ENDED_MAX: usize = 64;
/// The pause where others have to read on, or to let go of what they read.
const PATIENCE: Duration = Duration::from_millis(200);
/// How often rules are applied: what is a day older than it may be is no more than that.
const RULES_INTERVAL: Duration = Duration::from_secs(24 * 60 * 60);
/// The first time after a start, which has other things to do.
const RULES_FIRST: Duration = Duration::from_secs(10 * 60);

/// What was asked to be erased, and what became of it.
pub(super) struct Erasures {
    archive: Arc<Archive>,
    clock: Arc<dyn Clock>,
    lifecycle: Lifecycle,
    data: PathBuf,
    rules: Vec<RetentionRule>,
    state: Mutex<QueueState>,
    requested: Notify,
}

#[derive(Default)]
struct QueueState {
    runs: VecDeque<EraseRun>,
    last: u64,
}

#[derive(Clone, Debug)]
struct EraseRun {
    number: u64,
    wanted: WantedErasure,
    confirmed: bool,
    stage: EraseRunStage,
}

#[derive(Clone, Debug)]
enum WantedErasure {
    Selection(ErasureSelection),
    /// What the rules of the configuration would erase.
    Retention,
}

#[derive(Clone, Debug)]
enum EraseRunStage {
    Waiting,
    Counted(ErasedCounts),
    Ordered(ErasureNumber),
    Failed(String),
}

impl From<InvalidErasure> for OperatorError {
    fn from(error: InvalidErasure) -> Self {
        let text = error.to_string();
        match error {
            InvalidErasure::UnknownPeer(_) => Self::UnknownPeer(text),
            InvalidErasure::UnknownMessages(_) => Self::UnknownMessages(text),
            InvalidErasure::Archive(_) => Self::Broken(text),
            InvalidErasure::Nothing
            | InvalidErasure::PeerAndSender
            | InvalidErasure::OfNoPeer
            | InvalidErasure::NoPeer(_)
            | InvalidErasure::Account(_)
            | InvalidErasure::Time(_)
            | InvalidErasure::Future(_) => Self::BadWish(text),
        }
    }
}

impl Erasures {
    pub(super) fn new(
        archive: Arc<Archive>,
        data: &Path,
        rules: Vec<RetentionRule>,
        clock: Arc<dyn Clock>,
        lifecycle: Lifecycle,
    ) -> Self {
        Self { archive, clock, lifecycle, data: data.to_owned(), rules, state: Mutex::default(), requested: Notify::new() }
    }

    fn state(&self) -> MutexGuard<'_, QueueState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has something erased, or counted. Returns the number of the request.
    pub(super) fn ask(&self, body: &EraseBody) -> Result<u64, OperatorError> {
        let EraseBody { peer, messages, account, sender, before, retention, confirmed } = body.clone();
        let request = ErasureRequest { peer, messages, account, sender, before };
        let wanted = match retention {
            true if confirmed || request != ErasureRequest::default() => {
                let why = "`retention` only counts what the rules would erase, which they do once a day; send it alone";
                return Err(OperatorError::BadWish(why.to_owned()));
            }
            true => WantedErasure::Retention,
            false => WantedErasure::Selection(request.resolve(self.archive.flushed().view(), self.clock.now())?),
        };
        let mut state = self.state();
        if state.runs.iter().filter(|run| matches!(run.stage, EraseRunStage::Waiting)).count() >= WAITING_MAX {
            return Err(OperatorError::Busy);
        }
        while state.runs.len() >= WAITING_MAX + ENDED_MAX
            && state.runs.front().is_some_and(|run| !matches!(run.stage, EraseRunStage::Waiting))
        {
            state.runs.pop_front();
        }
        state.last += 1;
        let number = state.last;
        state.runs.push_back(EraseRun { number, wanted, confirmed, stage: EraseRunStage::Waiting });
        drop(state);
        self.requested.notify_one();
        Ok(number)
    }

    /// How a request is doing; `None` where its number is unknown or long forgotten.
    pub(super) fn run(&self, number: u64) -> Option<EraseRunView> {
        let run = self.state().runs.iter().find(|run| run.number == number)?.clone();
        let blank =
            |state: &'static str| EraseRunView { run: number, state: state.into(), counted: None, erasure: None, error: None };
        Some(match run.stage {
            EraseRunStage::Waiting => blank(EraseRunView::WAITING),
            EraseRunStage::Counted(counts) => EraseRunView { counted: Some(counts.into()), ..blank(EraseRunView::COUNTED) },
            EraseRunStage::Failed(why) => EraseRunView { error: Some(why), ..blank(EraseRunView::FAILED) },
            EraseRunStage::Ordered(of) => {
                let erasure = self.archive.view().erasure(of).ok().flatten();
                EraseRunView { erasure: erasure.as_ref().map(ErasureView::from), ..blank(EraseRunView::ORDERED) }
            }
        })
    }

    fn next_waiting(&self) -> Option<EraseRun> {
        self.state().runs.iter().find(|run| matches!(run.stage, EraseRunStage::Waiting)).cloned()
    }

    /// Counts, or orders; whether there was anything to do.
    fn take_next(&self) -> bool {
        let Some(run) = self.next_waiting() else { return false };
        let (now, mut go_on) = (self.clock.timestamp(), || !self.lifecycle.stopping());
        let done = match (&run.wanted, run.confirmed) {
            (WantedErasure::Selection(selection), true) => {
                erasure::order_listed(&self.archive, &self.data, selection.clone(), now).map(EraseRunStage::Ordered)
            }
            (WantedErasure::Selection(selection), false) => {
                self.archive.flushed().view().weigh_erasure(selection, &mut go_on).map(EraseRunStage::Counted)
            }
            (WantedErasure::Retention, _) => {
                let snapshot = self.archive.flushed();
                erasure::weigh_rules(&self.rules, snapshot.view(), now, &mut go_on).map(EraseRunStage::Counted)
            }
        };
        let stage = match done {
            // It stays in the queue, which ends with the program.
            Err(ArchiveError::Stopped) => return false,
            Err(error) => {
                tracing::error!("nothing was erased: {error}");
                EraseRunStage::Failed("the archive could not be read or written; the log has it".to_owned())
            }
            Ok(stage) => stage,
        };
        if let Some(run) = self.state().runs.iter_mut().find(|other| other.number == run.number) {
            run.stage = stage;
        }
        true
    }
}

impl Erasures {
    /// Has every rule order what it is to erase now.
    fn apply_rules(&self) -> Result<(), ArchiveError> {
        for rule in &self.rules {
            match rule.order(&self.archive, self.clock.timestamp(), &mut || !self.lifecycle.stopping()) {
                Ok(None) => {}
                Ok(Some(_)) => erasure::note_erasures(&self.archive, &self.data)?,
                Err(ArchiveError::Stopped) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// The worker that counts and erases.
pub(super) struct ErasureWorker {
    erasures: Arc<Erasures>,
    eraser: Eraser,
    is_waiting: bool,
    /// When the rules are applied next.
    rules_due: Instant,
}

impl ErasureWorker {
    pub(super) fn new(erasures: Arc<Erasures>, eraser: Eraser) -> Self {
        Self { erasures, eraser, is_waiting: false, rules_due: Instant::now() + RULES_FIRST }
    }
}

impl Worker for ErasureWorker {
    async fn step(&mut self) -> anyhow::Result<StepOutcome> {
        let Self { erasures, eraser, .. } = self;
        if tokio::task::block_in_place(|| erasures.take_next()) {
            return Ok(StepOutcome::Busy);
        }
        if !erasures.rules.is_empty() && self.rules_due <= Instant::now() {
            tokio::task::block_in_place(|| erasures.apply_rules())?;
            self.rules_due = Instant::now() + RULES_INTERVAL;
        }
        let erased = tokio::task::block_in_place(|| eraser.step(&|| erasures.lifecycle.stopping()))?;
        self.is_waiting = erased == Erased::Waiting;
        Ok(if erased == Erased::Some { StepOutcome::Busy } else { StepOutcome::Idle })
    }

    async fn wait(&mut self) {
        let requested = self.erasures.requested.notified();
        // Whichever comes first.
        let patience = if self.is_waiting { PATIENCE } else { self.rules_due.saturating_duration_since(Instant::now()) };
        drop(tokio::time::timeout(patience.max(PATIENCE), requested).await);
    }
}
