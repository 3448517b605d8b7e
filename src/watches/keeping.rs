//! Adding and removing watches.

use crate::archive::{Archive, ArchiveError, ArchivedWatch};
use crate::model::{InvalidWatchName, Timestamp, WatchName};
use crate::search::{PeerNames, QueryError, SearchError, SearchQuery};

/// Most watches of an archive: what they cost a message is measured up to here.
pub const WATCHES_MAX: usize = 10_000;
/// Longest note, in characters: a few lines.
pub const NOTE_LENGTH_MAX: usize = 1_000;

/// What the API has among the watches that is none (`/v1/watches/try`).
const RESERVED: &str = "try";

/// A watch as an operator asks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedWatch {
    /// Its name.
    pub name: String,
    /// Its query.
    pub query: String,
    /// What it is for.
    pub note: Option<String>,
}

/// A watch cannot be added or removed.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// What was given is no name.
    #[error(transparent)]
    Name(#[from] InvalidWatchName),
    /// The query is invalid.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// The API has something else there.
    #[error("a watch cannot be called `{0}`: choose another name")]
    Reserved(WatchName),
    /// The query asks for an order.
    #[error("a watch's matches come as they are archived: leave `sort:` out of its query")]
    Order,
    /// The query asks for deleted messages.
    #[error(
        "a watch sees messages when they are posted or edited, and none that are deleted then: leave `is:deleted` out of its query"
    )]
    Deleted,
    /// The note is too long.
    #[error("the note is longer than {NOTE_LENGTH_MAX} characters; shorten it")]
    Note,
    /// There is one already.
    #[error("there is a watch `{0}` already; remove it first, or choose another name")]
    Exists(WatchName),
    /// There are as many as there may be.
    #[error("there are {WATCHES_MAX} watches, which is the most there may be; remove some, or join queries with `OR`")]
    TooMany,
    /// There is none of that name.
    #[error("there is no watch `{0}`; `telescribe watch list` lists them")]
    Unknown(WatchName),
    /// The archive cannot be read or written.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
}

/// Adds a watch. When this returns, the disk has it, and readers see it.
///
/// # Errors
/// When its name or query is invalid, there is one of that name, or the archive cannot be written.
pub fn add(archive: &Archive, wanted: &WantedWatch, now: Timestamp) -> Result<ArchivedWatch, WatchError> {
    let name: WatchName = wanted.name.parse()?;
    if name.as_str() == RESERVED {
        return Err(WatchError::Reserved(name));
    }
    let query = SearchQuery::parse(&wanted.query)?;
    if query.sort().is_some() {
        return Err(WatchError::Order);
    }
    if query.mentions_deleted() {
        return Err(WatchError::Deleted);
    }
    query.check_names(&PeerNames::of(archive.view())).map_err(|error| match error {
        SearchError::Query(error) => WatchError::Query(error),
        SearchError::Archive(error) => WatchError::Archive(error),
        // No other can come of reading names.
        other => WatchError::Query(QueryError { at: 1, what: other.to_string() }),
    })?;
    if wanted.note.as_ref().is_some_and(|note| note.chars().count() > NOTE_LENGTH_MAX) {
        return Err(WatchError::Note);
    }
    if archive.view().watch(&name)?.is_some() {
        return Err(WatchError::Exists(name));
    }
    if archive.view().watches(None).count() >= WATCHES_MAX {
        return Err(WatchError::TooMany);
    }
    let mut write = archive.write(now);
    write.add_watch(name.clone(), query.as_str(), wanted.note.as_deref());
    write.commit()?;
    archive.sync()?;
    archive.view().watch(&name)?.ok_or(WatchError::Unknown(name))
}

/// Removes a watch, whose events stop. Returns what it was.
///
/// # Errors
/// When there is none of that name, or the archive cannot be written.
pub fn remove(archive: &Archive, name: &str, now: Timestamp) -> Result<ArchivedWatch, WatchError> {
    let name: WatchName = name.parse()?;
    let watch = archive.view().watch(&name)?.ok_or_else(|| WatchError::Unknown(name.clone()))?;
    let mut write = archive.write(now);
    write.remove_watch(name);
    write.commit()?;
    archive.sync()?;
    Ok(watch)
}

#[cfg(test)]
mod tests {
    use crate::archive::Durability;
    use crate::model::{Peer, PeerId, PeerKind};

    use super::*;

    fn wanted(name: &str, query: &str) -> WantedWatch {
        WantedWatch { name: name.to_owned(), query: query.to_owned(), note: None }
    }

    #[test]
    fn what_cannot_be_watched_is_refused_with_the_way_out() {
        let folder = tempfile::tempdir().unwrap();
        let archive = Archive::open(&folder.path().join("archive"), Durability::Os).unwrap();
        let mut write = archive.write(Timestamp(1));
        let peer = Peer::new(PeerId::channel(1), PeerKind::Channel, "Durov".to_owned());
        write.peer(Peer { username: Some("durov".to_owned()), ..peer });
        write.commit().unwrap();
        let added = add(&archive, &wanted("leaks", " password in:@Durov "), Timestamp(2)).unwrap();
        assert_eq!((added.query.as_str(), added.since.0), ("password in:@Durov", 1));
        let refused = |wanted: WantedWatch| add(&archive, &wanted, Timestamp(3)).unwrap_err().to_string();
        for (wanted, expected) in [
            (wanted("leaks", "other"), "there is a watch `leaks` already"),
            (wanted("Leaks", "other"), "`Leaks` cannot be the name of a watch; use lower-case"),
            (wanted("b", "(a"), "`(` is never closed"),
            (wanted("b", "-in:@nobody"), "no archived peer has the username `@nobody`"),
            (wanted("try", "other"), "a watch cannot be called `try`: choose another name"),
            (wanted("b", "other sort:views"), "leave `sort:` out of its query"),
            (wanted("b", "(is:deleted OR -is:deleted) other"), "leave `is:deleted` out of its query"),
            (WantedWatch { note: Some("x".repeat(1_001)), ..wanted("b", "x") }, "the note is longer than 1000"),
        ] {
            let error = refused(wanted.clone());
            assert!(error.contains(expected), "{wanted:?}: {error}");
        }
        assert_eq!(remove(&archive, "leaks", Timestamp(4)).unwrap(), added);
        let error = remove(&archive, "leaks", Timestamp(5)).unwrap_err().to_string();
        assert!(error.contains("there is no watch `leaks`"), "{error}");
        assert_eq!(archive.flushed().view().watches(None).count(), 0, "readers see it at once");
    }
}
