//! Waiting for conditions, never for a time.

use std::time::{Duration, Instant};

/// Longer than anything here takes, on a machine that does four other things.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);
/// A call that was under way inside of the client when it got a flood wait arrives after it. Whoever ignores waits comes later than this.
pub(crate) const UNDER_WAY: Duration = Duration::from_millis(250);
/// How often it is looked.
const EVERY: Duration = Duration::from_millis(20);

/// Waits until something holds.
pub(crate) async fn until(what: &str, holds: impl Fn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < end, "not seen: {what}");
        tokio::time::sleep(EVERY).await;
    }
}

/// The same where nothing else runs meanwhile.
pub(crate) fn until_blocking(what: &str, holds: impl Fn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < end, "not seen: {what}");
        std::thread::sleep(EVERY);
    }
}
