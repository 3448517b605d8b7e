//! A token bucket (rate limiter) that reserves tokens for higher priorities.
//!
//! A token comes every interval, up to the burst. What is live may take the last one; what is fresh leaves one; the background leaves
//! two. So a live request is rate limited only behind other live ones (the k-th of them at most k - 1 intervals), and the background
//! gets every token that no higher priority wants. A bucket of one token has no reserve: there a live request waits one interval at
//! most.

use std::time::Duration;

use super::Urgency;

/// Tokens are counted in fractions; this much short of a whole one is rounding.
const ROUNDING: f64 = 1e-6;

/// How fast tokens come, and how many are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rate {
    pub(super) interval: Duration,
    pub(super) burst: u32,
}

/// The tokens of something, as of a moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bucket {
    tokens: f64,
    at: Duration,
}

impl Bucket {
    /// A bucket that holds so many tokens at a moment, which may be to come.
    pub(super) fn of(tokens: f64, at: Duration) -> Self {
        Self { tokens, at }
    }

    /// A full bucket.
    pub(super) fn full(rate: Rate, now: Duration) -> Self {
        Self::of(f64::from(rate.burst), now)
    }

    /// A bucket that is full again after so long, or after as long as an empty one takes.
    pub(super) fn owing(owed: Duration, rate: Rate, now: Duration) -> Self {
        if rate.interval.is_zero() {
            return Self::full(rate, now);
        }
        let burst = f64::from(rate.burst);
        Self::of((burst - owed.as_secs_f64() / rate.interval.as_secs_f64()).clamp(0.0, burst), now)
    }

    /// When a token may be taken: `now`, or later.
    pub(super) fn free_at(&self, rate: Rate, urgency: Urgency, now: Duration) -> Duration {
        let from = self.at.max(now);
        let (level, need) = (self.level(rate, now), need(rate, urgency));
        if level + ROUNDING >= need || rate.interval.is_zero() {
            return from;
        }
        from + rate.interval.mul_f64(need - level)
    }

    /// Takes a token.
    pub(super) fn take(&mut self, rate: Rate, now: Duration) {
        *self = Self { tokens: (self.level(rate, now) - 1.0).max(0.0), at: self.at.max(now) };
    }

    /// How long until it is full again.
    pub(super) fn owed(&self, rate: Rate, now: Duration) -> Duration {
        rate.interval.mul_f64((f64::from(rate.burst) - self.level(rate, now)).max(0.0))
    }

    fn level(&self, rate: Rate, now: Duration) -> f64 {
        let burst = f64::from(rate.burst);
        if rate.interval.is_zero() {
            return burst;
        }
        let come = now.saturating_sub(self.at).as_secs_f64() / rate.interval.as_secs_f64();
        (self.tokens + come).min(burst)
    }
}

/// How many tokens there must be for one to be taken.
fn need(rate: Rate, urgency: Urgency) -> f64 {
    let reserve = match urgency {
        Urgency::Live => 0,
        Urgency::Fresh => 1,
        Urgency::Background => 2,
    };
    f64::from(reserve.min(rate.burst.saturating_sub(1)) + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { interval: Duration::from_secs(1), burst: 3 };

    fn wait(bucket: &Bucket, urgency: Urgency, now: Duration) -> Duration {
        bucket.free_at(RATE, urgency, now) - now
    }

    #[test]
    fn the_past_leaves_two_turns_and_the_fresh_one() {
        let now = Duration::from_secs(100);
        let mut bucket = Bucket::full(RATE, now);
        bucket.take(RATE, now);
        assert_eq!(wait(&bucket, Urgency::Background, now), Duration::from_secs(1));
        assert_eq!(wait(&bucket, Urgency::Fresh, now), Duration::ZERO);
        bucket.take(RATE, now);
        assert_eq!(wait(&bucket, Urgency::Fresh, now), Duration::from_secs(1));
        assert_eq!(wait(&bucket, Urgency::Live, now), Duration::ZERO);
        bucket.take(RATE, now);
        assert_eq!(wait(&bucket, Urgency::Live, now), Duration::from_secs(1));
        assert_eq!(wait(&bucket, Urgency::Background, now), Duration::from_secs(3));
    }

    #[test]
    fn over_time_every_interval_brings_one_turn_however_urgent() {
        for urgency in [Urgency::Live, Urgency::Fresh, Urgency::Background] {
            let mut bucket = Bucket::full(RATE, Duration::ZERO);
            let mut now = Duration::ZERO;
            for _ in 0..103 {
                now = bucket.free_at(RATE, urgency, now);
                bucket.take(RATE, now);
            }
            assert!((Duration::from_millis(99_990)..Duration::from_millis(102_010)).contains(&now), "{urgency:?} {now:?}");
        }
    }
}
