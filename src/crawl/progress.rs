//! How far the crawl has got, for people who wait.

use std::collections::BTreeMap;
use std::sync::PoisonError;

use super::{Crawler, PACING};
use crate::accounts::{AccountStatus, Urgency};
use crate::archive::{Archive, ArchiveError};
use crate::model::{IdRange, PeerId, Timestamp};
use crate::telegram::method;

/// How far the crawl has got.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    /// Peers that are crawled.
    pub peers: u64,
    /// Peers of which every id up to the newest was read.
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
    /// Reads the progress from the archive.
    ///
    /// # Errors
    /// When the archive cannot be read.
    pub fn of(archive: &Archive) -> Result<Self, ArchiveError> {
        let mut progress = Self::default();
        for entry in archive.cursors() {
            let (peer, cursor) = entry?;
            let coverage = archive.coverage(peer)?;
            let missing = IdRange::new(1, cursor.top).map_or(0, |all| coverage.read.missing(all).len());
            progress.peers += 1;
            progress.peers_complete += u64::from(missing == 0);
            progress.peers_unavailable += u64::from(cursor.unavailable.is_some());
            progress.messages += coverage.messages;
            progress.ids_read += coverage.read.len();
            progress.ids_missing += missing;
            progress.ids_recheck += cursor.recheck.len();
            progress.deletions_held += cursor.held.len();
        }
        Ok(progress)
    }
}

impl Crawler {
    /// What keeps a peer from being read on just now: nobody who can read it, or a wait that Telegram asked for.
    #[must_use]
    pub fn hindrance(&self, peer: PeerId) -> Option<String> {
        let readers = self.readers(peer).ok()?;
        if readers.is_empty() {
            return Some("no account can read it".to_owned());
        }
        let now = self.clock.now();
        let free = readers.iter().filter_map(|account| self.pool.free_at(account, method::HISTORY, Urgency::Background)).min();
        match free {
            None => Some("the accounts that can read it are signed out or banned; see `telescribe account list`".to_owned()),
            Some(at) if at > now + PACING => Some(format!("flood wait until {}", Timestamp::from(at))),
            Some(_) => None,
        }
    }

    /// Units that wait, and subjects that are being worked on.
    #[must_use]
    pub fn backlog(&self) -> (usize, usize) {
        self.queue.len()
    }

    /// Constructors that this version has no name for, and how many messages held each, since the start.
    #[must_use]
    pub fn not_understood(&self) -> BTreeMap<&'static str, u64> {
        self.not_understood.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How the accounts are doing.
    #[must_use]
    pub fn accounts(&self) -> Vec<AccountStatus> {
        self.pool.status()
    }
}
