//! The one place where the crate reads a clock: everything else is given the time.
//!
//! A generated world never asks for the time, so that the same seed gives the same world on any day. Only what happens
//! *while* the simulator runs (live posts, salts, message ids, the ledger) does.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The wall clock as a duration since 1970; zero if the machine's clock is set before that.
#[expect(clippy::disallowed_methods, reason = "this is the one place; a server's salts and message ids follow the real time")]
pub(crate) fn since_epoch() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Seconds since 1970, as Telegram writes dates.
pub(crate) fn unix_seconds() -> i32 {
    i32::try_from(since_epoch().as_secs()).unwrap_or(i32::MAX)
}

/// The monotonic clock, for arrival times.
pub(crate) fn monotonic() -> Instant {
    Instant::now()
}
