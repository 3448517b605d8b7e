//! Backups: asking for one, how it is doing, and the state of the newest.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What to make a backup in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = MakeBackup)]
pub struct BackupBody {
    /// The folder, as an absolute path of the machine that the program runs on; made where it is missing.
    pub target: String,
    /// How many backups of the archive are kept there, this one included; all without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep: Option<u32>,
}

/// A backup that will be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = BackupStart)]
pub struct BackupStartView {
    /// The number under which `/v1/backups/{run}` tells how it is doing; counted since the program started.
    pub run: u64,
}

/// How a backup is doing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = BackupRun)]
pub struct BackupRunView {
    /// Its number.
    pub run: u64,
    /// `waiting`, `running`, `made` or `failed`.
    pub state: Cow<'static, str>,
    /// Bytes that were read so far, those read again to compare them included.
    pub read_size: u64,
    /// The backup, once it is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup: Option<BackupView>,
    /// Why there is none, and what to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl BackupRunView {
    /// There is a backup now.
    pub const MADE: &'static str = "made";
    /// There is none.
    pub const FAILED: &'static str = "failed";
}

/// A backup that was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Backup)]
pub struct BackupView {
    /// Its name.
    pub id: String,
    /// The folder that it is in.
    pub target: String,
    /// When it was made (RFC 3339).
    pub at: String,
    /// How long ago that is.
    pub age_seconds: u64,
    /// The sequence number of the newest change in it.
    pub change: u64,
    /// Bytes of all its files.
    pub size: u64,
    /// Bytes of those that the folder did not have.
    pub copied_size: u64,
    /// The accounts whose sessions are not in it, because they are not sealed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub sessions_left_out: Vec<String>,
    /// What could not be read for it, such as a damaged session, and why; and whether it is as in an earlier backup or not in it at all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub unread: Vec<String>,
}

/// The state of backups; kept over restarts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = BackupStatus)]
pub struct BackupStatusView {
    /// `none` (there never was one), `made`, `failed` (the last one in some folder was not made), or `running`.
    pub state: Cow<'static, str>,
    /// The newest backup that was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newest: Option<BackupView>,
    /// The folders in which the last one was not made, and why; of a folder that never had one, until one is made elsewhere.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub failures: Vec<BackupFailureView>,
}

/// A backup that was not made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = BackupFailure)]
pub struct BackupFailureView {
    /// The folder that it was to be in.
    pub target: String,
    /// When that was (RFC 3339).
    pub at: String,
    /// What went wrong, and what to do about it.
    pub why: String,
}
