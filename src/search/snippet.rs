//! Snippets and highlighting: the part of a message that matches, as it was written, and where in it the matches are.
//!
//! Matches are looked for in the message again, with the same units that the index is made from; every unit remembers which
//! bytes of the original it came from, so a folded match (`strasse`) marks what was written (`Straße`).

use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation as _;

use super::fold::MappedText;
use super::lemmas::Stemmers;
use super::places::prefix_stems;
use super::query::{Phrase, PhraseUnit, SearchQuery};
use super::schema::texts;
use super::units::{TokenUnit, UnitKind, units};
use crate::model::Message;

/// Longest snippet, in characters as people count them: three lines.
const SNIPPET_LENGTH_MAX: usize = 240;
/// How many characters are shown before the first match.
const CONTEXT_BEFORE: usize = 60;
/// How many bytes of a long text are looked through first.
const BEGINNING: usize = 1_024;
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

impl SearchQuery {
    /// The part of a message that matches, and where in it.
    #[must_use]
    pub fn snippet(&self, message: &Message) -> Snippet {
        Highlighter::new(self).snippet(message)
    }
}

impl Snippet {
    /// The matches as offsets and lengths in `text`, in UTF-16 code units.
    #[must_use]
    pub fn highlights_utf16(&self) -> Vec<[usize; 2]> {
        let units = |part: Option<&str>| part.unwrap_or_default().encode_utf16().count();
        self.highlights.iter().map(|range| [units(self.text.get(..range.start)), units(self.text.get(range.clone()))]).collect()
    }
}

/// A unit of a message's text: where it is, and what of a query it is.
struct LocatedUnit {
    position: usize,
    origin: Range<usize>,
    is: Vec<Part>,
}

/// A unit of a phrase; its prefix, or what is similar, counts as one behind the others.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Part {
    phrase: usize,
    unit: usize,
}

/// Finds what a query matches in a text.
pub(super) struct Highlighter {
    phrases: Vec<Phrase>,
    /// Bytes of the query.
    length: usize,
    stemmers: Stemmers,
}

impl Highlighter {
    /// A highlighter of what a query wants to find.
    pub(super) fn new(query: &SearchQuery) -> Self {
        Self::of(query, |phrase| !phrase.earlier)
    }

    /// One of what a query wants to find in earlier versions; none where it wants nothing there.
    pub(super) fn of_earlier(query: &SearchQuery) -> Option<Self> {
        Some(Self::of(query, |phrase| phrase.earlier)).filter(|highlighter| !highlighter.phrases.is_empty())
    }

    fn of(query: &SearchQuery, wanted: impl Fn(&Phrase) -> bool) -> Self {
        let phrases = query.positive_phrases().into_iter().filter(|phrase| wanted(phrase)).cloned().collect();
        Self { phrases, length: query.as_str().len(), stemmers: Stemmers::new() }
    }

    /// The part of a message that matches: of its text, or else of its file name, link, poll ... if those match and it does not.
    pub(super) fn snippet(&self, message: &Message) -> Snippet {
        let mut first = None;
        for text in texts(message) {
            if let Some(snippet) = self.at_the_beginning(text) {
                return snippet;
            }
            let highlights = self.highlights(text, true);
            if !highlights.is_empty() {
                return cut(text, around(text, highlights.first()), &highlights);
            }
            first = first.or(Some(text));
        }
        first.map(|text| cut(text, around(text, None), &[])).unwrap_or_default()
    }

    /// The snippet of a long text, if all of it lies in the beginning of the text: then the rest need not be read.
    fn at_the_beginning(&self, text: &str) -> Option<Snippet> {
        // What is asked for may begin in the snippet and end behind it, and what was written may be longer than it was folded.
        let behind = BEGINNING / 4 + 4 * self.length;
        let end = text.floor_char_boundary(BEGINNING + behind);
        if text.len() < 2 * end {
            return None;
        }
        // Not within a word.
        let beginning = text.get(..text.get(..end)?.rfind(char::is_whitespace)?)?;
        // Where a phrase is nowhere as a whole, its parts count; that it is nowhere, the rest would have to tell.
        let highlights = self.highlights(beginning, false);
        let shown = around(text, Some(highlights.first()?));
        (shown.end + behind <= beginning.len()).then(|| cut(text, shown, &highlights))
    }

    /// The bytes of a text that match, in order, not overlapping; of a phrase that is nowhere as a whole its `parts`, or nothing.
    fn highlights(&self, text: &str, parts: bool) -> Vec<Range<usize>> {
        if self.phrases.is_empty() {
            return Vec::new();
        }
        let mapped = MappedText::of(text);
        let (mut seen, mut found) = (Vec::new(), Vec::new());
        units(&mapped.text, &self.stemmers, |unit| {
            // Numbers in groups lie over the words that they are made of, and are no part of a phrase.
            if unit.kind == UnitKind::Number {
                found.extend(
                    self.phrases.iter().filter(|phrase| is_number(phrase, &unit)).map(|_| mapped.origin(unit.bytes.clone())),
                );
                return;
            }
            let letters = mapped.text.get(unit.bytes.clone()).unwrap_or_default();
            seen.push(LocatedUnit { position: unit.position, is: self.parts(&unit, letters), origin: mapped.origin(unit.bytes) });
        });
        found.extend(self.phrases.iter().enumerate().flat_map(|(number, phrase)| matches(number, phrase, &seen, parts)));
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

    /// What of the query a unit is.
    fn parts(&self, seen: &TokenUnit<'_>, letters: &str) -> Vec<Part> {
        let mut parts = Vec::new();
        for (number, phrase) in self.phrases.iter().enumerate() {
            let units = phrase.units.iter().enumerate().filter(|(_, asked)| is(asked, seen, letters)).map(|(unit, _)| unit);
            let last = has_prefix(phrase, seen, letters) || is_similar(phrase, seen);
            let prefix = last.then_some(phrase.units.len());
            parts.extend(units.chain(prefix).map(|unit| Part { phrase: number, unit }));
        }
        parts
    }
}

fn is(asked: &PhraseUnit, seen: &TokenUnit<'_>, letters: &str) -> bool {
    if asked.exact.as_ref().is_some_and(|exact| exact != letters) {
        return false;
    }
    let found = |term: &String| *term == seen.text || seen.keys.contains(term);
    (seen.kind == UnitKind::Dense) == (asked.kind == UnitKind::Dense) && asked.terms().iter().any(found)
}

fn is_number(phrase: &Phrase, number: &TokenUnit<'_>) -> bool {
    matches!(&phrase.units[..], [only] if phrase.prefix.is_none() && only.text == number.text)
}

fn has_prefix(phrase: &Phrase, seen: &TokenUnit<'_>, letters: &str) -> bool {
    let Some(prefix) = &phrase.prefix else { return false };
    letters.starts_with(&prefix.letters) || prefix_stems(prefix).any(|stem| stem == seen.text)
}

fn is_similar(phrase: &Phrase, seen: &TokenUnit<'_>) -> bool {
    let Some(similar) = &phrase.similar else { return false };
    seen.kind == UnitKind::Word && (similar.is(seen.text) || seen.keys.iter().any(|key| similar.is(key)))
}

/// Where a phrase stands in a text; if nowhere as a whole (the index is loose about a prefix in a phrase), its parts.
fn matches(number: usize, phrase: &Phrase, seen: &[LocatedUnit], parts: bool) -> Vec<Range<usize>> {
    let is_part = |unit: &&LocatedUnit| unit.is.iter().any(|part| part.phrase == number);
    if !seen.iter().any(|unit| is_part(&unit)) {
        return Vec::new();
    }
    let length = phrase.units.len() + usize::from(phrase.has_last());
    let whole: Vec<Range<usize>> = seen.windows(length.max(1)).filter(|w| fits(number, phrase, w)).map(origin).collect();
    if !whole.is_empty() || length < 2 || !parts {
        return whole;
    }
    seen.iter().filter(is_part).map(|unit| unit.origin.clone()).collect()
}

fn fits(number: usize, phrase: &Phrase, window: &[LocatedUnit]) -> bool {
    let start = window.first().map_or(0, |first| first.position);
    let base = phrase.units.first().map_or(0, |first| first.position);
    let is = |seen: &LocatedUnit, unit: usize| seen.is.contains(&Part { phrase: number, unit });
    let mut placed = phrase.units.iter().enumerate().zip(window);
    placed.all(|((unit, asked), seen)| is(seen, unit) && seen.position - start == asked.position - base)
        && (!phrase.has_last() || window.last().is_some_and(|last| is(last, phrase.units.len())))
}

fn origin(window: &[LocatedUnit]) -> Range<usize> {
    let start = window.first().map_or(0, |unit| unit.origin.start);
    start..window.last().map_or(start, |unit| unit.origin.end)
}

/// What is shown of a text: the bytes around its first match.
fn around(text: &str, first: Option<&Range<usize>>) -> Range<usize> {
    if text.len() <= SNIPPET_LENGTH_MAX {
        return 0..text.len();
    }
    let before = text.get(..first.map_or(0, |first| first.start)).unwrap_or_default();
    let start = before.grapheme_indices(true).rev().nth(CONTEXT_BEFORE - 1).map_or(0, |(start, _)| start);
    match text.get(start..).unwrap_or_default().grapheme_indices(true).nth(SNIPPET_LENGTH_MAX) {
        Some((length, _)) => start..start + length,
        // The end of the text: more of what is before it.
        None => text.grapheme_indices(true).rev().nth(SNIPPET_LENGTH_MAX - 1).map_or(0, |(start, _)| start)..text.len(),
    }
}

/// Cuts a text down to some of its bytes.
fn cut(text: &str, Range { start, end }: Range<usize>, highlights: &[Range<usize>]) -> Snippet {
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
        let at_the_end = format!("{} needle", "hay ".repeat(300));
        let shown = marked("needle", &message(&at_the_end));
        assert!(shown.starts_with('…') && shown.ends_with(" [needle]"), "{shown}");
        assert_eq!(shown.chars().count(), SNIPPET_LENGTH_MAX + 3);
    }

    #[test]
    fn a_long_text_is_shown_as_if_all_of_it_were_read() {
        let haystack = |count: usize| "hay und 草 ".repeat(count);
        for (query, before) in
            [("needle", 0), ("needle", 40), ("needle", 90), ("needle", 140), ("\"needle hay\"", 100), ("草 needle", 3)]
        {
            let text = format!("{}needle {}needle {}", haystack(before), haystack(20), haystack(400));
            let highlighter = Highlighter::new(&SearchQuery::parse(query).expect("a query"));
            let highlights = highlighter.highlights(&text, true);
            let whole = cut(&text, around(&text, highlights.first()), &highlights);
            assert_eq!(highlighter.snippet(&message(&text)), whole, "{query} {before}");
        }
        let highlighter = Highlighter::new(&SearchQuery::parse("needle").expect("a query"));
        assert!(highlighter.at_the_beginning(&format!("needle {}", haystack(400))).is_some(), "or it is no trial of anything");
    }

    #[test]
    fn a_part_of_a_phrase_in_the_beginning_of_a_long_text_does_not_hide_the_phrase_behind_it() {
        for (query, text, found) in [("今天", "昨天天气，今年 ", "[今天]"), ("\"data leak\"", "data of a leak ", "[data leak]")]
        {
            let wanted = found.trim_matches(['[', ']']);
            let text = format!("{text}{}{wanted} {}", "草地 hay ".repeat(100), "草地 hay ".repeat(800));
            let shown = marked(query, &message(&text));
            assert!(shown.contains(found) && shown.matches('[').count() == 1, "{shown}");
        }
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
