//! Collecting what no file refers to any more (garbage collection by mark and sweep): once a day, and what a killed process left.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::archive::Archive;
use crate::blob::Blobs;
use crate::lifecycle::{StepOutcome, Worker};
use crate::model::{Clock, Timestamp};

/// How often: what is not referred to is rare.
const EVERY: Duration = Duration::from_secs(24 * 3_600);
/// The first time after a start, which has other things to do.
const FIRST: Duration = Duration::from_secs(10 * 60);
/// What is younger is left alone: its download may just be ending.
const AGE_MIN: i64 = 24 * 3_600;

/// The worker that collects.
pub(super) struct Collector {
    archive: Arc<Archive>,
    blobs: Blobs,
    clock: Arc<dyn Clock>,
    next: Instant,
}

impl Collector {
    pub(super) fn new(archive: &Arc<Archive>, blobs: &Blobs, clock: &Arc<dyn Clock>) -> Self {
        let (archive, blobs, clock) = (Arc::clone(archive), blobs.clone(), Arc::clone(clock));
        Self { archive, blobs, clock, next: Instant::now() + FIRST }
    }

    /// Removes what no file refers to.
    ///
    /// # Correctness
    /// The collection begins before the archive is read: what is stored from then on it leaves alone.
    fn collect(&self) -> anyhow::Result<()> {
        let collection = self.blobs.begin_collection()?;
        let (referred, is_all) = self.archive.view().stored_content()?;
        if !is_all {
            tracing::warn!("the record of a file is damaged, and what it refers to nobody can tell: nothing is collected today");
            return Ok(());
        }
        let older_than = Timestamp(self.clock.timestamp().0.saturating_sub(AGE_MIN));
        let collected = collection.sweep(|hash| referred.contains(hash), older_than)?;
        tracing::debug!(?collected, "collected what no file refers to");
        Ok(())
    }
}

impl Worker for Collector {
    async fn step(&mut self) -> anyhow::Result<StepOutcome> {
        if self.next <= Instant::now() {
            tokio::task::block_in_place(|| self.collect())?;
            self.next = Instant::now() + EVERY;
        }
        Ok(StepOutcome::Idle)
    }

    async fn wait(&mut self) {
        tokio::time::sleep_until(self.next).await;
    }
}
