//! Encryption of packets: MTProto 2.0's, in the server's role.
//!
//! grammers-crypto's own functions are fixed to the client's role, so only its AES-IGE is used here.
//! See <https://core.telegram.org/mtproto/description>.

use grammers_crypto::aes;
use rand::Rng;
use sha1::Sha1;
use sha2::{Digest, Sha256};

/// An authorisation key with the id that names it on the wire.
#[derive(Clone)]
pub(crate) struct AuthKey {
    bytes: [u8; 256],
    id: [u8; 8],
}

/// Where the key material starts: the protocol's `x`, by direction.
const FROM_CLIENT: usize = 0;
const FROM_SERVER: usize = 8;

impl AuthKey {
    pub(crate) fn new(bytes: [u8; 256]) -> Self {
        let digest = Sha1::digest(bytes);
        let mut id = [0; 8];
        id.copy_from_slice(&digest[12..20]);
        Self { bytes, id }
    }

    /// The key that account and data centre share, derived from the world's seed.
    pub(crate) fn derive(seed: u64, user_id: i64, dc: i32) -> Self {
        let mut bytes = [0; 256];
        for (block, chunk) in bytes.chunks_mut(32).enumerate() {
            let digest = Sha256::new()
                .chain_update(b"telescribe simulator authorisation key")
                .chain_update(seed.to_le_bytes())
                .chain_update(user_id.to_le_bytes())
                .chain_update(dc.to_le_bytes())
                .chain_update([block as u8])
                .finalize();
            chunk.copy_from_slice(&digest);
        }
        Self::new(bytes)
    }

    pub(crate) fn bytes(&self) -> &[u8; 256] {
        &self.bytes
    }

    pub(crate) fn id(&self) -> [u8; 8] {
        self.id
    }

    fn derive_cipher(&self, message_key: &[u8], x: usize) -> ([u8; 32], [u8; 32]) {
        let a = Sha256::new().chain_update(message_key).chain_update(&self.bytes[x..x + 36]).finalize();
        let b = Sha256::new().chain_update(&self.bytes[40 + x..76 + x]).chain_update(message_key).finalize();
        let (mut key, mut iv) = ([0; 32], [0; 32]);
        key[..8].copy_from_slice(&a[..8]);
        key[8..24].copy_from_slice(&b[8..24]);
        key[24..].copy_from_slice(&a[24..32]);
        iv[..8].copy_from_slice(&b[..8]);
        iv[8..24].copy_from_slice(&a[8..24]);
        iv[24..].copy_from_slice(&b[24..32]);
        (key, iv)
    }

    fn message_key(&self, plain: &[u8], x: usize) -> [u8; 16] {
        let large = Sha256::new().chain_update(&self.bytes[88 + x..120 + x]).chain_update(plain).finalize();
        let mut key = [0; 16];
        key.copy_from_slice(&large[8..24]);
        key
    }

    /// Opens a client's packet in place and returns its plaintext, or nothing if it was not sealed with this key.
    pub(crate) fn open<'p>(&self, packet: &'p mut [u8]) -> Option<&'p [u8]> {
        self.open_from(packet, FROM_CLIENT)
    }

    fn open_from<'p>(&self, packet: &'p mut [u8], x: usize) -> Option<&'p [u8]> {
        let (head, body) = packet.split_at_mut_checked(24)?;
        if body.len() < 32 || !body.len().is_multiple_of(16) {
            return None;
        }
        let message_key = head.get(8..24)?;
        let (key, iv) = self.derive_cipher(message_key, x);
        aes::ige_decrypt(body, &key, &iv);
        (self.message_key(body, x) == message_key).then_some(body)
    }

    /// Seals a plaintext for a client.
    pub(crate) fn seal(&self, plain: Vec<u8>) -> Vec<u8> {
        self.seal_from(plain, FROM_SERVER)
    }

    fn seal_from(&self, mut plain: Vec<u8>, x: usize) -> Vec<u8> {
        // 12 to 1024 bytes of padding up to a multiple of 16, as the protocol wants it.
        let padding = 12 + (16 - (plain.len() + 12) % 16) % 16;
        let mut random = [0; 32];
        rand::rng().fill_bytes(&mut random);
        plain.extend(&random[..padding]);
        let message_key = self.message_key(&plain, x);
        let (key, iv) = self.derive_cipher(&message_key, x);
        aes::ige_encrypt(&mut plain, &key, &iv);
        let mut packet = Vec::with_capacity(plain.len() + 24);
        packet.extend(self.id);
        packet.extend(message_key);
        packet.extend(plain);
        packet
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_seals_the_server_opens_and_nobody_else() {
        let key = AuthKey::derive(1, 2, 3);
        let other = AuthKey::derive(1, 2, 4);
        for length in [32, 44, 48, 1000, 4096] {
            let plain = vec![9; length];
            let packet = key.seal_from(plain.clone(), FROM_CLIENT);
            assert_eq!(&key.open(&mut packet.clone()).unwrap()[..length], &plain);
            assert!(other.open(&mut packet.clone()).is_none());
            let mut changed = packet.clone();
            changed[40] ^= 1;
            assert!(key.open(&mut changed).is_none());
        }
    }
}
