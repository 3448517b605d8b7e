//! What a key and a value must be able to do, and what they say when bytes are not theirs.

use crate::model::PeerId;

/// A stored record cannot be decoded.
#[derive(Debug, thiserror::Error)]
#[error("damaged {what} in the archive ({why}); restore a backup, or run `telescribe verify` to see how far it goes")]
pub struct RecordError {
    what: &'static str,
    why: String,
}

impl RecordError {
    pub(super) fn key(what: &'static str, bytes: &[u8]) -> Self {
        Self { what, why: format!("its key has {} bytes", bytes.len()) }
    }

    pub(super) fn value(what: &'static str, why: impl ToString) -> Self {
        Self { what, why: why.to_string() }
    }

    /// What is wrong, without the way out.
    pub(super) fn why(&self) -> &str {
        &self.why
    }
}

/// To which readers an entry shows that may see only some peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    /// To those who may see this peer.
    Peer(PeerId),
    /// To all who know its key, which only what they may see tells them; it is in no list.
    Named,
    /// To none of them.
    Program,
}

/// A key that says to whom its entry shows. There is no default, so that no family of entries is forgotten.
pub(super) trait OwnedKey {
    fn whose(&self) -> Whose;
}

/// A key whose byte order is its logical order (order-preserving encoding).
pub(super) trait StoredKey: OwnedKey + Sized {
    /// Its bytes.
    type Bytes: AsRef<[u8]>;

    fn encode(&self) -> Self::Bytes;
    fn decode(bytes: &[u8]) -> Result<Self, RecordError>;
}

/// A value under a key of type `K`, which it may be in part told by. Several may read the same bytes, each what it knows of.
pub(super) trait StoredValue<K>: Sized {
    fn from_bytes(key: &K, bytes: &[u8]) -> Result<Self, RecordError>;
}

/// A value that is the whole of what is under its key, so that it can be written.
pub(super) trait WrittenValue<K>: StoredValue<K> {
    fn to_bytes(&self) -> Vec<u8>;
}
