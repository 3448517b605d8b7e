//! The truth (ground truth, the tests' oracle): what the world holds, as NDJSON in the schema of `docs/dump.md`.
//!
//! Written from the world alone and never by decoding what was encoded, so that a mistake in either shows as a difference.
//! Private chats are left out unless asked for; deleted messages are not in the world any more. Of basic groups and private chats there is
//! what each account has, under its own ids and with its name.

use std::borrow::Cow;
use std::io::{self, Write};

use chrono::{DateTime, SecondsFormat};
use serde::{Serialize, Serializer};

use crate::world::{Chat, ChatKind, Document, DocumentKind, Entity, EntityKind, Extra, Media, Message, PeerId, Service, World};

/// Writes the truth: every peer by ascending id, then every message by ascending peer, account name and id.
pub(crate) fn write(world: &World, with_private: bool, out: &mut impl Write) -> io::Result<()> {
    let is_asked_for = |chat: &&Chat| with_private || chat.kind != ChatKind::Private;
    let account = |chat: &Chat| chat.owner.and_then(|owner| world.accounts.get(owner)).map(|account| account.name.as_str());
    let mut chats: Vec<(&Chat, Option<&str>)> =
        world.chats.iter().filter(is_asked_for).map(|chat| (chat, account(chat))).collect();
    chats.sort_by_key(|(chat, account)| (chat.peer, *account));
    for of_peer in chats.chunk_by(|(one, _), (other, _)| one.peer == other.peer) {
        if let Some((chat, _)) = of_peer.first() {
            line(out, &PeerLine::of(chat, world))?;
        }
    }
    for (chat, account) in &chats {
        for message in chat.history.messages() {
            line(out, &MessageLine::of(chat, *account, message))?;
        }
    }
    out.flush()
}

fn line(out: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, value)?;
    out.write_all(b"\n")
}

#[derive(Serialize)]
struct PeerLine<'w> {
    r#type: &'static str,
    id: PeerId,
    kind: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    title: Cow<'w, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<&'w str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    migrated_to: Option<PeerId>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    bot: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    forum: bool,
}

impl<'w> PeerLine<'w> {
    fn of(chat: &'w Chat, world: &'w World) -> Self {
        let Chat { peer, kind, title, username, migrated_to, forum, .. } = chat;
        let line = Self {
            r#type: "peer",
            id: *peer,
            kind: kind.name(),
            title: Cow::Borrowed(title),
            username: username.as_deref(),
            migrated_to: *migrated_to,
            bot: false,
            forum: *forum,
        };
        // A private chat is called by its user.
        match world.user(peer.marked()).filter(|_| *kind == ChatKind::Private) {
            Some(user) => Self { title: Cow::Owned(user.full_name()), username: user.username.as_deref(), bot: user.bot, ..line },
            None => line,
        }
    }
}

/// Seconds since 1970 as RFC 3339.
struct Date(i32);

impl Serialize for Date {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let date = DateTime::from_timestamp(i64::from(self.0), 0).unwrap_or_default();
        serializer.serialize_str(&date.to_rfc3339_opts(SecondsFormat::Secs, true))
    }
}

#[derive(Serialize)]
struct MessageLine<'w> {
    r#type: &'static str,
    peer: PeerId,
    /// The account whose id it is, where ids are each account's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<&'w str>,
    id: i32,
    date: Date,
    #[serde(skip_serializing_if = "Option::is_none")]
    sender: Option<PeerId>,
    #[serde(skip_serializing_if = "str::is_empty")]
    text: &'w str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    entities: Vec<EntityLine<'w>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reply_to: Option<ReplyLine<'w>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    forward: Option<ForwardLine<'w>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    media: Option<MediaLine<'w>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    album: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    edited: Option<Date>,
    #[serde(skip_serializing_if = "Option::is_none")]
    views: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    forwards: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    replies: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    comments: Option<PeerId>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    reactions: Vec<ReactionLine<'w>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    via_bot: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    author: Option<&'w str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pinned: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    service: Option<ServiceLine<'w>>,
}

#[derive(Serialize)]
struct ReplyLine<'w> {
    id: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    topic: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    quote: Option<&'w str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    quote_offset: Option<i32>,
}

#[derive(Serialize)]
struct ForwardLine<'w> {
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<PeerId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'w str>,
    date: Date,
    #[serde(skip_serializing_if = "Option::is_none")]
    post: Option<i32>,
}

#[derive(Serialize)]
struct ReactionLine<'w> {
    emoji: &'w str,
    count: i32,
}

impl<'w> MessageLine<'w> {
    fn of(chat: &Chat, account: Option<&'w str>, message: &'w Message) -> Self {
        let counted = message.views >= 0;
        let plain = Self {
            r#type: "message",
            peer: chat.peer,
            account,
            id: message.id,
            date: Date(message.date),
            sender: message.sender,
            text: &message.text,
            entities: Vec::new(),
            reply_to: None,
            forward: None,
            media: None,
            album: None,
            edited: None,
            views: counted.then_some(message.views),
            forwards: counted.then_some(message.forwards),
            replies: None,
            comments: None,
            reactions: Vec::new(),
            via_bot: None,
            author: None,
            pinned: false,
            service: None,
        };
        match &message.extra {
            Some(extra) => plain.with(extra, chat),
            None => plain,
        }
    }

    fn with(self, extra: &'w Extra, chat: &Chat) -> Self {
        let reply_to = extra.reply.as_ref();
        let forward = extra.forward.as_ref();
        Self {
            entities: extra.entities.iter().map(EntityLine::of).collect(),
            reply_to: reply_to.map(|reply| ReplyLine {
                id: reply.id,
                topic: reply.topic,
                quote: reply.quote.as_deref(),
                // What is quoted is the beginning.
                quote_offset: reply.quote.as_ref().map(|_| 0),
            }),
            forward: forward.map(|forward| ForwardLine {
                from: forward.from,
                name: forward.name.as_deref(),
                date: Date(forward.date),
                post: forward.post,
            }),
            media: extra.media.as_ref().map(MediaLine::of),
            album: extra.album,
            edited: extra.edited.filter(|_| !extra.edit_hidden).map(Date),
            replies: extra.replies,
            comments: extra.replies.and(chat.discussion()),
            reactions: extra.reactions.iter().map(|r| ReactionLine { emoji: &r.emoji, count: r.count }).collect(),
            via_bot: extra.via_bot,
            author: extra.author.as_deref(),
            pinned: extra.pinned,
            service: extra.service.as_ref().map(ServiceLine::of),
            ..self
        }
    }
}

#[derive(Serialize)]
struct EntityLine<'w> {
    kind: &'static str,
    offset: i32,
    length: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<&'w str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    language: Option<&'w str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    emoji: Option<i64>,
}

impl<'w> EntityLine<'w> {
    fn of(entity: &'w Entity) -> Self {
        let (mut url, mut language, mut user, mut emoji) = (None, None, None, None);
        let kind = match &entity.kind {
            EntityKind::Mention => "mention",
            EntityKind::Hashtag => "hashtag",
            EntityKind::BotCommand => "bot_command",
            EntityKind::Url => "url",
            EntityKind::Email => "email",
            EntityKind::Bold => "bold",
            EntityKind::Italic => "italic",
            EntityKind::Code => "code",
            EntityKind::Pre { language: of } => {
                language = Some(of.as_str()).filter(|language| !language.is_empty());
                "pre"
            }
            EntityKind::TextUrl { url: of } => {
                url = Some(of.as_str());
                "text_url"
            }
            EntityKind::MentionName { user: of } => {
                user = Some(*of);
                "mention_name"
            }
            EntityKind::Phone => "phone",
            EntityKind::Cashtag => "cashtag",
            EntityKind::Underline => "underline",
            EntityKind::Strike => "strike",
            EntityKind::Blockquote => "blockquote",
            EntityKind::BankCard => "bank_card",
            EntityKind::Spoiler => "spoiler",
            EntityKind::CustomEmoji { document } => {
                emoji = Some(*document);
                "custom_emoji"
            }
            EntityKind::Unknown => "unknown",
        };
        Self { kind, offset: entity.offset, length: entity.length, url, language, user, emoji }
    }
}

#[derive(Default, Serialize)]
struct MediaLine<'w> {
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'w str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mime: Option<&'w str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    width: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    height: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration: Option<Seconds>,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<&'w str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'w str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    performer: Option<&'w str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    emoji: Option<&'w str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    question: Option<&'w str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    options: &'w [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    latitude: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    longitude: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    phone: Option<&'w str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    page: Option<PageLine<'w>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    poll: Option<PollLine>,
    #[serde(skip_serializing_if = "Option::is_none")]
    place: Option<PlaceLine<'w>>,
}

#[derive(Serialize)]
struct PageLine<'w> {
    #[serde(skip_serializing_if = "Option::is_none")]
    display_url: Option<&'w str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    site: Option<&'w str>,
    r#type: &'static str,
}

#[derive(Serialize)]
struct PollLine {
    id: i64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    results: Vec<PollResultLine>,
    voters: i32,
}

#[derive(Serialize)]
struct PollResultLine {
    #[serde(skip_serializing_if = "Option::is_none")]
    voters: Option<i32>,
}

#[derive(Serialize)]
struct PlaceLine<'w> {
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<&'w str>,
    provider: &'static str,
}

/// A number of seconds, without a fraction when whole.
struct Seconds(f64);

impl Serialize for Seconds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.fract() == 0.0 { serializer.serialize_i64(self.0 as i64) } else { serializer.serialize_f64(self.0) }
    }
}

fn filled(text: &str) -> Option<String> {
    said(text).map(str::to_owned)
}

fn said(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

impl<'w> MediaLine<'w> {
    fn of(media: &'w Media) -> Self {
        match media {
            Media::Photo(photo) => Self {
                kind: "photo",
                id: Some(photo.id),
                size: Some(i64::from(photo.size)),
                width: Some(photo.width),
                height: Some(photo.height),
                ..Self::default()
            },
            Media::Document(document) => Self::of_document(document),
            Media::Webpage { id: _, url, site, title, description } => Self {
                kind: "webpage",
                url: Some(url),
                title: filled(title),
                description: said(description),
                page: Some(PageLine {
                    display_url: said(url.strip_prefix("https://").unwrap_or(url)),
                    site: said(site),
                    r#type: "article",
                }),
                ..Self::default()
            },
            Media::Poll { id, question, options, voters } => {
                let mut results: Vec<_> =
                    (0..options.len()).map(|at| PollResultLine { voters: voters.get(at).copied() }).collect();
                if voters.is_empty() {
                    results.clear();
                }
                let poll = Some(PollLine { id: *id, results, voters: voters.iter().sum() });
                Self { kind: "poll", question: Some(question), options, poll, ..Self::default() }
            }
            Media::Geo { latitude, longitude } => {
                Self { kind: "geo", latitude: Some(*latitude), longitude: Some(*longitude), ..Self::default() }
            }
            Media::Venue { latitude, longitude, title, address } => Self {
                kind: "venue",
                title: filled(title),
                latitude: Some(*latitude),
                longitude: Some(*longitude),
                place: Some(PlaceLine { address: said(address), provider: "foursquare" }),
                ..Self::default()
            },
            Media::Contact { phone, first_name, last_name, user } => Self {
                kind: "contact",
                title: filled(format!("{first_name} {last_name}").trim()),
                phone: Some(phone),
                user: (*user != 0).then_some(*user),
                ..Self::default()
            },
            Media::Dice { emoji, value } => Self { kind: "dice", emoji: said(emoji), value: Some(*value), ..Self::default() },
        }
    }

    fn of_document(document: &'w Document) -> Self {
        let kind = match document.kind {
            DocumentKind::File => "file",
            DocumentKind::Video => "video",
            DocumentKind::Animation => "animation",
            DocumentKind::Audio => "audio",
            DocumentKind::Voice => "voice",
            DocumentKind::Round => "round",
            DocumentKind::Sticker => "sticker",
        };
        Self {
            kind,
            id: Some(document.id),
            name: document.name.as_deref().filter(|name| !name.is_empty()),
            mime: Some(&document.mime),
            size: Some(document.size),
            width: document.dimensions.map(|(width, _)| width),
            height: document.dimensions.map(|(_, height)| height),
            duration: document.duration.map(Seconds),
            title: document.title.clone(),
            performer: document.performer.as_deref().and_then(said),
            emoji: document.emoji.as_deref().and_then(said),
            ..Self::default()
        }
    }
}

#[derive(Serialize)]
struct ServiceLine<'w> {
    action: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<&'w str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    users: Vec<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    migrated: Option<PeerId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'w str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    photo: Option<i64>,
}

impl<'w> ServiceLine<'w> {
    fn of(service: &'w Service) -> Self {
        let (mut title, mut users, mut message) = (None, Vec::new(), None);
        let (mut migrated, mut text, mut photo) = (None, None, None);
        let action = match service {
            Service::ChatCreate { title: of, users: added } => {
                title = Some(of.as_str());
                users.clone_from(added);
                "chat_create"
            }
            Service::ChatEditTitle { title: of } => {
                title = Some(of.as_str());
                "chat_edit_title"
            }
            Service::ChatEditPhoto { photo: of } => {
                photo = Some(of.id);
                "chat_edit_photo"
            }
            Service::ChatDeletePhoto => "chat_delete_photo",
            Service::ChatAddUser { users: added } => {
                users.clone_from(added);
                "chat_add_user"
            }
            Service::ChatDeleteUser { user } => {
                users.push(*user);
                "chat_delete_user"
            }
            Service::ChatJoinedByLink { inviter } => {
                users.push(*inviter);
                "chat_joined_by_link"
            }
            Service::ChatJoinedByRequest => "chat_joined_by_request",
            Service::ChannelCreate { title: of } => {
                title = Some(of.as_str());
                "channel_create"
            }
            Service::ChatMigrateTo { channel } => {
                migrated = Some(PeerId::channel(*channel));
                "chat_migrate_to"
            }
            Service::ChannelMigrateFrom { title: of, chat } => {
                title = Some(of.as_str());
                migrated = Some(PeerId::group(*chat));
                "channel_migrate_from"
            }
            Service::PinMessage { message: of } => {
                message = Some(*of).filter(|id| *id > 0);
                "pin_message"
            }
            Service::HistoryClear => "history_clear",
            Service::CustomAction { text: of } => {
                text = said(of);
                "custom_action"
            }
            Service::TopicCreate { title: of } => {
                title = Some(of.as_str());
                "topic_create"
            }
        };
        Self { action, title, users, message, migrated, text, photo }
    }
}
