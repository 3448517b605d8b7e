//! The two-step password, the server's side: a verifier instead of the password, and a proof instead of a transfer.
//!
//! Written from <https://core.telegram.org/api/srp>; the clients' own implementations are its oracle.

use num_bigint::BigUint;
use sha2::{Digest, Sha256, Sha512};

use crate::world::mix;

/// The generator that goes with [`PRIME`].
pub(crate) const GENERATOR: i32 = 3;

/// Telegram's safe prime of 2048 bits, which clients know and so need not test.
#[rustfmt::skip]
pub(crate) const PRIME: [u8; 256] = [
    0xc7, 0x1c, 0xae, 0xb9, 0xc6, 0xb1, 0xc9, 0x04, 0x8e, 0x6c, 0x52, 0x2f, 0x70, 0xf1, 0x3f, 0x73,
    0x98, 0x0d, 0x40, 0x23, 0x8e, 0x3e, 0x21, 0xc1, 0x49, 0x34, 0xd0, 0x37, 0x56, 0x3d, 0x93, 0x0f,
    0x48, 0x19, 0x8a, 0x0a, 0xa7, 0xc1, 0x40, 0x58, 0x22, 0x94, 0x93, 0xd2, 0x25, 0x30, 0xf4, 0xdb,
    0xfa, 0x33, 0x6f, 0x6e, 0x0a, 0xc9, 0x25, 0x13, 0x95, 0x43, 0xae, 0xd4, 0x4c, 0xce, 0x7c, 0x37,
    0x20, 0xfd, 0x51, 0xf6, 0x94, 0x58, 0x70, 0x5a, 0xc6, 0x8c, 0xd4, 0xfe, 0x6b, 0x6b, 0x13, 0xab,
    0xdc, 0x97, 0x46, 0x51, 0x29, 0x69, 0x32, 0x84, 0x54, 0xf1, 0x8f, 0xaf, 0x8c, 0x59, 0x5f, 0x64,
    0x24, 0x77, 0xfe, 0x96, 0xbb, 0x2a, 0x94, 0x1d, 0x5b, 0xcd, 0x1d, 0x4a, 0xc8, 0xcc, 0x49, 0x88,
    0x07, 0x08, 0xfa, 0x9b, 0x37, 0x8e, 0x3c, 0x4f, 0x3a, 0x90, 0x60, 0xbe, 0xe6, 0x7c, 0xf9, 0xa4,
    0xa4, 0xa6, 0x95, 0x81, 0x10, 0x51, 0x90, 0x7e, 0x16, 0x27, 0x53, 0xb5, 0x6b, 0x0f, 0x6b, 0x41,
    0x0d, 0xba, 0x74, 0xd8, 0xa8, 0x4b, 0x2a, 0x14, 0xb3, 0x14, 0x4e, 0x0e, 0xf1, 0x28, 0x47, 0x54,
    0xfd, 0x17, 0xed, 0x95, 0x0d, 0x59, 0x65, 0xb4, 0xb9, 0xdd, 0x46, 0x58, 0x2d, 0xb1, 0x17, 0x8d,
    0x16, 0x9c, 0x6b, 0xc4, 0x65, 0xb0, 0xd6, 0xff, 0x9c, 0xa3, 0x92, 0x8f, 0xef, 0x5b, 0x9a, 0xe4,
    0xe4, 0x18, 0xfc, 0x15, 0xe8, 0x3e, 0xbe, 0xa0, 0xf8, 0x7f, 0xa9, 0xff, 0x5e, 0xed, 0x70, 0x05,
    0x0d, 0xed, 0x28, 0x49, 0xf4, 0x7b, 0xf9, 0x59, 0xd9, 0x56, 0x85, 0x0c, 0xe9, 0x29, 0x85, 0x1f,
    0x0d, 0x81, 0x15, 0xf6, 0x35, 0xb1, 0x05, 0xee, 0x2e, 0x4e, 0x15, 0xd0, 0x4b, 0x24, 0x54, 0xbf,
    0x6f, 0x4f, 0xad, 0xf0, 0x34, 0xb1, 0x04, 0x03, 0x11, 0x9c, 0xd8, 0xe3, 0xb9, 0x2f, 0xcc, 0x5b,
];

/// How many rounds the password is stretched by; the name of the algorithm says so.
const ROUNDS: u32 = 100_000;
/// The block of SHA-512, to which HMAC pads its key.
const BLOCK: usize = 128;

/// What the server knows instead of a password.
pub(crate) struct Verifier {
    pub salt1: Vec<u8>,
    pub salt2: Vec<u8>,
    v: BigUint,
    /// The server's secret; derived, so that it is the same when the proof comes.
    b: BigUint,
}

impl Verifier {
    /// Derives the verifier of a password; takes a tenth of a second.
    pub(crate) fn new(password: &str, seed: u64) -> Self {
        let bytes = |label: u64, count: u64| -> Vec<u8> {
            (0..count).flat_map(|block| mix(seed ^ mix(label << 32 | block)).to_le_bytes()).collect()
        };
        let (salt1, salt2) = (bytes(1, 4), bytes(2, 2));
        let x = BigUint::from_bytes_be(&stretch(password.as_bytes(), &salt1, &salt2));
        let v = generator().modpow(&x, &prime());
        Self { salt1, salt2, v, b: BigUint::from_bytes_be(&bytes(3, 32)) }
    }

    /// `g_b`, which the client is shown.
    pub(crate) fn public_value(&self) -> Vec<u8> {
        let k = BigUint::from_bytes_be(&sha256(&[&PRIME, &padded(&generator())]));
        padded(&((k * &self.v + generator().modpow(&self.b, &prime())) % prime())).to_vec()
    }

    /// Whether the proof `m1` for the client's value `a` shows that it knows the password.
    pub(crate) fn accepts(&self, a: &[u8], m1: &[u8]) -> bool {
        let g_a = BigUint::from_bytes_be(a);
        if a.len() > 256 || g_a <= BigUint::from(1u32) || g_a >= prime() - 1u32 {
            return false;
        }
        let (g_a_bytes, g_b_bytes) = (padded(&g_a), self.public_value());
        let u = BigUint::from_bytes_be(&sha256(&[&g_a_bytes, &g_b_bytes]));
        let secret = (&g_a * self.v.modpow(&u, &prime())).modpow(&self.b, &prime());
        let key = sha256(&[&padded(&secret)]);
        let mut mixed = sha256(&[&PRIME]);
        mixed.iter_mut().zip(sha256(&[&padded(&generator())])).for_each(|(left, right)| *left ^= right);
        let expected = sha256(&[&mixed, &sha256(&[&self.salt1]), &sha256(&[&self.salt2]), &g_a_bytes, &g_b_bytes, &key]);
        expected == m1
    }
}

fn prime() -> BigUint {
    BigUint::from_bytes_be(&PRIME)
}

fn generator() -> BigUint {
    BigUint::from(GENERATOR.unsigned_abs())
}

/// A number as 256 bytes, most significant first.
fn padded(number: &BigUint) -> [u8; 256] {
    let bytes = number.to_bytes_be();
    let mut padded = [0; 256];
    let tail = 256usize.saturating_sub(bytes.len());
    padded.iter_mut().skip(tail).zip(bytes).for_each(|(to, from)| *to = from);
    padded
}

fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    parts.iter().for_each(|part| hasher.update(part));
    hasher.finalize().into()
}

/// The documentation's `PH2`.
fn stretch(password: &[u8], salt1: &[u8], salt2: &[u8]) -> [u8; 32] {
    let salted = |data: &[u8], salt: &[u8]| sha256(&[salt, data, salt]);
    let first = salted(&salted(password, salt1), salt2);
    salted(&pbkdf2(&first, salt1), salt2)
}

/// PBKDF2 with HMAC-SHA-512 and one block of output.
fn pbkdf2(password: &[u8; 32], salt: &[u8]) -> [u8; 64] {
    let pad = |with: u8| -> [u8; BLOCK] {
        let mut block = [with; BLOCK];
        block.iter_mut().zip(password).for_each(|(to, byte)| *to ^= byte);
        block
    };
    let (inner, outer) = (Sha512::new().chain_update(pad(0x36)), Sha512::new().chain_update(pad(0x5c)));
    let hmac = |parts: &[&[u8]]| -> [u8; 64] {
        let mut hasher = inner.clone();
        parts.iter().for_each(|part| hasher.update(part));
        outer.clone().chain_update(hasher.finalize()).finalize().into()
    };
    let mut round = hmac(&[salt, &1u32.to_be_bytes()]);
    let mut sum = round;
    for _ in 1..ROUNDS {
        round = hmac(&[&round]);
        sum.iter_mut().zip(round).for_each(|(to, byte)| *to ^= byte);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use grammers_crypto::two_factor_auth::calculate_2fa;

    #[test]
    fn the_proof_of_a_real_client_is_accepted_for_the_right_password_only() {
        let verifier = Verifier::new("correct horse", 7);
        for (password, accepted) in [("correct horse", true), ("battery staple", false)] {
            let g_b = verifier.public_value();
            let (m1, g_a) = calculate_2fa(&verifier.salt1, &verifier.salt2, &PRIME, &GENERATOR, g_b, vec![0x5a; 256], password);
            assert_eq!(verifier.accepts(&g_a, &m1), accepted);
        }
        assert!(!verifier.accepts(&[0; 256], &[0; 32]));
        assert!(!verifier.accepts(&PRIME, &[0; 32]));
    }
}
