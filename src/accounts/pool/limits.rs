//! The rate limit of each method: the least time between two calls of one account, and the burst.
//!
//! Telegram publishes no limits for user accounts. What stands here is what peers ran into, with room to spare; `docs/limits.md` has
//! the sources. The intervals are where the backoff starts from: a flood wait lengthens them, time without one shortens them again,
//! never below what stands here. The operator may replace an interval (`accounts.intervals`).

use std::collections::BTreeMap;
use std::time::Duration;

use super::bucket::Rate;

/// The burst where nothing else is said: the two tokens that are reserved for higher priorities, and one more.
pub(super) const BURST: u32 = 3;

/// The default rate limit of a method.
#[derive(Debug)]
struct DefaultLimit {
    method: &'static str,
    /// The least time between two calls; `None` for the account's own rate.
    interval: Option<Duration>,
    burst: u32,
    kind: MethodKind,
}

/// What a method is about, as far as errors tell kinds apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MethodKind {
    /// It reads.
    Read,
    /// It reads files: many small requests, with a rate limit of their own beside the account's.
    File,
    /// It makes contact with somebody or something new, which is what `PEER_FLOOD` forbids.
    Contact,
}

/// Starts a takeout session. It has a name because `TAKEOUT_INIT_DELAY` is about it, whichever request met it.
pub(super) const INIT_TAKEOUT: &str = "account.initTakeoutSession";

const fn default_limit(method: &'static str, interval: Option<u64>, burst: u32, kind: MethodKind) -> DefaultLimit {
    let interval = match interval {
        Some(millis) => Some(Duration::from_millis(millis)),
        None => None,
    };
    DefaultLimit { method, interval, burst, kind }
}

/// Every method that has not simply the account's rate limit; intervals in milliseconds.
const DEFAULT_LIMITS: [DefaultLimit; 13] = [
    // A page of a hundred a second is what peers read without a wait: the account's own pace.
    default_limit("messages.getHistory", None, BURST, MethodKind::Read),
    default_limit("updates.getChannelDifference", None, BURST, MethodKind::Read),
    default_limit("updates.getDifference", None, BURST, MethodKind::Read),
    // Nineteen pages in a row end in a wait of 25 s that comes again and again, and sweeps without a pause in one of 15 h.
    default_limit("messages.getDialogs", Some(5_000), BURST, MethodKind::Read),
    // A wait of 26 s after a few calls in a row.
    default_limit("channels.getFullChannel", Some(3_000), BURST, MethodKind::Read),
    default_limit("channels.getParticipants", Some(3_000), BURST, MethodKind::Read),
    // Counters only: never worth a wait.
    default_limit("messages.getMessagesViews", Some(5_000), BURST, MethodKind::Read),
    // Waits of 15 to 20 h after bursts, near thirty a minute: half of that, and never two at once.
    default_limit("contacts.resolveUsername", Some(4_000), 1, MethodKind::Contact),
    // Who joins much in little time is banned: one in five minutes, by name or by link.
    default_limit("channels.joinChannel", Some(300_000), 1, MethodKind::Contact),
    // Shows what an invitation leads to; asked before joining, so it may not cost more than that.
    default_limit("messages.checkChatInvite", Some(10_000), 1, MethodKind::Contact),
    // Once for each other data centre, then kept: four at once, and waits of an hour for those who ask for every file.
    default_limit("auth.exportAuthorization", Some(60_000), 4, MethodKind::Read),
    // 512 KiB each, so 5 MiB/s an account; Telegram slows down by FLOOD_PREMIUM_WAIT from there.
    default_limit("upload.getFile", Some(100), 10, MethodKind::File),
    // A takeout lasts; asking for another at once is refused for a day.
    default_limit(INIT_TAKEOUT, Some(3_600_000), 1, MethodKind::Read),
];

/// Methods that share another's quota, because Telegram looks at what is done and not at how.
const SHARED: [(&str, &str); 2] =
    [("messages.importChatInvite", "channels.joinChannel"), ("upload.getWebFile", "upload.getFile")];

/// The name of the budget that a method spends.
pub(super) fn budget_of(method: &str) -> &str {
    SHARED.iter().find(|(of, _)| *of == method).map_or(method, |(_, budget)| budget)
}

/// Whether a method's interval may be set.
#[must_use]
pub fn is_known_method(method: &str) -> bool {
    DEFAULT_LIMITS.iter().any(|k| k.method == method)
}

/// The methods whose interval may be set.
pub fn known_methods() -> impl Iterator<Item = &'static str> {
    DEFAULT_LIMITS.iter().map(|k| k.method)
}

/// The methods of a kind.
pub(super) fn of_kind(kind: MethodKind) -> impl Iterator<Item = &'static str> {
    DEFAULT_LIMITS.iter().filter(move |k| k.kind == kind).map(|k| k.method)
}

/// The rate limit of a method that is in force.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limit {
    pub(super) rate: Rate,
    pub(super) kind: MethodKind,
}

/// The rate limits that are in force.
#[derive(Debug)]
pub(super) struct Limits {
    /// The account's own rate limit.
    pub(super) account: Rate,
    intervals: BTreeMap<String, Duration>,
}

impl Limits {
    pub(super) fn new(request_interval: Duration, intervals: BTreeMap<String, Duration>) -> Self {
        Self { account: Rate { interval: request_interval, burst: BURST }, intervals }
    }

    /// The rate limit of a budget. An account without one (a server of one's own) has no slow methods either.
    pub(super) fn of(&self, budget: &str) -> Limit {
        let default_limit = DEFAULT_LIMITS.iter().find(|k| k.method == budget);
        let (burst, kind) = default_limit.map_or((BURST, MethodKind::Read), |k| (k.burst, k.kind));
        let own = self.account.interval;
        let usual = if own.is_zero() { own } else { default_limit.and_then(|k| k.interval).unwrap_or(own) };
        let interval = self.intervals.get(budget).copied().unwrap_or(usual);
        Limit { rate: Rate { interval, burst }, kind }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rare_methods_are_rare_by_default() {
        let limits = Limits::new(Duration::from_secs(1), BTreeMap::new());
        let a_minute = |method| 60.0 / limits.of(budget_of(method)).rate.interval.as_secs_f64();
        assert!(a_minute("contacts.resolveUsername") < 20.0);
        assert!(a_minute("channels.joinChannel") <= 0.2 && a_minute("messages.importChatInvite") <= 0.2);
        assert_eq!(budget_of("messages.importChatInvite"), "channels.joinChannel");
        assert!(a_minute("messages.getHistory") <= 60.0);
        assert!(a_minute("never.heardOf") <= 60.0);
    }

    #[test]
    fn an_operator_may_set_an_interval_and_a_server_of_ones_own_has_none() {
        let join = "channels.joinChannel";
        let set = BTreeMap::from([(join.to_owned(), Duration::from_secs(9))]);
        assert_eq!(Limits::new(Duration::from_secs(1), set).of(join).rate.interval, Duration::from_secs(9));
        assert_eq!(Limits::new(Duration::ZERO, BTreeMap::new()).of(join).rate.interval, Duration::ZERO);
    }

    #[test]
    fn what_spends_another_budget_spends_a_known_one() {
        for (method, budget) in SHARED {
            assert!(!is_known_method(method) && is_known_method(budget), "{method}");
        }
    }
}
