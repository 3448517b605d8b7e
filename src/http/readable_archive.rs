//! The archive as a request may read it: all of it, or only what is of the peers that its key is limited to.
//!
//! This is where that limit is: handlers read snapshots, and do not know of it.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::sync::watch;

use crate::archive::{Archive, Snapshot};
use crate::model::{PeerId, Seq};

/// An archive, for reading.
#[derive(Clone, Debug)]
pub struct ReadableArchive {
    archive: Arc<Archive>,
    only: Option<Arc<BTreeSet<PeerId>>>,
}

impl ReadableArchive {
    pub(super) fn new(archive: Arc<Archive>) -> Self {
        Self { archive, only: None }
    }

    /// The same of some peers only.
    pub(super) fn limited_to(&self, only: Arc<BTreeSet<PeerId>>) -> Self {
        Self { archive: Arc::clone(&self.archive), only: Some(only) }
    }

    /// What is true and on the disk, as far as it may be seen.
    #[must_use]
    pub fn flushed(&self) -> Snapshot {
        let flushed = self.archive.flushed();
        match &self.only {
            Some(only) => flushed.limited_to(Arc::clone(only)),
            None => flushed,
        }
    }

    /// See [`Archive::subscribe`].
    pub(super) fn subscribe(&self) -> watch::Receiver<Seq> {
        self.archive.subscribe()
    }

    /// See [`Archive::id`].
    pub(super) fn id(&self) -> &str {
        self.archive.id()
    }

    /// See [`Archive::disk_size`].
    pub(super) fn disk_size(&self) -> u64 {
        self.archive.disk_size()
    }
}
