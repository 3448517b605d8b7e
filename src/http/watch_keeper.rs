//! Who adds and removes watches for `http`, which writes nothing itself: a trait, as of the other [operator requests](super::operator).

use futures_util::future::BoxFuture;

use crate::archive::ArchivedWatch;
use crate::watches::{WantedWatch, WatchError};

use super::problem::Problem;

/// The part of the program that adds and removes watches.
pub trait WatchKeeper: Send + Sync {
    /// Adds a watch.
    fn add(&self, wanted: WantedWatch) -> BoxFuture<'_, Result<ArchivedWatch, WatchRefusal>>;

    /// Removes a watch, by its name.
    fn remove(&self, name: String) -> BoxFuture<'_, Result<ArchivedWatch, WatchRefusal>>;
}

/// A watch was neither added nor removed.
#[derive(Debug, thiserror::Error)]
pub enum WatchRefusal {
    /// It cannot be.
    #[error(transparent)]
    Invalid(#[from] WatchError),
    /// Too many requests are pending.
    #[error("the queue of operator requests is full; retry in a moment")]
    Busy,
    /// The program is not running.
    #[error("start it with `telescribe run`, then retry")]
    NotRunning,
}

impl From<WatchRefusal> for Problem {
    fn from(refusal: WatchRefusal) -> Self {
        let detail = refusal.to_string();
        match refusal {
            WatchRefusal::Busy => Self::busy(detail),
            WatchRefusal::NotRunning => Self::not_running(detail),
            WatchRefusal::Invalid(error) => match error {
                WatchError::Name(_) | WatchError::Reserved(_) | WatchError::Note => Self::bad_body(detail),
                WatchError::Query(_) | WatchError::Order | WatchError::Deleted => Self::bad_query(detail),
                WatchError::Exists(_) | WatchError::TooMany => Self::not_watched(detail),
                WatchError::Unknown(_) => Self::unknown_watch(detail),
                WatchError::Archive(_) => Self::hidden(&detail),
            },
        }
    }
}
