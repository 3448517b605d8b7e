//! The scrub: reads all of the archive and of the index now and then, within a budget of bytes a second, so that damage is found while there
//! still is a backup, and not when what is damaged is asked for.
//!
//! What it finds is logged, counted and shown with this worker until a later pass finds nothing. Damaged messages are asked of Telegram
//! again, and a damaged index is checked and rebuilt, as whenever somebody else meets damage.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::archive::{Archive, ArchiveError};
use crate::lifecycle::{Lifecycle, StepOutcome, Worker};
use crate::model::Clock;
use crate::search::{SearchError, ServingIndex};
use crate::verification::{self, ScrubSettings, VerificationProgress, VerificationReport};

/// The worker's name.
const SCRUB_WORKER: &str = "scrub";
/// Under which name the archive keeps when a pass ended.
const ENDED: &str = "scrub";
/// How often it is looked whether a pass is due.
const LOOK_INTERVAL: Duration = Duration::from_secs(60);
/// How many of the differences are told in words.
const TOLD_MAX: usize = 5;

/// The worker that scrubs.
pub(super) struct Scrub {
    archive: Arc<Archive>,
    index: ServingIndex,
    clock: Arc<dyn Clock>,
    lifecycle: Lifecycle,
    settings: ScrubSettings,
}

impl Scrub {
    /// Starts scrubbing; without settings, nothing is.
    pub(super) fn start(
        settings: Option<ScrubSettings>,
        archive: &Arc<Archive>,
        index: &ServingIndex,
        clock: &Arc<dyn Clock>,
        lifecycle: &Lifecycle,
    ) {
        // Shown from the start, so that the first one is seen as an increase.
        metrics::counter!("telescribe_scrubbed_bytes_total").increment(0);
        metrics::gauge!("telescribe_scrub_differences").set(0.0);
        let Some(settings) = settings else { return };
        let (archive, index, clock, of) = (Arc::clone(archive), index.clone(), Arc::clone(clock), lifecycle.clone());
        lifecycle.work(SCRUB_WORKER, move || Self {
            archive: Arc::clone(&archive),
            index: index.clone(),
            clock: Arc::clone(&clock),
            lifecycle: of.clone(),
            settings,
        });
    }

    fn is_due(&self) -> Result<bool, ArchiveError> {
        let interval = i64::try_from(self.settings.interval.as_secs()).unwrap_or(i64::MAX);
        let Some(ended) = self.archive.view().job_started(ENDED)? else {
            // What is new was read as it was written: the first pass is due an interval later.
            self.note_end()?;
            return Ok(false);
        };
        Ok(self.clock.timestamp().0.saturating_sub(ended.0) >= interval)
    }

    /// Reads all there is, no faster than allowed; `None` when the program stops meanwhile. Blocks.
    fn pass(&self) -> anyhow::Result<Option<VerificationReport>> {
        let (began, mut read) = (Instant::now(), 0_u64);
        let mut tell = |VerificationProgress { bytes, .. }| {
            read += bytes;
            metrics::counter!("telescribe_scrubbed_bytes_total").increment(bytes);
            let due = Duration::from_secs_f64(read as f64 / self.settings.bytes_per_second.max(1) as f64);
            let mut early = due.saturating_sub(began.elapsed());
            while !early.is_zero() && !self.lifecycle.stopping() {
                let rest = early.min(Duration::from_millis(100));
                std::thread::sleep(rest);
                early -= rest;
            }
            !self.lifecycle.stopping()
        };
        let take = || self.archive.flushed();
        let found = match self.index.get() {
            Ok(index) => verification::verify(take, Ok(&index), Vec::new(), &mut tell),
            Err(error) => verification::verify(take, Err(error), Vec::new(), &mut tell),
        };
        match found {
            Ok(report) => Ok(Some(report)),
            Err(SearchError::Archive(ArchiveError::Stopped)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn told(&self, report: &VerificationReport) -> Result<(), ArchiveError> {
        let differences = &report.differences;
        metrics::gauge!("telescribe_scrub_differences").set(differences.len() as f64);
        let found = (!differences.is_empty()).then(|| {
            let words: Vec<&str> = differences.iter().take(TOLD_MAX).map(String::as_str).collect();
            let more = differences.len().saturating_sub(TOLD_MAX);
            let rest = if more > 0 { format!("; and {more} more") } else { String::new() };
            format!(
                "the scrub found {} differences: {}{rest}; `telescribe verify` lists them",
                differences.len(),
                words.join("; ")
            )
        });
        match &found {
            Some(found) => tracing::error!("{found}"),
            None => tracing::info!(messages = report.messages, "the scrub found {} messages whole", report.messages),
        }
        if let Some(damage) = differences.iter().find(|difference| difference.starts_with("index: file")) {
            self.index.report_damage(damage);
        }
        self.lifecycle.show_trouble(SCRUB_WORKER, found);
        self.note_end()
    }

    fn note_end(&self) -> Result<(), ArchiveError> {
        let mut write = self.archive.write(self.clock.timestamp());
        write.job_started(ENDED);
        write.commit()?;
        Ok(())
    }
}

impl Worker for Scrub {
    async fn step(&mut self) -> anyhow::Result<StepOutcome> {
        tokio::task::block_in_place(|| {
            if self.is_due()?
                && let Some(report) = self.pass()?
            {
                self.told(&report)?;
            }
            Ok(StepOutcome::Idle)
        })
    }

    async fn wait(&mut self) {
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
}
