//! Keys of what followers of the change log need: the newest change of each peer, of which changes it is kept, and the events that could not be
//! delivered.

use crate::model::{PeerId, Seq};

use super::super::codec::{RecordError, StoredKey};
use super::named;

/// The newest change of a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::archive) struct NewestChangeKey(pub(in crate::archive) PeerId);

impl NewestChangeKey {
    /// What every one begins with.
    pub(in crate::archive) const PREFIX: &'static str = "newest/";
}

/// Where it is kept of which changes the newest of each peer is known.
#[derive(Clone, Copy, Debug)]
pub(in crate::archive) struct NewestKeptKey;

/// An event that an output could not deliver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::archive) struct DeadLetterKey {
    /// The output's name, which has no slash.
    pub(in crate::archive) output: String,
    /// The change that it is of.
    pub(in crate::archive) seq: Seq,
    /// The event's id.
    pub(in crate::archive) event: String,
}

impl DeadLetterKey {
    /// What the keys of all of them begin with, and no others.
    pub(in crate::archive) const PREFIX: &'static str = "dead/";

    /// What the keys of an output begin with, and no others.
    pub(in crate::archive) fn under(output: &str) -> String {
        format!("{}{output}/", Self::PREFIX)
    }
}

impl StoredKey for NewestChangeKey {
    type Bytes = String;

    fn encode(&self) -> Self::Bytes {
        format!("{}{}", Self::PREFIX, self.0)
    }

    fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let peer = named(Self::PREFIX, "newest change", bytes)?;
        peer.parse().map(Self).map_err(|e| RecordError::value("newest change", e))
    }
}

impl StoredKey for NewestKeptKey {
    type Bytes = &'static str;

    fn encode(&self) -> Self::Bytes {
        "newest-kept"
    }

    fn decode(_: &[u8]) -> Result<Self, RecordError> {
        Ok(Self)
    }
}

impl StoredKey for DeadLetterKey {
    type Bytes = String;

    /// The number has leading zeros, so that the order of bytes is that of the log.
    fn encode(&self) -> Self::Bytes {
        format!("{}{:020}/{}", Self::under(&self.output), self.seq.0, self.event)
    }

    fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let key = named(Self::PREFIX, "dead letter", bytes)?;
        let mut parts = key.splitn(3, '/');
        match (parts.next(), parts.next().and_then(|seq| seq.parse().ok()), parts.next()) {
            (Some(output), Some(seq), Some(event)) => {
                Ok(Self { output: output.to_owned(), seq: Seq(seq), event: event.to_owned() })
            }
            _ => Err(RecordError::key("dead letter", bytes)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_read_back_and_dead_letters_are_in_the_order_of_the_log() {
        let peer = NewestChangeKey(PeerId::channel(1_500_000_001));
        assert_eq!(NewestChangeKey::decode(peer.encode().as_bytes()).unwrap(), peer);
        let letter =
            |seq| DeadLetterKey { output: "alerts".to_owned(), seq: Seq(seq), event: "a.1-b.9.watch.matched.x".to_owned() };
        assert_eq!(DeadLetterKey::decode(letter(9).encode().as_bytes()).unwrap(), letter(9));
        assert!(letter(9).encode() < letter(10).encode() && letter(10).encode() < letter(u64::MAX).encode());
        assert!(letter(9).encode().starts_with(&DeadLetterKey::under("alerts")));
        for foreign in ["dead/", "dead/a/9", "dead/a/b/c", "position/a"] {
            assert!(DeadLetterKey::decode(foreign.as_bytes()).is_err(), "{foreign}");
        }
    }
}
