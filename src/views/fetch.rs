//! Fetching a part of a history on demand.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::show::PeerView;

/// What to fetch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = FetchMessages)]
pub struct FetchBody {
    /// A marked id that the archive knows, `@username`, or a link.
    pub(crate) peer: String,
    /// The account that reads; needed in basic groups and private chats that several accounts archived.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) account: Option<String>,
    /// Message ids and ranges of them, such as `5,9,100-200`; not together with `since`. Without either, the newest hundred.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ids: Option<String>,
    /// From when on: RFC 3339, a date (UTC), or how long ago, such as `12h` or `2d`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) since: Option<String>,
}

/// How a fetch is doing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Fetch)]
pub struct FetchView {
    /// Its number: `/v1/fetch/{run}` waits for it further.
    pub(crate) run: u64,
    /// `done`, `reading`, or `failed`.
    pub(crate) state: Cow<'static, str>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
    /// What is in the way of reading on, such as a flood wait and its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) hindered: Option<String>,
    pub(crate) peer: PeerView,
    /// The account whose message ids are meant, in basic groups and private chats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) account: Option<String>,
    /// How many pages were read: requests of up to a hundred messages.
    pub(crate) pages: u64,
    /// How many messages they have.
    pub(crate) messages: u64,
    /// Of these, how many the archive did not have.
    pub(crate) new: u64,
    /// How many had changed since they were archived.
    pub(crate) edited: u64,
    /// How many archived messages are found to be deleted.
    pub(crate) deleted: u64,
    /// How many ids are left to read, where ids were named.
    pub(crate) left: u64,
}

impl FetchView {
    /// All of it is archived.
    pub const DONE: &'static str = "done";
    /// It goes on.
    pub const READING: &'static str = "reading";
    /// Nothing more of it will be archived.
    pub const FAILED: &'static str = "failed";
}
