//! SIGTERM and Ctrl-C (SIGINT): graceful shutdown.
//!
//! A command that runs until it is stopped catches both before it begins anything. A service manager may stop a program in its first
//! moments; a signal that nobody catches yet would end it without its stop. What arrives while nobody waits for it is kept.

use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::output::tell;
use crate::lifecycle::Lifecycle;

/// How long a soft stop may take before it becomes a hard one: below the 90 s after which service managers kill, and longer
/// than any request may take.
const SOFT_STOP_MAX: Duration = Duration::from_secs(60);

/// Both signals, caught for as long as the process runs.
#[derive(Debug)]
pub(super) struct Signals {
    term: Signal,
    int: Signal,
}

impl Signals {
    /// Catches both from now on; to be called before anything is started that has to be stopped.
    ///
    /// # Errors
    /// When the system refuses.
    pub(super) fn catch() -> anyhow::Result<Self> {
        Ok(Self { term: signal(SignalKind::terminate())?, int: signal(SignalKind::interrupt())? })
    }

    /// Returns when one of them arrives, or has arrived since this was asked last. May be dropped.
    pub(super) async fn next(&mut self) {
        tokio::select! {
            _ = self.term.recv() => {}
            _ = self.int.recv() => {}
        }
    }

    /// Waits for a signal to stop, softly; a second one, or too long a wait, stops hard. Says whether any signal arrived: the program may
    /// also stop by itself.
    pub(super) async fn stop(&mut self, lifecycle: &Lifecycle) -> bool {
        let mut arrived = tokio::select! {
            () = self.next() => true,
            () = lifecycle.stop_asked() => false,
        };
        tracing::info!("stopping: finishing requests in progress (a second signal stops at once)");
        lifecycle.stop_soft();
        tokio::select! {
            () = lifecycle.ended() => {}
            () = self.next() => {
                arrived = true;
                lifecycle.stop_hard();
            }
            () = tokio::time::sleep(SOFT_STOP_MAX) => {
                tell("telescribe: some work did not end in time; stopping at once");
                lifecycle.stop_hard();
            }
        }
        arrived
    }
}
