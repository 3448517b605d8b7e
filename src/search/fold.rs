//! Folding (Unicode normalisation and case folding): what different spellings of the same text have in common.
//!
//! NFKC, lower case, one form of each Chinese character, ASCII digits, and letters as `letters` has them. Percent-encoded UTF-8 (of
//! addresses) is decoded. Every folded character remembers the bytes of the original that it came from, because NFKC shifts offsets and
//! snippets show the original.
//!
//! Folding is local: what becomes of a character depends only on it and on what is attached to it, so that a piece cut out of a text folds
//! to a piece of the folded text. That is why Chinese is folded character by character and not by words, at the price of a few
//! characters (乾) that a dictionary of words would have kept apart.

use std::ops::Range;

use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::canonical_combining_class;

use super::letters::{fold_letter, is_emoji, is_sign, one_of_its_class};

/// Stands between a sign that was folded to letters or digits (№, ①) and what was written beside it: both are words of their own.
pub(super) const SEPARATOR: char = '\u{1f}';
/// What makes a keycap of a digit, `#` or `*`.
pub(super) const KEYCAP: char = '\u{20e3}';
/// The flag that letters of its own kind (tags) make the flag of a part of a country.
pub(super) const TAGGED_FLAG: char = '\u{1f3f4}';

/// Receives folded characters.
pub(super) trait FoldSink {
    /// Takes a character and the bytes of the original text it came from.
    fn push(&mut self, folded: char, from: Range<usize>);
}

impl FoldSink for String {
    fn push(&mut self, folded: char, _from: Range<usize>) {
        Self::push(self, folded);
    }
}

/// Folded text that remembers where each byte of it came from.
#[derive(Debug)]
pub(super) struct MappedText {
    /// The folded text.
    pub(super) text: String,
    /// For each of its bytes, the original bytes.
    origins: Vec<Range<usize>>,
}

impl MappedText {
    /// Folds a text.
    pub(super) fn of(text: &str) -> Self {
        // Most letters are folded to as many bytes as they had.
        let mut mapped = Self { text: String::with_capacity(text.len()), origins: Vec::with_capacity(text.len()) };
        fold(text, &mut mapped);
        mapped
    }

    /// The original bytes of a range of folded bytes that is not empty.
    pub(super) fn origin(&self, folded: Range<usize>) -> Range<usize> {
        let first = self.origins.get(folded.start).map_or(0, |o| o.start);
        let last = folded.end.checked_sub(1).and_then(|at| self.origins.get(at)).map_or(first, |o| o.end);
        first..last.max(first)
    }
}

impl FoldSink for MappedText {
    fn push(&mut self, folded: char, from: Range<usize>) {
        self.text.push(folded);
        self.origins.extend(std::iter::repeat_n(from, folded.len_utf8()));
    }
}

/// The text of an escape: three bytes for each of its own.
struct Decoded<'s> {
    sink: &'s mut dyn FoldSink,
    start: usize,
}

impl FoldSink for Decoded<'_> {
    fn push(&mut self, folded: char, from: Range<usize>) {
        self.sink.push(folded, self.start + 3 * from.start..self.start + 3 * from.end);
    }
}

/// Folds a text into a sink.
pub(super) fn fold<S: FoldSink>(text: &str, sink: &mut S) {
    let mut at = 0;
    let mut after_sign = false;
    while let Some(c) = text[at..].chars().next() {
        let next = at + c.len_utf8();
        let sign = is_sign(c);
        if sign != after_sign {
            sink.push(SEPARATOR, at..next);
        }
        after_sign = sign;
        // What most text is made of: it cannot change in NFKC, whatever follows (marks on Latin letters are dropped).
        at = if c.is_ascii() {
            ascii(text, at, c, sink)
        } else if let Some(one) = one_of_its_class(c) {
            sink.push(one, at..next);
            next
        } else if is_emoji(c) {
            emoji(text, at, c, sink)
        } else {
            composed(text, at, next, c, sink)
        };
    }
}

/// Folds an ASCII character with what is attached to it, and returns where it ends.
fn ascii<S: FoldSink>(text: &str, at: usize, c: char, sink: &mut S) -> usize {
    let next = at + 1;
    match c {
        '0'..='9' | '#' | '*' => {
            let rest = text[next..].trim_start_matches('\u{fe0f}');
            sink.push(c, at..next);
            if rest.starts_with(KEYCAP) {
                let end = text.len() - rest.len() + KEYCAP.len_utf8();
                sink.push(KEYCAP, next..end);
                return end;
            }
            next
        }
        '`' => {
            sink.push('\'', at..next);
            next
        }
        '%' => {
            let decoded = decoded(text, at);
            if decoded.is_empty() {
                sink.push(c, at..next);
                return next;
            }
            fold(&decoded, &mut Decoded { sink, start: at });
            at + 3 * decoded.len()
        }
        _ => {
            sink.push(c.to_ascii_lowercase(), at..next);
            next
        }
    }
}

/// What a run of percent escapes says; empty where it is none. Letters and digits of ASCII are never escaped, and `50%20` without a letter
/// after it is a number.
fn decoded(text: &str, start: usize) -> String {
    let mut bytes = Vec::new();
    let mut rest = &text.as_bytes()[start..];
    while let [b'%', high, low, after @ ..] = rest
        && let Some(byte) = hex(*high).zip(hex(*low)).map(|(high, low)| high << 4 | low)
        && !byte.is_ascii_alphanumeric()
    {
        bytes.push(byte);
        rest = after;
    }
    if bytes.is_empty() {
        return String::new();
    }
    let valid = match std::str::from_utf8(&bytes) {
        Ok(valid) => valid,
        Err(error) => std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default(),
    };
    let number = text[..start].ends_with(|c: char| c.is_ascii_digit()) && !rest.first().is_some_and(u8::is_ascii_alphanumeric);
    if valid.is_ascii() && number { String::new() } else { valid.to_owned() }
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

/// An emoji stays what it is, without its variation and its skin tone, and returns where it ends.
fn emoji<S: FoldSink>(text: &str, at: usize, c: char, sink: &mut S) -> usize {
    let mut end = at + c.len_utf8();
    sink.push(c, at..end);
    for next in text[end..].chars() {
        let after = end + next.len_utf8();
        match next {
            '\u{fe00}'..='\u{fe0f}' | '\u{1f3fb}'..='\u{1f3ff}' => {}
            '\u{e0020}'..='\u{e007f}' if c == TAGGED_FLAG => sink.push(next, end..after),
            _ => break,
        }
        end = after;
    }
    end
}

/// Folds a character with the marks that may compose with it, and returns where they end.
fn composed<S: FoldSink>(text: &str, at: usize, next: usize, c: char, sink: &mut S) -> usize {
    let rest = text[next..].trim_start_matches(continues);
    let end = text.len() - rest.len();
    match c {
        'а'..='я' if end == next => sink.push(c, at..end),
        // NFKC makes a space and a mark of it.
        '\u{b4}' => sink.push('\'', at..end),
        _ => {
            for c in text[at..end].nfkc().flat_map(char::to_lowercase) {
                fold_letter(c, |folded| sink.push(folded, at..end));
            }
        }
    }
    end
}

/// Whether a character can compose with the one before it.
fn continues(c: char) -> bool {
    match c {
        // Latin, Greek, Cyrillic, Chinese: what most text is made of need not be looked up.
        '\0'..='\u{2ff}' | '\u{370}'..='\u{482}' | '\u{3400}'..='\u{9fff}' => false,
        // Vowels and finals of Hangul in letters, voicing marks of half-width Katakana.
        '\u{1160}'..='\u{11ff}' | '\u{d7b0}'..='\u{d7ff}' | '\u{ff9e}' | '\u{ff9f}' => true,
        _ => canonical_combining_class(c) != 0,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn folded(text: &str) -> String {
        let mut out = String::new();
        fold(text, &mut out);
        out
    }

    #[test]
    fn spellings_of_the_same_text_fold_to_one() {
        for (text, same) in [
            ("Ёлка", "елка"),
            ("Café CAFE\u{301}", "cafe cafe"),
            ("ＡＢＣ１２３", "abc123"),
            ("ｶﾞｷﾞ か\u{3099}", "ガギ が"),
            ("Straße ÆØŁ", "strasse aeol"),
            ("за\u{301}мок", "замок"),
            ("и\u{306}од ЙОД", "йод йод"),
            ("مُحَمَّد", "محمد"),
            ("ΟΔΌΣ", "οδοσ"),
            ("don’t", "don't"),
            ("\u{1112}\u{1161}\u{11ab}", "한"),
            ("İstanbul ığdır", "istanbul igdir"),
            ("Việt Nam", "viet nam"),
            ("سال ۱۴۰۲ ١٢٣ १२३ ๔๕", "سال 1402 123 123 45"),
            ("شرکة مستشفى آخر", "شركه مستشفي اخر"),
            ("Oʻz O`z O´z Oʼz ז׳", "o'z o'z o'z o'z ז'"),
            ("צה״ל צה“ל", "צה\"ל צה\"ל"),
            ("क\u{93c}लम \u{958}लम ऩ", "कलम कलम न"),
            ("wiki/%D0%9A%D0%B8%D0%B5%D0%B2%20%e6%bc%a2", "wiki/киев 汉"),
            ("50%20 100% %zz a%20b %D0", "50%20 100% %zz a b %d0"),
            ("т\u{200b}ек\u{ad}с\u{3164}т", "текст"),
            ("1️⃣ #⃣ 👍🏽 🏽 ❤️", "1⃣ #⃣ 👍 🏽 ❤"),
        ] {
            assert_eq!(folded(text), same, "{text}");
        }
    }

    #[test]
    fn simplified_traditional_and_japanese_characters_are_one() {
        for forms in [
            "漢語 汉语",
            "簡體 简体",
            "臺灣 台灣 台湾 臺湾",
            "隨著 随着",
            "回覆 回复",
            "瀋陽 沈阳",
            "諮詢 咨询",
            "重疊 重叠",
            "品嚐 品尝",
            "藉口 借口",
            "牠們 它们",
            "項鍊 项链",
            "彆扭 别扭",
            "頭髮 头发",
            "乾淨 干净",
            "後來 后来",
            "気 氣 气",
            "発 發 发",
            "辺 邊 边",
            "桜 櫻 樱",
            "駅 驛 驿",
            "説 說 说",
        ] {
            let mut forms = forms.split(' ');
            let first = folded(forms.next().expect("a form"));
            for other in forms {
                assert_eq!(folded(other), first, "{other}");
            }
        }
        for [one, other] in [["連", "聯"], ["芸", "艺"], ["缺", "欠"], ["今", "令"]] {
            assert_ne!(folded(one), folded(other));
        }
    }

    #[test]
    fn offsets_lead_back_to_the_original() {
        let text = "ﬁn ﷺ Straße 漢 %D0%9A%D0%B8";
        let mapped = MappedText::of(text);
        let origin = |part: &str| {
            let at = mapped.text.find(part).expect("folded");
            &text[mapped.origin(at..at + part.len())]
        };
        assert_eq!(origin("strasse"), "Straße");
        assert_eq!(origin("汉"), "漢");
        assert_eq!(origin("f"), "ﬁ");
        assert_eq!(origin("ки"), "%D0%9A%D0%B8");
        assert_eq!(origin("и"), "%D0%B8");
    }

    #[test]
    fn what_need_not_be_looked_up_would_be_found_to_be_no_mark() {
        for c in ('\0'..='\u{9fff}').filter(|c| canonical_combining_class(*c) != 0) {
            assert!(continues(c), "{c:?}");
        }
    }

    proptest! {
        #[test]
        fn both_sinks_agree_and_origins_are_slices(text in "(\\PC|%[0-9A-F]{2}|%25|[①№🏴1]){0,40}") {
            let mapped = MappedText::of(&text);
            prop_assert_eq!(&mapped.text, &folded(&text));
            for (at, c) in mapped.text.char_indices() {
                let origin = mapped.origin(at..at + c.len_utf8());
                prop_assert!(text.get(origin.clone()).is_some_and(|t| !t.is_empty()), "{origin:?}");
            }
        }
    }
}
