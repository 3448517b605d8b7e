//! Numbers that are written in groups, as telephone numbers are: `+7 (495) 765-43-21` is also one word, 74957654321.
//!
//! Where a number ends and the next begins nobody can tell, so every end that is long enough counts, and what begins with a country's
//! code is also found without it. Dates are none.

use std::ops::Range;

/// Fewest and most digits: from a number without its country to the longest that there are (E.164).
const DIGITS: std::ops::RangeInclusive<usize> = 7..=15;
/// Longest separator between two groups: `) - `.
const SEPARATOR_MAX: usize = 4;
/// Most digits of a country's code.
const COUNTRY_MAX: usize = 3;

/// A number that was written in groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct GroupedNumber {
    /// Its digits.
    pub(super) digits: String,
    /// Its bytes in the text.
    pub(super) bytes: Range<usize>,
}

/// The numbers whose first group starts at a place in a folded text, and where the last of all their groups ends; nothing where that is no
/// group of digits, or nothing follows it.
pub(super) fn grouped(text: &str, start: usize) -> Option<(Vec<GroupedNumber>, usize)> {
    let international = text[..start].ends_with('+');
    let groups = groups(text, start, international);
    let end = groups.last().filter(|_| groups.len() > 1)?.end;
    if !international && is_date(&groups) {
        return None;
    }
    let country = groups.first().is_some_and(|first| first.len() <= COUNTRY_MAX);
    let mut numbers = Vec::new();
    for from in 0..=usize::from(country && groups.len() > 2) {
        let mut digits = String::new();
        for (count, group) in groups[from..].iter().enumerate() {
            digits.push_str(&text[group.clone()]);
            if count > 0 && DIGITS.contains(&digits.len()) {
                numbers.push(GroupedNumber { digits: digits.clone(), bytes: groups[from].start..group.end });
            }
        }
    }
    (!numbers.is_empty()).then_some((numbers, end))
}

fn groups(text: &str, start: usize, international: bool) -> Vec<Range<usize>> {
    let mut groups = Vec::new();
    let mut digits = 0;
    let mut at = start;
    loop {
        let length = text[at..].find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len() - at);
        digits += length;
        let ends_in_a_word = text[at + length..].chars().next().is_some_and(char::is_alphanumeric);
        if length == 0 || ends_in_a_word || digits > *DIGITS.end() {
            return groups;
        }
        groups.push(at..at + length);
        let rest = &text[at + length..];
        let Some(separator) = rest.find(|c: char| c.is_ascii_digit()).map(|end| &rest[..end]) else { return groups };
        if !is_separator(separator, international) {
            return groups;
        }
        at += length + separator.len();
    }
}

/// Whether groups of one number may be separated like this.
fn is_separator(between: &str, international: bool) -> bool {
    let mut spaces = 0;
    let mut others = 0;
    for c in between.chars() {
        match c {
            ' ' => spaces += 1,
            '(' | ')' => {}
            '-' | '\u{2010}'..='\u{2013}' | '\u{2212}' => others += 1,
            '.' if international => others += 1,
            _ => return false,
        }
    }
    !between.is_empty() && between.chars().count() <= SEPARATOR_MAX && spaces <= 2 && others <= 1 && !between.contains("  ")
}

/// Whether the first groups are a year, a month and a day, in any order that is written.
fn is_date(groups: &[Range<usize>]) -> bool {
    let lengths: Vec<usize> = groups.iter().take(3).map(Range::len).collect();
    matches!(lengths[..], [4, 1 | 2, 1 | 2] | [1 | 2, 1 | 2, 4])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<String> {
        let start = text.find(|c: char| c.is_ascii_digit()).expect("a digit");
        grouped(text, start).map(|(numbers, _)| numbers.into_iter().map(|n| n.digits).collect()).unwrap_or_default()
    }

    #[test]
    fn groups_are_also_one_number() {
        for (text, number) in [
            ("+7 495 765-43-21", "74957654321"),
            ("+1 (202) 555-0143", "12025550143"),
            ("+1(202)555-0143", "12025550143"),
            ("+49.30.1234567", "49301234567"),
            ("8-800-555-35-35", "88005553535"),
            ("(495) 765 43 21, доб. 5", "4957654321"),
            ("765-43-21", "7654321"),
            ("+7 495 765-43-21", "4957654321"),
            ("+7 495 765-43-21 2 раза", "74957654321"),
        ] {
            assert!(found(text).contains(&number.to_owned()), "{text}: {:?}", found(text));
        }
    }

    #[test]
    fn dates_addresses_and_words_are_no_numbers() {
        for text in
            ["2024-01-31 12", "31-12-2024", "192.168.100.100", "12 34", "1234567", "123 4567a", "12:30 15:40", "12  34567890"]
        {
            assert_eq!(found(text), Vec::<String>::new(), "{text}");
        }
    }
}
