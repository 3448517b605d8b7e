//! Messages whose views have moved since they were indexed: a search finds by views, and no change tells of them.
//!
//! They are noted in the write that moves them (atomic), and let go of once a commit of the index has them. Small moves are not noted: what a search
//! says of views is right to a tenth.

use crate::model::{Counters, MessageKey, Timestamp};

use super::family::{KeyRange, RECOUNTED};
use super::key::RecountedKey;
use super::view::View;
use super::{Archive, ArchiveError, Order};

/// By how much views may have moved unnoticed: an eighth of an octave.
const STEPS_PER_OCTAVE: f64 = 8.0;

/// The views that are to be noted, where they have moved far enough from what they were.
pub(super) fn moved(was: &Counters, new: &Counters) -> Option<i32> {
    let step = |views: Option<i32>| views.map(|views| ((f64::from(views.max(0)) + 1.0).log2() * STEPS_PER_OCTAVE) as i32);
    new.views.filter(|_| step(was.views) != step(new.views))
}

impl View<'_> {
    /// Some messages whose views have moved since they were indexed, with their views.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn recounted(self, limit: usize) -> Result<Vec<(MessageKey, i32)>, ArchiveError> {
        let entries = self.scan(&RECOUNTED, KeyRange::under(RecountedKey::PREFIX), Order::OldestFirst);
        entries.take(limit).map(|entry| entry.map(|(RecountedKey(key), views)| (key, views))).collect()
    }
}

impl Archive {
    /// Lets go of messages of [`View::recounted`] that the index has as they were given, with their views.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn recount_indexed(&self, indexed: Vec<(MessageKey, i32)>) -> Result<(), ArchiveError> {
        // Nothing of that has a time.
        let mut write = self.write(Timestamp(0));
        write.recount_indexed(indexed);
        write.commit()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn views_that_move_by_a_tenth_are_noted() {
        let moved = |was: Option<i32>, new: Option<i32>| {
            let of = |views| Counters { views, ..Counters::default() };
            moved(&of(was), &of(new))
        };
        assert_eq!(moved(Some(1), Some(2)), Some(2));
        assert_eq!(moved(None, Some(0)), Some(0));
        assert_eq!(moved(Some(1_000_000), Some(1_000_001)), None);
        assert_eq!(moved(Some(1_000), None), None);
        assert_eq!(moved(Some(i32::MAX), Some(i32::MIN)), Some(i32::MIN));
        assert!((1..2_000).all(|views| moved(Some(views * 100), Some(views * 110)).is_some()));
    }
}
