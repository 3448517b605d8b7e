//! Waits between tries: exponential backoff with jitter, so that what has failed together does not come back together.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The randomness of the jitter, from a seed that is passed in.
#[derive(Debug)]
pub(super) struct Jitter(AtomicU64);

impl Jitter {
    pub(super) fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    /// A wait between a half and all of this one.
    pub(super) fn of(&self, wait: Duration) -> Duration {
        // SplitMix64: a step of a fixed odd number, then its bits mixed.
        let mut mixed = self.0.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        let share = ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64;
        wait.mul_f64(0.5 + share / 2.0)
    }
}

/// The wait before a try that follows so many failures.
pub(super) fn doubled(first: Duration, failures: u32, most: Duration) -> Duration {
    first.saturating_mul(1_u32.checked_shl(failures).unwrap_or(u32::MAX)).min(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_doubled_up_to_the_longest_and_jitter_takes_at_most_half_of_it() {
        let (first, most) = (Duration::from_millis(200), Duration::from_secs(30));
        let waits: Vec<u128> = [0, 1, 2, 7, 8, 31, 32, 99].map(|failures| doubled(first, failures, most).as_millis()).to_vec();
        assert_eq!(waits, [200, 400, 800, 25_600, 30_000, 30_000, 30_000, 30_000]);
        let jitter = Jitter::new(7);
        let spread: Vec<Duration> = (0..1_000).map(|_| jitter.of(most)).collect();
        assert!(spread.iter().all(|wait| (most / 2..=most).contains(wait)));
        assert!(spread.iter().min() < Some(&(most * 11 / 20)) && spread.iter().max() > Some(&(most * 19 / 20)));
    }
}
