//! The terms that the queries of a set ask for, each under a number, and how they are told among the words of a message.

use std::collections::{BTreeSet, HashMap};
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

use lru::LruCache;

use super::slips::Similar;
use super::units::is_dense;

/// The number of a term of a [`Dictionary`].
pub(super) type TermId = u32;

/// How common a single character of a script without spaces is likely to be; see [`weight`].
const CHAR_WEIGHT: u64 = 64;
/// Of how many words of messages it is kept what they are nearly: most words of a text are among a few thousand (Zipf's law).
const KNOWN_MAX: NonZeroUsize = NonZeroUsize::new(1 << 13).unwrap();

/// The terms that any query of a set asks for.
#[derive(Debug, Default)]
pub(super) struct Dictionary {
    /// In the texts of messages.
    newest: TermTable,
    /// In those of their earlier versions.
    earlier: TermTable,
    /// How common each is likely to be.
    weights: Vec<u64>,
}

/// Which texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TextSide {
    Newest,
    Earlier,
}

/// The terms that are asked for in some texts.
#[derive(Debug, Default)]
pub(super) struct TermTable {
    words: HashMap<Box<str>, TermId>,
    chars: HashMap<Box<str>, TermId>,
    /// Folded letters of words.
    letters: HashMap<Box<str>, TermId>,
    prefixes: HashMap<Box<str>, TermId>,
    /// How many bytes they have.
    prefix_lengths: BTreeSet<usize>,
    similar: SimilarWords,
}

/// Words that are looked for with slips of the pen: found by what is left of them when as many letters are left out (SymSpell's symmetric deletion), as
/// a comparison of each with every word of a message would take long where there are thousands.
#[derive(Debug, Default)]
struct SimilarWords {
    all: Vec<(Similar, TermId)>,
    /// By what the words that are one slip away are found by.
    terms: HashMap<Box<str>, Vec<usize>>,
    /// By what is left of their forms.
    remains: HashMap<String, Vec<usize>>,
    slips_max: u8,
    /// Characters of the longest form.
    length_max: usize,
    /// What the words that were met last are nearly.
    known: Mutex<Option<LruCache<String, Arc<[TermId]>>>>,
}

impl Dictionary {
    /// The terms that are asked for in some texts.
    pub(super) fn of(&self, side: TextSide) -> &TermTable {
        match side {
            TextSide::Newest => &self.newest,
            TextSide::Earlier => &self.earlier,
        }
    }

    /// How common a term is likely to be; only which is less matters.
    pub(super) fn weight(&self, term: TermId) -> u64 {
        usize::try_from(term).ok().and_then(|term| self.weights.get(term)).copied().unwrap_or(CHAR_WEIGHT)
    }

    /// Adds a term of the field of words and pairs.
    pub(super) fn add_word(&mut self, side: TextSide, term: &str) -> TermId {
        self.add(side, term, weight(term), |table| &mut table.words)
    }

    /// Adds a single character of a script without spaces.
    pub(super) fn add_char(&mut self, side: TextSide, term: &str) -> TermId {
        self.add(side, term, CHAR_WEIGHT, |table| &mut table.chars)
    }

    /// Adds a word by its folded letters.
    pub(super) fn add_letters(&mut self, side: TextSide, letters: &str) -> TermId {
        self.add(side, letters, weight(letters), |table| &mut table.letters)
    }

    /// Adds the beginning of a word.
    pub(super) fn add_prefix(&mut self, side: TextSide, letters: &str) -> TermId {
        self.table(side).prefix_lengths.insert(letters.len());
        self.add(side, letters, 2 * weight(letters), |table| &mut table.prefixes)
    }

    /// Adds a word that may have slips of the pen.
    pub(super) fn add_similar(&mut self, side: TextSide, similar: &Similar) -> TermId {
        if let Some((_, known)) = self.table(side).similar.all.iter().rfind(|(known, _)| known == similar) {
            return *known;
        }
        let weight = similar.forms.iter().chain(&similar.terms).map(|form| weight(form)).sum();
        let number = self.number(weight);
        self.table(side).similar.add(similar.clone(), number);
        number
    }

    fn add(
        &mut self,
        side: TextSide,
        term: &str,
        weight: u64,
        of: impl Fn(&mut TermTable) -> &mut HashMap<Box<str>, TermId>,
    ) -> TermId {
        if let Some(known) = of(self.table(side)).get(term) {
            return *known;
        }
        let number = self.number(weight);
        of(self.table(side)).insert(term.into(), number);
        number
    }

    fn number(&mut self, weight: u64) -> TermId {
        let number = TermId::try_from(self.weights.len()).unwrap_or(TermId::MAX);
        self.weights.push(weight);
        number
    }

    fn table(&mut self, side: TextSide) -> &mut TermTable {
        match side {
            TextSide::Newest => &mut self.newest,
            TextSide::Earlier => &mut self.earlier,
        }
    }
}

/// How common a word is likely to be, by its length: half as common with each letter more. A character of a script without spaces says as much as two
/// letters.
fn weight(term: &str) -> u64 {
    let letters: usize = term.chars().map(|c| if is_dense(c) { 2 } else { 1 }).sum();
    1 << 7_usize.saturating_sub(letters)
}

impl TermTable {
    /// Whether nothing is asked for.
    pub(super) fn is_empty(&self) -> bool {
        let maps = [&self.words, &self.chars, &self.letters, &self.prefixes];
        maps.iter().all(|map| map.is_empty()) && self.similar.all.is_empty()
    }

    /// Whether any query asks for a single character.
    pub(super) fn has_chars(&self) -> bool {
        !self.chars.is_empty()
    }

    /// Whether any query asks for a word by its letters.
    pub(super) fn has_letters(&self) -> bool {
        !self.letters.is_empty()
    }

    /// The number of a term of the field of words and pairs.
    pub(super) fn word(&self, term: &str) -> Option<TermId> {
        self.words.get(term).copied()
    }

    /// The number of a single character of a script without spaces.
    pub(super) fn char(&self, term: &str) -> Option<TermId> {
        self.chars.get(term).copied()
    }

    /// The number of a word's folded letters.
    pub(super) fn letters(&self, letters: &str) -> Option<TermId> {
        self.letters.get(letters).copied()
    }

    /// The beginnings of words that are one of this word's.
    pub(super) fn prefixes_of(&self, term: &str) -> impl Iterator<Item = TermId> {
        let beginnings = self.prefix_lengths.iter().map_while(|length| (*length <= term.len()).then(|| term.get(..*length)));
        beginnings.flatten().filter_map(|beginning| self.prefixes.get(beginning).copied())
    }

    /// The words that this one is nearly.
    pub(super) fn similar_to(&self, term: &str) -> Arc<[TermId]> {
        self.similar.to(term)
    }
}

impl SimilarWords {
    fn add(&mut self, similar: Similar, number: TermId) {
        let at = self.all.len();
        for term in &similar.terms {
            self.terms.entry(term.as_str().into()).or_default().push(at);
        }
        for form in &similar.forms {
            self.length_max = self.length_max.max(form.chars().count());
            for remains in remains_of(form, similar.slips) {
                self.remains.entry(remains).or_default().push(at);
            }
        }
        if !similar.forms.is_empty() {
            self.slips_max = self.slips_max.max(similar.slips);
        }
        self.all.push((similar, number));
    }

    fn to(&self, term: &str) -> Arc<[TermId]> {
        // Pairs of characters and signs are no words.
        let is_word = !self.all.is_empty() && term.chars().all(char::is_alphanumeric);
        if !is_word {
            return Arc::default();
        }
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let known = known.get_or_insert_with(|| LruCache::new(KNOWN_MAX));
        Arc::clone(known.get_or_insert_ref(term, || self.compared(term)))
    }

    fn compared(&self, term: &str) -> Arc<[TermId]> {
        let mut found: Vec<usize> = self.terms.get(term).cloned().unwrap_or_default();
        if term.chars().count() <= self.length_max + usize::from(self.slips_max) {
            found.extend(remains_of(term, self.slips_max).iter().filter_map(|remains| self.remains.get(remains)).flatten());
        }
        let near = found.into_iter().filter_map(|at| self.all.get(at)).filter(|(similar, _)| similar.is(term));
        near.map(|(_, number)| *number).collect::<BTreeSet<_>>().into_iter().collect()
    }
}

/// What is left of a word without some of its letters, so many at most: words that differ by no more slips have some of it in common.
fn remains_of(word: &str, slips: u8) -> BTreeSet<String> {
    let mut all = BTreeSet::from([word.to_owned()]);
    let mut newest = all.clone();
    for _ in 0..slips {
        let shorter = |word: &String| {
            let word = word.clone();
            let without = |(at, c): (usize, char)| [&word[..at], &word[at + c.len_utf8()..]].concat();
            word.char_indices().map(without).collect::<Vec<_>>()
        };
        newest = newest.iter().flat_map(shorter).collect();
        all.extend(newest.iter().cloned());
    }
    all
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn words_with_slips_are_found_as_if_each_were_compared(
            words in prop::collection::vec("[абab]{4,9}", 1..6), terms in prop::collection::vec("[абab]{1,3}", 0..9),
            slips in 1_u8..3, term in "[абab1]{1,11}",
        ) {
            let mut dictionary = Dictionary::default();
            let similar: Vec<Similar> = words.iter().enumerate().map(|(n, word)| {
                let mut terms: Vec<String> = terms.iter().skip(n).cloned().collect();
                terms.sort();
                Similar { terms, forms: vec![word.clone()], slips }
            }).collect();
            let numbers: Vec<TermId> = similar.iter().map(|one| dictionary.add_similar(TextSide::Newest, one)).collect();
            let near = similar.iter().zip(&numbers).filter(|(similar, _)| similar.is(&term)).map(|(_, number)| *number);
            let near: Vec<TermId> = near.collect::<BTreeSet<_>>().into_iter().collect();
            // And the same when it comes again.
            for _ in 0..2 {
                prop_assert_eq!(&dictionary.of(TextSide::Newest).similar_to(&term)[..], &near[..]);
            }
        }
    }
}
