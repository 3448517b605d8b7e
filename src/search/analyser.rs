//! The index side of the analyser: the tokenizers, as Tantivy wants them.
//!
//! Two fields: `text` has words, emoji, and the pairs of neighbouring dense characters (bigrams), with positions; `chars` has single
//! dense characters (unigrams), without. A pair stands at the position of its first character, and a run of n characters takes n positions,
//! so that a longer piece is a phrase of pairs and no phrase reaches across punctuation. A dense character beside a word is in `text` too,
//! and so is the pair of two that a break keeps apart, with a space in it: what a query has of a run may be a single character there.
//! See docs/decisions/0003-analyser.md.

use std::ops::Range;

use tantivy::tokenizer::{Token, TokenStream, Tokenizer};

use super::fold::{FoldSink, fold};
use super::lemmas::Stemmers;
use super::units::{TokenUnit, UnitKind, is_dense, units};

/// The name under which the schema knows [`WordTokenizer`]. Raise the number with every change that makes other tokens of a text, or
/// indexes other texts of a message: an index whose schema has another name is rebuilt.
pub(super) const WORDS: &str = "telescribe_words_3";
/// The name under which the schema knows [`CharTokenizer`]; see [`WORDS`].
pub(super) const CHARS: &str = "telescribe_chars_2";
/// How many positions are left free between two texts of a message (its text, a button, a file's name), besides the one that Tantivy
/// leaves: more than a break takes, so that a phrase with punctuation in it does not reach across either.
const TEXTS_APART: usize = 2;

/// The tokenizer of words and bigrams.
#[derive(Clone)]
pub(super) struct WordTokenizer {
    stemmers: Stemmers,
    folded: String,
    tokens: Tokens,
}

impl WordTokenizer {
    pub(super) fn new() -> Self {
        Self { stemmers: Stemmers::new(), folded: String::new(), tokens: Tokens::default() }
    }
}

impl Tokenizer for WordTokenizer {
    type TokenStream<'a> = BufferedTokenStream<'a>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> BufferedTokenStream<'a> {
        let Self { stemmers, folded, tokens } = self;
        folded.clear();
        tokens.clear();
        fold(text, folded);
        let mut before = None;
        units(folded, stemmers, |unit| {
            tokens.unit(folded, before.as_ref(), &unit);
            if unit.kind != UnitKind::Number {
                let placed = before.as_ref().is_some_and(|before| before.kind == UnitKind::Word);
                let Range { start, end } = unit.bytes;
                before = Some(Before { kind: unit.kind, start, end, position: unit.position, placed });
                tokens.end = unit.position + 1 + TEXTS_APART;
            }
        });
        BufferedTokenStream::over(tokens)
    }
}

/// The unit before another one.
struct Before {
    kind: UnitKind,
    start: usize,
    end: usize,
    position: usize,
    /// Whether it came after a word, and has its place already if it is a dense character.
    placed: bool,
}

/// The term of two dense characters that a break keeps apart: no other term has a space.
pub(super) fn pair_apart(first: &str, second: &str) -> String {
    format!("{first} {second}")
}

/// Whether a text can have a dense character: percent escapes are ASCII, and may be some.
pub(super) fn may_be_dense(text: &str) -> bool {
    !text.is_ascii() || text.contains('%')
}

/// The tokenizer of single dense characters (unigrams).
#[derive(Clone, Default)]
pub(super) struct CharTokenizer {
    tokens: Tokens,
}

impl Tokenizer for CharTokenizer {
    type TokenStream<'a> = BufferedTokenStream<'a>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> BufferedTokenStream<'a> {
        self.tokens.clear();
        // Without positions there is nothing to gain from a text without a single dense character.
        if may_be_dense(text) {
            fold(text, &mut self.tokens);
        }
        BufferedTokenStream::over(&self.tokens)
    }
}

/// Tokens in one buffer, which is used again for the next text.
#[derive(Clone, Debug, Default)]
struct Tokens {
    text: String,
    /// Where each ends in `text`, and its position.
    ends: Vec<(usize, usize)>,
    /// The position after all of them.
    end: usize,
}

impl Tokens {
    fn clear(&mut self) {
        self.text.clear();
        self.ends.clear();
        self.end = 0;
    }

    fn push(&mut self, token: &str, position: usize) {
        self.text.push_str(token);
        self.ends.push((self.text.len(), position));
    }

    /// The tokens of a unit, and of what it makes of the one before it.
    fn unit(&mut self, folded: &str, before: Option<&Before>, unit: &TokenUnit<'_>) {
        let dense = before.filter(|before| before.kind == UnitKind::Dense);
        match (unit.kind, dense) {
            (UnitKind::Word, dense) => {
                if let Some(dense) = dense.filter(|dense| !dense.placed) {
                    self.push(&folded[dense.start..dense.end], dense.position);
                }
                self.push(unit.text, unit.position);
                for key in unit.keys.iter().filter(|key| *key != unit.text) {
                    self.push(key, unit.position);
                }
            }
            (UnitKind::Number, _) => self.push(unit.text, unit.position),
            (UnitKind::Dense, Some(first)) if unit.joined => self.push(&folded[first.start..unit.bytes.end], first.position),
            (UnitKind::Dense, Some(first)) => {
                self.push(&pair_apart(&folded[first.start..first.end], unit.text), first.position);
            }
            (UnitKind::Dense, None) => {
                if before.is_some() {
                    self.push(unit.text, unit.position);
                }
            }
        }
    }
}

impl FoldSink for Tokens {
    fn push(&mut self, folded: char, _from: Range<usize>) {
        if is_dense(folded) {
            Self::push(self, folded.encode_utf8(&mut [0; 4]), 0);
        }
    }
}

/// Hands tokens to Tantivy one by one. Offsets are left out: the index does not store them.
pub(super) struct BufferedTokenStream<'a> {
    tokens: &'a Tokens,
    next: usize,
    start: usize,
    token: Token,
}

impl<'a> BufferedTokenStream<'a> {
    fn over(tokens: &'a Tokens) -> Self {
        Self { tokens, next: 0, start: 0, token: Token::default() }
    }
}

impl TokenStream for BufferedTokenStream<'_> {
    fn advance(&mut self) -> bool {
        let Some(&(end, position)) = self.tokens.ends.get(self.next) else { return false };
        self.token.text.clear();
        self.token.text.push_str(&self.tokens.text[self.start..end]);
        self.token.position = position;
        self.next += 1;
        self.start = end;
        // The next text of the message begins after the last token.
        let last = self.next == self.tokens.ends.len();
        self.token.position_length = if last { self.tokens.end.saturating_sub(position).max(1) } else { 1 };
        true
    }

    fn token(&self) -> &Token {
        &self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        &mut self.token
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(tokenizer: &mut impl Tokenizer, text: &str) -> Vec<(String, usize)> {
        let mut out = Vec::new();
        tokenizer.token_stream(text).process(&mut |t| out.push((t.text.clone(), t.position)));
        out
    }

    #[test]
    fn a_run_of_n_characters_takes_n_positions() {
        let pairs = tokens(&mut WordTokenizer::new(), "今天，很好 ok 好");
        let expected = [("今天", 0), ("天 很", 1), ("很好", 3), ("好", 4), ("ok", 5), ("好", 6)].map(|(t, p)| (t.to_owned(), p));
        assert_eq!(pairs, expected);
    }

    #[test]
    fn a_dense_character_beside_a_word_has_a_place() {
        let texts = [("3月的", "3@0 月@1 月的@1"), ("股A股", "股@0 a@1 股@2"), ("天。A，好好", "天@0 a@2 好@4 好好@4")];
        for (text, expected) in texts {
            let found: Vec<_> = tokens(&mut WordTokenizer::new(), text).iter().map(|(t, p)| format!("{t}@{p}")).collect();
            assert_eq!(found.join(" "), expected, "{text}");
        }
    }

    #[test]
    fn texts_of_a_message_are_further_apart_than_punctuation_keeps_them() {
        for text in ["今天", "ok", "股", "1 234 567"] {
            let mut tokenizer = WordTokenizer::new();
            let mut stream = tokenizer.token_stream(text);
            let mut end = 0;
            stream.process(&mut |token| end = end.max(token.position + token.position_length));
            let mut taken = 0;
            let mut folded = String::new();
            fold(text, &mut folded);
            units(&folded, &Stemmers::new(), |unit| taken = taken.max(unit.position + 1));
            // A lone dense character has no token with a place, so no phrase can reach it.
            assert!(text == "股" || end == taken + TEXTS_APART, "{text}");
        }
    }

    #[test]
    fn single_characters_are_folded_too() {
        let chars: Vec<_> = tokens(&mut CharTokenizer::default(), "漢a字").into_iter().map(|t| t.0).collect();
        assert_eq!(chars, ["汉", "字"]);
    }
}
