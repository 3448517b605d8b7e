//! Fingerprints: what tells one content from another without holding it.

use sha2::{Digest as _, Sha256};

/// Returns the first 128 bits of SHA-256 over a domain, a zero byte and the bytes, in hexadecimal digits. The domain separates uses:
/// the same bytes have another fingerprint elsewhere. What somebody could guess is not hidden by it.
pub fn fingerprint(domain: &str, bytes: &[u8]) -> String {
    let digest = Sha256::new().chain_update(domain).chain_update([0]).chain_update(bytes).finalize();
    digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_that_of_these_bytes_in_this_domain() {
        // printf 'a domain\0bytes' | sha256sum
        let of = |domain, bytes: &str| fingerprint(domain, bytes.as_bytes());
        assert_eq!(of("a domain", "bytes"), "6c57c2c5d9d211295d077d25a934897a");
        assert_ne!(of("another", "bytes"), of("a domain", "bytes"));
        assert_ne!(of("a domain", "byte"), of("a domain", "bytes"));
    }
}
