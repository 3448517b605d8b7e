//! Keeps session files up to date with the sessions in memory.
//!
//! A file is replaced as a whole, and with tens of thousands of peers in it that is not little: what can be learnt again is
//! gathered, what cannot is saved at once. While nothing changes nothing runs. Whoever makes something durable that needs the access hashes
//! just learnt has them saved before ([`Session::keep_hashes`]).

use std::collections::BTreeMap;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::select_all;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::session::Changes;
use super::{Session, SessionError, Sessions};
use crate::lifecycle::{Step, Worker};
use crate::model::AccountName;

/// How long changes that the next answers would teach again (access hashes, an updates state) are gathered before a file is
/// replaced: a busy account moves its state several times a second, and half a minute of it is one request to learn again.
const GATHER: Duration = Duration::from_secs(30);

/// The worker that saves sessions.
#[derive(Debug)]
pub struct Saver {
    store: Sessions,
    sessions: Vec<Watched>,
    gather: Duration,
}

#[derive(Debug)]
struct Watched {
    session: Arc<Session>,
    changes: Changes<watch::Receiver<u64>>,
    /// When what is being gathered is to be saved.
    due: Option<Instant>,
}

impl Saver {
    /// A saver of these sessions. What changed since they were loaded is saved at its first step.
    #[must_use]
    pub fn new(store: Sessions, sessions: &BTreeMap<AccountName, Arc<Session>>) -> Self {
        let watch = |session: &Arc<Session>| Watched { session: Arc::clone(session), changes: session.changes(), due: None };
        Self { store, sessions: sessions.values().map(watch).collect(), gather: GATHER }
    }

    /// Saves the sessions whose turn it is; one that cannot be saved does not keep the others from it.
    fn save(&mut self, everything: bool) -> Result<Step, SessionError> {
        let now = Instant::now();
        let mut outcome = Ok(Step::Idle);
        for watched in &mut self.sessions {
            let wanted = watched.is_due(now, self.gather) || everything && watched.changed();
            if !wanted {
                continue;
            }
            match self.store.save(&watched.session) {
                Ok(()) => {
                    watched.due = None;
                    outcome = outcome.map(|_| Step::Busy);
                }
                Err(error) => outcome = outcome.and(Err(error)),
            }
        }
        outcome
    }
}

impl Watched {
    fn changed(&self) -> bool {
        self.session.counted().changes != self.session.saved().changes
    }

    /// Whether the file is to be replaced now; begins to gather where that is what a change needs.
    fn is_due(&mut self, now: Instant, gather: Duration) -> bool {
        let (counted, saved) = (self.session.counted().changes, self.session.saved().changes);
        if counted == saved {
            // Whoever could not wait has saved it.
            self.due = None;
        }
        if counted.urgent != saved.urgent {
            return true;
        }
        counted.gathered != saved.gathered && *self.due.get_or_insert(now + gather) <= now
    }

    /// Returns when there is a change that [`Watched::is_due`] has not seen.
    async fn moved(&mut self) {
        let (saved, gathering) = (self.session.saved().changes, self.due.is_some());
        let Changes { urgent, gathered } = &mut self.changes;
        // A session outlives its watcher, so neither channel ever closes.
        tokio::select! {
            _ = urgent.wait_for(|n| *n != saved.urgent) => {}
            _ = gathered.wait_for(|n| *n != saved.gathered), if !gathering => {}
        }
    }
}

impl Worker for Saver {
    async fn step(&mut self) -> anyhow::Result<Step> {
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
