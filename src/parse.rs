//! The parser: from Telegram's TL types to the data model.
//!
//! Pure (deterministic, no I/O), and it never fails: what this version has no name for becomes `other` or `unknown`, is reported in
//! [`Parsed::not_understood`], and stays in the raw bytes that are archived beside, so that a later version can parse again.

mod button;
mod entity;
mod file;
mod files;
mod media;
mod origin;
mod peer;
mod poll;
mod rich;
mod service;

use grammers_tl_types::{Serializable, enums, types};

use crate::model::{Message, MessageId, MessageKey, PeerId, Reaction, Restriction, SeenFile, Timestamp};

pub use files::{UnreadableRaw, chat_avatar, files, files_of_raw, full_photo, user_avatar};
pub use peer::{chat, peer_id, user};

/// A message as far as this version understands it.
#[derive(Clone, Debug, PartialEq)]
pub struct Parsed {
    /// The message.
    pub message: Message,
    /// Telegram's edit date, also of an edit that it hides; 0 when never edited.
    pub revision: i64,
    /// Telegram's bytes of the message.
    pub raw: Vec<u8>,
    /// TL names of the constructors that have no counterpart in the model, each once.
    pub not_understood: Vec<&'static str>,
    /// The files that it tells of, with what the account that got it may ask for them.
    pub files: Vec<SeenFile>,
}

/// Parses a message. `None` for an empty one: Telegram's way to say that an id holds nothing.
#[must_use]
pub fn message(tl: &enums::Message) -> Option<Parsed> {
    let mut unknown = UnknownConstructors::default();
    let (message, revision) = match tl {
        enums::Message::Empty(_) => return None,
        enums::Message::Message(m) => (ordinary(m, &mut unknown), m.edit_date.map_or(0, i64::from)),
        enums::Message::Service(m) => (service::message(m, &mut unknown), 0),
    };
    Some(Parsed { message, revision, raw: tl.to_bytes(), not_understood: unknown.names, files: files(tl) })
}

/// The constructors of one message that this version has no name for.
#[derive(Default)]
struct UnknownConstructors {
    names: Vec<&'static str>,
}

impl UnknownConstructors {
    fn note(&mut self, tl: &impl Serializable) {
        let name = name(tl);
        if !self.names.contains(&name) {
            self.names.push(name);
        }
    }
}

fn ordinary(m: &types::Message, unknown: &mut UnknownConstructors) -> Message {
    let peer = peer_id(&m.peer_id);
    let (text, entities) = match &m.rich_message {
        Some(page) if m.message.is_empty() => rich::text(page, unknown),
        Some(page) => {
            // Both: the words of the page are in the raw bytes only.
            unknown.note(page);
            (m.message.clone(), entity::entities(m.entities.as_ref(), unknown))
        }
        None => (m.message.clone(), entity::entities(m.entities.as_ref(), unknown)),
    };
    let replies = m.replies.as_ref().map(|enums::MessageReplies::Replies(r)| r);
    Message {
        key: MessageKey::new(peer, MessageId(m.id)),
        date: timestamp(m.date),
        sender: sender(m.from_id.as_ref(), peer, m.out),
        text,
        entities,
        rich: m.rich_message.is_some() && m.message.is_empty(),
        reply: m.reply_to.as_ref().map(|header| origin::reply(header, unknown)),
        forward: m.fwd_from.as_ref().map(origin::forward),
        media: m.media.as_ref().and_then(|media| media::media(media, unknown)),
        buttons: m.reply_markup.as_ref().map(|markup| button::rows(markup, unknown)).unwrap_or_default(),
        album: m.grouped_id,
        edited: m.edit_date.filter(|_| !m.edit_hide).map(timestamp),
        views: m.views,
        forwards: m.forwards,
        replies: replies.map(|r| r.replies),
        comments: replies.filter(|r| r.comments).and_then(|r| r.channel_id).map(PeerId::channel),
        reactions: m.reactions.as_ref().map(reactions).unwrap_or_default(),
        via_bot: m.via_bot_id.map(PeerId::user),
        author: m.post_author.clone(),
        pinned: m.pinned,
        silent: m.silent,
        protected: m.noforwards,
        scheduled: m.from_scheduled,
        ttl: m.ttl_period,
        restrictions: m.restriction_reason.iter().flatten().map(restriction).collect(),
        service: None,
    }
}

fn timestamp(date: i32) -> Timestamp {
    Timestamp(i64::from(date))
}

/// In a private chat Telegram leaves the sender out: it is the other side, or ourselves.
fn sender(from: Option<&enums::Peer>, peer: PeerId, out: bool) -> Option<PeerId> {
    let other_side = || (peer.0 > 0 && !out).then_some(peer);
    from.map(peer_id).or_else(other_side)
}

/// Reactions, in Telegram's order.
#[must_use]
pub fn reactions(tl: &enums::MessageReactions) -> Vec<Reaction> {
    let enums::MessageReactions::Reactions(r) = tl;
    let name = |reaction: &enums::Reaction| match reaction {
        enums::Reaction::Empty => None,
        enums::Reaction::Emoji(e) => Some(e.emoticon.clone()),
        enums::Reaction::CustomEmoji(e) => Some(e.document_id.to_string()),
        enums::Reaction::Paid => Some("paid".to_owned()),
    };
    r.results
        .iter()
        .filter_map(|enums::ReactionCount::Count(c)| Some(Reaction { emoji: name(&c.reaction)?, count: c.count }))
        .collect()
}

fn restriction(tl: &enums::RestrictionReason) -> Restriction {
    let enums::RestrictionReason::Reason(r) = tl;
    Restriction { platform: r.platform.clone(), reason: r.reason.clone(), text: r.text.clone() }
}

/// Text without its mark-up.
fn plain(tl: &enums::TextWithEntities) -> String {
    let enums::TextWithEntities::Entities(t) = tl;
    t.text.clone()
}

/// A text that is not empty: Telegram's required fields are empty where there is nothing.
fn non_empty(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

/// A number that is finite: NaN would be unequal to itself, and each reading of the message an edit.
fn finite(number: f64) -> Option<f64> {
    Some(number).filter(|n| n.is_finite())
}

/// The TL name of a boxed value.
fn name(tl: &impl Serializable) -> &'static str {
    let bytes = tl.to_bytes();
    let id = bytes.first_chunk().map_or(0, |id| u32::from_le_bytes(*id));
    grammers_tl_types::name_for_id(id)
}
