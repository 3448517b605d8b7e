//! Parts: which bytes of a file one request may ask for.
//!
//! Telegram's rules (<https://core.telegram.org/api/files#downloading-files>): a part lies within one window of 1 MiB from the file's
//! beginning; offset and limit are multiples of 4 KiB and the limit divides 1 MiB, or, where the request says `precise`, both are multiples
//! of 1 KiB. A part is checked when it is made, so that no request is spent on one that would be refused.

/// The largest part. Telegram would give 1 MiB, but a packet of that size ends grammers' connection, or panics it.
pub const PART_MAX: u32 = 512 * 1024;
/// What every part lies within one of.
const WINDOW: u64 = 1024 * 1024;
/// What offset and limit are multiples of.
const UNIT: u32 = 4096;
/// The same where a request says `precise`.
const UNIT_PRECISE: u32 = 1024;

/// The bytes of a file that one request asks for; beyond the file's end there are none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PartRange {
    offset: u64,
    limit: u32,
}

impl PartRange {
    /// So many bytes from an offset on, where Telegram's rules and [`PART_MAX`] allow it.
    #[must_use]
    pub fn new(offset: u64, limit: u32) -> Option<Self> {
        let last = offset.checked_add(u64::from(limit.checked_sub(1)?))?;
        let is_window = offset / WINDOW == last / WINDOW;
        let is_unit = offset.is_multiple_of(u64::from(UNIT_PRECISE)) && limit.is_multiple_of(UNIT_PRECISE);
        (is_window && is_unit && limit <= PART_MAX && i64::try_from(last).is_ok()).then_some(Self { offset, limit })
    }

    /// The first byte.
    #[must_use]
    pub fn offset(self) -> u64 {
        self.offset
    }

    /// How many bytes at most.
    #[must_use]
    pub fn limit(self) -> u32 {
        self.limit
    }

    /// Whether the request has to say `precise`.
    #[must_use]
    pub fn is_precise(self) -> bool {
        let is_unit = self.offset.is_multiple_of(u64::from(UNIT)) && self.limit.is_multiple_of(UNIT);
        !(is_unit && WINDOW.is_multiple_of(u64::from(self.limit)))
    }
}

/// The parts of a file of so many bytes, in order. Each but the last brings the part size, which is rounded down to a power of two from
/// 4 KiB to [`PART_MAX`]; an empty file has none.
pub fn parts(size: u64, part_size: u32) -> impl Iterator<Item = PartRange> {
    let limit = 1 << part_size.clamp(UNIT, PART_MAX).ilog2();
    (0..size.div_ceil(u64::from(limit))).map_while(move |n| PartRange::new(n * u64::from(limit), limit))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Telegram's rules as its page has them.
    fn is_served(offset: u64, limit: u64, precise: bool) -> bool {
        let (unit, mib) = (if precise { 1024_u64 } else { 4096 }, 1_048_576_u64);
        let divides = if precise { limit <= mib } else { mib.is_multiple_of(limit) };
        offset.is_multiple_of(unit) && limit.is_multiple_of(unit) && divides && offset / mib == (offset + limit - 1) / mib
    }

    #[test]
    fn a_part_of_every_size_that_telegram_serves_can_be_made_and_no_other() {
        let of = |offset, limit| PartRange::new(offset, limit).map(PartRange::is_precise);
        for doubled in 0..8 {
            assert_eq!(of(0, 4096 << doubled), Some(false), "{doubled}");
        }
        assert_eq!(of(1024, 4096), Some(true));
        assert_eq!(of(4096, 12_288), Some(true), "it does not divide 1 MiB");
        assert_eq!(of(1_048_576 - 1024, 1024), Some(true));
        assert_eq!(of(1_048_576 - 1024, 2048), None, "over the border");
        for (offset, limit) in [(0, 0), (0, 1000), (100, 1024), (0, 1_048_576), (u64::MAX - 1023, 1024), (1 << 63, 4096)] {
            assert_eq!(of(offset, limit), None, "{offset} {limit}");
        }
    }

    proptest! {
        #[test]
        fn parts_cover_the_file_without_gap_or_overlap_and_telegram_serves_each(size in 0_u64..40_000_000, part_size: u32) {
            let mut next = 0;
            for part in parts(size, part_size) {
                prop_assert_eq!(part.offset(), next);
                prop_assert!(part.offset() < size && part.limit() <= PART_MAX && part.limit() <= part_size.max(UNIT));
                prop_assert!(!part.is_precise() && is_served(part.offset(), u64::from(part.limit()), false));
                next += u64::from(part.limit());
            }
            prop_assert!(next >= size);
        }

        #[test]
        fn whatever_part_can_be_made_is_one_that_telegram_serves(offset in 0_u64..(1 << 40), limit in 0_u32..(2 << 20), unit in 0_u32..13) {
            let (offset, limit) = (offset >> unit << unit, limit >> unit << unit);
            match PartRange::new(offset, limit) {
                Some(part) => prop_assert!(is_served(offset, u64::from(limit), part.is_precise())),
                None => prop_assert!(limit == 0 || limit > PART_MAX || !is_served(offset, u64::from(limit), true)),
            }
        }
    }
}
