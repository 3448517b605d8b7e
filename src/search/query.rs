//! The syntax tree of a parsed query. The language is described in docs/query.md.

use super::fold::fold;
use super::lemmas::Stemmers;
use super::units::{TokenUnit, UnitKind, units};
use crate::model::{PeerId, Timestamp};

/// Longest query, in characters: two lines of text are pasted, more is a mistake.
pub const QUERY_LENGTH_MAX: usize = 512;
/// Most words, phrases and filters of a query: each is a walk through the index.
pub const QUERY_TERMS_MAX: usize = 32;
/// Deepest nesting of parentheses, counted before anything recurses.
pub const QUERY_DEPTH_MAX: usize = 16;
/// Fewest letters of a `prefix*`: with two, a large part of the index would match.
pub const PREFIX_LENGTH_MIN: usize = 3;

/// A parsed query.
#[derive(Clone, Debug, PartialEq)]
pub struct SearchQuery {
    source: String,
    root: Node,
}

/// Why a query could not be parsed: what is wrong, where, and the way out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} (at character {at} of the query)")]
pub struct QueryError {
    /// The number of the character, from 1.
    pub at: usize,
    /// What is wrong and what to do about it.
    pub what: String,
}

impl SearchQuery {
    /// A query as it was written, and what it means.
    pub(super) fn new(source: &str, root: Node) -> Self {
        Self { source: source.to_owned(), root }
    }

    /// The query as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.source
    }

    pub(super) fn root(&self) -> &Node {
        &self.root
    }

    /// Whether it has a filter `is:deleted`; if not, deleted messages are left out.
    pub(super) fn mentions_deleted(&self) -> bool {
        fn any(node: &Node) -> bool {
            match node {
                Node::And(all) | Node::Or(all) => all.iter().any(any),
                Node::Not(node) => any(node),
                Node::Filter(_, filter) => *filter == Filter::Tag(super::schema::IS_DELETED),
                Node::All | Node::Text(_) => false,
            }
        }
        any(&self.root)
    }

    /// The phrases that hits should contain: all that are not negated by a `-`.
    pub(super) fn positive_phrases(&self) -> Vec<&Phrase> {
        fn add<'q>(node: &'q Node, positive_phrases: &mut Vec<&'q Phrase>) {
            match node {
                Node::And(all) | Node::Or(all) => all.iter().for_each(|node| add(node, positive_phrases)),
                Node::Text(phrase) => positive_phrases.push(phrase),
                Node::All | Node::Not(_) | Node::Filter(..) => {}
            }
        }
        let mut positive_phrases = Vec::new();
        add(&self.root, &mut positive_phrases);
        positive_phrases
    }
}

/// A node of the syntax tree.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Node {
    /// Every message.
    All,
    /// All of several.
    And(Vec<Node>),
    /// Any of several.
    Or(Vec<Node>),
    /// None of one.
    Not(Box<Node>),
    /// A word, phrase or prefix.
    Text(Phrase),
    /// A filter, and the number of the character where it stands.
    Filter(usize, Filter),
}

/// What `name:value` asks for.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Filter {
    /// Posted in a peer.
    In(PeerRef),
    /// Sent by a peer.
    From(PeerRef),
    /// Tagged, see `schema`.
    Tag(&'static str),
    /// Sent at this time or later.
    NotBefore(Timestamp),
    /// Sent before this time.
    Before(Timestamp),
}

/// A peer as people name it.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum PeerRef {
    /// By its marked id.
    Id(PeerId),
    /// By its username, without `@`.
    Username(String),
}

/// A phrase to be found: units that follow each other, as the index side of the analyser makes them.
#[derive(Clone, Debug, PartialEq, Default)]
pub(super) struct Phrase {
    /// Its units in order.
    pub(super) units: Vec<PhraseUnit>,
    /// The beginning of a word that comes after them.
    pub(super) prefix: Option<Prefix>,
}

/// One unit of a phrase.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct PhraseUnit {
    /// What it is.
    pub(super) kind: UnitKind,
    /// What it is found by: the stem, or the character.
    pub(super) text: String,
    /// What it is found by instead, any of them, where its forms do not share the stem.
    pub(super) keys: Vec<String>,
    /// Its number in the phrase; breaks count.
    pub(super) position: usize,
    /// Whether it is a dense character that directly follows another one.
    pub(super) joined: bool,
}

/// A prefix: the beginning of a word.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Prefix {
    /// Its folded letters.
    pub(super) letters: String,
    /// What they would be reduced to if they were a word.
    pub(super) stems: Vec<String>,
}

impl PhraseUnit {
    /// The unit that a number is: its digits.
    fn number(digits: &str) -> Self {
        Self { kind: UnitKind::Word, text: digits.to_owned(), keys: Vec::new(), position: 0, joined: false }
    }

    fn of(unit: &TokenUnit<'_>) -> Self {
        let (text, keys) = (unit.text.to_owned(), unit.keys.to_vec());
        Self { kind: unit.kind, text, keys, position: unit.position, joined: unit.joined }
    }

    /// Every term that it is found by.
    pub(super) fn terms(&self) -> &[String] {
        if self.keys.is_empty() { std::slice::from_ref(&self.text) } else { &self.keys }
    }
}

impl Phrase {
    /// The phrase that a text means. `None` when there is nothing in it to search for.
    pub(super) fn of(text: &str) -> Option<Self> {
        let (units, _) = read(text);
        (!units.is_empty()).then_some(Self { units, prefix: None })
    }

    /// The phrase that a number is when its digits are written as one word.
    pub(super) fn number(digits: &str) -> Self {
        Self { units: vec![PhraseUnit::number(digits)], prefix: None }
    }

    /// The phrase whose last word is only the beginning of one (a prefix search). A character of a script without spaces needs no `*`:
    /// any part of such text is found.
    pub(super) fn with_prefix(text: &str) -> Option<Self> {
        let (mut units, last) = read(text);
        let prefix = match units.last()?.kind {
            UnitKind::Word => units.pop().map(|unit| Prefix { letters: last, stems: [vec![unit.text], unit.keys].concat() }),
            UnitKind::Dense | UnitKind::Number => None,
        };
        Some(Self { units, prefix })
    }
}

/// The units of a text, and the letters of the last one.
fn read(text: &str) -> (Vec<PhraseUnit>, String) {
    let mut folded = String::new();
    fold(text, &mut folded);
    let mut out = Vec::new();
    let mut last = 0..0;
    units(&folded, &Stemmers::new(), |unit| {
        // A number in groups is asked for as a whole elsewhere: what lies over words is none of a phrase.
        if unit.kind != UnitKind::Number {
            out.push(PhraseUnit::of(&unit));
            last = unit.bytes;
        }
    });
    let letters = folded.get(last).unwrap_or_default().to_owned();
    (out, letters)
}
