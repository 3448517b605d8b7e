//! The query compiler: from a parsed query to Tantivy's.
//!
//! The query side of the analyser is here, and it is not the index side: a single dense character goes to the field of single
//! characters, a pair (bigram) is a term, and a longer run is a phrase of every second pair and the last one. (Made by the index
//! side, the run 北京 would end in a lone 京 and miss 北京大学.) Beside words and across breaks a single character has a place; see
//! `analyser`. A word whose forms have several terms is any of them.

use std::ops::Bound;

use tantivy::Term;
use tantivy::query::{
    AllQuery, BooleanQuery, ConstScoreQuery, FuzzyTermQuery, Occur, PhraseQuery, Query as Asked, RangeQuery, TermQuery,
};
use tantivy::schema::{Field, IndexRecordOption};

use super::analyser::pair_apart;
use super::excluded::Excluded;
use super::query::{Filter, Node, PeerRef, Phrase, PhraseUnit, Prefix, QueryError, SearchQuery};
use super::schema::{Fields, IS_DELETED};
use super::units::UnitKind;
use super::{PREFIX_LENGTH_MIN, SearchError};
use crate::archive::Snapshot;
use crate::model::{PeerId, Timestamp};

/// How many letters a stem may be shorter than the `prefix*` that is to find it: `runnin*` finds `run`, the stem of running.
const STEM_SHORTER_MAX: usize = 4;
/// Most phrases that words with several terms make of one: four words with two each. Of what would be more, only the first term counts.
const PHRASES_MAX: usize = 16;

/// Makes Tantivy's query.
pub(super) fn compile(query: &SearchQuery, fields: Fields, archive: &Snapshot) -> Result<Box<dyn Asked>, SearchError> {
    let compiler = Compiler { fields, archive };
    let asked = compiler.node(query.root())?;
    if query.mentions_deleted() {
        return Ok(asked);
    }
    let deleted = Term::from_field_text(fields.tag, IS_DELETED);
    Ok(Box::new(BooleanQuery::new(vec![(Occur::Must, asked), (Occur::MustNot, term(deleted, IndexRecordOption::Basic))])))
}

struct Compiler<'a> {
    fields: Fields,
    archive: &'a Snapshot,
}

impl Compiler<'_> {
    fn node(&self, node: &Node) -> Result<Box<dyn Asked>, SearchError> {
        match node {
            Node::All => Ok(everything()),
            Node::And(nodes) => self.all(nodes),
            Node::Or(nodes) => {
                let any: Result<Vec<_>, _> = nodes.iter().map(|node| self.node(node)).collect();
                Ok(Box::new(BooleanQuery::union(any?)))
            }
            Node::Not(_) => self.all(std::slice::from_ref(node)),
            Node::Text(piece) => Ok(self.piece(piece)),
            Node::Filter(at, filter) => {
                let filter = self.filter(*at, filter)?;
                // Filters choose; only words say how well a message fits.
                Ok(Box::new(ConstScoreQuery::new(filter, 0.0)))
            }
        }
    }

    fn all(&self, nodes: &[Node]) -> Result<Box<dyn Asked>, SearchError> {
        let mut clauses: Vec<(Occur, Box<dyn Asked>)> = Vec::with_capacity(nodes.len() + 1);
        for node in nodes {
            clauses.push(match node {
                Node::Not(not) => (Occur::MustNot, Box::new(Excluded(self.node(not)?))),
                other => (Occur::Must, self.node(other)?),
            });
        }
        if clauses.iter().all(|(occur, _)| *occur == Occur::MustNot) {
            clauses.push((Occur::Must, everything()));
        }
        Ok(Box::new(BooleanQuery::new(clauses)))
    }

    fn filter(&self, at: usize, filter: &Filter) -> Result<Box<dyn Asked>, SearchError> {
        let exact = |field: Field, value: i64| term(Term::from_field_i64(field, value), IndexRecordOption::Basic);
        let date = |t: Timestamp| Term::from_field_i64(self.fields.date, t.0);
        Ok(match filter {
            Filter::In(who) => exact(self.fields.peer, self.who(at, who)?.0),
            Filter::From(who) => exact(self.fields.sender, self.who(at, who)?.0),
            Filter::Tag(tag) => term(Term::from_field_text(self.fields.tag, tag), IndexRecordOption::Basic),
            Filter::NotBefore(t) => Box::new(RangeQuery::new(Bound::Included(date(*t)), Bound::Unbounded)),
            Filter::Before(t) => Box::new(RangeQuery::new(Bound::Unbounded, Bound::Excluded(date(*t)))),
        })
    }

    fn who(&self, at: usize, who: &PeerRef) -> Result<PeerId, SearchError> {
        match who {
            PeerRef::Id(id) => Ok(*id),
            PeerRef::Username(username) => match self.archive.view().peer_by_username(username)? {
                Some(peer) => Ok(peer.id),
                None => {
                    let what = format!(
                        "no archived peer has the username `@{username}`; look it up with `telescribe peers`, or give its id"
                    );
                    Err(QueryError { at, what }.into())
                }
            },
        }
    }

    /// All units of a piece, each at its place.
    fn piece(&self, piece: &Phrase) -> Box<dyn Asked> {
        let mut places: Vec<Place<'_>> = Vec::new();
        let mut clauses = Vec::new();
        let mut at = 0;
        while let Some(unit) = piece.units.get(at) {
            let before = at.checked_sub(1).and_then(|before| piece.units.get(before));
            if unit.kind == UnitKind::Dense {
                let run = run(&piece.units[at..]);
                at += run.len();
                self.dense(&mut places, before, run, piece.units.get(at));
                if run.len() == piece.units.len() && run.len() == 1 {
                    clauses.push(term(Term::from_field_text(self.fields.chars, &unit.text), IndexRecordOption::Basic));
                }
            } else {
                at += 1;
                let terms = unit.terms().iter().map(|text| self.text(text)).collect();
                places.push(Place { offset: unit.position, terms, exact: Some(&unit.text) });
            }
        }
        match places.len() {
            0 => {}
            1 => clauses.extend(places.pop().map(|only| self.one(only))),
            _ => clauses.push(phrases(places)),
        }
        clauses.extend(piece.prefix.as_ref().map(|prefix| self.prefix(prefix)));
        match clauses.len() {
            1 => clauses.remove(0),
            _ => Box::new(BooleanQuery::intersection(clauses)),
        }
    }

    /// The places of a run of dense characters, between what stands before and after it.
    fn dense(&self, places: &mut Vec<Place<'_>>, before: Option<&PhraseUnit>, run: &[PhraseUnit], after: Option<&PhraseUnit>) {
        let Some(first) = run.first() else { return };
        let mut push = |offset, term| places.push(Place { offset, terms: vec![term], exact: None });
        match before {
            Some(before) if before.kind == UnitKind::Dense => {
                push(before.position, self.text(&pair_apart(&before.text, &first.text)))
            }
            _ => {}
        }
        let is_word = |unit: Option<&PhraseUnit>| unit.is_some_and(|unit| unit.kind == UnitKind::Word);
        if run.len() == 1 && (is_word(before) || is_word(after)) {
            push(first.position, self.text(&first.text));
        }
        for (offset, pair) in self.pairs(run) {
            push(first.position + offset, pair);
        }
    }

    fn text(&self, text: &str) -> Term {
        Term::from_field_text(self.fields.text, text)
    }

    /// One word: any of its terms; a message with the form that was asked for fits better.
    fn one(&self, place: Place<'_>) -> Box<dyn Asked> {
        let exact = place.exact.map(|text| self.text(text)).filter(|exact| !place.terms.contains(exact));
        let any = any_of(place.terms.into_iter().map(|t| term(t, IndexRecordOption::WithFreqs)).collect());
        match exact {
            Some(exact) => {
                let clauses = vec![(Occur::Must, any), (Occur::Should, term(exact, IndexRecordOption::WithFreqs))];
                Box::new(BooleanQuery::new(clauses))
            }
            None => any,
        }
    }

    /// The pairs that a run of two or more characters is made of, and their offsets: every second one, and the last.
    fn pairs<'r>(&self, run: &'r [PhraseUnit]) -> impl Iterator<Item = (usize, Term)> + use<'r> {
        let field = self.fields.text;
        let last = run.len().saturating_sub(2);
        let pairs = run.windows(2).enumerate().filter(move |(offset, _)| offset % 2 == 0 || *offset == last);
        pairs.map(move |(offset, pair)| {
            (offset, Term::from_field_text(field, &pair.iter().map(|u| u.text.as_str()).collect::<String>()))
        })
    }

    /// Terms that begin with the letters, and the shorter stems that a word beginning with them may have been reduced to.
    fn prefix(&self, prefix: &Prefix) -> Box<dyn Asked> {
        let letters = self.text(&prefix.letters);
        let mut any: Vec<Box<dyn Asked>> = vec![Box::new(FuzzyTermQuery::new_prefix(letters, 0, false))];
        for stem in prefix_stems(prefix) {
            any.push(term(self.text(stem), IndexRecordOption::Basic));
        }
        Box::new(ConstScoreQuery::new(Box::new(BooleanQuery::union(any)), 1.0))
    }
}

/// The stems, other than those that begin with the letters, of words that do.
pub(super) fn prefix_stems(prefix: &Prefix) -> impl Iterator<Item = &str> {
    let ends: Vec<usize> = prefix.letters.char_indices().map(|(end, _)| end).skip(PREFIX_LENGTH_MIN).collect();
    let shorter = ends.into_iter().rev().take(STEM_SHORTER_MAX).map(|end| &prefix.letters[..end]);
    shorter.chain(prefix.stems.iter().map(String::as_str))
}

/// What is asked for at one place of a phrase.
struct Place<'p> {
    offset: usize,
    /// Any of these.
    terms: Vec<Term>,
    /// The form of the word that was asked for, if it is one.
    exact: Option<&'p str>,
}

/// A phrase for each choice among the terms of its places.
fn phrases(places: Vec<Place<'_>>) -> Box<dyn Asked> {
    let mut all = vec![Vec::with_capacity(places.len())];
    for place in places {
        let count = if all.len() * place.terms.len() > PHRASES_MAX { 1 } else { place.terms.len() };
        let chosen = &place.terms[..count];
        let extended = |phrase: Vec<(usize, Term)>| {
            chosen.iter().map(move |term| [phrase.clone(), vec![(place.offset, term.clone())]].concat())
        };
        all = all.into_iter().flat_map(extended).collect();
    }
    any_of(all.into_iter().map(|phrase| -> Box<dyn Asked> { Box::new(PhraseQuery::new_with_offset(phrase)) }).collect())
}

fn any_of(mut any: Vec<Box<dyn Asked>>) -> Box<dyn Asked> {
    if any.len() == 1 { any.remove(0) } else { Box::new(BooleanQuery::union(any)) }
}

/// The dense characters at the start that follow each other directly.
fn run(units: &[PhraseUnit]) -> &[PhraseUnit] {
    let goes_on = units.iter().skip(1).take_while(|unit| unit.kind == UnitKind::Dense && unit.joined).count();
    &units[..=goes_on]
}

fn term(term: Term, option: IndexRecordOption) -> Box<dyn Asked> {
    Box::new(TermQuery::new(term, option))
}

fn everything() -> Box<dyn Asked> {
    Box::new(ConstScoreQuery::new(Box::new(AllQuery), 0.0))
}
