//! Snippets and highlighting: the part of a message that matches, as it was written, and where in it the matches are.
//!
//! Matches are looked for in the message again, with the same units that the index is made from; every unit remembers which
//! bytes of the original it came from, so a folded match (`strasse`) marks what was written (`Straße`).

use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation as _;

use super::compile::prefix_stems;
use super::fold::MappedText;
use super::lemmas::Stemmers;
use super::query::{Phrase, PhraseUnit, SearchQuery};
use super::schema::texts;
use super::units::{UnitKind, units};
use crate::model::Message;

/// Longest snippet, in characters as people count them: three lines.
const SNIPPET_LENGTH_MAX: usize = 240;
/// How many characters are shown before the first match.
const CONTEXT_BEFORE: usize = 60;
/// Stands where text was left out.
const ELLIPSIS: &str = "…";

/// A part of a message.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Snippet {
    /// The part as it was written, with `…` where something was left out.
    pub text: String,
    /// The bytes of `text` that match, in order, not overlapping.
    pub highlights: Vec<Range<usize>>,
}

/// A unit of a message's text, with its place in the original.
struct LocatedUnit {
    kind: UnitKind,
    text: String,
    keys: Vec<String>,
    letters: String,
    position: usize,
    origin: Range<usize>,
}

impl LocatedUnit {
    fn is(&self, asked: &PhraseUnit) -> bool {
        let found = |term: &String| *term == self.text || self.keys.contains(term);
        (self.kind == UnitKind::Dense) == (asked.kind == UnitKind::Dense) && asked.terms().iter().any(found)
    }
}

/// Finds what a query matches in a text.
pub(super) struct Highlighter {
    phrases: Vec<Phrase>,
    stemmers: Stemmers,
}

impl Highlighter {
    /// A highlighter of what a query wants to find.
    pub(super) fn new(query: &SearchQuery) -> Self {
        Self { phrases: query.positive_phrases().into_iter().cloned().collect(), stemmers: Stemmers::new() }
    }

    /// The part of a message that matches: of its text, or else of its file name, link, poll ... if those match and it does not.
    pub(super) fn snippet(&self, message: &Message) -> Snippet {
        let mut first = None;
        for text in texts(message) {
            let highlights = self.highlights(text);
            if !highlights.is_empty() {
                return cut(text, &highlights);
            }
            first = first.or(Some(text));
        }
        first.map(|text| cut(text, &[])).unwrap_or_default()
    }

    /// The bytes of a text that match, in order, not overlapping.
    fn highlights(&self, text: &str) -> Vec<Range<usize>> {
        if self.phrases.is_empty() {
            return Vec::new();
        }
        let mapped = MappedText::of(text);
        // Numbers in groups lie over the words that they are made of, and are no part of a phrase.
        let (mut seen, mut numbers) = (Vec::new(), Vec::new());
        units(&mapped.text, &self.stemmers, |unit| {
            let letters = mapped.text.get(unit.bytes.clone()).unwrap_or_default().to_owned();
            let (text, keys) = (unit.text.to_owned(), unit.keys.to_vec());
            let origin = mapped.origin(unit.bytes);
            let into = if unit.kind == UnitKind::Number { &mut numbers } else { &mut seen };
            into.push(LocatedUnit { kind: unit.kind, text, keys, letters, position: unit.position, origin });
        });
        let found = |phrase| matches(phrase, &seen).into_iter().chain(numbers_in(phrase, &numbers));
        let mut found: Vec<Range<usize>> = self.phrases.iter().flat_map(found).collect();
        found.sort_unstable_by_key(|range| range.start);
        let mut merged: Vec<Range<usize>> = Vec::with_capacity(found.len());
        for range in found {
            match merged.last_mut().filter(|last| range.start <= last.end) {
                Some(last) => last.end = last.end.max(range.end),
                None => merged.push(range),
            }
        }
        merged
    }
}

/// Where a phrase stands in a text; if nowhere as a whole (the index is loose about a prefix in a phrase), its parts.
fn matches(phrase: &Phrase, seen: &[LocatedUnit]) -> Vec<Range<usize>> {
    let length = phrase.units.len() + usize::from(phrase.prefix.is_some());
    let whole: Vec<Range<usize>> = seen.windows(length.max(1)).filter(|w| fits(phrase, w)).map(origin).collect();
    if !whole.is_empty() || length < 2 {
        return whole;
    }
    let is_unit = |unit: &LocatedUnit| phrase.units.iter().any(|asked| unit.is(asked));
    let is_part = |unit: &&LocatedUnit| is_unit(unit) || has_prefix(phrase, unit);
    seen.iter().filter(is_part).map(|unit| unit.origin.clone()).collect()
}

/// Where a number stands that a phrase is.
fn numbers_in<'n>(phrase: &Phrase, numbers: &'n [LocatedUnit]) -> impl Iterator<Item = Range<usize>> + use<'n> {
    let asked = match &phrase.units[..] {
        [only] if phrase.prefix.is_none() => Some(only.text.clone()),
        _ => None,
    };
    numbers.iter().filter(move |number| asked.as_deref() == Some(&number.text)).map(|number| number.origin.clone())
}

fn fits(phrase: &Phrase, window: &[LocatedUnit]) -> bool {
    let start = window.first().map_or(0, |first| first.position);
    let base = phrase.units.first().map_or(0, |first| first.position);
    let is_placed = |(asked, seen): (&PhraseUnit, &LocatedUnit)| seen.is(asked) && seen.position - start == asked.position - base;
    let whole = phrase.units.iter().zip(window).all(is_placed);
    whole && (phrase.prefix.is_none() || window.last().is_some_and(|last| has_prefix(phrase, last)))
}

fn has_prefix(phrase: &Phrase, seen: &LocatedUnit) -> bool {
    let Some(prefix) = &phrase.prefix else { return false };
    seen.letters.starts_with(&prefix.letters) || prefix_stems(prefix).any(|stem| stem == seen.text)
}

fn origin(window: &[LocatedUnit]) -> Range<usize> {
    let start = window.first().map_or(0, |unit| unit.origin.start);
    start..window.last().map_or(start, |unit| unit.origin.end)
}

/// Cuts a text down to what is around its first match.
fn cut(text: &str, highlights: &[Range<usize>]) -> Snippet {
    let starts: Vec<usize> = text.grapheme_indices(true).map(|(at, _)| at).collect();
    let first = highlights.first().map_or(0, |h| starts.partition_point(|at| *at <= h.start).saturating_sub(1));
    let last_start = starts.len().saturating_sub(SNIPPET_LENGTH_MAX);
    let from = first.saturating_sub(CONTEXT_BEFORE).min(last_start);
    let start = starts.get(from).copied().unwrap_or(0);
    let end = starts.get(from + SNIPPET_LENGTH_MAX).copied().unwrap_or(text.len());
    let before = if start > 0 { ELLIPSIS } else { "" };
    let after = if end < text.len() { ELLIPSIS } else { "" };
    let shift = |at: usize| at.clamp(start, end) - start + before.len();
    let inside = highlights.iter().filter(|h| h.start < end && h.end > start);
    Snippet {
        text: format!("{before}{}{after}", text.get(start..end).unwrap_or_default()),
        highlights: inside.map(|h| shift(h.start)..shift(h.end)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::{Media, MediaKind, MessageId, MessageKey, PeerId, Timestamp};

    fn message(text: &str) -> Message {
        let mut message = Message::new(MessageKey::new(PeerId(1), MessageId(1)), Timestamp(0));
        text.clone_into(&mut message.text);
        message
    }

    fn marked(query: &str, message: &Message) -> String {
        let snippet = Highlighter::new(&SearchQuery::parse(query).expect("a query")).snippet(message);
        let mut out = snippet.text.clone();
        for range in snippet.highlights.iter().rev() {
            out.insert(range.end, ']');
            out.insert(range.start, '[');
        }
        out
    }

    #[test]
    fn matches_are_marked_as_they_were_written() {
        for (query, text, expected) in [
            ("今天", "我觉得今天天气很好，今天", "我觉得[今天]天气很好，[今天]"),
            ("今天天气", "我觉得今天天气", "我觉得[今天天气]"),
            ("汉语", "學漢語", "學[漢語]"),
            ("strasse", "Die Straße!", "Die [Straße]!"),
            ("книга", "Книгами, ЁЛКИ", "[Книгами], ЁЛКИ"),
            ("runn*", "I was running", "I was [running]"),
            ("-bad good", "good bad", "[good] bad"),
            ("\"b c\"", "a b c b", "a [b c] b"),
            ("ok", "ﬀ ＯＫ ﷺ", "ﬀ [ＯＫ] ﷺ"),
            ("has:photo", "text", "text"),
        ] {
            assert_eq!(marked(query, &message(text)), expected, "{query}");
        }
    }

    #[test]
    fn a_file_name_is_shown_when_the_text_does_not_match() {
        let mut with_file = message("see below");
        with_file.media = Some(Media { name: Some("annual_report.pdf".to_owned()), ..Media::new(MediaKind::File) });
        assert_eq!(marked("report", &with_file), "annual_[report].pdf");
        assert_eq!(marked("below", &with_file), "see [below]");
    }

    #[test]
    fn a_long_text_is_cut_around_the_first_match() {
        let text = format!("{} needle {}", "hay ".repeat(300), "hay ".repeat(300));
        let shown = marked("needle", &message(&text));
        assert!(shown.starts_with('…') && shown.ends_with('…') && shown.contains(" [needle] "), "{shown}");
        assert_eq!(shown.chars().count(), SNIPPET_LENGTH_MAX + 4);
    }

    proptest! {
        #[test]
        fn highlights_are_slices_in_order(text in "\\PC{0,300}", query in "[\\PC&&[^()\":]]{1,6}") {
            if let Ok(query) = SearchQuery::parse(&query) {
                let snippet = Highlighter::new(&query).snippet(&message(&text));
                let mut end = 0;
                for range in snippet.highlights {
                    prop_assert!(range.start >= end && range.end > range.start);
                    prop_assert!(snippet.text.get(range.clone()).is_some());
                    end = range.end;
                }
            }
        }
    }
}
