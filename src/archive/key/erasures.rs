//! Keys of erasures: their numbers.

use super::super::codec::{RecordError, StoredKey};

/// The number of an erasure; the first is 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ErasureNumber(pub u32);

impl std::fmt::Display for ErasureNumber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl StoredKey for ErasureNumber {
    type Bytes = [u8; 4];

    fn encode(&self) -> Self::Bytes {
        self.0.to_be_bytes()
    }

    fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let number = bytes.try_into().map_err(|_| RecordError::key("erasure", bytes))?;
        Ok(Self(u32::from_be_bytes(number)))
    }
}
