//! From a cron expression in a time zone to instants.
//!
//! The `cron` crate is asked in civil time only, because of a zone it knows neither gaps nor repetitions: it leaves a time that does
//! not exist out, and gives one that exists twice twice.

use chrono::{DateTime, Duration, NaiveDateTime, Utc};
use cron::TimeUnitSpec as _;

use super::Plan;

/// How far one search for a change of the zone's offset reaches: below the weeks that always lie between two of them, and above what
/// any of them moves the clock by.
const WINDOW: Duration = Duration::hours(26);
const SECOND: Duration = Duration::seconds(1);

impl Plan {
    /// The first occurrence after a moment, without jitter.
    pub(super) fn occurrence_after(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        if self.cron.hours().count() < 24 { self.time_of_day_after(after) } else { self.interval_after(after) }
    }

    /// Each civil time happens once: the first time where the clock is set back, right after the gap where it is set forward.
    fn time_of_day_after(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let mut civil = self.zone.civil(after);
        loop {
            civil = self.civil_after(civil)?;
            let at = self.zone.first_instant(civil)?;
            if at > after {
                return Some(at);
            }
        }
    }

    /// Every instant at which the clock shows a civil time that fits.
    fn interval_after(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let (mut from, mut offset) = (after, self.zone.offset(after));
        loop {
            let at = (self.civil_after(from.naive_utc() + offset)? - offset).and_utc();
            let window_end = from + WINDOW;
            match self.zone.change(from, offset, window_end) {
                Some(change) if at >= change => {
                    offset = self.zone.offset(change);
                    from = change - SECOND;
                }
                _ if at <= window_end => return Some(at),
                // Until shortly before it nothing fits, whatever becomes of the offset.
                _ => {
                    from = window_end.max(at - WINDOW);
                    offset = self.zone.offset(from);
                }
            }
        }
    }

    fn civil_after(&self, civil: NaiveDateTime) -> Option<NaiveDateTime> {
        self.cron.after(&civil.and_utc()).next().map(|t| t.naive_utc())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use chrono::Timelike as _;
    use proptest::prelude::*;

    use super::super::Zone;
    use super::*;

    fn plan(cron: &str, zone: &str) -> Plan {
        Plan::new(cron.parse().unwrap(), zone.parse().unwrap())
    }

    /// The occurrences in a span of time, as text in UTC.
    fn occurrences(cron: &str, zone: &str, from: &str, to: &str) -> Vec<String> {
        let (from, to): (DateTime<Utc>, DateTime<Utc>) = (from.parse().unwrap(), to.parse().unwrap());
        let plan = plan(cron, zone);
        let all = std::iter::successors(plan.occurrence_after(from), |at| plan.occurrence_after(*at));
        all.take_while(|at| *at <= to).map(|at| at.format("%m-%dT%H:%M").to_string()).collect()
    }

    #[test]
    fn a_time_of_day_that_does_not_exist_is_run_right_after_the_gap() {
        // 2026-03-29: Berlin goes from 02:00 to 03:00 at 01:00Z.
        let seen = |cron| occurrences(cron, "Europe/Berlin", "2026-03-28T12:00:00Z", "2026-03-30T12:00:00Z");
        assert_eq!(seen("0 30 2 * * *"), ["03-29T01:00", "03-30T00:30"]);
        assert_eq!(seen("0 0,15,30 2 * * *"), ["03-29T01:00", "03-30T00:00", "03-30T00:15", "03-30T00:30"], "all of them once");
        assert_eq!(seen("0 0 3 * * *"), ["03-29T01:00", "03-30T01:00"]);
    }

    #[test]
    fn a_time_of_day_that_exists_twice_is_run_once() {
        // 2026-10-25: Berlin goes from 03:00 back to 02:00 at 01:00Z.
        let seen = |cron| occurrences(cron, "Europe/Berlin", "2026-10-24T12:00:00Z", "2026-10-26T12:00:00Z");
        assert_eq!(seen("0 30 2 * * *"), ["10-25T00:30", "10-26T01:30"]);
        assert_eq!(seen("0 0 3 * * *"), ["10-25T02:00", "10-26T02:00"]);
        assert_eq!(occurrences("0 30 2 * * *", "Europe/Berlin", "2026-10-25T01:10:00Z", "2026-10-25T20:00:00Z").len(), 0);
    }

    #[test]
    fn intervals_go_on_while_the_clock_shows_the_same_hour_again() {
        let seen = |cron, zone, day| occurrences(cron, zone, &format!("{day}T00:10:00Z"), &format!("{day}T02:10:00Z"));
        let berlin = "Europe/Berlin";
        assert_eq!(seen("0 */30 * * * *", berlin, "2026-10-25"), ["10-25T00:30", "10-25T01:00", "10-25T01:30", "10-25T02:00"]);
        assert_eq!(seen("0 */30 * * * *", berlin, "2026-03-29"), ["03-29T00:30", "03-29T01:00", "03-29T01:30", "03-29T02:00"]);
        // Lord Howe moves by half an hour: 2026-04-04T15:00Z is 02:00, which becomes 01:30.
        let howe = occurrences("0 0 * * * *", "Australia/Lord_Howe", "2026-04-04T12:30:00Z", "2026-04-04T17:00:00Z");
        assert_eq!(howe, ["04-04T13:00", "04-04T14:00", "04-04T15:30", "04-04T16:30"]);
    }

    #[test]
    fn a_day_that_a_country_left_out_is_made_up_and_an_expression_of_the_past_is_over() {
        // Samoa had no 2011-12-30.
        let samoa = occurrences("0 0 12 * * *", "Pacific/Apia", "2011-12-29T00:00:00Z", "2012-01-01T00:00:00Z");
        assert_eq!(samoa, ["12-29T22:00", "12-30T10:00", "12-30T22:00", "12-31T22:00"]);
        let never = plan("0 0 0 1 1 * 2020", "Europe/Berlin");
        assert_eq!(never.occurrence_after("2026-01-01T00:00:00Z".parse().unwrap()), None);
        let leap = plan("0 0 * 29 2 *", "Europe/Berlin");
        let next = leap.occurrence_after("2026-01-01T00:00:00Z".parse().unwrap());
        assert_eq!(next.unwrap().to_rfc3339(), "2028-02-28T23:00:00+00:00");
    }

    /// What the clock on the wall shows in each minute of a year, and what an expression makes of it.
    fn year(zone: &str) -> impl Iterator<Item = (DateTime<Utc>, NaiveDateTime)> {
        let zone: Zone = zone.parse().unwrap();
        let first: DateTime<Utc> = "2026-01-01T00:00:00Z".parse().unwrap();
        (0..366 * 24 * 60).map(move |minute| {
            let at = first + Duration::minutes(minute);
            (at, zone.civil(at))
        })
    }

    const ZONES: [&str; 9] = [
        "UTC",
        "Europe/Berlin",
        "Europe/Dublin",
        "America/New_York",
        "Australia/Lord_Howe",
        "Asia/Kathmandu",
        "Africa/Casablanca",
        "Antarctica/Troll",
        "America/St_Johns",
    ];

    proptest! {
        #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

        /// The oracle looks at every minute of a year and knows nothing of offsets: a time of day happens when the clock first shows
        /// it or, where the clock jumps over it, in the minute after the jump.
        #[test]
        fn every_time_of_day_of_a_year_leads_to_exactly_one_run(
            zone in prop::sample::select(ZONES.to_vec()), minute in 0_u32..60, hours in prop::collection::btree_set(0_u32..24, 1..6),
        ) {
            let list = hours.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
            let plan = plan(&format!("0 {minute} {list} * * *"), zone);
            let mut expected: BTreeMap<NaiveDateTime, DateTime<Utc>> = BTreeMap::new();
            let mut shown: Option<NaiveDateTime> = None;
            for (at, civil) in year(zone) {
                let mut passed = shown.map_or(civil, |shown| shown + Duration::minutes(1));
                while passed <= civil {
                    if passed.minute() == minute && hours.contains(&passed.hour()) {
                        expected.entry(passed).or_insert(at);
                    }
                    passed += Duration::minutes(1);
                }
                shown = Some(shown.map_or(civil, |shown| shown.max(civil)));
            }
            let mut expected: Vec<DateTime<Utc>> = expected.into_values().collect();
            expected.dedup();
            let (before, end) = (year(zone).next().unwrap().0 - Duration::minutes(1), year(zone).last().unwrap().0);
            let found = std::iter::successors(plan.occurrence_after(before), |at| plan.occurrence_after(*at));
            let found: Vec<DateTime<Utc>> = found.take_while(|at| *at <= end).collect();
            prop_assert_eq!(found, expected);
        }

        /// By the interval: exactly the minutes in which the clock shows what fits, however often it does.
        #[test]
        fn every_minute_of_a_year_whose_clock_fits_an_interval_is_run(
            zone in prop::sample::select(ZONES.to_vec()), every in prop::sample::select(vec![1_u32, 5, 7, 15, 20, 30, 59]),
        ) {
            let plan = plan(&format!("0 */{every} * * * *"), zone);
            let fits = |civil: NaiveDateTime| civil.minute().is_multiple_of(every);
            let expected: Vec<DateTime<Utc>> = year(zone).filter(|(_, civil)| fits(*civil)).map(|(at, _)| at).collect();
            let mut at = expected[0] - Duration::minutes(1);
            for expected in expected {
                at = plan.occurrence_after(at).unwrap();
                prop_assert_eq!(at, expected);
            }
        }
    }
}
