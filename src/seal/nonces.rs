//! Replay protection: which nonces were used already.
//!
//! A nonce is kept for as long as a request that carries it could pass the clock, and is never evicted to make room: where there is no
//! room, the request is refused. Each key has its own quota, so that one client cannot shut the others out.
//! The nonces do not outlive the process: a request is for one start of it (`recipient`).

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::key::KeyId;
use super::token::RefusalReason;

/// The clock skew that is tolerated between a client and this program, either way: what unsynchronised machines reach in weeks.
pub const CLOCK_TOLERANCE: Duration = Duration::from_secs(120);
/// The quota of nonces of one key: 273 requests in each of the 240 s that they are remembered, far over what a client may ask
/// for, in at most 13 MB (about 200 bytes each).
pub const NONCES_PER_KEY_MAX: usize = 65_536;

/// The nonces of all keys.
#[derive(Debug)]
pub(super) struct Nonces {
    retention: u64,
    per_key_max: usize,
    by_key: Mutex<HashMap<KeyId, KeyNonces>>,
}

/// The used nonces of one key.
#[derive(Debug, Default)]
struct KeyNonces {
    nonces: HashSet<Arc<str>>,
    /// In order of arrival.
    arrivals: VecDeque<Arrival>,
    /// The latest time of issue among the nonces that have expired. Nothing as old is taken again, even when the clock is set back.
    expired: Option<u64>,
}

#[derive(Debug)]
struct Arrival {
    at: u64,
    issued: u64,
    nonce: Arc<str>,
}

impl Nonces {
    /// No nonces yet.
    pub(super) fn new() -> Self {
        Self::with_limits(CLOCK_TOLERANCE * 2, NONCES_PER_KEY_MAX)
    }

    pub(super) fn with_limits(retention: Duration, per_key_max: usize) -> Self {
        let retention = retention.as_secs();
        Self { retention, per_key_max, by_key: Mutex::default() }
    }

    /// Claims the nonce of a request that is authentic and timely. Check and insertion are atomic, under one lock.
    pub(super) fn claim(&self, key: &KeyId, nonce: &str, issued: u64, now: u64) -> Result<(), RefusalReason> {
        let mut by_key = self.by_key.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = by_key.entry(key.clone()).or_default();
        while let Some(oldest) = seen.arrivals.front()
            && oldest.at.saturating_add(self.retention) < now
        {
            seen.nonces.remove(&oldest.nonce);
            seen.expired = seen.expired.max(Some(oldest.issued));
            seen.arrivals.pop_front();
        }
        if seen.expired >= Some(issued) {
            return Err(RefusalReason::Time);
        }
        if seen.nonces.contains(nonce) {
            return Err(RefusalReason::Replay);
        }
        if seen.arrivals.len() >= self.per_key_max {
            return Err(RefusalReason::Full);
        }
        let nonce: Arc<str> = nonce.into();
        seen.nonces.insert(Arc::clone(&nonce));
        seen.arrivals.push_back(Arrival { at: now, issued, nonce });
        Ok(())
    }
}

#[cfg(test)]
mod tests;
