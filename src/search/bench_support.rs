//! The baseline of `benches/index.rs`: Tantivy with our schema and analyser and nothing else. No archive, no positions, no
//! commits in between: what the indexer is measured against.

use std::path::Path;

use tantivy::IndexWriter;
use tantivy::indexer::IndexWriterOptions;

use super::index::Index;
use super::{IndexerSettings, SearchError};
use crate::archive::StoredMessage;

/// A bare Tantivy index of messages.
pub struct BareIndex {
    index: Index,
    writer: IndexWriter,
}

impl BareIndex {
    /// Makes one in an empty folder, with the memory that the indexer would have.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn new(path: &Path, settings: IndexerSettings) -> Result<Self, SearchError> {
        let index = Index::make(path)?;
        let options = IndexWriterOptions::builder().memory_budget_per_thread(settings.memory).num_merge_threads(1).build();
        let writer = index.inner().writer_with_options(options).map_err(|e| index.failed(&e))?;
        Ok(Self { index, writer })
    }

    /// Adds a message.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn add(&self, stored: &StoredMessage) -> Result<(), SearchError> {
        self.writer.add_document(self.index.fields().document(stored, &[])).map_err(|e| self.index.failed(&e))?;
        Ok(())
    }

    /// Commits and lets searches see it.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn commit(&mut self) -> Result<&Index, SearchError> {
        self.writer.commit().and_then(|_| self.index.reload()).map_err(|e| self.index.failed(&e))?;
        Ok(&self.index)
    }
}
