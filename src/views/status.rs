//! The status of archive and index, beside that of the [program](super::ProgramView).

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{FileTotalsView, ProgramView};

/// The status of the program.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = Status)]
pub struct StatusView {
    /// The program's version.
    pub(crate) version: String,
    /// The time of the program's clock.
    pub(crate) now: String,
    pub(crate) archive: ArchiveStatus,
    pub(crate) index: IndexStatus,
    /// How many files there are in each state.
    pub(crate) files: FileTotalsView,
    /// The status of everything else: accounts, jobs, workers, publishing, crawling.
    #[serde(flatten)]
    pub(crate) program: ProgramView,
}

/// The status of the archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ArchiveStatus {
    /// Its random id.
    pub(crate) id: String,
    /// The sequence number of the newest change.
    pub(crate) last: u64,
    /// Bytes on disk, as RocksDB estimates them.
    pub(crate) disk_size: u64,
}

/// The status of the index.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct IndexStatus {
    /// The sequence number of the newest change that is indexed.
    pub(crate) position: u64,
    /// How many changes are not indexed yet.
    pub(crate) behind: u64,
    /// How many messages are indexed.
    pub(crate) documents: u64,
    /// The rebuild of the index that is under way; absent where none is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) rebuild: Option<IndexRebuild>,
    /// Why the index cannot be used, and what to do about it; absent where it can be used or there is none yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
}

/// A rebuild of the index from the archive, beside the one that answers until it is complete.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct IndexRebuild {
    /// Why the index is rebuilt.
    pub(crate) why: String,
    /// The sequence number of the newest change that the new index has read.
    pub(crate) position: u64,
    /// The sequence number of the newest change of the archive.
    pub(crate) last: u64,
}
