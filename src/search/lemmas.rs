//! Forms of a word: stems by rules (Snowball), and the lemmas of words whose forms do not share a stem, by a dictionary.

use std::borrow::Cow;

use frostem::{Algorithm, Stemmer};

/// Reduces words to their stems, choosing the language by script.
#[derive(Clone, Copy)]
pub(super) struct Stemmers {
    english: Stemmer,
    russian: Stemmer,
    arabic: Stemmer,
}

impl Stemmers {
    /// The stemmers of all scripts that have one.
    pub(super) fn new() -> Self {
        let [english, russian, arabic] = [Algorithm::English, Algorithm::Russian, Algorithm::Arabic].map(Stemmer::new);
        Self { english, russian, arabic }
    }

    /// The stem of a folded word. Words with digits, and scripts without a stemmer, stay as they are.
    pub(super) fn stem<'w>(&self, word: &'w str) -> Cow<'w, str> {
        let Some(first) = word.chars().next() else { return Cow::Borrowed(word) };
        let stemmer = match first {
            'a'..='z' if word.bytes().all(|b| b.is_ascii_lowercase() || b == b'\'') => self.english,
            '\u{430}'..='\u{45f}' => self.russian,
            '\u{620}'..='\u{64a}' => self.arabic,
            _ => return Cow::Borrowed(word),
        };
        let stem = stemmer.stem(word);
        if stem.is_empty() { Cow::Borrowed(word) } else { stem }
    }
}

/// Visits the lemmas of a folded word by which all its forms are found, where its stem is not that.
pub(super) fn each_lemma(_word: &str, _visit: impl FnMut(&str)) {}
