//! The syntax tree of a parsed query. The language is described in docs/query.md.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use super::fold::fold;
use super::lemmas::Stemmers;
use super::order::SortOrder;
use super::slips::Similar;
use super::units::{TokenUnit, UnitKind, units};
use crate::model::{Glob, PeerId, Timestamp};

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
    sort: Option<SortOrder>,
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
    pub(super) fn new(source: &str, root: Node, sort: Option<SortOrder>) -> Self {
        Self { source: source.to_owned(), root, sort }
    }

    /// The order that it asks for itself, by `sort:`.
    #[must_use]
    pub fn sort(&self) -> Option<SortOrder> {
        self.sort
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
    #[must_use]
    pub fn mentions_deleted(&self) -> bool {
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

    /// Whether one hit can fit better than another: by its words, other than the beginnings of words and single characters of a script without spaces,
    /// which a message has or has not.
    pub(super) fn is_scored(&self) -> bool {
        let is_scored = |phrase: &&Phrase| match phrase.units.as_slice() {
            [] => false,
            [only] => only.kind != UnitKind::Dense,
            _ => true,
        };
        self.positive_phrases().iter().any(is_scored)
    }

    /// Whether it asks for the form of a word as it is written, which the index does not have.
    pub(super) fn is_exact(&self) -> bool {
        fn any(node: &Node) -> bool {
            match node {
                Node::And(all) | Node::Or(all) => all.iter().any(any),
                Node::Not(node) => any(node),
                Node::Text(phrase) => phrase.is_exact(),
                Node::All | Node::Filter(..) => false,
            }
        }
        any(&self.root)
    }

    /// The order in which its hits come: that which it says, or else the one that was requested. What nothing scores by comes in the order in which equal
    /// scores do, without being scored.
    pub(super) fn order(&self, requested: SortOrder) -> SortOrder {
        match self.sort().unwrap_or(requested) {
            SortOrder::Relevance if !self.is_scored() => SortOrder::Newest,
            order => order,
        }
    }

    /// The phrases that hits should contain, or earlier versions of them: all that are not negated by a `-`.
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

impl Node {
    /// The same in some peers only.
    pub(super) fn within(&self, peers: &BTreeSet<PeerId>) -> Self {
        let within = Self::Filter(0, Filter::In(peers.iter().copied().map(PeerRef::Id).collect()));
        match self {
            Self::And(nodes) => Self::And(nodes.iter().cloned().chain([within]).collect()),
            node => Self::And(vec![node.clone(), within]),
        }
    }
}

/// What `name:value` asks for.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Filter {
    /// Posted in any of some peers.
    In(Vec<PeerRef>),
    /// Sent by any of some peers; what nobody is named as the sender of was sent by the peer that it is in.
    From(Vec<PeerRef>),
    /// Sent with any of some bots.
    Via(Vec<PeerRef>),
    /// Forwarded from any of some peers.
    Source(Vec<PeerRef>),
    /// Tagged, see `schema`.
    Tag(&'static str),
    /// In a language, by its ISO 639-1 code.
    Language(&'static str),
    /// With a link to a host or to one below it.
    Host(String),
    /// With a hashtag, in lower case.
    Hashtag(String),
    /// In a topic or thread, by its root message.
    Topic(i32),
    /// A reply to a message of the same chat.
    Reply(i32),
    /// Viewed so often.
    Views(RangeInclusive<i64>),
    /// Sent at this time or later.
    NotBefore(Timestamp),
    /// Sent before this time.
    Before(Timestamp),
    /// Sent at the first time or later, and before the second.
    Between(Timestamp, Timestamp),
}

/// A peer as people name it.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum PeerRef {
    /// By its marked id.
    Id(PeerId),
    /// By its username, without `@`.
    Username(String),
    /// By a pattern of its title.
    Title(Glob),
}

/// A phrase to be found: units that follow each other, as the index side of the analyser makes them.
#[derive(Clone, Debug, PartialEq, Default)]
pub(super) struct Phrase {
    /// Its units in order.
    pub(super) units: Vec<PhraseUnit>,
    /// The beginning of a word that comes after them.
    pub(super) prefix: Option<Prefix>,
    /// A word that is nearly this one, and nothing else.
    pub(super) similar: Option<Similar>,
    /// Whether an earlier version of the message has it, rather than the newest.
    pub(super) earlier: bool,
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
    /// The folded letters that it must have been made of, where no other form of the word will do.
    pub(super) exact: Option<String>,
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
        Self { kind: UnitKind::Word, text: digits.to_owned(), keys: Vec::new(), position: 0, joined: false, exact: None }
    }

    fn of(unit: &TokenUnit<'_>) -> Self {
        let (text, keys) = (unit.text.to_owned(), unit.keys.to_vec());
        Self { kind: unit.kind, text, keys, position: unit.position, joined: unit.joined, exact: None }
    }

    /// Every term that it is found by.
    pub(super) fn terms(&self) -> &[String] {
        if self.keys.is_empty() { std::slice::from_ref(&self.text) } else { &self.keys }
    }
}

impl Phrase {
    /// The phrase that a text means. `None` when there is nothing in it to search for.
    pub(super) fn of(text: &str) -> Option<Self> {
        let units: Vec<PhraseUnit> = read(text).into_iter().map(|(unit, _)| unit).collect();
        (!units.is_empty()).then(|| Self { units, ..Self::default() })
    }

    /// The phrase that a text means where no other forms of its words will do.
    pub(super) fn exactly(text: &str) -> Option<Self> {
        let exact = |(unit, letters): (PhraseUnit, String)| match unit.kind {
            UnitKind::Word => PhraseUnit { exact: Some(letters), ..unit },
            UnitKind::Dense | UnitKind::Number => unit,
        };
        let units: Vec<PhraseUnit> = read(text).into_iter().map(exact).collect();
        (!units.is_empty()).then(|| Self { units, ..Self::default() })
    }

    /// Whether something comes behind its units that is no unit.
    pub(super) fn has_last(&self) -> bool {
        self.prefix.is_some() || self.similar.is_some()
    }

    /// Whether any of its words must be as it is written.
    pub(super) fn is_exact(&self) -> bool {
        self.units.iter().any(|unit| unit.exact.is_some())
    }

    /// Any word that is nearly a text; `None` where the text is not one word of at least four letters.
    pub(super) fn similar(text: &str) -> Option<Self> {
        let [(unit, letters)] = <[_; 1]>::try_from(read(text)).ok()?;
        let is_word = unit.kind == UnitKind::Word && letters.chars().all(char::is_alphabetic);
        let found_by = std::iter::once(&unit.text).chain(&unit.keys).cloned();
        let similar = Similar::to(&letters, found_by).filter(|_| is_word)?;
        Some(Self { similar: Some(similar), ..Self::default() })
    }

    /// The phrase that a number is when its digits are written as one word.
    pub(super) fn number(digits: &str) -> Self {
        Self { units: vec![PhraseUnit::number(digits)], ..Self::default() }
    }

    /// The phrase whose last word is only the beginning of one (a prefix search). A character of a script without spaces needs no `*`:
    /// any part of such text is found.
    pub(super) fn with_prefix(text: &str) -> Option<Self> {
        let mut all = read(text);
        let prefix = match all.last()?.0.kind {
            UnitKind::Word => all.pop().map(|(unit, letters)| Prefix { letters, stems: [vec![unit.text], unit.keys].concat() }),
            UnitKind::Dense | UnitKind::Number => None,
        };
        Some(Self { units: all.into_iter().map(|(unit, _)| unit).collect(), prefix, ..Self::default() })
    }
}

/// The units of a text, and the folded letters of each.
fn read(text: &str) -> Vec<(PhraseUnit, String)> {
    let mut folded = String::new();
    fold(text, &mut folded);
    let mut out = Vec::new();
    units(&folded, &Stemmers::new(), |unit| {
        // A number in groups is asked for as a whole elsewhere: what lies over words is none of a phrase.
        if unit.kind != UnitKind::Number {
            let letters = folded.get(unit.bytes.clone()).unwrap_or_default().to_owned();
            out.push((PhraseUnit::of(&unit), letters));
        }
    });
    out
}
