//! The index on disk: opening it for an archive, and making an empty one where nothing is.
//!
//! Every opening is for an archive, and checks that the index belongs to it and has seen no more than it has. What cannot be opened is
//! left as it is: `folders` and `rebuild` replace an index, and only one that is damaged or of another schema. Any other reason (too many
//! open files, no permission, a full disk) may be gone at the next start. Who only reads writes nothing at all.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use tantivy::{Directory as _, IndexReader, ReloadPolicy, TantivyError};

use super::SearchError;
use super::columns::OpenSegments;
use super::directory::{Access, IndexDirectory, META, files_of_an_index, is_vacant};
use super::expunge_requests::ExpungeRequests;
use super::failure::{caught, failed, is_damage_of_a_file, not_opened, refused, unusable};
use super::integrity::{IntegrityCheck, first_fault};
use super::schema::{self, Fields};
use crate::archive::{Archive, Epoch, ExternalPosition, Witness};
use crate::model::Seq;

/// An open index: what searches read. The [`super::Indexer`] writes it.
pub struct Index {
    path: PathBuf,
    inner: tantivy::Index,
    reader: IndexReader,
    /// What searches see.
    segments: RwLock<Arc<OpenSegments>>,
    fields: Fields,
    /// What searches see reaches up to here.
    position: AtomicU64,
    /// What is wrong with its files, as far as that is seen at opening; it answers nevertheless.
    fault: Option<String>,
    expunges: ExpungeRequests,
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
}

impl Index {
    /// Opens the index of an archive for writing, and makes an empty one where nothing is. Replaces none.
    ///
    /// # Errors
    /// When it is damaged, of another schema or of another archive, has seen more than the archive has, the folder holds other files than an
    /// index, or the system refuses; the index is then as it was.
    pub fn open(path: &Path, archive: &Archive) -> Result<Self, SearchError> {
        match Self::open_as_it_is(path, archive, Access::Write) {
            Err(SearchError::NoIndex { .. }) => Self::make(path),
            outcome => outcome?.without_fault(),
        }
    }

    /// Opens the index of an archive for reading; makes none and writes nothing.
    ///
    /// # Errors
    /// When there is none, and see [`Index::open`].
    pub fn open_existing(path: &Path, archive: &Archive) -> Result<Self, SearchError> {
        Self::open_as_it_is(path, archive, Access::Read)?.without_fault()
    }

    /// The same, also where files are seen to be missing or cut short, if what is left can be read.
    pub(super) fn open_as_it_is(path: &Path, archive: &Archive, access: Access) -> Result<Self, SearchError> {
        if !path.join(META).try_exists().map_err(|e| refused(path, &e))? {
            return Err(if is_vacant(path)? {
                SearchError::NoIndex { path: path.to_owned() }
            } else {
                files_of_an_index(path)?;
                unusable(path, &format!("`{META}` is missing"))
            });
        }
        let directory = IndexDirectory::open(path, access).map_err(|e| refused(path, &e))?;
        let inner = tantivy::Index::open(directory).map_err(|e| not_opened(path, &e))?;
        let (schema, fields) = schema::schema();
        if inner.schema() != schema || *inner.settings() != schema::settings() {
            return Err(unusable(path, &"it was made by a version with another schema or analyser"));
        }
        check_owner(path, &inner, archive)?;
        let fault = first_fault(path, &inner)?;
        match caught(|| Self::with(path, inner.clone(), fields, fault.clone())) {
            Ok(Ok(index)) => Ok(index),
            Ok(Err(error)) => Err(fault.map_or_else(|| not_opened(path, &error), |fault| unusable(path, &fault))),
            // Tantivy meets some damage by panicking; whether it is damage, the checksums say.
            Err(panic) => {
                let faults = IntegrityCheck::of(path, &inner)?.faults();
                let fault = faults.iter().find_map(super::CheckedFile::fault);
                Err(fault.map_or_else(|| refused(path, &panic), |fault| unusable(path, &fault)))
            }
        }
    }

    /// Makes an empty index in a folder in which there is none.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(super) fn make(path: &Path) -> Result<Self, SearchError> {
        fs::create_dir_all(path).map_err(|e| refused(path, &e))?;
        let directory = IndexDirectory::open(path, Access::Write).map_err(|e| refused(path, &e))?;
        let (schema, fields) = schema::schema();
        let made = tantivy::Index::builder().schema(schema).settings(schema::settings()).open_or_create(directory);
        made.and_then(|inner| Self::with(path, inner, fields, None)).map_err(|e| refused(path, &e))
    }

    fn with(path: &Path, mut inner: tantivy::Index, fields: Fields, fault: Option<String>) -> Result<Self, TantivyError> {
        inner.set_tokenizers(schema::tokenizers());
        // The indexer reloads after each of its commits; nobody else commits.
        let reader: IndexReader = inner.reader_builder().reload_policy(ReloadPolicy::Manual).try_into()?;
        let segments = RwLock::new(Arc::new(OpenSegments::new(reader.searcher(), None)?));
        let index = Self {
            path: path.to_owned(),
            inner,
            reader,
            segments,
            fields,
            position: AtomicU64::new(0),
            fault,
            expunges: ExpungeRequests::default(),
        };
        index.note_position()?;
        Ok(index)
    }

    fn without_fault(self) -> Result<Self, SearchError> {
        match &self.fault {
            Some(fault) => Err(unusable(&self.path, fault)),
            None => Ok(self),
        }
    }

    /// Which of its files are seen to be missing or cut short, in words.
    pub(super) fn fault(&self) -> Option<&str> {
        self.fault.as_deref()
    }

    /// A check of all its files by their checksums.
    ///
    /// # Errors
    /// When the list of files cannot be read.
    pub fn integrity_check(&self) -> Result<IntegrityCheck, SearchError> {
        IntegrityCheck::of(&self.path, &self.inner)
    }

    /// Fails unless the index belongs to an archive, and has seen no more than it has: the one check of every opening.
    pub(super) fn check_owner(&self, archive: &Archive) -> Result<(), SearchError> {
        check_owner(&self.path, &self.inner, archive)
    }

    /// The reader's position: how far into the change log searches see.
    #[must_use]
    pub fn position(&self) -> Seq {
        Seq(self.position.load(Ordering::Acquire))
    }

    /// How many messages searches see, also those marked deleted.
    #[must_use]
    pub fn document_count(&self) -> u64 {
        self.segments().searcher().num_docs()
    }

    /// How many parts the index is cut into; each is searched by itself.
    #[must_use]
    pub fn segment_count(&self) -> usize {
        self.segments().searcher().segment_readers().len()
    }

    /// Bytes of its files.
    #[must_use]
    pub fn disk_size(&self) -> u64 {
        let files = fs::read_dir(&self.path).into_iter().flatten();
        // A file that a merge removes meanwhile counts for nothing.
        files.filter_map(|file| file.ok()?.metadata().ok()).filter(fs::Metadata::is_file).map(|m| m.len()).sum()
    }

    /// Where the index is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reloads, so that searches see the newest commit (near real time).
    pub(super) fn reload(&self) -> Result<(), TantivyError> {
        self.reader.reload()?;
        let segments = Arc::new(OpenSegments::new(self.reader.searcher(), Some(&self.segments()))?);
        *self.segments.write().unwrap_or_else(PoisonError::into_inner) = segments;
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

    pub(super) fn expunges(&self) -> &ExpungeRequests {
        &self.expunges
    }

    pub(super) fn inner(&self) -> &tantivy::Index {
        &self.inner
    }

    pub(super) fn fields(&self) -> Fields {
        self.fields
    }

    pub(super) fn segments(&self) -> Arc<OpenSegments> {
        Arc::clone(&self.segments.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn failed(&self, why: &TantivyError) -> SearchError {
        failed(&self.path, why)
    }

    /// Reads the index; a panic of Tantivy's, which is how it meets some damage, is an error.
    pub(super) fn caught<T>(&self, read: impl FnOnce() -> Result<T, SearchError>) -> Result<T, SearchError> {
        caught(read).unwrap_or_else(|why| Err(SearchError::Damaged { path: self.path.clone(), why }))
    }
}

/// How far the index in a folder has seen which archive, from its list of segments alone; `None` where there is none, it is damaged, or
/// nothing was seen yet.
pub(super) fn seen(path: &Path) -> Result<Option<ExternalPosition>, SearchError> {
    if !path.join(META).try_exists().map_err(|e| refused(path, &e))? {
        return Ok(None);
    }
    let directory = IndexDirectory::open(path, Access::Read).map_err(|e| refused(path, &e))?;
    let list = match directory.atomic_read(Path::new(META)) {
        Ok(list) => list,
        Err(error) if is_damage_of_a_file(&error) => return Ok(None),
        Err(error) => return Err(refused(path, &error)),
    };
    let list: serde_json::Value = serde_json::from_slice(&list).unwrap_or_default();
    let seen = list.get("payload").and_then(|payload| CommitPayload::read(payload.as_str()?));
    Ok(seen.map(|CommitPayload { archive, epoch, position }| ExternalPosition { by: Witness::Index, archive, epoch, position }))
}

fn check_owner(path: &Path, inner: &tantivy::Index, archive: &Archive) -> Result<(), SearchError> {
    let metas = inner.load_metas().map_err(|e| not_opened(path, &e))?;
    let Some(payload) = metas.payload else {
        return if metas.segments.is_empty() { Ok(()) } else { Err(unusable(path, &"its newest commit has no position")) };
    };
    let Some(CommitPayload { archive: owner, epoch, position }) = CommitPayload::read(&payload) else {
        return Err(unusable(path, &"the position of its newest commit cannot be read"));
    };
    if owner != archive.id() {
        return Err(unusable(path, &"it belongs to another archive"));
    }
    let (last, common) = (archive.last_seq(), epoch.map_or(Some(Seq(u64::MAX)), |epoch| archive.common_with(epoch)));
    if common.is_some_and(|common| position > common) {
        return Err(unusable(path, &"it has seen changes that the archive has lost since"));
    }
    if position > last || common.is_none() {
        return Err(SearchError::Ahead { path: path.to_owned(), position, last, missing: position.0.saturating_sub(last.0) });
    }
    Ok(())
}
