//! Where the change log ends, and what there is in sum.

use crate::model::{Seq, Timestamp};

use super::chain::Link;
use super::file_totals::FileTotals;
use super::totals::Totals;

/// Where the change log ends, and what there is in sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LogEnd {
    /// The number that the next change gets.
    pub(super) next: Seq,
    /// The newest link of the hash chain.
    pub(super) link: Link,
    /// When its last change was archived.
    pub(super) at: Timestamp,
    /// Sums over all crawled chats.
    pub(super) totals: Totals,
    /// Sums over all files.
    pub(super) files: FileTotals,
}

impl LogEnd {
    /// The number of the last change.
    pub(super) fn last(&self) -> Seq {
        Seq(self.next.0.saturating_sub(1))
    }
}
