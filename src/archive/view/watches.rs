//! Reading watches.

use crate::model::WatchName;

use super::super::ArchiveError;
use super::super::codec::StoredKey as _;
use super::super::family::{KeyRange, WATCH, WATCHES_REVISION};
use super::super::key::{WatchKey, WatchesRevisionKey};
use super::super::watches::ArchivedWatch;
use super::{Order, View};

impl<'a> View<'a> {
    /// The watches behind a name, or all, in the order of their names, lazily. One that is damaged is passed over.
    pub fn watches(self, after: Option<&WatchName>) -> impl Iterator<Item = Result<ArchivedWatch, ArchiveError>> + use<'a> {
        let mut keys = KeyRange::under(WatchKey::PREFIX);
        if let Some(after) = after {
            keys.first = [WatchKey(after.clone()).encode().as_bytes(), &[0]].concat();
        }
        self.scan(&WATCH, keys, Order::OldestFirst).map(|entry| entry.map(|(_, watch)| watch))
    }

    /// A watch, by its name.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn watch(self, name: &WatchName) -> Result<Option<ArchivedWatch>, ArchiveError> {
        self.readable(&WATCH, &WatchKey(name.clone()))
    }

    /// Raised with every watch that is added or removed.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn watches_revision(self) -> Result<u64, ArchiveError> {
        Ok(self.readable(&WATCHES_REVISION, &WatchesRevisionKey)?.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::{Archive, Durability, Raw};
    use super::*;
    use crate::model::{Message, MessageId, MessageKey, PeerId, Seq, Timestamp};

    #[test]
    fn watches_are_kept_in_the_order_of_their_names_and_know_since_when_they_watch() {
        let folder = tempfile::tempdir().unwrap();
        let archive = Archive::open(&folder.path().join("archive"), Durability::Os).unwrap();
        let [first, second] = ["alpha", "beta"].map(|name| name.parse::<WatchName>().unwrap());
        let revision = || archive.view().watches_revision().unwrap();
        assert_eq!(revision(), 0);
        let mut write = archive.write(Timestamp(5));
        write.add_watch(second.clone(), "книга", Some("books"));
        write.commit().unwrap();
        let mut write = archive.write(Timestamp(6));
        write.message(Message::new(MessageKey::new(PeerId::channel(1), MessageId(1)), Timestamp(1)), Raw::default(), 0);
        write.commit().unwrap();
        let mut write = archive.write(Timestamp(7));
        write.add_watch(first.clone(), "in:@durov", None);
        write.commit().unwrap();
        assert_eq!(revision(), 2);
        let watches = |after| archive.view().watches(after).map(Result::unwrap).collect::<Vec<_>>();
        let all = watches(None);
        let expected = |name: &WatchName, query: &str, note: Option<&str>, at, since| ArchivedWatch {
            name: name.clone(),
            query: query.to_owned(),
            note: note.map(str::to_owned),
            created_at: Timestamp(at),
            since: Seq(since),
        };
        assert_eq!(all, [expected(&first, "in:@durov", None, 7, 1), expected(&second, "книга", Some("books"), 5, 0)]);
        assert_eq!(watches(Some(&first)), all[1..]);
        assert_eq!(archive.view().watch(&first).unwrap().as_ref(), all.first());
        let mut write = archive.write(Timestamp(8));
        write.remove_watch(first.clone());
        write.commit().unwrap();
        assert_eq!((watches(None).as_slice(), revision()), (&all[1..], 3));
        assert_eq!(archive.view().watch(&first).unwrap(), None);
    }
}
