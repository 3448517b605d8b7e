//! The one form of a token that is understood.

use std::time::{Duration, UNIX_EPOCH};

use chrono::DateTime;
use proptest::prelude::*;
use rand::SeedableRng;
use rand::rngs::StdRng;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

use super::*;
use crate::seal::key::Secret;

/// Two clients' keys as they are made, and two of an earlier version.
fn keys() -> Vec<Arc<Key>> {
    let mut random = StdRng::seed_from_u64(3);
    let made = |(name, cipher): (&str, Cipher)| {
        let secret = Secret::generate(cipher, &mut random);
        Arc::new(Key::new(name.parse().unwrap(), name.parse().unwrap(), DateTime::UNIX_EPOCH, secret))
    };
    let (gcm, cbc) = (Cipher::Gcm, Cipher::CbcHs512);
    [("analyst", gcm), ("desk", gcm), ("old-analyst", cbc), ("old-desk", cbc)].into_iter().map(made).collect()
}

/// One of each kind.
fn of_each_kind() -> [Arc<Key>; 2] {
    let keys = keys();
    [Arc::clone(&keys[0]), Arc::clone(&keys[2])]
}

fn sealed(plaintext: &[u8], key: &Key) -> String {
    seal(plaintext, key, Purpose::Request, &mut StdRng::seed_from_u64(5))
}

fn refusal(token: &str) -> Option<RefusalReason> {
    open(token, &keys(), Purpose::Request).err().map(|refused| refused.reason())
}

/// Seals under any header, as somebody with the key could.
fn sealed_under(header: &str, key: &Key) -> String {
    let header = URL_SAFE_NO_PAD.encode(header);
    let mut random = StdRng::seed_from_u64(9);
    let Encrypted { wrapped_key, iv, ciphertext, tag } =
        key.cipher().encrypt(key.secret(), header.as_bytes(), b"{}".to_vec(), &mut random);
    let [wrapped_key, iv, ciphertext, tag] = [wrapped_key, iv, ciphertext, tag].map(|part| URL_SAFE_NO_PAD.encode(part));
    format!("{header}.{wrapped_key}.{iv}.{ciphertext}.{tag}")
}

fn good_header(key: &Key) -> String {
    let (kid, alg, enc) = (key.id(), key.cipher().alg(), key.cipher().enc());
    format!(r#"{{"alg":"{alg}","enc":"{enc}","kid":"{kid}","typ":"telescribe-req+jwe","cty":"application/json"}}"#)
}

#[test]
fn a_token_opens_under_its_key_and_says_whose_it_is() {
    for key in keys() {
        let opened = open(&sealed(b"{\"q\":1}", &key), &keys(), Purpose::Request).unwrap();
        assert_eq!(opened.plaintext, b"{\"q\":1}");
        assert_eq!(opened.key.id(), key.id());
        assert!(!format!("{opened:?}").contains('{'));
    }
}

#[test]
fn the_header_has_five_members_and_no_more() {
    for (key, alg, enc) in
        of_each_kind().iter().zip(["A256KW", "dir"]).zip(["A256GCM", "A256CBC-HS512"]).map(|((k, a), e)| (k, a, e))
    {
        let token = sealed(b"{}", key);
        let header = URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap();
        let kid = key.id();
        let expected =
            format!(r#"{{"alg":"{alg}","enc":"{enc}","kid":"{kid}","typ":"telescribe-req+jwe","cty":"application/json"}}"#);
        assert_eq!(std::str::from_utf8(&header).unwrap(), expected);
    }
}

#[test]
fn two_tokens_of_one_plaintext_share_only_their_header() {
    for key in of_each_kind() {
        let mut random = StdRng::seed_from_u64(5);
        let [one, other] = std::array::from_fn(|_| seal(b"{}", &key, Purpose::Request, &mut random));
        for (part, (one, other)) in one.split('.').zip(other.split('.')).enumerate().skip(1) {
            assert!(one != other || (part == 1 && one.is_empty()), "part {part} of {one} and {other}");
        }
    }
}

#[test]
fn every_change_of_one_byte_is_refused() {
    for key in of_each_kind() {
        let token = sealed(b"{\"iat\":1}", &key);
        for position in 0..token.len() {
            for byte in 0..128 {
                let mut changed = token.clone().into_bytes();
                if changed[position] == byte {
                    continue;
                }
                changed[position] = byte;
                let changed = String::from_utf8(changed).unwrap();
                assert!(refusal(&changed).is_some(), "byte {position} as {byte} opened");
            }
        }
    }
}

#[test]
fn every_truncation_insertion_and_extension_is_refused() {
    for key in of_each_kind() {
        let token = sealed(b"{\"iat\":1}", &key);
        for position in 0..token.len() {
            assert!(refusal(&token[..position]).is_some(), "the first {position} opened");
            assert!(refusal(&token[position + 1..]).is_some(), "all from {position} opened");
            let without = format!("{}{}", &token[..position], &token[position + 1..]);
            assert!(refusal(&without).is_some(), "without {position} opened");
        }
        for position in 0..=token.len() {
            for more in ["A", "_", "=", ".", " ", "\n", "\0", "é", "AAAA"] {
                let with = format!("{}{more}{}", &token[..position], &token[position..]);
                assert!(refusal(&with).is_some(), "{more:?} at {position} opened");
            }
        }
    }
}

#[test]
fn headers_that_ask_for_anything_else_are_refused_even_when_authentic() {
    for key in of_each_kind() {
        let (good, kid) = (good_header(&key), key.id());
        let (alg, enc) = (key.cipher().alg(), key.cipher().enc());
        assert_eq!(refusal(&sealed_under(&good, &key)), None);
        assert_eq!(refusal(&sealed_under(&good.replace(',', " ,\n"), &key)), None, "spaces are the sender's business");
        let with = |member: &str| good.replace('}', &format!(",{member}}}"));
        for header in [
            with(r#""zip":"DEF""#),
            with(r#""crit":["exp"]"#),
            with(r#""crit":[]"#),
            with(&format!(r#""alg":"{alg}""#)),
            with(r#""kid":"other""#),
            with(r#""typ":"telescribe-req+jwe""#),
            with(r#""epk":{}"#),
            with(r#""p2c":100000000"#),
            with(r#""jku":"https://example.org/""#),
            with(r#""":1"#),
            good.replace(enc, "A128CBC-HS256"),
            good.replace(enc, "A128GCM"),
            good.replace(enc, "none"),
            // Each of the two is one that is spoken here, and they do not belong together.
            good.replace(enc, if enc == "A256GCM" { "A256CBC-HS512" } else { "A256GCM" }),
            good.replace(alg, if alg == "dir" { "A256KW" } else { "dir" }),
            good.replace(alg, "A256GCMKW"),
            good.replace(alg, "none"),
            good.replace(alg, &alg.to_ascii_uppercase().replace("A256KW", "a256kw")),
            good.replace("-req+", "-res+"),
            good.replace("telescribe-req+jwe", "JWT"),
            good.replace("telescribe-req+jwe", "application/telescribe-req+jwe"),
            good.replace("application/json", "JWT"),
            good.replace(r#","cty":"application/json""#, ""),
            good.replace(r#","typ":"telescribe-req+jwe""#, ""),
            good.replace(&format!(r#""enc":"{enc}","#), ""),
            good.replace(&format!(r#""{kid}""#), "null"),
            good.replace(&format!(r#""{kid}""#), &format!(r#"["{kid}"]"#)),
            format!("[{good}]"),
            format!("{good} {good}"),
            format!(r#"["{alg}","{enc}","{kid}","telescribe-req+jwe","application/json"]"#),
            good.replace("application/json", &" ".repeat(HEADER_LENGTH_MAX)),
            format!("{good}{}", " ".repeat(HEADER_LENGTH_MAX)),
            String::new(),
            "{}".to_owned(),
            "\"\"".to_owned(),
        ] {
            assert_eq!(refusal(&sealed_under(&header, &key)), Some(RefusalReason::Malformed), "{header}");
        }
    }
}

/// What is sealed in the other way opens nowhere, also where somebody knows the key and takes a part of it.
#[test]
fn a_key_opens_only_what_was_sealed_in_its_own_way() {
    let [new, old] = of_each_kind();
    let with_secret = |of: &Key, secret: &[u8]| {
        let secret = Secret::of(secret).unwrap();
        Key::new(of.id().clone(), of.client().clone(), DateTime::UNIX_EPOCH, secret)
    };
    for (of, secret) in [(&old, old.secret()[..32].to_vec()), (&old, old.secret()[32..].to_vec()), (&new, new.secret().repeat(2))]
    {
        let token = sealed(b"{}", &with_secret(of, &secret));
        assert_eq!(refusal(&token), Some(RefusalReason::Authentication));
    }
}

#[test]
fn an_answer_cannot_be_sent_back_as_a_request_nor_the_reverse() {
    for key in of_each_kind() {
        for (made, wanted) in [(Purpose::Answer, Purpose::Request), (Purpose::Request, Purpose::Answer)] {
            let token = seal(b"{}", &key, made, &mut StdRng::seed_from_u64(5));
            assert!(open(&token, &keys(), made).is_ok());
            assert_eq!(open(&token, &keys(), wanted).unwrap_err().reason(), RefusalReason::Malformed);
        }
    }
}

#[test]
fn parts_of_other_lengths_are_refused() {
    for key in of_each_kind() {
        let token = sealed(b"{}", &key);
        let parts: Vec<_> = token.split('.').collect();
        let [iv, tag] = [2, 4].map(|part| URL_SAFE_NO_PAD.decode(parts[part]).unwrap());
        for (index, part) in [
            (1, "AAAA".to_owned()),
            (1, format!("{}AAAA", parts[1])),
            (2, URL_SAFE_NO_PAD.encode([9; 8])),
            (2, URL_SAFE_NO_PAD.encode([iv.as_slice(), &[0]].concat())),
            (2, String::new()),
            (4, String::new()),
            // A tag that is cut must not be compared as far as it goes.
            (4, URL_SAFE_NO_PAD.encode(&tag[..tag.len() / 2])),
            (4, URL_SAFE_NO_PAD.encode(&tag[..1])),
            (4, URL_SAFE_NO_PAD.encode([tag.as_slice(), &[0; 32]].concat())),
        ] {
            let mut parts = parts.clone();
            parts[index] = &part;
            assert_eq!(refusal(&parts.join(".")), Some(RefusalReason::Malformed), "part {index} as {part:?}");
        }
    }
    // What is padded has whole blocks.
    let token = sealed(b"{}", &of_each_kind()[1]);
    for part in [String::new(), URL_SAFE_NO_PAD.encode([9; 15])] {
        let mut parts: Vec<_> = token.split('.').collect();
        parts[3] = &part;
        assert_eq!(refusal(&parts.join(".")), Some(RefusalReason::Malformed), "{part:?}");
    }
}

#[test]
fn a_second_spelling_of_the_same_bytes_is_refused() {
    for key in of_each_kind() {
        let token = sealed(b"{}", &key);
        // 16 and 32 bytes end in a character of which only two or four bits count.
        let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let last = alphabet.iter().position(|letter| *letter == token.as_bytes()[token.len() - 1]).unwrap();
        for stray in 1..4 {
            let other = format!("{}{}", &token[..token.len() - 1], alphabet[last + stray] as char);
            assert_eq!(refusal(&other), Some(RefusalReason::Malformed));
        }
        for standard in [token.replace('-', "+"), token.replace('_', "/"), format!("{token}=")] {
            assert!(standard == token || refusal(&standard).is_some());
        }
    }
}

#[test]
fn a_token_that_is_too_long_is_not_looked_at() {
    for key in of_each_kind() {
        let token = sealed(&vec![b' '; Purpose::Request.length_max()], &key);
        assert_eq!(refusal(&token), Some(RefusalReason::Malformed));
        let token = sealed(&vec![b' '; Purpose::Request.length_max() * 3 / 4 - 300], &key);
        assert_eq!(refusal(&token), None);
    }
}

#[test]
fn the_longest_portable_plaintext_fits_where_it_must() {
    for key in of_each_kind() {
        let ciphertext_of = |length| sealed(&vec![b' '; length], &key).split('.').nth(3).unwrap().len();
        assert!(ciphertext_of(PORTABLE_PLAINTEXT_MAX) <= 65_536);
        assert!(ciphertext_of(PORTABLE_PLAINTEXT_MAX + 2) > 65_536);
    }
}

#[test]
fn the_stand_in_for_an_unknown_key_opens_nothing() {
    for cipher in [Cipher::Gcm, Cipher::CbcHs512] {
        let secret = Secret::of(&vec![0; cipher.key_length()]).unwrap();
        let key = Key::new("nobody".parse().unwrap(), "nobody".parse().unwrap(), DateTime::UNIX_EPOCH, secret);
        let token = seal(b"{}", &key, Purpose::Request, &mut StdRng::seed_from_u64(5));
        assert_eq!(refusal(&token), Some(RefusalReason::Authentication));
        assert_eq!(open(&token, &[], Purpose::Request).unwrap_err().reason(), RefusalReason::Authentication);
    }
}

/// Where a key does not unwrap, zeros stand for it: who knows a key's id knows these, too.
#[test]
fn the_stand_in_for_a_key_that_does_not_unwrap_opens_nothing() {
    let key = &keys()[0];
    let header = URL_SAFE_NO_PAD.encode(good_header(key));
    let zeros = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &[0; 32]).unwrap());
    let mut text = b"{}".to_vec();
    let iv = Nonce::assume_unique_for_key([9; 12]);
    let tag = zeros.seal_in_place_separate_tag(iv, Aad::from(header.as_bytes()), &mut text).unwrap();
    let [junk, iv, text, tag] = [&[7; 40], [9; 12].as_slice(), &text, tag.as_ref()].map(|part| URL_SAFE_NO_PAD.encode(part));
    assert_eq!(refusal(&format!("{header}.{junk}.{iv}.{text}.{tag}")), Some(RefusalReason::Authentication));
}

#[test]
fn all_refusals_look_alike() {
    let keys = keys();
    let token = sealed(b"{}", &keys[0]);
    let unknown = open(&token, &keys[1..], Purpose::Request).unwrap_err();
    let malformed = open("", &keys, Purpose::Request).unwrap_err();
    assert_eq!((unknown.reason(), malformed.reason()), (RefusalReason::Authentication, RefusalReason::Malformed));
    assert_eq!(format!("{unknown} {unknown:?}"), format!("{malformed} {malformed:?}"));
}

/// The least times of many runs in turns, which is what each work itself takes, as far as nothing else keeps the processor busy.
fn least_times<const N: usize>(works: [&dyn Fn(); N]) -> [f64; N] {
    let now = || UNIX_EPOCH.elapsed().unwrap();
    let mut least = [Duration::MAX; N];
    for _ in 0..60 {
        for (least, work) in least.iter_mut().zip(works) {
            let start = now();
            work();
            *least = now().saturating_sub(start).min(*least);
        }
    }
    least.map(|time| time.as_secs_f64())
}

#[test]
fn an_unknown_key_a_wrong_tag_and_a_good_token_take_the_same_time() {
    let keys = keys();
    for (at, key) in [(0, &keys[0]), (2, &keys[2])] {
        let good = sealed(&[b' '; 150_000], key);
        let with_another = |part: usize| {
            let mut parts: Vec<_> = good.split('.').map(str::to_owned).collect();
            let first = if parts[part].starts_with('A') { "B" } else { "A" };
            parts[part].replace_range(..1, first);
            parts.join(".")
        };
        let (wrong, not_wrapped) = (with_another(4), with_another(if at == 0 { 1 } else { 2 }));
        let others: Vec<_> = keys.iter().filter(|other| other.id() != key.id()).cloned().collect();
        let open = |token: &str, keys: &[Arc<Key>]| drop(std::hint::black_box(open(token, keys, Purpose::Request)));
        let times = || {
            let [of_good, of_unknown, of_wrong, of_other] =
                least_times([&|| open(&good, &keys), &|| open(&good, &others), &|| open(&wrong, &keys), &|| {
                    open(&not_wrapped, &keys)
                }]);
            [
                ("unknown key", of_unknown / of_good),
                ("wrong tag", of_wrong / of_good),
                ("wrong key or vector", of_other / of_good),
            ]
        };
        // Answering before the tag is computed would show as far less than one half, each time.
        let is_alike = |(_, ratio): &(&str, f64)| (0.7..1.4).contains(ratio);
        let mut tries = Vec::new();
        while tries.len() < 5 && !tries.last().is_some_and(|times: &[_; 3]| times.iter().all(is_alike)) {
            tries.push(times());
        }
        assert!(tries.last().is_some_and(|times| times.iter().all(is_alike)), "times of a good one: {tries:?}");
    }
}

proptest! {
    #[test]
    fn whatever_is_sealed_opens_to_the_same(plaintext in proptest::collection::vec(any::<u8>(), 0..300), seed: u64) {
        for key in of_each_kind() {
            let token = seal(plaintext.clone(), &key, Purpose::Answer, &mut StdRng::seed_from_u64(seed));
            prop_assert!(token.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_')));
            prop_assert_eq!(&open(&token, &keys(), Purpose::Answer).unwrap().plaintext, &plaintext);
        }
    }

    #[test]
    fn parts_of_any_length_are_refused_and_make_nothing_panic(
        wrapped in proptest::collection::vec(any::<u8>(), 0..50),
        iv in proptest::collection::vec(any::<u8>(), 0..20),
        text in proptest::collection::vec(any::<u8>(), 0..50),
        tag in proptest::collection::vec(any::<u8>(), 0..40),
        is_right in any::<[bool; 3]>(),
    ) {
        for key in of_each_kind() {
            let lengths = if key.cipher() == Cipher::Gcm { [40, 12, 16] } else { [0, 16, 32] };
            // Some have the length that they must have, so that what is behind that check is reached too.
            let mut parts = [wrapped.clone(), iv.clone(), tag.clone()];
            for ((part, length), is_right) in parts.iter_mut().zip(lengths).zip(is_right) {
                if is_right {
                    part.resize(length, 7);
                }
            }
            let [wrapped, iv, tag] = parts.map(|part| URL_SAFE_NO_PAD.encode(part));
            let (header, text) = (URL_SAFE_NO_PAD.encode(good_header(&key)), URL_SAFE_NO_PAD.encode(&text));
            let refused = refusal(&format!("{header}.{wrapped}.{iv}.{text}.{tag}"));
            prop_assert!(matches!(refused, Some(RefusalReason::Malformed | RefusalReason::Authentication)));
        }
    }

    #[test]
    fn no_text_at_all_makes_opening_panic(text in ".*", tokenish in "[A-Za-z0-9_.=-]{0,200}", header in r#"[\[{]?("(alg|enc|kid)":"?dir"?,?){0,4}[}\]]?"#) {
        prop_assert!(refusal(&text).is_some());
        prop_assert!(refusal(&tokenish).is_some());
        for key in of_each_kind() {
            prop_assert!(refusal(&sealed_under(&header, &key)).is_some());
        }
    }
}
