//! Running all watches against messages.

use std::sync::{Arc, Mutex, PoisonError};

use crate::archive::{ArchiveError, ArchivedWatch, Order, Snapshot, StoredMessage, View};
use crate::model::{Seq, WatchName};
use crate::search::{Matcher, PeerNames, QuerySet, SearchQuery};

/// How many earlier versions of a message `earlier:` looks at: as many as are indexed.
const EARLIER_MAX: u32 = 100;

/// The watches of an archive, loaded when they are asked for and kept until one is added or removed (a cache).
#[derive(Debug, Default)]
pub struct Watching {
    loaded: Mutex<Option<Arc<LoadedWatches>>>,
}

/// All watches, ready to be run.
#[derive(Debug)]
pub struct LoadedWatches {
    revision: u64,
    watches: Vec<LoadedWatch>,
    /// Their queries, under the same numbers.
    set: QuerySet,
}

/// A watch, ready to be run.
#[derive(Clone, Debug)]
pub struct LoadedWatch {
    /// The watch.
    pub watch: ArchivedWatch,
    /// Its query.
    pub query: SearchQuery,
}

/// All watches being run against some messages.
#[derive(Debug)]
pub struct WatchRun<'w> {
    watches: &'w [LoadedWatch],
    set: &'w QuerySet,
    matcher: Matcher<'w>,
    archive: View<'w>,
    names: PeerNames<'w>,
}

impl Watching {
    /// The watches that an archive has.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn load(&self, archive: &Snapshot) -> Result<Arc<LoadedWatches>, ArchiveError> {
        let revision = archive.view().watches_revision()?;
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(loaded) = loaded.as_ref().filter(|loaded| loaded.revision == revision) {
            return Ok(Arc::clone(loaded));
        }
        let fresh = Arc::new(LoadedWatches::read(archive.view(), revision)?);
        *loaded = Some(Arc::clone(&fresh));
        Ok(fresh)
    }
}

impl LoadedWatches {
    fn read(view: View<'_>, revision: u64) -> Result<Self, ArchiveError> {
        let mut watches = Vec::new();
        // Most archives have none, and are not searched for them.
        if revision > 0 {
            for watch in view.watches(None) {
                let watch = watch?;
                match SearchQuery::parse(&watch.query) {
                    Ok(query) => watches.push(LoadedWatch { watch, query }),
                    Err(_) => tracing::warn!(
                        "the query of watch `{}` is not understood by this version of the program, and it matches nothing; remove it and add it anew",
                        watch.name
                    ),
                }
            }
        }
        let set = QuerySet::new(watches.iter().map(|watch| &watch.query));
        Ok(Self { revision, watches, set })
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.watches.is_empty()
    }

    /// The change behind which those that are wanted begin to match, where there are any.
    #[must_use]
    pub fn first_since(&self, wanted: impl Fn(&WatchName) -> bool) -> Option<Seq> {
        self.watches.iter().filter(|loaded| wanted(&loaded.watch.name)).map(|loaded| loaded.watch.since).min()
    }

    /// Begins to run them against messages of an archive.
    #[must_use]
    pub fn run<'w>(&'w self, archive: View<'w>) -> WatchRun<'w> {
        let (set, names) = (&self.set, PeerNames::of(archive));
        WatchRun { watches: &self.watches, set, matcher: Matcher::new(set), archive, names }
    }
}

impl<'w> WatchRun<'w> {
    /// The watches that a message matches, in the order of their names: as the change with this number made it. That it was deleted since is nothing that
    /// they see.
    ///
    /// # Errors
    /// When usernames cannot be read.
    pub fn matching(&mut self, stored: &StoredMessage, change: Seq) -> Result<Vec<&'w LoadedWatch>, ArchiveError> {
        let as_posted;
        let stored = match stored.deleted_at {
            None => stored,
            Some(_) => {
                as_posted = StoredMessage { deleted_at: None, ..stored.clone() };
                &as_posted
            }
        };
        let earlier = if self.set.asks_for_earlier() { earlier_versions(self.archive, stored)? } else { Vec::new() };
        let matching = self.matcher.matching(stored, &earlier, &self.names)?;
        let watches = matching.into_iter().filter_map(|number| self.watches.get(number));
        Ok(watches.filter(|loaded| change > loaded.watch.since).collect())
    }
}

/// The versions of a message before this one.
pub(super) fn earlier_versions(archive: View<'_>, stored: &StoredMessage) -> Result<Vec<StoredMessage>, ArchiveError> {
    let first = stored.version.saturating_sub(EARLIER_MAX);
    archive.versions(stored.message.key, first..stored.version, Order::OldestFirst).collect()
}

#[cfg(test)]
mod tests {
    use super::super::{WantedWatch, add, remove};
    use super::*;
    use crate::archive::{Archive, Durability};
    use crate::model::{Message, MessageId, MessageKey, PeerId, Timestamp};

    #[test]
    fn watches_match_from_when_they_are_added_until_they_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let archive = Archive::open(&folder.path().join("archive"), Durability::Os).unwrap();
        let watching = Watching::default();
        let message =
            Message { text: "Книгами".to_owned(), ..Message::new(MessageKey::new(PeerId(1), MessageId(1)), Timestamp(1)) };
        let deleted = StoredMessage { message, version: 0, archived_at: Timestamp(1), deleted_at: Some(Timestamp(2)) };
        let names = |change: u64| {
            let snapshot = archive.flushed();
            let loaded = watching.load(&snapshot).unwrap();
            let matching = loaded.run(snapshot.view()).matching(&deleted, Seq(change)).unwrap();
            matching.iter().map(|loaded| loaded.watch.name.to_string()).collect::<Vec<_>>()
        };
        assert!(names(1).is_empty());
        for (name, query) in [("b", "книга"), ("a", "книг* -газета"), ("c", "газета")] {
            add(&archive, &WantedWatch { name: name.to_owned(), query: query.to_owned(), note: None }, Timestamp(3)).unwrap();
        }
        assert_eq!(names(1), ["a", "b"], "in the order of their names");
        assert!(names(0).is_empty(), "nothing that was there before");
        let before = watching.load(&archive.flushed()).unwrap();
        assert!(Arc::ptr_eq(&before, &watching.load(&archive.flushed()).unwrap()), "loaded once");
        remove(&archive, "a", Timestamp(4)).unwrap();
        assert_eq!(names(1), ["b"]);
    }
}
