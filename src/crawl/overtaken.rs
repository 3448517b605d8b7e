//! Deletions that overtake a page of history (a race): pushed and archived while the page is under way, which was answered before them.
//!
//! A deletion leaves nothing in the archive where the message was never archived, so the older page would bring the message back for
//! good; and a mass deletion is only held until a page disproves it, which an older page must not do. So the ids are remembered until
//! the page is written, and deleted once more in the page's own write.
//!
//! # Correctness
//! A deletion is noted and committed, and a page takes what was noted and is committed, each atomically under this one lock (a mutex).
//! Whichever comes first, the deletion is the later of the two facts. What is noted is gone with the process, as its page is.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use super::recorder::delete;
use crate::archive::{ArchiveError, Archived, Write};
use crate::model::{ChatId, MessageId};

/// What is gone of pages that are under way.
#[derive(Debug, Default)]
pub(super) struct Overtaken(Mutex<BTreeMap<ChatId, Vec<MessageId>>>);

impl Overtaken {
    /// Commits a pushed event; the ids that it deletes beside a page that is under way are deleted from that page too.
    pub(super) fn commit_deletions(
        &self,
        chat: ChatId,
        gone: Vec<MessageId>,
        commit: impl FnOnce() -> Result<Archived, ArchiveError>,
    ) -> Result<Archived, ArchiveError> {
        if gone.is_empty() {
            return commit();
        }
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        noted.entry(chat).or_default().extend(gone);
        commit()
    }

    /// Commits a page of history, without what was deleted while it was under way.
    pub(super) fn commit_page<'a>(
        &self,
        chat: ChatId,
        mut write: Write<'a>,
        commit: impl FnOnce(Write<'a>) -> Result<Archived, ArchiveError>,
    ) -> Result<Archived, ArchiveError> {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let gone = noted.get(&chat).cloned().unwrap_or_default();
        delete(&mut write, chat, gone);
        let archived = commit(write)?;
        noted.remove(&chat);
        Ok(archived)
    }
}
