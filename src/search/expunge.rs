//! Erased words leave the index: a document that is deleted stays in its segment's files until the segment is merged, so the segments that have any
//! are written anew.
//!
//! The indexer does it, which has Tantivy's one writer; whoever erases asks for it here, and asks again where somebody was still reading.

use std::collections::BTreeSet;
use std::fs;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context as _;
use tantivy::IndexWriter;
use tantivy::index::SegmentId;
use tokio::sync::Notify;

use super::Index;

/// How often segments are merged that have deleted documents: a merge that runs already may have taken one away meanwhile.
const ROUNDS_MAX: usize = 10;

/// What was asked for.
#[derive(Debug, Default)]
pub(super) struct ExpungeRequests {
    asked: AtomicU64,
    tried: AtomicU64,
    /// The newest request after which nothing was left.
    done: AtomicU64,
    woken: Notify,
}

impl Index {
    /// Asks the indexer to read on, and to write those parts of the index anew that hold deleted documents. Returns the number of the request.
    pub fn ask_expunge(&self) -> u64 {
        let request = self.expunges().asked.fetch_add(1, Ordering::SeqCst) + 1;
        self.expunges().woken.notify_one();
        request
    }

    /// What became of a request: whether nothing of what was deleted before it is left; `None` where it was not tried yet.
    #[must_use]
    pub fn is_expunged(&self, request: u64) -> Option<bool> {
        let ExpungeRequests { tried, done, .. } = self.expunges();
        (tried.load(Ordering::SeqCst) >= request).then(|| done.load(Ordering::SeqCst) >= request)
    }

    /// The newest request that was not tried yet.
    pub(super) fn expunge_asked(&self) -> Option<u64> {
        let ExpungeRequests { asked, tried, .. } = self.expunges();
        let asked = asked.load(Ordering::SeqCst);
        (asked > tried.load(Ordering::SeqCst)).then_some(asked)
    }

    /// Returns when something is asked for.
    pub(super) async fn expunge_wanted(&self) {
        while self.expunge_asked().is_none() {
            self.expunges().woken.notified().await;
        }
    }

    /// Does it, for the indexer, which has committed all that it has read.
    pub(super) fn expunge(&self, writer: &mut IndexWriter, request: u64) -> anyhow::Result<()> {
        for _ in 0..ROUNDS_MAX {
            let with_deleted: Vec<SegmentId> = {
                let segments = self.inner().searchable_segment_metas().context("cannot read the index's list of segments")?;
                segments.iter().filter(|segment| segment.has_deletes()).map(|segment| segment.id()).collect()
            };
            if with_deleted.is_empty() {
                break;
            }
            for segment in with_deleted {
                // One that a merge of Tantivy's own has just taken is not there any more.
                if let Err(error) = writer.merge(&[segment]).wait() {
                    tracing::debug!("a segment of the index was not merged: {error}");
                }
            }
        }
        // Whoever searches from now on does not read the files from before; who began earlier keeps them for a moment.
        self.reload().context("cannot show the merged index")?;
        writer.garbage_collect_files().wait().context("cannot remove the index's files that were replaced")?;
        if self.has_only_whole_segments()? {
            self.expunges().done.fetch_max(request, Ordering::SeqCst);
        }
        self.expunges().tried.fetch_max(request, Ordering::SeqCst);
        Ok(())
    }

    /// Whether no file is left of segments that were replaced, and none has deleted documents.
    fn has_only_whole_segments(&self) -> anyhow::Result<bool> {
        let segments = self.inner().searchable_segment_metas().context("cannot read the index's list of segments")?;
        if segments.iter().any(tantivy::SegmentMeta::has_deletes) {
            return Ok(false);
        }
        let known: BTreeSet<String> = segments.iter().map(|segment| segment.id().uuid_string()).collect();
        let of_unknown = |name: &str| {
            let stem = name.split('.').next().unwrap_or_default();
            stem.len() == 32 && stem.bytes().all(|byte| byte.is_ascii_hexdigit()) && !known.contains(stem)
        };
        for entry in fs::read_dir(self.path()).context("cannot list the index's files")? {
            if of_unknown(&entry.context("cannot list the index's files")?.file_name().to_string_lossy()) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
