//! The index side of the analyser: the tokenizers, as Tantivy wants them.
//!
//! Two fields: `text` has words, emoji, and the pairs of neighbouring dense characters (bigrams), with positions; `chars` has single
//! dense characters (unigrams), without. A pair stands at the position of its first character, and a run of n characters takes n positions,
//! so that a longer piece is a phrase of pairs and no phrase reaches across punctuation. See docs/decisions/0003-analyser.md.

use tantivy::tokenizer::{Token, TokenStream, Tokenizer};

use super::fold::{FoldSink, fold};
use super::units::{Stemmers, UnitKind, is_dense, units};

/// The name under which the schema knows [`WordTokenizer`]. Raise the number with every change that makes other tokens of a text, or
/// indexes other texts of a message: an index whose schema has another name is rebuilt.
pub(super) const WORDS: &str = "telescribe_words_2";
/// The name under which the schema knows [`CharTokenizer`]; see [`WORDS`].
pub(super) const CHARS: &str = "telescribe_chars_1";

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
        let mut before = 0;
        units(folded, stemmers, |unit| match unit.kind {
            UnitKind::Word => tokens.push(unit.text, unit.position),
            UnitKind::Dense => {
                if unit.joined {
                    tokens.push(&folded[before..unit.bytes.end], unit.position - 1);
                }
                before = unit.bytes.start;
            }
        });
        BufferedTokenStream::over(tokens)
    }
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
        if !text.is_ascii() {
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
}

impl Tokens {
    fn clear(&mut self) {
        self.text.clear();
        self.ends.clear();
    }

    fn push(&mut self, token: &str, position: usize) {
        self.text.push_str(token);
        self.ends.push((self.text.len(), position));
    }
}

impl FoldSink for Tokens {
    fn push(&mut self, folded: char, _from: std::ops::Range<usize>) {
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
        let expected = [("今天", 0), ("很好", 2), ("ok", 4)].map(|(t, p)| (t.to_owned(), p));
        assert_eq!(pairs, expected);
    }

    #[test]
    fn single_characters_are_folded_too() {
        let chars: Vec<_> = tokens(&mut CharTokenizer::default(), "漢a字").into_iter().map(|t| t.0).collect();
        assert_eq!(chars, ["汉", "字"]);
    }
}
