//! What a write does to files: where they were seen, and what becomes of them.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{AccountName, ChangeKind, FileId, FileOrigin, FileState, SeenFile, StoredBytes, Timestamp};

use super::super::ArchiveError;
use super::super::attachments::{ArchivedFile, ArchivedOrigin, There};
use super::super::family::{ATTACHED, FILE, FILE_TOTALS, ORIGIN, QUEUE};
use super::super::file_totals::FileTotals;
use super::super::key::{AttachedKey, FileTotalsKey, OriginKey, QueueKey};
use super::Staged;

/// The files of a write, as it leaves them.
#[derive(Default)]
pub(super) struct StagedFiles {
    pub(super) files: BTreeMap<FileId, Option<ArchivedFile>>,
    origins: BTreeMap<OriginKey, ArchivedOrigin>,
    /// Where they are seen no more.
    pub(super) gone: BTreeSet<OriginKey>,
    /// The sums over all files as they were before it, and as it leaves them.
    totals: (FileTotals, FileTotals),
    /// Whether a damaged file was counted that this write replaces: nobody knows as what, so the sums are to be worked out anew.
    is_sum_lost: bool,
}

impl StagedFiles {
    pub(super) fn new(before: FileTotals) -> Self {
        Self { totals: (before, before), ..Self::default() }
    }

    /// A file is known no more; where it is there all the same, it is damaged.
    pub(super) fn forget(&mut self, known: Option<&ArchivedFile>, is_there: bool) {
        self.totals.1.replace(known, None);
        self.is_sum_lost |= known.is_none() && is_there;
    }
}

impl Staged<'_> {
    /// A file was seen.
    pub(in crate::archive) fn file_seen(
        &mut self,
        origin: FileOrigin,
        posted_at: Timestamp,
        account: Option<AccountName>,
        seen: SeenFile,
    ) -> Result<(), ArchiveError> {
        if self.is_kept_out_at(origin)? {
            return Ok(());
        }
        let id = seen.id;
        let known = self.file(id)?;
        let key = OriginKey { file: id, origin };
        let known_origin = match self.files.origins.get(&key) {
            Some(origin) => Some(origin.clone()),
            None => self.view().readable(&ORIGIN, &key)?,
        };
        // Of what is stored or not wanted no fresh reference is of use.
        let is_settled = known.as_ref().is_some_and(|file| file.due().is_none() && file.state != FileState::Seen);
        let is_fresh = known_origin.as_ref().is_none_or(|known| !is_settled && known.access != seen.access);
        if is_fresh {
            let told = ArchivedOrigin { origin, place: seen.place, account, access: seen.access.clone(), told_at: self.now };
            self.put(&ORIGIN, &key, &told);
            self.files.origins.insert(key, told);
        }
        if known_origin.is_none() {
            self.put(&ATTACHED, &AttachedKey { origin, file: id }, &seen.place);
        }
        self.files.is_sum_lost |= known.is_none() && self.view().bytes(&FILE, &id)?.is_some();
        let mut file = known.clone().unwrap_or_else(|| ArchivedFile::first_seen(&seen, posted_at, self.now));
        file.learn(&seen);
        if known_origin.is_none() {
            file.posted_at = file.posted_at.max(posted_at);
            if matches!(file.state, FileState::Failed { next_try: None, .. }) {
                // There is a source more.
                (file.state, file.state_since) = (FileState::Wanted, self.now);
            }
        }
        self.put_file(known.as_ref(), file);
        Ok(())
    }

    /// What is to become of a file, or has; nothing happens to one that is not known.
    pub(in crate::archive) fn file_state(&mut self, id: FileId, state: FileState) -> Result<(), ArchiveError> {
        let Some(known) = self.file(id)? else { return Ok(()) };
        if known.state == state {
            return Ok(());
        }
        let told = match &state {
            FileState::Stored(_) => self.origin_of(id)?.map(|origin| ChangeKind::MediaStored { file: id, origin }),
            FileState::Failed { next_try: None, .. } => {
                self.origin_of(id)?.map(|origin| ChangeKind::MediaFailed { file: id, origin })
            }
            _ => None,
        };
        if let Some(told) = told {
            self.change(told);
        }
        let file = ArchivedFile { state, state_since: self.now, ..known.clone() };
        self.put_file(Some(&known), file);
        Ok(())
    }

    /// The picture that stands for a file is stored, or cannot be made.
    pub(in crate::archive) fn file_thumbnail(
        &mut self,
        id: FileId,
        thumbnail: Result<StoredBytes, String>,
    ) -> Result<(), ArchiveError> {
        let Some(known) = self.file(id)? else { return Ok(()) };
        let file = match thumbnail {
            Ok(bytes) => ArchivedFile { thumbnail: Some(bytes), no_thumbnail: None, ..known.clone() },
            Err(why) => ArchivedFile { no_thumbnail: Some(why), ..known.clone() },
        };
        self.put_file(Some(&known), file);
        Ok(())
    }

    /// The sums over all files after this write, which has them too. Without them the next opening sums up.
    pub(super) fn new_file_totals(&mut self) -> FileTotals {
        let (before, after) = self.files.totals;
        if self.files.is_sum_lost {
            FILE_TOTALS.delete(&self.archive.db, &mut self.batch, &FileTotalsKey);
        } else if after != before {
            self.put(&FILE_TOTALS, &FileTotalsKey, &after);
        }
        after
    }

    /// A file as this write leaves it.
    pub(super) fn file(&self, id: FileId) -> Result<Option<ArchivedFile>, ArchiveError> {
        match self.files.files.get(&id) {
            Some(staged) => Ok(staged.clone()),
            None => self.view().readable(&FILE, &id),
        }
    }

    /// Where a file was seen: one of the places, the same each time.
    fn origin_of(&self, id: FileId) -> Result<Option<FileOrigin>, ArchiveError> {
        let staged = self.files.origins.keys().find(|key| key.file == id).map(|key| key.origin);
        let stored = self.view().file_origins(id).next().transpose()?;
        Ok(stored.map(|origin| origin.origin).or(staged))
    }

    fn put_file(&mut self, known: Option<&ArchivedFile>, file: ArchivedFile) {
        if known == Some(&file) {
            return;
        }
        let (before, after) = (known.and_then(queued_at), queued_at(&file));
        if before != after {
            if let Some(before) = before {
                QUEUE.delete(&self.archive.db, &mut self.batch, &before);
            }
            if let Some(after) = after {
                self.put(&QUEUE, &after, &There);
            }
        }
        self.files.totals.1.replace(known, Some(&file));
        self.put(&FILE, &file.id, &file);
        self.files.files.insert(file.id, Some(file));
    }
}

/// Where a file is in the queue, if it is.
pub(super) fn queued_at(file: &ArchivedFile) -> Option<QueueKey> {
    file.due().map(|due| QueueKey { large: file.is_large(), due, posted_at: file.posted_at, file: file.id })
}
