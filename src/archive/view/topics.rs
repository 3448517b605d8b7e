//! Reading the topics of forums.

use crate::model::PeerId;

use super::super::ArchiveError;
use super::super::codec::StoredKey as _;
use super::super::family::{KeyRange, TOPIC};
use super::super::topics::Topic;
use super::{Order, View};

impl View<'_> {
    /// A forum's topics, by id.
    ///
    /// # Errors
    /// When the disk refuses, or a stored record cannot be decoded.
    pub fn topics(self, peer: PeerId) -> Result<Vec<Topic>, ArchiveError> {
        let entries = self.scan(&TOPIC, KeyRange::under(peer.encode()), Order::OldestFirst);
        entries.map(|entry| entry.map(|(_, topic)| topic)).collect()
    }
}
