//! The data folder in the hands of a command that only reads: it gives way to another process that waits for it, which `telescribe run` does.
//!
//! The lock is given back even while the command waits for whoever reads its output. What it has read is true; it reads nothing more.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::bail;
use tokio_util::sync::CancellationToken;

use crate::archive::DataFolder;
use crate::lifecycle::Lifecycle;

/// What a command says that has given way.
pub(in crate::cli) const GAVE_WAY: &str =
    "another telescribe waits for the data folder, and this command gave way to it; ask again: a running one answers";

/// How often it is looked whether another process waits: a start waits for some seconds.
const LOOK: Duration = Duration::from_millis(200);

/// The data folder, until it is wanted back.
pub(super) struct Lent {
    folder: Arc<Mutex<Option<DataFolder>>>,
    pub(super) end: EndOfLoan,
}

/// Tells that the data folder was wanted back.
#[derive(Clone)]
pub(super) struct EndOfLoan(CancellationToken);

impl Lent {
    /// The folder; `gives_way` where it is only read.
    pub(super) fn new(folder: DataFolder, gives_way: bool, lifecycle: &Lifecycle) -> Self {
        let (folder, end) = (Arc::new(Mutex::new(Some(folder))), EndOfLoan(CancellationToken::new()));
        if gives_way {
            lifecycle.task(give_way(Arc::clone(&folder), end.clone()));
        }
        Self { folder, end }
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        *lock(&self.folder) = None;
    }
}

async fn give_way(folder: Arc<Mutex<Option<DataFolder>>>, end: EndOfLoan) {
    loop {
        tokio::time::sleep(LOOK).await;
        let mut folder = lock(&folder);
        match &*folder {
            Some(held) if !held.is_wanted() => {}
            Some(_) => {
                end.0.cancel();
                *folder = None;
                return;
            }
            None => return,
        }
    }
}

fn lock(folder: &Mutex<Option<DataFolder>>) -> MutexGuard<'_, Option<DataFolder>> {
    folder.lock().unwrap_or_else(PoisonError::into_inner)
}

impl EndOfLoan {
    /// An error once the folder is wanted back.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        if self.0.is_cancelled() {
            bail!("{GAVE_WAY}")
        }
        Ok(())
    }

    /// What comes of reading, unless the folder is wanted back meanwhile.
    pub(super) async fn or<T>(&self, reading: impl Future<Output = T>) -> anyhow::Result<T> {
        let outcome = tokio::select! {
            outcome = reading => Ok(outcome),
            () = self.0.cancelled() => Err(()),
        };
        self.check()?;
        outcome.map_err(|()| anyhow::anyhow!("the data folder is wanted back"))
    }
}
