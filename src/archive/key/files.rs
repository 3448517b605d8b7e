//! Keys of files: by id, by where they were seen, and by when they are due.

use crate::model::{ChatId, FileId, FileKind, FileOrigin, MessageKey, PeerId, Timestamp};

use super::super::codec::{RecordError, StoredKey};
use super::{TIME_LEN, read_time, time, under_chat};

const FILE_LEN: usize = 9;
/// What an origin begins with.
const IN_MESSAGE: u8 = 1;
const AS_AVATAR: u8 = 2;

/// A file, where it was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::archive) struct OriginKey {
    pub(in crate::archive) file: FileId,
    pub(in crate::archive) origin: FileOrigin,
}

/// The same the other way round: what was seen somewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::archive) struct AttachedKey {
    pub(in crate::archive) origin: FileOrigin,
    pub(in crate::archive) file: FileId,
}

/// A file that is not stored: small ones apart from large ones, by when they may be tried, the newest first among those of one time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::archive) struct QueueKey {
    pub(in crate::archive) large: bool,
    pub(in crate::archive) due: Timestamp,
    pub(in crate::archive) posted_at: Timestamp,
    pub(in crate::archive) file: FileId,
}

impl StoredKey for FileId {
    type Bytes = [u8; FILE_LEN];

    fn encode(&self) -> Self::Bytes {
        let mut bytes = [0; FILE_LEN];
        if let Some((kind, id)) = bytes.split_first_mut() {
            *kind = self.kind as u8;
            id.copy_from_slice(&(self.id ^ i64::MIN).to_be_bytes());
        }
        bytes
    }

    fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let foreign = || RecordError::key("file", bytes);
        let (kind, id) = bytes.split_first().ok_or_else(foreign)?;
        let id = id.try_into().map_err(|_| foreign())?;
        let kind = *FileKind::ALL.get(usize::from(*kind)).ok_or_else(foreign)?;
        Ok(Self { kind, id: i64::from_be_bytes(id) ^ i64::MIN })
    }
}

impl StoredKey for FileOrigin {
    type Bytes = Vec<u8>;

    fn encode(&self) -> Self::Bytes {
        match self {
            Self::Message(key) => [&[IN_MESSAGE], key.encode().as_slice()].concat(),
            Self::Avatar(peer) => [&[AS_AVATAR], peer.encode().as_slice()].concat(),
        }
    }

    fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        match bytes.split_first() {
            Some((&IN_MESSAGE, key)) => MessageKey::decode(key).map(Self::Message),
            Some((&AS_AVATAR, peer)) => PeerId::decode(peer).map(Self::Avatar),
            _ => Err(RecordError::key("origin of a file", bytes)),
        }
    }
}

impl StoredKey for OriginKey {
    type Bytes = Vec<u8>;

    fn encode(&self) -> Self::Bytes {
        [self.file.encode().as_slice(), &self.origin.encode()].concat()
    }

    fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let (file, origin) = bytes.split_at_checked(FILE_LEN).ok_or_else(|| RecordError::key("origin of a file", bytes))?;
        Ok(Self { file: FileId::decode(file)?, origin: FileOrigin::decode(origin)? })
    }
}

impl StoredKey for AttachedKey {
    type Bytes = Vec<u8>;

    fn encode(&self) -> Self::Bytes {
        [self.origin.encode().as_slice(), &self.file.encode()].concat()
    }

    fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let (origin, file) = bytes.split_last_chunk::<FILE_LEN>().ok_or_else(|| RecordError::key("file of a message", bytes))?;
        Ok(Self { origin: FileOrigin::decode(origin)?, file: FileId::decode(file)? })
    }
}

impl StoredKey for QueueKey {
    type Bytes = Vec<u8>;

    fn encode(&self) -> Self::Bytes {
        // Descending: the complement.
        let newest_first = Timestamp(!self.posted_at.0);
        [&[u8::from(self.large)], time(self.due).as_slice(), &time(newest_first), &self.file.encode()].concat()
    }

    fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let foreign = || RecordError::key("queue of files", bytes);
        let (large, rest) = bytes.split_first().filter(|(large, _)| **large <= 1).ok_or_else(foreign)?;
        let (due, rest) = rest.split_at_checked(TIME_LEN).ok_or_else(foreign)?;
        let (posted_at, file) = rest.split_at_checked(TIME_LEN).ok_or_else(foreign)?;
        let (due, posted_at) = (read_time("queue of files", due)?, read_time("queue of files", posted_at)?);
        Ok(Self {
            large: *large == 1,
            due,
            posted_at: Timestamp(!posted_at.0),
            file: FileId::decode(file).map_err(|_| foreign())?,
        })
    }
}

impl AttachedKey {
    /// What the keys of all files of a chat's messages begin with, and no others.
    pub(in crate::archive) fn under_chat(chat: ChatId) -> Vec<u8> {
        [&[IN_MESSAGE], under_chat(chat).as_slice()].concat()
    }
}

impl QueueKey {
    /// What the keys of all small files, or of all large ones, begin with, and no others.
    pub(in crate::archive) fn under(large: bool) -> [u8; 1] {
        [u8::from(large)]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::MessageId;

    fn file() -> impl Strategy<Value = FileId> {
        let id = prop_oneof![any::<i64>(), -3_i64..3];
        (prop::sample::select(FileKind::ALL.to_vec()), id).prop_map(|(kind, id)| FileId { kind, id })
    }

    fn origin() -> impl Strategy<Value = FileOrigin> {
        let peer = prop_oneof![any::<i64>(), -3_i64..3, (-1_000_000_000_002_i64..-999_999_999_998)];
        let account = prop::option::of("[ab]{1,3}").prop_map(|name| name.and_then(|name| name.parse().ok()));
        (peer, account, any::<i32>(), any::<bool>()).prop_map(|(peer, account, id, avatar)| match avatar {
            true => FileOrigin::Avatar(PeerId(peer)),
            false => FileOrigin::Message(MessageKey { chat: ChatId::new(PeerId(peer), account), id: MessageId(id) }),
        })
    }

    proptest! {
        #[test]
        fn keys_of_files_read_back(file in file(), origin in origin(), due in any::<i64>(), posted in any::<i64>(), large in any::<bool>()) {
            prop_assert_eq!(FileId::decode(&file.encode()).expect("own key"), file);
            let key = OriginKey { file, origin };
            prop_assert_eq!(OriginKey::decode(&key.encode()).expect("own key"), key);
            let key = AttachedKey { origin, file };
            prop_assert_eq!(AttachedKey::decode(&key.encode()).expect("own key"), key);
            let key = QueueKey { large, due: Timestamp(due), posted_at: Timestamp(posted), file };
            prop_assert_eq!(QueueKey::decode(&key.encode()).expect("own key"), key);
        }

        #[test]
        fn what_is_due_first_comes_first_and_of_that_what_is_new(a in any::<(i64, i64)>(), b in any::<(i64, i64)>()) {
            let at = |(due, posted): (i64, i64)| {
                QueueKey { large: false, due: Timestamp(due), posted_at: Timestamp(posted), file: FileId::photo(1) }.encode()
            };
            let order = a.0.cmp(&b.0).then(b.1.cmp(&a.1));
            prop_assert_eq!(at(a).cmp(&at(b)), order);
        }

        #[test]
        fn only_the_origins_of_a_file_are_under_it(a in file(), b in file(), origin in origin()) {
            prop_assert_eq!(OriginKey { file: b, origin }.encode().starts_with(&a.encode()), a == b);
        }

        #[test]
        fn only_what_was_seen_in_a_message_is_under_it(a in origin(), b in origin(), file in file()) {
            prop_assert_eq!(AttachedKey { origin: b, file }.encode().starts_with(&a.encode()), a == b);
        }

        #[test]
        fn foreign_bytes_are_refused_not_panicked_on(bytes in prop::collection::vec(prop_oneof![any::<u8>(), 0_u8..3], 0..70)) {
            if let Ok(key) = OriginKey::decode(&bytes) {
                prop_assert_eq!(key.encode(), bytes.clone());
            }
            if let Ok(key) = AttachedKey::decode(&bytes) {
                prop_assert_eq!(key.encode(), bytes.clone());
            }
            if let Ok(key) = QueueKey::decode(&bytes) {
                prop_assert_eq!(key.encode(), bytes);
            }
        }
    }
}
