//! The JSON view of the details of media: what only some kinds have.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::model::{GeoPlace, Giveaway, PagePreview, Payment, Poll, PollResult, TodoTask};

use super::{is_false, marked, non_empty, number, time};

/// More of a web page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Page)]
pub struct PageView {
    /// The address as it is shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display_url: Option<String>,
    /// The site's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub site: Option<String>,
    /// Telegram's type: `article`, `video`, `telegram_message`, ...
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub type_: Option<String>,
    /// Who wrote the page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// The address of its player.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub embed: Option<String>,
    /// The id of its photo.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub photo: Option<i64>,
    /// The id of its document.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub document: Option<i64>,
    /// Whether it has an Instant View.
    #[serde(default, skip_serializing_if = "is_false")]
    #[schema(required = false)]
    pub instant: bool,
}

/// More of a poll.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Poll)]
pub struct PollView {
    /// Telegram's poll id, the same in every forwarded copy.
    pub id: i64,
    /// Whether there is a right answer.
    #[serde(default, skip_serializing_if = "is_false")]
    #[schema(required = false)]
    pub quiz: bool,
    /// Whether it is closed.
    #[serde(default, skip_serializing_if = "is_false")]
    #[schema(required = false)]
    pub closed: bool,
    /// Whether several answers may be chosen.
    #[serde(default, skip_serializing_if = "is_false")]
    #[schema(required = false)]
    pub multiple: bool,
    /// Whether everybody sees who voted for what.
    #[serde(default, skip_serializing_if = "is_false")]
    #[schema(required = false)]
    pub public: bool,
    /// When it closes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub closes: Option<String>,
    /// What is known of each option, in their order; absent when nothing is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub results: Vec<PollResultView>,
    /// How many voted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub voters: Option<i32>,
    /// The explanation of a quiz.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub solution: Option<String>,
}

/// What is known of a poll's option.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = PollResult)]
pub struct PollResultView {
    /// How many voted for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub voters: Option<i32>,
    /// Whether it is known to be right.
    #[serde(default, skip_serializing_if = "is_false")]
    #[schema(required = false)]
    pub correct: bool,
}

/// More of a point on the map or a venue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Place)]
pub struct PlaceView {
    /// A venue's address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Whose id it is: `foursquare`, `gplaces`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// The provider's id of a venue.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The provider's type of a venue.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub type_: Option<String>,
    /// How exact the point is, in metres.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accuracy: Option<i32>,
    /// For how many seconds a live location is shared; only live ones have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub period: Option<i32>,
    /// Where a live location is heading, in degrees.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heading: Option<i32>,
}

/// What is paid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Payment)]
pub struct PaymentView {
    /// ISO 4217, `XTR` for Telegram's Stars, `TON`.
    pub currency: String,
    /// In the currency's smallest unit.
    pub amount: i64,
}

/// A story.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Story)]
pub struct StoryView {
    /// The marked id of whose it is.
    pub peer: i64,
    /// Its id there.
    pub id: i32,
}

/// More of a giveaway or its results.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Giveaway)]
pub struct GiveawayView {
    /// The marked ids of the channels to be joined; of results, the one that gave it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub channels: Vec<i64>,
    /// The countries it is for, as ISO 3166-1.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub countries: Vec<String>,
    /// How many prizes, or winners, there are.
    pub quantity: i32,
    /// How many prizes nobody took.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unclaimed: Option<i32>,
    /// Months of Premium.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub months: Option<i32>,
    /// Telegram's Stars.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stars: Option<i64>,
    /// When the winners are drawn.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// The marked ids of the winners.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub winners: Vec<i64>,
    /// The message with the giveaway whose results these are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<i32>,
}

/// A task of a to-do list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Task)]
pub struct TaskView {
    /// Its number in the list.
    pub id: i32,
    /// What is to be done.
    pub text: String,
    /// The marked id of who did it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completed_by: Option<i64>,
    /// When it was done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completed: Option<String>,
}

impl From<&PagePreview> for PageView {
    fn from(page: &PagePreview) -> Self {
        Self {
            display_url: non_empty(page.display_url.as_ref()),
            site: non_empty(page.site.as_ref()),
            type_: non_empty(page.kind.as_ref()),
            author: non_empty(page.author.as_ref()),
            embed: non_empty(page.embed.as_ref()),
            photo: page.photo,
            document: page.document,
            instant: page.instant,
        }
    }
}

impl From<&Poll> for PollView {
    fn from(poll: &Poll) -> Self {
        Self {
            id: poll.id,
            quiz: poll.quiz,
            closed: poll.closed,
            multiple: poll.multiple,
            public: poll.public,
            closes: poll.closes.map(time),
            results: poll.results.iter().map(Into::into).collect(),
            voters: poll.voters,
            solution: non_empty(poll.solution.as_ref()),
        }
    }
}

impl From<&PollResult> for PollResultView {
    fn from(result: &PollResult) -> Self {
        Self { voters: result.voters, correct: result.correct }
    }
}

impl From<&GeoPlace> for PlaceView {
    fn from(place: &GeoPlace) -> Self {
        Self {
            address: non_empty(place.address.as_ref()),
            provider: non_empty(place.provider.as_ref()),
            id: non_empty(place.id.as_ref()),
            type_: non_empty(place.kind.as_ref()),
            accuracy: place.accuracy,
            period: place.period,
            heading: place.heading,
        }
    }
}

impl From<&Payment> for PaymentView {
    fn from(payment: &Payment) -> Self {
        Self { currency: payment.currency.clone(), amount: payment.amount }
    }
}

impl From<&Giveaway> for GiveawayView {
    fn from(giveaway: &Giveaway) -> Self {
        Self {
            channels: giveaway.channels.iter().map(|p| p.0).collect(),
            countries: giveaway.countries.clone(),
            quantity: giveaway.quantity,
            unclaimed: giveaway.unclaimed,
            months: giveaway.months,
            stars: giveaway.stars,
            until: giveaway.until.map(time),
            winners: giveaway.winners.iter().map(|p| p.0).collect(),
            message: number(giveaway.message),
        }
    }
}

impl From<&TodoTask> for TaskView {
    fn from(task: &TodoTask) -> Self {
        Self {
            id: task.id,
            text: task.text.clone(),
            completed_by: marked(task.completed_by),
            completed: task.completed.map(time),
        }
    }
}
