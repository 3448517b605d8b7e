//! Pins, which keep a blob from being collected, and the locks by which one thread at a time changes a blob.
//!
//! # Correctness
//! A sweep decides under a blob's lock, and asks for pins after it has taken it. Whoever stores a blob, or relies on one that is there, pins it first
//! and takes the lock after that. So one of two things holds: the pin was there when the sweep asked, and the blob stays; or the sweep was done with
//! the blob before the pinner got its lock, and the pinner finds that the blob is gone. And because pins that were let go of during a sweep count
//! until it ends, nothing that was pinned at any moment since the sweep began is removed by it.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::hash::BlobHash;

/// The pins and locks of all blobs.
#[derive(Debug, Default)]
pub(super) struct Pins {
    state: Mutex<PinState>,
    unlocked: Condvar,
}

#[derive(Debug, Default)]
struct PinState {
    /// How many pins each blob has.
    held: HashMap<BlobHash, u32>,
    /// What was pinned at any moment since the running sweep began.
    since_sweep: Option<HashSet<BlobHash>>,
    locked: HashSet<BlobHash>,
}

impl Pins {
    fn state(&self) -> MutexGuard<'_, PinState> {
        // Nothing between two changes of it can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Pins a blob, whether or not it is there.
    pub(super) fn pin(self: &Arc<Self>, hash: BlobHash) -> Pin {
        let mut state = self.state();
        *state.held.entry(hash).or_default() += 1;
        if let Some(since) = &mut state.since_sweep {
            since.insert(hash);
        }
        drop(state);
        Pin { hash, pins: Arc::clone(self) }
    }

    /// Waits until no other thread changes the blob, and keeps others from it while the lock lives.
    pub(super) fn lock(&self, hash: BlobHash) -> BlobLock<'_> {
        let mut state = self.state();
        while !state.locked.insert(hash) {
            state = self.unlocked.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        BlobLock { hash, pins: self }
    }

    /// Whether anybody holds a pin, or has held one since the running sweep began. Its lock must be held.
    pub(super) fn is_pinned(&self, lock: &BlobLock<'_>) -> bool {
        let state = self.state();
        state.held.contains_key(&lock.hash) || state.since_sweep.as_ref().is_some_and(|since| since.contains(&lock.hash))
    }

    /// Begins a sweep; false where one is running.
    pub(super) fn begin_sweep(&self) -> bool {
        let mut state = self.state();
        if state.since_sweep.is_some() {
            return false;
        }
        state.since_sweep = Some(state.held.keys().copied().collect());
        true
    }

    pub(super) fn end_sweep(&self) {
        self.state().since_sweep = None;
    }
}

/// Keeps a blob from being collected or deleted for as long as it lives.
#[must_use = "a pin that is dropped keeps nothing"]
pub struct Pin {
    hash: BlobHash,
    pins: Arc<Pins>,
}

impl Pin {
    /// The blob that it keeps.
    #[must_use]
    pub fn hash(&self) -> BlobHash {
        self.hash
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        let mut state = self.pins.state();
        if let Some(count) = state.held.get_mut(&self.hash) {
            *count -= 1;
            if *count == 0 {
                state.held.remove(&self.hash);
            }
        }
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pin({})", self.hash)
    }
}

/// One thread's right to change a blob.
pub(super) struct BlobLock<'p> {
    hash: BlobHash,
    pins: &'p Pins,
}

impl Drop for BlobLock<'_> {
    fn drop(&mut self) {
        self.pins.state().locked.remove(&self.hash);
        self.pins.unlocked.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_pinned_at_any_moment_of_a_sweep_counts_until_it_ends() {
        let pins = Arc::new(Pins::default());
        let [before, held, during, never] = [b"a", b"b", b"c", b"d"].map(|bytes| BlobHash::of(bytes));
        drop(pins.pin(before));
        let (one, other) = (pins.pin(held), pins.pin(held));
        assert!(pins.begin_sweep() && !pins.begin_sweep(), "one at a time");
        drop((pins.pin(during), one));
        let pinned = |hash| pins.is_pinned(&pins.lock(hash));
        assert_eq!([before, held, during, never].map(pinned), [false, true, true, false]);
        pins.end_sweep();
        assert_eq!([held, during].map(pinned), [true, false]);
        drop(other);
        assert!(!pinned(held) && pins.state().held.is_empty());
    }
}
