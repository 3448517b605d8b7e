//! Erased bytes leave the disk: what RocksDB keeps of values that are gone, in the write-ahead log, in memory tables and in tables, is rewritten
//! without them (compaction).
//!
//! # Correctness
//! A snapshot keeps what it sees: while one is older than the last write that erased, nothing can be dropped. Whoever has one lets go of it sooner or
//! later, so that [`Expunge::Held`] says to try again, and nothing is done in vain.

use rocksdb::{BottommostLevelCompaction, CompactOptions};

use crate::model::{ErasureScope, ErasureSelection};

use super::codec::StoredKey as _;
use super::family::KeyRange;
use super::schema::Cf;
use super::{Archive, ArchiveError};

/// RocksDB's property: the number of the oldest write that a snapshot stands at; 0 where there is none.
const OLDEST_SNAPSHOT: &str = "rocksdb.oldest-snapshot-sequence";

/// What became of an attempt to have erased bytes leave the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expunge {
    /// They are gone.
    Gone,
    /// Somebody still reads the archive as it was before, or it was stopped; it is to be tried again.
    Held,
}

impl Archive {
    /// Has everything that was erased before this leave the disk. Blocks for as long as it takes to write the tables anew that may hold it; nobody
    /// else is blocked. `stop` is asked between two families.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn expunge(&self, selection: &ErasureSelection, stop: &dyn Fn() -> bool) -> Result<Expunge, ArchiveError> {
        let written = self.db.latest_sequence_number();
        self.sync()?;
        if self.is_held_before(written)? {
            return Ok(Expunge::Held);
        }
        self.flush()?;
        let mut options = CompactOptions::default();
        options.set_bottommost_level_compaction(BottommostLevelCompaction::ForceOptimized);
        // Beside those that RocksDB begins by itself, which crawling needs.
        options.set_exclusive_manual_compaction(false);
        for cf in Cf::ALL.into_iter().filter(|cf| holds_what_is_erased(*cf)) {
            if stop() {
                return Ok(Expunge::Held);
            }
            let KeyRange { first, end } = keys_of(cf, selection);
            let first = Some(first).filter(|first| !first.is_empty());
            self.db.compact_range_cf_opt(self.cf(cf), first, end, &options);
        }
        // The logs that held what was in memory tables are gone with the next one.
        self.flush()?;
        Ok(Expunge::Gone)
    }

    /// Whether somebody sees the archive as it was before a write.
    fn is_held_before(&self, written: u64) -> Result<bool, ArchiveError> {
        let oldest = self.db.property_int_value(OLDEST_SNAPSHOT).map_err(|e| self.store(e))?.unwrap_or_default();
        Ok(oldest != 0 && oldest < written)
    }
}

/// Whether an erasure takes anything out of a family, or changes a record of it.
fn holds_what_is_erased(cf: Cf) -> bool {
    !matches!(cf, Cf::Meta | Cf::Coverage | Cf::Cursor | Cf::Erasure | Cf::Erased)
}

/// The keys of a family that an erasure can have touched.
fn keys_of(cf: Cf, selection: &ErasureSelection) -> KeyRange {
    let of_messages = matches!(cf, Cf::Message | Cf::Version | Cf::Counters | Cf::Topic);
    match &selection.scope {
        ErasureScope::Peer(peer) if of_messages => KeyRange::under(peer.encode()),
        ErasureScope::Messages { chat, .. } if of_messages => KeyRange::under(chat.peer().encode()),
        _ => KeyRange::all(),
    }
}
