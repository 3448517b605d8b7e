//! Clocks, wall and monotonic, passed in: nothing below the composition root asks the operating system what time it is.

use std::fmt;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use chrono::{DateTime, SecondsFormat, Utc};

/// Whole seconds since 1970-01-01T00:00:00Z, as Telegram counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// The time as a calendar date, or the epoch where chrono cannot represent it.
    #[must_use]
    pub fn to_utc(self) -> DateTime<Utc> {
        DateTime::from_timestamp(self.0, 0).unwrap_or_default()
    }
}

impl From<DateTime<Utc>> for Timestamp {
    fn from(time: DateTime<Utc>) -> Self {
        Self(time.timestamp())
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC, whole seconds: `2024-01-31T12:00:00Z`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_utc().to_rfc3339_opts(SecondsFormat::Secs, true))
    }
}

/// A source of wall clock time, and of monotonic time, which nobody can set.
pub trait Clock: Send + Sync + fmt::Debug {
    /// The wall clock's time now.
    fn now(&self) -> DateTime<Utc>;

    /// The monotonic time since some moment. Setting the clock does not change it: for waits that must not end early.
    fn elapsed(&self) -> Duration;

    /// The time now in whole seconds.
    fn timestamp(&self) -> Timestamp {
        self.now().into()
    }
}

/// The operating system's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place where the program asks what time it is")]
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }

    fn elapsed(&self) -> Duration {
        /// When it was first read.
        static START: LazyLock<Instant> = LazyLock::new(Instant::now);
        START.elapsed()
    }
}

/// A clock that stands still until it is moved; for tests.
#[derive(Clone, Debug)]
pub struct FixedClock {
    shows: Arc<AtomicI64>,
    elapsed: Arc<AtomicU64>,
}

impl FixedClock {
    /// A clock that shows `at`.
    #[must_use]
    pub fn new(at: Timestamp) -> Self {
        Self { shows: Arc::new(AtomicI64::new(at.0)), elapsed: Arc::default() }
    }

    /// Moves the clock by a number of seconds, also backwards. Forwards, that time has passed.
    pub fn advance(&self, seconds: i64) {
        self.set_by(seconds);
        self.elapsed.fetch_add(u64::try_from(seconds).unwrap_or_default(), Ordering::SeqCst);
    }

    /// Sets the clock by a number of seconds, without time passing.
    pub fn set_by(&self, seconds: i64) {
        self.shows.fetch_add(seconds, Ordering::SeqCst);
    }
}

impl Clock for FixedClock {
    fn now(&self) -> DateTime<Utc> {
        Timestamp(self.shows.load(Ordering::SeqCst)).to_utc()
    }

    fn elapsed(&self) -> Duration {
        Duration::from_secs(self.elapsed.load(Ordering::SeqCst))
    }
}
