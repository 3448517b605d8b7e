//! Where the change log ends.

use crate::model::{Seq, Timestamp};

use super::chain::Link;

/// Where the change log ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LogEnd {
    /// The number that the next change gets.
    pub(super) next: Seq,
    /// The newest link of the hash chain.
    pub(super) link: Link,
    /// When its last change was archived.
    pub(super) at: Timestamp,
}

impl LogEnd {
    /// The number of the last change.
    pub(super) fn last(&self) -> Seq {
        Seq(self.next.0.saturating_sub(1))
    }
}
