//! Keys whose byte order is their logical order: big-endian numbers, the sign bit flipped so that negative ids sort first.

use crate::model::{MessageId, MessageKey, PeerId, Seq};

use super::record::RecordError;

const MESSAGE_LEN: usize = 12;

pub(super) fn peer(peer: PeerId) -> [u8; 8] {
    (peer.0 ^ i64::MIN).to_be_bytes()
}

pub(super) fn message(key: MessageKey) -> [u8; MESSAGE_LEN] {
    let mut bytes = [0; MESSAGE_LEN];
    let (peer_part, id_part) = bytes.split_at_mut(8);
    peer_part.copy_from_slice(&peer(key.peer));
    id_part.copy_from_slice(&(key.id.0 ^ i32::MIN).to_be_bytes());
    bytes
}

pub(super) fn version(key: MessageKey, version: u32) -> [u8; MESSAGE_LEN + 4] {
    let mut bytes = [0; MESSAGE_LEN + 4];
    let (message_part, version_part) = bytes.split_at_mut(MESSAGE_LEN);
    message_part.copy_from_slice(&message(key));
    version_part.copy_from_slice(&version.to_be_bytes());
    bytes
}

pub(super) fn seq(seq: Seq) -> [u8; 8] {
    seq.0.to_be_bytes()
}

pub(super) fn read_peer(bytes: &[u8]) -> Result<PeerId, RecordError> {
    let bytes = bytes.try_into().map_err(|_| RecordError::key("peer", bytes))?;
    Ok(PeerId(i64::from_be_bytes(bytes) ^ i64::MIN))
}

pub(super) fn read_message(bytes: &[u8]) -> Result<MessageKey, RecordError> {
    let (peer, id) = bytes.split_at_checked(8).ok_or_else(|| RecordError::key("message", bytes))?;
    let id = id.try_into().map_err(|_| RecordError::key("message", bytes))?;
    Ok(MessageKey { peer: read_peer(peer)?, id: MessageId(i32::from_be_bytes(id) ^ i32::MIN) })
}

pub(super) fn read_seq(bytes: &[u8]) -> Result<Seq, RecordError> {
    let bytes = bytes.try_into().map_err(|_| RecordError::key("change", bytes))?;
    Ok(Seq(u64::from_be_bytes(bytes)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key() -> impl Strategy<Value = MessageKey> {
        (any::<i64>(), any::<i32>()).prop_map(|(p, i)| MessageKey { peer: PeerId(p), id: MessageId(i) })
    }

    proptest! {
        #[test]
        fn the_order_of_keys_is_the_order_of_bytes(a in key(), b in key(), v in any::<u32>(), w in any::<u32>()) {
            prop_assert_eq!(a.cmp(&b), message(a).cmp(&message(b)));
            prop_assert_eq!((a, v).cmp(&(b, w)), version(a, v).cmp(&version(b, w)));
            prop_assert_eq!(Seq(u64::from(v)).cmp(&Seq(u64::from(w))), seq(Seq(u64::from(v))).cmp(&seq(Seq(u64::from(w)))));
        }

        #[test]
        fn a_key_reads_back(a in key(), s in any::<u64>()) {
            prop_assert_eq!(read_message(&message(a)).expect("own key"), a);
            prop_assert_eq!(read_seq(&seq(Seq(s))).expect("own key"), Seq(s));
        }

        #[test]
        fn foreign_bytes_are_refused_not_panicked_on(bytes in prop::collection::vec(any::<u8>(), 0..20)) {
            prop_assert_eq!(read_message(&bytes).is_ok(), bytes.len() == 12);
            prop_assert_eq!(read_peer(&bytes).is_ok(), bytes.len() == 8);
        }
    }
}
