//! The hash chain over the change log: a log that cannot be changed in silence.
//!
//! Every entry of the log has a link, made with SHA-256 from the link before it, from what the entry tells, and from a digest (leaf) of
//! Telegram's bytes of every form that it made true:
//!
//! ```text
//! salt = first 16 bytes of SHA-256(secret | key)
//! leaf = SHA-256(salt | key | version | raw)
//! link = SHA-256(link before | number | length | entry | leaf | leaf | ...)
//! ```
//!
//! `key` is the message's peer and id as they stand in its key on disk, then the account's name where its id is an account's own, `version` and the entry's `length` are 4 bytes, its last `number` is 8, all big-endian; `raw` are the
//! fields of [`Raw`](super::Raw) as they stand in the value, `entry` is the entry's value up to its link. The first link follows 32
//! zero bytes. Who has noted a link knows that nothing up to it has been changed since when the links can be made again.
//!
//! Leaves are salted so that a message can be erased for good: its leaf stays, and nobody can find out by trying which words it was made of,
//! because the secret of its entry goes with it; the salts of the other leaves stay in its place (docs/decisions/0019).

use rand::RngExt as _;
use sha2::{Digest as _, Sha256};

use crate::model::{MessageKey, Seq};

use super::codec::{RecordError, StoredKey as _};

const LINK_LEN: usize = 32;
const SECRET_LEN: usize = 16;
const SALT_LEN: usize = 16;

/// A link of the chain.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Link(pub(super) [u8; LINK_LEN]);

impl std::fmt::Display for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

impl Link {
    pub(super) fn of(bytes: &[u8]) -> Result<Self, RecordError> {
        bytes.try_into().map(Self).map_err(|_| RecordError::value("link of the hash chain", format!("{} bytes", bytes.len())))
    }
}

/// What the salts of an entry's leaves are derived from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Secret(pub(super) [u8; SECRET_LEN]);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

impl Secret {
    /// A new one.
    pub(super) fn random() -> Self {
        Self(rand::rng().random())
    }

    pub(super) fn of(bytes: &[u8]) -> Result<Self, RecordError> {
        bytes.try_into().map(Self).map_err(|_| RecordError::value("secret of the hash chain", format!("{} bytes", bytes.len())))
    }

    /// The digest of a form of a message: of the fields of its raw bytes as they stand in its value.
    pub(super) fn leaf(&self, key: &MessageKey, version: u32, raw: &[u8]) -> Leaf {
        self.salt(key).leaf(key, version, raw)
    }

    /// What the digests of a message's forms are salted with.
    pub(super) fn salt(&self, key: &MessageKey) -> Salt {
        let mut salt = [0; SALT_LEN];
        let salted = with_key(Sha256::new().chain_update(self.0), key).finalize();
        salt.iter_mut().zip(salted).for_each(|(byte, salted)| *byte = salted);
        Salt(salt)
    }
}

/// The digest of a form of a message.
pub(super) type Leaf = [u8; LINK_LEN];

/// What the digests of a message's forms in an entry are salted with.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Salt(pub(super) [u8; SALT_LEN]);

impl std::fmt::Debug for Salt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Salt")
    }
}

impl Salt {
    /// See [`Secret::leaf`].
    pub(super) fn leaf(&self, key: &MessageKey, version: u32, raw: &[u8]) -> Leaf {
        let leaf = with_key(Sha256::new().chain_update(self.0), key).chain_update(version.to_be_bytes());
        leaf.chain_update(raw).finalize().into()
    }
}

fn with_key(digest: Sha256, key: &MessageKey) -> Sha256 {
    let peer = digest.chain_update(key.peer().encode());
    peer.chain_update((key.id.0 ^ i32::MIN).to_be_bytes()).chain_update(key.chat.account_name())
}

/// What is left in an entry to prove one of its forms by, once the secret is gone because a message of the entry was erased.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Proof {
    /// The form is there: its salt.
    Salt(Salt),
    /// Its message was erased: the digest of what was there.
    Leaf(Leaf),
    /// Its message was erased, and the form was damaged before.
    Unknown,
}

impl Proof {
    pub(super) fn to_bytes(self) -> Vec<u8> {
        match self {
            Self::Salt(Salt(salt)) => salt.to_vec(),
            Self::Leaf(leaf) => leaf.to_vec(),
            Self::Unknown => Vec::new(),
        }
    }

    pub(super) fn of(bytes: &[u8]) -> Result<Self, RecordError> {
        if bytes.is_empty() {
            return Ok(Self::Unknown);
        }
        let salt = bytes.try_into().map(|salt| Self::Salt(Salt(salt)));
        let leaf = || bytes.try_into().map(Self::Leaf);
        salt.or_else(|_| leaf()).map_err(|_| RecordError::value("proof of the hash chain", format!("{} bytes", bytes.len())))
    }
}

/// What the forms that an entry brought are proved by, in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Proofs {
    /// All by the entry's secret.
    Secret(Secret),
    /// Each by its own, because a message of the entry was erased.
    Each(Vec<Proof>),
}

impl Proofs {
    /// Gives up the secret, so that what is erased cannot be found out by trying; `messages` are those of the forms, in their order.
    pub(super) fn give_up_secret(&mut self, messages: impl Iterator<Item = MessageKey>, change: impl FnOnce(&mut [Proof])) {
        let mut each = match self {
            Self::Secret(secret) => messages.map(|key| Proof::Salt(secret.salt(&key))).collect(),
            Self::Each(proofs) => std::mem::take(proofs),
        };
        change(&mut each);
        *self = Self::Each(each);
    }

    /// What the nth form, of this message, is proved by.
    pub(super) fn of_form(&self, nth: usize, message: &MessageKey) -> Proof {
        match self {
            Self::Secret(secret) => Proof::Salt(secret.salt(message)),
            Self::Each(proofs) => proofs.get(nth).copied().unwrap_or(Proof::Unknown),
        }
    }
}

/// Makes the link of an entry.
pub(super) struct Linking(Sha256);

impl Linking {
    /// Begins with the link before it, and with what the entry tells, up to which number.
    pub(super) fn new(before: Link, last: Seq, entry: &[u8]) -> Self {
        let length = u32::try_from(entry.len()).unwrap_or(u32::MAX);
        let head = Sha256::new().chain_update(before.0).chain_update(last.0.to_be_bytes());
        Self(head.chain_update(length.to_be_bytes()).chain_update(entry))
    }

    /// Adds the digest of a form, in the order of the entry.
    pub(super) fn add(&mut self, leaf: &Leaf) {
        self.0.update(leaf);
    }

    pub(super) fn link(self) -> Link {
        Link(self.0.finalize().into())
    }
}
