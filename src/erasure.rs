//! Erasing: what an operator orders leaves the archive, the index, the store of files and the disk, and does not come back.
//!
//! # Guarantees
//! - An order is durable before anything is erased: whoever kills the program has it go on at the next start.
//! - Messages go in bounded steps, each one write: a message is wholly there, or wholly gone with a tombstone in its place.
//! - From the order on nothing of what it is of is archived again.
//! - It ends when the bytes are gone, too: from the index's files, the store of files, RocksDB's tables and logs. Until then it is open, and shown so.
//!
//! # What this does not do
//! It does not reach into what left the archive: events that were published, dumps, copies, backups. The list beside the archive has what was erased
//! erased again from an older archive that is put back.

mod list;
mod request;
mod rules;

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;

use crate::archive::{Archive, ArchiveError, Erasure, ErasureNumber, ErasureStage, Expunge, ToldIn};
use crate::blob::{BlobError, Blobs};
use crate::model::{Clock, ErasureSelection, MessageKey, Seq, Timestamp};
use crate::search::{Index, SearchError, ServingIndex};

pub use list::{note_erasures, order_again};
pub use request::{ErasureRequest, InvalidErasure};
pub use rules::{RetentionRule, weigh_rules};

/// Messages that one write erases: some tens of milliseconds under the writer's lock.
const STEP_MESSAGES: usize = 500;
/// Messages that are looked for at once: the change log is read once for all of them, and they are kept in memory with where it tells of them.
const ROUND_MESSAGES: usize = 20_000;
/// Messages that one step looks at: a second of reading.
const ROUND_LOOKED_AT: usize = 200_000;

/// Erasing has failed.
#[derive(Debug, thiserror::Error)]
pub enum EraseError {
    /// The archive cannot be read or written.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The index cannot be read.
    #[error(transparent)]
    Index(#[from] SearchError),
    /// The store of files cannot be read or written.
    #[error(transparent)]
    Files(#[from] BlobError),
}

/// What a step has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Erased {
    /// Something; there may be more.
    Some,
    /// Nothing: others have to read on first, or to let go of what they read. It is to be tried again in a moment.
    Waiting,
    /// Nothing: no erasure is open.
    Nothing,
}

/// Carries out erasures, one after the other.
pub struct Eraser {
    archive: Arc<Archive>,
    index: ServingIndex,
    blobs: Blobs,
    clock: Arc<dyn Clock>,
    round: Option<Round>,
    traces: Option<Traces>,
}

/// Messages that were found and are to be erased.
struct Round {
    of: ErasureNumber,
    left: VecDeque<MessageKey>,
    told: ToldIn,
    /// The last message that was looked at for it, and whether there are more.
    cursor: Option<MessageKey>,
    is_end: bool,
}

/// What is left to be cleaned once the messages are gone.
struct Traces {
    of: ErasureNumber,
    /// What the index has to have read.
    up_to: Seq,
    index: IndexTraces,
    are_files_gone: bool,
}

enum IndexTraces {
    Unasked,
    Asked { index: Arc<Index>, request: u64 },
    Gone,
}

impl std::fmt::Debug for Eraser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Eraser").field("archive", &self.archive).finish_non_exhaustive()
    }
}

/// Orders an erasure from the archive of a data folder; returns its number. Nothing of what it is of is archived from then on, and the lists have it.
///
/// # Errors
/// When the archive or the list in the data folder cannot be written.
pub fn order_listed(
    archive: &Archive,
    data: &Path,
    selection: ErasureSelection,
    now: Timestamp,
) -> Result<ErasureNumber, ArchiveError> {
    let number = order(archive, selection, now)?;
    note_erasures(archive, data)?;
    Ok(number)
}

/// Orders an erasure; returns its number. Nothing of what it is of is archived from then on.
///
/// # Errors
/// When the archive cannot be written.
pub fn order(archive: &Archive, selection: ErasureSelection, now: Timestamp) -> Result<ErasureNumber, ArchiveError> {
    let id = uuid::Uuid::new_v4().simple().to_string();
    let mut write = archive.write(now);
    write.order_erasure(&id, selection, now);
    write.commit()?;
    // Before anything is erased: what is half erased is known to be.
    archive.sync()?;
    let ordered = archive.view().erasures()?;
    let ordered = ordered.iter().rev().find(|erasure| erasure.id == id).map(|erasure| erasure.number);
    tracing::info!("erasure {} is ordered", ordered.unwrap_or(ErasureNumber(0)));
    Ok(ordered.unwrap_or(ErasureNumber(0)))
}

impl Eraser {
    /// One that goes on with what is open.
    #[must_use]
    pub fn new(archive: Arc<Archive>, index: ServingIndex, blobs: Blobs, clock: Arc<dyn Clock>) -> Self {
        Self { archive, index, blobs, clock, round: None, traces: None }
    }

    /// Takes the next step. Blocks. `stop` is asked where it takes long.
    ///
    /// # Errors
    /// When archive, index or the store of files refuse; the next step tries again.
    pub fn step(&mut self, stop: &dyn Fn() -> bool) -> Result<Erased, EraseError> {
        let mut open = self.archive.view().erasures()?;
        open.retain(|erasure| erasure.stage != ErasureStage::Ended);
        // The messages of all go before what is left of any: that may have to wait for who reads.
        let messages = open.iter().position(|erasure| erasure.stage == ErasureStage::Messages);
        match (messages, open.is_empty()) {
            (_, true) => Ok(Erased::Nothing),
            (Some(at), _) => self.erase_messages(open.swap_remove(at)),
            (None, _) => self.remove_traces(open.swap_remove(0), stop),
        }
    }

    fn erase_messages(&mut self, mut erasure: Erasure) -> Result<Erased, EraseError> {
        let mut round = match self.round.take().filter(|round| round.of == erasure.number) {
            Some(round) => round,
            None => self.next_round(&erasure, erasure.cursor)?,
        };
        if round.left.is_empty() && !round.is_end {
            round = self.next_round(&erasure, round.cursor)?;
        }
        let messages: Vec<MessageKey> = round.left.drain(..round.left.len().min(STEP_MESSAGES)).collect();
        let is_last = round.left.is_empty() && round.is_end;
        if messages.is_empty() && !is_last {
            // Nothing in what was looked at: the next step looks on.
            self.round = Some(round);
            return Ok(Erased::Some);
        }
        erasure.cursor = if round.left.is_empty() { round.cursor } else { messages.last().copied() };
        if is_last {
            erasure.stage = ErasureStage::Traces;
        }
        let told = round.told.of(&messages);
        let mut write = self.archive.write(self.clock.timestamp());
        write.erase(erasure, messages, told);
        write.commit()?;
        self.round = Some(round).filter(|_| !is_last);
        Ok(Erased::Some)
    }

    fn next_round(&self, erasure: &Erasure, after: Option<MessageKey>) -> Result<Round, ArchiveError> {
        let view = self.archive.view();
        let found = view.select(&erasure.selection, after, (ROUND_LOOKED_AT, ROUND_MESSAGES))?;
        let told = if found.keys.is_empty() { ToldIn::default() } else { view.told_in(&found.keys)? };
        Ok(Round { of: erasure.number, left: found.keys.into(), told, cursor: found.cursor, is_end: found.is_end })
    }

    fn remove_traces(&mut self, mut erasure: Erasure, stop: &dyn Fn() -> bool) -> Result<Erased, EraseError> {
        let (of, up_to) = (erasure.number, self.archive.last_seq());
        let known = self.traces.take().filter(|traces| traces.of == of);
        let mut traces = known.unwrap_or(Traces { of, up_to, index: IndexTraces::Unasked, are_files_gone: false });
        if !self.is_gone_from_index(&mut traces)? {
            self.traces = Some(traces);
            return Ok(Erased::Waiting);
        }
        if !traces.are_files_gone {
            traces.are_files_gone = self.remove_files()?;
            let outcome = if traces.are_files_gone { Erased::Some } else { Erased::Waiting };
            self.traces = Some(traces);
            return Ok(outcome);
        }
        if self.archive.expunge(&erasure.selection, stop)? == Expunge::Held {
            self.traces = Some(traces);
            return Ok(Erased::Waiting);
        }
        let now = self.clock.timestamp();
        (erasure.stage, erasure.ended_at) = (ErasureStage::Ended, Some(now));
        tracing::info!(
            "erasure {of} has ended: {} messages and {} files are gone",
            erasure.counts.messages,
            erasure.counts.files
        );
        let mut write = self.archive.write(now);
        write.erase(erasure, Vec::new(), ToldIn::default());
        write.commit()?;
        Ok(Erased::Some)
    }

    /// Whether nothing is left in the index; asks the indexer for it.
    fn is_gone_from_index(&self, traces: &mut Traces) -> Result<bool, EraseError> {
        let index = match self.index.get() {
            Ok(index) => index,
            // A new one is built, which has nothing of it.
            Err(SearchError::Rebuilding { .. }) => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        if self.index.rebuild().is_some() || index.position() < traces.up_to {
            traces.index = IndexTraces::Unasked;
            return Ok(false);
        }
        match &traces.index {
            IndexTraces::Gone => return Ok(true),
            IndexTraces::Asked { index: asked, request } if Arc::ptr_eq(asked, &index) => match index.is_expunged(*request) {
                None => return Ok(false),
                Some(true) => {
                    traces.index = IndexTraces::Gone;
                    return Ok(true);
                }
                Some(false) => {}
            },
            IndexTraces::Asked { .. } | IndexTraces::Unasked => {}
        }
        traces.index = IndexTraces::Asked { request: index.ask_expunge(), index };
        Ok(false)
    }

    /// Removes the files that nothing refers to any more, and what is there of downloads that nobody has open; not where others are removing some.
    ///
    /// # Correctness
    /// The collection begins before the archive is read: what is stored from then on it leaves alone.
    fn remove_files(&self) -> Result<bool, EraseError> {
        let collection = match self.blobs.begin_collection() {
            Err(BlobError::CollectionRunning) => return Ok(false),
            collection => collection?,
        };
        // What a damaged record refers to goes too: it may be what was erased.
        let (referred, _) = self.archive.view().stored_content()?;
        // However young: what is there of a download that nobody has open may be of what was erased.
        let collected = collection.sweep(|hash| referred.contains(hash), Timestamp(i64::MAX))?;
        if collected.pinned > 0 {
            return Ok(false);
        }
        self.blobs.expunge()?;
        Ok(true)
    }
}
