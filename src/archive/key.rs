//! Order-preserving keys: their byte order is their logical order. Big-endian numbers, sign bit flipped so that negative ids sort first.

mod erasures;
mod files;
mod followers;
mod watches;
mod whose;

use arrayvec::ArrayVec;

use crate::model::{AccountName, ChatId, MessageId, MessageKey, PeerId, Seq, Timestamp};

use super::codec::{RecordError, StoredKey};

pub use erasures::ErasureNumber;
pub(super) use files::{AttachedKey, OriginKey, QueueKey};
pub(super) use followers::{DeadLetterKey, NewestChangeKey, NewestKeptKey};
pub(super) use watches::{WatchKey, WatchesRevisionKey};

const PEER_LEN: usize = 8;
const ID_LEN: usize = 4;
const ACCOUNT_LEN_MAX: usize = 32;
/// Ends an account's name in a key; less than every character of one, so that the order of names is that of bytes.
const ACCOUNT_END: u8 = 0;

const TIME_LEN: usize = 8;

/// The bytes of a key under a chat, whose length depends on an account's name.
pub(super) type KeyBytes = ArrayVec<u8, { PEER_LEN + ACCOUNT_LEN_MAX + 1 + ID_LEN + TIME_LEN }>;

/// A version of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct VersionKey {
    pub(super) message: MessageKey,
    pub(super) version: u32,
}

/// An account's membership in a peer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct MemberKey {
    pub(super) peer: PeerId,
    pub(super) account: AccountName,
}

/// A message outside channels, by the id that it has for an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct OwnKey {
    pub(super) account: AccountName,
    pub(super) id: MessageId,
}

/// A peer that an account can address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct AddressKey {
    pub(super) account: AccountName,
    pub(super) peer: PeerId,
}

impl AddressKey {
    /// What the keys of all peers of an account begin with, and no others.
    pub(super) fn under(account: AccountName) -> KeyBytes {
        account.as_str().bytes().chain([ACCOUNT_END]).collect()
    }
}

/// A username in lower case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Username(String);

impl Username {
    /// Without `@`, in any case.
    pub(super) fn new(name: &str) -> Self {
        Self(name.to_lowercase())
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Where the number of the archive's format is.
#[derive(Clone, Copy, Debug)]
pub(super) struct FormatKey;

/// Where the archive's id is.
#[derive(Clone, Copy, Debug)]
pub(super) struct ArchiveIdKey;

/// Where the archive's epochs are.
#[derive(Clone, Copy, Debug)]
pub(super) struct EpochsKey;

/// Where the number of the format is to which an upgrade is under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct UpgradeKey;

/// Where nothing is, for a write that changes nothing.
#[derive(Clone, Copy, Debug)]
pub(super) struct ProbeKey;

/// A reader's position, by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PositionKey(pub(super) String);

/// An account, by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AccountKey(pub(super) AccountName);

/// A job's last start, by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct JobKey(pub(super) String);

/// An account's walks, by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct WalkedKey(pub(super) AccountName);

/// A peer whose messages had the ids of one account until format 3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FormerOwnerKey(pub(super) PeerId);

/// Where it is kept by which rules all files were judged.
#[derive(Clone, Copy, Debug)]
pub(super) struct JudgedByKey;

/// Where the sums over all files are kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct FileTotalsKey;

/// A username that nobody has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct UnknownUsernameKey(pub(super) Username);

/// A message whose views have moved since it was indexed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RecountedKey(pub(super) MessageKey);

impl RecountedKey {
    /// What every one begins with.
    pub(super) const PREFIX: &'static str = "recounted/";
}

impl StoredKey for RecountedKey {
    type Bytes = String;

    fn encode(&self) -> Self::Bytes {
        format!("{}{}/{}", Self::PREFIX, self.0.chat, self.0.id.0)
    }

    fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let foreign = || RecordError::key("recounted message", bytes);
        let key = named(Self::PREFIX, "recounted message", bytes)?;
        let (chat, id) = key.rsplit_once('/').ok_or_else(foreign)?;
        let (chat, id) = (chat.parse().map_err(|_| foreign())?, id.parse().map_err(|_| foreign())?);
        Ok(Self(MessageKey { chat, id: MessageId(id) }))
    }
}

impl StoredKey for PeerId {
    type Bytes = [u8; PEER_LEN];

    fn encode(&self) -> Self::Bytes {
        (self.0 ^ i64::MIN).to_be_bytes()
    }

    fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let bytes = bytes.try_into().map_err(|_| RecordError::key("peer", bytes))?;
        Ok(Self(i64::from_be_bytes(bytes) ^ i64::MIN))
    }
}

impl StoredKey for ChatId {
    type Bytes = KeyBytes;

    fn encode(&self) -> Self::Bytes {
        [self.peer().encode().as_slice(), self.account_name().as_bytes()].into_iter().flatten().copied().collect()
    }

    fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let (peer, account) = bytes.split_at_checked(PEER_LEN).ok_or_else(|| RecordError::key("chat", bytes))?;
        let peer = PeerId::decode(peer)?;
        if account.is_empty() {
            return Ok(Self::from(peer));
        }
        let account = std::str::from_utf8(account).map_err(|e| RecordError::value("chat", e))?;
        let account = account.parse().map_err(|e| RecordError::value("chat", e))?;
        if peer.has_own_ids() { Ok(Self::seen_by(account, peer)) } else { Err(RecordError::key("chat", bytes)) }
    }
}

impl StoredKey for MessageKey {
    type Bytes = KeyBytes;

    fn encode(&self) -> Self::Bytes {
        let mut bytes = under_chat(self.chat);
        bytes.extend((self.id.0 ^ i32::MIN).to_be_bytes());
        bytes
    }

    fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let (chat, id) = bytes.split_last_chunk::<ID_LEN>().ok_or_else(|| RecordError::key("message", bytes))?;
        let chat = match chat {
            // Without an end the id of a channel's message, which is shorter, could be taken for a part of a name.
            [peer @ .., ACCOUNT_END] if chat.len() > PEER_LEN => ChatId::decode(peer),
            peer => PeerId::decode(peer).map(ChatId::from),
        };
        let chat = chat.map_err(|_| RecordError::key("message", bytes))?;
        let key = Self { chat, id: MessageId(i32::from_be_bytes(*id) ^ i32::MIN) };
        if key.encode().as_slice() == bytes { Ok(key) } else { Err(RecordError::key("message", bytes)) }
    }
}

/// What the keys of all messages of a chat begin with, and no others.
pub(super) fn under_chat(chat: ChatId) -> KeyBytes {
    let mut bytes = chat.encode();
    if chat.peer().has_own_ids() {
        bytes.push(ACCOUNT_END);
    }
    bytes
}

impl StoredKey for VersionKey {
    type Bytes = KeyBytes;

    fn encode(&self) -> Self::Bytes {
        let mut bytes = self.message.encode();
        bytes.extend(self.version.to_be_bytes());
        bytes
    }

    fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let foreign = || RecordError::key("version", bytes);
        let (message, version) = bytes.split_last_chunk().ok_or_else(foreign)?;
        let message = MessageKey::decode(message).map_err(|_| foreign())?;
        Ok(Self { message, version: u32::from_be_bytes(*version) })
    }
}

impl StoredKey for Seq {
    type Bytes = [u8; 8];

    fn encode(&self) -> Self::Bytes {
        self.0.to_be_bytes()
    }

    fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let bytes = bytes.try_into().map_err(|_| RecordError::key("change", bytes))?;
        Ok(Self(u64::from_be_bytes(bytes)))
    }
}

impl StoredKey for (MessageKey, Timestamp) {
    type Bytes = KeyBytes;

    fn encode(&self) -> Self::Bytes {
        let mut bytes = self.0.encode();
        bytes.extend(time(self.1));
        bytes
    }

    fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let foreign = || RecordError::key("counters", bytes);
        let (message, at) = bytes.split_last_chunk::<TIME_LEN>().ok_or_else(foreign)?;
        Ok((MessageKey::decode(message).map_err(|_| foreign())?, read_time("counters", at)?))
    }
}

impl StoredKey for (PeerId, Timestamp) {
    type Bytes = [u8; PEER_LEN + 8];

    fn encode(&self) -> Self::Bytes {
        joined(&self.0.encode(), &time(self.1))
    }

    fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let (peer, at) = bytes.split_at_checked(PEER_LEN).ok_or_else(|| RecordError::key("member count", bytes))?;
        Ok((PeerId::decode(peer)?, read_time("member count", at)?))
    }
}

impl StoredKey for MemberKey {
    type Bytes = Vec<u8>;

    fn encode(&self) -> Self::Bytes {
        [&self.peer.encode(), self.account.as_str().as_bytes()].concat()
    }

    fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let (peer, account) = bytes.split_at_checked(PEER_LEN).ok_or_else(|| RecordError::key("membership", bytes))?;
        let account = std::str::from_utf8(account).map_err(|e| RecordError::value("membership", e))?;
        let account = account.parse().map_err(|e| RecordError::value("membership", e))?;
        Ok(Self { peer: PeerId::decode(peer)?, account })
    }
}

impl StoredKey for OwnKey {
    type Bytes = KeyBytes;

    fn encode(&self) -> Self::Bytes {
        let mut bytes: KeyBytes = self.account.as_str().bytes().collect();
        bytes.push(ACCOUNT_END);
        bytes.extend((self.id.0 ^ i32::MIN).to_be_bytes());
        bytes
    }

    fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let (account, id) = bytes.split_last_chunk::<ID_LEN>().ok_or_else(|| RecordError::key("account's id", bytes))?;
        let account = account.strip_suffix(&[ACCOUNT_END]).ok_or_else(|| RecordError::key("account's id", bytes))?;
        let account = std::str::from_utf8(account).map_err(|e| RecordError::value("account's id", e))?;
        let account = account.parse().map_err(|e| RecordError::value("account's id", e))?;
        Ok(Self { account, id: MessageId(i32::from_be_bytes(*id) ^ i32::MIN) })
    }
}

impl StoredKey for AddressKey {
    type Bytes = KeyBytes;

    fn encode(&self) -> Self::Bytes {
        let mut bytes = Self::under(self.account);
        bytes.extend(self.peer.encode());
        bytes
    }

    fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let foreign = || RecordError::key("access hash", bytes);
        let (account, peer) = bytes.split_last_chunk::<PEER_LEN>().ok_or_else(foreign)?;
        let account = account.strip_suffix(&[ACCOUNT_END]).and_then(|name| std::str::from_utf8(name).ok()).ok_or_else(foreign)?;
        Ok(Self { account: account.parse().map_err(|_| foreign())?, peer: PeerId::decode(peer)? })
    }
}

impl StoredKey for Username {
    type Bytes = Vec<u8>;

    fn encode(&self) -> Self::Bytes {
        self.0.clone().into_bytes()
    }

    fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        Ok(Self(String::from_utf8_lossy(bytes).into_owned()))
    }
}

impl StoredKey for FormatKey {
    type Bytes = &'static str;

    fn encode(&self) -> Self::Bytes {
        "format"
    }

    fn decode(_: &[u8]) -> Result<Self, RecordError> {
        Ok(Self)
    }
}

impl StoredKey for ArchiveIdKey {
    type Bytes = &'static str;

    fn encode(&self) -> Self::Bytes {
        "id"
    }

    fn decode(_: &[u8]) -> Result<Self, RecordError> {
        Ok(Self)
    }
}

impl StoredKey for EpochsKey {
    type Bytes = &'static str;

    fn encode(&self) -> Self::Bytes {
        "epochs"
    }

    fn decode(_: &[u8]) -> Result<Self, RecordError> {
        Ok(Self)
    }
}

impl StoredKey for UpgradeKey {
    type Bytes = &'static str;

    fn encode(&self) -> Self::Bytes {
        "upgrade"
    }

    fn decode(_: &[u8]) -> Result<Self, RecordError> {
        Ok(Self)
    }
}

impl StoredKey for FileTotalsKey {
    type Bytes = &'static str;

    fn encode(&self) -> Self::Bytes {
        "file_totals"
    }

    fn decode(_: &[u8]) -> Result<Self, RecordError> {
        Ok(Self)
    }
}

impl StoredKey for JudgedByKey {
    type Bytes = &'static str;

    fn encode(&self) -> Self::Bytes {
        "judged_by"
    }

    fn decode(_: &[u8]) -> Result<Self, RecordError> {
        Ok(Self)
    }
}

impl StoredKey for ProbeKey {
    type Bytes = &'static str;

    fn encode(&self) -> Self::Bytes {
        "probe"
    }

    fn decode(_: &[u8]) -> Result<Self, RecordError> {
        Ok(Self)
    }
}

impl PositionKey {
    /// What every one begins with.
    pub(super) const PREFIX: &'static str = "position/";
}

impl StoredKey for PositionKey {
    type Bytes = String;

    fn encode(&self) -> Self::Bytes {
        format!("{}{}", Self::PREFIX, self.0)
    }

    fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        named(Self::PREFIX, "position", bytes).map(Self)
    }
}

impl StoredKey for AccountKey {
    type Bytes = String;

    fn encode(&self) -> Self::Bytes {
        format!("account/{}", self.0)
    }

    fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let name = named("account/", "account", bytes)?;
        name.parse().map(Self).map_err(|e| RecordError::value("account", e))
    }
}

impl StoredKey for JobKey {
    type Bytes = String;

    fn encode(&self) -> Self::Bytes {
        format!("job/{}", self.0)
    }

    fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        named("job/", "job", bytes).map(Self)
    }
}

impl StoredKey for WalkedKey {
    type Bytes = String;

    fn encode(&self) -> Self::Bytes {
        format!("walked/{}", self.0)
    }

    fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let name = named("walked/", "walked", bytes)?;
        name.parse().map(Self).map_err(|e| RecordError::value("walked", e))
    }
}

impl StoredKey for FormerOwnerKey {
    type Bytes = String;

    fn encode(&self) -> Self::Bytes {
        format!("former/{}", self.0)
    }

    fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let peer = named("former/", "former owner", bytes)?;
        peer.parse().map(Self).map_err(|e| RecordError::value("former owner", e))
    }
}

impl StoredKey for UnknownUsernameKey {
    type Bytes = String;

    fn encode(&self) -> Self::Bytes {
        format!("unknown/{}", self.0.as_str())
    }

    fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        named("unknown/", "unknown username", bytes).map(|name| Self(Username::new(&name)))
    }
}

fn joined<const A: usize, const B: usize, const AB: usize>(first: &[u8; A], second: &[u8; B]) -> [u8; AB] {
    let mut bytes = [0; AB];
    let (to_first, to_second) = bytes.split_at_mut(A);
    to_first.copy_from_slice(first);
    to_second.copy_from_slice(second);
    bytes
}

fn time(at: Timestamp) -> [u8; 8] {
    (at.0 ^ i64::MIN).to_be_bytes()
}

fn read_time(what: &'static str, bytes: &[u8]) -> Result<Timestamp, RecordError> {
    let at = bytes.try_into().map_err(|_| RecordError::key(what, bytes))?;
    Ok(Timestamp(i64::from_be_bytes(at) ^ i64::MIN))
}

fn named(prefix: &str, what: &'static str, bytes: &[u8]) -> Result<String, RecordError> {
    let name = std::str::from_utf8(bytes).ok().and_then(|key| key.strip_prefix(prefix));
    name.map(str::to_owned).ok_or_else(|| RecordError::key(what, bytes))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Few peers and similar names, so that they are next to each other.
    fn chat() -> impl Strategy<Value = ChatId> {
        let peer = prop_oneof![any::<i64>(), -3_i64..3, (-1_000_000_000_002_i64..-999_999_999_998)];
        let account = prop::option::of("[a-b0-][a-b0_-]{0,3}|[a-z]{30,32}");
        (peer, account).prop_map(|(peer, account)| ChatId::new(PeerId(peer), account.and_then(|name| name.parse().ok())))
    }

    fn key() -> impl Strategy<Value = MessageKey> {
        let id = prop_oneof![any::<i32>(), -2_i32..2];
        (chat(), id).prop_map(|(chat, id)| MessageKey { chat, id: MessageId(id) })
    }

    proptest! {
        #[test]
        fn the_order_of_keys_is_the_order_of_bytes(a in key(), b in key(), v in any::<u32>(), w in any::<u32>()) {
            prop_assert_eq!(a.cmp(&b), a.encode().cmp(&b.encode()));
            prop_assert_eq!(a.chat.cmp(&b.chat), a.chat.encode().cmp(&b.chat.encode()));
            prop_assert_eq!((a, v).cmp(&(b, w)), VersionKey { message: a, version: v }.encode().cmp(&VersionKey { message: b, version: w }.encode()));
            prop_assert_eq!(Seq(u64::from(v)).cmp(&Seq(u64::from(w))), Seq(u64::from(v)).encode().cmp(&Seq(u64::from(w)).encode()));
        }

        #[test]
        fn a_key_reads_back(a in key(), s in any::<u64>()) {
            prop_assert_eq!(MessageKey::decode(&a.encode()).expect("own key"), a);
            prop_assert_eq!(RecountedKey::decode(RecountedKey(a).encode().as_bytes()).expect("own key"), RecountedKey(a));
            prop_assert_eq!(ChatId::decode(&a.chat.encode()).expect("own key"), a.chat);
            prop_assert_eq!(VersionKey::decode(&VersionKey { message: a, version: 7 }.encode()).expect("own key").message, a);
            prop_assert_eq!(<(MessageKey, Timestamp)>::decode(&(a, Timestamp(-7)).encode()).expect("own key"), (a, Timestamp(-7)));
            prop_assert_eq!(Seq::decode(&Seq(s).encode()).expect("own key"), Seq(s));
        }

        #[test]
        fn only_the_messages_of_a_chat_are_under_it(a in key(), b in key()) {
            prop_assert_eq!(b.encode().starts_with(&under_chat(a.chat)), a.chat == b.chat);
        }

        #[test]
        fn foreign_bytes_are_refused_not_panicked_on(bytes in prop::collection::vec(prop_oneof![any::<u8>(), Just(b'a'), Just(0)], 0..60)) {
            if let Ok(key) = MessageKey::decode(&bytes) {
                prop_assert_eq!(key.encode().to_vec(), bytes.clone());
            }
            if let Ok(key) = VersionKey::decode(&bytes) {
                prop_assert_eq!(key.encode().to_vec(), bytes.clone());
            }
            if let Ok(chat) = ChatId::decode(&bytes) {
                prop_assert_eq!(chat.encode().to_vec(), bytes.clone());
            }
            prop_assert_eq!(PeerId::decode(&bytes).is_ok(), bytes.len() == 8);
        }
    }
}
