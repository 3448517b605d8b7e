//! The query compiler: from a parsed query to Tantivy's.
//!
//! Which terms a phrase asks for, and where, is said by `places`.

use std::sync::Arc;

use tantivy::query::{AllQuery, BooleanQuery, ConstScoreQuery, EmptyQuery, PhraseQuery, Query as Asked, TermQuery};
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{Score, Term};

use super::SearchError;
use super::columns::OpenSegments;
use super::conjunction::{Conjunction, SCORE_STEP};
use super::deadline::Deadline;
use super::disjunction::any_of;
use super::expansion::{AnyWord, WordSet};
use super::places::{PhrasePlaces, Place, choices, places, prefix_stems};
use super::query::{Filter, Node, PeerRef, Phrase, PhraseUnit, Prefix, QueryError, SearchQuery};
use super::schema::{Fields, IS_DELETED};
use super::span::TimeSpan;
use super::units::UnitKind;
use super::views::ViewedBetween;
use crate::archive::Snapshot;
use crate::model::{ChatId, Glob, PeerId, Timestamp};

/// Most peers that are asked for one by one; more are looked up before.
const PEERS_APART_MAX: usize = 8;
/// Most peers that a pattern of titles may stand for.
const TITLED_MAX: usize = 10_000;

/// What a query is compiled for.
pub(super) struct Compiler<'a> {
    pub(super) fields: Fields,
    pub(super) archive: &'a Snapshot,
    pub(super) segments: &'a Arc<OpenSegments>,
    pub(super) deadline: &'a Arc<Deadline>,
    /// Whether hits are scored.
    pub(super) is_scored: bool,
}

/// A query of Tantivy's.
pub(super) struct Compiled {
    pub(super) query: Box<dyn Asked>,
    /// Where it asks for any of some words, and for nothing else but a time.
    pub(super) words: Option<Words>,
}

/// Any of some words, in a span of time.
pub(super) struct Words {
    /// Has the same hits and others, with nearly the same scores.
    pub(super) any: Box<dyn Asked>,
    /// Where the words are.
    pub(super) field: Field,
    /// By how much its scores may differ.
    pub(super) margin: Score,
    /// The time that hits are of, from its first second on and before its end.
    pub(super) span: (i64, i64),
    /// Whatever has one of these is a hit, if it is of that time and is not left out.
    pub(super) of_hits: Vec<Term>,
    /// What is left out has this.
    pub(super) left_out: Term,
}

/// All the time.
pub(super) const ALWAYS: (i64, i64) = (i64::MIN, i64::MAX);

/// Makes Tantivy's query: of hits in the peers that the archive shows, and in no others.
pub(super) fn compile(query: &SearchQuery, compiler: &Compiler<'_>) -> Result<Compiled, SearchError> {
    let limited = compiler.archive.only().map(|peers| query.root().within(peers));
    let root = limited.as_ref().unwrap_or(query.root());
    if query.mentions_deleted() {
        return Ok(Compiled { query: compiler.node(root, Side::Found)?, words: None });
    }
    let words = compiler.words(root);
    let required = match root {
        Node::And(nodes) => compiler.all(nodes, Side::Found)?,
        node => compiler.all(std::slice::from_ref(node), Side::Found)?,
    };
    let deleted = term(compiler.deleted(), IndexRecordOption::Basic);
    Ok(Compiled { query: Box::new(required.exclude(deleted)), words })
}

impl Compiler<'_> {
    /// Where a query asks for any of some words, in some time, and for nothing else.
    fn words(&self, root: &Node) -> Option<Words> {
        let nodes = match root {
            Node::And(nodes) => nodes.as_slice(),
            node => std::slice::from_ref(node),
        };
        let (mut words, mut span) = (None, ALWAYS);
        for node in nodes {
            match node {
                Node::Filter(_, filter) => {
                    let (first, end) = time_of(filter)?;
                    span = (span.0.max(first), span.1.min(end));
                }
                node if words.is_none() => words = Some(node),
                _ => return None,
            }
        }
        let words = match words? {
            Node::Or(nodes) => nodes.as_slice(),
            node => std::slice::from_ref(node),
        };
        let units: Vec<&PhraseUnit> = words.iter().map(only_word).collect::<Option<_>>()?;
        let of_hits = units.iter().flat_map(|unit| unit.terms()).map(|text| self.text(text)).collect();
        let terms: Vec<Term> = units.iter().flat_map(|unit| self.terms_of_word(unit)).collect();
        let margin = SCORE_STEP * (terms.len() + 1) as Score;
        let mut any: Vec<Box<dyn Asked>> = terms.into_iter().map(|of| term(of, IndexRecordOption::WithFreqs)).collect();
        let any = if any.len() == 1 { any.remove(0) } else { Box::new(BooleanQuery::union(any)) };
        Some(Words { any, field: self.fields.text, margin, span, of_hits, left_out: self.deleted() })
    }

    /// What a message has that is marked deleted.
    fn deleted(&self) -> Term {
        Term::from_field_text(self.fields.tag, IS_DELETED)
    }

    /// Every term that makes a word's score.
    fn terms_of_word(&self, unit: &PhraseUnit) -> Vec<Term> {
        let mut terms: Vec<Term> = unit.terms().iter().map(|text| self.text(text)).collect();
        let exact = self.text(&unit.text);
        if !terms.contains(&exact) {
            terms.push(exact);
        }
        terms
    }

    fn text(&self, text: &str) -> Term {
        Term::from_field_text(self.fields.text, text)
    }

    fn node(&self, node: &Node, side: Side) -> Result<Box<dyn Asked>, SearchError> {
        match node {
            Node::All => Ok(everything()),
            Node::And(nodes) => Ok(Box::new(self.all(nodes, side)?)),
            Node::Or(nodes) => {
                let any: Result<Vec<_>, _> = nodes.iter().map(|node| self.node(node, side)).collect();
                Ok(self.any_of(any?))
            }
            Node::Not(_) => Ok(Box::new(self.all(std::slice::from_ref(node), side)?)),
            // The index does not know which form of a word a message has.
            Node::Text(phrase) if phrase.is_exact() && side == Side::LeftOut => Ok(Box::new(EmptyQuery)),
            Node::Text(phrase) => Ok(self.phrase(phrase)),
            Node::Filter(at, filter) => {
                let filter = self.filter(*at, filter)?;
                // Filters choose; only words say how well a message fits.
                Ok(Box::new(ConstScoreQuery::new(filter, 0.0)))
            }
        }
    }

    fn all(&self, nodes: &[Node], side: Side) -> Result<Conjunction, SearchError> {
        let (mut required, mut excluded) = (Vec::new(), Vec::new());
        for node in nodes {
            match node {
                Node::Not(not) => excluded.push(self.node(not, side.other())?),
                other => required.push(self.node(other, side)?),
            }
        }
        if required.is_empty() {
            required.push(everything());
        }
        Ok(excluded.into_iter().fold(self.conjunction(required), Conjunction::exclude))
    }

    fn conjunction(&self, required: Vec<Box<dyn Asked>>) -> Conjunction {
        Conjunction::of(required, self.deadline)
    }

    /// Any of several. Each is a conjunction where hits are scored, as only their scores can be added up in any order.
    fn any_of(&self, any: Vec<Box<dyn Asked>>) -> Box<dyn Asked> {
        if any.len() == 1 || !self.is_scored {
            return any_of(any);
        }
        let rounded = any.into_iter().map(|query| -> Box<dyn Asked> { Box::new(self.conjunction(vec![query])) });
        any_of(rounded.collect())
    }

    fn filter(&self, at: usize, filter: &Filter) -> Result<Box<dyn Asked>, SearchError> {
        let Fields { peer, sender, via, source, tag, lang, hashtag, topic, reply, .. } = self.fields;
        let number = |field: Field, value: i32| term(Term::from_field_i64(field, value.into()), IndexRecordOption::Basic);
        let word = |field: Field, value: &str| term(Term::from_field_text(field, value), IndexRecordOption::Basic);
        let span = |not_before: Timestamp, before: Timestamp| -> Box<dyn Asked> {
            Box::new(TimeSpan { not_before: not_before.0, before: before.0, segments: Arc::clone(self.segments) })
        };
        Ok(match filter {
            Filter::In(who) => self.any_peer(peer, at, who)?,
            Filter::From(who) => self.any_peer(sender, at, who)?,
            Filter::Via(who) => self.any_peer(via, at, who)?,
            Filter::Source(who) => self.any_peer(source, at, who)?,
            Filter::Tag(name) => word(tag, name),
            Filter::Language(code) => word(lang, code),
            Filter::Host(host) => self.any_word(self.fields.host, WordSet::HostsBelow(host.clone())),
            Filter::Hashtag(name) => word(hashtag, name),
            Filter::Topic(id) => number(topic, *id),
            Filter::Reply(id) => number(reply, *id),
            Filter::Views(views) => Box::new(ViewedBetween {
                views: views.clone(),
                segments: Arc::clone(self.segments),
                deadline: Arc::clone(self.deadline),
            }),
            Filter::NotBefore(time) => span(*time, Timestamp(i64::MAX)),
            Filter::Before(time) => span(Timestamp(i64::MIN), *time),
            Filter::Between(first, end) => span(*first, *end),
        })
    }

    fn any_word(&self, field: Field, words: WordSet) -> Box<dyn Asked> {
        Box::new(AnyWord { field, words, deadline: Arc::clone(self.deadline) })
    }

    /// Messages with any of some peers in a field.
    fn any_peer(&self, field: Field, at: usize, who: &[PeerRef]) -> Result<Box<dyn Asked>, SearchError> {
        let mut peers = Vec::new();
        for who in who {
            peers.extend(self.who(at, who)?);
        }
        peers.sort_unstable();
        peers.dedup();
        let terms: Vec<Term> = peers.into_iter().map(|peer| Term::from_field_i64(field, peer.0)).collect();
        Ok(match terms.len() {
            1..=PEERS_APART_MAX => any_of(terms.into_iter().map(|of| term(of, IndexRecordOption::Basic)).collect()),
            _ => self.any_word(field, WordSet::Terms(terms)),
        })
    }

    fn who(&self, at: usize, who: &PeerRef) -> Result<Vec<PeerId>, SearchError> {
        match who {
            PeerRef::Id(id) => Ok(vec![*id]),
            PeerRef::Username(username) => match self.archive.view().peer_by_username(username)? {
                Some(peer) => Ok(vec![peer.id]),
                // To who sees some peers only it is nobody, as all whom none of their messages names: an error would tell who is known in the others.
                None if self.archive.only().is_some() => Ok(Vec::new()),
                None => {
                    let what = format!(
                        "no archived peer has the username `@{username}`; look it up with `telescribe peers`, or give its id"
                    );
                    Err(QueryError { at, what }.into())
                }
            },
            PeerRef::Title(pattern) => self.titled(at, pattern),
        }
    }

    /// The archived chats whose titles match.
    fn titled(&self, at: usize, pattern: &Glob) -> Result<Vec<PeerId>, SearchError> {
        let mut found: Vec<PeerId> = Vec::new();
        for entry in self.archive.view().crawl_states(ChatId::FIRST) {
            let peer = entry?.0.peer();
            if found.last() == Some(&peer) || self.deadline.has_passed() {
                continue;
            }
            if self.archive.view().peer(peer)?.is_some_and(|peer| pattern.matches(&peer.title)) {
                found.push(peer);
            }
        }
        let wrong = |what: &str| Err(QueryError { at, what: what.to_owned() }.into());
        match found.len() {
            0 if self.deadline.is_missed() => Ok(found),
            0 => wrong("no archived chat has such a title; `telescribe peers` lists them, and `*` stands for any letters"),
            1..=TITLED_MAX => Ok(found),
            _ => wrong("more than 10,000 chats have such a title; give more letters of it"),
        }
    }

    /// A phrase, in the texts that it is looked for in.
    fn phrase(&self, phrase: &Phrase) -> Box<dyn Asked> {
        let Fields { text, chars, earlier, earlier_chars, .. } = self.fields;
        let (text, chars) = if phrase.earlier { (earlier, earlier_chars) } else { (text, chars) };
        Texts { compiler: self, text, chars }.phrase(phrase)
    }
}

/// The word that is asked for, if it is one.
fn only_word(node: &Node) -> Option<&PhraseUnit> {
    let Node::Text(Phrase { units, prefix: None, similar: None, earlier: false }) = node else { return None };
    let [unit] = units.as_slice() else { return None };
    (unit.kind != UnitKind::Dense && unit.exact.is_none()).then_some(unit)
}

/// The time that a filter leaves, from its first second on and before its end, if that is all that it does.
fn time_of(filter: &Filter) -> Option<(i64, i64)> {
    match filter {
        Filter::NotBefore(time) => Some((time.0, i64::MAX)),
        Filter::Before(time) => Some((i64::MIN, time.0)),
        Filter::Between(first, end) => Some((first.0, end.0)),
        _ => None,
    }
}

/// Whether more may be found than is meant, or less: what the index cannot tell is looked at in the archive afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    /// What matches is found: more may be.
    Found,
    /// What matches is left out: less may be.
    LeftOut,
}

impl Side {
    fn other(self) -> Self {
        match self {
            Self::Found => Self::LeftOut,
            Self::LeftOut => Self::Found,
        }
    }
}

/// The texts that a phrase is looked for in: those of messages, or those of their earlier versions.
struct Texts<'c, 'a> {
    compiler: &'c Compiler<'a>,
    text: Field,
    chars: Field,
}

impl Texts<'_, '_> {
    /// All units of a phrase, each at its place.
    fn phrase(&self, phrase: &Phrase) -> Box<dyn Asked> {
        if let Some(similar) = &phrase.similar {
            let similar = self.compiler.any_word(self.text, WordSet::SimilarTo(similar.clone()));
            return Box::new(ConstScoreQuery::new(similar, 1.0));
        }
        let PhrasePlaces { single, mut places } = places(phrase);
        let single = single.map(|single| term(Term::from_field_text(self.chars, single), IndexRecordOption::Basic));
        let mut clauses: Vec<Box<dyn Asked>> = single.into_iter().collect();
        match places.len() {
            0 => {}
            1 => clauses.extend(places.pop().map(|only| self.one(only))),
            _ => clauses.push(self.phrases(&places)),
        }
        clauses.extend(phrase.prefix.as_ref().map(|prefix| self.prefix(prefix)));
        match clauses.len() {
            1 => clauses.remove(0),
            _ => Box::new(self.compiler.conjunction(clauses)),
        }
    }

    fn text(&self, text: &str) -> Term {
        Term::from_field_text(self.text, text)
    }

    /// One word: any of its terms; a message with the form that was asked for fits better.
    fn one(&self, place: Place<'_>) -> Box<dyn Asked> {
        let terms: Vec<Term> = place.terms.iter().map(|text| self.text(text)).collect();
        let exact = place.exact.map(|text| self.text(text)).filter(|exact| !terms.contains(exact));
        let any = self.compiler.any_of(terms.into_iter().map(|t| term(t, IndexRecordOption::WithFreqs)).collect());
        match exact {
            Some(exact) => Box::new(self.compiler.conjunction(vec![any]).prefer(term(exact, IndexRecordOption::WithFreqs))),
            None => any,
        }
    }

    /// Terms that begin with the letters, and the shorter stems that a word beginning with them may have been reduced to.
    fn prefix(&self, prefix: &Prefix) -> Box<dyn Asked> {
        let stems = prefix_stems(prefix).map(|stem| self.text(stem)).collect();
        let any = self.compiler.any_word(self.text, WordSet::BeginningWith(prefix.letters.clone(), stems));
        Box::new(ConstScoreQuery::new(any, 1.0))
    }

    /// A phrase for each choice among the terms of its places.
    fn phrases(&self, places: &[Place<'_>]) -> Box<dyn Asked> {
        let phrase = |choice: Vec<(usize, &str)>| -> Box<dyn Asked> {
            let terms = choice.into_iter().map(|(offset, text)| (offset, self.text(text))).collect();
            // By itself it would look for its first hit, and from one to the next, without a pause.
            Box::new(self.compiler.conjunction(vec![Box::new(PhraseQuery::new_with_offset(terms))]))
        };
        any_of(choices(places).into_iter().map(phrase).collect())
    }
}

fn term(term: Term, option: IndexRecordOption) -> Box<dyn Asked> {
    Box::new(TermQuery::new(term, option))
}

fn everything() -> Box<dyn Asked> {
    Box::new(ConstScoreQuery::new(Box::new(AllQuery), 0.0))
}
