//! Folding (Unicode normalisation and case folding): what different spellings of the same text have in common.
//!
//! NFKC, lower case, Traditional to Simplified Chinese, ё to е, and no diacritics on Latin, Greek, Hebrew and Arabic letters.
//! Every folded character remembers the bytes of the original that it came from, because NFKC shifts offsets and snippets show
//! the original. Folding is local: what becomes of a character depends only on it and on the marks that follow it, so that a
//! piece cut out of a text folds to a piece of the folded text. That is why Chinese is folded character by character and not
//! by words, at the price of a few characters (乾) that a dictionary of words would have kept apart.

use std::ops::Range;
use std::sync::LazyLock;

use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::{canonical_combining_class, decompose_canonical, is_combining_mark};

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
#[derive(Debug, Default)]
pub(super) struct MappedText {
    /// The folded text.
    pub(super) text: String,
    /// For each of its bytes, the original bytes.
    origins: Vec<Range<usize>>,
}

impl MappedText {
    /// Folds a text.
    pub(super) fn of(text: &str) -> Self {
        let mut mapped = Self::default();
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

/// Folds a text into a sink.
pub(super) fn fold(text: &str, sink: &mut impl FoldSink) {
    let mut chars = text.char_indices().peekable();
    while let Some((start, c)) = chars.next() {
        let next = start + c.len_utf8();
        // The two that most text is made of: neither can change in NFKC, whatever follows (marks on Latin letters are dropped).
        if c.is_ascii() {
            sink.push(c.to_ascii_lowercase(), start..next);
            continue;
        }
        if let Some(simplified) = simplified(c) {
            sink.push(simplified, start..next);
            continue;
        }
        let mut end = next;
        while let Some((at, mark)) = chars.next_if(|(_, c)| continues(*c)) {
            end = at + mark.len_utf8();
        }
        if end == next && matches!(c, 'а'..='я') {
            sink.push(c, start..end);
            continue;
        }
        for c in text[start..end].nfkc() {
            for c in c.to_lowercase() {
                fold_char(c, start..end, sink);
            }
        }
    }
}

/// Whether a character can compose with the one before it.
fn continues(c: char) -> bool {
    match c {
        '\0'..='\u{2ff}' => false,
        // Vowels and finals of Hangul in letters, voicing marks of half-width Katakana.
        '\u{1160}'..='\u{11ff}' | '\u{d7b0}'..='\u{d7ff}' | '\u{ff9e}' | '\u{ff9f}' => true,
        _ => canonical_combining_class(c) != 0,
    }
}

fn fold_char(c: char, from: Range<usize>, sink: &mut impl FoldSink) {
    let several = match c {
        'ё' => "е",
        'ß' => "ss",
        'æ' => "ae",
        'œ' => "oe",
        'ø' => "o",
        'đ' | 'ð' => "d",
        'ł' => "l",
        'þ' => "th",
        'ı' => "i",
        'ħ' => "h",
        'ς' => "σ",
        '\u{2018}' | '\u{2019}' | '\u{2bc}' => "'",
        _ if is_dropped(c) => "",
        '\u{c0}'..='\u{24f}' | '\u{1e00}'..='\u{1eff}' | '\u{370}'..='\u{3ff}' | '\u{1f00}'..='\u{1fff}' => {
            decompose_canonical(c, |c| {
                if !is_combining_mark(c) {
                    sink.push(c, from.clone());
                }
            });
            return;
        }
        // Also those that NFKC made of compatibility ideographs and radicals.
        _ => return sink.push(simplified(c).unwrap_or(c), from),
    };
    for c in several.chars() {
        sink.push(c, from.clone());
    }
}

/// Diacritics, vowel points, and what has no shape of its own.
fn is_dropped(c: char) -> bool {
    matches!(c,
        '\u{300}'..='\u{36f}'
        // Hebrew points; Arabic vowels, Koranic marks and the lengthening stroke.
        | '\u{591}'..='\u{5bd}' | '\u{5bf}' | '\u{5c1}' | '\u{5c2}' | '\u{5c4}' | '\u{5c5}' | '\u{5c7}'
        | '\u{610}'..='\u{61a}' | '\u{640}' | '\u{64b}'..='\u{65f}' | '\u{670}' | '\u{6d6}'..='\u{6dc}' | '\u{6df}'..='\u{6e4}'
        | '\u{6e7}' | '\u{6e8}' | '\u{6ea}'..='\u{6ed}'
        // Soft hyphen, joiners, directions, byte order mark, variation selectors, skin tones.
        | '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}' | '\u{1f3fb}'..='\u{1f3ff}')
}

/// Where the Chinese characters of the basic plane begin; those before it are not in the dictionary.
const HAN_FIRST: u32 = 0x3400;
/// Where they end.
const HAN_LAST: u32 = 0x9fff;

/// The Simplified form of every character from [`HAN_FIRST`] to [`HAN_LAST`]: 28 thousand characters, made once.
static SIMPLIFIED: LazyLock<Box<[char]>> = LazyLock::new(|| {
    (HAN_FIRST..=HAN_LAST)
        .filter_map(char::from_u32)
        .map(|c| fast2s::convert(c.encode_utf8(&mut [0; 4])).chars().next().unwrap_or(c))
        .collect()
});

/// The Simplified form of a Chinese character of the basic plane; `None` for everything else.
fn simplified(c: char) -> Option<char> {
    if !matches!(c, '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}') {
        return None;
    }
    let at = usize::try_from(u32::from(c) - HAN_FIRST).ok()?;
    SIMPLIFIED.get(at).copied()
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
            ("漢語 簡體 臺灣", "汉语 简体 台湾"),
            ("ｶﾞｷﾞ か\u{3099}", "ガギ が"),
            ("Straße ÆØŁ", "strasse aeol"),
            ("за\u{301}мок", "замок"),
            ("и\u{306}од ЙОД", "йод йод"),
            ("مُحَمَّد", "محمد"),
            ("ΟΔΌΣ", "οδοσ"),
            ("don’t", "don't"),
            ("\u{1112}\u{1161}\u{11ab}", "한"),
            ("İstanbul", "istanbul"),
            ("Việt Nam", "viet nam"),
        ] {
            assert_eq!(folded(text), same, "{text}");
        }
    }

    #[test]
    fn offsets_lead_back_to_the_original() {
        let text = "ﬁn ﷺ Straße 漢";
        let mapped = MappedText::of(text);
        let at = mapped.text.find("strasse").expect("folded");
        assert_eq!(&text[mapped.origin(at..at + "strasse".len())], "Straße");
        let at = mapped.text.find('汉').expect("folded");
        assert_eq!(&text[mapped.origin(at..at + 3)], "漢");
        assert_eq!(&text[mapped.origin(0..1)], "ﬁ");
    }

    proptest! {
        #[test]
        fn both_sinks_agree_and_origins_are_slices(text in "\\PC{0,40}") {
            let mapped = MappedText::of(&text);
            prop_assert_eq!(&mapped.text, &folded(&text));
            for (at, c) in mapped.text.char_indices() {
                let origin = mapped.origin(at..at + c.len_utf8());
                prop_assert!(text.get(origin.clone()).is_some_and(|t| !t.is_empty()), "{origin:?}");
            }
        }
    }
}
