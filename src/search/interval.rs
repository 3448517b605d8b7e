//! The intervals of a date histogram: where each bucket begins, by the clock of a time zone.
//!
//! The buckets of an interval follow each other without a gap, whatever the clock does: a day on which it is changed has 23 or 25 hours, and is a day.
//! Buckets longer than an hour begin when the clock first shows their beginning or, where it jumps over that, at the jump. Those of an hour and less
//! are cut at a change of the clock, so that an hour that comes twice is two buckets.

use std::str::FromStr;

use chrono::{DateTime, Datelike as _, NaiveDate, NaiveDateTime, NaiveTime, Utc};

use crate::schedule::Zone;

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;
/// Monday, 5 January 1970, by the clock.
const FIRST_MONDAY: i64 = 4 * DAY;
/// The longest interval of a number: what is longer is named better in quarters or years.
const LONGEST: i64 = 3_660 * DAY;
/// The years that calendars are sure of; what is dated outside counts for the nearest of them.
const DATES: std::ops::RangeInclusive<i64> = -62_000_000_000..=253_000_000_000;
/// The intervals that have a name, shortest first, with about how long they are.
const NAMED: [(&str, Length, i64); 6] = [
    ("hour", Length::Seconds { each: HOUR, first: 0 }, HOUR),
    ("day", Length::Seconds { each: DAY, first: 0 }, DAY),
    ("week", Length::Seconds { each: 7 * DAY, first: FIRST_MONDAY }, 7 * DAY),
    ("month", Length::Months(1), 30 * DAY),
    ("quarter", Length::Months(3), 91 * DAY),
    ("year", Length::Months(12), 365 * DAY),
];

/// How long the buckets of a date histogram are: `hour`, `day`, `week` (from Monday), `month`, `quarter`, `year`, or a number of seconds, minutes, hours or
/// days (`90s`, `15m`, `6h`, `10d`), which are counted from the beginning of 1970 by the clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interval {
    text: String,
    length: Length,
}

/// A text is no interval.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not an interval; write hour, day, week, month, quarter, year, or a number with s, m, h or d such as 15m, 6h or 10d, 3,660 days at most"
)]
pub struct InvalidInterval(pub String);

/// By what the clock shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Length {
    /// So many seconds each, the first of them so many after the beginning of 1970.
    Seconds { each: i64, first: i64 },
    /// So many months each, which divide a year.
    Months(i64),
}

impl FromStr for Interval {
    type Err = InvalidInterval;

    fn from_str(text: &str) -> Result<Self, InvalidInterval> {
        let named = NAMED.iter().find(|(name, ..)| *name == text).map(|(_, length, _)| *length);
        let length = named.or_else(|| Length::of_number(text)).ok_or_else(|| InvalidInterval(text.chars().take(40).collect()))?;
        Ok(Self { text: text.to_owned(), length })
    }
}

impl Length {
    fn of_number(text: &str) -> Option<Self> {
        let unit = match text.chars().next_back()? {
            's' => 1,
            'm' => 60,
            'h' => HOUR,
            'd' => DAY,
            _ => return None,
        };
        let digits = text.get(..text.len() - 1).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
        let each = digits.parse::<i64>().ok()?.checked_mul(unit)?;
        (1..=LONGEST).contains(&each).then_some(Self::Seconds { each, first: 0 })
    }

    /// The beginning of what a time of the clock is in, by the clock.
    fn floor(self, clock: i64) -> i64 {
        match self {
            Self::Seconds { each, first } => (clock - first).div_euclid(each) * each + first,
            Self::Months(months) => {
                let date = civil(clock).date();
                let month = i64::from(date.year()) * 12 + i64::from(date.month0());
                first_of(month.div_euclid(months) * months)
            }
        }
    }

    /// The beginning of the next one.
    fn after(self, start: i64) -> i64 {
        match self {
            Self::Seconds { each, .. } => start + each,
            Self::Months(months) => {
                let date = civil(start).date();
                first_of(i64::from(date.year()) * 12 + i64::from(date.month0()) + months)
            }
        }
    }
}

impl Interval {
    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The bucket of a moment, in seconds of universal time: its first second, and the first of the next one.
    pub(super) fn bucket(&self, zone: &Zone, at: i64) -> (i64, i64) {
        let at = at.clamp(*DATES.start(), *DATES.end());
        match self.length {
            Length::Seconds { each, .. } if each <= HOUR => self.short_bucket(zone, at),
            length => {
                let mut clock = length.floor(at + offset(zone, at));
                let mut start = first_instant(zone, clock);
                // Where the clock was set back over its beginning, the next one has begun already.
                loop {
                    clock = length.after(clock);
                    let next = first_instant(zone, clock);
                    if next > at {
                        return (start.min(at), next);
                    }
                    start = next;
                }
            }
        }
    }

    fn short_bucket(&self, zone: &Zone, at: i64) -> (i64, i64) {
        let offset_there = offset(zone, at);
        let start = self.length.floor(at + offset_there) - offset_there;
        let next = self.length.after(start);
        let changed = |from: i64, to: i64| {
            let from_there = chrono::Duration::seconds(offset(zone, from));
            zone.change(moment(from), from_there, moment(to)).map(|at| at.timestamp())
        };
        (changed(start, at).unwrap_or(start), changed(at, next - 1).unwrap_or(next))
    }

    /// The shortest named interval of which a time span has no more than so many, if there is one.
    pub(super) fn fitting(seconds: i64, buckets_max: usize) -> Option<&'static str> {
        let fits = |about: i64| i64::try_from(buckets_max).is_ok_and(|max| seconds / about + 2 <= max);
        NAMED.iter().find(|(.., about)| fits(*about)).map(|(name, ..)| *name)
    }
}

/// How far a zone's clock is ahead of universal time.
fn offset(zone: &Zone, at: i64) -> i64 {
    zone.offset(moment(at)).num_seconds()
}

fn first_instant(zone: &Zone, clock: i64) -> i64 {
    zone.first_instant(civil(clock)).map_or(clock, |at| at.timestamp())
}

fn moment(at: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(at, 0).unwrap_or_default()
}

/// What a clock shows so many seconds after the beginning of 1970, if it is never set.
fn civil(clock: i64) -> NaiveDateTime {
    moment(clock).naive_utc()
}

/// The beginning of a month, counted from the year 0.
fn first_of(month: i64) -> i64 {
    let (year, month) = (month.div_euclid(12), month.rem_euclid(12) + 1);
    let date = i32::try_from(year).ok().zip(u32::try_from(month).ok()).and_then(|(y, m)| NaiveDate::from_ymd_opt(y, m, 1));
    date.unwrap_or_default().and_time(NaiveTime::MIN).and_utc().timestamp()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn zone(name: &str) -> Zone {
        name.parse().unwrap()
    }

    fn interval(text: &str) -> Interval {
        text.parse().unwrap()
    }

    fn at(text: &str) -> i64 {
        DateTime::parse_from_rfc3339(text).unwrap().timestamp()
    }

    /// The bucket of a moment in words of the clock, and how many hours it has.
    fn shown(of: &str, name: &str, moment_in_it: &str) -> (String, f64) {
        let zone = zone(name);
        let (from, to) = interval(of).bucket(&zone, at(moment_in_it));
        (zone.local(moment(from)).to_rfc3339(), (to - from) as f64 / 3_600.0)
    }

    #[test]
    fn days_and_hours_are_right_where_the_clock_is_changed() {
        for (of, zone, moment, from, hours) in [
            ("day", "Europe/Berlin", "2024-03-31T12:00:00Z", "2024-03-31T00:00:00+01:00", 23.0),
            ("day", "Europe/Berlin", "2024-10-27T12:00:00Z", "2024-10-27T00:00:00+02:00", 25.0),
            // The hour that comes twice.
            ("hour", "Europe/Berlin", "2024-10-27T00:30:00Z", "2024-10-27T02:00:00+02:00", 1.0),
            ("hour", "Europe/Berlin", "2024-10-27T01:30:00Z", "2024-10-27T02:00:00+01:00", 1.0),
            // A quarter of a day in which the clock is set back, and one in which it is set forward.
            ("6h", "Europe/Berlin", "2024-10-27T03:30:00Z", "2024-10-27T00:00:00+02:00", 7.0),
            ("6h", "Europe/Berlin", "2024-03-31T03:30:00Z", "2024-03-31T00:00:00+01:00", 5.0),
            ("month", "Europe/Berlin", "2024-03-31T23:30:00Z", "2024-04-01T00:00:00+02:00", 720.0),
            ("month", "Europe/Berlin", "2024-03-01T00:30:00Z", "2024-03-01T00:00:00+01:00", 743.0),
            ("quarter", "UTC", "2024-06-30T23:59:59Z", "2024-04-01T00:00:00+00:00", 2_184.0),
            ("year", "America/New_York", "2024-01-01T04:59:59Z", "2023-01-01T00:00:00-05:00", 8_760.0),
            // Weeks begin on Monday.
            ("week", "UTC", "2024-02-04T23:59:59Z", "2024-01-29T00:00:00+00:00", 168.0),
            // Midnight does not exist, or comes twice, or the day is left out.
            ("day", "America/Sao_Paulo", "2018-11-04T12:00:00Z", "2018-11-04T01:00:00-02:00", 23.0),
            ("day", "America/Havana", "2024-11-03T05:30:00Z", "2024-11-03T00:00:00-04:00", 25.0),
            ("day", "Pacific/Apia", "2011-12-30T09:59:59Z", "2011-12-29T00:00:00-10:00", 24.0),
            ("day", "Pacific/Apia", "2011-12-30T10:00:00Z", "2011-12-31T00:00:00+14:00", 24.0),
            // Half an hour of difference, of the zone or of summer.
            ("hour", "Asia/Kolkata", "2024-01-01T00:00:00Z", "2024-01-01T05:00:00+05:30", 1.0),
            ("hour", "Australia/Lord_Howe", "2024-10-05T15:30:00Z", "2024-10-06T02:30:00+11:00", 0.5),
            ("15m", "Asia/Kathmandu", "2024-01-01T00:01:00Z", "2024-01-01T05:45:00+05:45", 0.25),
            ("7d", "UTC", "1970-01-08T00:00:00Z", "1970-01-08T00:00:00+00:00", 168.0),
        ] {
            assert_eq!(shown(of, zone, moment), (from.to_owned(), hours), "{of} {zone} {moment}");
        }
    }

    #[test]
    fn what_is_no_interval_says_what_is_one() {
        for text in ["", "days", "h", "0h", "-1h", "1.5h", "1w", "3661d", "99999999999999999999s", "１h", "h1"] {
            let error = text.parse::<Interval>().unwrap_err().to_string();
            assert!(error.contains("is not an interval; write hour, day"), "{error}");
        }
        for text in ["1s", "90s", "36h", "3660d", "day"] {
            assert_eq!(interval(text).as_str(), text);
        }
    }

    #[test]
    fn a_larger_interval_is_named_where_one_fits() {
        assert_eq!(Interval::fitting(3 * 365 * DAY, 2_000), Some("day"));
        assert_eq!(Interval::fitting(30 * 365 * DAY, 2_000), Some("week"));
        assert_eq!(Interval::fitting(5_000 * 365 * DAY, 2_000), None);
    }

    const ZONES: [&str; 10] = [
        "UTC",
        "Europe/Berlin",
        "America/New_York",
        "America/Havana",
        "Africa/Casablanca",
        "Asia/Kolkata",
        "Australia/Lord_Howe",
        "Pacific/Apia",
        "America/Sao_Paulo",
        "Antarctica/Troll",
    ];
    const INTERVALS: [&str; 14] =
        ["hour", "day", "week", "month", "quarter", "year", "1s", "90s", "7m", "30m", "2h", "5h", "6h", "10d"];

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]
        #[test]
        fn buckets_follow_each_other_without_gap_or_overlap(
            name in prop::sample::select(&ZONES[..]), of in prop::sample::select(&INTERVALS[..]), at in -2_000_000_000_i64..4_000_000_000, part in 0.0..1.0,
        ) {
            let (zone, interval) = (zone(name), interval(of));
            let (from, to) = interval.bucket(&zone, at);
            prop_assert!(from <= at && at < to, "{from} {at} {to}");
            let within = from + ((to - from) as f64 * part) as i64;
            for moment in [from, within.min(to - 1), to - 1] {
                prop_assert_eq!(interval.bucket(&zone, moment), (from, to));
            }
            prop_assert_eq!(interval.bucket(&zone, to).0, to);
            prop_assert_eq!(interval.bucket(&zone, from - 1).1, from);
        }

        #[test]
        fn any_date_has_a_bucket(of in prop::sample::select(&INTERVALS[..]), at: i64) {
            let (from, to) = interval(of).bucket(&zone("Europe/Berlin"), at);
            prop_assert!(from < to);
        }
    }
}
