//! A256CBC-HS512: AES-256-CBC, then HMAC-SHA-512 cut to 32 bytes (RFC 7518 sections 5.2.2 and 5.2.5).
//!
//! It verifies the tag before it decrypts.

use aes::Aes256;
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha512;

use super::Unauthentic;

/// Bytes of a key: the first half authenticates, the second half encrypts.
pub(super) const KEY_LENGTH: usize = 64;
/// Bytes of an initialisation vector: one AES block.
pub(super) const IV_LENGTH: usize = 16;
/// Bytes of a tag: the first half of an HMAC-SHA-512.
pub(super) const TAG_LENGTH: usize = 32;

/// Encrypts, and authenticates ciphertext, `iv` and `aad`. The `iv` must be fresh and unpredictable.
pub(super) fn encrypt(key: &[u8; KEY_LENGTH], iv: &[u8; IV_LENGTH], aad: &[u8], plaintext: &[u8]) -> (Vec<u8>, [u8; TAG_LENGTH]) {
    let (_, encryption_key) = halves(key);
    let ciphertext = cbc::Encryptor::<Aes256>::new(encryption_key.into(), iv.into()).encrypt_padded_vec::<Pkcs7>(plaintext);
    let mac = authenticate(key, iv, aad, &ciphertext).finalize().into_bytes();
    let mut tag = [0; TAG_LENGTH];
    tag.copy_from_slice(&mac[..TAG_LENGTH]);
    (ciphertext, tag)
}

/// Verifies the tag in constant time and only then decrypts.
///
/// Where the tag is wrong it decrypts as many zeros instead, so that the answer takes as long; the ciphertext stays untouched.
pub(super) fn decrypt(
    key: &[u8; KEY_LENGTH],
    iv: &[u8; IV_LENGTH],
    aad: &[u8],
    mut ciphertext: Vec<u8>,
    tag: &[u8; TAG_LENGTH],
) -> Result<Vec<u8>, Unauthentic> {
    let verified = authenticate(key, iv, aad, &ciphertext).verify_truncated_left(tag);
    let (_, encryption_key) = halves(key);
    let decryptor = cbc::Decryptor::<Aes256>::new(encryption_key.into(), iv.into());
    if verified.is_err() {
        ciphertext.fill(0);
        std::hint::black_box(decryptor.decrypt_padded::<Pkcs7>(&mut ciphertext).is_ok());
        return Err(Unauthentic);
    }
    let length = decryptor.decrypt_padded::<Pkcs7>(&mut ciphertext).map_err(|_| Unauthentic)?.len();
    ciphertext.truncate(length);
    Ok(ciphertext)
}

fn authenticate(key: &[u8; KEY_LENGTH], iv: &[u8; IV_LENGTH], aad: &[u8], ciphertext: &[u8]) -> Hmac<Sha512> {
    let (mac_key, _) = halves(key);
    let mac = <Hmac<Sha512> as KeyInit>::new_from_slice(mac_key).expect("HMAC takes keys of any length");
    mac.chain_update(aad).chain_update(iv).chain_update(ciphertext).chain_update((aad.len() as u64 * 8).to_be_bytes())
}

fn halves(key: &[u8; KEY_LENGTH]) -> (&[u8; 32], &[u8; 32]) {
    let (mac_key, encryption_key) = key.split_first_chunk::<32>().expect("64 is more than 32");
    (mac_key, encryption_key.first_chunk::<32>().expect("64 - 32 is 32"))
}

#[cfg(test)]
mod tests;
