//! Watches: saved queries, what one would have matched, and what it matches as a feed.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::archive::ArchivedWatch;
use crate::show::{PeerView, StoredView};

use super::SnippetView;

/// A watch that is to be added.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = WatchBody)]
pub struct WatchBody {
    /// Its name: lower-case letters, digits, `.`, `_` and `-`, at most 64, a letter or digit first.
    pub name: String,
    /// The query (docs/query.md).
    pub query: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// A watch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Watch)]
pub struct WatchView {
    /// Its name.
    pub name: String,
    /// The query, as it was written.
    pub query: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// When it was created (RFC 3339).
    pub created_at: String,
    /// The newest change when it was created: it is run against the changes behind it.
    pub since: u64,
    /// Why it matches nothing, where the query is not understood by this version of the program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// A page of watches, in the order of their names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Watches)]
pub struct WatchesPage {
    /// They.
    pub watches: Vec<WatchView>,
    /// Value of `after` for the next page; absent on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A query that is to be tried against what was archived last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = TryWatch)]
pub struct TryWatchBody {
    /// The query (docs/query.md).
    pub query: String,
    /// How many messages are looked at, at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub messages: Option<u64>,
}

/// What a query would have matched.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = WatchTrial)]
pub struct WatchTrialView {
    /// How many messages were looked at: those that were archived last.
    pub examined: u64,
    /// How many of them match.
    pub matched: u64,
    /// Whether the time was up before as many were looked at as was asked for.
    pub cut_short: bool,
    /// By the day (UTC) when they were posted, the newest first.
    pub days: Vec<TrialDayView>,
    /// Those of the days before, together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub earlier: Option<TrialDayView>,
    /// Some that match, the last one archived first.
    pub newest: Vec<TrialHitView>,
    /// The peers that these mention.
    pub peers: Vec<PeerView>,
}

/// What a query would have matched of a day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = WatchTrialDay)]
pub struct TrialDayView {
    /// The day (UTC); of several, the last one.
    pub day: String,
    /// How many messages of it were looked at.
    pub examined: u64,
    /// How many of them match.
    pub matched: u64,
}

/// A message that a query would have matched.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = WatchTrialHit)]
pub struct TrialHitView {
    /// The message.
    pub message: StoredView,
    /// The part of it that matches.
    pub snippet: SnippetView,
}

/// The newest matches of a watch as a JSON Feed: <https://www.jsonfeed.org/version/1.1/>.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = JsonFeed)]
pub struct FeedView {
    /// The version of the format, as an address.
    pub version: String,
    /// What it is about.
    pub title: String,
    /// What the watch is for, or its query.
    pub description: String,
    /// The newest first.
    pub items: Vec<FeedItemView>,
}

/// An entry of a feed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = JsonFeedItem)]
pub struct FeedItemView {
    /// The same for the same message for ever.
    pub id: String,
    /// Where Telegram shows it, where everybody can see it there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Where it was posted.
    pub title: String,
    /// Its text.
    pub content_text: String,
    /// The part that matches.
    pub summary: String,
    /// When it was posted (RFC 3339).
    pub date_published: String,
    /// When it was edited last (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date_modified: Option<String>,
    /// Who has sent it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub authors: Vec<FeedAuthorView>,
}

/// Who has sent a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = JsonFeedAuthor)]
pub struct FeedAuthorView {
    /// As the archive knows them.
    pub name: String,
}

impl WatchView {
    /// A watch, and what is wrong with its query.
    #[must_use]
    pub fn new(watch: &ArchivedWatch, problem: Option<String>) -> Self {
        let ArchivedWatch { name, query, note, created_at, since } = watch.clone();
        Self { name: name.to_string(), query, note, created_at: created_at.to_string(), since: since.0, problem }
    }
}
