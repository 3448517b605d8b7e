//! Words that are nearly a word: slips of the pen (typos), which are letters that are missing, too many, exchanged, or in each other's place.
//!
//! The index has what words are reduced to, and a slip in the end of a word changes what that is by more than itself (`city` is `citi` there, and
//! `ciyt` stays what it is). So one slip is looked for among words as they are written: each word that is one slip away is made, and its forms are
//! looked for, as if it had been asked for. There are some hundreds of them, but too many that are two slips away: these are looked for by their distance
//! to what the index has.

use super::fold::fold;
use super::lemmas::Stemmers;

/// Fewest letters of a `word~` that one slip is looked for in, and two. Elasticsearch's `AUTO` begins at 3 and 6, where a
/// slip makes another common word of most.
const SLIP_LENGTHS: [usize; 2] = [4, 8];
/// The letters of scripts that words are written in, folded or not, as ranges.
const ALPHABETS: [&[(char, char)]; 7] = [
    &[('a', 'z')],
    &[
        ('а', 'я'),
        ('є', 'є'),
        ('і', 'ї'),
        ('ў', 'ў'),
        ('ґ', 'ґ'),
        ('ђ', 'џ'),
        ('ғ', 'ғ'),
        ('қ', 'қ'),
        ('ң', 'ң'),
        ('ү', 'ү'),
        ('ұ', 'ұ'),
        ('һ', 'һ'),
        ('ә', 'ә'),
        ('ө', 'ө'),
    ],
    &[('α', 'ω')],
    &[('א', 'ת')],
    &[('ء', 'ي'), ('پ', 'پ'), ('چ', 'چ'), ('ژ', 'ژ'), ('ک', 'ک'), ('گ', 'گ'), ('ی', 'ی')],
    &[('ա', 'ֆ')],
    &[('ა', 'ჰ')],
];

/// A word that may have slips.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Similar {
    /// What the words that are at most one slip away are found by, in order; nothing where the letters of the script are not known.
    pub(super) terms: Vec<String>,
    /// What is found by its distance to any of these: folded letters, and what they are reduced to. Nothing where `terms` are all.
    pub(super) forms: Vec<String>,
    /// How many slips that may be (the Damerau-Levenshtein distance).
    pub(super) slips: u8,
}

impl Similar {
    /// What is similar to a word with these folded letters and what it is found by; `None` where it is too short.
    pub(super) fn to(letters: &str, found_by: impl IntoIterator<Item = String>) -> Option<Self> {
        let length = letters.chars().count();
        let slips = SLIP_LENGTHS.iter().filter(|least| length >= **least).count();
        if slips == 0 {
            return None;
        }
        let terms = terms_of(letters);
        let mut forms = if terms.is_empty() || slips > 1 { vec![letters.to_owned()] } else { Vec::new() };
        if !forms.is_empty() {
            forms.extend(found_by);
        }
        forms.sort();
        forms.dedup();
        Some(Self { terms, forms, slips: u8::try_from(slips).ok()? })
    }

    /// Whether a term of the index is near enough.
    pub(super) fn is(&self, term: &str) -> bool {
        self.terms.binary_search_by(|known| known.as_str().cmp(term)).is_ok()
            || self.forms.iter().any(|form| strsim::osa_distance(form, term) <= usize::from(self.slips))
    }
}

/// What the words are found by that are at most one slip away from some letters.
fn terms_of(letters: &str) -> Vec<String> {
    let Some(alphabet) = letters.chars().next().and_then(alphabet_of) else { return Vec::new() };
    let stemmers = Stemmers::new();
    let mut terms = Vec::new();
    for word in one_slip_away(letters, &alphabet) {
        let keys = super::lemmas::keys_of(&word);
        if keys.is_empty() {
            terms.push(stemmers.stem(&word).into_owned());
        } else {
            terms.extend(keys.iter().map(|key| key.to_string()));
        }
    }
    terms.sort_unstable();
    terms.dedup();
    terms
}

/// The folded letters that words with a letter may have.
fn alphabet_of(letter: char) -> Option<Vec<char>> {
    let ranges = ALPHABETS.iter().find(|ranges| ranges.iter().any(|(first, last)| (*first..=*last).contains(&letter)))?;
    let letters = ranges.iter().flat_map(|(first, last)| *first..=*last);
    Some(letters.filter(|letter| is_folded(*letter)).collect())
}

fn is_folded(letter: char) -> bool {
    let (mut folded, written) = (String::new(), letter.to_string());
    fold(&written, &mut folded);
    folded == written
}

/// A word, and all others that one slip makes of it.
fn one_slip_away(word: &str, alphabet: &[char]) -> Vec<String> {
    let letters: Vec<char> = word.chars().collect();
    let with = |before: &[char], between: &[char], after: &[char]| before.iter().chain(between).chain(after).collect::<String>();
    let mut all = vec![word.to_owned()];
    for at in 0..=letters.len() {
        let (before, after) = letters.split_at(at);
        all.extend(alphabet.iter().map(|letter| with(before, &[*letter], after)));
        if let [first, rest @ ..] = after {
            all.push(with(before, &[], rest));
            all.extend(alphabet.iter().filter(|letter| *letter != first).map(|letter| with(before, &[*letter], rest)));
            if let [second, rest @ ..] = rest {
                all.push(with(before, &[*second, *first], rest));
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn is_found(query: &str, written: &str) -> bool {
        let stemmers = Stemmers::new();
        let similar = Similar::to(query, [stemmers.stem(query).into_owned()]).expect("long enough");
        let forms = stemmers.forms_of(written);
        similar.is(&forms.stem) || forms.keys.iter().any(|key| similar.is(key))
    }

    #[test]
    fn a_slip_in_the_end_of_a_word_is_as_good_as_any() {
        for (query, written) in [
            ("ciyt", "city"),
            ("mnutes", "minutes"),
            ("alovely", "lovely"),
            ("хорошаб", "хорошая"),
            ("мстная", "местная"),
            ("сделаьт", "сделать"),
            ("вызавла", "вызвала"),
            ("apparentyl", "apparently"),
            ("денги", "деньгами"),
            ("telgram", "telegram"),
            ("recieved", "receiving"),
            ("аланат", "алаңат"),
            ("ترجمه", "ترجم"),
        ] {
            assert!(is_found(query, written), "{query} {written}");
        }
        for (query, written) in [("tlegarm", "telegram"), ("city", "cut"), ("телерамма", "программа"), ("born", "bring")]
        {
            assert!(!is_found(query, written), "{query} {written}");
        }
    }

    #[test]
    fn short_words_have_no_slips() {
        assert!(Similar::to("cut", []).is_none());
        assert_eq!(Similar::to("cuts", []).map(|similar| (similar.slips, similar.forms.len())), Some((1, 0)));
        assert_eq!(Similar::to("telegrams", []).map(|similar| (similar.slips, similar.forms.len())), Some((2, 1)));
    }

    proptest! {
        #[test]
        fn what_is_made_is_what_is_one_slip_away(word in "[a-d]{4,6}", other in "[a-d]{3,7}") {
            let made = one_slip_away(&word, &['a', 'b', 'c', 'd']);
            prop_assert_eq!(made.contains(&other), strsim::osa_distance(&word, &other) <= 1);
        }
    }
}
