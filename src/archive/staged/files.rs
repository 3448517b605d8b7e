//! What a write does to files: where they were seen, and what becomes of them.

use std::collections::BTreeMap;

use crate::model::{AccountName, ChangeKind, FileId, FileOrigin, FileState, SeenFile, StoredBytes, Timestamp};

use super::super::ArchiveError;
use super::super::attachments::{ArchivedFile, ArchivedOrigin, There};
use super::super::family::{ATTACHED, FILE, ORIGIN, QUEUE};
use super::super::key::{AttachedKey, OriginKey, QueueKey};
use super::Staged;

/// The files of a write, as it leaves them.
#[derive(Default)]
pub(super) struct StagedFiles {
    files: BTreeMap<FileId, Option<ArchivedFile>>,
    origins: BTreeMap<OriginKey, ArchivedOrigin>,
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

    /// A file as this write leaves it.
    fn file(&self, id: FileId) -> Result<Option<ArchivedFile>, ArchiveError> {
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
        let at = |file: &ArchivedFile| {
            file.due().map(|due| QueueKey { large: file.is_large(), due, posted_at: file.posted_at, file: file.id })
        };
        let (before, after) = (known.and_then(at), at(&file));
        if before != after {
            if let Some(before) = before {
                QUEUE.delete(&self.archive.db, &mut self.batch, &before);
            }
            if let Some(after) = after {
                self.put(&QUEUE, &after, &There);
            }
        }
        self.put(&FILE, &file.id, &file);
        self.files.files.insert(file.id, Some(file));
    }
}
