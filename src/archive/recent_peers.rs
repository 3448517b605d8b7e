//! The peers that were written or met last, as they are in the archive.
//!
//! Every answer of Telegram mentions its senders and its chat again, hardly ever with anything new. A look here instead of into the store
//! saves a crawl a lookup and a decoding for each.
//!
//! # Correctness
//! Only whoever holds the writer's lock asks and notes, and notes nothing that is not committed: so what is here is what the store has.

use std::num::NonZeroUsize;
use std::sync::{Mutex, MutexGuard, PoisonError};

use lru::LruCache;

use crate::model::{Peer, PeerId};

/// How many are kept, of about 300 bytes each: more than the answers of a busy minute mention.
const KEPT: NonZeroUsize = NonZeroUsize::new(4_096).unwrap();

pub(super) struct RecentPeers(Mutex<LruCache<PeerId, Peer>>);

impl RecentPeers {
    pub(super) fn new() -> Self {
        Self(Mutex::new(LruCache::new(KEPT)))
    }

    /// Whether the archive is known to have a peer exactly so.
    pub(super) fn has(&self, peer: &Peer) -> bool {
        self.peers().get(&peer.id) == Some(peer)
    }

    /// Notes peers as the archive has them.
    pub(super) fn note(&self, committed: impl IntoIterator<Item = Peer>) {
        let mut peers = self.peers();
        for peer in committed {
            peers.put(peer.id, peer);
        }
    }

    /// Forgets a peer that is not to be kept.
    pub(super) fn forget(&self, peer: PeerId) {
        self.peers().pop(&peer);
    }

    fn peers(&self) -> MutexGuard<'_, LruCache<PeerId, Peer>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
