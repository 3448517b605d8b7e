//! The indexer: a reader that follows the change log and brings the index up to date with the archive.
//!
//! A commit carries the position it has reached (a checkpoint, atomic with the commit), so whatever a crash throws away is read again.
//! A change after the committed position was never committed: a message that is new there is not in the index yet, and adding it
//! needs no deletion first, which would cost a third of the time. The document is always made from the newest form of the message, so
//! indexing is idempotent: changes that are read twice, or whose message has changed again since, do no harm.
//!
//! No change tells of views that have moved. The archive notes those messages, and they are indexed again when there is nothing else to do.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tantivy::IndexWriter;
use tantivy::indexer::IndexWriterOptions;

use super::index::{CommitPayload, Index};
use super::merging::BoundedMerges;
use super::schema::earlier_versions;
use crate::archive::{Archive, ChangeBatch, Reader, Snapshot, StoredMessage};
use crate::failpoints;
use crate::lifecycle::{StepOutcome, Worker};
use crate::model::{Change, ChangeKind, MessageKey, Seq};
use crate::panics;

/// The batch size, in changes a step: some 50 ms of work, so that a stop is quick.
const BATCH_CHANGES_MAX: usize = 2_000;
/// The lag from which on the indexer catches up: freshness is out of reach, and fewer, larger commits are faster. About two seconds
/// of indexing.
const CATCH_UP_LAG_MIN: u64 = 100_000;
/// The commit size while catching up, in changes: what a crash costs, and the segment size that needs few merges.
const CATCH_UP_COMMIT: u64 = 200_000;
/// Messages that are indexed again in one step because their views have moved.
const RECOUNTED_MAX: usize = 1_000;
/// How often it is asked which those are: no change tells of them.
const RECOUNTED_INTERVAL: Duration = Duration::from_secs(30);
/// The least memory that the index works with, in MiB: Tantivy's own minimum, rounded up.
pub const MEMORY_MIB_MIN: usize = 16;

/// The indexer's name among the readers.
pub const INDEX_READER: &str = "search";

/// The indexer's settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexerSettings {
    /// Bytes that documents not yet on disk may take.
    pub memory: usize,
    /// Shortest time between two commits. A message can be found this long, plus the commit's own time, after it was archived;
    /// a commit costs 10 to 300 ms.
    pub commit_interval: Duration,
}

/// The one writer of an [`Index`].
pub struct Indexer {
    index: Arc<Index>,
    archive: Arc<Archive>,
    settings: IndexerSettings,
    /// Opened at the first step, and again (a retry) after a failure: the one before must have released Tantivy's exclusive lock.
    writer: Option<OpenWriter>,
}

impl Indexer {
    /// An indexer that starts where the index's last commit ended.
    #[must_use]
    pub fn new(index: Arc<Index>, archive: Arc<Archive>, settings: IndexerSettings) -> Self {
        Self { index, archive, settings, writer: None }
    }

    /// Reads to the end of the change log and commits.
    ///
    /// # Errors
    /// When index or archive fail.
    pub async fn catch_up(&mut self) -> anyhow::Result<()> {
        while self.step().await? == StepOutcome::Busy {}
        self.finish().await
    }

    /// Reads on for at most so long, and commits; whether it got to the end of the change log, the index's position says.
    ///
    /// # Errors
    /// See [`Indexer::catch_up`].
    pub async fn catch_up_within(&mut self, limit: Duration) -> anyhow::Result<()> {
        let end = Instant::now() + limit;
        while Instant::now() < end && self.step().await? == StepOutcome::Busy {}
        self.finish().await
    }

    /// The last change that was read, committed or not.
    #[must_use]
    pub fn read(&self) -> Seq {
        self.writer.as_ref().map_or_else(|| self.index.position(), |writer| writer.reader.read())
    }

    /// Does blocking work on the blocking pool. Work that fails loses what was not committed, and is retried from the last commit.
    async fn with_writer<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut OpenWriter) -> anyhow::Result<T> + Send + 'static,
    ) -> anyhow::Result<T> {
        let writer = self.writer.take();
        let (index, archive, settings) = (Arc::clone(&self.index), Arc::clone(&self.archive), self.settings);
        let (writer, result) = tokio::task::spawn_blocking(move || {
            let mut writer = match writer {
                Some(writer) => writer,
                None => OpenWriter::open(index, archive, settings)?,
            };
            let result = work(&mut writer)?;
            anyhow::Ok((writer, result))
        })
        .await
        .map_err(panics::of_task)
        .context("the index's writer failed")??;
        self.writer = Some(writer);
        Ok(result)
    }
}

impl Worker for Indexer {
    async fn step(&mut self) -> anyhow::Result<StepOutcome> {
        self.with_writer(OpenWriter::step).await
    }

    async fn wait(&mut self) {
        if let Some(due) = self.writer.as_ref().and_then(OpenWriter::commit_due) {
            return tokio::time::sleep_until(due.into()).await;
        }
        let mut unopened = Reader::at(Arc::clone(&self.archive), INDEX_READER, Seq(0));
        let reader = self.writer.as_mut().map_or(&mut unopened, |writer| &mut writer.reader);
        tokio::select! {
            () = reader.wait() => {}
            () = self.index.expunge_wanted() => {}
            () = tokio::time::sleep(RECOUNTED_INTERVAL) => {}
        }
    }

    async fn finish(&mut self) -> anyhow::Result<()> {
        if self.writer.as_ref().is_some_and(OpenWriter::is_all_committed) {
            return Ok(());
        }
        self.with_writer(OpenWriter::commit_if_needed).await
    }
}

/// An open writer and what it has not committed yet.
struct OpenWriter {
    index: Arc<Index>,
    /// Its position is kept in the index's commits, so that index and archive cannot drift apart.
    reader: Reader,
    settings: IndexerSettings,
    writer: IndexWriter,
    /// What of it is committed.
    committed: Seq,
    committed_at: Option<Instant>,
    /// Messages that were added again because their views had moved, since the last commit.
    recounted: Vec<(MessageKey, i32)>,
}

impl OpenWriter {
    fn open(index: Arc<Index>, archive: Arc<Archive>, settings: IndexerSettings) -> anyhow::Result<Self> {
        let options = IndexWriterOptions::builder()
            .memory_budget_per_thread(settings.memory)
            // The archive is read on one core while the analyser works on another; more would not make a message appear sooner.
            .num_worker_threads(1)
            .num_merge_threads(1)
            .build();
        index.check_owner(&archive)?;
        let writer: IndexWriter = index.inner().writer_with_options(options).context("cannot write to the index")?;
        writer.set_merge_policy(Box::new(BoundedMerges::default()));
        let committed = index.committed().context("cannot read the index's last commit")?.unwrap_or_default();
        // A commit that succeeded and was not shown, because the disk failed between the two: there may be nothing more to commit.
        index.reload().context("cannot show the index's last commit")?;
        Ok(Self {
            index,
            reader: Reader::at(archive, INDEX_READER, committed.position),
            settings,
            writer,
            committed: committed.position,
            committed_at: None,
            recounted: Vec::new(),
        })
    }

    fn step(&mut self) -> anyhow::Result<StepOutcome> {
        let ChangeBatch { changes, snapshot } = self.reader.next_batch(BATCH_CHANGES_MAX)?;
        self.apply(&changes, &snapshot)?;
        if changes.is_empty() && self.recounted.is_empty() {
            self.apply_recounted(&snapshot)?;
        }
        if let Some(request) = self.index.expunge_asked().filter(|_| changes.is_empty()) {
            self.commit_if_needed()?;
            self.index.expunge(&mut self.writer, request)?;
            return Ok(StepOutcome::Busy);
        }
        if self.is_commit_due() {
            self.commit()?;
            return Ok(StepOutcome::Busy);
        }
        Ok(if changes.is_empty() { StepOutcome::Idle } else { StepOutcome::Busy })
    }

    fn apply(&mut self, changes: &[Change], archive: &Snapshot) -> anyhow::Result<()> {
        // Deduplication: one document a message, whatever happened to it in between; `true` when it is not in the index yet.
        let mut messages: BTreeMap<MessageKey, bool> = BTreeMap::new();
        for change in changes {
            if let Some(key) = change.kind.message() {
                *messages.entry(key).or_default() |= matches!(change.kind, ChangeKind::MessageNew { .. });
            }
        }
        self.add(messages, archive)
    }

    /// Adds messages again whose views have moved.
    fn apply_recounted(&mut self, archive: &Snapshot) -> anyhow::Result<()> {
        let recounted = archive.view().recounted(RECOUNTED_MAX)?;
        self.add(recounted.iter().map(|(key, _)| (*key, false)).collect(), archive)?;
        self.recounted = recounted;
        Ok(())
    }

    /// Adds messages in their newest form; `true` for those that are not in the index yet.
    fn add(&mut self, messages: BTreeMap<MessageKey, bool>, archive: &Snapshot) -> anyhow::Result<()> {
        let keys: Vec<MessageKey> = messages.keys().copied().collect();
        let fields = self.index.fields();
        for (stored, (key, is_new)) in archive.view().messages_by_key(&keys)?.into_iter().zip(messages) {
            if !is_new {
                self.writer.delete_query(fields.by_key(key))?;
            }
            match stored {
                Some(stored) => {
                    let version = |number| archive.view().version_if_whole(key, number).transpose();
                    let earlier: Vec<StoredMessage> = earlier_versions(&stored).filter_map(version).collect::<Result<_, _>>()?;
                    self.writer.add_document(fields.document(&stored, &earlier))?;
                }
                None if archive.view().is_erased(key)? => {}
                None => tracing::error!(message.key = %key, "message {key} is in the change log but not in the archive"),
            }
        }
        Ok(())
    }

    fn is_commit_due(&self) -> bool {
        if self.is_all_committed() {
            return false;
        }
        if self.reader.lag() > CATCH_UP_LAG_MIN {
            return self.reader.read().0 - self.committed.0 >= CATCH_UP_COMMIT;
        }
        self.commit_due().is_some_and(|due| due <= Instant::now())
    }

    /// When what was read is to be committed; `None` when all of it is.
    fn commit_due(&self) -> Option<Instant> {
        let due = self.committed_at.map(|at| at + self.settings.commit_interval);
        (!self.is_all_committed()).then(|| due.unwrap_or_else(Instant::now))
    }

    fn is_all_committed(&self) -> bool {
        self.reader.read() == self.committed && self.recounted.is_empty()
    }

    fn commit_if_needed(&mut self) -> anyhow::Result<()> {
        if self.is_all_committed() { Ok(()) } else { self.commit() }
    }

    fn commit(&mut self) -> anyhow::Result<()> {
        let archive = self.reader.archive();
        let payload =
            CommitPayload { archive: archive.id().to_owned(), epoch: Some(archive.epoch()), position: self.reader.read() }
                .payload();
        let mut commit = self.writer.prepare_commit()?;
        // Not sticky: a commit without it would take the position back.
        commit.set_payload(&payload);
        failpoints::hit("index-commit")?;
        commit.commit()?;
        failpoints::hit("index-committed")?;
        self.index.reload()?;
        self.committed = self.reader.read();
        self.committed_at = Some(Instant::now());
        if !self.recounted.is_empty() {
            self.reader.archive().recount_indexed(std::mem::take(&mut self.recounted))?;
        }
        Ok(())
    }
}
