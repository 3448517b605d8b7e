//! How a text is marked up.

use super::{PeerId, Timestamp};

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
    /// A point in time, shown in the reader's time zone; carries it.
    Date,
    /// Text that a correction added.
    DiffInsert,
    /// Text that a correction put in the place of another; carries the old one.
    DiffReplace,
    /// Text that a correction took away.
    DiffDelete,
    /// An address in the TON network.
    TonAddress,
}

impl EntityKind {
    /// Every kind; the position is the number under which it is stored, so only append.
    pub const ALL: [Self; 25] = [
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
        Self::Date,
        Self::DiffInsert,
        Self::DiffReplace,
        Self::DiffDelete,
        Self::TonAddress,
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
            Self::Date => "date",
            Self::DiffInsert => "diff_insert",
            Self::DiffReplace => "diff_replace",
            Self::DiffDelete => "diff_delete",
            Self::TonAddress => "ton_address",
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
    /// Whether a [`EntityKind::Blockquote`] is folded until tapped.
    pub collapsed: bool,
    /// The time that a [`EntityKind::Date`] stands for.
    pub date: Option<Timestamp>,
    /// What stood in the place of a [`EntityKind::DiffReplace`].
    pub old: Option<String>,
}

impl Entity {
    /// A part that is marked up, with nothing else to it.
    #[must_use]
    pub fn new(kind: EntityKind, offset: i32, length: i32) -> Self {
        Self { kind, offset, length, url: None, language: None, user: None, emoji: None, collapsed: false, date: None, old: None }
    }
}
