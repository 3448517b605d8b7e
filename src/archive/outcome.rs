//! What a write may decide, and what became of it.

use std::time::Duration;

use crate::model::Seq;

/// When so many messages vanish at once that it is not believed before Telegram was asked again. An account that loses sight of a
/// history, and a server with a bad day, look just like a chat that was wiped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MassDeletion {
    /// How many in one answer are too many.
    pub ids_min: usize,
    /// How long after the first answer the second one may be asked for, when the first did not name them.
    pub confirm_after: Duration,
}

/// What a committed write made true.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Archived {
    /// Messages archived for the first time.
    pub new: usize,
    /// Messages with a new version.
    pub edited: usize,
    /// Messages newly marked deleted.
    pub deleted: usize,
    /// Messages that are said to be deleted, too many at once to be believed yet.
    pub held: usize,
    /// Messages that were known like this, or whose newer form was known.
    pub unchanged: usize,
    /// Messages that were erased.
    pub erased: usize,
    /// The number of the newest change afterwards.
    pub last: Seq,
}
