//! What is to be mirrored: all files at each start, then what the change log tells, each content once, and up to which change all is done.
//!
//! # Invariants
//! - A batch is done when each of its blobs was mirrored, is gone, or was given up; the position is the end of the last batch before which all are.
//! - A blob that several batches brought is one task, and all of them wait for it.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::archive::{Archive, ArchiveError, ArchivedFile, ChangeBatch, Reader};
use crate::blob::{BlobCopies, BlobError, BlobHash, Blobs};
use crate::model::{ChangeKind, FileId, FileKind, FileState, Seq};

use super::MIRROR_READER;

/// Changes of one batch: most are messages, which cost nothing here.
const CHANGES: usize = 2_000;
/// Files of one batch of the walk.
const FILES: usize = 1_000;
/// Batches whose blobs are known and not mirrored: what is in memory of the backlog, 32 bytes a blob.
const BATCHES_MAX: usize = 8;
/// Blobs that wait at least, so that no upload waits for the disk.
const WAITING_MIN: usize = 64;
/// How often all files are looked at again: what was given up is tried again then.
const WALK_EVERY: Duration = Duration::from_secs(24 * 3_600);

/// A batch of files or of changes.
#[derive(Debug)]
struct Batch {
    number: u64,
    /// Of changes: the last of them; of the walk's last files: the last change before which all is done with them.
    end: Option<Seq>,
    left: usize,
}

/// What is to be mirrored.
#[derive(Debug)]
pub(super) struct Backlog {
    reader: Reader,
    /// The position as it was when this was made.
    stored: Seq,
    blobs: Blobs,
    drops: bool,
    /// Where the walk goes on; `None` when it is done.
    walk: Option<FileId>,
    next_walk: Instant,
    batches: VecDeque<Batch>,
    next_number: u64,
    waiting: VecDeque<BlobHash>,
    /// The batches that wait for a blob; all that waits or is under way is in here.
    owed: HashMap<BlobHash, Vec<u64>>,
}

impl Backlog {
    /// All files, and what the log tells from now on.
    ///
    /// # Errors
    /// When the archive cannot be read or written.
    pub(super) fn new(archive: &Arc<Archive>, blobs: &Blobs, drops: bool) -> Result<Self, ArchiveError> {
        let mut reader = Reader::open(Arc::clone(archive), MIRROR_READER)?;
        let stored = reader.read();
        if stored == Seq(0) {
            // What the log tells up to here, the walk finds.
            reader.seek(archive.flushed().last_seq());
        }
        Ok(Self {
            reader,
            stored,
            blobs: blobs.clone(),
            drops,
            walk: Some(FileId::photo(i64::MIN)),
            next_walk: Instant::now() + WALK_EVERY,
            batches: VecDeque::new(),
            next_number: 0,
            waiting: VecDeque::new(),
            owed: HashMap::new(),
        })
    }

    /// The reader of the log.
    pub(super) fn reader(&mut self) -> &mut Reader {
        &mut self.reader
    }

    /// The position from which it goes on.
    pub(super) fn stored(&self) -> Seq {
        self.stored
    }

    /// Whether the walk begins anew; where it does, what was given up is forgotten.
    pub(super) fn begin_walk(&mut self) -> bool {
        let begins = self.walk.is_none() && self.next_walk <= Instant::now();
        if begins {
            self.walk = Some(FileId::photo(i64::MIN));
            self.next_walk = Instant::now() + WALK_EVERY;
        }
        begins
    }

    /// Reads on, where there is room; says whether there was anything.
    ///
    /// # Errors
    /// When archive or blobs cannot be read.
    pub(super) fn fill(&mut self) -> anyhow::Result<bool> {
        if self.waiting.len() >= WAITING_MIN || self.batches.len() >= BATCHES_MAX {
            return Ok(false);
        }
        match self.walk {
            Some(from) => self.walk_on(from).map(|()| true),
            None => self.read_on(),
        }
    }

    fn walk_on(&mut self, from: FileId) -> anyhow::Result<()> {
        let archive = Arc::clone(self.reader.archive());
        let files = archive.view().files(from).take(FILES).collect::<Result<Vec<_>, _>>()?;
        self.walk = match (files.len() == FILES, files.last()) {
            (true, Some(last)) => after(last.id),
            _ => None,
        };
        // When the walk is done, so is everything that the log has told before.
        let end = self.walk.is_none().then(|| self.reader.read());
        self.add(files.iter().flat_map(contents), end)
    }

    fn read_on(&mut self) -> anyhow::Result<bool> {
        let before = self.reader.read();
        let ChangeBatch { changes, snapshot } = self.reader.next_batch(CHANGES)?;
        if changes.is_empty() {
            return Ok(false);
        }
        let stored = changes.iter().filter_map(|change| match change.kind {
            // Of one that failed there may be a picture.
            ChangeKind::MediaStored { file, .. } | ChangeKind::MediaFailed { file, .. } => Some(file),
            _ => None,
        });
        let files = stored.filter_map(|id| snapshot.view().file(id).transpose()).collect::<Result<Vec<_>, _>>();
        let end = self.reader.read();
        let files = files.inspect_err(|_| self.reader.seek(before))?;
        self.add(files.iter().flat_map(contents), Some(end)).inspect_err(|_| self.reader.seek(before))?;
        Ok(true)
    }

    /// Adds what of these is stored here and not in the mirror, or is to be there only.
    fn add(&mut self, hashes: impl Iterator<Item = BlobHash>, end: Option<Seq>) -> anyhow::Result<()> {
        let mut wanted = HashSet::new();
        for hash in hashes {
            if self.is_wanted(&hash)? {
                wanted.insert(hash);
            }
        }
        let number = self.next_number;
        self.next_number += 1;
        self.batches.push_back(Batch { number, end, left: wanted.len() });
        for hash in wanted {
            let owed = self.owed.entry(hash).or_default();
            if owed.is_empty() {
                self.waiting.push_back(hash);
            }
            owed.push(number);
        }
        Ok(())
    }

    fn is_wanted(&self, hash: &BlobHash) -> Result<bool, BlobError> {
        Ok(match self.blobs.copies(hash)? {
            Some(BlobCopies::Here) => true,
            Some(BlobCopies::Both) => self.drops,
            Some(BlobCopies::Mirror) | None => false,
        })
    }

    /// The next blob that is not one of these.
    pub(super) fn take(&mut self, busy: &HashSet<BlobHash>) -> Option<BlobHash> {
        let at = self.waiting.iter().position(|hash| !busy.contains(hash))?;
        self.waiting.remove(at)
    }

    /// Has a blob that was taken wait again: before all others, or behind them.
    pub(super) fn put_back(&mut self, hash: BlobHash, first: bool) {
        if first { self.waiting.push_front(hash) } else { self.waiting.push_back(hash) }
    }

    /// Whether a blob waits or is under way.
    pub(super) fn has(&self, hash: &BlobHash) -> bool {
        self.owed.contains_key(hash)
    }

    /// A blob is mirrored, gone or given up.
    pub(super) fn done(&mut self, hash: &BlobHash) {
        for number in self.owed.remove(hash).unwrap_or_default() {
            if let Some(batch) = self.batches.iter_mut().find(|batch| batch.number == number) {
                batch.left = batch.left.saturating_sub(1);
            }
        }
    }

    /// Lets go of the batches that are done; returns up to which change all is, where that has moved.
    pub(super) fn settle(&mut self) -> Option<Seq> {
        let mut end = None;
        while self.batches.front().is_some_and(|batch| batch.left == 0) {
            end = self.batches.pop_front().and_then(|batch| batch.end).or(end);
        }
        end
    }

    /// When the next walk begins.
    pub(super) fn next_walk(&self) -> Instant {
        self.next_walk
    }
}

/// The blobs of a file.
fn contents(file: &ArchivedFile) -> impl Iterator<Item = BlobHash> {
    let stored = match &file.state {
        FileState::Stored(bytes) => Some(bytes.hash),
        _ => None,
    };
    stored.into_iter().chain(file.thumbnail.map(|bytes| bytes.hash))
}

/// The file id after another one; photos come before documents.
fn after(id: FileId) -> Option<FileId> {
    match id.id.checked_add(1) {
        Some(next) => Some(FileId { id: next, ..id }),
        None => (id.kind == FileKind::Photo).then_some(FileId::document(i64::MIN)),
    }
}
