//! An account's budget for one method: its token bucket, the flood wait that Telegram asked for, and the backoff learnt from waits.
//!
//! The backoff of the interval is multiplicative increase and additive decrease, as in congestion control: a wait says clearly that the
//! rate was too high, silence says little. A wait while one is being waited for teaches nothing new, it only lasts longer.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::Urgency;
use super::bucket::{Bucket, Rate};

/// The backoff: how much slower a method becomes at each wait. Two: one wait more than pays for itself, and five reach the bound.
const SLOWER: f64 = 2.0;
/// How slow a method can become, as a multiple of its usual interval. A page of history every half minute still gets on; a method that
/// meets waits at that pace is limited by the day, and only the waits themselves help.
pub(super) const SLOWDOWN_MAX: f64 = 32.0;
/// How much of the slowdown goes at each [`EASED_EVERY`] without a wait: from the bound to nothing in a day, which is the longest
/// period in which Telegram is seen to count.
const EASED_BY: f64 = 0.25;
const EASED_EVERY: Duration = Duration::from_secs(12 * 60);
/// A wait this soon after the last one was over is a repetition: the last one was not enough.
const REPEATED_WITHIN: Duration = Duration::from_secs(3_600);
/// What is added to a wait, as a share of it, for each repetition in a row, and how many of these count. Clocks and networks differ, and
/// a retry that comes a moment early starts the wait again.
const MARGIN: f64 = 0.05;
const MARGIN_REPETITIONS_MAX: u32 = 10;
/// The least that is added: what a request may be faster than the answer before it was.
const MARGIN_MIN: Duration = Duration::from_millis(200);
/// The most that is added; a wait of hours does not get hours longer.
const MARGIN_MAX: Duration = Duration::from_secs(300);
/// The longest wait that is believed. Waits of a day are real; a number beyond a month is an error in it.
pub(super) const WAIT_MAX: Duration = Duration::from_secs(31 * 24 * 3_600);

/// A flood wait.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Parked {
    /// Its end.
    pub(super) until: Duration,
    /// Its end by the wall clock, as that was set when the wait was noted.
    pub(super) shown: DateTime<Utc>,
    /// How long it is in all.
    pub(super) whole: Duration,
}

/// What an account may spend on a method.
#[derive(Clone, Debug)]
pub(super) struct Budget {
    pub(super) bucket: Bucket,
    pub(super) parked: Option<Parked>,
    pub(super) slowdown: f64,
    /// From when time without a wait counts.
    pub(super) calm_from: Duration,
    pub(super) floods: u64,
    pub(super) repetitions: u32,
    pub(super) last_flood: Option<DateTime<Utc>>,
}

/// The present, by two clocks: one for the pool, one for people.
#[derive(Clone, Copy, Debug)]
pub(super) struct Now {
    /// The monotonic clock, which nobody can set.
    pub(super) at: Duration,
    /// The wall clock.
    pub(super) shown: DateTime<Utc>,
}

impl Now {
    /// The wall clock's time at another moment of the monotonic clock.
    pub(super) fn show(self, at: Duration) -> DateTime<Utc> {
        let ahead = chrono::Duration::from_std(at.saturating_sub(self.at)).unwrap_or_default();
        self.shown.checked_add_signed(ahead).unwrap_or(self.shown)
    }
}

impl Budget {
    pub(super) fn new(rate: Rate, now: Duration) -> Self {
        Self {
            bucket: Bucket::full(rate, now),
            parked: None,
            slowdown: 1.0,
            calm_from: now,
            floods: 0,
            repetitions: 0,
            last_flood: None,
        }
    }

    /// How much slower than usual the method is at present.
    pub(super) fn slowdown(&self, now: Duration) -> f64 {
        let steps = now.saturating_sub(self.calm_from).as_secs() / EASED_EVERY.as_secs();
        (self.slowdown - EASED_BY * steps as f64).clamp(1.0, SLOWDOWN_MAX)
    }

    /// The rate that was learnt.
    pub(super) fn rate(&self, usual: Rate, now: Duration) -> Rate {
        Rate { interval: usual.interval.mul_f64(self.slowdown(now)), ..usual }
    }

    /// When it may be spent: `now`, or later.
    pub(super) fn free_at(&self, usual: Rate, urgency: Urgency, now: Duration) -> Duration {
        let paced = self.bucket.free_at(self.rate(usual, now), urgency, now);
        self.parked.map_or(paced, |parked| parked.until.max(paced))
    }

    pub(super) fn take(&mut self, usual: Rate, now: Duration) {
        self.bucket.take(self.rate(usual, now), now);
    }

    /// The wait that is not over yet.
    pub(super) fn waiting(&self, now: Duration) -> Option<Parked> {
        self.parked.filter(|parked| parked.until > now)
    }

    /// Telegram asked for a wait. `seed` is that of the jitter, so that accounts that were told to wait alike do not come back at once.
    pub(super) fn flood(&mut self, wait: Duration, learn: bool, seed: &str, now: Now) {
        if self.waiting(now.at).is_none() {
            let repeated = self.floods > 0 && now.at.saturating_sub(self.calm_from) < REPEATED_WITHIN;
            self.repetitions = if repeated { self.repetitions.saturating_add(1) } else { 1 };
            self.floods = self.floods.saturating_add(1);
            self.last_flood = Some(now.shown);
            if learn {
                self.slowdown = (self.slowdown(now.at) * SLOWER).min(SLOWDOWN_MAX);
            }
        }
        let wait = wait.min(WAIT_MAX);
        self.park(wait + margin(wait, self.repetitions, seed, self.floods), now);
    }

    /// Parks until a wait is over; never shorter than it is parked already.
    pub(super) fn park(&mut self, whole: Duration, now: Now) {
        let until = now.at + whole;
        if self.parked.is_some_and(|parked| parked.until >= until) {
            return;
        }
        self.parked = Some(Parked { until, shown: now.show(until), whole });
        // After a wait there is one turn and no burst.
        self.bucket = Bucket::of(1.0, until);
        self.calm_from = until;
    }
}

/// The margin beyond what Telegram asks for, with jitter.
fn margin(wait: Duration, repetitions: u32, seed: &str, count: u64) -> Duration {
    let mut hasher = DefaultHasher::new();
    (seed, count).hash(&mut hasher);
    // Between half of it and all of it.
    let share = 0.5 + 0.5 * (hasher.finish() >> 11) as f64 / (1_u64 << 53) as f64;
    let times = f64::from(repetitions.clamp(1, MARGIN_REPETITIONS_MAX));
    wait.mul_f64(MARGIN * times).clamp(MARGIN_MIN, MARGIN_MAX).mul_f64(share)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { interval: Duration::from_secs(1), burst: 3 };

    fn now(seconds: u64) -> Now {
        Now { at: Duration::from_secs(seconds), shown: DateTime::UNIX_EPOCH + Duration::from_secs(seconds) }
    }

    #[test]
    fn each_wait_makes_the_method_slower_up_to_a_bound_and_calm_makes_it_faster_again() {
        let mut budget = Budget::new(RATE, Duration::ZERO);
        let mut seconds = 0;
        for expected in [2.0, 4.0, 8.0, 16.0, 32.0, 32.0] {
            budget.flood(Duration::from_secs(30), true, "alpha", now(seconds));
            assert!((budget.slowdown(now(seconds).at) - expected).abs() < 1e-9, "{budget:?}");
            seconds += 60;
        }
        let calm = budget.calm_from;
        assert!((budget.slowdown(calm + EASED_EVERY) - 31.75).abs() < 1e-9);
        assert!((budget.slowdown(calm + Duration::from_secs(24 * 3_600)) - 2.0).abs() < 1e-9);
        assert!((budget.slowdown(calm + Duration::from_secs(26 * 3_600)) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn a_wait_while_one_is_waited_for_only_lasts_longer() {
        let mut budget = Budget::new(RATE, Duration::ZERO);
        budget.flood(Duration::from_secs(30), true, "alpha", now(0));
        budget.flood(Duration::from_secs(40), true, "alpha", now(1));
        budget.flood(Duration::from_secs(5), true, "alpha", now(2));
        assert!(budget.parked.unwrap().until >= Duration::from_secs(41), "{budget:?}");
        assert_eq!((budget.floods, budget.repetitions), (1, 1));
        assert!((budget.slowdown - 2.0).abs() < 1e-9);
    }

    #[test]
    fn the_margin_is_small_grows_with_repetition_and_differs_between_accounts() {
        let wait = Duration::from_secs(100);
        let of = |repetitions, seed| margin(wait, repetitions, seed, 1);
        assert!(of(1, "alpha") >= Duration::from_millis(2_500) && of(1, "alpha") <= Duration::from_secs(5));
        assert!(of(8, "alpha") > of(1, "alpha").mul_f64(7.9));
        assert_ne!(of(1, "alpha"), of(1, "bravo"));
        assert_eq!(of(1, "alpha"), of(1, "alpha"));
        assert!(margin(WAIT_MAX, 10, "alpha", 1) <= MARGIN_MAX);
        assert!(margin(Duration::ZERO, 1, "alpha", 1) >= Duration::from_millis(100));
    }

    #[test]
    fn after_a_wait_there_is_one_turn_and_no_burst() {
        let mut budget = Budget::new(RATE, Duration::ZERO);
        budget.flood(Duration::from_secs(30), true, "alpha", now(0));
        let end = budget.parked.unwrap().until;
        assert_eq!(budget.free_at(RATE, Urgency::Live, Duration::from_secs(1)), end);
        assert_eq!(budget.free_at(RATE, Urgency::Background, Duration::from_secs(1)), end + Duration::from_secs(4));
        budget.take(RATE, end);
        assert_eq!(budget.free_at(RATE, Urgency::Live, end), end + Duration::from_secs(2));
    }
}
