//! Thumbnails: a small picture for each stored picture that Telegram has none for.
//!
//! A reader of the change log (`MediaStored`), so that what was stored before this version is caught up on like what is stored now, a stop loses
//! nothing, and no download waits for it. What a picture is, its first bytes say. It is decoded elsewhere ([`Decoder`]); where
//! that comes to nothing, the reason stands in the file's record, and it is not tried again.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use super::download::bytes_of;
use crate::archive::{Archive, ArchiveError, ArchivedFile, ChangeBatch, Reader};
use crate::blob::{BlobReader, Blobs};
use crate::lifecycle::{Lifecycle, StepOutcome, Worker};
use crate::model::{ChangeKind, Clock, FileId};
use crate::pictures::{Decoder, PICTURE_MAX, is_picture};

/// The reader's name.
pub(super) const READER: &str = "thumbnails";
/// Changes that are read at once.
const BATCH: usize = 1_000;
/// Changes without a file that are passed before the position is stored: to read them again takes less than a write for each batch.
const UNSTORED_MAX: u64 = 20_000;
/// Bytes by which a picture is told.
const MAGIC: usize = 64;

/// The worker that makes thumbnails, one after the other.
pub(super) struct Thumbnails {
    reader: Reader,
    blobs: Blobs,
    clock: Arc<dyn Clock>,
    decoder: Decoder,
    lifecycle: Lifecycle,
    /// Files of the changes that were read last.
    pending: VecDeque<FileId>,
    /// Where the archive says that it is.
    stored: u64,
}

impl Thumbnails {
    pub(super) fn new(
        archive: &Arc<Archive>,
        blobs: &Blobs,
        clock: &Arc<dyn Clock>,
        decoder: &Decoder,
        lifecycle: &Lifecycle,
    ) -> Result<Self, ArchiveError> {
        let reader = Reader::open(Arc::clone(archive), READER)?;
        let stored = reader.read().0;
        let (blobs, clock, decoder) = (blobs.clone(), Arc::clone(clock), decoder.clone());
        Ok(Self { reader, blobs, clock, decoder, lifecycle: lifecycle.clone(), pending: VecDeque::new(), stored })
    }

    /// Reads which files were stored.
    fn read(&mut self) -> Result<StepOutcome, ArchiveError> {
        let ChangeBatch { changes, .. } = self.reader.next_batch(BATCH)?;
        let stored = changes.iter().filter_map(|change| match change.kind {
            ChangeKind::MediaStored { file, .. } => Some(file),
            _ => None,
        });
        self.pending.extend(stored);
        if self.pending.is_empty() && self.reader.read().0.saturating_sub(self.stored) >= UNSTORED_MAX {
            self.store()?;
        }
        Ok(if changes.is_empty() { StepOutcome::Idle } else { StepOutcome::Busy })
    }

    fn store(&mut self) -> Result<(), ArchiveError> {
        self.reader.store(self.reader.read(), self.clock.timestamp())?;
        self.stored = self.reader.read().0;
        Ok(())
    }

    /// The bytes of a file that lacks a thumbnail and is a picture; a file whose record or bytes are damaged is told of elsewhere.
    fn picture(&self, id: FileId) -> Option<BlobReader> {
        let file = self.reader.archive().view().file(id).ok().flatten()?;
        let ArchivedFile { thumbnail: None, no_thumbnail: None, state, .. } = file else { return None };
        let reader = self.blobs.get(&state.stored()?.hash).ok().flatten()?;
        let magic = reader.read_range(0, MAGIC).ok()?;
        is_picture(&magic).then_some(reader)
    }

    /// Makes one, or notes why not; returns whether the program is stopping, and nothing is known.
    async fn make(&self, id: FileId) -> anyhow::Result<bool> {
        let Some(reader) = tokio::task::block_in_place(|| self.picture(id)) else { return Ok(false) };
        let made = if reader.size() > PICTURE_MAX {
            Err(format!("it has more than {} MiB", PICTURE_MAX >> 20))
        } else {
            let copied = tokio::task::block_in_place(|| copy(reader));
            let Some(copy) = copied? else { return Ok(false) };
            tokio::select! {
                made = self.decoder.thumbnail(copy) => made?,
                () = self.lifecycle.stop_asked() => return Ok(true),
            }
        };
        tokio::task::block_in_place(|| self.note(id, made))?;
        Ok(false)
    }

    fn note(&self, id: FileId, made: Result<Vec<u8>, String>) -> anyhow::Result<()> {
        let mut write = self.reader.archive().write(self.clock.timestamp());
        let outcome = match made {
            Ok(bytes) => {
                let stored = self.blobs.put(&bytes)?;
                self.blobs.flush()?;
                write.file_thumbnail(id, bytes_of(&stored));
                // The pin goes when the archive refers to it.
                write.commit()?;
                drop(stored);
                "made"
            }
            Err(why) => {
                tracing::debug!(file.id = %id, "no thumbnail of file {id}: {why}");
                write.no_file_thumbnail(id, why);
                write.commit()?;
                "refused"
            }
        };
        metrics::counter!("telescribe_thumbnails_total", "outcome" => outcome).increment(1);
        Ok(())
    }
}

/// A copy that another process can be given; `None` where the bytes are damaged.
fn copy(mut reader: BlobReader) -> io::Result<Option<std::fs::File>> {
    let mut copy = tempfile::tempfile()?;
    let whole = reader.size();
    match io::copy(&mut reader, &mut copy) {
        Ok(copied) if copied == whole => Ok(Some(copy)),
        Ok(_) => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}

impl Worker for Thumbnails {
    async fn step(&mut self) -> anyhow::Result<StepOutcome> {
        let Some(id) = self.pending.front().copied() else {
            return Ok(tokio::task::block_in_place(|| self.read())?);
        };
        if self.make(id).await? {
            return Ok(StepOutcome::Idle);
        }
        self.pending.pop_front();
        if self.pending.is_empty() {
            tokio::task::block_in_place(|| self.store())?;
        }
        Ok(StepOutcome::Busy)
    }

    async fn wait(&mut self) {
        self.reader.wait().await;
    }
}
