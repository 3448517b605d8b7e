//! What becomes of the program when the archive's disk is in trouble.
//!
//! Trouble that passes is waited for; the crawl asks nothing meanwhile. RocksDB does not get over every error by itself (too many open
//! files at a switch of its log, a log that met a full disk), so an archive that still fails after a while is closed and opened again, with
//! everything that uses it; after a full disk, when there is room again. A folder that has vanished, and damage, end the program, with an
//! error.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::archive::{Archive, Health};
use crate::lifecycle::{Ending, Lifecycle, StepOutcome, Worker};

/// The worker's name.
pub(super) const DISK_WORKER: &str = "disk";
/// How long writes may fail before the archive is opened again.
const REOPEN_AFTER: Duration = Duration::from_secs(5);
/// Free bytes with which an archive that met a full disk is opened again: a start writes out what stands in the log alone, at most so much.
const ROOM_MIN: u64 = 64 << 20;

/// The worker that watches the archive's health.
pub(super) struct Disk {
    archive: Arc<Archive>,
    health: watch::Receiver<Health>,
    lifecycle: Lifecycle,
}

impl Disk {
    pub(super) fn new(archive: Arc<Archive>, lifecycle: Lifecycle) -> Self {
        Self { health: archive.health(), archive, lifecycle }
    }

    /// Whether an archive that failed so can be opened again.
    fn can_be_opened(&self, why: &str) -> bool {
        !why.contains("No space left") || self.archive.free_space().is_none_or(|free| free >= ROOM_MIN)
    }
}

impl Worker for Disk {
    async fn step(&mut self) -> anyhow::Result<StepOutcome> {
        let health = self.health.borrow_and_update().clone();
        // The archive has logged it, once.
        self.lifecycle.show_trouble(DISK_WORKER, health.trouble());
        let Some(trouble) = health.trouble() else { return Ok(StepOutcome::Idle) };
        match health {
            Health::Gone { .. } | Health::Damaged { .. } => self.lifecycle.end(Ending::Failed(trouble)),
            Health::Failing { why } => {
                tokio::select! {
                    _ = self.health.wait_for(|health| !matches!(health, Health::Failing { .. })) => return Ok(StepOutcome::Idle),
                    () = self.lifecycle.stop_asked() => return Ok(StepOutcome::Idle),
                    () = tokio::time::sleep(REOPEN_AFTER) => {}
                }
                if !self.can_be_opened(&why) {
                    return Ok(StepOutcome::Busy);
                }
                self.lifecycle.end(Ending::Reopen(trouble));
            }
            _ => {}
        }
        Ok(StepOutcome::Idle)
    }

    async fn wait(&mut self) {
        if self.health.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
        self.health.mark_changed();
    }
}
