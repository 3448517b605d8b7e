//! What a phrase asks for, in terms of the index: which terms, at which places. The one rule for [`compile`](super::compile), which asks the index,
//! and for [`matcher`](super::matcher), which looks at one message.
//!
//! The query side of the analyser is here, and it is not the index side: a single dense character is a term of the field of single
//! characters, a pair (bigram) is a term, and a longer run is a phrase of every second pair and the last one. (Made by the index
//! side, the run 北京 would end in a lone 京 and miss 北京大学.) Beside words and across breaks a single character has a place; see
//! `analyser`. A word whose forms have several terms is any of them.

use std::borrow::Cow;

use super::PREFIX_LENGTH_MIN;
use super::analyser::pair_apart;
use super::query::{Phrase, PhraseUnit, Prefix};
use super::units::UnitKind;

/// How many letters a stem may be shorter than the `prefix*` that is to find it: `runnin*` finds `run`, the stem of running.
const STEM_SHORTER_MAX: usize = 4;
/// Most phrases that words with several terms make of one: four words with two each. Of what would be more, only the first term counts.
const PHRASES_MAX: usize = 16;

/// What is asked for at one place of a phrase.
#[derive(Clone, Debug)]
pub(super) struct Place<'p> {
    pub(super) offset: usize,
    /// Any of these.
    pub(super) terms: Vec<Cow<'p, str>>,
    /// The stem of the form of the word that was asked for, if it is one.
    pub(super) exact: Option<&'p str>,
    /// The folded letters that the word must have been made of, where no other form will do: the index does not know them.
    pub(super) letters: Option<&'p str>,
}

/// The units of a phrase, each at its place.
#[derive(Clone, Debug, Default)]
pub(super) struct PhrasePlaces<'p> {
    /// The character that the phrase is, where it is a single one of a script without spaces: it has no place.
    pub(super) single: Option<&'p str>,
    pub(super) places: Vec<Place<'p>>,
}

/// All units of a phrase, each at its place.
pub(super) fn places(phrase: &Phrase) -> PhrasePlaces<'_> {
    let mut all = PhrasePlaces::default();
    let mut at = 0;
    while let Some(unit) = phrase.units.get(at) {
        let before = at.checked_sub(1).and_then(|before| phrase.units.get(before));
        if unit.kind == UnitKind::Dense {
            let run = run(&phrase.units[at..]);
            at += run.len();
            dense(&mut all.places, before, run, phrase.units.get(at));
            if run.len() == phrase.units.len() && run.len() == 1 {
                all.single = Some(&unit.text);
            }
        } else {
            at += 1;
            let terms = unit.terms().iter().map(|text| Cow::Borrowed(text.as_str())).collect();
            all.places.push(Place { offset: unit.position, terms, exact: Some(&unit.text), letters: unit.exact.as_deref() });
        }
    }
    all
}

/// The places of a run of dense characters, between what stands before and after it.
fn dense<'p>(places: &mut Vec<Place<'p>>, before: Option<&PhraseUnit>, run: &'p [PhraseUnit], after: Option<&PhraseUnit>) {
    let Some(first) = run.first() else { return };
    let mut push = |offset, term| places.push(Place { offset, terms: vec![term], exact: None, letters: None });
    match before {
        Some(before) if before.kind == UnitKind::Dense => {
            push(before.position, Cow::Owned(pair_apart(&before.text, &first.text)));
        }
        _ => {}
    }
    let is_word = |unit: Option<&PhraseUnit>| unit.is_some_and(|unit| unit.kind == UnitKind::Word);
    if run.len() == 1 && (is_word(before) || is_word(after)) {
        push(first.position, Cow::Borrowed(first.text.as_str()));
    }
    // The pairs that a run of two or more characters is made of: every second one, and the last.
    let last = run.len().saturating_sub(2);
    for (offset, pair) in run.windows(2).enumerate().filter(|(offset, _)| offset % 2 == 0 || *offset == last) {
        push(first.position + offset, Cow::Owned(pair.iter().map(|unit| unit.text.as_str()).collect()));
    }
}

/// The dense characters at the start that follow each other directly.
fn run(units: &[PhraseUnit]) -> &[PhraseUnit] {
    let goes_on = units.iter().skip(1).take_while(|unit| unit.kind == UnitKind::Dense && unit.joined).count();
    &units[..=goes_on]
}

/// Each choice among the terms of some places.
pub(super) fn choices<'p>(places: &'p [Place<'p>]) -> Vec<Vec<(usize, &'p str)>> {
    let mut all = vec![Vec::with_capacity(places.len())];
    for place in places {
        let count = if all.len() * place.terms.len() > PHRASES_MAX { 1 } else { place.terms.len() };
        let chosen = &place.terms[..count];
        let extended = |phrase: Vec<(usize, &'p str)>| {
            chosen.iter().map(move |term| [phrase.clone(), vec![(place.offset, term.as_ref())]].concat())
        };
        all = all.into_iter().flat_map(extended).collect();
    }
    all
}

/// The stems, other than those that begin with the letters, of words that do.
pub(super) fn prefix_stems(prefix: &Prefix) -> impl Iterator<Item = &str> {
    let letters = &prefix.letters;
    let shorter = letters.char_indices().rev().map(|(end, _)| &letters[..end]).take(STEM_SHORTER_MAX);
    let shorter = shorter.filter(|beginning| beginning.chars().nth(PREFIX_LENGTH_MIN - 1).is_some());
    shorter.chain(prefix.stems.iter().map(String::as_str))
}
