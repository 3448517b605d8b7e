//! What is done to bytes: the two ciphers of RFC 7518 that are spoken here.
//!
//! The length of a key says which it is for. So a token cannot ask for another, and no key serves two.
//!
//! A cipher says only whether it worked. It knows nothing of JWE, keys' names or JSON.

use rand::CryptoRng;
use zeroize::Zeroizing;

use self::gcm::ContentKey;

mod cbc_hs512;
mod gcm;

/// The longest key, in bytes.
pub(super) const KEY_LENGTH_MAX: usize = cbc_hs512::KEY_LENGTH;

/// What seals, and opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cipher {
    /// Clients' keys: a fresh key encrypts each text and is wrapped in this one.
    Gcm,
    /// The operator's keys, and clients' keys of earlier versions: the key itself encrypts.
    CbcHs512,
}

/// The parts that a sealed text has.
pub(super) struct Encrypted {
    /// The wrapped key; empty where the key itself encrypts.
    pub(super) wrapped_key: Vec<u8>,
    pub(super) iv: Vec<u8>,
    pub(super) ciphertext: Vec<u8>,
    pub(super) tag: Vec<u8>,
}

/// The tag, or the padding behind a good tag, is wrong; nothing more is said on purpose.
#[derive(Debug)]
pub(super) struct Unauthentic;

impl Cipher {
    /// Returns what a key of `length` bytes is for.
    pub(super) fn of_length(length: usize) -> Option<Self> {
        [Self::Gcm, Self::CbcHs512].into_iter().find(|cipher| cipher.key_length() == length)
    }

    /// Returns which one a header names.
    pub(super) fn named(alg: &str, enc: &str) -> Option<Self> {
        [Self::Gcm, Self::CbcHs512].into_iter().find(|cipher| cipher.alg() == alg && cipher.enc() == enc)
    }

    /// Returns its `alg`: what is done with the key.
    pub(super) fn alg(self) -> &'static str {
        match self {
            Self::Gcm => "A256KW",
            Self::CbcHs512 => "dir",
        }
    }

    /// Returns its `enc`: what is done with the text.
    pub(super) fn enc(self) -> &'static str {
        match self {
            Self::Gcm => "A256GCM",
            Self::CbcHs512 => "A256CBC-HS512",
        }
    }

    /// Returns how many bytes a key has.
    pub(super) fn key_length(self) -> usize {
        match self {
            Self::Gcm => gcm::KEY_LENGTH,
            Self::CbcHs512 => cbc_hs512::KEY_LENGTH,
        }
    }

    /// Encrypts and authenticates, and authenticates `aad`, with what must be fresh and unpredictable from `random`.
    ///
    /// # Panics
    /// If `key` is not as long as this one's keys are.
    pub(super) fn encrypt(self, key: &[u8], aad: &[u8], mut text: Vec<u8>, random: &mut impl CryptoRng) -> Encrypted {
        match self {
            Self::Gcm => {
                let (content_key, iv) = ContentKey::generate(random);
                let wrapped_key = content_key.wrap(of_length(key)).to_vec();
                let tag = content_key.encrypt(iv, aad, &mut text);
                Encrypted { wrapped_key, iv: iv.to_vec(), ciphertext: text, tag: tag.to_vec() }
            }
            Self::CbcHs512 => {
                // It may be a session, and what it is encrypted into is another buffer.
                let text = Zeroizing::new(text);
                let mut iv = [0; cbc_hs512::IV_LENGTH];
                random.fill_bytes(&mut iv);
                let (ciphertext, tag) = cbc_hs512::encrypt(of_length(key), &iv, aad, &text);
                Encrypted { wrapped_key: Vec::new(), iv: iv.to_vec(), ciphertext, tag: tag.to_vec() }
            }
        }
    }

    /// Verifies in constant time, and decrypts. What is wrong takes as long as what is right.
    ///
    /// # Panics
    /// If `key` is not as long as this one's keys are, or the parts do not [fit](Self::fits).
    pub(super) fn decrypt(self, key: &[u8], aad: &[u8], sealed: Encrypted) -> Result<Vec<u8>, Unauthentic> {
        let Encrypted { wrapped_key, iv, ciphertext, tag } = sealed;
        match self {
            Self::Gcm => {
                let (content_key, unwrapped) = ContentKey::unwrap(of_length(key), of_length(&wrapped_key));
                let text = content_key.decrypt(*of_length(&iv), aad, ciphertext, *of_length(&tag));
                unwrapped.and(text)
            }
            Self::CbcHs512 => cbc_hs512::decrypt(of_length(key), of_length(&iv), aad, ciphertext, of_length(&tag)),
        }
    }

    /// Whether the parts have lengths that it makes.
    pub(super) fn fits(self, parts: &Encrypted) -> bool {
        let Encrypted { wrapped_key, iv, ciphertext, tag } = parts;
        let lengths = (wrapped_key.len(), iv.len(), tag.len());
        match self {
            Self::Gcm => lengths == (gcm::WRAPPED_LENGTH, gcm::IV_LENGTH, gcm::TAG_LENGTH),
            Self::CbcHs512 => {
                let is_padded = !ciphertext.is_empty() && ciphertext.len() % cbc_hs512::IV_LENGTH == 0;
                is_padded && lengths == (0, cbc_hs512::IV_LENGTH, cbc_hs512::TAG_LENGTH)
            }
        }
    }
}

fn of_length<const N: usize>(bytes: &[u8]) -> &[u8; N] {
    bytes.try_into().expect("a cipher is only given what is as long as its own")
}
