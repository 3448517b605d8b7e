//! Fields of an export: the same thing is a number in one version and a string in another.

use chrono::NaiveDateTime;
use serde_json::Value;

use crate::world::PeerId;

/// A number, written as one or as a string.
pub(super) fn number(value: &Value, key: &str) -> Option<i64> {
    match value.get(key)? {
        Value::Number(number) => number.as_i64().or_else(|| number.as_f64().map(|number| number as i64)),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// A number with a fraction.
pub(super) fn fraction(value: &Value, key: &str) -> Option<f64> {
    match value.get(key)? {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// A number that fits Telegram's `int`.
pub(super) fn small(value: &Value, key: &str) -> Option<i32> {
    number(value, key).and_then(|number| i32::try_from(number).ok())
}

/// A text that is not empty.
pub(super) fn text<'v>(value: &'v Value, key: &str) -> Option<&'v str> {
    value.get(key).and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// A date: seconds since 1970 where they are given, else the local time, taken as UTC for want of anything better.
pub(super) fn date(value: &Value, seconds: &str, local: &str) -> Option<i32> {
    small(value, seconds).or_else(|| {
        let date = NaiveDateTime::parse_from_str(text(value, local)?, "%Y-%m-%dT%H:%M:%S").ok()?;
        i32::try_from(date.and_utc().timestamp()).ok()
    })
}

/// A peer such as `user123`, `channel123` or `chat123`; a bare number is a user, as in old versions.
pub(super) fn peer(value: &Value, key: &str) -> Option<PeerId> {
    let text = match value.get(key)? {
        Value::String(text) => text.as_str(),
        Value::Number(number) => return number.as_i64().filter(|id| *id > 0).map(PeerId::user),
        _ => return None,
    };
    let id = |digits: &str| digits.parse::<i64>().ok().filter(|id| *id > 0);
    if let Some(digits) = text.strip_prefix("user") {
        id(digits).map(PeerId::user)
    } else if let Some(digits) = text.strip_prefix("channel") {
        id(digits).map(PeerId::channel)
    } else if let Some(digits) = text.strip_prefix("chat") {
        id(digits).map(PeerId::group)
    } else {
        id(text).map(PeerId::user)
    }
}
