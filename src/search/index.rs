//! The index on disk: opening it, and recreating it where it is damaged or of another schema, and only there.
//!
//! An index that cannot be opened for any other reason (too many open files, no permission, a full disk) is left as it is: the reason
//! may be gone at the next start, while building it anew takes hours for a large archive. Who only reads never changes one at all.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use tantivy::directory::MmapDirectory;
use tantivy::directory::error::OpenReadError;
use tantivy::{IndexReader, ReloadPolicy, Searcher, TantivyError};

use super::SearchError;
use super::schema::{self, Fields};
use crate::archive::{Epoch, ExternalPosition, Snapshot, Witness};
use crate::model::Seq;

/// The file that makes a folder an index.
const META: &str = "meta.json";

/// An open index: what searches read. The [`super::Indexer`] writes it.
pub struct Index {
    path: PathBuf,
    inner: tantivy::Index,
    reader: IndexReader,
    fields: Fields,
    /// What searches see reaches up to here.
    position: AtomicU64,
}

impl std::fmt::Debug for Index {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Index").field("path", &self.path).field("position", &self.position()).finish_non_exhaustive()
    }
}

/// The checkpoint of a commit, in its payload and so atomic with it: how far it has read which archive.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(super) struct CommitPayload {
    pub(super) archive: String,
    /// Unknown in what was committed before archives had epochs.
    pub(super) epoch: Option<Epoch>,
    pub(super) position: Seq,
}

impl CommitPayload {
    /// As the commit's payload.
    pub(super) fn payload(&self) -> String {
        match self.epoch {
            Some(epoch) => format!("{} {} {epoch}", self.position, self.archive),
            None => format!("{} {}", self.position, self.archive),
        }
    }

    fn read(payload: &str) -> Option<Self> {
        let mut parts = payload.split(' ');
        let (position, archive) = (Seq(parts.next()?.parse().ok()?), parts.next()?.to_owned());
        let epoch = parts.next().map(str::parse).transpose().ok()?;
        Some(Self { archive, epoch, position })
    }

    /// Whether an archive has all that was read, as it was read.
    pub(super) fn is_true_of(&self, archive: &Snapshot) -> bool {
        let common = self.epoch.map_or(Some(Seq(u64::MAX)), |epoch| archive.common_with(epoch));
        self.archive == archive.id() && common.is_some_and(|common| self.position <= common.min(archive.last_seq()))
    }
}

impl Index {
    /// Opens the index in a folder, making it when it is not there. One that is damaged, or was made by a version with another
    /// schema or analyser, is deleted and made anew, and the log says so: the archive has everything that was in it.
    ///
    /// # Errors
    /// When the folder holds other files than an index, or the system refuses; the index is then as it was.
    pub fn open(path: &Path) -> Result<Self, SearchError> {
        match Self::open_existing(path) {
            Err(SearchError::Unusable { why, .. }) => {
                tracing::warn!("index at `{}` is rebuilt from the archive: {why}", path.display());
                Self::recreate(path)
            }
            Err(SearchError::NoIndex { .. }) => Self::recreate(path),
            outcome => outcome,
        }
    }

    /// Opens the index in a folder; makes none and changes nothing.
    ///
    /// # Errors
    /// When there is none, it cannot be used, or the system refuses.
    pub fn open_existing(path: &Path) -> Result<Self, SearchError> {
        if !path.join(META).try_exists().map_err(|e| refused(path, &e))? {
            return Err(SearchError::NoIndex { path: path.to_owned() });
        }
        let inner = tantivy::Index::open_in_dir(path).map_err(|e| not_opened(path, &e))?;
        let (schema, fields) = schema::schema();
        if inner.schema() != schema || *inner.settings() != schema::settings() {
            let why = "it was made by a version with another schema or analyser".to_owned();
            return Err(SearchError::Unusable { path: path.to_owned(), why });
        }
        Self::with(path, inner, fields).map_err(|e| not_opened(path, &e))
    }

    /// Fails when a folder holds other files than an index, so that it could not be replaced. Changes nothing.
    ///
    /// # Errors
    /// Also when the system refuses.
    pub fn check_replaceable(path: &Path) -> Result<(), SearchError> {
        if path.try_exists().map_err(|e| refused(path, &e))? {
            files_of_an_index(path)?;
        }
        Ok(())
    }

    /// Recreates the index in a folder: deletes it, where there is one, and makes an empty one.
    ///
    /// # Errors
    /// When the folder holds other files than an index, or the disk refuses.
    pub fn recreate(path: &Path) -> Result<Self, SearchError> {
        fs::create_dir_all(path).map_err(|e| refused(path, &e))?;
        clear(path)?;
        Self::make(path).map_err(|e| failed(path, &e))
    }

    /// Replaces an index by one that was built aside (a rename). To be called when nobody has either of them open.
    ///
    /// # Errors
    /// When the folder at that place holds other files than an index, or the disk refuses.
    pub fn replace(place: &Path, built: &Path) -> Result<(), SearchError> {
        if place.try_exists().map_err(|e| refused(place, &e))? {
            clear(place)?;
            fs::remove_dir(place).map_err(|e| refused(place, &e))?;
        }
        fs::rename(built, place).map_err(|e| refused(place, &e))
    }

    /// How far the index in a folder has seen which archive, without opening more than its list of parts; `None` where it cannot be
    /// told, or nothing was seen yet.
    #[must_use]
    pub fn seen(path: &Path) -> Option<ExternalPosition> {
        if !path.join(META).is_file() {
            return None;
        }
        let metas = tantivy::Index::open_in_dir(path).and_then(|index| index.load_metas()).ok()?;
        let CommitPayload { archive, epoch, position } = metas.payload.as_deref().and_then(CommitPayload::read)?;
        Some(ExternalPosition { by: Witness::Index, archive, epoch, position })
    }

    fn make(path: &Path) -> Result<Self, TantivyError> {
        let (schema, fields) = schema::schema();
        let directory = MmapDirectory::open(path)?;
        let inner = tantivy::Index::builder().schema(schema).settings(schema::settings()).open_or_create(directory)?;
        Self::with(path, inner, fields)
    }

    fn with(path: &Path, mut inner: tantivy::Index, fields: Fields) -> Result<Self, TantivyError> {
        inner.set_tokenizers(schema::tokenizers());
        // The indexer reloads after each of its commits; nobody else commits.
        let reader = inner.reader_builder().reload_policy(ReloadPolicy::Manual).try_into()?;
        let index = Self { path: path.to_owned(), inner, reader, fields, position: AtomicU64::new(0) };
        index.note_position()?;
        Ok(index)
    }

    /// The reader's position: how far into the change log searches see.
    #[must_use]
    pub fn position(&self) -> Seq {
        Seq(self.position.load(Ordering::Acquire))
    }

    /// How many messages searches see, also those marked deleted.
    #[must_use]
    pub fn document_count(&self) -> u64 {
        self.searcher().num_docs()
    }

    /// How many parts the index is cut into; each is searched by itself.
    #[must_use]
    pub fn segment_count(&self) -> usize {
        self.searcher().segment_readers().len()
    }

    /// Bytes of the files in use.
    #[must_use]
    pub fn disk_size(&self) -> u64 {
        self.searcher().space_usage().map_or(0, |usage| usage.total().get_bytes())
    }

    /// Where the index is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reloads, so that searches see the newest commit (near real time).
    pub(super) fn reload(&self) -> Result<(), TantivyError> {
        self.reader.reload()?;
        self.note_position()
    }

    fn note_position(&self) -> Result<(), TantivyError> {
        let position = self.committed()?.unwrap_or_default().position;
        self.position.store(position.0, Ordering::Release);
        Ok(())
    }

    /// The checkpoint of the newest commit; `None` before the first.
    pub(super) fn committed(&self) -> Result<Option<CommitPayload>, TantivyError> {
        Ok(self.inner.load_metas()?.payload.as_deref().and_then(CommitPayload::read))
    }

    pub(super) fn inner(&self) -> &tantivy::Index {
        &self.inner
    }

    pub(super) fn fields(&self) -> Fields {
        self.fields
    }

    pub(super) fn searcher(&self) -> Searcher {
        self.reader.searcher()
    }

    pub(super) fn failed(&self, why: &TantivyError) -> SearchError {
        failed(&self.path, why)
    }
}

/// Whether an index that cannot be opened is damaged, or the system says no: only the first is a reason to build it anew.
fn not_opened(path: &Path, error: &TantivyError) -> SearchError {
    let is_damage = match error {
        TantivyError::DataCorruption(_)
        | TantivyError::IncompatibleIndex(_)
        | TantivyError::SchemaError(_)
        | TantivyError::FieldNotFound(_)
        | TantivyError::DeserializeError(_)
        | TantivyError::OpenReadError(OpenReadError::FileDoesNotExist(_) | OpenReadError::IncompatibleIndex(_)) => true,
        TantivyError::IoError(error) | TantivyError::OpenReadError(OpenReadError::IoError { io_error: error, .. }) => {
            matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData)
        }
        _ => false,
    };
    if is_damage { SearchError::Unusable { path: path.to_owned(), why: error.to_string() } } else { refused(path, error) }
}

fn refused(path: &Path, why: &dyn std::fmt::Display) -> SearchError {
    SearchError::Refused { path: path.to_owned(), why: why.to_string() }
}

pub(super) fn failed(path: &Path, why: &dyn std::fmt::Display) -> SearchError {
    SearchError::Index { path: path.to_owned(), why: why.to_string() }
}

/// Deletes an index's files, and nothing else: the folder's path comes from a configuration.
fn clear(path: &Path) -> Result<(), SearchError> {
    files_of_an_index(path)?.iter().try_for_each(|entry| fs::remove_file(entry.path())).map_err(|e| failed(path, &e))
}

/// What is in an index's folder; an error where it is anything else.
fn files_of_an_index(path: &Path) -> Result<Vec<fs::DirEntry>, SearchError> {
    let entries: io::Result<Vec<_>> = fs::read_dir(path).and_then(Iterator::collect);
    let entries = entries.map_err(|e| refused(path, &e))?;
    if !entries.iter().all(|entry| is_of_an_index(&entry.file_name().to_string_lossy())) {
        return Err(SearchError::NotAnIndex { path: path.to_owned() });
    }
    Ok(entries)
}

/// Tantivy's names: its own files, temporary ones, and segments, which are called by 32 hexadecimal digits.
fn is_of_an_index(name: &str) -> bool {
    let is_segment = |stem: &str| stem.len() == 32 && stem.bytes().all(|b| b.is_ascii_hexdigit());
    name == META
        || name == ".managed.json"
        || name.starts_with(".tantivy-")
        || name.starts_with(".tmp")
        || name.split('.').next().is_some_and(is_segment)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn what_the_system_refuses_is_no_damage() {
        let path = Path::new("index");
        let refused = |error: io::Error| {
            let (io_error, filepath) = (Arc::new(error), PathBuf::from("a.term"));
            [
                not_opened(path, &TantivyError::IoError(Arc::clone(&io_error))),
                not_opened(path, &OpenReadError::IoError { io_error, filepath }.into()),
            ]
        };
        // EACCES, ENFILE, EMFILE, ENOSPC, EIO, ENOMEM.
        for code in [13, 23, 24, 28, 5, 12] {
            for error in refused(io::Error::from_raw_os_error(code)) {
                assert!(matches!(error, SearchError::Refused { .. }), "{code}: {error}");
            }
        }
        for kind in [io::ErrorKind::UnexpectedEof, io::ErrorKind::InvalidData] {
            for error in refused(kind.into()) {
                assert!(matches!(error, SearchError::Unusable { .. }), "{kind:?}: {error}");
            }
        }
        let gone = OpenReadError::FileDoesNotExist(PathBuf::from("a.term"));
        assert!(matches!(not_opened(path, &gone.into()), SearchError::Unusable { .. }));
    }
}
