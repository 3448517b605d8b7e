//! Spans: durations as people write them: `250ms`, `10s`, `1h30m`, `2d`.
//!
//! A bare number is refused, because nobody can tell its unit from the file.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The units, largest first, in milliseconds.
const UNITS: [(&str, u64); 6] =
    [("w", 7 * 24 * 3_600_000), ("d", 24 * 3_600_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// A duration in the configuration, in whole milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(Duration);

/// A text was no length of time.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a duration; write a number with a unit, such as `250ms`, `10s`, `5m`, `1h30m` or `2d`")]
pub struct InvalidSpan(String);

impl Span {
    /// A length of time; what is below a millisecond is cut off.
    #[must_use]
    pub const fn new(duration: Duration) -> Self {
        // A configuration has no use for 584 million years.
        Self(Duration::from_millis(duration.as_millis() as u64))
    }

    /// A number of seconds.
    #[must_use]
    pub const fn seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// The length as the standard library has it.
    #[must_use]
    pub const fn duration(self) -> Duration {
        self.0
    }
}

impl From<Span> for Duration {
    fn from(span: Span) -> Self {
        span.0
    }
}

impl FromStr for Span {
    type Err = InvalidSpan;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse(text).map(|millis| Self(Duration::from_millis(millis))).ok_or_else(|| InvalidSpan(text.to_owned()))
    }
}

/// Reads numbers with units, each unit smaller than the one before.
fn parse(text: &str) -> Option<u64> {
    let mut rest = text.trim();
    let mut total = 0_u64;
    let mut smaller = UNITS.as_slice();
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, after) = rest.split_at(digits);
        let letters = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, after) = after.split_at(letters);
        let at = smaller.iter().position(|(name, _)| *name == unit)?;
        let (_, millis) = smaller.get(at)?;
        total = total.checked_add(number.parse::<u64>().ok()?.checked_mul(*millis)?)?;
        smaller = smaller.get(at + 1..)?;
        rest = after.trim_start();
    }
    (!text.trim().is_empty()).then_some(total)
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        if rest == 0 {
            return f.write_str("0s");
        }
        for (unit, millis) in UNITS {
            if rest >= millis {
                write!(f, "{}{unit}", rest / millis)?;
                rest %= millis;
            }
        }
        Ok(())
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Span {
    fn schema_name() -> Cow<'static, str> {
        "Span".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "A duration: numbers with the units `w`, `d`, `h`, `m`, `s`, `ms`, such as `1h30m`.",
            "pattern": "^([0-9]+(w|d|h|m|s|ms) ?)+$",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_reads_back_as_it_is_shown() {
        for (text, millis) in
            [("250ms", 250), ("10s", 10_000), ("1h30m", 5_400_000), ("2d", 172_800_000), ("0s", 0), ("1w1ms", 604_800_001)]
        {
            let span: Span = text.parse().expect("a span");
            assert_eq!(span.duration(), Duration::from_millis(millis));
            assert_eq!(span.to_string(), text);
        }
        assert_eq!("90s".parse::<Span>().expect("a span").to_string(), "1m30s");
        assert_eq!("1h 30m".parse::<Span>().expect("a span").to_string(), "1h30m");
    }

    #[test]
    fn what_has_no_unit_or_an_unknown_one_is_refused() {
        for text in [
            "",
            " ",
            "10",
            "s",
            "10 ",
            "-1s",
            "1.5s",
            "10x",
            "1m1h",
            "1s1s",
            "10sec",
            "99999999999999999999s",
            "9999999999999999w",
        ] {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
    }
}
