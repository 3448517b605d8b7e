//! The status of the mirror.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The status of the mirror of stored files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = MirrorStatus)]
pub struct MirrorView {
    /// Where files are mirrored to.
    pub target: String,
    /// `starting`, `connected`, `unreachable` (it is tried again), or `refused` (only a person can repair it).
    pub state: Cow<'static, str>,
    /// The last change up to which every stored file is mirrored.
    pub position: u64,
    /// How many changes are behind that.
    pub lag: u64,
    /// What the mirror has.
    pub objects: AmountView,
    /// Of that, what is on this machine no more.
    pub only_there: AmountView,
    /// Stored contents that the mirror does not have yet.
    pub waiting: u64,
    /// Uploads in progress.
    pub uploading: u64,
    /// Contents that could not be mirrored and are tried again within a day.
    pub failed: u64,
    /// What is wrong; absent where nothing is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
}

/// How many, and of how many bytes together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[schema(as = Amount)]
pub struct AmountView {
    /// How many.
    pub count: u64,
    /// Their bytes.
    pub bytes: u64,
}
