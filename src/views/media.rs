//! Files: what is known of them, and what has become of them.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::JobPeersView;
use crate::archive::{ArchivedFile, ArchivedOrigin, FileTotals, Snapshot};
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
    /// Since when; missing for who sees some peers only, because it may be of a message elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) since: Option<String>,
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
    /// Why there is no such picture, where one could not be made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) no_thumbnail: Option<String>,
    /// When the newest message was posted that it was seen in; missing for who sees some peers only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) posted: Option<String>,
    /// The message that it is in; only where the files of a peer are listed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) message: Option<i32>,
}

impl FileView {
    /// A file as the archive knows it.
    #[must_use]
    pub fn of(file: &ArchivedFile) -> Self {
        let original = file.original();
        let stored = file.state.stored();
        let (reason, tries, next_try) = match &file.state {
            FileState::Skipped { why } => (Some(why.clone()), None, None),
            FileState::Failed { why, tries, next_try } => {
                (Some(why.clone()), Some(*tries), next_try.as_ref().map(Timestamp::to_string))
            }
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
            since: Some(file.state_since.to_string()),
            reason,
            tries,
            next_try,
            sha256: stored.map(|bytes| bytes.hash.to_string()),
            thumbnail: file.thumbnail.map(|bytes| bytes.hash.to_string()),
            no_thumbnail: file.no_thumbnail.clone(),
            posted: Some(file.posted_at.to_string()),
            message: None,
        }
    }

    /// The same as an archive shows it: where that is some peers only, without what may be of messages in others, as one file is of all that it was seen in.
    #[must_use]
    pub fn shown(archive: &Snapshot, file: &ArchivedFile) -> Self {
        let view = Self::of(file);
        match archive.only() {
            None => view,
            Some(_) => Self { since: None, posted: None, reason: None, tries: None, next_try: None, ..view },
        }
    }
}

/// A page of files.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = FilesPage)]
pub struct FilesPage {
    /// The files in their order.
    pub(crate) files: Vec<FileView>,
    /// Value of `after` for the next page; missing on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<String>,
}

/// A file, with where it was seen and what the rules say.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = FileDetail)]
pub struct FileDetail {
    #[serde(flatten)]
    pub(crate) file: FileView,
    /// Some of the places where it was seen.
    pub(crate) places: Vec<FilePlaceView>,
}

/// Where a file was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = FilePlace)]
pub struct FilePlaceView {
    /// The peer.
    pub(crate) peer: i64,
    /// The account whose message id is meant, in basic groups and private chats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) account: Option<String>,
    /// The message; missing where it is the peer's profile photo.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) message: Option<i32>,
    /// `media`, `item`, `cover`, `alternative`, `live_part`, `preview`, `page`, `service` or `avatar`.
    pub(crate) place: String,
    /// What the rules of the running program say of it there; missing where it does not run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) rules: Option<String>,
}

impl FilePlaceView {
    /// A place, and what the rules say of it.
    #[must_use]
    pub fn of(origin: &ArchivedOrigin, rules: Option<String>) -> Self {
        let message = origin.origin.message();
        Self {
            peer: origin.origin.peer().0,
            account: message.and_then(|key| key.chat.account()).map(|account| account.to_string()),
            message: message.map(|key| key.id.0),
            place: origin.place.name().to_owned(),
            rules,
        }
    }
}

/// The rules about files, in their order: the first one that is about a file decides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = FileRules)]
pub struct FileRulesView {
    /// Whether files are downloaded at all.
    pub enabled: bool,
    /// The rules.
    pub rules: Vec<FileRuleView>,
}

/// A rule about files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = FileRule)]
pub struct FileRuleView {
    /// Its name; the last rule is that of the setting after which it is named.
    pub name: String,
    /// In which peers; all if empty.
    pub peers: JobPeersView,
    /// Which kinds of media; all if absent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kinds: Vec<String>,
    /// In which places of a message; all if absent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub places: Vec<String>,
    /// Bytes that a file may have; absent for any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size_max: Option<u64>,
    /// How long ago it may have been posted, such as `90d`; absent for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age_max: Option<String>,
    /// `download`, `on-demand` or `skip`.
    pub action: Cow<'static, str>,
}

/// What the rules say of the files of a message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = FilesExplained)]
pub struct FilesExplainedView {
    /// The files, in the order of their places.
    pub(crate) files: Vec<FileExplainedView>,
}

/// What the rules say of a file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = FileExplained)]
pub struct FileExplainedView {
    #[serde(flatten)]
    pub(crate) file: FileView,
    /// Its place in the message.
    pub(crate) place: String,
    #[serde(flatten)]
    pub(crate) said: RulesSaidView,
    /// In how many other places it was seen, at most: it is downloaded if the rules want it in any of them.
    pub(crate) places_other: usize,
    /// Whether the rules want it in one of these.
    pub(crate) wanted_elsewhere: bool,
}

/// What the rules say of a file at a place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = RulesSaid)]
pub struct RulesSaidView {
    /// The rules that were asked about it there, in their order; the last of them decides, unless it is passed over too.
    pub steps: Vec<RuleStepView>,
    /// What they say.
    pub verdict: String,
    /// Whether it is wanted.
    pub wanted: bool,
}

/// What a rule says of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = RuleStep)]
pub struct RuleStepView {
    /// The rule.
    pub rule: String,
    /// Why it is not about the file; absent where it decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passed_over: Option<String>,
}

/// How far the downloads are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = MediaProgress)]
pub struct MediaProgressView {
    pub(crate) files: FileTotalsView,
    /// The downloads that run.
    pub(crate) downloads: Vec<DownloadView>,
}

/// How many files there are in each state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[schema(as = FileTotals)]
pub struct FileTotalsView {
    /// Files that no rule was asked about yet.
    pub(crate) seen: u64,
    /// Files that are to be downloaded.
    pub(crate) wanted: u64,
    /// Files whose bytes are stored.
    pub(crate) stored: u64,
    /// Files that are not wanted.
    pub(crate) skipped: u64,
    /// Files that could not be downloaded; some of them are tried again.
    pub(crate) failed: u64,
    /// Bytes of those that are stored, each of them counted: equal ones are stored once.
    pub(crate) stored_bytes: u64,
    /// Bytes of those that are wanted or have failed, as Telegram states them.
    pub(crate) missing_bytes: u64,
    /// Of those that have failed, the ones that are not tried again by themselves.
    pub(crate) given_up: u64,
}

impl From<FileTotals> for FileTotalsView {
    fn from(totals: FileTotals) -> Self {
        let FileTotals { seen, wanted, stored, skipped, failed, stored_bytes, missing_bytes, given_up } = totals;
        Self { seen, wanted, stored, skipped, failed, stored_bytes, missing_bytes, given_up }
    }
}

/// A download that runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = Download)]
pub struct DownloadView {
    /// The file.
    pub file: String,
    /// The account that asks for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Bytes that are there.
    pub done: u64,
    /// Bytes in all, as Telegram states them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Bytes a second since it began.
    pub bytes_per_second: f64,
}

/// Which files are to be downloaded, or tried again.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[schema(as = MediaWish)]
pub struct MediaWishBody {
    /// Ids of files, such as `document:77`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) files: Vec<String>,
    /// A peer: with `message`, the files of that message; alone, all its files that failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) peer: Option<String>,
    /// The id of a message of that peer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) message: Option<i32>,
    /// The account whose message id is meant, in basic groups and private chats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) account: Option<String>,
}

/// What became of a wish.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = MediaWished)]
pub struct MediaWishView {
    /// How many files are downloaded because of it.
    pub(crate) files: usize,
}

/// Which bytes of which file follow; sealed responses only. The chunks come after it, sealed one by one (docs/sealing.md).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = FileStream)]
pub struct FileStreamView {
    /// The SHA-256 of all of it.
    pub(crate) sha256: String,
    /// Its size in bytes.
    pub(crate) size: u64,
    /// The first byte that follows.
    pub(crate) offset: u64,
    /// How many follow.
    pub(crate) length: u64,
    /// The media type, as its first bytes say.
    pub(crate) mime: String,
    /// A name to save it under, made safe; missing where its sender gave none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
}

/// The files of a message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = MessageFiles)]
pub struct MessageFilesView {
    /// What it carries comes before what is beside it.
    pub(crate) files: Vec<MessageFileView>,
}

/// A file of a message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = MessageFile)]
pub struct MessageFileView {
    #[serde(flatten)]
    pub(crate) file: FileView,
    /// `media`, `item`, `cover`, `alternative`, `live_part`, `preview`, `page` or `service`.
    pub(crate) place: String,
}
