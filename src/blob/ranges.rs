//! A set of bytes of a file, as ranges that neither overlap nor touch.

use std::collections::BTreeMap;
use std::ops::Range;

/// Which bytes there are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ByteRanges {
    /// Beginning and end of each range.
    ends: BTreeMap<u64, u64>,
    bytes: u64,
}

impl ByteRanges {
    /// How many bytes.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How many ranges.
    pub(super) fn count(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Range<u64>> + '_ {
        self.ends.iter().map(|(start, end)| *start..*end)
    }

    /// The end of the last range.
    pub(super) fn end(&self) -> u64 {
        self.ends.last_key_value().map_or(0, |(_, end)| *end)
    }

    /// Whether a range overlaps or touches one that is there.
    pub(super) fn touches(&self, range: &Range<u64>) -> bool {
        self.ends.range(..=range.end).next_back().is_some_and(|(_, end)| *end >= range.start)
    }

    /// Adds a range; an empty one adds nothing.
    pub(super) fn insert(&mut self, added: Range<u64>) {
        let Range { mut start, mut end } = added;
        if start >= end {
            return;
        }
        // From the last that begins at or before the end, backwards, for as long as they overlap or touch.
        while let Some((other, until)) = self.ends.range(..=end).next_back().map(|(other, until)| (*other, *until)) {
            if until < start {
                break;
            }
            self.ends.remove(&other);
            self.bytes -= until - other;
            (start, end) = (start.min(other), end.max(until));
        }
        self.ends.insert(start, end);
        self.bytes += end - start;
    }

    /// Takes away what is at or behind an end.
    pub(super) fn truncate(&mut self, end: u64) {
        let mut behind = self.ends.split_off(&end);
        if let Some((start, until)) = self.ends.iter().next_back().map(|(start, until)| (*start, *until))
            && until > end
        {
            self.ends.insert(start, end);
            behind.insert(end, until);
        }
        self.bytes -= behind.iter().map(|(start, until)| until - start).sum::<u64>();
    }

    /// What lies between the ranges, from 0 to an end.
    pub(super) fn gaps(&self, end: u64) -> Vec<Range<u64>> {
        let (mut gaps, mut from) = (Vec::new(), 0);
        for range in self.iter() {
            gaps.push(from..range.start.min(end));
            from = range.end;
        }
        gaps.push(from..end);
        gaps.retain(|gap| !gap.is_empty());
        gaps
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_set_of_ranges_is_the_set_of_its_bytes(added in vec((0..60_u64, 0..12_u64), 0..20), cut in 0..80_u64, end in 0..80_u64) {
            let (mut ranges, mut bytes) = (ByteRanges::default(), [false; 80]);
            for (start, length) in added {
                let before = ranges.count();
                let touches = ranges.touches(&(start..start + length));
                ranges.insert(start..start + length);
                prop_assert!(length == 0 || touches == (ranges.count() <= before));
                (start..start + length).for_each(|at| bytes[at as usize] = true);
            }
            for cut in [80, cut] {
                ranges.truncate(cut);
                (cut..80).for_each(|at| bytes[at as usize] = false);
                let listed: Vec<u64> = ranges.iter().flatten().collect();
                let expected: Vec<u64> = (0..80).filter(|at| bytes[*at as usize]).collect();
                prop_assert_eq!(&listed, &expected);
                prop_assert_eq!(ranges.bytes(), expected.len() as u64);
                prop_assert_eq!(ranges.end(), expected.last().map_or(0, |last| last + 1));
                let gaps: Vec<u64> = ranges.gaps(end).into_iter().flatten().collect();
                prop_assert_eq!(gaps, (0..end).filter(|at| !bytes[*at as usize]).collect::<Vec<_>>());
                let all: Vec<_> = ranges.iter().collect();
                prop_assert!(all.windows(2).all(|two| two[0].end < two[1].start), "they neither overlap nor touch");
            }
        }
    }
}
