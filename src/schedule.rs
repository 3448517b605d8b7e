//! What is due: a pure function of (plan, last run, now), on the `cron` crate.
//!
//! A job that missed any number of runs (the program was not running, the machine slept) is due once. A job that never ran is
//! due at once. A clock that was set back makes nothing due twice.

mod selector;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

pub use selector::{InvalidSelector, PeerFacts, Scope, Selector};

/// What the program does by the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Job {
    /// Read every account's list of dialogs to its end.
    Discover,
    /// Read every account's list of dialogs down to where nothing is new, and what is new.
    CatchUp,
    /// Read what coverage lacks.
    Backfill,
    /// Read the recent past again.
    Recheck,
    /// Count members and views.
    Counters,
}

impl Job {
    /// Every job.
    pub const ALL: [Self; 3] = [Self::Discover, Self::CatchUp, Self::Backfill];

    /// The name under which it is configured, stored and shown.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Discover => "discover",
            Self::CatchUp => "catch-up",
            Self::Backfill => "backfill",
            Self::Recheck => "recheck",
            Self::Counters => "counters",
        }
    }
}

/// When a job runs.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The expression: seconds, minutes, hours, day of month, month, day of week, and optionally the year.
    pub cron: cron::Schedule,
    /// The time zone that the expression is in.
    pub zone: Tz,
}

/// Whether a job is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// It is.
    Now,
    /// It will be.
    At(DateTime<Utc>),
    /// Never again: the expression names no future time.
    Never,
}

/// Whether a job is due, given when it was last started.
#[must_use]
pub fn due(plan: &Plan, last: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Due {
    let after = |t: DateTime<Utc>| plan.cron.after(&t.with_timezone(&plan.zone)).next().map(|t| t.with_timezone(&Utc));
    let Some(last) = last else { return Due::Now };
    match after(last) {
        Some(at) if at <= now => Due::Now,
        // The clock was set back behind the last run: what it says now is what counts.
        _ if last > now => after(now).map_or(Due::Never, Due::At),
        Some(at) => Due::At(at),
        None => Due::Never,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(cron: &str, zone: Tz) -> Plan {
        Plan { cron: cron.parse().unwrap(), zone }
    }

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn a_job_is_due_when_its_time_has_passed_since_the_last_run_and_missed_runs_are_made_up_once() {
        let hourly = plan("0 0 * * * *", Tz::UTC);
        assert_eq!(due(&hourly, None, at("2026-01-01T10:20:00Z")), Due::Now);
        let last = Some(at("2026-01-01T10:00:00Z"));
        assert_eq!(due(&hourly, last, at("2026-01-01T10:20:00Z")), Due::At(at("2026-01-01T11:00:00Z")));
        assert_eq!(due(&hourly, last, at("2026-01-01T11:00:00Z")), Due::Now);
        // Three days asleep: once, then the next hour.
        let woke = at("2026-01-04T09:30:00Z");
        assert_eq!(due(&hourly, last, woke), Due::Now);
        assert_eq!(due(&hourly, Some(woke), woke), Due::At(at("2026-01-04T10:00:00Z")));
    }

    #[test]
    fn a_clock_that_is_set_back_makes_nothing_due_twice() {
        let hourly = plan("0 0 * * * *", Tz::UTC);
        let last = Some(at("2026-01-01T12:00:00Z"));
        assert_eq!(due(&hourly, last, at("2026-01-01T10:20:00Z")), Due::At(at("2026-01-01T11:00:00Z")));
    }

    #[test]
    fn daylight_saving_neither_skips_a_day_nor_runs_it_twice() {
        let daily = plan("0 30 2 * * *", Tz::Europe__Berlin);
        // 2026-10-25: 02:30 happens twice in Berlin (00:30Z and 01:30Z).
        let first = at("2026-10-25T00:30:00Z");
        let Due::At(next) = due(&daily, Some(first), first) else { panic!() };
        assert!(next > first, "{next}");
        // 2026-03-29: 02:30 does not happen in Berlin; the job still has a next run within two days.
        let before = at("2026-03-28T12:00:00Z");
        let Due::At(next) = due(&daily, Some(before), before) else { panic!() };
        assert!(next - before < chrono::Duration::days(2), "{next}");
    }

    #[test]
    fn an_expression_of_the_past_is_never_due_again() {
        let once = plan("0 0 0 1 1 * 2020", Tz::UTC);
        assert_eq!(due(&once, Some(at("2026-01-01T00:00:00Z")), at("2026-01-02T00:00:00Z")), Due::Never);
    }
}
