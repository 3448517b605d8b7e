//! What a verification tells.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::verification::VerificationReport;

/// A line of a verification.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = VerifyLine)]
pub enum VerifyLine {
    /// How far it has got.
    Progress(VerifyProgressView),
    /// What was found; the last line.
    Report(VerifyReportView),
}

/// How far a verification has got.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = VerifyProgress)]
pub struct VerifyProgressView {
    /// What is read: a column family of the archive, or `index`.
    pub(crate) reading: String,
    /// How much is done: records of the archive, then files of the index.
    pub(crate) done: u64,
    /// Of about how much.
    pub(crate) total: u64,
}

/// What a verification found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = VerifyReport)]
pub struct VerifyReportView {
    /// Messages in the archive, deleted ones included.
    pub(crate) messages: u64,
    /// Changes in its log.
    pub(crate) changes: u64,
    /// Documents of the index.
    pub(crate) indexed: u64,
    /// Messages that are only not indexed yet.
    pub(crate) pending: u64,
    /// What differs or is damaged, in words.
    pub(crate) differences: Vec<String>,
    /// Whether the archive lacks what somebody has seen of it.
    pub(crate) lost: bool,
}

impl From<VerificationReport> for VerifyReportView {
    fn from(report: VerificationReport) -> Self {
        let VerificationReport { messages, changes, indexed, pending, differences, lost } = report;
        Self { messages, changes, indexed, pending, differences, lost }
    }
}
