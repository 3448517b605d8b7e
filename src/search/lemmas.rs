//! Forms of a word: stems by rules (Snowball), and the lemmas of words whose forms do not share a stem, by tables.
//!
//! A word of a table has one key that all its forms are indexed by besides their stems, and asked for by instead of them; a form that
//! belongs to several words (стали) has several keys. Index and query look a word up in the same way, so they cannot disagree. The tables
//! are compiled in; where they come from and under which licence: docs/decisions/0023.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::LazyLock;

use frostem::{Algorithm, Stemmer};

use super::spelling::american;

/// Russian, of OpenCorpora's dictionary: `key prefix ending,ending`.
const RUSSIAN: &str = include_str!("lemmas_ru.txt");
/// English: a word and its forms, see there.
const ENGLISH: &str = include_str!("lemmas_en.txt");
/// Ukrainian: a key and its forms.
const UKRAINIAN: &str = include_str!("lemmas_uk.txt");
/// Longest form of the tables, in bytes: longer words are not looked up.
const FORM_LENGTH_MAX: usize = 48;

/// Reduces words to their stems, choosing the language by script, and by the letters that only Ukrainian has.
#[derive(Clone, Copy)]
pub(super) struct Stemmers {
    english: Stemmer,
    russian: Stemmer,
    ukrainian: Stemmer,
    arabic: Stemmer,
}

impl Stemmers {
    /// The stemmers of all scripts that have one.
    pub(super) fn new() -> Self {
        let [english, russian, ukrainian, arabic] =
            [Algorithm::English, Algorithm::Russian, Algorithm::Ukrainian, Algorithm::Arabic].map(Stemmer::new);
        Self { english, russian, ukrainian, arabic }
    }

    /// The stem of a folded word. Words with digits, and scripts without a stemmer, stay as they are.
    pub(super) fn stem<'w>(&self, word: &'w str) -> Cow<'w, str> {
        let Some(first) = word.chars().next() else { return Cow::Borrowed(word) };
        let stem = match first {
            'a'..='z' if word.bytes().all(|b| b.is_ascii_lowercase() || b == b'\'') => match american(word) {
                Cow::Borrowed(word) => self.english.stem(word),
                Cow::Owned(word) => Cow::Owned(self.english.stem(&word).into_owned()),
            },
            '\u{430}'..='\u{491}' if word.contains(['і', 'ї', 'є', 'ґ']) => self.ukrainian.stem(word),
            '\u{430}'..='\u{45f}' => self.russian.stem(word),
            '\u{620}'..='\u{64a}' => self.arabic.stem(word),
            _ => return Cow::Borrowed(word),
        };
        if stem.is_empty() { Cow::Borrowed(word) } else { stem }
    }
}

/// What a folded word is found by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct WordForms {
    /// Its stem.
    pub(super) stem: String,
    /// What all its forms are found by, where their stem is not that; see [`keys_of`].
    pub(super) keys: &'static [Box<str>],
}

/// Slots of a thread's memo: most words of a text are among a few thousand (Zipf's law).
const MEMO_SLOTS: usize = 1 << 13;
/// The longest word that is kept there, in bytes.
const MEMO_WORD_MAX: usize = 32;

/// One word and what it is found by.
#[derive(Clone, Default)]
struct MemoSlot {
    word: String,
    stem: String,
    keys: &'static [Box<str>],
}

thread_local! {
    /// The words that this thread met last, by hash (direct-mapped), so that these are not reduced again. It goes with the thread.
    static MEMO: RefCell<Vec<MemoSlot>> = const { RefCell::new(Vec::new()) };
}

impl Stemmers {
    /// What a folded word is found by, kept for when it comes again.
    pub(super) fn forms_of(&self, word: &str) -> WordForms {
        if word.is_empty() || word.len() > MEMO_WORD_MAX {
            return WordForms { stem: self.stem(word).into_owned(), keys: keys_of(word) };
        }
        // FNV-1a: the words are short.
        let hash = word.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
        let number = (hash ^ hash >> 15) as usize % MEMO_SLOTS;
        MEMO.with_borrow_mut(|memo| {
            if memo.is_empty() {
                memo.resize(MEMO_SLOTS, MemoSlot::default());
            }
            let slot = &mut memo[number];
            if slot.word != word {
                *slot = MemoSlot { word: word.to_owned(), stem: self.stem(word).into_owned(), keys: keys_of(word) };
            }
            WordForms { stem: slot.stem.clone(), keys: slot.keys }
        })
    }
}

/// The keys of the forms that have other ones than their stem.
static KEYS: LazyLock<HashMap<Box<str>, Vec<Box<str>>>> = LazyLock::new(|| {
    let mut keys = HashMap::new();
    let mut add = |form: &str, key: &str| {
        let of: &mut Vec<Box<str>> = keys.entry(form.into()).or_default();
        if !of.iter().any(|known| **known == *key) {
            of.push(key.into());
        }
    };
    for (key, prefix, endings) in lines(RUSSIAN).filter_map(three_columns) {
        endings.split(',').for_each(|ending| add(&format!("{prefix}{ending}"), key));
    }
    let stemmers = Stemmers::new();
    for (word, forms) in lines(ENGLISH).filter_map(|line| line.split_once(' ')) {
        for form in forms.split(' ') {
            let plain = form.trim_end_matches('+');
            add(plain, &stemmers.stem(word));
            if plain.len() < form.len() {
                add(plain, &stemmers.stem(plain));
            }
        }
    }
    for (key, forms) in lines(UKRAINIAN).filter_map(|line| line.split_once(' ')) {
        forms.split(' ').for_each(|form| add(form, key));
    }
    keys
});

fn lines(table: &str) -> impl Iterator<Item = &str> {
    table.lines().filter(|line| !line.starts_with('#'))
}

fn three_columns(line: &str) -> Option<(&str, &str, &str)> {
    let (key, rest) = line.split_once(' ')?;
    let (prefix, endings) = rest.split_once(' ')?;
    Some((key, prefix, endings))
}

/// What all forms of a folded word are found by, where its stem is not that.
pub(super) fn keys_of(word: &str) -> &'static [Box<str>] {
    if word.len() > FORM_LENGTH_MAX || !word.starts_with(|c| matches!(c, 'a'..='z' | 'а'..='я' | 'і')) {
        return &[];
    }
    KEYS.get(word).map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a query for a word looks for.
    fn asked(word: &str) -> Vec<String> {
        let keys = keys_of(word);
        if keys.is_empty() { vec![Stemmers::new().stem(word).into_owned()] } else { keys.iter().map(|k| k.to_string()).collect() }
    }

    /// What a text with a word is found by.
    fn indexed(word: &str) -> Vec<String> {
        [vec![Stemmers::new().stem(word).into_owned()], keys_of(word).iter().map(|k| k.to_string()).collect()].concat()
    }

    #[test]
    fn every_form_finds_every_other() {
        for forms in [
            "деньги денег деньгами",
            "день дня дней днем дни",
            "рынок рынка рынки рынков",
            "отец отца отцы отцом",
            "письмо писем письма",
            "время времени временем времена",
            "купить куплю купил купит",
            "человек людей люди человека",
            "ребенок дети детей",
            "киев киева киеву киеве киевом",
            "харьков харькова харькове",
            "ростов ростова ростове",
            "медведев медведева медведеву",
            "книга книги книгами",
            "київ києва києві",
            "харків харкова харкові",
            "день дня днів",
            "ринок ринку ринків",
            "україна україни україні україною",
            "війна війни війні",
            "child children",
            "buy bought buying",
            "go went gone going",
            "write wrote written",
            "wolf wolves",
            "crisis crises",
            "organize organise organising organisation organization",
            "analyse analyze analysed",
            "colour colors colored colouring",
            "centre center centres",
            "travelled traveled travelling",
            "defence defense",
            "grey gray",
        ] {
            let forms: Vec<&str> = forms.split(' ').collect();
            for query in &forms {
                for text in &forms {
                    let found = asked(query).iter().any(|term| indexed(text).contains(term));
                    assert!(found, "{query} {:?} in {text} {:?}", asked(query), indexed(text));
                }
            }
        }
    }

    #[test]
    fn what_is_kept_is_what_would_be_found_again() {
        let stemmers = Stemmers::new();
        // More than there are slots, twice.
        let numbered = (0..2 * MEMO_SLOTS).map(|number| format!("running{}", number % (MEMO_SLOTS + 7)));
        let words = ["деньги", "running", "дети", "", "今", &"long".repeat(20)].map(str::to_owned);
        for word in numbered.chain(words.clone()).chain(words) {
            let expected = WordForms { stem: stemmers.stem(&word).into_owned(), keys: keys_of(&word) };
            assert_eq!(stemmers.forms_of(&word), expected, "{word}");
        }
    }

    #[test]
    fn a_form_of_two_words_finds_both_and_a_name_no_other_word() {
        assert!(asked("found").contains(&"find".to_owned()) && asked("found").contains(&"found".to_owned()));
        assert!(!asked("киев").iter().any(|term| term == "ки"), "{:?}", asked("киев"));
        for [query, text] in [["child", "childish"], ["buy", "buyer's"], ["hour", "hor"], ["четыре", "чет"]] {
            assert!(!asked(query).iter().any(|term| indexed(text).contains(term)), "{query} {text}");
        }
    }
}
