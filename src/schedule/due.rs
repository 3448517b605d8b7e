//! Whether a run is due at one moment, and what becomes of missed runs (misfires).

use chrono::{DateTime, Duration, Utc};

use super::{Missed, Plan};

/// How late a run may be and still be on time: the scheduler ticks every 30 s at least, and a tick may be late itself.
const LATE_MAX: Duration = Duration::seconds(60);
/// How far in the future a start may lie without its clock having been wrong: time servers correct by less.
const SET_BACK_MAX: Duration = Duration::seconds(60);

/// Whether a run is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// It is.
    Now,
    /// It will be.
    At(DateTime<Utc>),
    /// Never again: it is disabled, or the expression names no future time.
    Never,
}

/// Whether a run is due now, when every occurrence up to `handled_until` (the high-water mark) was started, skipped or given up; `None`
/// when it never ran.
#[must_use]
pub fn due(plan: &Plan, handled_until: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Due {
    if !plan.enabled {
        return Due::Never;
    }
    let handled_until = bounded_by_now(handled_until, now);
    let from = match (plan.missed, handled_until) {
        (Missed::Once, Some(handled_until)) => handled_until,
        (Missed::Once, None) if plan.start_after(now).is_some() => return Due::Now,
        (Missed::Once, None) => return Due::Never,
        (Missed::Skip, handled_until) => handled_until.map_or(now - LATE_MAX, |handled_until| handled_until.max(now - LATE_MAX)),
    };
    match plan.start_after(from) {
        Some(at) if at <= now => Due::Now,
        Some(at) => Due::At(at),
        None => Due::Never,
    }
}

/// The high-water mark, bounded by what the clock says `now`. A start that lies in the future was noted by a clock that was wrong, or
/// this one is: either way it says nothing of what comes next, and counting goes on from now.
pub(super) fn bounded_by_now(handled_until: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    handled_until.map(|handled_until| if handled_until - now > SET_BACK_MAX { now } else { handled_until })
}

#[cfg(test)]
mod tests {
    use super::super::Zone;
    use super::*;

    fn hourly() -> Plan {
        Plan::new("0 0 * * * *".parse().unwrap(), Zone::utc())
    }

    fn at(text: &str) -> DateTime<Utc> {
        format!("2026-01-{text}Z").parse().unwrap()
    }

    #[test]
    fn a_run_is_due_when_its_time_has_passed_and_missed_runs_are_made_up_once() {
        assert_eq!(due(&hourly(), None, at("01T10:20:00")), Due::Now, "never ran");
        let last = Some(at("01T10:00:00"));
        assert_eq!(due(&hourly(), last, at("01T10:20:00")), Due::At(at("01T11:00:00")));
        assert_eq!(due(&hourly(), last, at("01T11:00:00")), Due::Now);
        // Three days asleep: once, then the next hour.
        let woke = at("04T09:30:00");
        assert_eq!(due(&hourly(), last, woke), Due::Now);
        assert_eq!(due(&hourly(), Some(woke), woke), Due::At(at("04T10:00:00")));
    }

    #[test]
    fn missed_runs_that_are_to_be_skipped_are_but_a_late_tick_is_not_a_missed_run() {
        let plan = Plan { missed: Missed::Skip, ..hourly() };
        for last in [None, Some(at("01T10:00:00"))] {
            assert_eq!(due(&plan, last, at("04T09:30:00")), Due::At(at("04T10:00:00")));
            assert_eq!(due(&plan, last, at("04T10:00:00")), Due::Now);
            assert_eq!(due(&plan, last, at("04T10:00:50")), Due::Now);
            assert_eq!(due(&plan, last, at("04T10:01:01")), Due::At(at("04T11:00:00")));
        }
        assert_eq!(due(&plan, Some(at("04T10:00:00")), at("04T10:00:50")), Due::At(at("04T11:00:00")), "not twice");
    }

    #[test]
    fn a_clock_that_was_set_back_starts_nothing_at_once_and_goes_on_from_what_it_says() {
        let last = Some(at("01T12:00:00"));
        assert_eq!(due(&hourly(), last, at("01T10:20:00")), Due::At(at("01T11:00:00")));
        // A correction by seconds does not bring the same occurrence again.
        assert_eq!(due(&hourly(), last, at("01T11:59:58")), Due::At(at("01T13:00:00")));
        let next_century = Some("2099-01-01T00:00:00Z".parse().unwrap());
        assert_eq!(due(&hourly(), next_century, at("01T10:20:00")), Due::At(at("01T11:00:00")));
    }

    #[test]
    fn an_expression_of_the_past_and_a_disabled_plan_are_never_due() {
        let past = Plan::new("0 0 0 1 1 * 2020".parse().unwrap(), Zone::utc());
        for plan in [past, Plan { enabled: false, ..hourly() }] {
            for handled_until in [None, Some(at("01T00:00:00"))] {
                assert_eq!(due(&plan, handled_until, at("02T00:00:00")), Due::Never);
            }
        }
        let last_time = Plan::new("0 0 12 2 1 * 2026".parse().unwrap(), Zone::utc());
        assert_eq!(due(&last_time, Some(at("01T00:00:00")), at("02T12:00:00")), Due::Now);
        assert_eq!(due(&last_time, Some(at("02T12:00:00")), at("02T12:00:01")), Due::Never);
    }
}
