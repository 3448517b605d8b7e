//! Retention of time series: what is older than the operator wants is removed, in steps that nobody notices.

use std::sync::Arc;
use std::time::Duration;

use crate::archive::{Archive, ExpiryCursor};
use crate::lifecycle::{Lifecycle, StepOutcome, Worker};
use crate::model::{Clock, Timestamp};

/// The pause between two steps. A step holds the archive's one writer for some milliseconds: crawling gets the rest.
const STEP_PAUSE: Duration = Duration::from_millis(50);
/// The pause between two passes over all series: an hour is nothing against the days that they are kept for.
const PASS_INTERVAL: Duration = Duration::from_secs(3_600);

/// The worker that removes expired samples.
pub(super) struct Retention {
    archive: Arc<Archive>,
    clock: Arc<dyn Clock>,
    keep: Duration,
    /// Where the pass goes on; `None` between two passes.
    cursor: Option<ExpiryCursor>,
}

impl Retention {
    /// Starts removing what is older than `keep`; where that is `None`, everything is kept.
    pub(super) fn start(keep: Option<Duration>, archive: &Arc<Archive>, clock: &Arc<dyn Clock>, lifecycle: &Lifecycle) {
        // Shown from the start, so that the first one is seen as an increase.
        metrics::counter!("telescribe_samples_expired_total").increment(0);
        let Some(keep) = keep else { return };
        let (archive, clock) = (Arc::clone(archive), Arc::clone(clock));
        lifecycle.work("retention", move || Self {
            archive: Arc::clone(&archive),
            clock: Arc::clone(&clock),
            keep,
            cursor: None,
        });
    }
}

impl Worker for Retention {
    async fn step(&mut self) -> anyhow::Result<StepOutcome> {
        let keep = i64::try_from(self.keep.as_secs()).unwrap_or(i64::MAX);
        let before = Timestamp(self.clock.timestamp().0.saturating_sub(keep));
        let from = self.cursor.unwrap_or_default();
        let (removed, next) = tokio::task::block_in_place(|| self.archive.expire_samples(before, from))?;
        metrics::counter!("telescribe_samples_expired_total").increment(removed);
        self.cursor = next;
        Ok(StepOutcome::Idle)
    }

    async fn wait(&mut self) {
        tokio::time::sleep(if self.cursor.is_some() { STEP_PAUSE } else { PASS_INTERVAL }).await;
    }
}
