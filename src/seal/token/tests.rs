//! The one form of a token that is understood.

use std::time::{Duration, UNIX_EPOCH};

use chrono::DateTime;
use proptest::prelude::*;
use rand::SeedableRng;
use rand::rngs::StdRng;

use super::*;
use crate::seal::KeyRing;
use crate::seal::key::Secret;

fn ring() -> KeyRing {
    let (mut ring, mut random) = (KeyRing::default(), StdRng::seed_from_u64(3));
    for name in ["analyst", "desk"] {
        ring.add_new(&name.parse().unwrap(), DateTime::UNIX_EPOCH, &mut random);
    }
    ring
}

fn sealed(plaintext: &[u8], ring: &KeyRing) -> String {
    seal(plaintext, &ring.keys()[0], Purpose::Request, &mut StdRng::seed_from_u64(5))
}

fn refusal(token: &str, ring: &KeyRing) -> Option<RefusalReason> {
    open(token, ring.keys(), Purpose::Request).err().map(|refused| refused.reason())
}

/// Seals `plaintext` under any header, as somebody with the key could.
fn sealed_under(header: &str, ring: &KeyRing) -> String {
    let header = URL_SAFE_NO_PAD.encode(header);
    let (ciphertext, tag) = cipher::encrypt(ring.keys()[0].secret(), &[9; 16], header.as_bytes(), b"{}");
    let [iv, ciphertext, tag] = [&[9; 16], ciphertext.as_slice(), &tag].map(|part| URL_SAFE_NO_PAD.encode(part));
    format!("{header}..{iv}.{ciphertext}.{tag}")
}

#[test]
fn a_token_opens_under_its_key_and_says_whose_it_is() {
    let ring = ring();
    let opened = open(&sealed(b"{\"q\":1}", &ring), ring.keys(), Purpose::Request).unwrap();
    assert_eq!(opened.plaintext, b"{\"q\":1}");
    assert_eq!(opened.key.id(), ring.keys()[0].id());
    assert!(!format!("{opened:?}").contains('q'));
}

#[test]
fn the_header_has_five_members_and_no_more() {
    let ring = ring();
    let token = sealed(b"{}", &ring);
    let header = URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap();
    let kid = ring.keys()[0].id();
    let expected =
        format!(r#"{{"alg":"dir","enc":"A256CBC-HS512","kid":"{kid}","typ":"telescribe-req+jwe","cty":"application/json"}}"#);
    assert_eq!(std::str::from_utf8(&header).unwrap(), expected);
}

#[test]
fn two_tokens_of_one_plaintext_differ() {
    let ring = ring();
    let mut random = StdRng::seed_from_u64(5);
    let [one, other] = std::array::from_fn(|_| seal(b"{}", &ring.keys()[0], Purpose::Request, &mut random));
    assert_ne!(one.split('.').nth(2), other.split('.').nth(2));
    assert_ne!(one, other);
}

#[test]
fn every_change_of_one_byte_is_refused() {
    let ring = ring();
    let token = sealed(b"{\"iat\":1}", &ring);
    for position in 0..token.len() {
        for byte in 0..128 {
            let mut changed = token.clone().into_bytes();
            if changed[position] == byte {
                continue;
            }
            changed[position] = byte;
            let changed = String::from_utf8(changed).unwrap();
            assert!(refusal(&changed, &ring).is_some(), "byte {position} as {byte} opened");
        }
    }
}

#[test]
fn every_truncation_insertion_and_extension_is_refused() {
    let ring = ring();
    let token = sealed(b"{\"iat\":1}", &ring);
    for position in 0..token.len() {
        assert!(refusal(&token[..position], &ring).is_some(), "the first {position} opened");
        assert!(refusal(&token[position + 1..], &ring).is_some(), "all from {position} opened");
        let without = format!("{}{}", &token[..position], &token[position + 1..]);
        assert!(refusal(&without, &ring).is_some(), "without {position} opened");
    }
    for position in 0..=token.len() {
        for more in ["A", "_", "=", ".", " ", "\n", "\0", "é", "AAAA"] {
            let with = format!("{}{more}{}", &token[..position], &token[position..]);
            assert!(refusal(&with, &ring).is_some(), "{more:?} at {position} opened");
        }
    }
}

#[test]
fn headers_that_ask_for_anything_else_are_refused_even_when_authentic() {
    let ring = ring();
    let kid = ring.keys()[0].id();
    let good =
        format!(r#"{{"alg":"dir","enc":"A256CBC-HS512","kid":"{kid}","typ":"telescribe-req+jwe","cty":"application/json"}}"#);
    assert_eq!(refusal(&sealed_under(&good, &ring), &ring), None);
    assert_eq!(refusal(&sealed_under(&good.replace(',', " ,\n"), &ring), &ring), None, "spaces are the sender's business");
    let with = |member: &str| good.replace('}', &format!(",{member}}}"));
    for header in [
        with(r#""zip":"DEF""#),
        with(r#""crit":["exp"]"#),
        with(r#""crit":[]"#),
        with(r#""alg":"dir""#),
        with(r#""kid":"other""#),
        with(r#""typ":"telescribe-req+jwe""#),
        with(r#""epk":{}"#),
        with(r#""p2c":100000000"#),
        with(r#""jku":"https://example.org/""#),
        with(r#""":1"#),
        good.replace("A256CBC-HS512", "A128CBC-HS256"),
        good.replace("A256CBC-HS512", "A256GCM"),
        good.replace("A256CBC-HS512", "none"),
        good.replace("dir", "A256KW"),
        good.replace("dir", "none"),
        good.replace("dir", "DIR"),
        good.replace("-req+", "-res+"),
        good.replace("telescribe-req+jwe", "JWT"),
        good.replace("telescribe-req+jwe", "application/telescribe-req+jwe"),
        good.replace("application/json", "JWT"),
        good.replace(r#","cty":"application/json""#, ""),
        good.replace(r#","typ":"telescribe-req+jwe""#, ""),
        good.replace(r#""enc":"A256CBC-HS512","#, ""),
        good.replace(&format!(r#""{kid}""#), "null"),
        good.replace(&format!(r#""{kid}""#), &format!(r#"["{kid}"]"#)),
        format!("[{good}]"),
        format!("{good} {good}"),
        format!(r#"["dir","A256CBC-HS512","{kid}","telescribe-req+jwe","application/json"]"#),
        good.replace("application/json", &" ".repeat(HEADER_LENGTH_MAX)),
        format!("{good}{}", " ".repeat(HEADER_LENGTH_MAX)),
        String::new(),
        "{}".to_owned(),
        "\"\"".to_owned(),
    ] {
        assert_eq!(refusal(&sealed_under(&header, &ring), &ring), Some(RefusalReason::Malformed), "{header}");
    }
}

#[test]
fn an_answer_cannot_be_sent_back_as_a_request_nor_the_reverse() {
    let ring = ring();
    for (made, wanted) in [(Purpose::Answer, Purpose::Request), (Purpose::Request, Purpose::Answer)] {
        let token = seal(b"{}", &ring.keys()[0], made, &mut StdRng::seed_from_u64(5));
        assert!(open(&token, ring.keys(), made).is_ok());
        assert_eq!(open(&token, ring.keys(), wanted).unwrap_err().reason(), RefusalReason::Malformed);
    }
}

#[test]
fn parts_of_other_lengths_are_refused() {
    let ring = ring();
    let token = sealed(b"{}", &ring);
    let parts: Vec<_> = token.split('.').collect();
    let tag = URL_SAFE_NO_PAD.decode(parts[4]).unwrap();
    for (index, part) in [
        (1, "AAAA".to_owned()),
        (2, URL_SAFE_NO_PAD.encode([9; 12])),
        (2, URL_SAFE_NO_PAD.encode([9; 17])),
        (2, String::new()),
        (3, String::new()),
        (3, URL_SAFE_NO_PAD.encode([9; 15])),
        (4, String::new()),
        // A tag that is cut must not be compared as far as it goes.
        (4, URL_SAFE_NO_PAD.encode(&tag[..16])),
        (4, URL_SAFE_NO_PAD.encode(&tag[..1])),
        (4, URL_SAFE_NO_PAD.encode([tag.as_slice(), &[0; 32]].concat())),
    ] {
        let mut parts = parts.clone();
        parts[index] = &part;
        assert_eq!(refusal(&parts.join("."), &ring), Some(RefusalReason::Malformed), "part {index} as {part:?}");
    }
}

#[test]
fn a_second_spelling_of_the_same_bytes_is_refused() {
    let ring = ring();
    let token = sealed(b"{}", &ring);
    // 32 bytes end in a character of which only four bits count.
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let last = alphabet.iter().position(|letter| *letter == token.as_bytes()[token.len() - 1]).unwrap();
    for stray in 1..4 {
        let other = format!("{}{}", &token[..token.len() - 1], alphabet[last + stray] as char);
        assert_eq!(refusal(&other, &ring), Some(RefusalReason::Malformed));
    }
    for standard in [token.replace('-', "+"), token.replace('_', "/"), format!("{token}=")] {
        assert!(standard == token || refusal(&standard, &ring).is_some());
    }
}

#[test]
fn a_token_that_is_too_long_is_not_looked_at() {
    let ring = ring();
    let token = sealed(&vec![b' '; Purpose::Request.length_max()], &ring);
    assert_eq!(refusal(&token, &ring), Some(RefusalReason::Malformed));
    let token = sealed(&vec![b' '; Purpose::Request.length_max() * 3 / 4 - 300], &ring);
    assert_eq!(refusal(&token, &ring), None);
}

#[test]
fn the_longest_portable_plaintext_fits_where_it_must() {
    let ring = ring();
    let ciphertext_of = |length| sealed(&vec![b' '; length], &ring).split('.').nth(3).unwrap().len();
    assert_eq!(ciphertext_of(PORTABLE_PLAINTEXT_MAX), 65_536);
    assert!(ciphertext_of(PORTABLE_PLAINTEXT_MAX + 1) > 65_536);
}

#[test]
fn the_stand_in_for_an_unknown_key_opens_nothing() {
    let secret = Secret(Box::new([0; KEY_LENGTH]));
    let key = Key::new("nobody".parse().unwrap(), "nobody".parse().unwrap(), DateTime::UNIX_EPOCH, secret);
    let token = seal(b"{}", &key, Purpose::Request, &mut StdRng::seed_from_u64(5));
    assert_eq!(refusal(&token, &ring()), Some(RefusalReason::Authentication));
    assert_eq!(refusal(&token, &KeyRing::default()), Some(RefusalReason::Authentication));
}

#[test]
fn all_refusals_look_alike() {
    let ring = ring();
    let token = sealed(b"{}", &ring);
    let unknown = open(&token, &ring.keys()[1..], Purpose::Request).unwrap_err();
    let malformed = open("", ring.keys(), Purpose::Request).unwrap_err();
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
    let ring = ring();
    let good = sealed(&[b' '; 150_000], &ring);
    let mut wrong = good.clone().into_bytes();
    let last = wrong.len() - 2;
    wrong[last] = if wrong[last] == b'A' { b'B' } else { b'A' };
    let wrong = String::from_utf8(wrong).unwrap();
    let open = |token: &str, keys: &[Arc<Key>]| drop(std::hint::black_box(open(token, keys, Purpose::Request)));
    let times = || {
        let [of_good, of_unknown, of_wrong] =
            least_times([&|| open(&good, ring.keys()), &|| open(&good, &ring.keys()[1..]), &|| open(&wrong, ring.keys())]);
        [("unknown key", of_unknown / of_good), ("wrong tag", of_wrong / of_good)]
    };
    // Answering before the tag is computed would show as far less than one half, each time.
    let is_alike = |(_, ratio): &(&str, f64)| (0.7..1.4).contains(ratio);
    let mut tries = Vec::new();
    while tries.len() < 5 && !tries.last().is_some_and(|times: &[_; 2]| times.iter().all(is_alike)) {
        tries.push(times());
    }
    assert!(tries.last().is_some_and(|times| times.iter().all(is_alike)), "times of a good one: {tries:?}");
}

proptest! {
    #[test]
    fn whatever_is_sealed_opens_to_the_same(plaintext in proptest::collection::vec(any::<u8>(), 0..300), seed: u64) {
        let ring = ring();
        let token = seal(&plaintext, &ring.keys()[1], Purpose::Answer, &mut StdRng::seed_from_u64(seed));
        prop_assert!(token.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_')));
        prop_assert_eq!(open(&token, ring.keys(), Purpose::Answer).unwrap().plaintext, plaintext);
    }

    #[test]
    fn no_text_at_all_makes_opening_panic(text in ".*", tokenish in "[A-Za-z0-9_.=-]{0,200}", header in r#"[\[{]?("(alg|enc|kid)":"?dir"?,?){0,4}[}\]]?"#) {
        let ring = ring();
        prop_assert!(refusal(&text, &ring).is_some());
        prop_assert!(refusal(&tokenish, &ring).is_some());
        prop_assert!(refusal(&sealed_under(&header, &ring), &ring).is_some());
    }
}
