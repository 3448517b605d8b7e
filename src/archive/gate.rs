//! The gate: keeps what was erased from coming back, whoever tells of it (history, pushes, edits, a recheck).
//!
//! Which messages were erased stands in the archive; here is what was ordered, so that a message that was not known when it was ordered is recognised
//! too. An archive in which nothing was ever erased asks nothing.
//!
//! # Correctness
//! It changes under the writer's lock, with the write that makes an order true, and is read under it.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};

use crate::model::{ErasureScope, ErasureSelection, Message, PeerId, Timestamp};

use super::erasure::Erasure;
use super::key::ErasureNumber;

/// What is kept out.
#[derive(Debug)]
pub(super) struct Gate(RwLock<BTreeMap<ErasureNumber, ErasureSelection>>);

impl Gate {
    pub(super) fn of(erasures: &[Erasure]) -> Self {
        Self(RwLock::new(erasures.iter().map(|erasure| (erasure.number, kept_out(erasure))).collect()))
    }

    /// Keeps out what an erasure is of, from now on.
    pub(super) fn note(&self, erasure: &Erasure) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(erasure.number, kept_out(erasure));
    }

    /// Whether anything is kept out.
    pub(super) fn is_active(&self) -> bool {
        !self.read(BTreeMap::is_empty)
    }

    /// By which erasure a message is kept out that is not archived.
    pub(super) fn keeps_out(&self, message: &Message) -> Option<ErasureNumber> {
        self.read(|orders| orders.iter().find(|(_, selection)| selection.selects(message)).map(|(number, _)| *number))
    }

    /// Whether nothing is kept of a person or channel.
    pub(super) fn is_of_person(&self, peer: PeerId) -> bool {
        self.read(|orders| orders.values().any(|selection| selection.person() == Some(peer)))
    }

    fn read<T>(&self, read: impl FnOnce(&BTreeMap<ErasureNumber, ErasureSelection>) -> T) -> T {
        read(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What an erasure keeps out: of a person all, for good; of anything else what was sent before it was ordered.
fn kept_out(erasure: &Erasure) -> ErasureSelection {
    let selection = erasure.selection.clone();
    let before = match selection.scope {
        ErasureScope::Sender(_) | ErasureScope::Messages { .. } => selection.before,
        ErasureScope::Peer(_) | ErasureScope::Peers(_) | ErasureScope::Everything => {
            selection.before.or(Some(after(erasure.ordered_at)))
        }
    };
    ErasureSelection { before, ..selection }
}

/// The second after a time: a message of the very second in which an erasure was ordered is one of before.
fn after(at: Timestamp) -> Timestamp {
    Timestamp(at.0.saturating_add(1))
}
