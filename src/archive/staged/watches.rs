//! Watches that a write adds or removes.

use crate::model::{Seq, WatchName};

use super::super::ArchiveError;
use super::super::family::{WATCH, WATCHES_REVISION};
use super::super::key::{WatchKey, WatchesRevisionKey};
use super::super::watches::ArchivedWatch;
use super::Staged;

/// What becomes of a watch.
#[derive(Clone, Debug)]
pub(in crate::archive) enum WatchChange {
    /// It is added, or replaces the one that has its name.
    Added {
        name: WatchName,
        query: String,
        note: Option<String>,
    },
    Removed(WatchName),
}

impl Staged<'_> {
    /// Adds and removes watches. Those that are added watch what comes behind this write.
    pub(in crate::archive) fn watches(&mut self, changes: Vec<WatchChange>) -> Result<(), ArchiveError> {
        if changes.is_empty() {
            return Ok(());
        }
        let since = Seq(self.next.0.saturating_sub(1));
        for change in changes {
            match change {
                WatchChange::Added { name, query, note } => {
                    let key = WatchKey(name.clone());
                    self.put(&WATCH, &key, &ArchivedWatch { name, query, note, created_at: self.now, since });
                }
                WatchChange::Removed(name) => WATCH.delete(&self.archive.db, &mut self.batch, &WatchKey(name)),
            }
        }
        let revision = self.view().watches_revision()?.saturating_add(1);
        self.put(&WATCHES_REVISION, &WatchesRevisionKey, &revision);
        Ok(())
    }
}
