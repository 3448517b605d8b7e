//! What is missing of a peer: arithmetic over coverage, without any state.

use crate::archive::{Completeness, Coverage, CrawlState};
use crate::model::{IdRange, RangeSet, Timestamp};

/// The range to ask for next: the newest that was never read, else the newest that must be read again, else the newest of which a
/// mass deletion is still to be confirmed.
pub(super) fn next_range(coverage: &Coverage, state: &CrawlState, now: Timestamp) -> Option<IdRange> {
    range_below(state.top, coverage, state, now)
}

/// The same, of what was never read only up to an id.
pub(super) fn range_below(top: i32, coverage: &Coverage, state: &CrawlState, now: Timestamp) -> Option<IdRange> {
    let Completeness { missing, recheck, held, .. } = Completeness::up_to(top, coverage, state);
    let last = |set: &RangeSet| set.ranges().last().copied();
    last(&missing).or_else(|| last(&recheck)).or_else(|| {
        let due = state.held_until.is_some_and(|until| until <= now);
        // As one range: what lies between held ids is asked for along the way, and saves a request for each gap.
        let (first, last) = (held.ranges().first()?, held.ranges().last()?);
        due.then_some(IdRange { first: first.first, last: last.last })
    })
}

/// The newest `max` ids of a set of ranges.
pub(super) fn newest(set: &RangeSet, max: u32) -> RangeSet {
    let Some(last) = set.last() else { return RangeSet::new() };
    let first = i64::from(last) - i64::from(max) + 1;
    let mut kept = set.clone();
    if let Some(below) = i32::try_from(first - 1).ok().and_then(|end| IdRange::new(i32::MIN, end)) {
        kept.remove(below);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crawled(top: i32, read: &[(i32, i32)], recheck: &[(i32, i32)]) -> (Coverage, CrawlState) {
        let set = |ranges: &[(i32, i32)]| -> RangeSet { ranges.iter().filter_map(|(a, b)| IdRange::new(*a, *b)).collect() };
        (Coverage { read: set(read), ..Default::default() }, CrawlState { top, recheck: set(recheck), ..Default::default() })
    }

    #[test]
    fn what_is_held_is_asked_for_again_when_its_time_has_come() {
        let (coverage, mut state) = crawled(50, &[(1, 50)], &[]);
        state.held = [(5, 9), (20, 21)].iter().filter_map(|(a, b)| IdRange::new(*a, *b)).collect();
        state.held_until = Some(Timestamp(10));
        assert_eq!(next_range(&coverage, &state, Timestamp(9)), None);
        assert_eq!(next_range(&coverage, &state, Timestamp(10)), IdRange::new(5, 21));
    }

    #[test]
    fn the_newest_hole_is_read_first_then_what_must_be_read_again_then_nothing() {
        for (top, read, recheck, next) in [
            (0, vec![], vec![], None),
            (50, vec![], vec![], Some((1, 50))),
            (50, vec![(1, 10), (20, 40)], vec![(5, 9)], Some((41, 50))),
            (50, vec![(1, 10), (20, 50)], vec![(5, 9)], Some((11, 19))),
            (50, vec![(3, 50)], vec![], Some((1, 2))),
            (50, vec![(1, 50)], vec![(5, 9), (12, 30)], Some((12, 30))),
            (50, vec![(1, 50)], vec![], None),
        ] {
            let (coverage, state) = crawled(top, &read, &recheck);
            assert_eq!(
                next_range(&coverage, &state, Timestamp(0)).map(|r| (r.first, r.last)),
                next,
                "{top} {read:?} {recheck:?}"
            );
        }
    }
}
