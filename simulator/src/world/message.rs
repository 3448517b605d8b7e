//! Messages, kept small: what most of them lack is behind one pointer.

use super::{Media, PeerId, Photo};

/// How a part of the text is marked up; the names are those of the dump.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are Telegram's own")]
pub enum EntityKind {
    Mention,
    Hashtag,
    BotCommand,
    Url,
    Email,
    Bold,
    Italic,
    Code,
    Pre { language: String },
    TextUrl { url: String },
    MentionName { user: i64 },
    Phone,
    Cashtag,
    Underline,
    Strike,
    Blockquote,
    BankCard,
    Spoiler,
    CustomEmoji { document: i64 },
    Unknown,
}

/// A marked-up part of the text, in UTF-16 code units.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entity {
    /// How it is marked up.
    pub kind: EntityKind,
    /// Where it starts.
    pub offset: i32,
    /// How long it is.
    pub length: i32,
}

/// What a message replies to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// The message replied to.
    pub id: i32,
    /// The root message of the thread.
    pub topic: Option<i32>,
    /// The quoted part of it.
    pub quote: Option<String>,
}

/// Where a message was forwarded from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Forward {
    /// The original sender or channel.
    pub from: Option<PeerId>,
    /// The original sender's name, where hidden.
    pub name: Option<String>,
    /// When the original was sent.
    pub date: i32,
    /// The id of the original channel post.
    pub post: Option<i32>,
}

/// A reaction and how often it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reaction {
    /// An emoji, a custom emoji's document id as digits, or `paid`.
    pub emoji: String,
    /// How often.
    pub count: i32,
}

/// What a service message reports.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are Telegram's own")]
pub enum Service {
    ChatCreate { title: String, users: Vec<i64> },
    ChatEditTitle { title: String },
    ChatEditPhoto { photo: Photo },
    ChatDeletePhoto,
    ChatAddUser { users: Vec<i64> },
    ChatDeleteUser { user: i64 },
    ChatJoinedByLink { inviter: i64 },
    ChatJoinedByRequest,
    ChannelCreate { title: String },
    ChatMigrateTo { channel: i64 },
    ChannelMigrateFrom { title: String, chat: i64 },
    PinMessage { message: i32 },
    HistoryClear,
    CustomAction { text: String },
    TopicCreate { title: String },
}

/// What a message may have besides text; boxed, because most have none of it.
#[derive(Clone, Debug, Default)]
pub struct Extra {
    /// Mark-up of the text.
    pub entities: Vec<Entity>,
    /// What it replies to.
    pub reply: Option<Reply>,
    /// Where it was forwarded from.
    pub forward: Option<Forward>,
    /// What it carries.
    pub media: Option<Media>,
    /// The album it is part of.
    pub album: Option<i64>,
    /// When it was last edited.
    pub edited: Option<i32>,
    /// Whether Telegram hides the edit.
    pub edit_hidden: bool,
    /// How many replies or comments it has.
    pub replies: Option<i32>,
    /// Reactions, most frequent first.
    pub reactions: Vec<Reaction>,
    /// The inline bot it was sent with.
    pub via_bot: Option<i64>,
    /// The post author's signature.
    pub author: Option<String>,
    /// Whether it is pinned.
    pub pinned: bool,
    /// What it reports, if it is a service message.
    pub service: Option<Service>,
}

/// A message.
#[derive(Clone, Debug)]
pub struct Message {
    /// Its id in the chat or, for basic groups and private chats, in the sequence of the account whose copy it is in.
    pub id: i32,
    /// When it was sent.
    pub date: i32,
    /// Who sent it; absent for channel posts.
    pub sender: Option<PeerId>,
    /// Text or caption.
    pub text: Box<str>,
    /// How often a channel post was viewed; negative where it is not counted.
    pub views: i32,
    /// How often a channel post was forwarded; meaningful where views are counted.
    pub forwards: i32,
    /// Everything that most messages lack.
    pub extra: Option<Box<Extra>>,
}

impl Message {
    pub(crate) fn new(id: i32, date: i32, sender: Option<PeerId>, text: impl Into<Box<str>>) -> Self {
        Self { id, date, sender, text: text.into(), views: -1, forwards: 0, extra: None }
    }

    /// The rarer members, created where there are none yet.
    pub(crate) fn extra_mut(&mut self) -> &mut Extra {
        self.extra.get_or_insert_default()
    }

    /// What it reports, if it is a service message.
    #[must_use]
    pub fn service(&self) -> Option<&Service> {
        self.extra.as_ref()?.service.as_ref()
    }

    /// What it carries.
    #[must_use]
    pub fn media(&self) -> Option<&Media> {
        self.extra.as_ref()?.media.as_ref()
    }
}
