//! The JSON view of media.

use std::borrow::Cow;

use serde::{Deserialize, Serialize, Serializer};
use utoipa::ToSchema;

use crate::model::Media;

use super::{GiveawayView, PageView, PaymentView, PlaceView, PollView, StoryView, TaskView, is_false, marked, non_empty};

/// What a message carries besides text: its kind, and whichever of the other members that kind has.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = Media)]
pub struct MediaView {
    /// `photo`, `video`, `file`, `poll`, ...
    pub kind: Cow<'static, str>,
    /// Telegram's photo or document id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<i64>,
    /// File name as the sender gave it, never to be used as a path; a game's name in links.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// MIME type as the sender gave it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mime: Option<String>,
    /// Bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<i64>,
    /// Pixels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub width: Option<i32>,
    /// Pixels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub height: Option<i32>,
    /// Seconds, written without a fraction when whole.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "seconds")]
    pub duration: Option<f64>,
    /// The address of a web page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The title of a web page, audio track, venue, game, invoice or to-do list, or a contact's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What a web page, game, invoice or giveaway says of itself; the caption of a story.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Who plays an audio track.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub performer: Option<String>,
    /// The emoji of a sticker or die.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub emoji: Option<String>,
    /// The id of a sticker's set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sticker_set: Option<i64>,
    /// What a die shows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<i32>,
    /// A poll's question.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub question: Option<String>,
    /// A poll's answers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub options: Vec<String>,
    /// Degrees north.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latitude: Option<f64>,
    /// Degrees east.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub longitude: Option<f64>,
    /// A contact's phone number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    /// The marked id of a contact's user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<i64>,
    /// A contact's vCard.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vcard: Option<String>,
    /// Whether it is blurred until tapped.
    #[serde(default, skip_serializing_if = "is_false")]
    #[schema(required = false)]
    pub spoiler: bool,
    /// Seconds for which it can be seen once opened; 2147483647 for exactly once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttl: Option<i32>,
    /// More of a web page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page: Option<PageView>,
    /// More of a poll.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub poll: Option<PollView>,
    /// More of a point on the map or a venue.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<PlaceView>,
    /// What an invoice or paid media costs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payment: Option<PaymentView>,
    /// The story that is meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub story: Option<StoryView>,
    /// More of a giveaway.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub giveaway: Option<GiveawayView>,
    /// The tasks of a to-do list.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub tasks: Vec<TaskView>,
    /// Media inside: of a story, of paid media, attached to a poll.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false, no_recursion)]
    pub items: Vec<MediaView>,
}

impl From<&Media> for MediaView {
    fn from(media: &Media) -> Self {
        // JSON has no infinity; serde_json would write `null`, which the schema rules out.
        let finite = |number: Option<f64>| number.filter(|n| n.is_finite());
        Self {
            kind: media.kind.name().into(),
            id: media.id,
            name: non_empty(media.name.as_ref()),
            mime: non_empty(media.mime.as_ref()),
            size: media.size,
            width: media.width,
            height: media.height,
            duration: finite(media.duration),
            url: non_empty(media.url.as_ref()),
            title: non_empty(media.title.as_ref()),
            description: non_empty(media.description.as_ref()),
            performer: non_empty(media.performer.as_ref()),
            emoji: non_empty(media.emoji.as_ref()),
            sticker_set: media.sticker_set,
            value: media.value,
            question: non_empty(media.question.as_ref()),
            options: media.options.clone(),
            latitude: finite(media.latitude),
            longitude: finite(media.longitude),
            phone: non_empty(media.phone.as_ref()),
            user: marked(media.user),
            vcard: non_empty(media.vcard.as_ref()),
            spoiler: media.spoiler,
            ttl: media.ttl,
            page: media.page.as_deref().map(Into::into),
            poll: media.poll.as_deref().map(Into::into),
            place: media.place.as_deref().map(Into::into),
            payment: media.payment.as_ref().map(Into::into),
            story: media.story.map(|s| StoryView { peer: s.peer.0, id: s.id }),
            giveaway: media.giveaway.as_deref().map(Into::into),
            tasks: media.tasks.iter().map(Into::into).collect(),
            items: media.items.iter().map(Into::into).collect(),
        }
    }
}

/// 2^53: below it, a whole float is exactly an integer.
const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;

fn seconds<S: Serializer>(duration: &Option<f64>, serializer: S) -> Result<S::Ok, S::Error> {
    match *duration {
        None => serializer.serialize_none(),
        Some(s) if s.fract() == 0.0 && s.abs() < WHOLE_MAX => serializer.serialize_i64(s as i64),
        Some(s) => serializer.serialize_f64(s),
    }
}
