//! Counting how often each value occurs, in bounded memory.
//!
//! Where there are more values than may be kept, the rarer half of them is dropped (the algorithm of Misra and Gries, in batches): what stays is counted at
//! least so often as it says, and whatever is frequent stays.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, Hash, Hasher};

/// How often each value occurs.
#[derive(Debug)]
pub(super) struct Counts<K, S> {
    counts: HashMap<K, u64, S>,
    /// How many values may be kept.
    max: usize,
    is_exact: bool,
}

impl<K: Eq + Hash + Ord, S: BuildHasher + Default> Counts<K, S> {
    pub(super) fn at_most(max: usize) -> Self {
        Self { counts: HashMap::default(), max, is_exact: true }
    }

    /// Counts a value.
    pub(super) fn add<Q>(&mut self, value: &Q, times: u64)
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ToOwned<Owned: Into<K>> + ?Sized,
    {
        if let Some(count) = self.counts.get_mut(value) {
            *count += times;
            return;
        }
        if self.counts.len() >= self.max {
            self.drop_the_rarer_half();
        }
        self.counts.insert(value.to_owned().into(), times);
    }

    /// Whether nothing was dropped.
    pub(super) fn is_exact(&self) -> bool {
        self.is_exact
    }

    fn drop_the_rarer_half(&mut self) {
        self.is_exact = false;
        let mut counts: Vec<u64> = self.counts.values().copied().collect();
        let middle = counts.len() / 2;
        let (_, median, _) = counts.select_nth_unstable(middle);
        let median = *median;
        self.counts.retain(|_, count| *count > median);
    }

    /// All values in no order, with how often each occurs.
    pub(super) fn into_all(self) -> impl Iterator<Item = (K, u64)> {
        self.counts.into_iter()
    }

    /// The most frequent values; of equally frequent ones the smaller first.
    pub(super) fn into_most_frequent(self, limit: usize) -> Vec<(K, u64)> {
        let mut all: Vec<(K, u64)> = self.counts.into_iter().collect();
        let order = |(value, count): &(K, u64), (other, times): &(K, u64)| times.cmp(count).then_with(|| value.cmp(other));
        if limit < all.len() {
            all.select_nth_unstable_by(limit, order);
            all.truncate(limit);
        }
        all.sort_unstable_by(order);
        all
    }
}

/// Spreads numbers that Telegram gives, for which the default of the standard library is several times slower than all else that is done for a hit.
#[derive(Debug, Default)]
pub(super) struct NumberHasher(u64);

/// See [`NumberHasher`].
pub(super) type OfNumbers = BuildHasherDefault<NumberHasher>;

impl NumberHasher {
    /// 2^64 divided by the golden ratio.
    const FACTOR: u64 = 0x9E37_79B9_7F4A_7C15;
}

impl Hasher for NumberHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(u64::from(*byte)));
    }

    fn write_u64(&mut self, number: u64) {
        let product = u128::from(self.0 ^ number) * u128::from(Self::FACTOR);
        self.0 = (product as u64) ^ (product >> 64) as u64;
    }

    fn write_i64(&mut self, number: i64) {
        self.write_u64(number.cast_unsigned());
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::hash::RandomState;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn words_are_counted_without_a_copy_of_each() {
        let mut counts: Counts<Box<str>, RandomState> = Counts::at_most(10);
        for word in ["b", "a", "b", "c", "a", "b"] {
            counts.add(word, 2);
        }
        assert!(counts.is_exact());
        assert_eq!(counts.into_most_frequent(2), [(Box::from("b"), 6), (Box::from("a"), 4)]);
    }

    proptest! {
        #[test]
        fn what_is_kept_is_counted_at_least_and_what_is_frequent_is_kept(
            values in prop::collection::vec(prop_oneof![Just(-7_i64), Just(8), any::<i64>()], 0..400), max in 8_usize..64,
        ) {
            let mut counts: Counts<i64, OfNumbers> = Counts::at_most(max);
            let mut truth: BTreeMap<i64, u64> = BTreeMap::new();
            for value in &values {
                counts.add(value, 1);
                *truth.entry(*value).or_default() += 1;
            }
            let is_exact = counts.is_exact();
            prop_assert_eq!(is_exact, truth.len() <= max);
            let found = counts.into_most_frequent(max);
            prop_assert!(found.is_sorted_by(|a, b| a.1 > b.1 || (a.1 == b.1 && a.0 < b.0)));
            for (value, count) in &found {
                prop_assert!(*count <= truth[value]);
                prop_assert!(!is_exact || *count == truth[value]);
            }
            for frequent in [-7, 8].into_iter().filter(|value| truth.get(value).is_some_and(|times| *times as usize > 4 * values.len() / max + 1)) {
                prop_assert!(found.iter().any(|(value, _)| *value == frequent), "{frequent} {found:?}");
            }
        }
    }
}
