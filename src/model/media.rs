//! What a message carries besides text.

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
}

impl MediaKind {
    /// Every kind; the position is the number under which it is stored, so only append.
    pub const ALL: [Self; 18] = [
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
        }
    }
}

/// Media: its kind, and whichever of the other members that kind has.
#[derive(Clone, Debug, PartialEq)]
pub struct Media {
    /// What kind of media it is.
    pub kind: MediaKind,
    /// Telegram's photo or document id.
    pub id: Option<i64>,
    /// File name as the sender gave it; never to be used as a path.
    pub name: Option<String>,
    /// MIME type as the sender gave it.
    pub mime: Option<String>,
    /// Bytes.
    pub size: Option<i64>,
    /// Pixels.
    pub width: Option<i32>,
    /// Pixels.
    pub height: Option<i32>,
    /// Seconds.
    pub duration: Option<f64>,
    /// The address of a web page.
    pub url: Option<String>,
    /// The title of a web page, audio track, venue, game, invoice, or a contact's name.
    pub title: Option<String>,
    /// A poll's question.
    pub question: Option<String>,
    /// A poll's answers.
    pub options: Vec<String>,
    /// Degrees north.
    pub latitude: Option<f64>,
    /// Degrees east.
    pub longitude: Option<f64>,
    /// A contact's phone number.
    pub phone: Option<String>,
}

impl Media {
    /// Media of a kind, with nothing else known.
    #[must_use]
    pub fn new(kind: MediaKind) -> Self {
        Self {
            kind,
            id: None,
            name: None,
            mime: None,
            size: None,
            width: None,
            height: None,
            duration: None,
            url: None,
            title: None,
            question: None,
            options: Vec::new(),
            latitude: None,
            longitude: None,
            phone: None,
        }
    }
}
