//! The cipher agrees with RFC 7518 and refuses what was changed.

use super::*;

/// RFC 7518 appendix B.3, as printed there.
const RFC_IV: &str = "1af38c2dc2b96ffdd86694092341bc04";
const RFC_PLAINTEXT: &[u8] = b"A cipher system must not be required to be secret, and it must be able to fall into the hands of \
    the enemy without inconvenience";
const RFC_AAD: &[u8] = b"The second principle of Auguste Kerckhoffs";
const RFC_CIPHERTEXT: &str = "4affaaadb78c31c5da4b1b590d10ffbd3dd8d5d302423526912da037ecbcc7bd\
    822c301dd67c373bccb584ad3e9279c2e6d12a1374b77f077553df829410446b\
    36ebd97066296ae6427ea75c2e0846a11a09ccf5370dc80bfecbad28c73f09b3\
    a3b75e662a2594410ae496b2e2e6609e31e6e02cc837f053d21f37ff4f51950b\
    be2638d09dd7a4930930806d0703b1f6";
const RFC_TAG: &str = "4dd3b4c088a7f45c216839645b2012bf2e6269a8c56a816dbc1b267761955bc5";

fn rfc_key() -> [u8; KEY_LENGTH] {
    std::array::from_fn(|index| index as u8)
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|start| u8::from_str_radix(&text[start..start + 2], 16).unwrap()).collect()
}

#[test]
fn the_rfc_example_is_matched_byte_for_byte_both_ways() {
    let iv: [u8; IV_LENGTH] = hex(RFC_IV).try_into().unwrap();
    let (ciphertext, tag) = encrypt(&rfc_key(), &iv, RFC_AAD, RFC_PLAINTEXT);
    assert_eq!(ciphertext, hex(RFC_CIPHERTEXT));
    assert_eq!(tag.to_vec(), hex(RFC_TAG));
    assert_eq!(decrypt(&rfc_key(), &iv, RFC_AAD, ciphertext, &tag).unwrap(), RFC_PLAINTEXT);
}

#[test]
fn nothing_opens_once_one_bit_anywhere_is_turned() {
    let (key, iv) = (rfc_key(), [7; IV_LENGTH]);
    let plaintext = b"thirty-one bytes of plain text.";
    let (ciphertext, tag) = encrypt(&key, &iv, b"header", plaintext);
    assert!(decrypt(&key, &iv, b"header", ciphertext.clone(), &tag).is_ok());
    let turned = |bytes: &[u8], bit: usize| {
        let mut bytes = bytes.to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        bytes
    };
    // The tag is the first half's affair; a bit of the second half is found by what is read, or by its padding.
    for bit in 0..KEY_LENGTH * 8 {
        let key = turned(&key, bit).try_into().unwrap();
        let opened = decrypt(&key, &iv, b"header", ciphertext.clone(), &tag);
        assert!(bit >= 256 || opened.is_err(), "key bit {bit}");
        assert!(opened.is_err() || opened.unwrap() != plaintext, "key bit {bit}");
    }
    for bit in 0..IV_LENGTH * 8 {
        let iv = turned(&iv, bit).try_into().unwrap();
        assert!(decrypt(&key, &iv, b"header", ciphertext.clone(), &tag).is_err(), "iv bit {bit}");
    }
    for bit in 0..b"header".len() * 8 {
        assert!(decrypt(&key, &iv, &turned(b"header", bit), ciphertext.clone(), &tag).is_err(), "header bit {bit}");
    }
    for bit in 0..ciphertext.len() * 8 {
        assert!(decrypt(&key, &iv, b"header", turned(&ciphertext, bit), &tag).is_err(), "ciphertext bit {bit}");
    }
    for bit in 0..TAG_LENGTH * 8 {
        let tag = turned(&tag, bit).try_into().unwrap();
        assert!(decrypt(&key, &iv, b"header", ciphertext.clone(), &tag).is_err(), "tag bit {bit}");
    }
}

#[test]
fn wrong_padding_behind_a_good_tag_is_the_same_failure() {
    let (key, iv) = (rfc_key(), [7; IV_LENGTH]);
    let ciphertext = vec![0; 32];
    let mac = authenticate(&key, &iv, b"", &ciphertext).finalize().into_bytes();
    let tag = mac[..TAG_LENGTH].try_into().unwrap();
    assert!(decrypt(&key, &iv, b"", ciphertext, &tag).is_err());
}

#[test]
fn bytes_move_between_header_and_ciphertext_nowhere() {
    let (key, iv) = (rfc_key(), [7; IV_LENGTH]);
    let (ciphertext, tag) = encrypt(&key, &iv, b"0123456789abcdef", &[1; 40]);
    let moved = [b"0123456789abcdef".as_slice(), &iv, &ciphertext[..16]].concat();
    let iv = ciphertext[..16].try_into().unwrap();
    assert!(decrypt(&key, &iv, &moved, ciphertext[16..].to_vec(), &tag).is_err());
}
