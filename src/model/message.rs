//! A message as Telegram shows it, with everything it carries.

use super::{Button, Entity, Forward, Media, MessageKey, PeerId, Reply, Service, Timestamp};

/// A reaction and how often it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reaction {
    /// The emoji, a custom emoji's document id as text, or `paid`.
    pub emoji: String,
    /// How often.
    pub count: i32,
}

/// The counters of a message, which change without an edit.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Counters {
    /// How often it was viewed.
    pub views: Option<i32>,
    /// How often it was forwarded.
    pub forwards: Option<i32>,
    /// How many replies or comments it has.
    pub replies: Option<i32>,
    /// Reactions, in Telegram's order; `None` where an answer does not tell of them.
    pub reactions: Option<Vec<Reaction>>,
}

/// Why a message is not shown to everybody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restriction {
    /// Where: `all`, `ios`, `android`, ...
    pub platform: String,
    /// Telegram's word for why: `porn`, `copyright`, `terms`, ...
    pub reason: String,
    /// What is shown instead.
    pub text: String,
}

/// A message in its newest known form.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// Where it was posted, and its id there.
    pub key: MessageKey,
    /// When it was sent.
    pub date: Timestamp,
    /// Who sent it; absent for channel posts without one.
    pub sender: Option<PeerId>,
    /// Text or caption.
    pub text: String,
    /// Mark-up of the text.
    pub entities: Vec<Entity>,
    /// Whether text and entities were made from a page of headings, lists and tables, of which they are the words.
    pub rich: bool,
    /// What it replies to.
    pub reply: Option<Reply>,
    /// Where it was forwarded from.
    pub forward: Option<Forward>,
    /// What it carries besides text.
    pub media: Option<Media>,
    /// Buttons below it, in rows.
    pub buttons: Vec<Vec<Button>>,
    /// The album (Telegram's grouped id) it is part of.
    pub album: Option<i64>,
    /// When it was last edited; absent for edits that Telegram hides.
    pub edited: Option<Timestamp>,
    /// How often it was viewed.
    pub views: Option<i32>,
    /// How often it was forwarded.
    pub forwards: Option<i32>,
    /// How many replies or comments it has.
    pub replies: Option<i32>,
    /// The group in which the comments are, if its replies are comments.
    pub comments: Option<PeerId>,
    /// Reactions, in Telegram's order.
    pub reactions: Vec<Reaction>,
    /// The inline bot it was sent with.
    pub via_bot: Option<PeerId>,
    /// The post author's signature.
    pub author: Option<String>,
    /// Whether it is pinned.
    pub pinned: bool,
    /// Whether nobody was notified of it.
    pub silent: bool,
    /// Whether it may not be forwarded or saved.
    pub protected: bool,
    /// Whether it was scheduled beforehand.
    pub scheduled: bool,
    /// After how many seconds it deletes itself.
    pub ttl: Option<i32>,
    /// Why it is not shown to everybody.
    pub restrictions: Vec<Restriction>,
    /// What it reports, if it is a service message.
    pub service: Option<Service>,
}

impl Message {
    /// A message with nothing but its key and date.
    #[must_use]
    pub fn new(key: MessageKey, date: Timestamp) -> Self {
        Self {
            key,
            date,
            sender: None,
            text: String::new(),
            entities: Vec::new(),
            rich: false,
            reply: None,
            forward: None,
            media: None,
            buttons: Vec::new(),
            album: None,
            edited: None,
            views: None,
            forwards: None,
            replies: None,
            comments: None,
            reactions: Vec::new(),
            via_bot: None,
            author: None,
            pinned: false,
            silent: false,
            protected: false,
            scheduled: false,
            ttl: None,
            restrictions: Vec::new(),
            service: None,
        }
    }

    /// Its counters.
    #[must_use]
    pub fn counters(&self) -> Counters {
        let (views, forwards, replies) = (self.views, self.forwards, self.replies);
        Counters { views, forwards, replies, reactions: Some(self.reactions.clone()) }
    }

    /// Whether a newer form of this message has the same content: a difference only in what changes by itself is no edit and makes no
    /// version (deduplication). Such are the counters (views, forwards, replies, reactions, the votes of a poll), being pinned, and what
    /// the chat or Telegram's moderation decides (the group of comments, protection, time to live, restrictions).
    #[must_use]
    pub fn same_content_as(&self, newer: &Self) -> bool {
        let both = |old: bool, new: bool, same: &dyn Fn() -> bool| if old && new { same() } else { old == new };
        let media = || self.media.iter().zip(&newer.media).all(|(old, new)| old.same_content_as(new));
        let reply = || self.reply.iter().zip(&newer.reply).all(|(old, new)| old.same_content_as(new));
        self.text == newer.text
            && self.entities == newer.entities
            && both(self.media.is_some(), newer.media.is_some(), &media)
            && both(self.reply.is_some(), newer.reply.is_some(), &reply)
            && self.buttons == newer.buttons
            && self.edited == newer.edited
            && self.sender == newer.sender
            && self.forward == newer.forward
            && self.album == newer.album
            && self.author == newer.author
            && self.via_bot == newer.via_bot
            && self.service == newer.service
            && self.date == newer.date
    }
}
