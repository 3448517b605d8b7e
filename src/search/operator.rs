//! The filters of the query language: `in: from: has: is: after: before:`.

use chrono::{DateTime, Days, Months, NaiveDate, NaiveTime};

use super::query::{Filter, PeerRef, QueryError};
use super::schema::{HAS_LINK, HAS_MEDIA, IS, has_kind};
use crate::model::{MediaKind, PeerId, PeerLink, Timestamp};

/// Every filter's name.
const NAMES: [&str; 6] = ["in", "from", "has", "is", "after", "before"];
/// How many letters a name must have for a similar word to be taken for a slip: nearly every short word is similar to `in`.
const SLIP_LENGTH_MIN: usize = 3;

/// Takes a word apart at its first colon, if what stands before it is a filter's name. Times (`12:30`) and addresses
/// (`http://x`) are words, and so is every other word with a colon that does not look like a slip of the keyboard.
///
/// # Errors
/// When the name is one letter away from a filter's.
pub(super) fn split(at: usize, word: &str) -> Result<Option<(&'static str, &str)>, QueryError> {
    let Some((name, value)) = word.split_once(':') else { return Ok(None) };
    if let Some(known) = NAMES.iter().find(|known| known.eq_ignore_ascii_case(name)) {
        return Ok(Some((known, value)));
    }
    if value.is_empty() || value.starts_with("//") || name.len() < SLIP_LENGTH_MIN {
        return Ok(None);
    }
    let slip = |known: &&&str| known.len() >= SLIP_LENGTH_MIN && strsim::damerau_levenshtein(known, &name.to_lowercase()) == 1;
    match NAMES.iter().find(slip) {
        Some(known) => {
            let what =
                format!("there is no filter `{name}:`; did you mean `{known}:`? To search for the words, put them in quotes");
            Err(QueryError { at, what })
        }
        None => Ok(None),
    }
}

/// What a filter with a name of [`split`] and a value means.
///
/// # Errors
/// When the value is not one of those that the filter takes.
pub(super) fn filter(at: usize, name: &str, value: &str) -> Result<Filter, QueryError> {
    if value.is_empty() {
        let what = format!("`{name}:` has no value; write it without a space after the colon, such as `{}`", example(name));
        return Err(QueryError { at, what });
    }
    match name {
        "in" => who(at, name, value).map(Filter::In),
        "from" => who(at, name, value).map(Filter::From),
        "after" => day(at, name, value).map(|(start, _)| Filter::NotBefore(start)),
        "before" => day(at, name, value).map(|(_, end)| Filter::Before(end)),
        _ => tag(at, name, value).map(Filter::Tag),
    }
}

fn example(name: &str) -> &'static str {
    match name {
        "in" => "in:@username",
        "from" => "from:123456",
        "after" => "after:2024-01-31",
        "before" => "before:2024-12",
        "is" => "is:edited",
        _ => "has:photo",
    }
}

fn who(at: usize, name: &str, value: &str) -> Result<PeerRef, QueryError> {
    if let Ok(id) = value.parse::<PeerId>() {
        return Ok(PeerRef::Id(id));
    }
    match PeerLink::parse(value) {
        Some(Ok(PeerLink::Id(id))) => return Ok(PeerRef::Id(id)),
        Some(Ok(PeerLink::Username(username))) => return Ok(PeerRef::Username(username)),
        Some(Ok(PeerLink::Invite(_)) | Err(_)) | None => {}
    }
    let username = value.strip_prefix('@').unwrap_or(value);
    if username.is_empty() || !username.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        let what = format!(
            "`{value}` is neither an id nor a username; write `{name}:` and an id such as `-1001234567890` or `@username`"
        );
        return Err(QueryError { at, what });
    }
    Ok(PeerRef::Username(username.to_owned()))
}

fn tag(at: usize, name: &str, value: &str) -> Result<&'static str, QueryError> {
    let asked = format!("{name}:{}", value.to_lowercase());
    let kinds = MediaKind::ALL.into_iter().map(has_kind);
    let known: Vec<&'static str> = kinds.chain([HAS_MEDIA, HAS_LINK]).chain(IS).filter(|tag| tag.starts_with(name)).collect();
    if let Some(tag) = known.iter().find(|tag| **tag == asked) {
        return Ok(tag);
    }
    let nearest = known.iter().min_by_key(|tag| strsim::damerau_levenshtein(tag, &asked)).copied().unwrap_or_default();
    let all: Vec<&str> = known.iter().filter_map(|tag| tag.split_once(':')).map(|(_, value)| value).collect();
    let what = format!("`{name}:` has no value `{value}`; did you mean `{nearest}`? It takes {}", all.join(", "));
    Err(QueryError { at, what })
}

/// The first second of a day, month or year, and the first after it. A point in time is both.
fn day(at: usize, name: &str, value: &str) -> Result<(Timestamp, Timestamp), QueryError> {
    if let Ok(time) = DateTime::parse_from_rfc3339(value) {
        return Ok((Timestamp(time.timestamp()), Timestamp(time.timestamp())));
    }
    let (text, months) = match value.len() {
        4 => (format!("{value}-01-01"), Some(12)),
        7 => (format!("{value}-01"), Some(1)),
        _ => (value.to_owned(), None),
    };
    let first = NaiveDate::parse_from_str(&text, "%Y-%m-%d").ok();
    let after = first.and_then(|first| match months {
        Some(months) => first.checked_add_months(Months::new(months)),
        None => first.checked_add_days(Days::new(1)),
    });
    match first.zip(after) {
        Some((first, after)) => {
            let [first, after] = [first, after].map(|day| Timestamp(day.and_time(NaiveTime::MIN).and_utc().timestamp()));
            Ok((first, after))
        }
        None => {
            let what = format!("`{value}` is not a date; write `{name}:2024-01-31`, `{name}:2024-01` or `{name}:2024`");
            Err(QueryError { at, what })
        }
    }
}
