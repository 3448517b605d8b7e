//! The cipher agrees with RFC 3394 and RFC 7516, and refuses what was changed.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use super::*;

/// RFC 3394 section 4.6: 256 bits of key data with a 256-bit KEK.
const RFC_WRAPPED: &str = "28c9f404c4b810f4cbccb35cfb87f8263f5786e2d80ed326cbc7f0e71a99f43bfb988b9b7a02dd21";
const RFC_KEY_DATA: &str = "00112233445566778899aabbccddeeff000102030405060708090a0b0c0d0e0f";

/// RFC 7516 appendix A.1, as printed there.
const RFC_CONTENT_KEY: [u8; KEY_LENGTH] = [
    177, 161, 244, 128, 84, 143, 225, 115, 63, 180, 3, 255, 107, 154, 212, 246, 138, 7, 110, 91, 112, 46, 34, 105, 47, 130, 203,
    46, 122, 234, 64, 252,
];
const RFC_IV: [u8; IV_LENGTH] = [227, 197, 117, 252, 2, 219, 233, 68, 180, 225, 77, 219];
const RFC_PLAINTEXT: &[u8] = b"The true sign of intelligence is not knowledge but imagination.";
const RFC_AAD: &[u8] = b"eyJhbGciOiJSU0EtT0FFUCIsImVuYyI6IkEyNTZHQ00ifQ";
const RFC_CIPHERTEXT: &str = "5eym8TW_c8SuK0ltJ3rpYIzOeDQz7TALvtu6UG9oMo4vpzs9tX_EFShS8iB7j6jiSdiwkIr3ajwQzaBtQD_A";
const RFC_TAG: &str = "XFBoMYUZodetZdvTiFvSkQ"; // typos: ignore

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|start| u8::from_str_radix(&text[start..start + 2], 16).unwrap()).collect()
}

fn turned<const N: usize>(mut bytes: [u8; N], bit: usize) -> [u8; N] {
    bytes[bit / 8] ^= 1 << (bit % 8);
    bytes
}

#[test]
fn the_rfc_example_of_a_wrapped_key_is_matched_byte_for_byte_both_ways() {
    let key = std::array::from_fn(|index| index as u8);
    let content_key = ContentKey(Box::new(Zeroizing::new(hex(RFC_KEY_DATA).try_into().unwrap())));
    let wrapped = content_key.wrap(&key);
    assert_eq!(wrapped.to_vec(), hex(RFC_WRAPPED));
    let (unwrapped, is_right) = ContentKey::unwrap(&key, &wrapped);
    assert!(is_right.is_ok());
    assert_eq!(unwrapped.0, content_key.0);
}

#[test]
fn the_rfc_example_of_an_encrypted_text_is_matched_byte_for_byte_both_ways() {
    let content_key = || ContentKey(Box::new(Zeroizing::new(RFC_CONTENT_KEY)));
    let mut text = RFC_PLAINTEXT.to_vec();
    let tag = content_key().encrypt(RFC_IV, RFC_AAD, &mut text);
    assert_eq!(URL_SAFE_NO_PAD.encode(&text), RFC_CIPHERTEXT);
    assert_eq!(URL_SAFE_NO_PAD.encode(tag), RFC_TAG);
    assert_eq!(content_key().decrypt(RFC_IV, RFC_AAD, text, tag).unwrap(), RFC_PLAINTEXT);
}

#[test]
fn nothing_opens_once_one_bit_anywhere_is_turned() {
    let key = std::array::from_fn(|index| index as u8);
    let (content_key, iv) = ContentKey::generate(&mut StdRng::seed_from_u64(1));
    let wrapped = content_key.wrap(&key);
    let mut ciphertext = b"thirty-one bytes of plain text.".to_vec();
    let tag = content_key.encrypt(iv, b"header", &mut ciphertext);
    let open = |key: [u8; KEY_LENGTH], wrapped: [u8; WRAPPED_LENGTH], iv, aad: &[u8], ciphertext: &[u8], tag| {
        let (content_key, unwrapped) = ContentKey::unwrap(&key, &wrapped);
        let text = content_key.decrypt(iv, aad, ciphertext.to_vec(), tag);
        // Each of the two finds it alone.
        assert!(unwrapped.is_ok() || text.is_err());
        text
    };
    assert!(open(key, wrapped, iv, b"header", &ciphertext, tag).is_ok());
    for bit in 0..KEY_LENGTH * 8 {
        assert!(open(turned(key, bit), wrapped, iv, b"header", &ciphertext, tag).is_err(), "key bit {bit}");
    }
    for bit in 0..WRAPPED_LENGTH * 8 {
        assert!(open(key, turned(wrapped, bit), iv, b"header", &ciphertext, tag).is_err(), "wrapped key bit {bit}");
    }
    for bit in 0..IV_LENGTH * 8 {
        assert!(open(key, wrapped, turned(iv, bit), b"header", &ciphertext, tag).is_err(), "iv bit {bit}");
    }
    for bit in 0..b"header".len() * 8 {
        assert!(open(key, wrapped, iv, &turned(*b"header", bit), &ciphertext, tag).is_err(), "header bit {bit}");
    }
    for bit in 0..ciphertext.len() * 8 {
        let mut changed = ciphertext.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(open(key, wrapped, iv, b"header", &changed, tag).is_err(), "ciphertext bit {bit}");
    }
    for bit in 0..TAG_LENGTH * 8 {
        assert!(open(key, wrapped, iv, b"header", &ciphertext, turned(tag, bit)).is_err(), "tag bit {bit}");
    }
}

#[test]
fn two_texts_never_share_a_key() {
    let mut random = StdRng::seed_from_u64(1);
    let [(one, one_iv), (other, other_iv)] = std::array::from_fn(|_| ContentKey::generate(&mut random));
    assert_ne!((one.0.as_slice(), one_iv), (other.0.as_slice(), other_iv));
    assert_ne!(one.0, other.0);
    assert_ne!(one.wrap(&[1; KEY_LENGTH]), other.wrap(&[1; KEY_LENGTH]));
}
