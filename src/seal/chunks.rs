//! Files as a stream of chunks, each of them sealed, so that bytes are authentic before anybody uses them, and no more than a chunk is in memory.
//!
//! A chunk's plaintext is a line of JSON, `{"req", "sha256", "size", "index", "offset", "last"}`, and behind its line feed the bytes as they are: in
//! base64 they would be a third more, to be encrypted and sent. `req` is the nonce of the request that is answered.
//!
//! # Guarantees
//! What [`ChunkOpener`] returns is the bytes of this file from this offset on, in this order, as the holder of the key sent them in answer to this
//! request. A chunk that is left out, repeated, moved, or comes from another file, another request or another key is refused, and
//! nothing is opened behind it. A stream that ends early is not [complete](ChunkOpener::is_complete).
//!
//! It does not check the hash of the whole: whoever has all of it can.

use std::sync::Arc;

use rand::CryptoRng;
use serde::Deserialize;
use serde_json::Value;

use super::key::Key;
use super::token::{Purpose, RefusalReason, Refused, object, open, seal};

/// The most bytes of a file in a chunk: with its line of JSON the plaintext stays below [`PORTABLE_PLAINTEXT_MAX`](super::PORTABLE_PLAINTEXT_MAX).
pub const CHUNK_DATA_MAX: usize = 46 << 10;

/// Some of the bytes of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileRange {
    /// The SHA-256 of all of it, in hexadecimal.
    pub sha256: String,
    /// How many bytes it has in all.
    pub size: u64,
    /// The first byte that is meant.
    pub offset: u64,
    /// Behind the last one.
    pub end: u64,
}

/// Seals bytes of a file, in order.
pub struct ChunkSealer {
    key: Arc<Key>,
    /// What is the same in each chunk.
    head: String,
    index: u64,
    offset: u64,
    end: u64,
}

impl ChunkSealer {
    pub(super) fn new(key: Arc<Key>, req: &str, of: &FileRange) -> Self {
        let head = format!(r#""req":{},"sha256":{},"size":{}"#, Value::from(req), Value::from(of.sha256.as_str()), of.size);
        Self { key, head, index: 0, offset: of.offset, end: of.end }
    }

    /// Whether the last chunk was sealed.
    pub fn is_complete(&self) -> bool {
        self.index > 0 && self.offset >= self.end
    }

    /// Seals the next bytes, at most [`CHUNK_DATA_MAX`]; where the range has none at all, its one chunk is empty.
    pub fn seal(&mut self, data: &[u8], random: &mut impl CryptoRng) -> String {
        let next = self.offset.saturating_add(data.len() as u64);
        let Self { head, index, offset, end, .. } = self;
        let line = format!("{{{head},\"index\":{index},\"offset\":{offset},\"last\":{}}}\n", next >= *end);
        let mut plaintext = line.into_bytes();
        plaintext.extend_from_slice(data);
        (self.index, self.offset) = (self.index + 1, next);
        seal(plaintext, &self.key, Purpose::Chunk, random)
    }
}

/// Opens the chunks of a stream, in order.
pub struct ChunkOpener {
    key: Arc<Key>,
    req: String,
    of: FileRange,
    index: u64,
    offset: u64,
    is_broken: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ChunkHead {
    req: String,
    sha256: String,
    size: u64,
    index: u64,
    offset: u64,
    last: bool,
}

impl ChunkOpener {
    /// For the answer to the request that was sealed under `key` with the nonce `jti`, which asked for these bytes.
    #[must_use]
    pub fn new(key: Arc<Key>, jti: &str, of: FileRange) -> Self {
        let offset = of.offset;
        Self { key, req: jti.to_owned(), of, index: 0, offset, is_broken: false }
    }

    /// Whether all of it has come.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        !self.is_broken && self.index > 0 && self.offset == self.of.end
    }

    /// Opens the next chunk, and returns its bytes.
    ///
    /// # Errors
    /// [`Refused`] for everything that is not the next chunk; so is then whatever follows.
    pub fn open(&mut self, token: &str) -> Result<Vec<u8>, Refused> {
        let opened = self.next(token);
        self.is_broken |= opened.is_err();
        opened
    }

    fn next(&mut self, token: &str) -> Result<Vec<u8>, Refused> {
        if self.is_broken || self.is_complete() {
            return Err(RefusalReason::Target.into());
        }
        let mut plaintext = open(token, std::slice::from_ref(&self.key), Purpose::Chunk)?.plaintext;
        let end = plaintext.iter().position(|byte| *byte == b'\n').ok_or(RefusalReason::Content)?;
        let data = plaintext.split_off(end + 1);
        let head: ChunkHead = object(&plaintext).ok_or(RefusalReason::Content)?;
        let is_of_this = head.req == self.req && head.sha256 == self.of.sha256 && head.size == self.of.size;
        if !is_of_this || head.index != self.index || head.offset != self.offset {
            return Err(RefusalReason::Target.into());
        }
        let next = self.offset.checked_add(data.len() as u64).ok_or(RefusalReason::Content)?;
        // An empty one only where there is nothing: else a stream could go on for ever.
        if next > self.of.end || head.last != (next == self.of.end) || (data.is_empty() && !head.last) {
            return Err(RefusalReason::Content.into());
        }
        (self.index, self.offset) = (self.index + 1, next);
        Ok(data)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::system_random;
    use super::super::token::PORTABLE_PLAINTEXT_MAX;
    use super::*;

    fn key() -> Arc<Key> {
        Arc::new(Key::generate(&"tester".parse().unwrap(), chrono::DateTime::UNIX_EPOCH, &mut system_random()))
    }

    fn range(size: u64, offset: u64, end: u64) -> FileRange {
        FileRange { sha256: "ab".repeat(32), size, offset, end }
    }

    /// The stream of a range of this content, in chunks of a length.
    fn sealed(key: &Arc<Key>, req: &str, content: &[u8], of: &FileRange, length: usize) -> Vec<String> {
        let mut sealer = ChunkSealer::new(Arc::clone(key), req, of);
        let part = &content[usize::try_from(of.offset).unwrap()..usize::try_from(of.end).unwrap()];
        let mut tokens: Vec<String> = part.chunks(length).map(|data| sealer.seal(data, &mut system_random())).collect();
        if part.is_empty() {
            tokens.push(sealer.seal(&[], &mut system_random()));
        }
        assert!(sealer.is_complete());
        tokens
    }

    fn opened(key: &Arc<Key>, req: &str, of: &FileRange, tokens: &[&str]) -> (Result<Vec<u8>, Refused>, bool) {
        let mut opener = ChunkOpener::new(Arc::clone(key), req, of.clone());
        let mut all = Vec::new();
        for token in tokens {
            match opener.open(token) {
                Ok(bytes) => all.extend(bytes),
                Err(refused) => return (Err(refused), opener.is_complete()),
            }
        }
        (Ok(all), opener.is_complete())
    }

    fn texts(tokens: &[String]) -> Vec<&str> {
        tokens.iter().map(String::as_str).collect()
    }

    #[test]
    fn a_stream_that_is_cut_reordered_repeated_or_mixed_is_refused() {
        let (key, content) = (key(), (0..100_u8).collect::<Vec<u8>>());
        let of = range(100, 10, 95);
        let tokens = sealed(&key, "n", &content, &of, 20);
        assert_eq!(tokens.len(), 5);
        let all = texts(&tokens);
        let (whole, is_complete) = opened(&key, "n", &of, &all);
        assert_eq!((whole.unwrap(), is_complete), (content[10..95].to_vec(), true));
        // Cut anywhere.
        for count in 0..all.len() {
            let (part, is_complete) = opened(&key, "n", &of, &all[..count]);
            assert_eq!((part.unwrap(), is_complete), (content[10..10 + 20 * count].to_vec(), false), "{count}");
        }
        let refused = |tokens: &[&str], what: &str| {
            let (outcome, is_complete) = opened(&key, "n", &of, tokens);
            assert!(outcome.is_err() && !is_complete, "{what}");
        };
        for at in 0..all.len() {
            let mut without = all.clone();
            without.remove(at);
            if at + 1 < all.len() {
                refused(&without, "left out");
            }
            let mut twice = all.clone();
            twice.insert(at, all[at]);
            refused(&twice, "repeated");
            let mut swapped = all.clone();
            swapped.swap(at, (at + 1) % all.len());
            refused(&swapped, "reordered");
        }
        let others = [
            ("another request", sealed(&key, "m", &content, &of, 20)),
            ("another file", sealed(&key, "n", &content, &FileRange { sha256: "cd".repeat(32), ..of.clone() }, 20)),
            ("another size", sealed(&key, "n", &content, &FileRange { size: 99, ..of.clone() }, 20)),
            ("another offset", sealed(&key, "n", &content, &FileRange { offset: 11, ..of.clone() }, 20)),
            ("another end", sealed(&key, "n", &content, &FileRange { end: 94, ..of.clone() }, 20)),
            ("other chunks", sealed(&key, "n", &content, &of, 19)),
            ("another key", sealed(&super::tests::key(), "n", &content, &of, 20)),
        ];
        for (what, tokens) in &others {
            for at in 0..all.len() {
                let mut mixed = all.clone();
                mixed[at] = &tokens[at.min(tokens.len() - 1)];
                // Where two streams have the same chunk in the same place, it is the same.
                let is_the_same = *what == "another end" && at + 1 < all.len();
                if !is_the_same {
                    refused(&mixed, what);
                }
            }
        }
        let answer = seal(b"{}\n", &key, Purpose::Answer, &mut system_random());
        refused(&[answer.as_str()], "an answer is no chunk");
    }

    #[test]
    fn nothing_is_opened_behind_what_was_refused() {
        let (key, content) = (key(), vec![7; 60]);
        let of = range(60, 0, 60);
        let tokens = sealed(&key, "n", &content, &of, 20);
        let mut opener = ChunkOpener::new(Arc::clone(&key), "n", of);
        opener.open(&tokens[0]).unwrap();
        opener.open(&tokens[2]).unwrap_err();
        opener.open(&tokens[1]).unwrap_err();
        assert!(!opener.is_complete());
    }

    #[test]
    fn an_empty_range_is_one_empty_chunk_and_a_full_chunk_is_portable() {
        let key = key();
        for of in [range(0, 0, 0), range(50, 50, 50), range(50, 7, 7)] {
            let tokens = sealed(&key, "n", &[0; 50], &of, 20);
            let (whole, is_complete) = opened(&key, "n", &of, &texts(&tokens));
            assert_eq!((tokens.len(), whole.unwrap(), is_complete), (1, Vec::new(), true));
        }
        // The longest nonce, every character of it escaped, and the longest numbers.
        let mut sealer =
            ChunkSealer::new(Arc::clone(&key), &"\u{1}".repeat(64), &range(u64::MAX, u64::MAX - (1 << 20), u64::MAX));
        sealer.index = u64::MAX - 1;
        let token = sealer.seal(&[1; CHUNK_DATA_MAX], &mut system_random());
        let length = open(&token, &[key], Purpose::Chunk).unwrap().plaintext.len();
        assert!(length > CHUNK_DATA_MAX && length <= PORTABLE_PLAINTEXT_MAX, "{length}");
    }

    proptest! {
        #[test]
        fn what_is_sealed_opens(content in prop::collection::vec(any::<u8>(), 0..300), length in 1..200_usize, cut in any::<(u16, u16)>()) {
            let key = key();
            let (a, b) = (usize::from(cut.0) % (content.len() + 1), usize::from(cut.1) % (content.len() + 1));
            let of = range(content.len() as u64, a.min(b) as u64, a.max(b) as u64);
            let tokens = sealed(&key, "n", &content, &of, length);
            let (whole, is_complete) = opened(&key, "n", &of, &texts(&tokens));
            prop_assert!(is_complete);
            prop_assert_eq!(whole.unwrap(), &content[a.min(b)..a.max(b)]);
        }
    }
}
