//! The tokenizer's units: the smallest parts of a text that can be searched for.
//!
//! A unit is one character of a script that is written without spaces (Chinese, Japanese, Korean, Thai ...), one word of any
//! other script, reduced to its stem, or one emoji. Each takes one position, so that a sequence of units is a phrase, and a break
//! (punctuation, the end of a line) takes one too, so that no phrase reaches across it. The index and the query side are both made
//! from units; they differ in what they make of them.

use std::borrow::Cow;
use std::ops::Range;

use unicode_normalization::char::is_combining_mark;
use unicode_segmentation::UnicodeSegmentation as _;

use super::affixes::without_affixes;
use super::fold::{KEYCAP, SEPARATOR, TAGGED_FLAG};
use super::lemmas::Stemmers;
use super::letters::is_emoji;
use super::numbers::grouped;

/// Longest word that is kept whole, in characters: longer ones are keys and encoded files, of which the beginning is enough.
const WORD_LENGTH_MAX: usize = 64;
/// Longest word that `++` may belong to: `notepad++`.
const PLUS_WORD_MAX: usize = 12;

/// What a unit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum UnitKind {
    /// A word or an emoji.
    Word,
    /// A character of a script without spaces.
    Dense,
    /// A number that was written in groups, each of which is a [`UnitKind::Word`] too: it lies over them, at the position of the first.
    Number,
}

/// One unit of a folded text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TokenUnit<'a> {
    /// What it is.
    pub(super) kind: UnitKind,
    /// What it is found by: the stem of a word, the character itself.
    pub(super) text: &'a str,
    /// What all forms of the word are found by, where its stem is not that (lemmas, the name without an ending). Often more than one.
    pub(super) keys: &'a [String],
    /// Its number in the text, from 0; breaks count.
    pub(super) position: usize,
    /// Whether it is a dense character that directly follows another one.
    pub(super) joined: bool,
    /// Its bytes in the folded text.
    pub(super) bytes: Range<usize>,
}

/// Tokenizes: visits the units of a folded text in order.
pub(super) fn units(folded: &str, stemmers: &Stemmers, visit: impl FnMut(TokenUnit<'_>)) {
    let mut walk = Walk { folded, stemmers, visit, last: None, keys: Vec::new(), number_end: 0 };
    let mut at = 0;
    while let Some(c) = folded[at..].chars().next() {
        let end = at + c.len_utf8();
        at = if is_dense(c) {
            walk.push(UnitKind::Dense, &folded[at..end], at..end);
            end
        } else if let Some(end) = emoji_end(folded, at, c) {
            walk.push(UnitKind::Word, &folded[at..end], at..end);
            end
        } else if c.is_alphanumeric() {
            walk.words(at)
        } else {
            end
        };
    }
}

/// The unit that was visited last.
#[derive(Clone, Copy)]
struct Last {
    dense: bool,
    position: usize,
    end: usize,
}

struct Walk<'f, V> {
    folded: &'f str,
    stemmers: &'f Stemmers,
    visit: V,
    last: Option<Last>,
    /// Used again for each word.
    keys: Vec<String>,
    /// Where the last number in groups ends: none begins before.
    number_end: usize,
}

impl<V: FnMut(TokenUnit<'_>)> Walk<'_, V> {
    fn push(&mut self, kind: UnitKind, text: &str, bytes: Range<usize>) {
        let dense = kind == UnitKind::Dense;
        let (position, joined) = match self.last {
            Some(last) if last.end == bytes.start => (last.position + 1, dense && last.dense),
            Some(last) => {
                let apart = is_break(self.folded, last.end..bytes.start, last.dense, dense);
                (last.position + 1 + usize::from(apart), false)
            }
            None => (0, false),
        };
        self.last = Some(Last { dense, position, end: bytes.end });
        (self.visit)(TokenUnit { kind, text, keys: &self.keys, position, joined, bytes });
        self.keys.clear();
    }

    /// Visits the words of a run of word characters, and returns where it ends.
    fn words(&mut self, start: usize) -> usize {
        let folded = self.folded;
        let (length, plain) = run(&folded[start..]);
        let end = start + length;
        if plain {
            return self.word(start..end);
        }
        for (offset, text) in folded[start..end].unicode_word_indices() {
            self.word(start + offset..start + offset + text.len());
        }
        end
    }

    /// Visits a word, with the signs that belong to it (`C++`, `C#`), and returns where it ends.
    fn word(&mut self, bytes: Range<usize>) -> usize {
        let folded = self.folded;
        let written = &folded[bytes.clone()];
        let word = without_quotes(shortened(written));
        let end = bytes.end + signs_after(&folded[bytes.end..], written);
        let forms = self.stemmers.forms_of(&word);
        if end > bytes.end {
            self.keys.push(folded[bytes.start..end].to_owned());
        } else if written == "net" && folded[..bytes.start].ends_with('.') {
            self.keys.push(".net".to_owned());
        } else if let Some(name) = without_affixes(&word) {
            self.keys.push(self.stemmers.forms_of(name).stem);
        } else {
            self.keys.extend(forms.keys.iter().map(|key| key.to_string()));
        }
        self.push(UnitKind::Word, &forms.stem, bytes.start..end);
        if written.starts_with(|c: char| c.is_ascii_digit()) {
            self.number(bytes.start);
        }
        end
    }

    /// Visits what begins at a group of digits that was just visited.
    fn number(&mut self, start: usize) {
        if start < self.number_end {
            return;
        }
        let Some((numbers, end)) = grouped(self.folded, start) else { return };
        self.number_end = end;
        let position = self.last.map_or(0, |last| last.position);
        for number in numbers {
            let (text, bytes) = (number.digits.as_str(), number.bytes);
            (self.visit)(TokenUnit { kind: UnitKind::Number, text, keys: &[], position, joined: false, bytes });
        }
    }
}

/// Whether what stands between two units keeps them apart. Words are joined by a space, by quotes, and by the one sign that addresses,
/// times, numbers and names have inside; dense characters by nothing at all.
fn is_break(folded: &str, between: Range<usize>, dense_before: bool, dense_after: bool) -> bool {
    let is_digit = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_digit);
    let digits = is_digit(folded.as_bytes()[..between.start].last()) && is_digit(folded.as_bytes().get(between.end));
    let between = &folded[between];
    let mut signs = 0;
    let mut spaces = false;
    for c in between.chars() {
        match c {
            SEPARATOR => {}
            '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}' => return true,
            _ if c.is_whitespace() => spaces = true,
            '"' | '\'' | '«' | '»' | '‹' | '›' | '‚' | '„' | '「' | '」' | '『' | '』' => {
                spaces |= dense_before && dense_after
            }
            '.' | ':' | '/' | '_' | '-' | '@' | '&' | '=' | '+' | '~' | '%' | '\\' | '$' | '\u{2010}' | '\u{2011}' | '·' => {
                signs += 1
            }
            ',' if digits => signs += 1,
            _ => return true,
        }
    }
    if dense_before && dense_after {
        return spaces || signs > 0;
    }
    match signs {
        0 => false,
        1 => spaces || dense_before || dense_after,
        _ => between != "://",
    }
}

/// How many bytes of signs belong to a word: `C++`, `notepad++`, `C#`.
fn signs_after(after: &str, word: &str) -> usize {
    if !after.starts_with(['+', '#']) {
        return 0;
    }
    let latin = word.bytes().all(|b| b.is_ascii_alphanumeric());
    let alone = |rest: &str| !rest.starts_with(['+', '#']);
    if latin && word.len() <= PLUS_WORD_MAX && after.strip_prefix("++").is_some_and(alone) {
        return 2;
    }
    let letter = word.len() == 1 && word.starts_with(|c: char| c.is_ascii_lowercase());
    let ends = |rest: &str| alone(rest) && !rest.starts_with(char::is_alphanumeric);
    usize::from(letter && after.strip_prefix('#').is_some_and(ends))
}

/// A word without the quotes in it, which only Hebrew has (gershayim); it is written without them as well.
fn without_quotes(word: &str) -> Cow<'_, str> {
    if !word.is_ascii() && (word.contains('"') || word.contains('\'') && word.contains("''")) {
        Cow::Owned(word.replace('"', "").replace("''", ""))
    } else {
        Cow::Borrowed(word)
    }
}

/// How many bytes of a text belong to the run of word characters at its start, and whether that run is one word by UAX #29
/// for certain: letters and digits of Latin, Greek and Cyrillic, and apostrophes between them.
///
/// Dots, colons and underscores end a run although UAX #29 lets them join words: each part of a host name, a time or a
/// hashtag is to be found by itself.
fn run(text: &str) -> (usize, bool) {
    let mut plain = true;
    let mut hebrew = false;
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let goes_on = match c {
            '0'..='9' => chars.peek().is_none_or(|(_, next)| *next != KEYCAP),
            'a'..='z' | 'а'..='я' => true,
            '\'' | '"' if hebrew && is_gershayim(&text[at..]) => {
                chars.next_if(|(_, next)| *next == '\'');
                true
            }
            '\'' => chars.peek().is_some_and(|(_, next)| next.is_alphanumeric() && !is_dense(*next)),
            _ if c.is_ascii() => c.is_ascii_alphanumeric(),
            _ if is_dense(c) || is_emoji(c) => false,
            _ if c.is_alphanumeric() => {
                hebrew = is_hebrew(c);
                plain &= c < '\u{530}' || hebrew;
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

/// Whether a text begins with a quote, or two apostrophes, that a Hebrew letter follows.
fn is_gershayim(text: &str) -> bool {
    text.strip_prefix('"').or_else(|| text.strip_prefix("''")).is_some_and(|rest| rest.starts_with(is_hebrew))
}

/// Whether a character is a letter of the Hebrew script.
pub(super) fn is_hebrew(c: char) -> bool {
    matches!(c, '\u{5d0}'..='\u{5f2}')
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

/// Where the emoji ends that begins at a place; `None` where none does. Flags are pairs of letters or have letters of their own behind them,
/// keycaps have their mark; every other emoji is one character, once joiners and skin tones are folded away.
fn emoji_end(text: &str, at: usize, first: char) -> Option<usize> {
    let is_flag_letter = |c: &char| matches!(c, '\u{1f1e6}'..='\u{1f1ff}');
    let end = at + first.len_utf8();
    let mut after = text[end..].chars();
    match first {
        '0'..='9' | '#' | '*' => (after.next() == Some(KEYCAP)).then(|| end + KEYCAP.len_utf8()),
        _ if !is_emoji(first) => None,
        TAGGED_FLAG => {
            Some(end + after.take_while(|c| matches!(c, '\u{e0020}'..='\u{e007f}')).map(char::len_utf8).sum::<usize>())
        }
        _ => Some(end + after.next().filter(|c| is_flag_letter(&first) && is_flag_letter(c)).map_or(0, char::len_utf8)),
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
        let mut next = 0;
        units(&folded, &Stemmers::new(), |unit| {
            let mark = match unit.kind {
                UnitKind::Number => return,
                _ if unit.joined => "+",
                _ if unit.position > next => "|",
                _ => "",
            };
            next = unit.position + 1;
            out.push(format!("{mark}{}", unit.text));
        });
        out.join(" ")
    }

    #[test]
    fn texts_fall_into_the_expected_units() {
        for (text, expected) in [
            ("今天天气", "今 +天 +天 +气"),
            ("得，今天", "得 |今 +天"),
            ("今 天\n天", "今 |天 |天"),
            ("#今天 #很好", "今 +天 |很 +好"),
            ("hello, world. «Yes» no\nno", "hello |world |yes no |no"),
            ("3月 A股，B - c", "3 月 a 股 |b |c"),
            ("צה\"ל דו''ח ז'קט", "צהל דוח ז'קט"),
            ("1️⃣Первый ①Второй №5 Harbour™", "1⃣ перв 1 втор no 5 harbor ™"),
            ("#️⃣ 🏴\u{e0067}\u{e007f}🏴 ⏰‼️", "#⃣ 🏴\u{e0067}\u{e007f} 🏴 ⏰ ‼"),
            ("iPhone手机OK", "iphon 手 +机 ok"),
            ("コーヒー々", "コ +ー +ヒ +ー +々"),
            ("running runs", "run run"),
            ("квартиры квартирой", "квартир квартир"),
            ("https://example.com/path_to?x=1", "https exampl com path to |x 1"),
            ("@user_name #Новости 12:30", "user name |новост 12 30"),
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
