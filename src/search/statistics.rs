//! The statistics that scores are made of, frozen for all pages of a search.
//!
//! A score depends on how many messages there are and how many have a word, which change with each commit: the next page would be ordered another
//! way than the one before, and skip or repeat hits. So the first page rounds them to a byte each, which its cursor carries, and the later ones
//! score with these. What is left of a message's score is its own: its length and how often it has the word.
//!
//! Who sees some peers only gets scores that nothing else goes into: with the true numbers, scores and cursors would tell which words the other peers use,
//! and how often. Every word counts as being as common as any other then.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tantivy::query::Bm25StatisticsProvider;
use tantivy::schema::Field;
use tantivy::{Searcher, TantivyError, Term};

use crate::archive::Snapshot;

/// A number as a byte: 0 for none, and else its logarithm in eighths of an octave.
fn rounded(number: u64) -> u8 {
    if number == 0 { 0 } else { ((number as f64).log2() * 8.0).round().min(254.0) as u8 + 1 }
}

/// The number that a byte stands for.
fn number(rounded: u8) -> u64 {
    match rounded.checked_sub(1) {
        None => 0,
        Some(eighths) => (f64::from(eighths) / 8.0).exp2().round() as u64,
    }
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Asked {
    Messages,
    Words(Field),
    With(Term),
}

/// How many messages there are, how many of them have a word, and how many words one has, for who is not to know it. Only how the numbers compare means
/// something.
const UNTOLD_MESSAGES: u64 = 1 << 20;
const UNTOLD_WITH_WORD: u64 = 1 << 10;
const UNTOLD_WORDS: u64 = 16 * UNTOLD_MESSAGES;

/// Statistics as the first page of a search found them.
pub(super) struct FrozenStatistics<'s> {
    /// Nothing where they are not to be told.
    searcher: Option<&'s Searcher>,
    state: Mutex<Frozen>,
}

#[derive(Default)]
struct Frozen {
    known: HashMap<Asked, u8>,
    /// In the order in which they were asked for, which is the same for each page: queries are compiled the same way.
    bytes: Vec<u8>,
    /// How many of them the cursor had.
    given: usize,
}

impl<'s> FrozenStatistics<'s> {
    /// Those of a cursor, which has none on the first page, for who sees what an archive shows.
    pub(super) fn new(searcher: &'s Searcher, archive: &Snapshot, bytes: &[u8]) -> Self {
        Self::of_all(archive.only().is_none().then_some(searcher), bytes)
    }

    /// The same for who may see everything; nothing is asked where there is no searcher.
    pub(super) fn of_all(searcher: Option<&'s Searcher>, bytes: &[u8]) -> Self {
        Self { searcher, state: Mutex::new(Frozen { bytes: bytes.to_vec(), given: bytes.len(), ..Frozen::default() }) }
    }

    /// For the next cursor.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.state.into_inner().unwrap_or_else(PoisonError::into_inner).bytes
    }

    /// Whether later pages asked for the same as the first one did.
    pub(super) fn are_all_known(&self, is_first: bool) -> bool {
        let state = self.state();
        is_first || (state.known.len() == state.given && state.bytes.len() == state.given)
    }

    fn state(&self) -> MutexGuard<'_, Frozen> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn of(&self, asked: Asked, found: impl FnOnce() -> Result<u64, TantivyError>) -> Result<u64, TantivyError> {
        let mut state = self.state();
        if let Some(known) = state.known.get(&asked) {
            return Ok(number(*known));
        }
        let place = state.known.len();
        let byte = match state.bytes.get(place) {
            Some(byte) => *byte,
            None => {
                let byte = rounded(found()?);
                state.bytes.push(byte);
                byte
            }
        };
        state.known.insert(asked, byte);
        Ok(number(byte))
    }
}

impl Bm25StatisticsProvider for FrozenStatistics<'_> {
    fn total_num_tokens(&self, field: Field) -> Result<u64, TantivyError> {
        let Some(searcher) = self.searcher else { return Ok(UNTOLD_WORDS) };
        self.of(Asked::Words(field), || searcher.total_num_tokens(field))
    }

    fn total_num_docs(&self) -> Result<u64, TantivyError> {
        let Some(searcher) = self.searcher else { return Ok(UNTOLD_MESSAGES) };
        // Scores are divided by it.
        Ok(self.of(Asked::Messages, || searcher.total_num_docs())?.max(1))
    }

    fn doc_freq(&self, term: &Term) -> Result<u64, TantivyError> {
        let Some(searcher) = self.searcher else { return Ok(UNTOLD_WITH_WORD) };
        let with = self.of(Asked::With(term.clone()), || searcher.doc_freq(term))?;
        // Rounded, more may have it than there are.
        Ok(with.min(self.total_num_docs()?))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_rounded_number_is_near(found in 1_u64..1 << 31) {
            let near = number(rounded(found)) as f64;
            prop_assert!((near / found as f64 - 1.0).abs() < 0.13, "{found} {near}");
            prop_assert_eq!(rounded(near as u64), rounded(found));
        }
    }

    #[test]
    fn none_stays_none() {
        assert_eq!((number(rounded(0)), number(rounded(1)), number(rounded(u64::MAX))), (0, 1, number(255)));
    }
}
