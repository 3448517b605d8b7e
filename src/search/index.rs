//! The index on disk: opening it, and starting anew when that is not possible.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use tantivy::directory::MmapDirectory;
use tantivy::{IndexReader, ReloadPolicy, Searcher, TantivyError};

use super::SearchError;
use super::schema::{self, Fields};
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

/// What a commit says about itself: how far it has read which archive.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(super) struct Committed {
    pub(super) archive: String,
    pub(super) position: Seq,
}

impl Committed {
    /// As the commit's payload.
    pub(super) fn payload(&self) -> String {
        format!("{} {}", self.position, self.archive)
    }

    fn read(payload: &str) -> Option<Self> {
        let (position, archive) = payload.split_once(' ')?;
        Some(Self { archive: archive.to_owned(), position: Seq(position.parse().ok()?) })
    }
}

impl Index {
    /// Opens the index in a folder, making it when it is not there. One that is damaged, or was made by a version with another
    /// schema or analyser, is deleted and made anew, and the log says so: the archive has everything that was in it.
    ///
    /// # Errors
    /// When the folder holds other files than an index, or the disk refuses.
    pub fn open(path: &Path) -> Result<Self, SearchError> {
        fs::create_dir_all(path).map_err(|e| failed(path, &e))?;
        if path.join(META).exists() {
            match Self::open_existing(path) {
                Ok(index) => return Ok(index),
                Err(why) => tracing::warn!("index at `{}` is rebuilt from the archive: {why}", path.display()),
            }
        }
        clear(path)?;
        Self::make(path).map_err(|e| failed(path, &e))
    }

    fn open_existing(path: &Path) -> Result<Self, String> {
        let say = |e: TantivyError| e.to_string();
        let inner = tantivy::Index::open_in_dir(path).map_err(say)?;
        let (schema, fields) = schema::schema();
        if inner.schema() != schema || *inner.settings() != schema::settings() {
            return Err("it was made by a version with another schema or analyser".to_owned());
        }
        Self::with(path, inner, fields).map_err(say)
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

    /// How far into the change log searches see.
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

    /// Lets searches see the newest commit.
    pub(super) fn reload(&self) -> Result<(), TantivyError> {
        self.reader.reload()?;
        self.note_position()
    }

    fn note_position(&self) -> Result<(), TantivyError> {
        let position = self.committed()?.unwrap_or_default().position;
        self.position.store(position.0, Ordering::Release);
        Ok(())
    }

    /// What the newest commit says about itself; `None` before the first.
    pub(super) fn committed(&self) -> Result<Option<Committed>, TantivyError> {
        Ok(self.inner.load_metas()?.payload.as_deref().and_then(Committed::read))
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

pub(super) fn failed(path: &Path, why: &dyn std::fmt::Display) -> SearchError {
    SearchError::Index { path: path.to_owned(), why: why.to_string() }
}

/// Deletes an index's files, and nothing else: the folder's path comes from a configuration.
fn clear(path: &Path) -> Result<(), SearchError> {
    let entries: io::Result<Vec<_>> = fs::read_dir(path).and_then(Iterator::collect);
    let entries = entries.map_err(|e| failed(path, &e))?;
    if !entries.iter().all(|entry| is_of_an_index(&entry.file_name().to_string_lossy())) {
        return Err(SearchError::NotAnIndex { path: path.to_owned() });
    }
    entries.iter().try_for_each(|entry| fs::remove_file(entry.path())).map_err(|e| failed(path, &e))
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
