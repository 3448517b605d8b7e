//! How far the crawl has got, for people who wait.

use crate::archive::{Archive, Totals};

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
    /// The progress, all of it as of one moment.
    #[must_use]
    pub fn of(archive: &Archive) -> Self {
        let Totals { chats, complete, unavailable, messages, read, missing, recheck, held, .. } = archive.snapshot().totals();
        Self {
            peers: chats,
            peers_complete: complete,
            peers_unavailable: unavailable,
            messages,
            ids_read: read,
            ids_missing: missing,
            ids_recheck: recheck,
            deletions_held: held,
        }
    }
}
