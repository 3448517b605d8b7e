//! Many saved queries, prepared to be run against one message at a time (a reverse search, percolation), in memory: the index is not asked.
//!
//! Each query's tree becomes a [`Test`] over terms that all queries share. A message that matches has at least one of its query's anchors: terms,
//! peers, tags ..., of which one is necessary. An inverted map leads from anchors to queries, so that a message is compared only with those queries
//! of which it has an anchor, and with the few that have none (`-word`, `after:2024`). Of several parts that are all required, the rarest anchors: long
//! words, and what few other queries are anchored by.

use std::collections::{BTreeSet, HashMap};

use super::places::{PhrasePlaces, Place, choices, places, prefix_stems};
use super::query::{Filter, Node, PeerRef, Phrase, Prefix, SearchQuery};
use super::query_terms::{Dictionary, TermId, TextSide};
use crate::model::PeerId;

/// How common what anchors a query is likely to be, beside words; see [`Dictionary::weight`].
const PEER_WEIGHT: u64 = 32;
const SENDER_WEIGHT: u64 = 8;
const VALUE_WEIGHT: u64 = 4;
const TAG_WEIGHT: u64 = 512;

/// Queries that are run together.
#[derive(Debug, Default)]
pub struct QuerySet {
    pub(super) queries: Vec<PreparedQuery>,
    pub(super) dictionary: Dictionary,
    pub(super) anchored: HashMap<Anchor, Vec<u32>>,
    /// The queries that have no anchor.
    pub(super) unanchored: Vec<u32>,
    pub(super) needs: Needs,
}

/// What else of a message than its words any query asks for, as far as it costs something to find out.
#[derive(Clone, Debug, Default)]
pub(super) struct Needs {
    pub(super) language: bool,
    pub(super) hosts: bool,
    pub(super) hashtags: bool,
    /// The usernames of peers in these roles, because a query is anchored by one.
    pub(super) names: BTreeSet<PeerRole>,
}

/// A query, prepared.
#[derive(Debug)]
pub(super) struct PreparedQuery {
    pub(super) test: Test,
    /// Whether a message that is marked deleted can match.
    pub(super) takes_deleted: bool,
}

/// What a message must be.
#[derive(Debug)]
pub(super) enum Test {
    Any(Vec<Test>),
    /// Of nothing: every message.
    All(Vec<Test>),
    Not(Box<Test>),
    /// The message has a term.
    Has(TermId),
    /// It has terms at these distances from each other.
    Phrase(Vec<(u32, TermId)>),
    Filter(Filter),
}

/// What a peer has to do with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum PeerRole {
    /// It was posted there.
    Chat,
    /// It was sent by it.
    Sender,
    /// It was sent with it.
    Bot,
    /// It was forwarded from it.
    Source,
}

impl PeerRole {
    pub(super) const ALL: [Self; 4] = [Self::Chat, Self::Sender, Self::Bot, Self::Source];
}

/// What a message must have, among others, to match a query.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Anchor {
    Term(TermId),
    Peer(PeerRole, PeerId),
    /// By its lower-case username.
    Named(PeerRole, String),
    Tag(&'static str),
    Language(&'static str),
    Host(String),
    Hashtag(String),
    Topic(i32),
    Reply(i32),
}

impl QuerySet {
    /// Prepares queries; each is known by its number from then on.
    pub fn new<'q>(queries: impl IntoIterator<Item = &'q SearchQuery>) -> Self {
        let mut set = Self::default();
        for query in queries {
            set.add(query);
        }
        set
    }

    /// How many queries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.queries.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.queries.is_empty()
    }

    /// Whether any query asks for earlier versions of messages.
    #[must_use]
    pub fn asks_for_earlier(&self) -> bool {
        !self.dictionary.of(TextSide::Earlier).is_empty()
    }

    fn add(&mut self, query: &SearchQuery) {
        let number = u32::try_from(self.queries.len()).unwrap_or(u32::MAX);
        let test = self.dictionary.test(query.root());
        self.needs.add(query.root());
        match self.anchors(&test) {
            Some(Cover { anchors, .. }) => {
                for anchor in anchors {
                    if let Anchor::Named(role, _) = &anchor {
                        self.needs.names.insert(*role);
                    }
                    self.anchored.entry(anchor).or_default().push(number);
                }
            }
            None => self.unanchored.push(number),
        }
        self.queries.push(PreparedQuery { test, takes_deleted: query.mentions_deleted() });
    }

    /// Anchors of which every message has one that passes a test; `None` where there are no such.
    fn anchors(&self, test: &Test) -> Option<Cover> {
        match test {
            Test::Not(_) => None,
            Test::Has(term) => Some(self.cover(Anchor::Term(*term))),
            Test::Phrase(terms) => terms.iter().map(|(_, term)| self.cover(Anchor::Term(*term))).min_by_key(|cover| cover.weight),
            Test::All(tests) => tests.iter().filter_map(|test| self.anchors(test)).min_by_key(|cover| cover.weight),
            Test::Any(tests) => tests.iter().map(|test| self.anchors(test)).collect::<Option<Vec<_>>>().map(Cover::any_of),
            Test::Filter(filter) => self.filter_anchors(filter),
        }
    }

    fn filter_anchors(&self, filter: &Filter) -> Option<Cover> {
        let peers = |role, who: &[PeerRef]| {
            let anchor = |who: &PeerRef| match who {
                PeerRef::Id(peer) => Some(Anchor::Peer(role, *peer)),
                PeerRef::Username(name) => Some(Anchor::Named(role, name.to_lowercase())),
                PeerRef::Title(_) => None,
            };
            let covers: Option<Vec<Cover>> = who.iter().map(|who| anchor(who).map(|anchor| self.cover(anchor))).collect();
            covers.map(Cover::any_of)
        };
        let anchor = match filter {
            Filter::In(who) => return peers(PeerRole::Chat, who),
            Filter::From(who) => return peers(PeerRole::Sender, who),
            Filter::Via(who) => return peers(PeerRole::Bot, who),
            Filter::Source(who) => return peers(PeerRole::Source, who),
            Filter::Tag(tag) => Anchor::Tag(tag),
            Filter::Language(code) => Anchor::Language(code),
            Filter::Host(host) => Anchor::Host(host.clone()),
            Filter::Hashtag(tag) => Anchor::Hashtag(tag.clone()),
            Filter::Topic(id) => Anchor::Topic(*id),
            Filter::Reply(id) => Anchor::Reply(*id),
            Filter::Views(_) | Filter::NotBefore(_) | Filter::Before(_) | Filter::Between(..) => return None,
        };
        Some(self.cover(anchor))
    }

    fn cover(&self, anchor: Anchor) -> Cover {
        let weight = match &anchor {
            Anchor::Term(term) => self.dictionary.weight(*term),
            Anchor::Peer(PeerRole::Chat, _) | Anchor::Named(PeerRole::Chat, _) => PEER_WEIGHT,
            Anchor::Peer(..) | Anchor::Named(..) => SENDER_WEIGHT,
            Anchor::Host(_) | Anchor::Hashtag(_) | Anchor::Reply(_) => VALUE_WEIGHT,
            Anchor::Topic(_) | Anchor::Tag(_) | Anchor::Language(_) => TAG_WEIGHT,
        };
        let others = self.anchored.get(&anchor).map_or(0, Vec::len) as u64;
        Cover { weight: weight.saturating_mul(others + 1), anchors: BTreeSet::from([anchor]) }
    }
}

impl Needs {
    fn add(&mut self, node: &Node) {
        match node {
            Node::And(nodes) | Node::Or(nodes) => nodes.iter().for_each(|node| self.add(node)),
            Node::Not(node) => self.add(node),
            Node::Filter(_, Filter::Language(_)) => self.language = true,
            Node::Filter(_, Filter::Host(_)) => self.hosts = true,
            Node::Filter(_, Filter::Hashtag(_)) => self.hashtags = true,
            Node::All | Node::Text(_) | Node::Filter(..) => {}
        }
    }
}

/// Anchors of which a message must have one.
#[derive(Debug, Default)]
struct Cover {
    weight: u64,
    anchors: BTreeSet<Anchor>,
}

impl Cover {
    fn any_of(covers: Vec<Self>) -> Self {
        let mut any = Self::default();
        for cover in covers {
            any.weight = any.weight.saturating_add(cover.weight);
            any.anchors.extend(cover.anchors);
        }
        any
    }
}

impl Dictionary {
    fn test(&mut self, node: &Node) -> Test {
        match node {
            Node::All => Test::All(Vec::new()),
            Node::And(nodes) => Test::All(nodes.iter().map(|node| self.test(node)).collect()),
            Node::Or(nodes) => Test::Any(nodes.iter().map(|node| self.test(node)).collect()),
            Node::Not(node) => Test::Not(Box::new(self.test(node))),
            Node::Text(phrase) => self.phrase(phrase),
            Node::Filter(_, filter) => Test::Filter(filter.clone()),
        }
    }

    fn phrase(&mut self, phrase: &Phrase) -> Test {
        let side = if phrase.earlier { TextSide::Earlier } else { TextSide::Newest };
        if let Some(similar) = &phrase.similar {
            return Test::Has(self.add_similar(side, similar));
        }
        let PhrasePlaces { single, places } = places(phrase);
        let mut all: Vec<Test> = single.map(|single| Test::Has(self.add_char(side, single))).into_iter().collect();
        match places.as_slice() {
            [] => {}
            [Place { letters: None, terms, .. }] => {
                all.push(Test::Any(terms.iter().map(|term| Test::Has(self.add_word(side, term))).collect()));
            }
            several => all.push(self.several(side, several)),
        }
        all.extend(phrase.prefix.as_ref().map(|prefix| self.prefix(side, prefix)));
        if all.len() == 1 { all.remove(0) } else { Test::All(all) }
    }

    /// Terms at their places, any choice among them; and the letters of those words of which no other form will do.
    fn several(&mut self, side: TextSide, places: &[Place<'_>]) -> Test {
        let distance = |offset: usize| u32::try_from(offset).unwrap_or(u32::MAX);
        let letters: Vec<(u32, TermId)> =
            places.iter().filter_map(|place| Some((distance(place.offset), self.add_letters(side, place.letters?)))).collect();
        let mut any = Vec::new();
        for choice in choices(places) {
            let words = choice.into_iter().map(|(offset, term)| (distance(offset), self.add_word(side, term)));
            any.push(Test::Phrase(words.chain(letters.iter().copied()).collect()));
        }
        Test::Any(any)
    }

    fn prefix(&mut self, side: TextSide, prefix: &Prefix) -> Test {
        let mut any = vec![Test::Has(self.add_prefix(side, &prefix.letters))];
        any.extend(prefix_stems(prefix).map(|stem| Test::Has(self.add_word(side, stem))));
        Test::Any(any)
    }
}
