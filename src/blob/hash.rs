//! The name of a blob: the SHA-256 of its bytes (docs/decisions/0018).

use std::io::{self, Read};

use sha2::{Digest as _, Sha256};

pub use crate::model::ContentHash as BlobHash;

/// Bytes that are read at a time to be hashed: enough that the calls cost nothing beside the hash, and little memory.
const CHUNK: usize = 256 << 10;

impl BlobHash {
    /// Hashes bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// Hashes what comes in pieces.
    #[must_use]
    pub fn hasher() -> BlobHasher {
        BlobHasher(Sha256::new())
    }

    /// Hashes all that a reader gives, and counts it; `step` is told how many bytes came each time.
    pub(super) fn of_reader(mut reader: impl Read, mut step: impl FnMut(u64)) -> io::Result<(Self, u64)> {
        let (mut hasher, mut chunk, mut size) = (Sha256::new(), vec![0; CHUNK], 0);
        loop {
            match reader.read(&mut chunk) {
                Ok(0) => return Ok((Self(hasher.finalize().into()), size)),
                Ok(count) => {
                    hasher.update(chunk.get(..count).unwrap_or_default());
                    size += count as u64;
                    step(count as u64);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// Hashes bytes that come in pieces, in their order.
#[derive(Debug)]
pub struct BlobHasher(Sha256);

impl BlobHasher {
    /// Takes the next piece.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The hash of all pieces.
    #[must_use]
    pub fn finish(self) -> BlobHash {
        BlobHash(self.0.finalize().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::InvalidContentHash;

    #[test]
    fn a_hash_is_written_as_sha256sum_prints_it_and_read_back_in_that_spelling_only() {
        let hash = BlobHash::of(b"abc");
        let text = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!((hash.to_string().as_str(), text.parse()), (text, Ok(hash)));
        let mut counted = 0;
        assert_eq!(BlobHash::of_reader(&b"abc"[..], |count| counted += count).unwrap(), (hash, 3));
        assert_eq!(counted, 3);
        for wrong in ["", "0178", &text.to_uppercase(), &format!("{text}0"), &text.replace('b', "g"), &"ä".repeat(32)] {
            assert_eq!(wrong.parse::<BlobHash>(), Err(InvalidContentHash), "{wrong}");
        }
    }
}
