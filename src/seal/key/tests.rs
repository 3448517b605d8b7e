//! What a key shows of itself.

use rand::SeedableRng;
use rand::rngs::StdRng;

use super::*;

#[test]
fn what_is_printed_of_a_key_is_its_id() {
    let key = Key::generate(&"analyst".parse().unwrap(), DateTime::UNIX_EPOCH, &mut StdRng::seed_from_u64(1));
    let digits = key.id().as_str().strip_prefix("analyst-").unwrap();
    assert!(digits.len() == 8 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
    assert_eq!(format!("{key:?}"), format!("Key({})", key.id()));
}

#[test]
fn two_keys_share_nothing() {
    let mut random = StdRng::seed_from_u64(1);
    let client = "analyst".parse().unwrap();
    let [one, other] = std::array::from_fn(|_| Key::generate(&client, DateTime::UNIX_EPOCH, &mut random));
    assert_ne!(one.id(), other.id());
    assert_ne!(one.secret(), other.secret());
    assert_ne!(one.secret()[..16], one.secret()[16..]);
}

#[test]
fn names_that_would_need_escaping_somewhere_are_refused() {
    for good in ["a", "0", "desk-2", &"a".repeat(32)] {
        assert_eq!(good.parse::<ClientName>().unwrap().as_str(), good);
    }
    for bad in ["", "A", "a b", "a\n", "ä", "a/b", "a.b", "a\"", &"a".repeat(33)] {
        assert!(bad.parse::<ClientName>().is_err(), "{bad:?}");
    }
    for good in ["analyst-7f3a9c21", "0f8d.A_z", &"a".repeat(64)] {
        assert_eq!(good.parse::<KeyId>().unwrap().as_str(), good);
    }
    for bad in ["", "a b", "a\"", "a\\", "é", &"a".repeat(65)] {
        assert!(bad.parse::<KeyId>().is_err(), "{bad:?}");
    }
}

#[test]
fn the_error_shows_what_was_given_on_one_line() {
    let error = "a\nb".parse::<ClientName>().unwrap_err();
    assert_eq!(error.to_string(), "`a\\nb` cannot name a client; use 1 to 32 of the letters a-z, digits and dashes");
}

#[test]
fn a_longest_client_name_still_makes_a_key_id() {
    let client = "a".repeat(32).parse().unwrap();
    let key = Key::generate(&client, DateTime::UNIX_EPOCH, &mut StdRng::seed_from_u64(1));
    assert!(key.id().as_str().parse::<KeyId>().is_ok());
}
