//! Files: what is known of them, and what has become of them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::archive::StoredFile;
use crate::model::{FileState, Timestamp};

/// A file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = File)]
pub struct FileView {
    /// Telegram's id of it: `photo:5201` or `document:77`.
    pub(crate) id: String,
    /// What kind of media it is: `photo`, `video`, `animation`, `audio`, `voice`, `round`, `sticker` or `file`.
    pub(crate) media: String,
    /// Its name as the sender gave it. Anything may stand in it: never use it as a path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    /// Its MIME type as the sender gave it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) mime: Option<String>,
    /// Bytes, as Telegram states them; of what is stored, as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) size: Option<u64>,
    /// Pixels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) width: Option<i32>,
    /// Pixels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) height: Option<i32>,
    /// Seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) duration: Option<f64>,
    /// `seen` (no rule was asked yet), `wanted`, `stored`, `skipped` or `failed`.
    pub(crate) state: String,
    /// Since when.
    pub(crate) since: String,
    /// Why it is skipped, or failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
    /// How often it has failed in a row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tries: Option<u32>,
    /// When it is tried again; missing where that is of no use before the file is seen anew or asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) next_try: Option<String>,
    /// The SHA-256 of its bytes, where they are stored: they are served as `/v1/media/{sha256}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sha256: Option<String>,
    /// The SHA-256 of the picture that stands for it, where that is stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) thumbnail: Option<String>,
    /// When the newest message was posted that it was seen in.
    pub(crate) posted: String,
}

impl FileView {
    /// A file as the archive knows it.
    #[must_use]
    pub fn of(file: &StoredFile) -> Self {
        let original = file.original();
        let stored = file.state.stored();
        let (reason, tries, next_try) = match &file.state {
            FileState::Skipped { why } => (Some(why.clone()), None, None),
            FileState::Failed { why, tries, next_try } => (Some(why.clone()), Some(*tries), next_try.as_ref().map(Timestamp::to_string)),
            FileState::Seen | FileState::Wanted | FileState::Stored(_) => (None, None, None),
        };
        Self {
            id: file.id.to_string(),
            media: file.media.name().to_owned(),
            name: file.name.clone(),
            mime: file.mime.clone(),
            size: stored.map(|bytes| bytes.size).or_else(|| file.size()),
            width: original.and_then(|rendition| rendition.width),
            height: original.and_then(|rendition| rendition.height),
            duration: file.duration,
            state: file.state.name().to_owned(),
            since: file.state_since.to_string(),
            reason,
            tries,
            next_try,
            sha256: stored.map(|bytes| bytes.hash.to_string()),
            thumbnail: file.thumbnail.map(|bytes| bytes.hash.to_string()),
            posted: file.posted_at.to_string(),
        }
    }
}
