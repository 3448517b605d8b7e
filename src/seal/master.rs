//! The master key: encryption at rest of the program's own secrets.
//!
//! It belongs to the operator, not to a client, and never leaves the machine. As text it is 64 random bytes in base64. There is no
//! passphrase: one that a person remembers would need a slow derivation and would still be the weakest part.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use chrono::DateTime;
use rand::CryptoRng;
use zeroize::Zeroizing;

use super::cipher::Cipher;
use super::fingerprint::fingerprint;
use super::key::{ClientName, Key, KeyId, Secret};
use super::token::{self, Purpose, Refused};

/// The domain separation of ids: hashed before a key, so that the id is no hash of anything that is used elsewhere.
const ID_DOMAIN: &str = "telescribe master key";
/// Hexadecimal digits of an id: 64 bits tell any number of an operator's keys apart.
const ID_DIGITS: usize = 16;

/// The operator's key for encryption at rest.
#[derive(Clone)]
pub struct MasterKey(Arc<Key>);

/// A text is no master key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is not a master key: 64 random bytes in base64, on one line, as `telescribe account new-key` prints them")]
pub struct InvalidMasterKey;

impl MasterKey {
    /// What sessions on disks are sealed with already.
    const CIPHER: Cipher = Cipher::CbcHs512;

    /// Makes a key.
    pub fn generate(random: &mut impl CryptoRng) -> Self {
        Self::of(Secret::generate(Self::CIPHER, random))
    }

    /// Reads a key from its text; base64 of either alphabet, with or without padding, white space around it.
    ///
    /// # Errors
    /// When it is anything else.
    pub fn read(text: &str) -> Result<Self, InvalidMasterKey> {
        let spelt = Zeroizing::new(text.trim().trim_end_matches('=').replace('+', "-").replace('/', "_"));
        let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(spelt.as_bytes()).map_err(|_| InvalidMasterKey)?);
        if bytes.len() != Self::CIPHER.key_length() || bytes.iter().all(|byte| *byte == 0) {
            return Err(InvalidMasterKey);
        }
        Secret::of(&bytes).map(Self::of).ok_or(InvalidMasterKey)
    }

    /// Returns the key as text, without a line's end; as secret as the key.
    pub fn text(&self) -> Zeroizing<String> {
        Zeroizing::new(STANDARD.encode(self.0.secret()))
    }

    /// Returns the id that travels in clear with what the key sealed; it follows from the key.
    pub fn id(&self) -> &KeyId {
        self.0.id()
    }

    /// Seals `plaintext`, which should be JSON and not empty.
    pub fn seal(&self, plaintext: &[u8], random: &mut impl CryptoRng) -> String {
        token::seal(plaintext, &self.0, Purpose::Session, random)
    }

    /// Opens what one of `keys` sealed.
    ///
    /// # Errors
    /// [`Refused`] for everything; [`sealed_by`] tells a missing key from damage.
    pub fn open(token: &str, keys: &[Self]) -> Result<Zeroizing<Vec<u8>>, Refused> {
        let keys: Vec<Arc<Key>> = keys.iter().map(|key| Arc::clone(&key.0)).collect();
        token::open(token, &keys, Purpose::Session).map(|opened| Zeroizing::new(opened.plaintext))
    }

    fn of(secret: Secret) -> Self {
        let digits: String = fingerprint(ID_DOMAIN, secret.bytes()).chars().take(ID_DIGITS).collect();
        let id = KeyId::of_master(&digits);
        Self(Arc::new(Key::new(id, ClientName::of_operator(), DateTime::UNIX_EPOCH, secret)))
    }
}

/// Returns the id of the key that a token of [`MasterKey::seal`] names; nothing says yet that it is true.
pub fn sealed_by(token: &str) -> Option<KeyId> {
    token::named_key(token, Purpose::Session)?.parse().ok()
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MasterKey({})", self.id())
    }
}

impl PartialEq for MasterKey {
    /// Ids follow from keys, so comparing them compares keys without touching them.
    fn eq(&self, other: &Self) -> bool {
        self.id() == other.id()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seal::{RefusalReason, system_random};

    #[test]
    fn a_key_comes_back_from_its_text_in_either_alphabet() {
        let key = MasterKey::generate(&mut system_random());
        let text = key.text();
        assert_eq!(text.len(), 88);
        let url_safe = text.replace('+', "-").replace('/', "_");
        for spelling in [format!("{}\n", *text), text.trim_end_matches('=').to_owned(), url_safe] {
            assert_eq!(MasterKey::read(&spelling).unwrap().id(), key.id());
        }
        let other = MasterKey::generate(&mut system_random());
        assert_ne!(other.id(), key.id());
        let zeros = STANDARD.encode([0; 64]);
        for bad in ["", "secret", &text[..80], &format!("{}AAAA", text.trim_end_matches('=')), &zeros] {
            assert_eq!(MasterKey::read(bad).unwrap_err(), InvalidMasterKey);
        }
    }

    #[test]
    fn what_is_sealed_opens_under_its_key_only_and_names_it() {
        let (key, other) = (MasterKey::generate(&mut system_random()), MasterKey::generate(&mut system_random()));
        let token = key.seal(b"{\"a\":1}", &mut system_random());
        assert_eq!(sealed_by(&token).as_ref(), Some(key.id()));
        assert_eq!(MasterKey::open(&token, &[other.clone(), key]).unwrap().as_slice(), b"{\"a\":1}");
        assert_eq!(MasterKey::open(&token, &[other]).unwrap_err().reason(), RefusalReason::Authentication);
    }

    #[test]
    fn no_debug_shows_the_key() {
        let key = MasterKey::generate(&mut system_random());
        assert_eq!(format!("{key:?}"), format!("MasterKey({})", key.id()));
    }
}
