//! Mirroring one blob: upload, verification, the mark, and dropping the copy here.
//!
//! # What is verified, and how
//! - Before anything is sent as a whole, or completed: that the bytes here have the hash that they are named after.
//! - What was sent in one piece: the server compares it with its SHA-256 (`x-amz-checksum-sha256`, also signed), and confirms that in its answer.
//! - What was sent in parts: the same for each part, and the size of the whole.
//! - What a server does not confirm, what was there already, and everything before its copy here goes: all of the object is read back and hashed.
//!
//! # Correctness
//! A blob is pinned while it is mirrored, so that no collection takes it meanwhile. An upload in parts is noted durably before its first part is sent, and
//! forgotten when it is completed or discarded: what a killed process leaves at the server is known to the next.

use std::sync::Arc;

use futures_util::stream::{FuturesOrdered, StreamExt as _};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::error::StoreError;
use super::settings::MirrorSettings;
use super::store::{Store, UploadedPart, Written};
use crate::blob::{BlobCopies, BlobError, BlobHash, BlobReader, Blobs};

/// Bytes of a part, and the most that is sent in one piece: above Amazon's least of 5 MiB, and few enough requests for the largest files.
const PART_SIZE: u64 = 8 << 20;
/// Parts of an object at most, by Amazon's limit; larger objects have larger parts.
const PARTS_MAX: u64 = 10_000;
/// Parts of one object that are under way at once: while one is on its way, the next is read.
const PARTS_AT_ONCE: usize = 2;
/// What all parts that are under way may have in memory together, in MiB (back-pressure).
const MEMORY_MIB: usize = 96;
/// Under this name, with the hash behind it, an upload in parts is noted.
const UPLOAD_NOTE: &str = "upload/";

/// What became of a blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mirrored {
    /// It is in the mirror.
    Done,
    /// It is not stored any more.
    Gone,
}

/// Room in memory for a part, given back when it is dropped.
type Memory<'a> = Option<SemaphorePermit<'a>>;

/// Why a blob is not mirrored.
#[derive(Debug)]
pub(super) enum MirrorFailure {
    /// The storage server.
    Store(StoreError),
    /// The blob's own bytes.
    Damaged(String),
    /// The disk.
    Disk(BlobError),
}

impl From<StoreError> for MirrorFailure {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<BlobError> for MirrorFailure {
    fn from(error: BlobError) -> Self {
        match error {
            BlobError::DamagedBlob { .. } => Self::Damaged(error.to_string()),
            error => Self::Disk(error),
        }
    }
}

/// Mirrors blobs.
#[derive(Debug)]
pub(super) struct Uploader {
    store: Arc<Store>,
    blobs: Blobs,
    drops: bool,
    memory: Semaphore,
}

impl Uploader {
    pub(super) fn new(store: &Arc<Store>, blobs: &Blobs, settings: &MirrorSettings) -> Self {
        let (store, blobs, drops) = (Arc::clone(store), blobs.clone(), settings.drop_local);
        Self { store, blobs, drops, memory: Semaphore::new(MEMORY_MIB) }
    }

    /// Mirrors a blob, and drops the copy here where that is wanted.
    pub(super) async fn mirror(&self, hash: &BlobHash) -> Result<Mirrored, MirrorFailure> {
        let opened = tokio::task::block_in_place(|| {
            let Some(pin) = self.blobs.pin(hash)? else { return Ok(None) };
            let copies = self.blobs.copies(hash)?;
            let reader = match copies {
                None | Some(BlobCopies::Mirror) => None,
                Some(_) => self.blobs.get(hash)?,
            };
            Ok::<_, BlobError>(copies.map(|copies| (pin, copies, reader)))
        })?;
        let Some((_pin, copies, reader)) = opened else { return Ok(Mirrored::Gone) };
        let Some(reader) = reader else { return Ok(Mirrored::Done) };
        let mut was_read_back = false;
        if copies == BlobCopies::Here {
            was_read_back = self.upload(reader).await?;
            if !tokio::task::block_in_place(|| self.blobs.note_mirrored(hash))? {
                return Ok(Mirrored::Gone);
            }
        }
        if self.drops {
            self.drop_here(hash, was_read_back).await?;
        }
        Ok(Mirrored::Done)
    }

    /// Uploads a blob and verifies its object; says whether it was read back. One that is there with other bytes is damaged, and made anew once.
    async fn upload(&self, reader: BlobReader) -> Result<bool, MirrorFailure> {
        let (hash, size, reader) = (reader.hash(), reader.size(), &reader);
        for _ in 0..2 {
            let written = match size <= PART_SIZE {
                true => self.in_one_piece(reader).await?,
                false => self.in_parts(reader).await?,
            };
            if written == (Written::New { is_confirmed: true }) {
                metrics::counter!("telescribe_mirror_uploaded_total").increment(1);
                metrics::counter!("telescribe_mirror_uploaded_bytes_total").increment(size);
                return Ok(false);
            }
            if self.store.is_whole(&hash, size).await? {
                return Ok(true);
            }
            tracing::warn!(blob.hash = %hash, "the mirror's object of file {hash} is not what its name says; it is made anew");
            self.store.remove(&hash).await?;
        }
        Err(StoreError::Object("the storage server gives other bytes than it was given".to_owned()).into())
    }

    async fn in_one_piece(&self, reader: &BlobReader) -> Result<Written, MirrorFailure> {
        let _memory = self.memory(reader.size()).await;
        let bytes = tokio::task::block_in_place(|| {
            let bytes = reader.read_range(0, usize::try_from(reader.size()).unwrap_or(usize::MAX))?;
            checked(reader.hash(), BlobHash::of(&bytes))?;
            Ok::<_, MirrorFailure>(bytes)
        })?;
        Ok(self.store.create(&reader.hash(), bytes).await?)
    }

    async fn in_parts(&self, reader: &BlobReader) -> Result<Written, MirrorFailure> {
        let hash = reader.hash();
        if let Some(found) = self.store.size(&hash).await? {
            if found == reader.size() {
                return Ok(Written::WasThere);
            }
            tracing::warn!(blob.hash = %hash, "the mirror's object of file {hash} has {found} bytes; it is made anew");
            self.store.remove(&hash).await?;
        }
        let upload = self.store.begin(&hash).await?;
        let note = format!("{UPLOAD_NOTE}{hash}");
        tokio::task::block_in_place(|| {
            self.blobs.set_mirror_note(&note, Some(upload.as_bytes()))?;
            self.blobs.flush()
        })?;
        let outcome = self.send_parts(reader, &upload).await;
        if !matches!(outcome, Ok(Written::New { .. }))
            && let Err(error) = self.store.abort(&hash, &upload).await
        {
            // The note stays, and the next connection tries again.
            return outcome.and(Err(error.into()));
        }
        tokio::task::block_in_place(|| self.blobs.set_mirror_note(&note, None))?;
        outcome
    }

    /// Sends all parts, in order, a few at once, and completes the object.
    async fn send_parts(&self, reader: &BlobReader, upload: &str) -> Result<Written, MirrorFailure> {
        let (hash, size) = (reader.hash(), reader.size());
        let part_size = part_size(size);
        let (mut at, mut hasher) = (0, BlobHash::hasher());
        let (mut sending, mut parts) = (FuturesOrdered::new(), Vec::new());
        while at < size || !sending.is_empty() {
            let length = part_size.min(size - at);
            let is_free = at < size && sending.len() < PARTS_AT_ONCE;
            // Both at once: those that are sent give back the memory that the next one waits for.
            tokio::select! {
                Some(part) = sending.next(), if !sending.is_empty() => parts.push(part?),
                memory = self.memory(length), if is_free => {
                    let bytes = tokio::task::block_in_place(|| {
                        let bytes = reader.read_range(at, usize::try_from(length).unwrap_or(usize::MAX))?;
                        hasher.update(&bytes);
                        Ok::<_, MirrorFailure>(bytes)
                    })?;
                    sending.push_back(self.send_part(hash, upload, parts.len() + sending.len(), bytes, memory));
                    at += length;
                }
            }
        }
        drop(sending);
        checked(hash, hasher.finish())?;
        let written = self.store.complete(&hash, upload, &parts).await?;
        match written {
            Written::New { .. } if self.store.size(&hash).await? != Some(size) => Ok(Written::New { is_confirmed: false }),
            written => Ok(written),
        }
    }

    async fn send_part(
        &self,
        hash: BlobHash,
        upload: &str,
        number: usize,
        bytes: Vec<u8>,
        _memory: Memory<'_>,
    ) -> Result<UploadedPart, MirrorFailure> {
        Ok(self.store.part(&hash, upload, number, bytes).await?)
    }

    /// Waits until there is room in memory for so many bytes.
    async fn memory(&self, bytes: u64) -> Memory<'_> {
        let mib = usize::try_from(bytes.div_ceil(1 << 20)).unwrap_or(MEMORY_MIB).clamp(1, MEMORY_MIB);
        // It is never closed.
        self.memory.acquire_many(u32::try_from(mib).unwrap_or(1)).await.ok()
    }

    /// Drops the copy here, after all of the mirror's was read back.
    async fn drop_here(&self, hash: &BlobHash, was_read_back: bool) -> Result<(), MirrorFailure> {
        let Some(size) = tokio::task::block_in_place(|| self.blobs.size_of(hash))? else { return Ok(()) };
        if !was_read_back && !self.store.is_whole(hash, size).await? {
            tokio::task::block_in_place(|| self.blobs.forget_mirrored(hash))?;
            return Err(StoreError::Object("the storage server does not give the bytes that it was given".to_owned()).into());
        }
        tokio::task::block_in_place(|| self.blobs.drop_here(hash))?;
        Ok(())
    }

    /// Discards what uploads have left at the server that came to no end: those of a process that ended, and those that were dropped here.
    pub(super) async fn discard_abandoned(&self) -> Result<(), MirrorFailure> {
        let noted: Vec<_> = tokio::task::block_in_place(|| self.blobs.mirror_notes(UPLOAD_NOTE).collect::<Result<_, _>>())?;
        for (name, upload) in noted {
            let (name, upload) = (String::from_utf8_lossy(&name).into_owned(), String::from_utf8_lossy(&upload).into_owned());
            if let Ok(hash) = name.parse::<BlobHash>() {
                self.store.abort(&hash, &upload).await?;
                tracing::debug!(blob.hash = %hash, "the upload of file {hash} that came to no end was discarded");
            }
            tokio::task::block_in_place(|| self.blobs.set_mirror_note(&format!("{UPLOAD_NOTE}{name}"), None))?;
        }
        Ok(())
    }
}

/// Bytes of a part of an object of so many.
fn part_size(size: u64) -> u64 {
    size.div_ceil(PARTS_MAX).next_multiple_of(1 << 20).max(PART_SIZE)
}

fn checked(hash: BlobHash, found: BlobHash) -> Result<(), MirrorFailure> {
    match found == hash {
        true => Ok(()),
        false => Err(MirrorFailure::Damaged(format!("the stored file {hash} is damaged: its bytes have the hash {found}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_has_at_most_ten_thousand_parts_and_none_below_the_least_size() {
        for size in [PART_SIZE + 1, 4 << 30, PARTS_MAX * PART_SIZE, PARTS_MAX * PART_SIZE + 1, 1 << 40] {
            let part = part_size(size);
            assert!(part >= PART_SIZE && size.div_ceil(part) <= PARTS_MAX, "{size}: {part}");
            assert!(part <= (MEMORY_MIB as u64) << 20, "{size}: {part}");
        }
    }
}
