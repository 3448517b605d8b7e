//! The worker that keeps the index right: it has the indexer follow the change log, has all files checked when damage was met, and
//! rebuilds an index that is damaged, beside it, and swaps the two.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;

use super::failure::may_be_damage;
use super::integrity::{CheckedFile, FileOutcome, IntegrityCheck};
use super::rebuild::Rebuild;
use super::serving::ServingIndex;
use super::{Index, Indexer, IndexerSettings, SearchError};
use crate::lifecycle::{StepOutcome, Worker};
use crate::panics;

/// How many bytes a step of a check reads: some 50 ms of work, so that a stop is quick.
const CHECK_BYTES: u64 = 64 << 20;
/// How many changes of a rebuild are between two lines in the log: some half a minute of work.
const PROGRESS_CHANGES: u64 = 1_000_000;

/// Supervises the index of a running program.
pub struct IndexSupervisor {
    serving: ServingIndex,
    settings: IndexerSettings,
    work: Work,
    /// Whether the files were checked since the indexer last succeeded: trouble that is none of theirs is not looked for twice.
    checked: bool,
}

/// What is being done.
enum Work {
    /// The index is to be opened, or looked at again.
    Open,
    Follow(Box<Indexer>),
    Check(Box<IntegrityCheck>, Vec<CheckedFile>),
    Rebuild(Option<Box<Rebuild>>),
}

impl IndexSupervisor {
    /// A supervisor that goes on with what is due.
    #[must_use]
    pub fn new(serving: ServingIndex, settings: IndexerSettings) -> Self {
        let work = due(&serving, settings);
        Self { serving, settings, work, checked: false }
    }

    /// Does what is due until the index is whole and has read the whole change log.
    ///
    /// # Errors
    /// When index or archive fail.
    pub async fn catch_up(&mut self) -> anyhow::Result<()> {
        while self.step().await? == StepOutcome::Busy {}
        self.finish().await
    }

    /// Reads on for at most so long, and commits; a rebuild or a check is not waited for.
    ///
    /// # Errors
    /// See [`IndexSupervisor::catch_up`].
    pub async fn catch_up_within(&mut self, limit: Duration) -> anyhow::Result<()> {
        match &mut self.work {
            Work::Follow(indexer) => indexer.catch_up_within(limit).await,
            _ => Ok(()),
        }
    }

    async fn follow(&mut self) -> anyhow::Result<StepOutcome> {
        if self.serving.is_suspected() {
            self.work = match self.serving.get()?.integrity_check() {
                Ok(check) => Work::Check(Box::new(check), Vec::new()),
                Err(SearchError::Unusable { why, .. }) => {
                    self.begin_rebuild(why);
                    return Ok(StepOutcome::Busy);
                }
                Err(error) => return Err(error.into()),
            };
            return Ok(StepOutcome::Busy);
        }
        let Work::Follow(indexer) = &mut self.work else { return Ok(StepOutcome::Busy) };
        match indexer.step().await {
            Ok(outcome) => {
                self.checked = false;
                Ok(outcome)
            }
            Err(error) => {
                // What goes wrong again and again for another reason has not all files read each time.
                if !self.checked && may_be_damage(&error) {
                    self.checked = true;
                    self.serving.report_damage(&format!("{error:#}"));
                }
                Err(error)
            }
        }
    }

    async fn check(&mut self) -> anyhow::Result<StepOutcome> {
        let Work::Check(check, faults) = std::mem::replace(&mut self.work, Work::Open) else { return Ok(StepOutcome::Busy) };
        let (mut check, mut faults) = (check, faults);
        let checking = move || (check.step(CHECK_BYTES), check);
        let (checked, check) = tokio::task::spawn_blocking(checking)
            .await
            .map_err(panics::of_task)
            .context("the check of the index's files failed")?;
        faults.extend(checked.filter(|file| file.outcome != FileOutcome::Whole));
        if check.files_left() > 0 {
            self.work = Work::Check(check, faults);
            return Ok(StepOutcome::Busy);
        }
        let damaged = faults.iter().find(|file| matches!(file.outcome, FileOutcome::Damaged(_)));
        for fault in faults.iter().filter_map(CheckedFile::fault) {
            tracing::error!("the search index: {fault}");
        }
        match damaged.and_then(CheckedFile::fault) {
            Some(fault) => self.begin_rebuild(fault),
            None => {
                tracing::warn!("no file of the search index is damaged");
                self.serving.clear();
                self.work = due(&self.serving, self.settings);
            }
        }
        Ok(StepOutcome::Busy)
    }

    fn begin_rebuild(&mut self, why: String) {
        tracing::warn!("the search index is rebuilt from the archive beside itself, it answers until then: {why}");
        self.serving.begin_rebuild(why);
        self.work = due(&self.serving, self.settings);
    }

    async fn rebuild(&mut self) -> anyhow::Result<StepOutcome> {
        let Work::Rebuild(rebuild) = &mut self.work else { return Ok(StepOutcome::Busy) };
        let rebuild = match rebuild {
            Some(rebuild) => rebuild,
            none => none.insert(Box::new(start(&self.serving, self.settings).await?)),
        };
        let before = rebuild.position();
        let is_complete = match rebuild.step().await {
            Ok(is_complete) => is_complete,
            Err(error) => {
                // Whatever has become of its files, the next try goes on with what is whole of them.
                self.work = Work::Rebuild(None);
                return Err(error);
            }
        };
        let position = rebuild.position();
        self.serving.note_rebuilt(position);
        if before.0 / PROGRESS_CHANGES < position.0 / PROGRESS_CHANGES {
            let last = self.serving.archive().last_seq();
            tracing::info!("the search index is being rebuilt: {position} of {last} changes are done");
        }
        if !is_complete {
            return Ok(StepOutcome::Busy);
        }
        let Work::Rebuild(Some(rebuild)) = std::mem::replace(&mut self.work, Work::Open) else { return Ok(StepOutcome::Busy) };
        let documents = rebuild.complete().await?;
        tracing::info!("the search index is rebuilt: {documents} messages are indexed");
        Ok(StepOutcome::Busy)
    }

    async fn open(&mut self) -> anyhow::Result<StepOutcome> {
        let serving = self.serving.clone();
        tokio::task::spawn_blocking(move || serving.reopen())
            .await
            .map_err(panics::of_task)
            .context("opening the index failed")??;
        self.work = due(&self.serving, self.settings);
        Ok(StepOutcome::Busy)
    }
}

impl Worker for IndexSupervisor {
    async fn step(&mut self) -> anyhow::Result<StepOutcome> {
        match &self.work {
            Work::Open => self.open().await,
            Work::Follow(_) => self.follow().await,
            Work::Check(..) => self.check().await,
            Work::Rebuild(_) => self.rebuild().await,
        }
    }

    async fn wait(&mut self) {
        if let Work::Follow(indexer) = &mut self.work {
            tokio::select! {
                () = indexer.wait() => {}
                () = self.serving.suspected() => {}
            }
        }
    }

    async fn finish(&mut self) -> anyhow::Result<()> {
        match &mut self.work {
            Work::Follow(indexer) => indexer.finish().await,
            Work::Rebuild(Some(rebuild)) => rebuild.pause().await,
            _ => Ok(()),
        }
    }
}

/// What is due: a rebuild, where there is a reason for one.
fn due(serving: &ServingIndex, settings: IndexerSettings) -> Work {
    let follow = |index: Arc<Index>| Work::Follow(Box::new(Indexer::new(index, Arc::clone(serving.archive()), settings)));
    match serving.rebuild() {
        Some(_) => Work::Rebuild(None),
        None => serving.get().map_or(Work::Open, follow),
    }
}

async fn start(serving: &ServingIndex, settings: IndexerSettings) -> anyhow::Result<Rebuild> {
    let why = serving.rebuild().map(|rebuild| rebuild.why).unwrap_or_default();
    let serving = serving.clone();
    let start = move || Rebuild::start(serving.folders(), serving.archive(), settings, &why);
    Ok(tokio::task::spawn_blocking(start).await.map_err(panics::of_task).context("the start of a rebuild failed")??)
}
