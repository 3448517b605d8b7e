//! What a message carries besides text.

use super::{MediaKind, MessageId, PeerId, Timestamp};

/// Media: its kind, and whichever of the other members that kind has.
#[derive(Clone, Debug, PartialEq)]
pub struct Media {
    /// What kind of media it is.
    pub kind: MediaKind,
    /// Telegram's photo or document id.
    pub id: Option<i64>,
    /// File name as the sender gave it, never to be used as a path; a game's name in links.
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
    /// The title of a web page, audio track, venue, game, invoice or to-do list, or a contact's name.
    pub title: Option<String>,
    /// What a web page, game, invoice or giveaway says of itself; the caption of a story.
    pub description: Option<String>,
    /// Who plays an audio track.
    pub performer: Option<String>,
    /// The emoji of a sticker or die.
    pub emoji: Option<String>,
    /// The id of a sticker's set.
    pub sticker_set: Option<i64>,
    /// What a die shows.
    pub value: Option<i32>,
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
    /// A contact's user, if they are on Telegram.
    pub user: Option<PeerId>,
    /// A contact's vCard.
    pub vcard: Option<String>,
    /// Whether it is blurred until tapped.
    pub spoiler: bool,
    /// Seconds for which it can be seen once opened; `i32::MAX` for exactly once.
    pub ttl: Option<i32>,
    /// More of a web page.
    pub page: Option<Box<PagePreview>>,
    /// More of a poll.
    pub poll: Option<Box<Poll>>,
    /// More of a point on the map or a venue.
    pub place: Option<Box<GeoPlace>>,
    /// What an invoice or paid media costs.
    pub payment: Option<Payment>,
    /// The story that is meant.
    pub story: Option<Story>,
    /// More of a giveaway.
    pub giveaway: Option<Box<Giveaway>>,
    /// The tasks of a to-do list.
    pub tasks: Vec<TodoTask>,
    /// Media inside: of a story, of paid media, attached to a poll. These have none inside themselves.
    pub items: Vec<Media>,
}

/// More of a web page's preview: site, author, player.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct PagePreview {
    /// The address as it is shown.
    pub display_url: Option<String>,
    /// The site's name.
    pub site: Option<String>,
    /// Telegram's type: `article`, `video`, `telegram_message`, ...
    pub kind: Option<String>,
    /// Who wrote the page.
    pub author: Option<String>,
    /// The address of its player.
    pub embed: Option<String>,
    /// The id of its photo.
    pub photo: Option<i64>,
    /// The id of its document.
    pub document: Option<i64>,
    /// Whether it has an Instant View.
    pub instant: bool,
}

/// More of a poll.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Poll {
    /// Telegram's poll id, the same in every forwarded copy.
    pub id: i64,
    /// Whether there is a right answer.
    pub quiz: bool,
    /// Whether it is closed.
    pub closed: bool,
    /// Whether several answers may be chosen.
    pub multiple: bool,
    /// Whether everybody sees who voted for what.
    pub public: bool,
    /// When it closes.
    pub closes: Option<Timestamp>,
    /// What is known of each option, in their order; empty when nothing is.
    pub results: Vec<PollResult>,
    /// How many voted.
    pub voters: Option<i32>,
    /// The explanation of a quiz.
    pub solution: Option<String>,
}

/// What is known of a poll's option.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct PollResult {
    /// How many voted for it.
    pub voters: Option<i32>,
    /// Whether it is known to be right.
    pub correct: bool,
}

/// More of a point on the map or a venue.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct GeoPlace {
    /// A venue's address.
    pub address: Option<String>,
    /// Whose id it is: `foursquare`, `gplaces`.
    pub provider: Option<String>,
    /// The provider's id of a venue.
    pub id: Option<String>,
    /// The provider's type of a venue.
    pub kind: Option<String>,
    /// How exact the point is, in metres.
    pub accuracy: Option<i32>,
    /// For how many seconds a live location is shared; only live ones have it.
    pub period: Option<i32>,
    /// Where a live location is heading, in degrees.
    pub heading: Option<i32>,
}

/// What is paid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payment {
    /// ISO 4217, `XTR` for Telegram's Stars, `TON`.
    pub currency: String,
    /// In the currency's smallest unit.
    pub amount: i64,
}

/// A story.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Story {
    /// Whose it is.
    pub peer: PeerId,
    /// Its id there.
    pub id: i32,
}

/// More of a giveaway or its results.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Giveaway {
    /// The channels to be joined; of results, the one that gave it.
    pub channels: Vec<PeerId>,
    /// The countries it is for, as ISO 3166-1.
    pub countries: Vec<String>,
    /// How many prizes, or winners, there are.
    pub quantity: i32,
    /// How many prizes nobody took.
    pub unclaimed: Option<i32>,
    /// Months of Premium.
    pub months: Option<i32>,
    /// Telegram's Stars.
    pub stars: Option<i64>,
    /// When the winners are drawn.
    pub until: Option<Timestamp>,
    /// The winners.
    pub winners: Vec<PeerId>,
    /// The message with the giveaway whose results these are.
    pub message: Option<MessageId>,
}

/// A task of a to-do list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TodoTask {
    /// Its number in the list.
    pub id: i32,
    /// What is to be done.
    pub text: String,
    /// Who did it.
    pub completed_by: Option<PeerId>,
    /// When it was done.
    pub completed: Option<Timestamp>,
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
            description: None,
            performer: None,
            emoji: None,
            sticker_set: None,
            value: None,
            question: None,
            options: Vec::new(),
            latitude: None,
            longitude: None,
            phone: None,
            user: None,
            vcard: None,
            spoiler: false,
            ttl: None,
            page: None,
            poll: None,
            place: None,
            payment: None,
            story: None,
            giveaway: None,
            tasks: Vec::new(),
            items: Vec::new(),
        }
    }

    /// Whether a newer form of this media has the same content, so that it is no edit: votes in a poll, completed tasks and a preview
    /// that was still being made are none.
    #[must_use]
    pub fn same_content_as(&self, newer: &Self) -> bool {
        self == newer || self.previewed_since(newer) || self.without_counters() == newer.without_counters()
    }

    /// Whether this was a link whose preview was not made yet.
    fn previewed_since(&self, newer: &Self) -> bool {
        let pending = Self { url: self.url.clone(), ..Self::new(MediaKind::Webpage) };
        newer.kind == MediaKind::Webpage && *self == pending && (self.url.is_none() || self.url == newer.url)
    }

    fn without_counters(&self) -> Self {
        let mut media = self.clone();
        if let Some(poll) = &mut media.poll {
            // Also which answer is right, and why: Telegram tells it only to those who have voted.
            (poll.results, poll.voters, poll.solution) = (Vec::new(), None, None);
        }
        for task in &mut media.tasks {
            (task.completed_by, task.completed) = (None, None);
        }
        media.items = media.items.iter().map(Self::without_counters).collect();
        media
    }
}
