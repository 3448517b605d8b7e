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
//! because the secret of its entry goes with it; the salts of the other leaves stay in its place. Nothing erases yet: an entry has no fields
//! for such leaves and salts so far.

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
    pub(super) fn leaf(&self, key: &MessageKey, version: u32, raw: &[u8]) -> [u8; LINK_LEN] {
        let key = |digest: Sha256| {
            let peer = digest.chain_update(key.peer().encode());
            peer.chain_update((key.id.0 ^ i32::MIN).to_be_bytes()).chain_update(key.chat.account_name())
        };
        let salted = key(Sha256::new().chain_update(self.0)).finalize();
        let (salt, _) = salted.split_at(SALT_LEN);
        let leaf = key(Sha256::new().chain_update(salt)).chain_update(version.to_be_bytes());
        leaf.chain_update(raw).finalize().into()
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
    pub(super) fn add(&mut self, leaf: &[u8; LINK_LEN]) {
        self.0.update(leaf);
    }

    pub(super) fn link(self) -> Link {
        Link(self.0.finalize().into())
    }
}
