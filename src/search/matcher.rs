//! The matcher: which of many saved queries a message matches, found in memory by the queries' own trees.
//!
//! A message is tokenized once, by the tokenizers of the index, and its terms get the places that they would have there, so that index and matcher
//! cannot disagree: a property test holds them together. Where the index cannot tell (the exact form of a word), the matcher can.

use std::collections::{BTreeSet, HashMap};
use std::ops::RangeInclusive;

use tantivy::tokenizer::{TokenStream as _, Tokenizer as _};

use super::analyser::{CharTokenizer, WordTokenizer, may_be_dense};
use super::facts::{hashtags, hosts};
use super::fold::fold;
use super::language::language_of;
use super::lemmas::Stemmers;
use super::peer_names::PeerNames;
use super::query::{Filter, PeerRef};
use super::query_set::{Anchor, PeerRole, QuerySet, Test};
use super::query_terms::{TermId, TextSide};
use super::schema::{replied_to, sender, source, tags, texts, topic};
use super::units::{UnitKind, units};
use crate::archive::{ArchiveError, StoredMessage};
use crate::model::{Message, PeerId};

/// How many positions Tantivy leaves free between two texts of a message.
const TEXTS_GAP: u32 = 1;

/// Runs the queries of a set against messages, one after another.
pub struct Matcher<'s> {
    set: &'s QuerySet,
    words: WordTokenizer,
    chars: CharTokenizer,
    stemmers: Stemmers,
    folded: String,
}

/// Where the terms of a message are that any query asks for; those that have no place have none here.
type SeenTerms = HashMap<TermId, Vec<u32>>;

/// What of a message the queries can ask for.
struct SeenMessage<'m> {
    message: &'m Message,
    terms: SeenTerms,
    tags: BTreeSet<&'static str>,
    language: Option<&'static str>,
    hosts: BTreeSet<String>,
    hashtags: BTreeSet<String>,
}

impl<'s> Matcher<'s> {
    /// A matcher of the queries of a set.
    #[must_use]
    pub fn new(set: &'s QuerySet) -> Self {
        let (words, chars) = (WordTokenizer::new(), CharTokenizer::default());
        Self { set, words, chars, stemmers: Stemmers::new(), folded: String::new() }
    }

    /// The numbers of the queries that a message matches, in ascending order. `earlier` are its versions before this one: none are needed where no query
    /// [asks for them](QuerySet::asks_for_earlier).
    ///
    /// # Errors
    /// When the names of peers cannot be read.
    pub fn matching(
        &mut self,
        stored: &StoredMessage,
        earlier: &[StoredMessage],
        names: &PeerNames<'_>,
    ) -> Result<Vec<usize>, ArchiveError> {
        if self.set.is_empty() {
            return Ok(Vec::new());
        }
        let seen = self.look_at(stored, earlier);
        let mut matching = Vec::new();
        for number in self.candidates(&seen, names)? {
            let number = usize::try_from(number).unwrap_or(usize::MAX);
            let Some(query) = self.set.queries.get(number) else { continue };
            if (stored.deleted_at.is_none() || query.takes_deleted) && seen.passes(&query.test, names)? {
                matching.push(number);
            }
        }
        Ok(matching)
    }

    fn look_at<'m>(&mut self, stored: &'m StoredMessage, earlier: &[StoredMessage]) -> SeenMessage<'m> {
        let (message, needs) = (&stored.message, &self.set.needs);
        let mut terms = SeenTerms::new();
        self.add_terms(TextSide::Newest, std::iter::once(message), &mut terms);
        self.add_terms(TextSide::Earlier, earlier.iter().map(|version| &version.message), &mut terms);
        // They are in order but for those of what lies over others.
        terms.values_mut().for_each(|places| places.sort_unstable());
        SeenMessage {
            message,
            terms,
            tags: tags(stored),
            language: if needs.language { language_of(&message.text) } else { None },
            hosts: if needs.hosts { hosts(message) } else { BTreeSet::new() },
            hashtags: if needs.hashtags { hashtags(message) } else { BTreeSet::new() },
        }
    }

    /// Adds the terms of all texts of some versions, with the places that Tantivy gives them in one field of a document.
    fn add_terms<'m>(&mut self, side: TextSide, versions: impl Iterator<Item = &'m Message>, terms: &mut SeenTerms) {
        let table = self.set.dictionary.of(side);
        if table.is_empty() {
            return;
        }
        let mut start = 0;
        for text in versions.flat_map(texts) {
            let mut end = start;
            let mut stream = self.words.token_stream(text);
            while stream.advance() {
                let token = stream.token();
                let position = start + place(token.position);
                end = end.max(position + place(token.position_length));
                if let Some(word) = table.word(&token.text) {
                    terms.entry(word).or_default().push(position);
                }
                for term in table.prefixes_of(&token.text).chain(table.similar_to(&token.text).iter().copied()) {
                    terms.entry(term).or_default();
                }
            }
            if table.has_letters() {
                self.folded.clear();
                fold(text, &mut self.folded);
                let folded = &self.folded;
                units(folded, &self.stemmers, |unit| {
                    let letters = folded.get(unit.bytes.clone()).filter(|_| unit.kind == UnitKind::Word);
                    if let Some(known) = letters.and_then(|letters| table.letters(letters)) {
                        terms.entry(known).or_default().push(start + place(unit.position));
                    }
                });
            }
            if table.has_chars() && may_be_dense(text) {
                let mut stream = self.chars.token_stream(text);
                while stream.advance() {
                    if let Some(char) = table.char(&stream.token().text) {
                        terms.entry(char).or_default();
                    }
                }
            }
            start = end + TEXTS_GAP;
        }
    }

    /// The queries of which a message has an anchor, and those that have none.
    fn candidates(&self, seen: &SeenMessage<'_>, names: &PeerNames<'_>) -> Result<Vec<u32>, ArchiveError> {
        let mut anchors: Vec<Anchor> = seen.terms.keys().map(|term| Anchor::Term(*term)).collect();
        anchors.extend(seen.tags.iter().map(|tag| Anchor::Tag(tag)));
        for role in PeerRole::ALL {
            let Some(peer) = seen.peer(role) else { continue };
            anchors.push(Anchor::Peer(role, peer));
            if self.set.needs.names.contains(&role) {
                anchors.extend(names.usernames(peer)?.iter().map(|name| Anchor::Named(role, name.clone())));
            }
        }
        anchors.extend(seen.language.map(Anchor::Language));
        for host in &seen.hosts {
            // The host, and all that it is below.
            let parents = host.match_indices('.').filter_map(|(at, _)| host.get(at + 1..));
            anchors.extend(std::iter::once(host.as_str()).chain(parents).map(|host| Anchor::Host(host.to_owned())));
        }
        anchors.extend(seen.hashtags.iter().cloned().map(Anchor::Hashtag));
        anchors.push(Anchor::Topic(topic(seen.message).0));
        anchors.extend(replied_to(seen.message).map(|id| Anchor::Reply(id.0)));
        let anchored = anchors.iter().filter_map(|anchor| self.set.anchored.get(anchor)).flatten();
        let mut candidates: Vec<u32> = anchored.chain(&self.set.unanchored).copied().collect();
        candidates.sort_unstable();
        candidates.dedup();
        Ok(candidates)
    }
}

impl std::fmt::Debug for Matcher<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Matcher").field("queries", &self.set.len()).finish_non_exhaustive()
    }
}

impl SeenMessage<'_> {
    fn peer(&self, role: PeerRole) -> Option<PeerId> {
        let message = self.message;
        match role {
            PeerRole::Chat => Some(message.key.peer()),
            PeerRole::Sender => sender(message),
            PeerRole::Bot => message.via_bot,
            PeerRole::Source => message.forward.as_ref().and_then(source),
        }
    }

    fn passes(&self, test: &Test, names: &PeerNames<'_>) -> Result<bool, ArchiveError> {
        Ok(match test {
            Test::Any(tests) => {
                for test in tests {
                    if self.passes(test, names)? {
                        return Ok(true);
                    }
                }
                false
            }
            Test::All(tests) => {
                for test in tests {
                    if !self.passes(test, names)? {
                        return Ok(false);
                    }
                }
                true
            }
            Test::Not(test) => !self.passes(test, names)?,
            Test::Has(term) => self.terms.contains_key(term),
            Test::Phrase(terms) => self.has_phrase(terms),
            Test::Filter(filter) => self.passes_filter(filter, names)?,
        })
    }

    /// Whether the terms stand somewhere at these distances.
    fn has_phrase(&self, terms: &[(u32, TermId)]) -> bool {
        let Some(((first_offset, first), others)) = terms.split_first() else { return true };
        let places = |term: &TermId| self.terms.get(term).map_or(&[][..], Vec::as_slice);
        // One that would stand before the first place of all wraps, and stands nowhere.
        let there = |at: u32, offset: u32| at.wrapping_add(offset).wrapping_sub(*first_offset);
        let stands_at = |at: &u32| others.iter().all(|(offset, term)| places(term).binary_search(&there(*at, *offset)).is_ok());
        places(first).iter().any(stands_at)
    }

    fn passes_filter(&self, filter: &Filter, names: &PeerNames<'_>) -> Result<bool, ArchiveError> {
        let message = self.message;
        let is_viewed = |times: &RangeInclusive<i64>| message.views.is_some_and(|views| times.contains(&i64::from(views)));
        Ok(match filter {
            Filter::In(who) => self.is_any(PeerRole::Chat, who, names)?,
            Filter::From(who) => self.is_any(PeerRole::Sender, who, names)?,
            Filter::Via(who) => self.is_any(PeerRole::Bot, who, names)?,
            Filter::Source(who) => self.is_any(PeerRole::Source, who, names)?,
            Filter::Tag(tag) => self.tags.contains(tag),
            Filter::Language(code) => self.language == Some(code),
            Filter::Host(host) => {
                self.hosts.iter().any(|of| of.strip_suffix(host).is_some_and(|rest| rest.is_empty() || rest.ends_with('.')))
            }
            Filter::Hashtag(tag) => self.hashtags.contains(tag),
            Filter::Topic(id) => topic(message).0 == *id,
            Filter::Reply(id) => replied_to(message).is_some_and(|reply| reply.0 == *id),
            Filter::Views(views) => is_viewed(views),
            Filter::NotBefore(time) => message.date >= *time,
            Filter::Before(time) => message.date < *time,
            Filter::Between(first, end) => (*first..*end).contains(&message.date),
        })
    }

    fn is_any(&self, role: PeerRole, who: &[PeerRef], names: &PeerNames<'_>) -> Result<bool, ArchiveError> {
        let Some(peer) = self.peer(role) else { return Ok(false) };
        for who in who {
            let is_it = match who {
                PeerRef::Id(id) => *id == peer,
                PeerRef::Username(username) => names.holder(username)? == Some(peer),
                PeerRef::Title(pattern) => names.chat_title(peer)?.is_some_and(|title| pattern.matches(&title)),
            };
            if is_it {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn place(position: usize) -> u32 {
    u32::try_from(position).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, LazyLock};
    use std::time::Duration;

    use proptest::prelude::*;
    use tantivy::Index;

    use super::super::collect::{Limits, TopHits};
    use super::super::columns::OpenSegments;
    use super::super::compile::{Compiler, compile};
    use super::super::deadline::Deadline;
    use super::super::order::SortOrder;
    use super::super::query::SearchQuery;
    use super::super::schema::{Fields, schema, settings, tokenizers};
    use super::*;
    use crate::archive::{Archive, Durability, Snapshot};
    use crate::model::{Entity, EntityKind, Forward, Media, MediaKind, MessageId, MessageKey, Peer, PeerKind, Reply, Timestamp};

    const PEERS: [(i64, &str); 3] = [(-1_000_000_000_001, "durov"), (-1_000_000_000_002, "news"), (42, "alice")];

    /// An archive that knows some peers.
    static NAMES: LazyLock<(tempfile::TempDir, Snapshot)> = LazyLock::new(|| {
        let folder = tempfile::tempdir().expect("a folder");
        let archive = Archive::open(&folder.path().join("archive"), Durability::Os).expect("an archive");
        let mut write = archive.write(Timestamp(1));
        for (id, name) in PEERS {
            let peer = Peer::new(PeerId(id), PeerKind::Channel, name.to_owned());
            write.peer(Peer { username: Some(name.to_owned()), ..peer });
            write.crawl_state(PeerId(id), |_| {});
        }
        write.commit().expect("written");
        (folder, archive.snapshot())
    });

    /// A message and its earlier versions.
    type Versions = (StoredMessage, Vec<StoredMessage>);

    fn index(messages: &[Versions]) -> (Fields, Arc<OpenSegments>) {
        let (schema, fields) = schema();
        let mut index = Index::builder().schema(schema).settings(settings()).create_in_ram().expect("an index");
        index.set_tokenizers(tokenizers());
        let mut writer = index.writer_with_num_threads(1, 15_000_000).expect("a writer");
        for (message, earlier) in messages {
            writer.add_document(fields.document(message, earlier)).expect("added");
        }
        writer.commit().expect("a commit");
        let reader = index.reader().expect("a reader");
        (fields, Arc::new(OpenSegments::new(reader.searcher(), None).expect("columns")))
    }

    /// The ids of the messages that the index finds.
    fn found(query: &SearchQuery, (fields, segments): &(Fields, Arc<OpenSegments>)) -> BTreeSet<i32> {
        let deadline = Deadline::after(Duration::from_mins(5));
        let archive = &NAMES.1;
        let compiler = Compiler { fields: *fields, archive, segments, deadline: &deadline, is_scored: false };
        let asked = compile(query, &compiler).expect("compiled");
        let (sort, deadline) = (SortOrder::Newest, Arc::clone(&deadline));
        let top_hits = TopHits { segments, sort, count: 1_000, after: None, deadline, limits: Limits::default(), check: None };
        let keys = top_hits.find(&asked, segments.searcher()).expect("found").sort_keys;
        keys.iter().map(|key| key.message_key(sort).expect("a key").id.0).collect()
    }

    /// Words of the texts and queries.
    const WORDS: &str = r#"a ok книга книгами деньги денег running run 今 天 今天 天气 很好 股 A股 3月 C++ Straße 123 1234567 user_name @durov https://x.org/a?b=1 👍 🇩🇪 สวัสดี write wrote found صهل צה"ל key keyboard keybaord telegram сообщения"#;
    /// Numbers in groups.
    const NUMBERS: [&str; 2] = ["+7 495 765-43-21", "1 234 567"];

    fn words() -> Vec<&'static str> {
        WORDS.split(' ').chain(NUMBERS).collect()
    }
    const BETWEEN: &[&str] = &[" ", " ", " ", "", ", ", "。", "\n", "-", ". ", " «", "  "];

    fn text() -> impl Strategy<Value = String> {
        let piece = (prop::sample::select(words()), prop::sample::select(BETWEEN));
        prop::collection::vec(piece, 0..9)
            .prop_map(|pieces| pieces.iter().flat_map(|(word, between)| [*word, *between]).collect())
    }

    fn stored() -> impl Strategy<Value = StoredMessage> {
        let peers = prop::sample::select(vec![PEERS[0].0, PEERS[1].0, -1_000_000_000_003]);
        let sender = prop::option::of(prop::sample::select(vec![42_i64, 43, PEERS[0].0]));
        let media = prop::option::of((text(), prop::sample::select(vec![MediaKind::Photo, MediaKind::File, MediaKind::Webpage])));
        let rest = (peers, sender, media, 0_i64..4, any::<[bool; 6]>());
        (text(), prop::option::of(text()), rest).prop_map(|(text, author, (peer, sender, media, days, claims))| {
            let [deleted, edited, linked, replies, forwarded, viewed] = claims;
            let key = MessageKey::new(PeerId(peer), MessageId(1));
            let mut message = Message::new(key, Timestamp(1_706_700_000 + days * 86_400));
            message.text = text;
            message.author = author;
            message.sender = sender.map(PeerId);
            message.media = media.map(|(name, kind)| Media { name: Some(name), ..Media::new(kind) });
            if linked {
                let url = Some("http://www.news.example.org/a".to_owned());
                message.entities.push(Entity { url, ..Entity::new(EntityKind::TextUrl, 0, 1) });
                message.entities.push(Entity::new(EntityKind::Hashtag, 0, 2));
            }
            if replies {
                let topic = viewed.then_some(MessageId(7));
                message.reply = Some(Reply { id: Some(MessageId(5)), topic, ..Reply::default() });
            }
            if forwarded {
                message.forward = Some(Forward { from: Some(PeerId(PEERS[1].0)), ..Forward::default() });
                message.via_bot = Some(PeerId(42));
            }
            message.views = viewed.then_some(12);
            let deleted_at = deleted.then_some(Timestamp(2));
            StoredMessage { message, version: u32::from(edited), archived_at: Timestamp(1), deleted_at }
        })
    }

    fn query() -> impl Strategy<Value = String> {
        let filters = "in:@durov in:@News from:@alice from:42 in:-1000000000001 has:photo has:link has:media is:edited is:deleted \
            after:2024-02-01 before:2024-01-31 -has:photo -is:deleted in:@durov,@news in:*uro* from:title:news via:@alice source:@news \
            lang:ru lang:zh host:example.org host:other.example.org hashtag:ok topic:7 topic:1 reply:5 views:>10 views:<5 around:2024-01-31";
        let slips = "keybord~ telegrams~ книгам~ wrot~ сообщение~ telegarm~";
        let earlier = ["earlier:книга", "earlier:今天", "earlier:今", "-earlier:ok", "earlier:run*", "earlier:\"今天 ok\""];
        let exact = ["=книгами", "=\"wrote ok\"", "-=running", "=деньги"];
        let one_of = |all: &'static str| prop::sample::select(all.split_whitespace().collect::<Vec<_>>()).prop_map(str::to_owned);
        let word = prop::sample::select(words());
        let piece = prop_oneof![
            4 => word.clone().prop_map(str::to_owned),
            1 => word.clone().prop_map(|word| format!("-{word}")),
            2 => text().prop_map(|text| format!("\"{}\"", text.replace('"', ""))),
            2 => (word, 1_usize..6).prop_map(|(word, length)| format!("{}*", word.chars().take(length).collect::<String>())),
            3 => one_of(filters),
            1 => one_of(slips),
            1 => prop::sample::select(earlier.to_vec()).prop_map(str::to_owned),
            1 => prop::sample::select(exact.to_vec()).prop_map(str::to_owned),
        ];
        let leaf = prop::collection::vec(piece, 1..4).prop_map(|pieces| pieces.join(" "));
        leaf.prop_recursive(3, 12, 3, |inner| {
            prop_oneof![
                (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} OR {b})")),
                (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}) -({b})")),
                inner.prop_map(|a| format!("({a})")),
            ]
        })
    }

    #[test]
    fn only_the_form_that_is_asked_for_matches_where_no_other_will_do() {
        let names = PeerNames::of(NAMES.1.view());
        for (query, text, expected) in [
            ("=книгами", "Книгами", true),
            ("=книгами", "книга", false),
            ("-=книгами", "книга", true),
            ("=\"wrote letters\"", "she wrote letters", true),
            ("=\"wrote letters\"", "she writes letters", false),
            ("=\"wrote letters\"", "wrote two letters", false),
            ("wrote", "she writes letters", true),
        ] {
            let mut message = Message::new(MessageKey::new(PeerId(1), MessageId(1)), Timestamp(0));
            text.clone_into(&mut message.text);
            let stored = StoredMessage { message, version: 0, archived_at: Timestamp(0), deleted_at: None };
            let set = QuerySet::new([&SearchQuery::parse(query).expect("a query")]);
            let matching = Matcher::new(&set).matching(&stored, &[], &names).expect("matched");
            assert_eq!(matching == [0], expected, "{query}: {text}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(192))]
        #[test]
        fn a_matcher_and_the_index_agree(
            messages in prop::collection::vec((stored(), prop::collection::vec(stored(), 0..3)), 1..12),
            queries in prop::collection::vec(query(), 1..24),
        ) {
            let messages: Vec<Versions> = (1..).zip(messages).map(|(id, (mut stored, earlier))| {
                stored.message.key.id = MessageId(id);
                (stored, earlier)
            }).collect();
            let queries: Vec<SearchQuery> =
                queries.iter().filter_map(|query| SearchQuery::parse(query).ok()).collect();
            let (index, set) = (index(&messages), QuerySet::new(&queries));
            let mut matcher = Matcher::new(&set);
            let names = PeerNames::of(NAMES.1.view());
            let matched: Vec<Vec<usize>> =
                messages.iter().map(|(stored, earlier)| matcher.matching(stored, earlier, &names).expect("matched")).collect();
            for (number, query) in queries.iter().enumerate() {
                let expected = found(query, &index);
                let by_matcher: BTreeSet<i32> =
                    (1..).zip(&matched).filter(|(_, queries)| queries.contains(&number)).map(|(id, _)| id).collect();
                // Of the form of a word the index knows nothing, and finds more.
                let by_index = if query.is_exact() { by_matcher.intersection(&expected).copied().collect() } else { expected };
                prop_assert_eq!(by_matcher, by_index, "{}", query.as_str());
            }
        }
    }
}
