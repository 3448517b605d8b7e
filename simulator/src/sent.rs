//! Bytes of files that were sent, and which of them were sent before: what a client fetches twice is to be counted.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Bytes in which it is told apart what was sent before (the grain); of a unit that was sent in part, its first bytes count.
const UNIT: i64 = 4_096;

/// The bytes of files in answers that were sent off whole.
#[derive(Debug, Default)]
pub(crate) struct SentBytes {
    counted: Mutex<Counted>,
}

#[derive(Debug, Default)]
struct Counted {
    sent: u64,
    again: u64,
    /// Of each unit of each size of each file, how many bytes were sent.
    units: HashMap<(i64, u8, i64), i64>,
}

impl SentBytes {
    pub(crate) fn add(&self, file: i64, letter: &str, offset: i64, count: usize) {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let letter = letter.bytes().next().unwrap_or(0);
        let (mut at, end) = (offset, offset + i64::try_from(count).unwrap_or(i64::MAX));
        while at < end {
            let unit = at.div_euclid(UNIT);
            let sent = end.min((unit + 1) * UNIT) - unit * UNIT;
            let before = counted.units.entry((file, letter, unit)).or_default();
            let again = sent.min(*before);
            *before = sent.max(*before);
            counted.again += again.unsigned_abs();
            at = (unit + 1) * UNIT;
        }
        counted.sent += count as u64;
    }

    pub(crate) fn all(&self) -> u64 {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner).sent
    }

    /// Those that had been sent before.
    pub(crate) fn again(&self) -> u64 {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner).again
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_twice_counts_and_other_files_sizes_and_parts_do_not() {
        let sent = SentBytes::default();
        sent.add(1, "", 0, 10_000);
        sent.add(1, "m", 0, 10_000);
        sent.add(2, "", 0, 10_000);
        assert_eq!((sent.all(), sent.again()), (30_000, 0));
        // From within the third unit on, of which 1,808 bytes were sent.
        sent.add(1, "", 8_192, 5_000);
        assert_eq!((sent.all(), sent.again()), (35_000, 1_808));
        sent.add(1, "", 0, 13_192);
        assert_eq!(sent.again(), 1_808 + 13_192);
    }
}
