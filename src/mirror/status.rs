//! How the mirror is doing, for `/v1/status`, `telescribe status` and metrics.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::blob::BlobAmount;

/// What the mirror is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum MirrorState {
    /// Nothing was asked of the storage server yet.
    #[default]
    Starting,
    /// It takes what it is given.
    Connected,
    /// It does not answer; another try follows.
    Unreachable,
    /// It refuses what only a person can repair; another try follows all the same.
    Refused,
}

impl MirrorState {
    /// Its name in `/v1/status`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Connected => "connected",
            Self::Unreachable => "unreachable",
            Self::Refused => "refused",
        }
    }
}

/// How the mirror is doing, at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct MirrorReport {
    /// What it is doing.
    pub state: MirrorState,
    /// The last change up to which everything is mirrored.
    pub position: u64,
    /// How many changes are behind that.
    pub lag: u64,
    /// What the mirror has.
    pub objects: BlobAmount,
    /// Of that, what is nowhere else.
    pub only_there: BlobAmount,
    /// Blobs that it does not have yet.
    pub waiting: u64,
    /// Uploads under way.
    pub uploading: u64,
    /// Blobs that could not be mirrored, since all were looked at last.
    pub failed: u64,
    /// What is wrong; absent where nothing is.
    pub last_error: Option<String>,
}

/// How the mirror is doing; written by its worker, read by anyone.
#[derive(Debug, Default)]
pub(super) struct Status(Mutex<MirrorReport>);

impl Status {
    pub(super) fn report(&self) -> MirrorReport {
        self.lock().clone()
    }

    pub(super) fn note<T>(&self, change: impl FnOnce(&mut MirrorReport) -> T) -> T {
        change(&mut self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, MirrorReport> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
