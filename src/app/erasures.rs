//! Erasing while the program runs: the queue of what was asked for, and the worker that counts and erases.
//!
//! One erasure is carried out at a time, in bounded steps; one that a stop or a crash interrupts goes on at the next start.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use crate::archive::{Archive, ArchiveError, ErasedCounts, ErasureNumber};
use crate::erasure::{self, Erased, Eraser, ErasureRequest, InvalidErasure};
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

/// What was asked to be erased, and what became of it.
pub(super) struct Erasures {
    archive: Arc<Archive>,
    clock: Arc<dyn Clock>,
    lifecycle: Lifecycle,
    data: PathBuf,
    state: Mutex<State>,
    requested: Notify,
}

#[derive(Default)]
struct State {
    runs: VecDeque<EraseRun>,
    last: u64,
}

#[derive(Clone, Debug)]
struct EraseRun {
    number: u64,
    selection: ErasureSelection,
    confirmed: bool,
    stage: Stage,
}

#[derive(Clone, Debug)]
enum Stage {
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
    pub(super) fn new(archive: Arc<Archive>, data: &Path, clock: Arc<dyn Clock>, lifecycle: Lifecycle) -> Self {
        Self { archive, clock, lifecycle, data: data.to_owned(), state: Mutex::default(), requested: Notify::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has something erased, or counted. Returns the number of the request.
    pub(super) fn ask(&self, body: &EraseBody) -> Result<u64, OperatorError> {
        let EraseBody { peer, messages, account, sender, before, confirmed } = body.clone();
        let request = ErasureRequest { peer, messages, account, sender, before };
        let selection = request.resolve(self.archive.flushed().view(), self.clock.now())?;
        let mut state = self.state();
        if state.runs.iter().filter(|run| matches!(run.stage, Stage::Waiting)).count() >= WAITING_MAX {
            return Err(OperatorError::Busy);
        }
        while state.runs.len() >= WAITING_MAX + ENDED_MAX
            && state.runs.front().is_some_and(|run| !matches!(run.stage, Stage::Waiting))
        {
            state.runs.pop_front();
        }
        state.last += 1;
        let number = state.last;
        state.runs.push_back(EraseRun { number, selection, confirmed, stage: Stage::Waiting });
        drop(state);
        self.requested.notify_one();
        Ok(number)
    }

    /// How a request is doing; `None` where its number is unknown or long forgotten.
    pub(super) fn run(&self, number: u64) -> Option<EraseRunView> {
        let run = self.state().runs.iter().find(|run| run.number == number)?.clone();
        let blank = |state: &'static str| EraseRunView { run: number, state: state.into(), counted: None, erasure: None, error: None };
        Some(match run.stage {
            Stage::Waiting => blank(EraseRunView::WAITING),
            Stage::Counted(counts) => EraseRunView { counted: Some(counts.into()), ..blank(EraseRunView::COUNTED) },
            Stage::Failed(why) => EraseRunView { error: Some(why), ..blank(EraseRunView::FAILED) },
            Stage::Ordered(of) => {
                let erasure = self.archive.view().erasure(of).ok().flatten();
                EraseRunView { erasure: erasure.as_ref().map(ErasureView::from), ..blank(EraseRunView::ORDERED) }
            }
        })
    }

    fn next_waiting(&self) -> Option<EraseRun> {
        self.state().runs.iter().find(|run| matches!(run.stage, Stage::Waiting)).cloned()
    }

    /// Counts, or orders; whether there was anything to do.
    fn take_next(&self) -> bool {
        let Some(run) = self.next_waiting() else { return false };
        let done = match run.confirmed {
            true => {
                erasure::order_listed(&self.archive, &self.data, run.selection, self.clock.timestamp()).map(Stage::Ordered)
            }
            false => {
                let snapshot = self.archive.flushed();
                snapshot.view().weigh_erasure(&run.selection, &mut || !self.lifecycle.stopping()).map(Stage::Counted)
            }
        };
        let stage = match done {
            // It stays in the queue, which ends with the program.
            Err(ArchiveError::Stopped) => return false,
            Err(error) => {
                tracing::error!("nothing was erased: {error}");
                Stage::Failed("the archive could not be read or written; the log has it".to_owned())
            }
            Ok(stage) => stage,
        };
        if let Some(run) = self.state().runs.iter_mut().find(|other| other.number == run.number) {
            run.stage = stage;
        }
        true
    }
}

/// The worker that counts and erases.
pub(super) struct ErasureWorker {
    erasures: Arc<Erasures>,
    eraser: Eraser,
    is_waiting: bool,
}

impl ErasureWorker {
    pub(super) fn new(erasures: Arc<Erasures>, eraser: Eraser) -> Self {
        Self { erasures, eraser, is_waiting: false }
    }
}

impl Worker for ErasureWorker {
    async fn step(&mut self) -> anyhow::Result<StepOutcome> {
        let Self { erasures, eraser, .. } = self;
        if tokio::task::block_in_place(|| erasures.take_next()) {
            return Ok(StepOutcome::Busy);
        }
        let erased = tokio::task::block_in_place(|| eraser.step(&|| erasures.lifecycle.stopping()))?;
        self.is_waiting = erased == Erased::Waiting;
        Ok(if erased == Erased::Some { StepOutcome::Busy } else { StepOutcome::Idle })
    }

    async fn wait(&mut self) {
        let requested = self.erasures.requested.notified();
        if self.is_waiting {
            // Whichever comes first.
            drop(tokio::time::timeout(PATIENCE, requested).await);
        } else {
            requested.await;
        }
    }
}
