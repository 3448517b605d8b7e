//! Reading time series, each with what is true now at its end.

use crate::model::{Counters, MessageKey, PeerId, Timestamp};

use super::super::ArchiveError;
use super::super::codec::StoredKey as _;
use super::super::family::{COUNTERS, KeyRange, MESSAGE, SIZE};
use super::super::series::{CountersSample, MemberCount, Sample};
use super::{Order, View};

impl<'a> View<'a> {
    /// How a message's counters moved, oldest first; the last is what they are now. `None` for a message that is not archived.
    ///
    /// # Errors
    /// When the disk refuses, or a stored record cannot be decoded.
    pub fn counters(self, message: MessageKey) -> Result<Option<Vec<Sample<Counters>>>, ArchiveError> {
        let Some(record) = self.get(&MESSAGE, &message)? else { return Ok(None) };
        let now = Sample { at: Timestamp(record.counted_at.unwrap_or(record.archived_at)), value: record.counters() };
        let earlier = self
            .scan(&COUNTERS, KeyRange::under(message.encode()), Order::OldestFirst)
            .map(|entry| entry.map(|((_, at), CountersSample(value))| Sample { at, value }));
        earlier.chain([Ok(now)]).collect::<Result<_, _>>().map(Some)
    }

    /// How many members a peer was seen to have, oldest first; an entry for each change.
    ///
    /// # Errors
    /// See [`View::counters`].
    pub fn member_counts(self, peer: PeerId) -> Result<Vec<Sample<i32>>, ArchiveError> {
        self.sizes(peer, Order::OldestFirst).collect()
    }

    /// The newest number of members that a peer was seen to have.
    ///
    /// # Errors
    /// See [`View::counters`].
    pub fn member_count(self, peer: PeerId) -> Result<Option<Sample<i32>>, ArchiveError> {
        self.sizes(peer, Order::NewestFirst).next().transpose()
    }

    fn sizes(self, peer: PeerId, order: Order) -> impl Iterator<Item = Result<Sample<i32>, ArchiveError>> + use<'a> {
        let entries = self.scan(&SIZE, KeyRange::under(peer.encode()), order);
        entries.map(|entry| entry.map(|((_, at), MemberCount(value))| Sample { at, value }))
    }
}
