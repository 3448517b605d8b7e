//! Interval sets: sets of message ids as closed ranges, the arithmetic behind coverage.
//!
//! Coverage says which ids of a peer were really read. What is missing is `[1, top]` minus coverage; an id that is covered
//! and has no message is an id that Telegram does not show (deleted, or never used), which is not the same as never asked.

use std::fmt;
use std::str::FromStr;

/// A closed range of message ids, never empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdRange {
    /// The first id.
    pub first: i32,
    /// The last id, not before the first.
    pub last: i32,
}

impl IdRange {
    /// The range from `first` to `last`, both included; `None` when that is empty.
    #[must_use]
    pub fn new(first: i32, last: i32) -> Option<Self> {
        (first <= last).then_some(Self { first, last })
    }

    /// How many ids it holds.
    #[must_use]
    pub fn len(&self) -> u64 {
        (i64::from(self.last) - i64::from(self.first) + 1).unsigned_abs()
    }

    /// Never: a range holds at least one id.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        false
    }

    /// Whether it holds an id.
    #[must_use]
    pub fn contains(&self, id: i32) -> bool {
        (self.first..=self.last).contains(&id)
    }
}

impl fmt::Display for IdRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

/// A text is no list of ids.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("ids are numbers from 1 on, and ranges of them, such as `5,9,100-200`")]
pub struct InvalidIds;

/// A set of ids (an interval set). Invariant: the fewest ranges, in ascending order.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct RangeSet(Vec<IdRange>);

impl FromStr for RangeSet {
    type Err = InvalidIds;

    /// Reads message ids and ranges of them, such as `5,9,100-200`.
    fn from_str(text: &str) -> Result<Self, InvalidIds> {
        let id = |text: &str| text.trim().parse::<i32>().ok().filter(|id| *id > 0).ok_or(InvalidIds);
        let mut set = Self::new();
        for part in text.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            set.insert(IdRange::new(id(first)?, id(last)?).ok_or(InvalidIds)?);
        }
        Ok(set)
    }
}

impl RangeSet {
    /// The set without ids.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The ranges, ascending; neither overlapping nor adjacent.
    #[must_use]
    pub fn ranges(&self) -> &[IdRange] {
        &self.0
    }

    /// Adds every id of a range; idempotent.
    pub fn insert(&mut self, range: IdRange) {
        // Ranges that touch the new one (overlap or are adjacent) are contiguous in the list: fold them into it.
        let from = self.0.partition_point(|r| i64::from(r.last) + 1 < i64::from(range.first));
        let to = self.0.partition_point(|r| i64::from(r.first) <= i64::from(range.last) + 1);
        let mut merged = range;
        for touched in self.0.get(from..to).unwrap_or_default() {
            merged.first = merged.first.min(touched.first);
            merged.last = merged.last.max(touched.last);
        }
        self.0.splice(from..to, [merged]);
    }

    /// Adds one id.
    pub fn add(&mut self, id: i32) {
        self.insert(IdRange { first: id, last: id });
    }

    /// Removes every id of a range; idempotent.
    pub fn remove(&mut self, range: IdRange) {
        let mut kept = Vec::with_capacity(self.0.len() + 1);
        for r in &self.0 {
            if r.last < range.first || r.first > range.last {
                kept.push(*r);
                continue;
            }
            kept.extend(IdRange::new(r.first, range.first.saturating_sub(1)).filter(|_| r.first < range.first));
            kept.extend(IdRange::new(range.last.saturating_add(1), r.last).filter(|_| range.last < r.last));
        }
        self.0 = kept;
    }

    /// How many ids of a range the set holds.
    #[must_use]
    pub fn count_in(&self, range: IdRange) -> u64 {
        let from = self.0.partition_point(|r| r.last < range.first);
        let held = self.0.iter().skip(from).take_while(|r| r.first <= range.last);
        held.filter_map(|r| IdRange::new(r.first.max(range.first), r.last.min(range.last))).map(|r| r.len()).sum()
    }

    /// The gaps: what a range has that the set has not, ascending.
    #[must_use]
    pub fn missing(&self, range: IdRange) -> RangeSet {
        let mut rest = RangeSet(vec![range]);
        for r in &self.0 {
            rest.remove(*r);
        }
        rest
    }

    /// Whether the set holds an id.
    #[must_use]
    pub fn contains(&self, id: i32) -> bool {
        let at = self.0.partition_point(|r| r.last < id);
        self.0.get(at).is_some_and(|r| r.contains(id))
    }

    /// How many ids it holds.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.0.iter().map(IdRange::len).sum()
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The greatest id.
    #[must_use]
    pub fn last(&self) -> Option<i32> {
        self.0.last().map(|r| r.last)
    }
}

impl FromIterator<IdRange> for RangeSet {
    fn from_iter<T: IntoIterator<Item = IdRange>>(ranges: T) -> Self {
        let mut set = Self::new();
        for range in ranges {
            set.insert(range);
        }
        set
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn range() -> impl Strategy<Value = IdRange> {
        (1..60i32, 0..12i32).prop_map(|(first, more)| IdRange { first, last: first + more })
    }

    fn ids(set: &RangeSet) -> BTreeSet<i32> {
        set.ranges().iter().flat_map(|r| r.first..=r.last).collect()
    }

    proptest! {
        #[test]
        fn coverage_arithmetic_leaves_no_gap_and_invents_none(
            steps in prop::collection::vec((any::<bool>(), range()), 0..24),
            window in range(),
        ) {
            let mut set = RangeSet::new();
            let mut model = BTreeSet::new();
            for (add, r) in steps {
                if add {
                    set.insert(r);
                    model.extend(r.first..=r.last);
                } else {
                    set.remove(r);
                    model.retain(|id| !r.contains(*id));
                }
                prop_assert_eq!(&ids(&set), &model);
                for pair in set.ranges().windows(2) {
                    prop_assert!(pair[0].last + 1 < pair[1].first, "not the fewest ranges: {:?}", set);
                }
            }
            let missing = set.missing(window);
            let expected: BTreeSet<i32> = (window.first..=window.last).filter(|id| !model.contains(id)).collect();
            prop_assert_eq!(ids(&missing), expected);
            prop_assert_eq!(set.count_in(window), window.len() - missing.len());
            for id in 0..80 {
                prop_assert_eq!(set.contains(id), model.contains(&id));
            }
        }
    }

    #[test]
    fn the_edges_of_the_id_space_do_not_overflow() {
        let all = IdRange { first: i32::MIN, last: i32::MAX };
        let mut set = RangeSet::new();
        set.insert(all);
        set.insert(IdRange { first: i32::MAX, last: i32::MAX });
        assert_eq!(set.ranges(), [all]);
        set.remove(IdRange { first: 0, last: i32::MAX });
        assert_eq!(set.ranges(), [IdRange { first: i32::MIN, last: -1 }]);
        set.remove(all);
        assert!(set.is_empty());
    }
}
