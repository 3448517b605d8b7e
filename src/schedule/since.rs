//! From when on, as people say it: a time, a date, or how long ago.

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};

/// A text names no time in the past.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no time: write `2026-11-01T12:00:00Z`, a date such as `2026-11-01` (UTC), or how long ago: `12h`, `2d`")]
pub struct InvalidSince(String);

/// Reads from when on: RFC 3339, a date in UTC, or how long ago.
///
/// # Errors
/// When it is none of these.
pub fn since(text: &str, now: DateTime<Utc>) -> Result<DateTime<Utc>, InvalidSince> {
    let invalid = || InvalidSince(text.chars().take(40).flat_map(char::escape_debug).collect());
    let text = text.trim();
    if let Ok(time) = text.parse::<DateTime<Utc>>() {
        return Ok(time);
    }
    if let Ok(date) = text.parse::<NaiveDate>() {
        return Ok(date.and_time(NaiveTime::MIN).and_utc());
    }
    let span: jiff::Span = text.parse().map_err(|_| invalid())?;
    // Months and years have no length of their own.
    let today = jiff::civil::Date::constant(1970, 1, 1);
    let seconds = span.total((jiff::Unit::Second, today)).map_err(|_| invalid())?.abs();
    let ago =
        TimeDelta::from_std(std::time::Duration::try_from_secs_f64(seconds).map_err(|_| invalid())?).map_err(|_| invalid())?;
    now.checked_sub_signed(ago).ok_or_else(invalid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_a_date_and_how_long_ago_are_understood_and_nothing_else() {
        let now: DateTime<Utc> = "2026-11-26T12:00:00Z".parse().unwrap();
        for (text, at) in [
            ("2026-11-01T12:00:00+03:00", "2026-11-01T09:00:00Z"),
            ("2026-11-01", "2026-11-01T00:00:00Z"),
            ("12h", "2026-11-26T00:00:00Z"),
            ("2d", "2026-11-24T12:00:00Z"),
            ("1 week", "2026-11-19T12:00:00Z"),
            ("2d ago", "2026-11-24T12:00:00Z"),
            ("90m 30s", "2026-11-26T10:29:30Z"),
        ] {
            assert_eq!(
                since(text, now).map(|at| at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)),
                Ok(at.to_owned()),
                "{text}"
            );
        }
        for text in ["", "yesterday-ish", "5", "9-5", "2026-13-01", "9999999999y", "∞"] {
            assert!(since(text, now).is_err(), "{text}");
        }
    }
}
