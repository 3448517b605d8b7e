//! How far the crawl has got, for people who wait.

use crate::archive::{Archive, ArchiveError, Completeness};
use crate::model::PeerId;

/// How far the crawl has got.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    /// Peers that are crawled.
    pub peers: u64,
    /// Of these, the ones that are complete: every id up to the newest was read, and nothing is to be read again or confirmed.
    pub peers_complete: u64,
    /// Peers that no account can read at present.
    pub peers_unavailable: u64,
    /// Messages archived, deleted ones included.
    pub messages: u64,
    /// Ids that were read.
    pub ids_read: u64,
    /// Ids that were not read yet.
    pub ids_missing: u64,
    /// Ids that are to be read again.
    pub ids_recheck: u64,
    /// Messages that are said to be deleted, too many at once to be believed yet.
    pub deletions_held: u64,
}

impl Progress {
    /// Reads the progress from the archive, all of it as of one moment.
    ///
    /// # Errors
    /// When the archive cannot be read.
    pub fn of(archive: &Archive) -> Result<Self, ArchiveError> {
        let mut progress = Self::default();
        let snapshot = archive.snapshot();
        let view = snapshot.view();
        for entry in view.crawl_states(PeerId(i64::MIN).into()) {
            let (chat, state) = entry?;
            let coverage = view.coverage(chat)?;
            let completeness = Completeness::of(&coverage, &state);
            progress.peers += 1;
            progress.peers_complete +=
                u64::from(completeness.is_complete() && (state.unavailable.is_none() || state.is_wanted_no_longer()));
            progress.peers_unavailable += u64::from(state.unavailable.is_some() && !state.is_taken_over());
            progress.messages += coverage.messages;
            progress.ids_read += coverage.read.len();
            progress.ids_missing += completeness.missing.len();
            progress.ids_recheck += completeness.recheck.len();
            progress.deletions_held += completeness.held.len();
        }
        Ok(progress)
    }
}
