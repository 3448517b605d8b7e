//! The window of an output: how many events may be unconfirmed at once (pipelining), and how it shrinks where the output refuses events
//! (congestion control).
//!
//! Events that are in flight behind a refused one may be accepted before it is sent again: they overtake it. So the window shrinks to one
//! event at a time (stop-and-wait) at the first refusal, and grows again step by step (slow start) while nothing is refused. What can be
//! out of order is at most what was in flight at a refusal, and nothing where the window is never more than one.

/// How many events may be unconfirmed at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    max: usize,
    size: usize,
    /// How many events in a row must be accepted before it doubles.
    calm_after: u64,
    /// How many events were accepted since the last refusal or growth; `None` where nothing was refused since it was full size.
    accepted: Option<u64>,
}

impl Window {
    pub(super) fn new(max: usize, calm_after: u64) -> Self {
        let max = max.max(1);
        Self { max, size: max, calm_after, accepted: None }
    }

    /// How many events a batch has: half a window, so that one batch is prepared and sent while the other is confirmed.
    pub(super) fn batch_events_max(self) -> usize {
        (self.size / 2).max(1)
    }

    /// How many batches may be in flight.
    pub(super) fn batches_max(self) -> usize {
        self.size.min(2)
    }

    /// Shrinks to one event at a time; says whether this is the first refusal since the window had its full size.
    pub(super) fn shrink(&mut self) -> bool {
        self.size = 1;
        self.accepted.replace(0).is_none()
    }

    /// Notes events that were accepted; says whether with them it has its full size again.
    pub(super) fn accept(&mut self, events: u64) -> bool {
        let Some(accepted) = &mut self.accepted else { return false };
        *accepted += events;
        if *accepted < self.calm_after {
            return false;
        }
        *accepted = 0;
        self.size = (self.size * 2).min(self.max);
        if self.size == self.max {
            self.accepted = None;
        }
        self.accepted.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GROWTH_EVENTS: u64 = 1_000;

    #[test]
    fn a_window_of_one_has_one_event_in_flight_and_any_other_two_halves() {
        for (max, expected) in [(0, (1, 1)), (1, (1, 1)), (2, (1, 2)), (3, (1, 2)), (200, (100, 2))] {
            let window = Window::new(max, GROWTH_EVENTS);
            assert_eq!((window.batch_events_max(), window.batches_max()), expected, "{max}");
            assert!(window.batch_events_max() * window.batches_max() <= max.max(1));
        }
    }

    #[test]
    fn a_refusal_shrinks_it_to_one_and_only_many_accepted_events_in_a_row_let_it_grow() {
        let mut window = Window::new(200, GROWTH_EVENTS);
        assert!(!window.accept(1_000_000), "it is not reduced");
        assert!(window.shrink() && !window.shrink(), "the first refusal is told from the next");
        let mut sizes = Vec::new();
        for _ in 0..8 {
            assert!(!window.accept(GROWTH_EVENTS - 1), "{window:?}");
            sizes.push(window.size);
            window.accept(1);
        }
        assert_eq!(sizes, [1, 2, 4, 8, 16, 32, 64, 128]);
        assert_eq!(window, Window::new(200, GROWTH_EVENTS));
        window.shrink();
        window.accept(GROWTH_EVENTS - 1);
        window.shrink();
        assert!(!window.accept(1), "counted from the last refusal");
        assert_eq!(window.size, 1);
    }

    #[test]
    fn a_window_of_one_stays_one() {
        let mut window = Window::new(1, GROWTH_EVENTS);
        assert!(window.shrink());
        assert!(window.accept(GROWTH_EVENTS));
        assert_eq!(window, Window::new(1, GROWTH_EVENTS));
    }
}
