//! Coverage: which ids of a chat were really read; and completeness, what is still missing of it.
//!
//! Invariant: every archived message is covered, because both become true in one atomic write.

use std::borrow::Cow;

use prost::Message as _;

use crate::model::{ChatId, IdRange, RangeSet};

use super::codec::{RecordError, StoredValue, WrittenValue};
use super::crawl_state::CrawlState;
use super::record::{bounds, decode, ranges};

/// Which ids of a chat were read, and how many messages they held.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Coverage {
    /// Ids that were asked for and answered.
    pub read: RangeSet,
    /// Messages archived, also those deleted since.
    pub messages: u64,
    /// Of these, how many are marked deleted.
    pub deleted: u64,
    /// Messages that were erased: they are known, and not archived.
    pub erased: u64,
}

/// What keeps a peer from being complete, and what nobody can see; complete where all but `hidden` are empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completeness<'a> {
    /// Ids up to the greatest known one that were never read, though an account can see them, as far as is known.
    pub missing: RangeSet,
    /// Ids that were never read, and that none of the accounts can see, that another account archives by ids of its own, or that nobody wants.
    pub hidden: RangeSet,
    /// Ids of which Telegram's answer could not be read.
    pub unreadable: &'a RangeSet,
    /// Ids that were read but must be read again.
    pub recheck: Cow<'a, RangeSet>,
    /// Ids whose deletion is to be confirmed.
    pub held: Cow<'a, RangeSet>,
}

impl<'a> Completeness<'a> {
    /// How complete a peer is, given what was read of it and what is known of it.
    #[must_use]
    pub fn of(coverage: &Coverage, state: &'a CrawlState) -> Self {
        Self::up_to(state.top, coverage, state)
    }

    /// The same, of what was never read only up to an id.
    #[must_use]
    pub fn up_to(top: i32, coverage: &Coverage, state: &'a CrawlState) -> Self {
        let mut missing = IdRange::new(1, top).map(|all| coverage.read.missing(all)).unwrap_or_default();
        let (mut recheck, mut held) = (Cow::Borrowed(&state.recheck), Cow::Borrowed(&state.held));
        let mut hidden = RangeSet::new();
        if state.is_taken_over() || state.is_fetched_only() {
            // What is left of it another account archives, by its own ids, or nobody has asked for.
            return Self {
                missing: RangeSet::new(),
                hidden: missing,
                unreadable: &state.unreadable,
                recheck: Cow::Owned(RangeSet::new()),
                held: Cow::Owned(RangeSet::new()),
            };
        }
        if let Some(unseen) = state.hidden() {
            hidden = coverage.read.missing(unseen);
            missing.remove(unseen);
            // Nobody can be asked whether it has changed.
            recheck.to_mut().remove(unseen);
            held.to_mut().remove(unseen);
        }
        for range in state.unreadable.ranges() {
            // Asked for again, they would be passed over again.
            missing.remove(*range);
            recheck.to_mut().remove(*range);
            held.to_mut().remove(*range);
        }
        Self { missing, hidden, unreadable: &state.unreadable, recheck, held }
    }

    /// Whether every id that any account can see was read, none must be read again, and no deletion waits for its confirmation.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.missing.is_empty() && self.unreadable.is_empty() && self.recheck.is_empty() && self.held.is_empty()
    }
}

impl CrawlState {
    /// Whether every id that any account can see was read, and somebody can still read the chat, or nobody wants it to be read on.
    #[must_use]
    pub fn is_complete(&self, completeness: &Completeness<'_>) -> bool {
        // What nobody can read any more may have grown since; what nobody wants any more may have, too.
        let is_read = self.unavailable.is_none() || self.is_wanted_no_longer();
        // One that was named just now was never asked about.
        let is_known = !self.followed || self.checked_at.is_some();
        completeness.is_complete() && is_read && is_known
    }
}

#[derive(Clone, PartialEq, prost::Message)]
struct CoverageRecord {
    /// First and last ids, in turn: each ascending, as gaps and lengths would save little and hide much.
    #[prost(int32, repeated, tag = "1")]
    bounds: Vec<i32>,
    #[prost(uint64, tag = "2")]
    messages: u64,
    #[prost(uint64, tag = "3")]
    deleted: u64,
    #[prost(uint64, tag = "4")]
    erased: u64,
}

impl WrittenValue<ChatId> for Coverage {
    fn to_bytes(&self) -> Vec<u8> {
        let Self { read, messages, deleted, erased } = self;
        CoverageRecord { bounds: bounds(read), messages: *messages, deleted: *deleted, erased: *erased }.encode_to_vec()
    }
}

impl StoredValue<ChatId> for Coverage {
    fn from_bytes(_: &ChatId, bytes: &[u8]) -> Result<Self, RecordError> {
        let r: CoverageRecord = decode("coverage", bytes)?;
        Ok(Self { read: ranges(&r.bounds)?, messages: r.messages, deleted: r.deleted, erased: r.erased })
    }
}
