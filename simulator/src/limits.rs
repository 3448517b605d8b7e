//! Rate limits (token buckets): how often an account may call a method before it is told to wait.
//!
//! Each account has a bucket of calls for each limited method, which fills at a steady rate. An account that finds it empty is told to
//! wait (a flood wait), and one that calls again before the wait is over is told to wait longer, as Telegram does it. Telegram does not
//! publish its numbers; those of [`Limits::like_telegram`] are from what operators of crawlers report.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::answer::RpcError;

/// How much faster an account may ask within a takeout session: reported are three to six times.
const TAKEOUT_SPEED: u32 = 4;
/// Buckets kept: each account's for each limited method; beyond it, nothing new is limited.
const BUCKETS_MAX: usize = 1_000_000;

/// The limit of one method, for each account by itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Limit {
    /// The method as in the schema, such as `messages.getHistory`.
    pub method: String,
    /// The burst: how many calls may come at once.
    pub burst: u32,
    /// How long it takes until one more call may come.
    pub every: Duration,
    /// The wait that is asked for when too many came.
    pub wait: Duration,
    /// By what the wait grows with each call that comes before it is over.
    pub escalation: u32,
    /// What it grows to at most.
    pub wait_max: Duration,
    /// Whether it is a `FLOOD_PREMIUM_WAIT`, as for downloads, and no `FLOOD_WAIT`.
    pub premium: bool,
}

impl Limit {
    /// A limit of so many calls at once and one more after each interval, with a wait of that interval which doubles up to an
    /// hour.
    #[must_use]
    pub fn new(method: &str, burst: u32, every: Duration) -> Self {
        let wait_max = Duration::from_secs(3_600);
        Self { method: method.into(), burst, every, wait: every, escalation: 2, wait_max, premium: false }
    }

    /// The same with another first wait, growth and longest wait.
    #[must_use]
    pub fn waiting(mut self, wait: Duration, escalation: u32, wait_max: Duration) -> Self {
        (self.wait, self.escalation, self.wait_max) = (wait, escalation, wait_max);
        self
    }
}

/// The limits of a simulator.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Limits {
    /// One for each limited method.
    pub limits: Vec<Limit>,
}

impl Limits {
    /// Limits as an account meets them in the wild, with every time multiplied by a factor: 1 for the real ones, 0.01 for
    /// tests. A wait is never below one second, because Telegram counts in seconds.
    #[must_use]
    pub fn like_telegram(time_factor: f64) -> Self {
        let seconds = |seconds: f64| Duration::from_secs_f64(seconds * time_factor.max(0.0));
        let limit = |method: &str, burst: u32, every: f64, wait: f64, escalation: u32, wait_max: f64| {
            Limit::new(method, burst, seconds(every)).waiting(seconds(wait), escalation, seconds(wait_max))
        };
        let mut limits = vec![
            // About 95 messages a second, sustained.
            limit("messages.getHistory", 30, 1.0, 20.0, 2, 3_600.0),
            limit("messages.getDialogs", 20, 3.0, 30.0, 2, 3_600.0),
            limit("messages.getPeerDialogs", 20, 3.0, 30.0, 2, 3_600.0),
            // Below 20 a minute; waits of 74,263 s have been seen.
            limit("contacts.resolveUsername", 20, 3.0, 300.0, 6, 86_400.0),
            limit("updates.getDifference", 30, 1.0, 10.0, 2, 3_600.0),
            limit("updates.getChannelDifference", 60, 0.5, 10.0, 2, 3_600.0),
            limit("channels.getMessages", 30, 1.0, 20.0, 2, 3_600.0),
            limit("channels.getFullChannel", 20, 3.0, 60.0, 2, 3_600.0),
            limit("messages.getFullChat", 20, 3.0, 60.0, 2, 3_600.0),
            limit("channels.getParticipants", 20, 2.0, 30.0, 2, 3_600.0),
            limit("messages.getMessagesViews", 30, 1.0, 20.0, 2, 3_600.0),
            limit("auth.exportAuthorization", 5, 60.0, 300.0, 3, 86_400.0),
            limit("account.initTakeoutSession", 2, 3_600.0, 3_600.0, 2, 86_400.0),
            limit("channels.joinChannel", 5, 60.0, 300.0, 3, 86_400.0),
            limit("messages.importChatInvite", 5, 60.0, 300.0, 3, 86_400.0),
            limit("messages.checkChatInvite", 10, 30.0, 300.0, 3, 86_400.0),
        ];
        limits.push(Limit { premium: true, ..limit("upload.getFile", 200, 0.05, 3.0, 2, 600.0) });
        Self { limits }
    }
}

/// The token bucket of an account for one method.
struct Bucket {
    calls: f64,
    filled: Duration,
    /// The wait that was asked for last, and when it ends.
    wait: Duration,
    until: Duration,
}

/// The limits in force.
pub(crate) struct RateLimits {
    limits: HashMap<String, Limit>,
    buckets: Mutex<HashMap<(usize, &'static str), Bucket>>,
}

impl RateLimits {
    pub(crate) fn new(limits: &Limits) -> Self {
        let limits = limits.limits.iter().map(|limit| (limit.method.clone(), limit.clone())).collect();
        Self { limits, buckets: Mutex::default() }
    }

    /// Takes a token out of an account's bucket; the error is the flood wait that it must keep to.
    pub(crate) fn take(&self, account: usize, method: &'static str, in_takeout: bool, now: Duration) -> Result<(), RpcError> {
        let Some(limit) = self.limits.get(method) else { return Ok(()) };
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= BUCKETS_MAX && !buckets.contains_key(&(account, method)) {
            return Ok(());
        }
        let full = f64::from(limit.burst.max(1));
        let bucket = buckets.entry((account, method)).or_insert(Bucket {
            calls: full,
            filled: now,
            wait: Duration::ZERO,
            until: Duration::ZERO,
        });
        let every = limit.every.as_secs_f64() / f64::from(if in_takeout { TAKEOUT_SPEED } else { 1 });
        if every > 0.0 {
            bucket.calls += now.saturating_sub(bucket.filled).as_secs_f64() / every;
        } else {
            bucket.calls = full;
        }
        bucket.filled = bucket.filled.max(now);
        if bucket.calls >= full {
            bucket.calls = full;
            // An account that kept quiet for so long is trusted again: the penalty is reset.
            if now >= bucket.until {
                bucket.wait = Duration::ZERO;
            }
        }
        if now < bucket.until {
            bucket.wait = (bucket.wait * limit.escalation.max(1)).min(limit.wait_max);
        } else if bucket.calls < 1.0 {
            bucket.wait = limit.wait.max(bucket.wait);
        } else {
            bucket.calls -= 1.0;
            return Ok(());
        }
        let seconds = whole_seconds(bucket.wait);
        bucket.until = bucket.until.max(now + Duration::from_secs(seconds));
        let name = if limit.premium { "FLOOD_PREMIUM_WAIT" } else { "FLOOD_WAIT" };
        Err(RpcError { code: 420, name: format!("{name}_{seconds}").into() })
    }
}

/// A wait as Telegram says it: in seconds, rounded up.
fn whole_seconds(wait: Duration) -> u64 {
    (wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(limits: &RateLimits, millis: u64) -> String {
        match limits.take(0, "m", false, Duration::from_millis(millis)) {
            Ok(()) => "ok".into(),
            Err(error) => error.name.into(),
        }
    }

    #[test]
    fn a_bucket_allows_its_burst_then_its_rate_and_waits_grow_when_they_are_not_kept() {
        let second = Duration::from_secs(1);
        let limit = Limit::new("m", 3, second).waiting(second * 2, 3, second * 50);
        let limits = RateLimits::new(&Limits { limits: vec![limit] });
        assert_eq!([0, 0, 0].map(|millis| at(&limits, millis)), ["ok", "ok", "ok"]);
        assert_eq!(at(&limits, 100), "FLOOD_WAIT_2");
        // Kept: the bucket has filled meanwhile.
        assert_eq!(at(&limits, 2_100), "ok");
        assert_eq!(at(&limits, 2_101), "ok");
        assert_eq!(at(&limits, 2_102), "FLOOD_WAIT_2");
        // Not kept.
        assert_eq!(at(&limits, 2_200), "FLOOD_WAIT_6");
        assert_eq!(at(&limits, 2_300), "FLOOD_WAIT_18");
        assert_eq!(at(&limits, 2_400), "FLOOD_WAIT_50");
        assert_eq!(limits.take(1, "m", false, Duration::from_millis(2_400)), Ok(()));
        // Kept, and trusted again.
        assert_eq!(at(&limits, 52_400), "ok");
        assert_eq!([1, 2].map(|millis| at(&limits, 52_400 + millis)), ["ok", "ok"]);
        assert_eq!(at(&limits, 52_403), "FLOOD_WAIT_2");
        assert_eq!(limits.take(0, "other", false, Duration::ZERO), Ok(()));
    }

    #[test]
    fn a_takeout_is_allowed_more() {
        let limits = RateLimits::new(&Limits { limits: vec![Limit::new("m", 1, Duration::from_secs(1))] });
        let calls = |in_takeout: bool, account: usize| {
            (0..20).filter(|at| limits.take(account, "m", in_takeout, Duration::from_millis(at * 2_100)).is_ok()).count()
        };
        assert_eq!((calls(false, 0), calls(true, 1)), (20, 20));
        let fast = |in_takeout: bool, account: usize| {
            (0..4).filter(|at| limits.take(account, "m", in_takeout, Duration::from_millis(at * 300)).is_ok()).count()
        };
        assert_eq!((fast(false, 2), fast(true, 3)), (1, 4));
    }

    #[test]
    fn the_real_limits_ask_for_whole_seconds_even_when_time_runs_fast() {
        let limits = RateLimits::new(&Limits::like_telegram(0.001));
        let asked = (0..100).find_map(|_| limits.take(0, "contacts.resolveUsername", false, Duration::ZERO).err());
        assert_eq!(asked.map(|error| error.name.to_string()).as_deref(), Some("FLOOD_WAIT_1"));
    }
}
