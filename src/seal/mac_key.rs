//! Messages that a shared key authenticates (HMAC-SHA256, RFC 2104), for receivers of web hooks: they are not secret, but nobody else can have made them.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// A key that authenticates messages. Nothing shows it.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct MacKey(Vec<u8>);

impl MacKey {
    /// The key itself.
    #[must_use]
    pub fn new(key: Vec<u8>) -> Self {
        Self(key)
    }

    /// The tag of a message, which is given in parts.
    #[must_use]
    pub fn tag(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(&self.0).expect("HMAC takes keys of any length");
        for part in parts {
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }
}

impl fmt::Debug for MacKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MacKey")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4231, test case 2.
    #[test]
    fn a_tag_is_that_of_the_rfc_however_the_message_is_cut() {
        let key = MacKey::new(b"Jefe".to_vec());
        let expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        for parts in [&[b"what do ya want for nothing?".as_slice()][..], &[b"what do ya ", b"", b"want for nothing?"]] {
            let tag: String = key.tag(parts).iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(tag, expected);
        }
        assert_eq!(format!("{key:?}"), "MacKey");
    }
}
