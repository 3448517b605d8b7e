//! The index schema, and how a message becomes a document of the index.
//!
//! Nothing is stored: what a hit shows comes from the archive. A document is named by its peer and id, both terms of their
//! own, because a term for each message would cost more than all else but the text.

use std::collections::BTreeSet;
use std::ops::Range;

use tantivy::query::{BooleanQuery, Occur, Query, TermQuery};
use tantivy::schema::{Field, IndexRecordOption, NumericOptions, Schema, TextFieldIndexing, TextOptions};
use tantivy::tokenizer::TokenizerManager;
use tantivy::{IndexSettings, IndexSortByField, Order, TantivyDocument, Term};

use super::analyser::{CHARS, CharTokenizer, WORDS, WordTokenizer, may_be_dense};
use super::facts::{hashtags, hosts, origin};
use super::language::language_of;
use super::near::shape;
use crate::archive::{StoredMessage, Topic};
use crate::model::{EntityKind, Forward, Media, MediaKind, Message, MessageId, MessageKey, PeerId};

/// When a message was sent; the index is sorted by it.
pub(super) const DATE: &str = "date";
/// Where it was posted.
pub(super) const PEER: &str = "peer";
/// Its id there.
pub(super) const ID: &str = "id";
/// Whose id that is, outside channels.
pub(super) const ACCOUNT: &str = "account";
/// Which form of it is indexed; see [`revision`].
pub(super) const REVISION: &str = "revision";
/// Who sent it; see [`sender`].
pub(super) const SENDER: &str = "sender";
/// What it is and has: see [`tags`].
pub(super) const TAG: &str = "tag";
/// In which language its text is, where that can be told.
pub(super) const LANG: &str = "lang";
/// The hosts that it links to.
pub(super) const HOST: &str = "host";
/// Its hashtags.
pub(super) const HASHTAG: &str = "hashtag";
/// How often it was viewed, where that is counted.
pub(super) const VIEWS: &str = "views";
/// The album that it is part of.
pub(super) const ALBUM: &str = "album";
/// A number for the post that it copies; see [`origin`].
pub(super) const ORIGIN: &str = "origin";
/// What its text is told by from others that are nearly the same; see [`shape`].
pub(super) const SHAPE: &str = "shape";

/// The fields of the index.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields {
    pub(super) text: Field,
    pub(super) chars: Field,
    /// The same two of its earlier versions.
    pub(super) earlier: Field,
    pub(super) earlier_chars: Field,
    pub(super) peer: Field,
    pub(super) id: Field,
    pub(super) account: Field,
    pub(super) date: Field,
    pub(super) revision: Field,
    pub(super) sender: Field,
    pub(super) tag: Field,
    pub(super) lang: Field,
    pub(super) host: Field,
    pub(super) hashtag: Field,
    /// The root message of the topic or thread that it belongs to.
    pub(super) topic: Field,
    /// The message of the same chat that it replies to.
    pub(super) reply: Field,
    /// The bot that it was sent with.
    pub(super) via: Field,
    /// Where it was forwarded from.
    pub(super) source: Field,
    pub(super) views: Field,
    pub(super) album: Field,
    pub(super) origin: Field,
    pub(super) shape: Field,
}

/// The schema and its fields.
pub(super) fn schema() -> (Schema, Fields) {
    let mut builder = Schema::builder();
    let indexed = |tokenizer, option, norms| {
        let indexing = TextFieldIndexing::default().set_tokenizer(tokenizer).set_index_option(option).set_fieldnorms(norms);
        TextOptions::default().set_indexing_options(indexing)
    };
    let number = NumericOptions::default;
    let fields = Fields {
        text: builder.add_text_field("text", indexed(WORDS, IndexRecordOption::WithFreqsAndPositions, true)),
        chars: builder.add_text_field("chars", indexed(CHARS, IndexRecordOption::Basic, false)),
        earlier: builder.add_text_field("earlier", indexed(WORDS, IndexRecordOption::WithFreqsAndPositions, true)),
        earlier_chars: builder.add_text_field("earlier_chars", indexed(CHARS, IndexRecordOption::Basic, false)),
        peer: builder.add_i64_field(PEER, number().set_indexed().set_fast()),
        id: builder.add_i64_field(ID, number().set_indexed().set_fast()),
        account: builder.add_text_field(ACCOUNT, indexed("raw", IndexRecordOption::Basic, false).set_fast("raw")),
        date: builder.add_i64_field(DATE, number().set_fast()),
        revision: builder.add_u64_field(REVISION, number().set_fast()),
        sender: builder.add_i64_field(SENDER, number().set_indexed().set_fast()),
        tag: builder.add_text_field(TAG, indexed("raw", IndexRecordOption::Basic, false).set_fast("raw")),
        lang: builder.add_text_field(LANG, indexed("raw", IndexRecordOption::Basic, false).set_fast("raw")),
        host: builder.add_text_field(HOST, indexed("raw", IndexRecordOption::Basic, false).set_fast("raw")),
        hashtag: builder.add_text_field(HASHTAG, indexed("raw", IndexRecordOption::Basic, false).set_fast("raw")),
        topic: builder.add_i64_field("topic", number().set_indexed()),
        reply: builder.add_i64_field("reply", number().set_indexed()),
        via: builder.add_i64_field("via", number().set_indexed()),
        source: builder.add_i64_field("source", number().set_indexed()),
        views: builder.add_i64_field(VIEWS, number().set_fast()),
        album: builder.add_i64_field(ALBUM, number().set_fast()),
        origin: builder.add_u64_field(ORIGIN, number().set_fast()),
        shape: builder.add_u64_field(SHAPE, number().set_fast()),
    };
    (builder.build(), fields)
}

/// Newest first, so that the newest hits of a query are the first that are found.
pub(super) fn settings() -> IndexSettings {
    let sort_by_field = Some(IndexSortByField { field: DATE.to_owned(), order: Order::Desc });
    IndexSettings { sort_by_field, ..IndexSettings::default() }
}

/// The tokenizers that the schema names.
pub(super) fn tokenizers() -> TokenizerManager {
    let tokenizers = TokenizerManager::default();
    tokenizers.register(WORDS, WordTokenizer::new());
    tokenizers.register(CHARS, CharTokenizer::default());
    tokenizers
}

/// Which form of a message is meant: its version, and whether it is marked deleted.
pub(super) fn revision(stored: &StoredMessage) -> u64 {
    u64::from(stored.version) << 1 | u64::from(stored.deleted_at.is_some())
}

/// Earlier versions of a message that are indexed.
const EARLIER_MAX: u32 = 100;

/// The numbers of the earlier versions of a message that are indexed: the newest of them, where there are very many.
pub(super) fn earlier_versions(stored: &StoredMessage) -> Range<u32> {
    stored.version.saturating_sub(EARLIER_MAX)..stored.version
}

impl Fields {
    /// What a message looks like in the index, with its earlier versions.
    pub(super) fn document(&self, stored: &StoredMessage, earlier: &[StoredMessage]) -> TantivyDocument {
        let message = &stored.message;
        let mut document = TantivyDocument::new();
        let mut add = |message: &Message, words: Field, chars: Field| {
            for text in texts(message) {
                document.add_text(words, text);
                if may_be_dense(text) {
                    document.add_text(chars, text);
                }
            }
        };
        add(message, self.text, self.chars);
        earlier.iter().for_each(|version| add(&version.message, self.earlier, self.earlier_chars));
        document.add_i64(self.peer, message.key.peer().0);
        if let Some(account) = own(&message.key) {
            document.add_text(self.account, account);
        }
        document.add_i64(self.id, message.key.id.0.into());
        document.add_i64(self.date, message.date.0);
        document.add_u64(self.revision, revision(stored));
        if let Some(sender) = sender(message) {
            document.add_i64(self.sender, sender.0);
        }
        for tag in tags(stored) {
            document.add_text(self.tag, tag);
        }
        self.add_facts(&mut document, message);
        document
    }

    /// What else messages are filtered, counted and grouped by.
    fn add_facts(&self, document: &mut TantivyDocument, message: &Message) {
        if let Some(language) = language_of(&message.text) {
            document.add_text(self.lang, language);
        }
        hosts(message).into_iter().for_each(|host| document.add_text(self.host, host));
        hashtags(message).into_iter().for_each(|tag| document.add_text(self.hashtag, tag));
        let numbers = [
            (self.topic, Some(topic(message).0.into())),
            (self.reply, replied_to(message).map(|id| i64::from(id.0))),
            (self.via, message.via_bot.map(|bot| bot.0)),
            (self.source, message.forward.as_ref().and_then(source).map(|peer| peer.0)),
            (self.views, message.views.map(i64::from)),
            (self.album, message.album),
        ];
        for (field, number) in numbers {
            if let Some(number) = number {
                document.add_i64(field, number);
            }
        }
        if let Some(origin) = origin(message) {
            document.add_u64(self.origin, origin);
        }
        if let Some(shape) = shape(&message.text) {
            document.add_u64(self.shape, shape);
        }
    }

    /// The document of one message.
    pub(super) fn by_key(&self, key: MessageKey) -> Box<dyn Query> {
        let terms = [Term::from_field_i64(self.peer, key.peer().0), Term::from_field_i64(self.id, key.id.0.into())];
        let account = own(&key).map(|account| Term::from_field_text(self.account, account));
        let clauses = terms
            .into_iter()
            .chain(account)
            .map(|term| -> (Occur, Box<dyn Query>) { (Occur::Must, Box::new(TermQuery::new(term, IndexRecordOption::Basic))) });
        Box::new(BooleanQuery::new(clauses.collect()))
    }
}

/// What stands in the index for an account that nobody knows: no name is this.
const UNKNOWN_ACCOUNT: &str = "-";

/// What the index has of the account whose id a message has; nothing in channels.
fn own(key: &MessageKey) -> Option<&str> {
    let account = key.chat.account_name();
    key.peer().has_own_ids().then_some(if account.is_empty() { UNKNOWN_ACCOUNT } else { account })
}

/// The topic of a forum in which messages are that are in no other.
const GENERAL: MessageId = MessageId(1);

/// The topic or thread that a message belongs to, the message that opened it included.
#[must_use]
pub fn topic(message: &Message) -> MessageId {
    let opened = || Topic::of(message).map(|topic| topic.id);
    message.reply.as_ref().and_then(|reply| reply.topic).or_else(opened).unwrap_or(GENERAL)
}

/// The message of the same chat that a message replies to.
pub(super) fn replied_to(message: &Message) -> Option<MessageId> {
    let reply = message.reply.as_ref().filter(|reply| reply.peer.is_none_or(|peer| peer == message.key.peer()));
    reply.and_then(|reply| reply.id)
}

/// Who sent a message; a post that names nobody is by its channel.
pub(super) fn sender(message: &Message) -> Option<PeerId> {
    let peer = message.key.peer();
    message.sender.or((!peer.has_own_ids()).then_some(peer))
}

/// Where a message was forwarded from, as far as that is said.
pub(super) fn source(forward: &Forward) -> Option<PeerId> {
    forward.from.or(forward.saved_from.map(|(peer, _)| peer))
}

/// Everything of a message that can be searched for by words, the text first.
pub(super) fn texts(message: &Message) -> impl Iterator<Item = &str> {
    let media = message.media.iter().flat_map(|m| std::iter::once(m).chain(&m.items)).flat_map(of_media);
    let links = message.entities.iter().filter_map(|e| e.url.as_ref());
    let buttons = message.buttons.iter().flatten().flat_map(|b| std::iter::once(&b.text).chain(&b.url).chain(&b.copy));
    let service = message.service.iter().flat_map(|s| s.title.iter().chain(&s.text));
    let forward = message.forward.iter().flat_map(|f| f.name.iter().chain(&f.author));
    std::iter::once(&message.text)
        .chain(media)
        .chain(links)
        .chain(buttons)
        .chain(service)
        .chain(&message.author)
        .chain(forward)
        .map(String::as_str)
        .filter(|text| !text.is_empty())
}

fn of_media(media: &Media) -> impl Iterator<Item = &String> {
    let page = media.page.iter().flat_map(|p| p.site.iter().chain(&p.author));
    let place = media.place.iter().flat_map(|p| &p.address);
    let said = [&media.name, &media.title, &media.question, &media.url, &media.description, &media.performer];
    said.into_iter().flatten().chain(&media.options).chain(media.tasks.iter().map(|t| &t.text)).chain(page).chain(place)
}

/// What `has:` accepts besides the names of [`MediaKind`]: any media, any link.
pub(super) const HAS_MEDIA: &str = "has:media";
/// See [`HAS_MEDIA`].
pub(super) const HAS_LINK: &str = "has:link";
/// What `is:` accepts.
pub(super) const IS: [&str; 5] = ["is:deleted", IS_EDITED, IS_FORWARDED, IS_REPLY, IS_SERVICE];
/// The tag of messages that Telegram no longer shows.
pub(super) const IS_DELETED: &str = IS[0];
const IS_EDITED: &str = "is:edited";
const IS_FORWARDED: &str = "is:forwarded";
const IS_REPLY: &str = "is:reply";
const IS_SERVICE: &str = "is:service";

/// What `has:` accepts besides [`HAS_MEDIA`]: the kind that a tag says, if it says one.
pub(super) fn kind_of_tag(tag: &str) -> Option<&str> {
    tag.strip_prefix("has:").filter(|_| tag != HAS_MEDIA)
}

/// The tag of messages with a kind of media.
pub(super) fn has_kind(kind: MediaKind) -> &'static str {
    match kind {
        MediaKind::Photo => "has:photo",
        MediaKind::Video => "has:video",
        MediaKind::Animation => "has:animation",
        MediaKind::Audio => "has:audio",
        MediaKind::Voice => "has:voice",
        MediaKind::Round => "has:round",
        MediaKind::Sticker => "has:sticker",
        MediaKind::File => "has:file",
        MediaKind::Webpage => "has:webpage",
        MediaKind::Poll => "has:poll",
        MediaKind::Geo => "has:geo",
        MediaKind::Venue => "has:venue",
        MediaKind::Contact => "has:contact",
        MediaKind::Dice => "has:dice",
        MediaKind::Game => "has:game",
        MediaKind::Invoice => "has:invoice",
        MediaKind::Story => "has:story",
        MediaKind::Other => "has:other",
        MediaKind::Giveaway => "has:giveaway",
        MediaKind::GiveawayResults => "has:giveaway_results",
        MediaKind::Paid => "has:paid",
        MediaKind::Todo => "has:todo",
        MediaKind::Stream => "has:stream",
        MediaKind::Unsupported => "has:unsupported",
    }
}

/// What the filters `has:` and `is:` go by.
pub(super) fn tags(stored: &StoredMessage) -> BTreeSet<&'static str> {
    let message = &stored.message;
    let kind = message.media.as_ref().map(|m| m.kind);
    let is_link = |e: &EntityKind| matches!(e, EntityKind::Url | EntityKind::TextUrl);
    let in_text = message.entities.iter().any(|e| is_link(&e.kind));
    let on_button = message.buttons.iter().flatten().any(|b| b.url.is_some());
    let linked = kind == Some(MediaKind::Webpage) || in_text || on_button;
    [
        kind.map(has_kind),
        kind.is_some().then_some(HAS_MEDIA),
        linked.then_some(HAS_LINK),
        stored.deleted_at.is_some().then_some(IS_DELETED),
        (message.edited.is_some() || stored.version > 0).then_some(IS_EDITED),
        message.forward.is_some().then_some(IS_FORWARDED),
        message.reply.is_some().then_some(IS_REPLY),
        message.service.is_some().then_some(IS_SERVICE),
    ]
    .into_iter()
    .flatten()
    .collect()
}
