//! How media looks as JSON.

use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use crate::model::Media;

use super::said;

/// What a message carries besides text: its kind, and whichever of the other members that kind has.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = Media)]
pub struct MediaView {
    /// `photo`, `video`, `file`, `poll`, ...
    pub kind: &'static str,
    /// Telegram's photo or document id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<i64>,
    /// File name as the sender gave it; never to be used as a path.
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
    /// The title of a web page, audio track, venue, game or invoice, or a contact's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// A poll's question.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub question: Option<String>,
    /// A poll's answers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
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
}

impl From<&Media> for MediaView {
    fn from(media: &Media) -> Self {
        // JSON has no infinity; serde_json would write `null`, which the schema rules out.
        let finite = |number: Option<f64>| number.filter(|n| n.is_finite());
        Self {
            kind: media.kind.name(),
            id: media.id,
            name: said(media.name.as_ref()),
            mime: said(media.mime.as_ref()),
            size: media.size,
            width: media.width,
            height: media.height,
            duration: finite(media.duration),
            url: said(media.url.as_ref()),
            title: said(media.title.as_ref()),
            question: said(media.question.as_ref()),
            options: media.options.clone(),
            latitude: finite(media.latitude),
            longitude: finite(media.longitude),
            phone: said(media.phone.as_ref()),
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
