//! Building an index anew beside the one there is, which stays as it is until the new one is complete.
//!
//! An interrupted rebuild goes on from its last commit at the next start; one whose files are no longer whole begins again.

use std::sync::Arc;

use anyhow::Context as _;

use super::directory::Access;
use super::folders::IndexFolders;
use super::index::Index;
use super::{Indexer, IndexerSettings, SearchError};
use crate::archive::Archive;
use crate::lifecycle::Worker as _;
use crate::model::Seq;
use crate::panics;

/// An index that is being built beside the other.
pub struct Rebuild {
    folders: IndexFolders,
    archive: Arc<Archive>,
    index: Arc<Index>,
    indexer: Indexer,
}

impl Rebuild {
    /// Begins one, or goes on with one that was interrupted. First finishes a swap that was interrupted.
    ///
    /// # Errors
    /// When a folder holds other files than an index, or the system refuses; nothing is lost then.
    pub fn start(
        folders: &IndexFolders,
        archive: &Arc<Archive>,
        settings: IndexerSettings,
        why: &str,
    ) -> Result<Self, SearchError> {
        folders.check_replaceable()?;
        folders.recover(archive)?;
        let index = Arc::new(match folders.reason_of_rebuild()? {
            Some(_) => continued(folders, archive, why)?,
            None => folders.begin(why)?,
        });
        let indexer = Indexer::new(Arc::clone(&index), Arc::clone(archive), settings);
        Ok(Self { folders: folders.clone(), archive: Arc::clone(archive), index, indexer })
    }

    /// The last change that it has read.
    #[must_use]
    pub fn position(&self) -> Seq {
        self.indexer.read()
    }

    /// Does a bounded piece of work; whether that was the last, so that [`Rebuild::complete`] can be called.
    ///
    /// # Errors
    /// When index or archive fail.
    pub async fn step(&mut self) -> anyhow::Result<bool> {
        self.indexer.step().await?;
        Ok(self.indexer.read() >= self.archive.last_seq())
    }

    /// Commits what was read, so that a later start goes on from there.
    ///
    /// # Errors
    /// When the disk refuses.
    pub async fn pause(&mut self) -> anyhow::Result<()> {
        self.indexer.finish().await
    }

    /// Commits, and puts it in the place of the other. How many messages are indexed is returned.
    ///
    /// # Errors
    /// When the disk refuses; a later start goes on.
    pub async fn complete(mut self) -> anyhow::Result<u64> {
        self.indexer.finish().await.context("the rebuilt index could not be committed")?;
        let documents = self.index.document_count();
        let Self { folders, archive, index, indexer } = self;
        drop((indexer, index));
        tokio::task::spawn_blocking(move || {
            Index::open_existing(folders.beside(), &archive)?;
            folders.complete()
        })
        .await
        .map_err(panics::of_task)
        .context("the swap of the index failed")??;
        Ok(documents)
    }
}

/// Goes on with an interrupted rebuild, or begins again where it cannot be used.
fn continued(folders: &IndexFolders, archive: &Archive, why: &str) -> Result<Index, SearchError> {
    match Index::open_as_it_is(folders.beside(), archive, Access::Write) {
        Ok(index) if index.fault().is_none() => Ok(index),
        Ok(_) | Err(SearchError::Unusable { .. } | SearchError::NoIndex { .. }) => folders.begin(why),
        Err(error) => Err(error),
    }
}
