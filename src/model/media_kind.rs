//! The kinds of media.

/// What kind of media it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MediaKind {
    /// A photo.
    Photo,
    /// A video with picture and, usually, sound.
    Video,
    /// A silent looping video or GIF.
    Animation,
    /// A music file.
    Audio,
    /// A voice message.
    Voice,
    /// A round video message.
    Round,
    /// A sticker of any format.
    Sticker,
    /// Any other document.
    File,
    /// A link with a preview.
    Webpage,
    /// A poll or quiz.
    Poll,
    /// A point on the map, fixed or live.
    Geo,
    /// A named place.
    Venue,
    /// A contact card.
    Contact,
    /// A die or another emoji with a random value.
    Dice,
    /// A game of a bot.
    Game,
    /// An invoice.
    Invoice,
    /// A forwarded story.
    Story,
    /// Anything that this version has no name for; the raw bytes are kept.
    Other,
    /// A giveaway of Premium or Stars.
    Giveaway,
    /// The winners of a giveaway.
    GiveawayResults,
    /// Photos and videos that must be paid for.
    Paid,
    /// A to-do list.
    Todo,
    /// A live video stream.
    Stream,
    /// What Telegram says this layer cannot show.
    Unsupported,
}

impl MediaKind {
    /// Every kind; the position is the number under which it is stored, so only append.
    pub const ALL: [Self; 24] = [
        Self::Photo,
        Self::Video,
        Self::Animation,
        Self::Audio,
        Self::Voice,
        Self::Round,
        Self::Sticker,
        Self::File,
        Self::Webpage,
        Self::Poll,
        Self::Geo,
        Self::Venue,
        Self::Contact,
        Self::Dice,
        Self::Game,
        Self::Invoice,
        Self::Story,
        Self::Other,
        Self::Giveaway,
        Self::GiveawayResults,
        Self::Paid,
        Self::Todo,
        Self::Stream,
        Self::Unsupported,
    ];

    /// The name used in JSON and queries.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Photo => "photo",
            Self::Video => "video",
            Self::Animation => "animation",
            Self::Audio => "audio",
            Self::Voice => "voice",
            Self::Round => "round",
            Self::Sticker => "sticker",
            Self::File => "file",
            Self::Webpage => "webpage",
            Self::Poll => "poll",
            Self::Geo => "geo",
            Self::Venue => "venue",
            Self::Contact => "contact",
            Self::Dice => "dice",
            Self::Game => "game",
            Self::Invoice => "invoice",
            Self::Story => "story",
            Self::Other => "other",
            Self::Giveaway => "giveaway",
            Self::GiveawayResults => "giveaway_results",
            Self::Paid => "paid",
            Self::Todo => "todo",
            Self::Stream => "stream",
            Self::Unsupported => "unsupported",
        }
    }
}
