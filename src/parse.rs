//! What Telegram's answers mean: from its TL types to the model.
//!
//! Pure, and it never fails: what this version has no name for becomes `other` or `unknown`, is reported in
//! [`Parsed::not_understood`], and stays in the raw bytes that are archived beside, so that a later version can parse again.

mod media;
mod peer;
mod service;

use grammers_tl_types::{Serializable as _, enums, types};

use crate::model::{Entity, EntityKind, Forward, Message, MessageId, MessageKey, PeerId, Reaction, Reply, Timestamp};

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
    /// Names of the constructors that have no counterpart in the model.
    pub not_understood: Vec<&'static str>,
}

/// Parses a message. `None` for an empty one: Telegram's way to say that an id holds nothing.
#[must_use]
pub fn message(tl: &enums::Message) -> Option<Parsed> {
    let mut not_understood = Vec::new();
    let (message, revision) = match tl {
        enums::Message::Empty(_) => return None,
        enums::Message::Message(m) => (ordinary(m, &mut not_understood), m.edit_date.map_or(0, i64::from)),
        enums::Message::Service(m) => (service::message(m), 0),
    };
    Some(Parsed { message, revision, raw: tl.to_bytes(), not_understood })
}

fn ordinary(m: &types::Message, not_understood: &mut Vec<&'static str>) -> Message {
    if let Some(rich) = &m.rich_message {
        not_understood.push(name(rich));
    }
    let peer = peer_id(&m.peer_id);
    Message {
        key: MessageKey { peer, id: MessageId(m.id) },
        date: timestamp(m.date),
        sender: sender(m.from_id.as_ref(), peer, m.out),
        text: m.message.clone(),
        entities: m.entities.iter().flatten().map(|e| entity(e, not_understood)).collect(),
        reply: m.reply_to.as_ref().and_then(reply),
        forward: m.fwd_from.as_ref().map(forward),
        media: m.media.as_ref().and_then(|media| media::media(media, not_understood)),
        album: m.grouped_id,
        edited: m.edit_date.filter(|_| !m.edit_hide).map(timestamp),
        views: m.views,
        forwards: m.forwards,
        replies: m.replies.as_ref().map(|enums::MessageReplies::Replies(r)| r.replies),
        reactions: m.reactions.as_ref().map(reactions).unwrap_or_default(),
        via_bot: m.via_bot_id.map(PeerId::user),
        author: m.post_author.clone(),
        pinned: m.pinned,
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

fn reply(header: &enums::MessageReplyHeader) -> Option<Reply> {
    // A reply to a story replies to no message.
    let enums::MessageReplyHeader::Header(h) = header else { return None };
    let in_topic = h.reply_to_msg_id.filter(|_| h.forum_topic);
    Some(Reply {
        id: h.reply_to_msg_id.map(MessageId),
        topic: h.reply_to_top_id.or(in_topic).map(MessageId),
        quote: h.quote_text.clone(),
    })
}

fn forward(header: &enums::MessageFwdHeader) -> Forward {
    let enums::MessageFwdHeader::Header(h) = header;
    Forward {
        from: h.from_id.as_ref().map(peer_id),
        name: h.from_name.clone(),
        date: Some(timestamp(h.date)),
        post: h.channel_post.map(MessageId),
    }
}

fn reactions(tl: &enums::MessageReactions) -> Vec<Reaction> {
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

fn entity(tl: &enums::MessageEntity, not_understood: &mut Vec<&'static str>) -> Entity {
    use enums::MessageEntity as E;
    let mut entity =
        Entity { kind: EntityKind::Unknown, offset: 0, length: 0, url: None, language: None, user: None, emoji: None };
    macro_rules! plain {
        ($e:expr, $kind:ident) => {
            (EntityKind::$kind, $e.offset, $e.length)
        };
    }
    let (kind, offset, length) = match tl {
        E::Mention(e) => plain!(e, Mention),
        E::Hashtag(e) => plain!(e, Hashtag),
        E::BotCommand(e) => plain!(e, BotCommand),
        E::Url(e) => plain!(e, Url),
        E::Email(e) => plain!(e, Email),
        E::Bold(e) => plain!(e, Bold),
        E::Italic(e) => plain!(e, Italic),
        E::Code(e) => plain!(e, Code),
        E::Phone(e) => plain!(e, Phone),
        E::Cashtag(e) => plain!(e, Cashtag),
        E::Underline(e) => plain!(e, Underline),
        E::Strike(e) => plain!(e, Strike),
        E::Blockquote(e) => plain!(e, Blockquote),
        E::BankCard(e) => plain!(e, BankCard),
        E::Spoiler(e) => plain!(e, Spoiler),
        E::Pre(e) => {
            entity.language = Some(e.language.clone()).filter(|l| !l.is_empty());
            plain!(e, Pre)
        }
        E::TextUrl(e) => {
            entity.url = Some(e.url.clone());
            plain!(e, TextUrl)
        }
        E::MentionName(e) => {
            entity.user = Some(PeerId::user(e.user_id));
            plain!(e, MentionName)
        }
        E::CustomEmoji(e) => {
            entity.emoji = Some(e.document_id);
            plain!(e, CustomEmoji)
        }
        E::Unknown(e) => plain!(e, Unknown),
        other => {
            not_understood.push(name(other));
            (EntityKind::Unknown, other.offset(), other.length())
        }
    };
    Entity { kind, offset, length, ..entity }
}

/// A number that is one: what is not a number would be unequal to itself, and each reading of the message an edit.
fn finite(number: f64) -> Option<f64> {
    Some(number).filter(|n| n.is_finite())
}

/// The TL name of a boxed value.
fn name(tl: &impl grammers_tl_types::Serializable) -> &'static str {
    let bytes = tl.to_bytes();
    let id = bytes.first_chunk().map_or(0, |id| u32::from_le_bytes(*id));
    grammers_tl_types::name_for_id(id)
}
