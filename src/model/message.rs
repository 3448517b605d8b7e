//! A message as Telegram shows it, with everything it carries.

use super::{Media, MessageId, MessageKey, PeerId, Timestamp};

/// How a part of the text is marked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EntityKind {
    /// `@username`.
    Mention,
    /// `#tag`.
    Hashtag,
    /// `/command`.
    BotCommand,
    /// A link that shows itself.
    Url,
    /// An e-mail address.
    Email,
    /// Bold.
    Bold,
    /// Italic.
    Italic,
    /// Inline code.
    Code,
    /// A code block; may carry a language.
    Pre,
    /// A link behind other text; carries the URL.
    TextUrl,
    /// A mention of a user without username; carries the user.
    MentionName,
    /// A phone number.
    Phone,
    /// `$TICKER`.
    Cashtag,
    /// Underlined.
    Underline,
    /// Struck through.
    Strike,
    /// A quotation.
    Blockquote,
    /// A bank card number.
    BankCard,
    /// Hidden until tapped.
    Spoiler,
    /// A custom emoji; carries its document id.
    CustomEmoji,
    /// A kind that this version does not know; the raw bytes are kept.
    Unknown,
}

impl EntityKind {
    /// Every kind; the position is the number under which it is stored, so only append.
    pub const ALL: [Self; 20] = [
        Self::Mention,
        Self::Hashtag,
        Self::BotCommand,
        Self::Url,
        Self::Email,
        Self::Bold,
        Self::Italic,
        Self::Code,
        Self::Pre,
        Self::TextUrl,
        Self::MentionName,
        Self::Phone,
        Self::Cashtag,
        Self::Underline,
        Self::Strike,
        Self::Blockquote,
        Self::BankCard,
        Self::Spoiler,
        Self::CustomEmoji,
        Self::Unknown,
    ];

    /// The name used in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Mention => "mention",
            Self::Hashtag => "hashtag",
            Self::BotCommand => "bot_command",
            Self::Url => "url",
            Self::Email => "email",
            Self::Bold => "bold",
            Self::Italic => "italic",
            Self::Code => "code",
            Self::Pre => "pre",
            Self::TextUrl => "text_url",
            Self::MentionName => "mention_name",
            Self::Phone => "phone",
            Self::Cashtag => "cashtag",
            Self::Underline => "underline",
            Self::Strike => "strike",
            Self::Blockquote => "blockquote",
            Self::BankCard => "bank_card",
            Self::Spoiler => "spoiler",
            Self::CustomEmoji => "custom_emoji",
            Self::Unknown => "unknown",
        }
    }
}

/// A marked-up part of the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entity {
    /// How it is marked up.
    pub kind: EntityKind,
    /// Where it starts, in UTF-16 code units.
    pub offset: i32,
    /// How long it is, in UTF-16 code units.
    pub length: i32,
    /// The address behind a [`EntityKind::TextUrl`].
    pub url: Option<String>,
    /// The language of a [`EntityKind::Pre`].
    pub language: Option<String>,
    /// The user of a [`EntityKind::MentionName`].
    pub user: Option<PeerId>,
    /// The document id of a [`EntityKind::CustomEmoji`].
    pub emoji: Option<i64>,
}

/// What a message replies to.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Reply {
    /// The message replied to.
    pub id: Option<MessageId>,
    /// The root message of the topic or thread.
    pub topic: Option<MessageId>,
    /// The part that is quoted.
    pub quote: Option<String>,
}

/// Where a message was forwarded from.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Forward {
    /// The original sender.
    pub from: Option<PeerId>,
    /// The original sender's name, where the sender is hidden.
    pub name: Option<String>,
    /// When the original was sent.
    pub date: Option<Timestamp>,
    /// The id of the original channel post.
    pub post: Option<MessageId>,
}

/// A reaction and how often it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reaction {
    /// The emoji, a custom emoji's document id as text, or `paid`.
    pub emoji: String,
    /// How often.
    pub count: i32,
}

/// What moves about a message without being an edit.
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

/// What a service message reports.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Service {
    /// Telegram's constructor in snake case, without `message_action_`.
    pub action: String,
    /// The new title.
    pub title: Option<String>,
    /// The users concerned.
    pub users: Vec<PeerId>,
    /// The pinned message.
    pub message: Option<MessageId>,
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
    /// What it replies to.
    pub reply: Option<Reply>,
    /// Where it was forwarded from.
    pub forward: Option<Forward>,
    /// What it carries besides text.
    pub media: Option<Media>,
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
    /// Reactions, in Telegram's order.
    pub reactions: Vec<Reaction>,
    /// The inline bot it was sent with.
    pub via_bot: Option<PeerId>,
    /// The post author's signature.
    pub author: Option<String>,
    /// Whether it is pinned.
    pub pinned: bool,
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
            reply: None,
            forward: None,
            media: None,
            album: None,
            edited: None,
            views: None,
            forwards: None,
            replies: None,
            reactions: Vec::new(),
            via_bot: None,
            author: None,
            pinned: false,
            service: None,
        }
    }

    /// What is counted about it.
    #[must_use]
    pub fn counters(&self) -> Counters {
        let (views, forwards, replies) = (self.views, self.forwards, self.replies);
        Counters { views, forwards, replies, reactions: Some(self.reactions.clone()) }
    }

    /// Whether two forms of a message say the same: a difference only in counters (views, forwards, replies, reactions)
    /// or in being pinned is no edit and makes no version.
    #[must_use]
    pub fn says_the_same(&self, other: &Self) -> bool {
        self.text == other.text
            && self.entities == other.entities
            && self.media == other.media
            && self.edited == other.edited
            && self.sender == other.sender
            && self.forward == other.forward
            && self.reply == other.reply
            && self.album == other.album
            && self.author == other.author
            && self.via_bot == other.via_bot
            && self.service == other.service
            && self.date == other.date
    }
}
