//! Keeps session files up to date with the sessions in memory.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::{Session, Sessions};
use crate::lifecycle::{Step, Worker};
use crate::model::AccountName;

/// How long changes are gathered before a file is replaced. What a crash loses of it (access hashes, an update state) is
/// learnt again from the next answers; authorisation keys and a login are saved at once by those who make them.
const GATHER: Duration = Duration::from_secs(2);

/// The worker that saves sessions.
#[derive(Debug)]
pub struct Saver {
    store: Sessions,
    sessions: Vec<(Arc<Session>, watch::Receiver<u64>)>,
}

impl Saver {
    /// A saver of these sessions.
    #[must_use]
    pub fn new(store: Sessions, sessions: &BTreeMap<AccountName, Arc<Session>>) -> Self {
        Self { store, sessions: sessions.values().map(|s| (Arc::clone(s), s.changes())).collect() }
    }

    fn save(&mut self) -> anyhow::Result<Step> {
        let mut step = Step::Idle;
        for (session, changes) in &mut self.sessions {
            if changes.has_changed().unwrap_or(false) {
                changes.mark_unchanged();
                if let Err(error) = self.store.save(session) {
                    changes.mark_changed();
                    return Err(error.into());
                }
                step = Step::Busy;
            }
        }
        Ok(step)
    }
}

impl Worker for Saver {
    async fn step(&mut self) -> anyhow::Result<Step> {
        tokio::task::block_in_place(|| self.save())
    }

    async fn wait(&mut self) {
        tokio::time::sleep(GATHER).await;
    }

    async fn finish(&mut self) -> anyhow::Result<()> {
        self.save().map(|_| ())
    }
}
