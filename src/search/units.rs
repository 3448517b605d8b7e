//! The tokenizer's units: the smallest parts of a text that can be searched for.
//!
//! A unit is one character of a script that is written without spaces (Chinese, Japanese, Korean, Thai ...), one word of any
//! other script, reduced to its stem, or one emoji. Each takes one position, whatever stands between them, so that a sequence of
//! units is a phrase. The index and the query side are both made from units; they differ in what they make of them.

use std::borrow::Cow;
use std::ops::Range;

use frostem::{Algorithm, Stemmer};
use unicode_normalization::char::is_combining_mark;
use unicode_segmentation::UnicodeSegmentation as _;

/// Longest word that is kept whole, in characters: longer ones are keys and encoded files, of which the beginning is enough.
const WORD_LENGTH_MAX: usize = 64;

/// What a unit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum UnitKind {
    /// A word or an emoji.
    Word,
    /// A character of a script without spaces.
    Dense,
}

/// One unit of a folded text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TokenUnit<'a> {
    /// What it is.
    pub(super) kind: UnitKind,
    /// What it is found by: the stem of a word, the character itself.
    pub(super) text: &'a str,
    /// Its number in the text, from 0.
    pub(super) position: usize,
    /// Whether it is a dense character that directly follows another one.
    pub(super) joined: bool,
    /// Its bytes in the folded text.
    pub(super) bytes: Range<usize>,
}

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

/// Tokenizes: visits the units of a folded text in order.
pub(super) fn units(folded: &str, stemmers: &Stemmers, mut visit: impl FnMut(TokenUnit<'_>)) {
    let mut position = 0;
    let mut dense_end = None;
    let mut at = 0;
    while let Some(c) = folded[at..].chars().next() {
        let end = at + c.len_utf8();
        if is_dense(c) {
            visit(TokenUnit {
                kind: UnitKind::Dense,
                text: &folded[at..end],
                position,
                joined: dense_end == Some(at),
                bytes: at..end,
            });
            dense_end = Some(end);
            position += 1;
            at = end;
        } else if is_emoji(c) {
            let end = emoji_end(folded, at, c);
            visit(TokenUnit { kind: UnitKind::Word, text: &folded[at..end], position, joined: false, bytes: at..end });
            position += 1;
            at = end;
        } else if c.is_alphanumeric() {
            let (length, plain) = run(&folded[at..]);
            let mut word = |bytes: Range<usize>| {
                let text = shortened(&folded[bytes.clone()]);
                visit(TokenUnit { kind: UnitKind::Word, text: &stemmers.stem(text), position, joined: false, bytes });
                position += 1;
            };
            if plain {
                word(at..at + length);
            } else {
                for (offset, text) in folded[at..at + length].unicode_word_indices() {
                    word(at + offset..at + offset + text.len());
                }
            }
            at += length;
        } else {
            at = end;
        }
    }
}

/// How many bytes of a text belong to the run of word characters at its start, and whether that run is one word by UAX #29
/// for certain: letters and digits of Latin, Greek and Cyrillic, and apostrophes between them.
///
/// Dots, colons and underscores end a run although UAX #29 lets them join words: each part of a host name, a time or a
/// hashtag is to be found by itself.
fn run(text: &str) -> (usize, bool) {
    let mut plain = true;
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let goes_on = match c {
            'a'..='z' | '0'..='9' | 'а'..='я' => true,
            '\'' => chars.peek().is_some_and(|(_, next)| next.is_alphanumeric() && !is_dense(*next)),
            _ if is_dense(c) || is_emoji(c) => false,
            _ if c.is_alphanumeric() => {
                plain &= c < '\u{530}';
                true
            }
            _ if is_combining_mark(c) => {
                plain = false;
                true
            }
            _ => false,
        };
        if !goes_on {
            return (at, plain);
        }
    }
    (text.len(), plain)
}

fn shortened(word: &str) -> &str {
    if word.len() <= WORD_LENGTH_MAX {
        return word;
    }
    word.char_indices().nth(WORD_LENGTH_MAX).map_or(word, |(end, _)| &word[..end])
}

/// Whether a character belongs to a script that is written without spaces between words, or, like Hangul, is searched for by
/// parts of words.
pub(super) fn is_dense(c: char) -> bool {
    match c {
        '\0'..='\u{dff}' => false,
        // Chinese with the marks that stand for repeated characters, Hiragana, Katakana, Bopomofo, Yi, Hangul.
        '\u{4e00}'..='\u{9fff}' | '\u{3400}'..='\u{4dbf}' | '\u{3041}'..='\u{3096}' | '\u{3099}'..='\u{309a}' => true,
        '\u{309d}'..='\u{309f}' | '\u{30a1}'..='\u{30fa}' | '\u{30fc}'..='\u{30ff}' | '\u{ac00}'..='\u{d7ff}' => true,
        '\u{3005}'..='\u{3007}' | '\u{3021}'..='\u{302f}' | '\u{3031}'..='\u{3035}' | '\u{3038}'..='\u{303c}' => true,
        '\u{3105}'..='\u{31bf}' | '\u{31f0}'..='\u{31ff}' | '\u{a000}'..='\u{a48c}' | '\u{f900}'..='\u{fad9}' => true,
        '\u{1100}'..='\u{11ff}' | '\u{a960}'..='\u{a97c}' | '\u{2e80}'..='\u{2fd5}' => true,
        '\u{1aff0}'..='\u{1b16f}' | '\u{20000}'..='\u{3ffff}' => true,
        // Thai, Lao, Burmese, Khmer: letters and vowel signs, not their digits and punctuation.
        '\u{e01}'..='\u{e3a}' | '\u{e40}'..='\u{e4e}' | '\u{e81}'..='\u{ece}' | '\u{edc}'..='\u{edf}' => true,
        '\u{1000}'..='\u{103f}' | '\u{1050}'..='\u{108f}' | '\u{1780}'..='\u{17d3}' => true,
        _ => false,
    }
}

fn is_emoji(c: char) -> bool {
    matches!(c, '\u{2600}'..='\u{27bf}' | '\u{2b00}'..='\u{2bff}' | '\u{1f000}'..='\u{1f0ff}' | '\u{1f1e6}'..='\u{1f1ff}' | '\u{1f300}'..='\u{1faff}')
}

/// Flags are pairs of letters; every other emoji is one character, once joiners and skin tones are folded away.
fn emoji_end(text: &str, at: usize, first: char) -> usize {
    let is_flag_letter = |c: &char| matches!(c, '\u{1f1e6}'..='\u{1f1ff}');
    let end = at + first.len_utf8();
    match text[end..].chars().next().filter(is_flag_letter) {
        Some(second) if is_flag_letter(&first) => end + second.len_utf8(),
        _ => end,
    }
}

#[cfg(test)]
mod tests {
    use super::super::fold::fold;
    use super::*;

    fn found(text: &str) -> String {
        let mut folded = String::new();
        fold(text, &mut folded);
        let mut out: Vec<String> = Vec::new();
        units(&folded, &Stemmers::new(), |unit| {
            let mark = if unit.joined { "+" } else { "" };
            assert_eq!(unit.position, out.len());
            out.push(format!("{mark}{}", unit.text));
        });
        out.join(" ")
    }

    #[test]
    fn texts_fall_into_the_expected_units() {
        for (text, expected) in [
            ("今天天气", "今 +天 +天 +气"),
            ("得，今天", "得 今 +天"),
            ("iPhone手机OK", "iphon 手 +机 ok"),
            ("コーヒー々", "コ +ー +ヒ +ー +々"),
            ("running runs", "run run"),
            ("квартиры квартирой", "квартир квартир"),
            ("https://example.com/path_to?x=1", "https exampl com path to x 1"),
            ("@user_name #Новости 12:30", "user name новост 12 30"),
            ("it's o'clock' '", "it o'clock"),
            ("👍🏽 🇩🇪🇫🇷 ❤️", "👍 🇩🇪 🇫🇷 ❤"),
            ("สวัสดี", "ส +ว +ั +ส +ด +ี"),
            ("covid19 3.14", "covid19 3 14"),
            ("हिन्दी भाषा", "हिन्दी भाषा"),
            ("", ""),
        ] {
            assert_eq!(found(text), expected, "{text}");
        }
    }

    #[test]
    fn forms_of_a_word_have_one_stem() {
        for forms in [
            ["книга", "книгами"],
            ["новости", "новостей"],
            ["searches", "searching"],
            ["connection", "connected"],
            ["كتاب", "الكتاب"],
            ["ёлки", "елка"],
        ] {
            assert_eq!(found(forms[0]), found(forms[1]), "{forms:?}");
        }
    }
}
