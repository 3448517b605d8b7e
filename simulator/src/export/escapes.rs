//! Repairs what is not JSON in an export: Telegram Desktop writes `\xNN` now and then, and cuts characters in half.

/// The text with every escape valid, and how many places were repaired.
pub(super) fn repair(bytes: &[u8]) -> (String, usize) {
    let lossy = String::from_utf8_lossy(bytes);
    // Every replacement character that was not there before is one repair.
    let mut repaired = match &lossy {
        std::borrow::Cow::Borrowed(_) => 0,
        std::borrow::Cow::Owned(text) => text.matches('\u{fffd}').count(),
    };
    let mut text = String::with_capacity(lossy.len());
    let mut rest = &*lossy;
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        text.push_str(before);
        let mut characters = escape.chars().skip(1);
        match characters.next() {
            Some('"' | '\\' | '/' | 'b' | 'f' | 'n' | 'r' | 't' | 'u') => {
                let length = escape.chars().take(2).map(char::len_utf8).sum();
                let (valid, after) = escape.split_at(length);
                text.push_str(valid);
                rest = after;
            }
            Some('x') if escape.get(2..4).is_some_and(|digits| digits.chars().all(|c| c.is_ascii_hexdigit())) => {
                text.push_str("\\u00");
                text.push_str(escape.get(2..4).unwrap_or_default());
                rest = escape.get(4..).unwrap_or_default();
                repaired += 1;
            }
            _ => {
                // A backslash that escapes nothing is a literal one.
                text.push_str("\\\\");
                rest = escape.get(1..).unwrap_or_default();
                repaired += 1;
            }
        }
    }
    text.push_str(rest);
    (text, repaired)
}

#[cfg(test)]
mod tests {
    use super::repair;

    #[test]
    fn valid_text_is_left_alone_and_the_rest_becomes_valid() {
        for (from, to, count) in [
            (&br#"{"a":"\n\\x41\u00e9"}"#[..], r#"{"a":"\n\\x41\u00e9"}"#, 0),
            (br#""\x41b""#, r#""\u0041b""#, 1),
            (br#""\xzz\q""#, r#""\\xzz\\q""#, 2),
            (b"\"\xff\"", "\"\u{fffd}\"", 1),
            (b"\\", "\\\\", 1),
        ] {
            assert_eq!(repair(from), (to.to_owned(), count));
        }
    }
}
