//! Writes sessions that changed in memory back to their files (write-behind).
//!
//! A file is replaced atomically, as a whole. So writes are debounced: what the next answers would teach again is coalesced, what cannot be
//! learnt again is saved at once. A save that failed is retried, because what it did not save still counts as unsaved. While nothing changes
//! nothing runs. The access hashes of a running program are in the archive ([`Session::keep_peers_in_archive`]).

use std::collections::BTreeMap;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::select_all;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::session::Changes;
use super::{Session, SessionError, Sessions};
use crate::lifecycle::{StepOutcome, Worker};
use crate::model::AccountName;

/// The debounce: how long, from the first one on, changes that the next answers would teach again (an updates state) are
/// coalesced before a file is replaced. A busy account moves its state several times a second, and half a minute of it is one
/// request to learn again.
const DEBOUNCE: Duration = Duration::from_secs(30);

/// The worker that saves sessions.
#[derive(Debug)]
pub struct SessionWriter {
    store: Sessions,
    sessions: Vec<WatchedSession>,
    debounce: Duration,
}

#[derive(Debug)]
struct WatchedSession {
    session: Arc<Session>,
    changes: Changes<watch::Receiver<u64>>,
    /// The deadline of the changes that are being coalesced.
    due: Option<Instant>,
}

impl SessionWriter {
    /// A writer of these sessions. What changed since they were loaded is saved at its first step.
    #[must_use]
    pub fn new(store: Sessions, sessions: &BTreeMap<AccountName, Arc<Session>>) -> Self {
        let watch =
            |session: &Arc<Session>| WatchedSession { session: Arc::clone(session), changes: session.changes(), due: None };
        Self { store, sessions: sessions.values().map(watch).collect(), debounce: DEBOUNCE }
    }

    /// Saves the sessions that are due; one that cannot be saved does not keep the others from it.
    fn save(&mut self, everything: bool) -> Result<StepOutcome, SessionError> {
        let now = Instant::now();
        let mut outcome = Ok(StepOutcome::Idle);
        for watched in &mut self.sessions {
            let wanted = watched.is_due(now, self.debounce) || everything && watched.changed();
            if !wanted {
                continue;
            }
            match self.store.save(&watched.session) {
                Ok(()) => {
                    watched.due = None;
                    outcome = outcome.map(|_| StepOutcome::Busy);
                }
                Err(error) => outcome = outcome.and(Err(error)),
            }
        }
        outcome
    }
}

impl WatchedSession {
    fn changed(&self) -> bool {
        self.session.revision() != self.session.saved_revision()
    }

    /// Whether the file is to be replaced now; sets the deadline where a change is to be coalesced.
    fn is_due(&mut self, now: Instant, debounce: Duration) -> bool {
        let (current, saved) = (self.session.revision(), self.session.saved_revision());
        if current == saved {
            // A caller that could not wait has saved it.
            self.due = None;
        }
        if current.immediate != saved.immediate {
            return true;
        }
        current.coalesced != saved.coalesced && *self.due.get_or_insert(now + debounce) <= now
    }

    /// Returns when there is a change that [`WatchedSession::is_due`] has not seen.
    async fn moved(&mut self) {
        let (saved, coalescing) = (self.session.saved_revision(), self.due.is_some());
        let Changes { immediate, coalesced } = &mut self.changes;
        // A session outlives its watcher, so neither channel ever closes.
        tokio::select! {
            _ = immediate.wait_for(|n| *n != saved.immediate) => {}
            _ = coalesced.wait_for(|n| *n != saved.coalesced), if !coalescing => {}
        }
    }
}

impl Worker for SessionWriter {
    async fn step(&mut self) -> anyhow::Result<StepOutcome> {
        Ok(tokio::task::block_in_place(|| self.save(false))?)
    }

    async fn wait(&mut self) {
        let due = self.sessions.iter().filter_map(|watched| watched.due).min();
        let at = async {
            match due {
                Some(due) => sleep_until(due).await,
                None => pending().await,
            }
        };
        if self.sessions.is_empty() {
            return at.await;
        }
        let moved = select_all(self.sessions.iter_mut().map(|watched| Box::pin(watched.moved())));
        tokio::select! {
            _ = moved => {}
            () = at => {}
        }
    }

    async fn finish(&mut self) -> anyhow::Result<()> {
        tokio::task::block_in_place(|| self.save(true))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
