//! The filters of the query language: `in: from: has: is: after: before:` and the others.

use std::ops::RangeInclusive;

use chrono::{DateTime, Days, Months, NaiveDate, NaiveTime, Utc};

use super::facts::{hashtag, host};
use super::language::LANGUAGES;
use super::order::SortOrder;
use super::query::{Filter, PeerRef, QueryError};
use super::schema::{HAS_LINK, HAS_MEDIA, IS, has_kind};
use crate::model::{Glob, MediaKind, PeerId, PeerLink, Timestamp};

/// Every filter's name.
const NAMES: [&str; 16] = [
    "in", "from", "has", "is", "after", "before", "around", "lang", "topic", "reply", "via", "source", "host", "hashtag",
    "views", EARLIER,
];
/// The order, which is no filter but is written like one.
pub(super) const SORT: &str = "sort";
/// What earlier versions have, which is no filter but words.
pub(super) const EARLIER: &str = "earlier";
/// Those for which a similar word is taken for a slip: to the others, words are similar that stand before colons (`port:`, `post:`).
const WITH_SLIPS: [&str; 11] =
    ["from", "has", "after", "before", "around", "topic", "reply", "source", "hashtag", "views", EARLIER];
/// How many peers a filter may name.
const PEERS_MAX: usize = 32;
/// The longest time on each side of `around:`, in seconds: a hundred years.
const AROUND_MAX: i64 = 100 * 366 * DAY;
const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;

/// Takes a word apart at its first colon, if what stands before it is a filter's name. Times (`12:30`) and addresses
/// (`http://x`) are words, and so is every other word with a colon that does not look like a slip of the keyboard.
///
/// # Errors
/// When the name is one letter away from a filter's.
pub(super) fn split(at: usize, word: &str) -> Result<Option<(&'static str, &str)>, QueryError> {
    let Some((name, value)) = word.split_once(':') else { return Ok(None) };
    if let Some(known) = NAMES.iter().chain([&SORT]).find(|known| known.eq_ignore_ascii_case(name)) {
        return Ok(Some((known, value)));
    }
    if value.is_empty() || value.starts_with("//") || name.is_empty() {
        return Ok(None);
    }
    let slip = |known: &&&str| name.len() >= 3 && strsim::damerau_levenshtein(known, &name.to_lowercase()) == 1;
    match WITH_SLIPS.iter().find(slip) {
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
        "in" => peers(at, name, value).map(Filter::In),
        "from" => peers(at, name, value).map(Filter::From),
        "via" => peers(at, name, value).map(Filter::Via),
        "source" => peers(at, name, value).map(Filter::Source),
        "lang" => language(at, value).map(Filter::Language),
        "topic" => message(at, name, value).map(Filter::Topic),
        "reply" => message(at, name, value).map(Filter::Reply),
        "views" => views(at, value).map(Filter::Views),
        "host" => match host(value).filter(|_| !value.contains('*')) {
            Some(host) => Ok(Filter::Host(host)),
            None => Err(QueryError {
                at,
                what: format!("`{value}` is no host; write `host:example.com`, which finds those below it as well"),
            }),
        },
        "hashtag" => match hashtag(value).filter(|_| !value.contains('*')) {
            Some(tag) => Ok(Filter::Hashtag(tag)),
            None => Err(QueryError { at, what: format!("`{value}` is no hashtag; write `hashtag:news`") }),
        },
        "around" => around(at, value).map(|(first, end)| Filter::Between(first, end)),
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
        "around" => "around:2024-01-31",
        "is" => "is:edited",
        "lang" => "lang:uk",
        "topic" => "topic:1234",
        "reply" => "reply:1234",
        "via" => "via:@gif",
        "source" => "source:@channel",
        "host" => "host:example.com",
        "hashtag" => "hashtag:news",
        "views" => "views:>1000",
        _ => "has:photo",
    }
}

/// The peers that a list with commas names; a title with commas is named alone.
fn peers(at: usize, name: &str, value: &str) -> Result<Vec<PeerRef>, QueryError> {
    if let Some(title) = value.strip_prefix("title:") {
        return Ok(vec![PeerRef::Title(Glob::new(title))]);
    }
    if value.contains(char::is_whitespace) {
        // No id, no username and no link has a space.
        if value.contains(['*', '?']) {
            return Ok(vec![PeerRef::Title(Glob::new(value))]);
        }
        let what = format!("`{value}` is neither an id nor a username; for a title, write `{name}:\"title:{value}\"`");
        return Err(QueryError { at, what });
    }
    let all: Vec<PeerRef> =
        value.split(',').filter(|one| !one.is_empty()).map(|one| who(at, name, one)).collect::<Result<_, _>>()?;
    if all.is_empty() || all.len() > PEERS_MAX {
        let what = format!(
            "`{name}:` takes 1 to {PEERS_MAX} peers, with commas between them and no spaces, or a pattern such as `{name}:title:*news*`"
        );
        return Err(QueryError { at, what });
    }
    Ok(all)
}

fn who(at: usize, name: &str, value: &str) -> Result<PeerRef, QueryError> {
    if value.contains(['*', '?']) && !value.contains('/') {
        return Ok(PeerRef::Title(Glob::new(value)));
    }
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

fn language(at: usize, value: &str) -> Result<&'static str, QueryError> {
    let asked = value.to_lowercase();
    // A region or script may follow: zh-TW.
    let code = asked.split(['-', '_']).next().unwrap_or_default();
    let known = LANGUAGES.iter().find(|(known, name)| *known == code || name.eq_ignore_ascii_case(&asked));
    known.map(|(code, _)| *code).ok_or_else(|| {
        let codes: Vec<&str> = LANGUAGES.iter().map(|(code, _)| *code).collect();
        QueryError { at, what: format!("`lang:` does not know `{value}`; it takes {}", codes.join(", ")) }
    })
}

/// The id of a message.
fn message(at: usize, name: &str, value: &str) -> Result<i32, QueryError> {
    value.parse().ok().filter(|id| *id > 0).ok_or_else(|| {
        let what = format!("`{value}` is no message id; write `{name}:` and the number behind the last `/` of its link");
        QueryError { at, what }
    })
}

/// `>1000`, `>=1000`, `<10k`, `<=10k`, `1000..5000`; a number alone is the least.
fn views(at: usize, value: &str) -> Result<RangeInclusive<i64>, QueryError> {
    let number = |text: &str| {
        let text = text.to_lowercase();
        let (digits, times) = match text.strip_suffix(['k', 'm']) {
            Some(digits) if text.ends_with('k') => (digits, 1_000),
            Some(digits) => (digits, 1_000_000),
            None => (text.as_str(), 1),
        };
        digits.parse::<i64>().ok().filter(|n| *n >= 0).and_then(|n| n.checked_mul(times))
    };
    let range = if let Some((least, most)) = value.split_once("..") {
        number(least).zip(number(most)).filter(|(least, most)| least <= most).map(|(least, most)| least..=most)
    } else if let Some(least) = value.strip_prefix(">=") {
        number(least).map(|least| least..=i64::MAX)
    } else if let Some(below) = value.strip_prefix('>') {
        number(below).map(|below| below.saturating_add(1)..=i64::MAX)
    } else if let Some(most) = value.strip_prefix("<=") {
        number(most).map(|most| 0..=most)
    } else if let Some(above) = value.strip_prefix('<') {
        number(above).filter(|above| *above > 0).map(|above| 0..=above - 1)
    } else {
        number(value).map(|least| least..=i64::MAX)
    };
    range.ok_or_else(|| {
        let what = format!("`{value}` is no number of views; write `views:>1000`, `views:<=10k` or `views:1000..5000`");
        QueryError { at, what }
    })
}

/// The time around a date: `2024-02-29~12h` is half a day on each side of that day. What is not said is three days around a day, a month
/// around a month, a year around a year, and an hour around a time.
fn around(at: usize, value: &str) -> Result<(Timestamp, Timestamp), QueryError> {
    let (date, span) = value.split_once('~').map_or((value, None), |(date, span)| (date, Some(span)));
    let (first, end) = day(at, "around", date)?;
    let span = match span {
        Some(text) => seconds(text).ok_or_else(|| {
            let what = format!("`{text}` is no length of time; write `around:2024-01-31~12h`, or `d` for days and `w` for weeks");
            QueryError { at, what }
        })?,
        None => match end.0 - first.0 {
            1 => HOUR,
            DAY => 3 * DAY,
            longer => {
                let months = Months::new(if longer > 31 * DAY { 12 } else { 1 });
                let moved = |time: Timestamp, by: fn(DateTime<Utc>, Months) -> Option<DateTime<Utc>>| {
                    DateTime::from_timestamp(time.0, 0).and_then(|time| by(time, months)).map(|time| Timestamp(time.timestamp()))
                };
                let before = moved(first, DateTime::checked_sub_months).unwrap_or(Timestamp(i64::MIN));
                return Ok((before, moved(end, DateTime::checked_add_months).unwrap_or(Timestamp(i64::MAX))));
            }
        },
    };
    Ok((Timestamp(first.0.saturating_sub(span)), Timestamp(end.0.saturating_add(span).max(first.0.saturating_add(1)))))
}

fn seconds(text: &str) -> Option<i64> {
    let unit = text.chars().last()?;
    let times = match unit {
        'h' => HOUR,
        'd' => DAY,
        'w' => 7 * DAY,
        _ => return None,
    };
    let number: i64 = text.strip_suffix(unit)?.parse().ok()?;
    number.checked_mul(times).filter(|seconds| (0..=AROUND_MAX).contains(seconds))
}

/// The order that `sort:` asks for.
pub(super) fn sort(at: usize, value: &str) -> Result<SortOrder, QueryError> {
    let known = SortOrder::ALL.into_iter().find(|order| order.name().eq_ignore_ascii_case(value));
    known.ok_or_else(|| {
        let names = SortOrder::ALL.map(SortOrder::name).join(", ");
        QueryError { at, what: format!("`sort:` has no value `{value}`; it takes {names}") }
    })
}

/// The first second of a day, month, year or point in time, and the first after it.
fn day(at: usize, name: &str, value: &str) -> Result<(Timestamp, Timestamp), QueryError> {
    if let Ok(time) = DateTime::parse_from_rfc3339(value) {
        let first = time.timestamp();
        return Ok((Timestamp(first), Timestamp(first.saturating_add(1))));
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
            let what = format!(
                "`{value}` is not a date; write `{name}:2024-01-31`, `{name}:2024-01`, `{name}:2024` or a time with its zone, such as `{name}:2024-01-31T12:00:00Z`"
            );
            Err(QueryError { at, what })
        }
    }
}
