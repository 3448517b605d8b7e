//! Conditional requests and ranges of bytes of what never changes (RFC 9110, sections 13 and 14): pure functions of the request's headers.

use axum::http::{HeaderMap, HeaderName, Method, header};

/// What a request asks for of something with this entity tag and size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// All of it.
    Whole,
    /// From this byte to that one, both included.
    Part(u64, u64),
    /// A range that it does not have: 416.
    NoSuchPart,
    /// The client has it: 304.
    Known,
    /// Only something else: 412.
    SomethingElse,
}

/// Reads the headers in the order of RFC 9110 section 13.2.2. What has no date is asked for by its entity tag only.
pub(super) fn asked(method: &Method, headers: &HeaderMap, etag: &str, size: u64) -> Asked {
    let names =
        |name: HeaderName, is_weak_enough: bool| headers.contains_key(&name).then(|| lists(headers, name, etag, is_weak_enough));
    if names(header::IF_MATCH, false) == Some(false) {
        return Asked::SomethingElse;
    }
    if names(header::IF_NONE_MATCH, true) == Some(true) {
        return Asked::Known;
    }
    // A range is for GET only; one of another version is a range of nothing, and there is one version.
    let is_current = headers.get(header::IF_RANGE).is_none_or(|tag| tag.to_str().is_ok_and(|tag| tag.trim() == etag));
    if method != Method::GET || !is_current {
        return Asked::Whole;
    }
    let range = headers.get(header::RANGE).and_then(|range| range.to_str().ok());
    match range.and_then(|range| part_of(range, size)) {
        None => Asked::Whole,
        Some(Ok((first, last))) => Asked::Part(first, last),
        Some(Err(())) => Asked::NoSuchPart,
    }
}

/// Whether a list of entity tags has this one. Our tags have no comma.
fn lists(headers: &HeaderMap, name: HeaderName, etag: &str, is_weak_enough: bool) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim).any(|tag| match tag.strip_prefix("W/") {
        Some(weak) => is_weak_enough && weak == etag,
        None => tag == etag || tag == "*",
    })
}

/// The first and the last byte of a range; `None` where it is not understood, which means all of it; an error where it has no byte.
fn part_of(range: &str, size: u64) -> Option<Result<(u64, u64), ()>> {
    let (unit, range) = range.trim().split_once('=')?;
    if !unit.eq_ignore_ascii_case("bytes") {
        return None;
    }
    // Several ranges may be answered with all of it.
    let (first, last) = range.split_once('-').filter(|_| !range.contains(','))?;
    let (first, last) = (first.trim(), last.trim());
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit());
    let part = match (first, last) {
        ("", last) if is_number(last) => {
            let length: u64 = last.parse().unwrap_or(u64::MAX);
            (length > 0 && size > 0).then(|| (size.saturating_sub(length), size - 1))
        }
        (first, "") if is_number(first) => {
            let first: u64 = first.parse().unwrap_or(u64::MAX);
            (first < size).then(|| (first, size - 1))
        }
        (first, last) if is_number(first) && is_number(last) => {
            let (first, last): (u64, u64) = (first.parse().unwrap_or(u64::MAX), last.parse().unwrap_or(u64::MAX));
            if last < first {
                return None;
            }
            (first < size).then(|| (first, last.min(size - 1)))
        }
        _ => return None,
    };
    Some(part.ok_or(()))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_range_is_read_as_rfc_9110_says() {
        for (range, found) in [
            ("bytes=0-0", Some(Ok((0, 0)))),
            ("bytes=0-", Some(Ok((0, 99)))),
            ("bytes=10-19", Some(Ok((10, 19)))),
            ("bytes=90-200", Some(Ok((90, 99)))),
            ("bytes=-10", Some(Ok((90, 99)))),
            ("bytes=-200", Some(Ok((0, 99)))),
            ("Bytes=5-6", Some(Ok((5, 6)))),
            ("bytes=99-99", Some(Ok((99, 99)))),
            ("bytes=100-", Some(Err(()))),
            ("bytes=100-200", Some(Err(()))),
            ("bytes=-0", Some(Err(()))),
            ("bytes=99999999999999999999999-", Some(Err(()))),
            ("bytes=0-99999999999999999999999", Some(Ok((0, 99)))),
            ("bytes=5-4", None),
            ("bytes=0-1,5-6", None),
            ("bytes=0-1,", None),
            ("bytes=", None),
            ("bytes=-", None),
            ("bytes=a-b", None),
            ("bytes=+1-5", None),
            ("bytes=1--5", None),
            ("lines=0-1", None),
            ("0-1", None),
        ] {
            assert_eq!(part_of(range, 100), found, "{range}");
        }
        for range in ["bytes=0-", "bytes=0-0", "bytes=-1"] {
            assert_eq!(part_of(range, 0), Some(Err(())), "{range}");
        }
    }

    #[test]
    fn conditions_come_before_ranges_and_ranges_are_for_get() {
        let etag = "\"abc\"";
        for (method, headers, found) in [
            (Method::GET, &[][..], Asked::Whole),
            (Method::GET, &[("range", "bytes=1-2")], Asked::Part(1, 2)),
            (Method::HEAD, &[("range", "bytes=1-2")], Asked::Whole),
            (Method::GET, &[("range", "bytes=10-")], Asked::NoSuchPart),
            (Method::HEAD, &[("range", "bytes=10-")], Asked::Whole),
            (Method::GET, &[("if-none-match", "\"abc\"")], Asked::Known),
            (Method::HEAD, &[("if-none-match", "W/\"abc\"")], Asked::Known),
            (Method::GET, &[("if-none-match", "\"x\", \"abc\"")], Asked::Known),
            (Method::GET, &[("if-none-match", "\"x\""), ("if-none-match", "*")], Asked::Known),
            (Method::GET, &[("if-none-match", "\"x\"")], Asked::Whole),
            (Method::GET, &[("if-none-match", "abc")], Asked::Whole),
            (Method::GET, &[("if-none-match", "\"abc\""), ("range", "bytes=10-")], Asked::Known),
            (Method::GET, &[("if-match", "\"abc\"")], Asked::Whole),
            (Method::GET, &[("if-match", "*"), ("range", "bytes=0-0")], Asked::Part(0, 0)),
            (Method::GET, &[("if-match", "W/\"abc\"")], Asked::SomethingElse),
            (Method::GET, &[("if-match", "\"x\""), ("if-none-match", "\"abc\"")], Asked::SomethingElse),
            (Method::GET, &[("if-range", "\"abc\""), ("range", "bytes=1-2")], Asked::Part(1, 2)),
            (Method::GET, &[("if-range", "\"x\""), ("range", "bytes=1-2")], Asked::Whole),
            (Method::GET, &[("if-range", "W/\"abc\""), ("range", "bytes=1-2")], Asked::Whole),
            (Method::GET, &[("if-range", "Wed, 21 Oct 2015 07:28:00 GMT"), ("range", "bytes=99-")], Asked::Whole),
            (Method::GET, &[("if-modified-since", "Wed, 21 Oct 2055 07:28:00 GMT")], Asked::Whole),
        ] {
            let mut map = HeaderMap::new();
            for (name, value) in headers {
                map.append(*name, HeaderValue::from_static(value));
            }
            assert_eq!(asked(&method, &map, etag, 10), found, "{method} {headers:?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_asked_for_lies_within_the_file(range in "(bytes=)?[0-9]{0,20}-?[0-9]{0,20}", size: u64) {
            if let Some(Ok((first, last))) = part_of(&range, size) {
                prop_assert!(first <= last && last < size);
            }
        }
    }
}
