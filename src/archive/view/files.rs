//! Reading what is known of files, where they were seen, and what is still to be downloaded.

use crate::model::{ChatId, FileId, FileOrigin, FilePlace, MessageId, MessageKey, Timestamp};

use super::super::ArchiveError;
use super::super::attachments::{ArchivedFile, ArchivedOrigin};
use super::super::codec::StoredKey as _;
use super::super::family::{ATTACHED, FILE, FILE_TOTALS, JUDGED_BY, KeyRange, ORIGIN, QUEUE};
use super::super::file_totals::FileTotals;
use super::super::key::{AttachedKey, FileTotalsKey, JudgedByKey, OriginKey, QueueKey};
use super::{Order, View};

impl<'a> View<'a> {
    /// What is known of a file.
    ///
    /// # Errors
    /// When the disk refuses. So do all readers below.
    pub fn file(self, id: FileId) -> Result<Option<ArchivedFile>, ArchiveError> {
        self.readable(&FILE, &id)
    }

    /// Every file, by id, from one on, lazily.
    pub fn files(self, from: FileId) -> impl Iterator<Item = Result<ArchivedFile, ArchiveError>> + use<'a> {
        self.scan(&FILE, KeyRange::from(&from), Order::OldestFirst).map(|entry| entry.map(|(_, file)| file))
    }

    /// By which rules every file was judged that is not stored; `None` where they never were, or not to the end.
    ///
    /// # Errors
    /// See [`View::file`].
    pub fn files_judged_by(self) -> Result<Option<u64>, ArchiveError> {
        self.readable(&JUDGED_BY, &JudgedByKey)
    }

    /// The sums over all files: as they are stored, or summed up where they are not, or are damaged.
    pub(in crate::archive) fn file_totals(self) -> Result<FileTotals, ArchiveError> {
        match self.get(&FILE_TOTALS, &FileTotalsKey) {
            Ok(Some(totals)) => Ok(totals),
            _ => self.sum_file_totals(),
        }
    }

    /// Sums up what all files add: the slow way.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn sum_file_totals(self) -> Result<FileTotals, ArchiveError> {
        let mut totals = FileTotals::default();
        for entry in self.scan(&FILE, KeyRange::from(&FileId::photo(i64::MIN)), Order::OldestFirst) {
            totals.replace(None, Some(&entry?.1));
        }
        Ok(totals)
    }

    /// Where a file was seen, in the order of the places, lazily.
    pub fn file_origins(self, id: FileId) -> impl Iterator<Item = Result<ArchivedOrigin, ArchiveError>> + use<'a> {
        self.scan(&ORIGIN, KeyRange::under(id.encode()), Order::OldestFirst).map(|entry| entry.map(|(_, origin)| origin))
    }

    /// A file at a place.
    ///
    /// # Errors
    /// See [`View::file`].
    pub fn file_origin(self, file: FileId, origin: FileOrigin) -> Result<Option<ArchivedOrigin>, ArchiveError> {
        self.readable(&ORIGIN, &OriginKey { file, origin })
    }

    /// The files that were seen in a message, or as a peer's profile photo, by id.
    ///
    /// # Errors
    /// See [`View::file`].
    pub fn attached(self, origin: FileOrigin) -> Result<Vec<(FileId, FilePlace)>, ArchiveError> {
        let entries = self.scan(&ATTACHED, KeyRange::under(origin.encode()), Order::OldestFirst);
        entries.map(|entry| entry.map(|(key, place)| (key.file, place))).collect()
    }

    /// The files that were seen in the messages of a chat, by message, lazily.
    pub fn attached_in(
        self,
        chat: ChatId,
    ) -> impl Iterator<Item = Result<(MessageKey, FileId, FilePlace), ArchiveError>> + use<'a> {
        let entries = self.scan(&ATTACHED, KeyRange::under(AttachedKey::under_chat(chat)), Order::OldestFirst);
        entries.filter_map(|entry| match entry {
            Ok((key, place)) => key.origin.message().map(|message| Ok((message, key.file, place))),
            Err(error) => Some(Err(error)),
        })
    }

    /// The same, newest message first; of those before a message's file, where one is named.
    pub fn attached_before(
        self,
        chat: ChatId,
        before: Option<(MessageId, FileId)>,
    ) -> impl Iterator<Item = Result<(MessageKey, FileId, FilePlace), ArchiveError>> + use<'a> {
        let all = KeyRange::under(AttachedKey::under_chat(chat));
        let keys = match before {
            None => all,
            Some((id, file)) => all.before(&AttachedKey { origin: FileOrigin::Message(MessageKey { chat, id }), file }),
        };
        let entries = self.scan(&ATTACHED, keys, Order::NewestFirst);
        entries.filter_map(|entry| match entry {
            Ok((key, place)) => key.origin.message().map(|message| Ok((message, key.file, place))),
            Err(error) => Some(Err(error)),
        })
    }

    /// The small files that are not stored though they are wanted, or the large ones, and when each may be tried: those that may be tried first
    /// before the others, and of these the ones that were posted last, lazily. The time is at the end of time for those that are not tried
    /// again by themselves.
    pub fn files_queued(self, large: bool) -> impl Iterator<Item = Result<(Timestamp, FileId), ArchiveError>> + use<'a> {
        let entries = self.scan(&QUEUE, KeyRange::under(QueueKey::under(large)), Order::OldestFirst);
        entries.map(|entry| entry.map(|(QueueKey { due, file, .. }, _)| (due, file)))
    }
}
