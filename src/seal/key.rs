//! One key and its names.
//!
//! A key's bytes are wiped when it goes, and no `Debug`, `Display` or error shows them: what is printed is its id. A key's id is
//! public: it travels in clear with every sealed message.

use std::fmt;

use chrono::{DateTime, Utc};
use rand::CryptoRng;
use zeroize::Zeroizing;

use super::cipher::Cipher;
use super::fingerprint::fingerprint;
use super::rights::Rights;
use super::server_id::ServerId;

/// The longest name of a client. It leads the key ids and is a label in logs: longer ones make both unreadable.
const CLIENT_NAME_LENGTH_MAX: usize = 32;
/// The longest id of a key: a client's name, a dash and eight digits are 41, and ids made by others (UUIDs, thumbprints) fit too.
pub(super) const KEY_ID_LENGTH_MAX: usize = 64;

/// A name or an id that cannot be one; the text says which and what would do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidName {
    /// A client's name outside `[a-z0-9-]{1,32}`.
    #[error("`{}` cannot name a client; use 1 to 32 of the letters a-z, digits and dashes", .0.escape_debug())]
    Client(String),
    /// A key's id outside `[A-Za-z0-9._-]{1,64}`.
    #[error("`{}` cannot be a key id; use 1 to 64 of letters, digits, dots, dashes and underscores", .0.escape_debug())]
    KeyId(String),
}

/// The name of a client, `[a-z0-9-]{1,32}`; one client may hold several keys, so that they rotate.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientName(String);

/// The id of a key, `kid` in a header; unique in a ring, public, `[A-Za-z0-9._-]{1,64}` (so it needs no escaping in JSON).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(String);

/// A key with what is known of it.
pub struct Key {
    id: KeyId,
    client: ClientName,
    created: DateTime<Utc>,
    server: Option<ServerId>,
    rights: Rights,
    secret: Secret,
}

/// A key's bytes, as many as its cipher wants. They are wiped when they go, and boxed, so that moving a key leaves no copy behind.
pub(super) struct Secret {
    bytes: Zeroizing<Box<[u8]>>,
    cipher: Cipher,
}

impl Key {
    /// Makes a key for `client` with an id that is its name and eight random digits. It has all rights: see [`Key::with_rights`].
    pub fn generate(client: &ClientName, now: DateTime<Utc>, random: &mut impl CryptoRng) -> Self {
        let secret = Secret::generate(Cipher::Gcm, random);
        let id = KeyId(format!("{client}-{:08x}", random.next_u32()));
        Self::new(id, client.clone(), now, secret)
    }

    pub(super) fn new(id: KeyId, client: ClientName, created: DateTime<Utc>, secret: Secret) -> Self {
        Self { id, client, created, server: None, rights: Rights::default(), secret }
    }

    /// The same for one server, as its client gets it.
    pub(super) fn with_server(self, server: Option<ServerId>) -> Self {
        Self { server, ..self }
    }

    /// The same with other rights.
    #[must_use]
    pub fn with_rights(self, rights: Rights) -> Self {
        Self { rights, ..self }
    }

    /// The same once more with other rights, for who has it only by reference.
    pub(super) fn again_with(&self, rights: Rights) -> Self {
        let Secret { bytes, cipher } = &self.secret;
        let secret = Secret { bytes: bytes.clone(), cipher: *cipher };
        let (id, client, server) = (self.id.clone(), self.client.clone(), self.server.clone());
        Self { id, client, created: self.created, server, rights, secret }
    }

    /// Returns the id that travels in clear with every message under this key.
    pub fn id(&self) -> &KeyId {
        &self.id
    }

    /// Returns who holds this key.
    pub fn client(&self) -> &ClientName {
        &self.client
    }

    /// Returns when this key was made, to the second once it went through a file.
    pub fn created(&self) -> DateTime<Utc> {
        self.created
    }

    /// Returns the server that it is for; only a client's own file says so.
    pub fn server(&self) -> Option<&ServerId> {
        self.server.as_ref()
    }

    /// Returns what its holder may do.
    pub fn rights(&self) -> &Rights {
        &self.rights
    }

    /// Returns what tells it from any other key, and from itself with a flipped bit. A key is random, so nobody finds it from this.
    pub fn fingerprint(&self) -> String {
        let about = format!("{} {} {} ", self.id, self.client, self.created.timestamp());
        let bytes = Zeroizing::new([about.as_bytes(), self.secret()].concat());
        fingerprint("telescribe client key", &bytes)
    }

    pub(super) fn secret(&self) -> &[u8] {
        self.secret.bytes()
    }

    /// Returns what it seals with.
    pub(super) fn cipher(&self) -> Cipher {
        self.secret.cipher()
    }
}

impl Secret {
    /// Makes the bytes of a key for `cipher`.
    pub(super) fn generate(cipher: Cipher, random: &mut impl CryptoRng) -> Self {
        let mut bytes = Zeroizing::new(vec![0; cipher.key_length()].into_boxed_slice());
        random.fill_bytes(&mut bytes);
        Self { bytes, cipher }
    }

    /// Returns what they are for.
    pub(super) fn cipher(&self) -> Cipher {
        self.cipher
    }

    /// Returns the bytes.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Copies the bytes of a key, if they are as many as one has.
    pub(super) fn of(bytes: &[u8]) -> Option<Self> {
        Some(Self { cipher: Cipher::of_length(bytes.len())?, bytes: Zeroizing::new(bytes.into()) })
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.id)
    }
}

impl std::str::FromStr for ClientName {
    type Err = InvalidName;

    fn from_str(name: &str) -> Result<Self, InvalidName> {
        let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if name.is_empty() || name.len() > CLIENT_NAME_LENGTH_MAX || !name.bytes().all(fits) {
            return Err(InvalidName::Client(name.to_owned()));
        }
        Ok(Self(name.to_owned()))
    }
}

impl std::str::FromStr for KeyId {
    type Err = InvalidName;

    fn from_str(id: &str) -> Result<Self, InvalidName> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        if id.is_empty() || id.len() > KEY_ID_LENGTH_MAX || !id.bytes().all(fits) {
            return Err(InvalidName::KeyId(id.to_owned()));
        }
        Ok(Self(id.to_owned()))
    }
}

impl ClientName {
    /// Returns the name that stands for the operator, where a key belongs to no client.
    pub(super) fn of_operator() -> Self {
        Self("operator".to_owned())
    }

    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl KeyId {
    /// Returns the id of a master key, from hexadecimal digits that follow from it.
    pub(super) fn of_master(digits: &str) -> Self {
        Self(format!("master-{digits}"))
    }

    /// Returns the id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ClientName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests;
