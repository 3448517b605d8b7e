//! The lexer: cuts a query into words, quotes, parentheses and filters.

use super::fold::fold;
use super::letters::ascii_digit;
use super::numbers::grouped;
use super::operator;
use super::query::QueryError;
use super::units::is_hebrew;

/// Fewest digits of a number behind a `-` that is an id (`-1001234567890`) and not something to leave out.
const ID_DIGITS_MIN: usize = 7;
/// Fewest digits of a number whose groups have nothing but spaces between them, which may as well be several numbers.
const SPACED_DIGITS_MIN: usize = 10;

/// A lexeme of a query and the number of the character where it starts, from 1.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Lexeme {
    pub(super) at: usize,
    pub(super) kind: LexemeKind,
}

/// The kind of a lexeme.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum LexemeKind {
    Open,
    Close,
    Or,
    Not,
    /// Between quotes.
    Phrase(String),
    /// Behind a `=`, with or without quotes.
    Exact(String),
    /// Between spaces.
    Text(String),
    /// A number in groups, such as a telephone number: as it was written.
    Number(String),
    /// `name:value`, the name in lower case and known.
    Filter {
        name: &'static str,
        value: String,
    },
}

/// The quotes of people's keyboards. Only the first must be closed: the others also occur in text that was pasted.
const QUOTES: [(char, &[char]); 5] = [('"', &['"']), ('“', &['”', '“']), ('„', &['“', '”']), ('«', &['»']), ('「', &['」'])];

/// Cuts a query into lexemes.
pub(super) fn lex(text: &str) -> Result<Vec<Lexeme>, QueryError> {
    let chars: Vec<char> = text.chars().collect();
    let mut out = Vec::new();
    let mut next = 0;
    while let Some(&c) = chars.get(next) {
        if c.is_whitespace() {
            next += 1;
            continue;
        }
        let (kind, end) = one(&chars, next, c)?;
        out.extend(kind.map(|kind| Lexeme { at: next + 1, kind }));
        next = end;
    }
    Ok(out)
}

/// The lexeme at a place, if it means something, and where it ends.
fn one(chars: &[char], start: usize, c: char) -> Result<(Option<LexemeKind>, usize), QueryError> {
    if let Some(end) = id_end(chars, start) {
        return Ok((Some(LexemeKind::Text(chars[start..end].iter().collect())), end));
    }
    if let Some(end) = number_end(chars, start) {
        return Ok((Some(LexemeKind::Number(chars[start..end].iter().collect())), end));
    }
    match c {
        '(' => Ok((Some(LexemeKind::Open), start + 1)),
        ')' => Ok((Some(LexemeKind::Close), start + 1)),
        '=' if chars.get(start + 1).is_some_and(|c| c.is_alphanumeric() || is_opening(*c)) => exact(chars, start + 1),
        // Between spaces it is a dash.
        '-' => Ok((chars.get(start + 1).filter(|c| !c.is_whitespace()).map(|_| LexemeKind::Not), start + 1)),
        _ => match quoted(chars, start)? {
            Some((phrase, end)) => Ok((Some(LexemeKind::Phrase(phrase)), end)),
            None => word(chars, start),
        },
    }
}

/// What stands behind a `=`.
fn exact(chars: &[char], start: usize) -> Result<(Option<LexemeKind>, usize), QueryError> {
    let (text, end) = quoted(chars, start)?.unwrap_or_else(|| {
        let end = word_end(chars, start);
        (chars[start..end].iter().collect(), end)
    });
    Ok((Some(LexemeKind::Exact(text)), end))
}

fn word(chars: &[char], start: usize) -> Result<(Option<LexemeKind>, usize), QueryError> {
    let end = word_end(chars, start);
    let word: String = chars[start..end].iter().collect();
    let kind = match word.as_str() {
        "OR" => LexemeKind::Or,
        "AND" => return Ok((None, end)),
        "NOT" => LexemeKind::Not,
        _ => match operator::split(start + 1, &word)? {
            Some((name, "")) => {
                let (value, end) = quoted(chars, end)?.unwrap_or((String::new(), end));
                return Ok((Some(LexemeKind::Filter { name, value }), end));
            }
            Some((name, value)) => LexemeKind::Filter { name, value: value.to_owned() },
            None => LexemeKind::Text(word),
        },
    };
    Ok((Some(kind), end))
}

fn word_end(chars: &[char], start: usize) -> usize {
    let ends = |at: &usize| match chars[*at] {
        '"' => *at == start || !is_letter(chars, *at),
        c => *at > start && (c.is_whitespace() || matches!(c, '(' | ')')),
    };
    (start..chars.len()).find(ends).map_or(chars.len(), |end| end.max(start + 1))
}

/// Whether a `"` inside a word or at its end opens no phrase: between Hebrew letters it is one of them (gershayim), after a digit at the end
/// of a word it means inches, and between other letters it opens one only if a second one closes it.
fn is_letter(chars: &[char], at: usize) -> bool {
    let before = at.checked_sub(1).and_then(|before| chars.get(before)).copied().unwrap_or(' ');
    let Some(&after) = chars.get(at + 1).filter(|c| c.is_alphanumeric()) else { return before.is_numeric() };
    if is_hebrew(before) && is_hebrew(after) {
        return true;
    }
    let closed = |at: usize| chars[at] == '"' && !chars.get(at + 1).is_some_and(|c| c.is_alphanumeric());
    before.is_alphanumeric() && !(at + 1..chars.len()).any(closed)
}

/// Where an id with its sign ends that starts at a place.
fn id_end(chars: &[char], start: usize) -> Option<usize> {
    let digits = chars.get(start + 1..)?.iter().take_while(|c| is_digit(**c)).count();
    let end = start + 1 + digits;
    let alone = chars.get(end).is_none_or(|c| c.is_whitespace() || *c == ')');
    (matches!(chars[start], '-' | '\u{2212}' | '\u{2013}') && digits >= ID_DIGITS_MIN && alone).then_some(end)
}

/// Where a number in groups ends that starts at a place.
fn number_end(chars: &[char], start: usize) -> Option<usize> {
    let first = (start..chars.len()).find(|at| !matches!(chars[*at], '+' | '('))?;
    if !is_digit(chars[first]) || first > start + 2 {
        return None;
    }
    let is_part =
        |c: &char| is_digit(*c) || matches!(c, ' ' | '(' | ')' | '.' | '-' | '\u{a0}' | '\u{2010}'..='\u{2013}' | '\u{2212}');
    let length = chars[first..].iter().take_while(|c| is_part(c)).count();
    let mut folded = String::new();
    // Each of these characters folds to one; the letter after them may be of the last group.
    let written: String = chars[start..chars.len().min(first + length + 1)].iter().collect();
    fold(&written, &mut folded);
    let (numbers, end) = grouped(&folded, folded.find(|c: char| c.is_ascii_digit())?)?;
    let end = start + folded.get(..end)?.chars().count();
    let spaced = !chars[start..end].iter().any(|c| matches!(c, '+' | '(' | '-'));
    let digits = numbers.iter().map(|number| number.digits.len()).max()?;
    // The parenthesis that opened before the first group is closed after it, or is none of the number.
    let closed =
        chars[start..end].iter().filter(|c| **c == '(').count() == chars[start..end].iter().filter(|c| **c == ')').count();
    (closed && (!spaced || digits >= SPACED_DIGITS_MIN)).then_some(end)
}

fn is_digit(c: char) -> bool {
    c.is_ascii_digit() || ascii_digit(c).is_some()
}

fn is_opening(c: char) -> bool {
    QUOTES.iter().any(|(open, _)| *open == c)
}

/// What stands in the quotes that open at a place, and where the text continues after them.
fn quoted(chars: &[char], start: usize) -> Result<Option<(String, usize)>, QueryError> {
    let Some((open, close)) = QUOTES.iter().find(|(open, _)| chars.get(start) == Some(open)) else { return Ok(None) };
    let inside = &chars[start + 1..];
    match inside.iter().position(|c| close.contains(c)) {
        Some(length) => Ok(Some((inside[..length].iter().collect(), start + length + 2))),
        None if *open == '"' => {
            Err(QueryError { at: start + 1, what: "`\"` is never closed; add a second one, or remove it".to_owned() })
        }
        None => Ok(None),
    }
}
