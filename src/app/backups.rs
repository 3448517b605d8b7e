//! Backups while the program runs: the queue of those that were asked for, the worker that makes them, and what became of the newest.
//!
//! One is made at a time. A stop ends it between two chunks; a scheduled one is made again after the next start, because its run has not
//! ended.

use std::collections::{BTreeSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::accounts::Sessions;
use crate::archive::{Archive, DataFolder};
use crate::backup::{
    BackupError, BackupFailure, BackupOptions, BackupRecord, BackupSource, BackupSuccess, Secrets, Watch, back_up, refuse_inside,
};
use crate::config::Config;
use crate::http::{OperatorError, StatusSource};
use crate::lifecycle::{Lifecycle, StepOutcome, Worker};
use crate::model::{Clock, Timestamp};
use crate::views::{BackupFailureView, BackupRunView, BackupStatusView, BackupView, ProgramView};

/// The bound of the queue: each takes minutes, and another one of the same archive says little more.
const WAITING_MAX: usize = 4;
/// How many that have ended are remembered for who asked for them.
const ENDED_MAX: usize = 16;

/// Where the scheduled backups go, and how many are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Planned {
    pub(super) target: PathBuf,
    pub(super) keep: Option<u32>,
}

/// What backups are made of, the queue of those that were asked for, and what became of them.
pub(super) struct Backups {
    data: PathBuf,
    archive: Arc<Archive>,
    sessions: Sessions,
    clock: Arc<dyn Clock>,
    lifecycle: Lifecycle,
    planned: Option<Planned>,
    state: Mutex<State>,
    requested: Notify,
    read_size: AtomicU64,
}

struct State {
    record: BackupRecord,
    runs: VecDeque<BackupRun>,
    next: u64,
    /// The targets that have gauges: they stay for as long as the program runs.
    shown: BTreeSet<PathBuf>,
}

/// What the gauges say of a target.
#[derive(Debug, PartialEq, Eq)]
struct TargetGauges {
    target: String,
    /// When the newest backup was made there, in seconds since 1970; 0 where there is none.
    newest: i64,
    failing: bool,
    unread: usize,
}

/// A backup that was asked for.
#[derive(Clone, Debug)]
struct BackupRun {
    number: u64,
    target: PathBuf,
    keep: Option<u32>,
    scheduled: bool,
    stage: Stage,
}

#[derive(Clone, Debug)]
enum Stage {
    Waiting,
    Running,
    Made(BackupSuccess),
    Failed(String),
}

impl BackupRun {
    fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Made(_) | Stage::Failed(_))
    }
}

impl Backups {
    pub(super) fn new(
        data: &Path,
        archive: Arc<Archive>,
        sessions: Sessions,
        clock: Arc<dyn Clock>,
        lifecycle: Lifecycle,
        planned: Option<Planned>,
    ) -> Self {
        let mut record = BackupRecord::load(data);
        record.forget_unplanned(planned.as_ref().map(|planned| planned.target.as_path()));
        let state = Mutex::new(State { record, runs: VecDeque::new(), next: 1, shown: BTreeSet::new() });
        let data = data.to_owned();
        Self { data, archive, sessions, clock, lifecycle, planned, state, requested: Notify::new(), read_size: AtomicU64::new(0) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a scheduled one waits or is being made.
    pub(super) fn is_scheduled_open(&self) -> bool {
        self.state().runs.iter().any(|run| run.scheduled && !run.is_over())
    }

    /// Whether the configuration plans any.
    pub(super) fn is_planned(&self) -> bool {
        self.planned.is_some()
    }

    /// Has the one made that the configuration plans.
    pub(super) fn start_scheduled(&self) {
        if let Some(Planned { target, keep }) = self.planned.clone() {
            self.enqueue(target, keep, true);
        }
    }

    /// Has one made in a folder. Returns the number of its run.
    pub(super) fn ask(&self, target: PathBuf, keep: Option<u32>) -> Result<u64, OperatorError> {
        let waiting = self.state().runs.iter().filter(|run| matches!(run.stage, Stage::Waiting)).count();
        if waiting >= WAITING_MAX {
            return Err(OperatorError::Busy);
        }
        Ok(self.enqueue(target, keep, false))
    }

    fn enqueue(&self, target: PathBuf, keep: Option<u32>, scheduled: bool) -> u64 {
        let mut state = self.state();
        let number = state.next;
        state.next += 1;
        while state.runs.len() >= WAITING_MAX + ENDED_MAX && state.runs.front().is_some_and(BackupRun::is_over) {
            state.runs.pop_front();
        }
        state.runs.push_back(BackupRun { number, target, keep, scheduled, stage: Stage::Waiting });
        drop(state);
        self.requested.notify_one();
        number
    }

    /// How one is doing; `None` where its number is unknown or long forgotten.
    pub(super) fn run(&self, number: u64) -> Option<BackupRunView> {
        let run = self.state().runs.iter().find(|run| run.number == number)?.clone();
        let (state, backup, error) = match run.stage {
            Stage::Waiting => ("waiting", None, None),
            Stage::Running => ("running", None, None),
            Stage::Made(made) => (BackupRunView::MADE, Some(backup_view(&made, self.clock.timestamp())), None),
            Stage::Failed(why) => (BackupRunView::FAILED, None, Some(why)),
        };
        let read_size = if state == "running" { self.read_size.load(Ordering::Relaxed) } else { 0 };
        Some(BackupRunView { run: number, state: state.into(), read_size, backup, error })
    }

    pub(super) fn status(&self) -> BackupStatusView {
        let state = self.state();
        let running = state.runs.iter().any(|run| matches!(run.stage, Stage::Running));
        status(&state.record, running, self.clock.timestamp())
    }

    /// Sets the gauges of all targets.
    pub(super) fn set_gauges(&self) {
        for TargetGauges { target, newest, failing, unread } in self.target_gauges() {
            metrics::gauge!("telescribe_backup_newest_timestamp_seconds", "target" => target.clone()).set(newest as f64);
            metrics::gauge!("telescribe_backup_failing", "target" => target.clone()).set(f64::from(u8::from(failing)));
            metrics::gauge!("telescribe_backup_unread", "target" => target).set(unread as f64);
        }
    }

    /// The targets that had a backup, those in which one failed, and that of the schedule.
    fn target_gauges(&self) -> Vec<TargetGauges> {
        let mut state = self.state();
        let State { record, shown, .. } = &mut *state;
        shown.extend(record.targets.iter().map(|known| known.target.clone()));
        shown.extend(record.failures.iter().map(|failure| failure.target.clone()));
        shown.extend(self.planned.iter().map(|planned| planned.target.clone()));
        let gauges = |target: &PathBuf| {
            let made = record.targets.iter().find(|known| known.target == *target);
            TargetGauges {
                target: target.display().to_string(),
                newest: made.map_or(0, |made| made.at),
                failing: record.failures.iter().any(|failure| failure.target == *target),
                unread: made.map_or(0, |made| made.unread),
            }
        };
        shown.iter().map(gauges).collect()
    }

    /// The next one that waits, which is running from now on.
    fn take(&self) -> Option<BackupRun> {
        let mut state = self.state();
        // There is one worker: what runs while it looks for work was cut short by a panic of it.
        for run in state.runs.iter_mut().filter(|run| matches!(run.stage, Stage::Running)) {
            run.stage = Stage::Failed("it ended by an error in the program; the log has it".to_owned());
        }
        let next = state.runs.iter_mut().find(|run| matches!(run.stage, Stage::Waiting))?;
        next.stage = Stage::Running;
        Some(next.clone())
    }

    fn make(&self, run: &BackupRun) -> Result<BackupSuccess, BackupError> {
        self.read_size.store(0, Ordering::Relaxed);
        let now = self.clock.timestamp();
        let folder = |source| BackupError::Io { path: self.data.clone(), source };
        DataFolder::clear_backup_links(&self.data).map_err(folder)?;
        let secrets = Secrets::read(&DataFolder::keys(&self.data), &self.sessions);
        let source = BackupSource { data: self.data.clone(), secrets, archive: self.archive.freeze()? };
        let stop = || self.lifecycle.stopping();
        let read = |bytes| {
            self.read_size.fetch_add(bytes, Ordering::Relaxed);
        };
        let made = back_up(&source, &run.target, BackupOptions { keep: run.keep, now }, &Watch { stop: &stop, read: &read })?;
        Ok(made.to_record(&run.target, now))
    }

    /// Makes one and remembers what became of it.
    fn make_and_note(&self, run: &BackupRun) {
        let outcome = self.make(run);
        if matches!(outcome, Err(BackupError::Stopped)) {
            // It stays open, so that a scheduled one is made after the next start.
            tracing::info!("the backup in `{}` was stopped with the program", run.target.display());
            return;
        }
        let (name, stage) = match &outcome {
            Ok(made) => {
                tracing::info!("backup `{}` was made in `{}`, up to change {}", made.id, made.target.display(), made.change);
                ("made", Stage::Made(made.clone()))
            }
            Err(error) => {
                tracing::error!("no backup was made in `{}`: {error}", run.target.display());
                ("failed", Stage::Failed(error.to_string()))
            }
        };
        metrics::counter!("telescribe_backups_total", "outcome" => name).increment(1);
        let at = self.clock.timestamp().0;
        let failure = |error: BackupError| BackupFailure {
            target: run.target.clone(),
            at,
            why: error.to_string(),
            scheduled: run.scheduled,
        };
        let mut state = self.state();
        state.record.note(&self.data, outcome.map_err(failure));
        if let Some(run) = state.runs.iter_mut().find(|other| other.number == run.number) {
            run.stage = stage;
        }
    }
}

/// The worker that makes them.
pub(super) struct BackupWorker {
    backups: Arc<Backups>,
}

impl BackupWorker {
    pub(super) fn new(backups: Arc<Backups>) -> Self {
        for outcome in ["made", "failed"] {
            metrics::counter!("telescribe_backups_total", "outcome" => outcome).increment(0);
        }
        Self { backups }
    }
}

impl Worker for BackupWorker {
    async fn step(&mut self) -> anyhow::Result<StepOutcome> {
        let Some(run) = self.backups.take() else { return Ok(StepOutcome::Idle) };
        tokio::task::block_in_place(|| self.backups.make_and_note(&run));
        Ok(StepOutcome::Busy)
    }

    async fn wait(&mut self) {
        self.backups.requested.notified().await;
    }
}

/// Refuses a configuration that would keep the backups inside of the data folder.
///
/// # Errors
/// When it would, with the key to change.
pub fn check_backup_target(config: &Config, data: &Path) -> anyhow::Result<()> {
    let Some((target, _)) = config.jobs.backup.target() else { return Ok(()) };
    refuse_inside(&target, data).map_err(|error| anyhow::anyhow!("`jobs.backup.target` of the configuration: {error}"))
}

/// A backup that was made, as it is shown at a time.
#[must_use]
pub fn backup_view(made: &BackupSuccess, now: Timestamp) -> BackupView {
    BackupView {
        id: made.id.clone(),
        target: made.target.display().to_string(),
        at: Timestamp(made.at).to_string(),
        age_seconds: now.0.saturating_sub(made.at).try_into().unwrap_or_default(),
        change: made.change,
        size: made.size,
        copied_size: made.copied_size,
        sessions_left_out: made.sessions_left_out.clone(),
        unread: made.unread.iter().map(ToString::to_string).collect(),
    }
}

fn status(record: &BackupRecord, running: bool, now: Timestamp) -> BackupStatusView {
    let state = match (running, record.failures.is_empty(), &record.newest) {
        (true, ..) => "running",
        (_, false, _) => BackupRunView::FAILED,
        (.., Some(_)) => BackupRunView::MADE,
        (.., None) => "none",
    };
    let failure = |failure: &BackupFailure| BackupFailureView {
        target: failure.target.display().to_string(),
        at: Timestamp(failure.at).to_string(),
        why: failure.why.clone(),
    };
    BackupStatusView {
        state: state.into(),
        newest: record.newest.as_ref().map(|newest| backup_view(newest, now)),
        failures: record.failures.iter().map(failure).collect(),
    }
}

/// What a program shows of itself that does not run: what was remembered of it.
pub struct StoppedProgram {
    data: PathBuf,
    clock: Arc<dyn Clock>,
}

impl StoppedProgram {
    /// The one whose data folder this is.
    #[must_use]
    pub fn new(data: &Path, clock: Arc<dyn Clock>) -> Self {
        Self { data: data.to_owned(), clock }
    }
}

impl StatusSource for StoppedProgram {
    fn status(&self) -> ProgramView {
        let backup = status(&BackupRecord::load(&self.data), false, self.clock.timestamp());
        ProgramView { backup: Some(backup), ..ProgramView::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::Durability;
    use crate::backup::UnreadPart;
    use crate::model::SystemClock;

    fn gauges(target: &str, newest: i64, failing: bool, unread: usize) -> TargetGauges {
        TargetGauges { target: target.to_owned(), newest, failing, unread }
    }

    #[test]
    fn the_gauges_tell_folders_apart_also_those_that_are_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let archive = Arc::new(Archive::open(&folder.path().join("archive"), Durability::Os).unwrap());
        let sessions = Sessions::new(&folder.path().join("sessions"), "simulated");
        let planned = Some(Planned { target: "/planned".into(), keep: None });
        let backups = Backups::new(folder.path(), archive, sessions, Arc::new(SystemClock), Lifecycle::new(), planned);
        assert_eq!(backups.target_gauges(), [gauges("/planned", 0, false, 0)]);
        let note = |outcome| backups.state().record.note(folder.path(), outcome);
        let failed = BackupFailure { target: "/mistyped".into(), at: 43, why: "no".to_owned(), scheduled: false };
        note(Err(BackupFailure { target: "/planned".into(), scheduled: true, ..failed.clone() }));
        note(Err(failed));
        assert_eq!(backups.target_gauges(), [gauges("/mistyped", 0, true, 0), gauges("/planned", 0, true, 0)]);
        let unread = UnreadPart { what: "it".to_owned(), why: "no".to_owned(), copy_of: None };
        note(Ok(BackupSuccess {
            id: "20240131T120000Z-1".to_owned(),
            target: "/made".into(),
            at: 42,
            change: 1,
            size: 1,
            copied_size: 1,
            sessions_left_out: Vec::new(),
            unread: vec![unread],
        }));
        let expected = [gauges("/made", 42, false, 1), gauges("/mistyped", 0, false, 0), gauges("/planned", 0, true, 0)];
        assert_eq!(backups.target_gauges(), expected, "one that is forgotten is shown as well until the program ends");
    }
}
