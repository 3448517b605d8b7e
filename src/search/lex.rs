//! The lexer: cuts a query into words, quotes, parentheses and filters.

use super::operator;
use super::query::QueryError;

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
    /// Between spaces.
    Text(String),
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
        let at = next + 1;
        let mut push = |kind| out.push(Lexeme { at, kind });
        match c {
            _ if c.is_whitespace() => next += 1,
            '(' => {
                push(LexemeKind::Open);
                next += 1;
            }
            ')' => {
                push(LexemeKind::Close);
                next += 1;
            }
            '-' => {
                // Between spaces it is a dash.
                if chars.get(at).is_some_and(|c| !c.is_whitespace()) {
                    push(LexemeKind::Not);
                }
                next += 1;
            }
            _ => {
                if let Some((phrase, after)) = quoted(&chars, next)? {
                    push(LexemeKind::Phrase(phrase));
                    next = after;
                    continue;
                }
                let end = word_end(&chars, next);
                let word: String = chars[next..end].iter().collect();
                next = end;
                match word.as_str() {
                    "OR" => push(LexemeKind::Or),
                    "AND" => {}
                    "NOT" => push(LexemeKind::Not),
                    _ => match operator::split(at, &word)? {
                        Some((name, value)) => {
                            let mut value = value.to_owned();
                            if value.is_empty()
                                && let Some((phrase, after)) = quoted(&chars, next)?
                            {
                                value = phrase;
                                next = after;
                            }
                            push(LexemeKind::Filter { name, value });
                        }
                        None => push(LexemeKind::Text(word)),
                    },
                }
            }
        }
    }
    Ok(out)
}

fn word_end(chars: &[char], start: usize) -> usize {
    let ends = |c: &char| c.is_whitespace() || matches!(c, '"' | '(' | ')');
    chars[start..].iter().position(ends).map_or(chars.len(), |length| start + length.max(1))
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
