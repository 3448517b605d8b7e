//! Who has asked for erased words to leave the index, and what became of it: what an index carries for [`expunge`](super::expunge).

use std::sync::atomic::AtomicU64;

use tokio::sync::Notify;

/// What was asked for.
#[derive(Debug, Default)]
pub(super) struct ExpungeRequests {
    pub(super) asked: AtomicU64,
    pub(super) tried: AtomicU64,
    /// The newest request after which nothing was left.
    pub(super) done: AtomicU64,
    pub(super) woken: Notify,
}
