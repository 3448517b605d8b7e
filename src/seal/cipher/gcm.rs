//! A256GCM under a fresh key for each token, which A256KW wraps (RFC 7518 sections 4.4 and 5.3, RFC 3394).
//!
//! GCM must not see one initialisation vector twice under one key, and 96 random bits are not enough for a key that is used for years. Here no key
//! is used twice, so none can repeat; and wrapping needs no vector at all.

use aes::Aes256;
use aes_kw::{AesKw, KeyInit as _};
use rand::CryptoRng;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use zeroize::Zeroizing;

use super::Unauthentic;

/// Bytes of a key, of the one that wraps and of those that are wrapped.
pub(super) const KEY_LENGTH: usize = 32;
/// Bytes of a wrapped key.
pub(super) const WRAPPED_LENGTH: usize = KEY_LENGTH + 8;
/// Bytes of an initialisation vector.
pub(super) const IV_LENGTH: usize = 12;
/// Bytes of a tag.
pub(super) const TAG_LENGTH: usize = 16;

/// A key that encrypts one text. It is wiped when it goes, and boxed, so that moving it leaves no copy behind.
pub(super) struct ContentKey(Box<Zeroizing<[u8; KEY_LENGTH]>>);

impl ContentKey {
    /// Makes a key, and an initialisation vector, in one call for randomness: it is one of the operating system.
    pub(super) fn generate(random: &mut impl CryptoRng) -> (Self, [u8; IV_LENGTH]) {
        let (mut key, mut iv) = (Box::new(Zeroizing::new([0; KEY_LENGTH])), [0; IV_LENGTH]);
        let mut bytes = Zeroizing::new([0; KEY_LENGTH + IV_LENGTH]);
        random.fill_bytes(bytes.as_mut_slice());
        key.copy_from_slice(&bytes[..KEY_LENGTH]);
        iv.copy_from_slice(&bytes[KEY_LENGTH..]);
        (Self(key), iv)
    }

    /// Wraps it in `key`.
    pub(super) fn wrap(&self, key: &[u8; KEY_LENGTH]) -> [u8; WRAPPED_LENGTH] {
        let mut wrapped = [0; WRAPPED_LENGTH];
        AesKw::<Aes256>::new(key.into()).wrap_key(self.0.as_slice(), &mut wrapped).expect("32 bytes are four of its blocks");
        wrapped
    }

    /// Unwraps one. Where it was not wrapped in `key` there is a stand-in with the error, so that what follows takes as long. It is no secret: what it opens
    /// is authentic to nobody.
    pub(super) fn unwrap(key: &[u8; KEY_LENGTH], wrapped: &[u8; WRAPPED_LENGTH]) -> (Self, Result<(), Unauthentic>) {
        let mut content_key = Box::new(Zeroizing::new([0; KEY_LENGTH]));
        let unwrapped = AesKw::<Aes256>::new(key.into()).unwrap_key(wrapped, content_key.as_mut_slice()).map(drop);
        (Self(content_key), unwrapped.map_err(|_| Unauthentic))
    }

    /// Encrypts in place, and authenticates that, `iv` and `aad`; returns the tag.
    pub(super) fn encrypt(self, iv: [u8; IV_LENGTH], aad: &[u8], text: &mut [u8]) -> [u8; TAG_LENGTH] {
        let tag = self.cipher().seal_in_place_separate_tag(Nonce::assume_unique_for_key(iv), Aad::from(aad), text);
        let mut bytes = [0; TAG_LENGTH];
        bytes.copy_from_slice(tag.expect("below 64 GiB nothing is too long for GCM").as_ref());
        bytes
    }

    /// Decrypts in place, and returns nothing of it where the tag is wrong.
    pub(super) fn decrypt(
        &self,
        iv: [u8; IV_LENGTH],
        aad: &[u8],
        mut ciphertext: Vec<u8>,
        tag: [u8; TAG_LENGTH],
    ) -> Result<Vec<u8>, Unauthentic> {
        let iv = Nonce::assume_unique_for_key(iv);
        self.cipher()
            .open_in_place_separate_tag(iv, Aad::from(aad), tag.into(), &mut ciphertext, 0..)
            .map_err(|_| Unauthentic)?;
        Ok(ciphertext)
    }

    fn cipher(&self) -> LessSafeKey {
        LessSafeKey::new(UnboundKey::new(&AES_256_GCM, self.0.as_slice()).expect("it has the length of its keys"))
    }
}

#[cfg(test)]
mod tests;
