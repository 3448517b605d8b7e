//! The key file: what is written, what is refused.

use rand::SeedableRng;
use rand::rngs::StdRng;

use super::*;
use crate::model::PeerId;
use crate::seal::KeyScope;

fn random() -> StdRng {
    StdRng::seed_from_u64(7)
}

fn client(name: &str) -> ClientName {
    name.parse().unwrap()
}

fn noon() -> DateTime<Utc> {
    DateTime::from_timestamp(1_700_000_000, 0).unwrap()
}

/// A folder and, in it, a key file with this text and mode 0600.
fn file_with(text: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.json");
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    (folder, path)
}

fn key_text(kid: &str, more: &str) -> String {
    let k = "A".repeat(86);
    format!(r#"{{"kty":"oct","kid":"{kid}","client":"desk","created":"2026-01-02T03:04:05Z","k":"{k}"{more}}}"#)
}

#[test]
fn no_file_is_an_empty_ring() {
    let folder = tempfile::tempdir().unwrap();
    assert!(KeyRing::load(&folder.path().join("keys.json")).unwrap().keys().is_empty());
}

#[test]
fn what_was_saved_is_loaded_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.json");
    let mut ring = KeyRing::load(&path).unwrap();
    let mut random = random();
    for name in ["desk", "analyst", "desk"] {
        ring.add_new(&client(name), noon(), &mut random);
    }
    ring.save(&path).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left in the folder");

    let loaded = KeyRing::load(&path).unwrap();
    assert_eq!(loaded.keys().len(), 3);
    for (one, other) in ring.keys().iter().zip(loaded.keys()) {
        assert_eq!((one.id(), one.client(), one.created()), (other.id(), other.client(), other.created()));
        assert_eq!(one.secret(), other.secret());
    }
    assert_eq!(loaded.newest(&client("desk")).unwrap().id(), ring.keys()[2].id());
    assert!(loaded.newest(&client("nobody")).is_none());
}

#[test]
fn a_removed_key_is_gone_and_a_ring_can_be_saved_twice() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.json");
    let mut ring = KeyRing::default();
    let mut random = random();
    let first = ring.add_new(&client("desk"), noon(), &mut random);
    let second = ring.add_new(&client("desk"), noon(), &mut random);
    ring.save(&path).unwrap();
    assert_eq!(ring.remove(first.id()).unwrap().id(), first.id());
    assert!(ring.remove(first.id()).is_none());
    ring.save(&path).unwrap();
    let loaded = KeyRing::load(&path).unwrap();
    assert!(loaded.find(first.id()).is_none());
    assert!(loaded.find(second.id()).is_some());
}

#[test]
fn a_file_that_others_can_read_is_refused_with_the_way_out() {
    let (_folder, path) = file_with(r#"{"keys":[]}"#);
    for mode in [0o640, 0o604, 0o660, 0o644] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let error = KeyRing::load(&path).unwrap_err().to_string();
        assert!(error.contains(&format!("mode {mode:04o}")), "{error}");
        assert!(error.contains(&format!("run `chmod 600 {}`", path.display())), "{error}");
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
    assert!(KeyRing::load(&path).is_ok());
}

#[test]
fn a_file_that_somebody_else_changed_is_not_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.json");
    let (mut mine, mut theirs) = (KeyRing::load(&path).unwrap(), KeyRing::load(&path).unwrap());
    mine.add_new(&client("mine"), noon(), &mut random());
    theirs.add_new(&client("theirs"), noon(), &mut random());
    theirs.save(&path).unwrap();
    assert!(matches!(mine.save(&path), Err(KeyFileError::Changed { .. })));
    assert_eq!(KeyRing::load(&path).unwrap().keys()[0].client(), &client("theirs"));
}

#[test]
fn a_link_to_the_file_stays_a_link() {
    let (folder, path) = file_with(r#"{"keys":[]}"#);
    let link = folder.path().join("link.json");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    let mut ring = KeyRing::load(&link).unwrap();
    ring.add_new(&client("desk"), noon(), &mut random());
    ring.save(&link).unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(KeyRing::load(&path).unwrap().keys().len(), 1);
}

#[test]
fn members_of_others_are_kept() {
    let (_folder, path) =
        file_with(&format!(r#"{{"keys":[{}],"more":1}}"#, key_text("desk-1", r#","use":"enc","alg":"dir","x-note":{"n":[1]}"#)));
    let mut ring = KeyRing::load(&path).unwrap();
    ring.add_new(&client("desk"), noon(), &mut random());
    ring.save(&path).unwrap();
    let text: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    assert_eq!(text["keys"][0]["x-note"]["n"][0], 1);
    assert_eq!(text["keys"][0]["created"], "2026-01-02T03:04:05Z");
    let members: Vec<_> = text["keys"][1].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(members, ["kty", "use", "kid", "client", "created", "k"]);
}

#[test]
fn what_is_wrong_is_told_with_its_place_and_without_its_secret() {
    let long = key_text("desk-1", "").replace(&"A".repeat(86), &"B".repeat(200));
    let short = key_text("desk-1", "").replace(&"A".repeat(86), &"B".repeat(40));
    let of_now = key_text("desk-1", r#","alg":"dir""#).replace(&"A".repeat(86), &"A".repeat(43));
    let stray_bits = key_text("desk-1", "").replace(&"A".repeat(86), &format!("{}B", "B".repeat(85)));
    let one = key_text("desk-1", "");
    for (keys, expected) in [
        (format!("{one},{one}"), "key 2: there is another key `desk-1`; remove one of the two"),
        (
            long,
            "key 1: `desk-1` has a `k` other than 32 bytes (or 64, of an earlier version) in base64url without padding; make a new key",
        ),
        (
            short,
            "key 1: `desk-1` has a `k` other than 32 bytes (or 64, of an earlier version) in base64url without padding; make a new key",
        ),
        (
            stray_bits,
            "key 1: `desk-1` has a `k` other than 32 bytes (or 64, of an earlier version) in base64url without padding; make a new key",
        ),
        (one.replace("oct", "RSA"), "key 1: `desk-1` has a `kty` other than `oct`"),
        (key_text("desk-1", r#","use":"sig""#), "key 1: `desk-1` has a `use` other than `enc`"),
        (key_text("desk-1", r#","alg":"A256GCM""#), "key 1: `desk-1` has an `alg` other than `dir` and `A256CBC-HS512`"),
        (of_now, "key 1: `desk-1` has an `alg` other than `A256KW` and `A256GCM`"),
        (key_text("desk-1", r#","nbf":1"#), "key 1: `desk-1` has `nbf`, which is not heeded here"),
        (key_text("desk-1", r#","scopes":["search","sudo"]"#), "key 1: `desk-1`: `sudo` is no scope; use one of search, "),
        (key_text("desk-1", r#","scopes":"search""#), "line 1, column "),
        (key_text("desk-1", r#","peers":[]"#), "key 1: `desk-1`: `peers` has none"),
        (key_text("desk-1", r#","exp":9223372036854775807"#), "key 1: `desk-1`: `exp` is no time in seconds since 1970"),
        (key_text("desk-1", r#","exp":"2026-01-02""#), "line 1, column "),
        // Not the same as a key without these.
        (key_text("desk-1", r#","scopes":null"#), "line 1, column "),
        (key_text("desk-1", r#","peers":null"#), "line 1, column "),
        (key_text("desk-1", r#","exp":null"#), "line 1, column "),
        (one.replace(r#""desk""#, r#""Desk""#), "key 1: `desk-1`: `Desk` cannot name a client"),
        (one.replace("2026-01-02", "2026-13-02"), "key 1: `desk-1` has a `created` that is no RFC 3339"),
        (key_text("desk-1", r#","aud":"x""#), "key 1: `desk-1` has an `aud` that is wrong: `x` is not the id of a server"),
        (key_text("a b", ""), "key 1: `a b` cannot be a key id"),
        (one.replace(r#""kty":"oct","#, ""), "line 1, column "),
        (format!("{one}]"), "line 1, column "),
    ] {
        let (_folder, path) = file_with(&format!(r#"{{"keys":[{keys}]}}"#));
        let error = KeyRing::load(&path).unwrap_err().to_string();
        let start = format!("key file `{}` is not usable: {expected}", path.display());
        assert!(error.starts_with(&start), "{error}\n{start}");
        assert!(!error.contains("AAAA") && !error.contains("BBBB"), "{error}");
    }
}

#[test]
fn a_folder_or_a_huge_file_is_no_key_file() {
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(KeyRing::load(folder.path()), Err(KeyFileError::Malformed { .. })));
    let (_folder, path) = file_with(&" ".repeat(FILE_LENGTH_MAX as usize + 1));
    assert!(matches!(KeyRing::load(&path), Err(KeyFileError::Malformed { .. })));
}

#[test]
fn an_exported_key_is_a_key_file_of_its_own() {
    let mut ring = KeyRing::default();
    let mut random = random();
    ring.add_new(&client("other"), noon(), &mut random);
    let key = ring.add_new(&client("desk"), noon(), &mut random);
    let server = ServerId::generate(&mut random);
    let (_folder, path) = file_with(std::str::from_utf8(&KeyRing::export(&key, &server)).unwrap());
    let exported = KeyRing::load(&path).unwrap();
    assert_eq!(exported.keys().len(), 1);
    assert_eq!(exported.find(key.id()).unwrap().secret(), key.secret());
    assert_eq!((exported.keys()[0].server(), key.server()), (Some(&server), None));
}

#[test]
fn a_key_file_for_a_client_is_private_and_overwrites_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("analyst.jwks.json");
    let (mut ring, mut random) = (KeyRing::default(), random());
    let [one, other] = std::array::from_fn(|_| ring.add_new(&client("analyst"), noon(), &mut random));
    let server = ServerId::generate(&mut random);
    KeyRing::export_to(&path, &one, &server).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
    let error = KeyRing::export_to(&path, &other, &server).unwrap_err();
    assert!(matches!(error, KeyFileError::Exists { .. }) && error.to_string().contains("never overwritten"), "{error}");
    assert_eq!(KeyRing::load(&path).unwrap().keys()[0].id(), one.id());
    // Not through a link either, wherever it leads.
    let link = folder.path().join("link.json");
    std::os::unix::fs::symlink(folder.path().join("nowhere.json"), &link).unwrap();
    assert!(matches!(KeyRing::export_to(&link, &other, &server), Err(KeyFileError::Exists { .. })));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "nothing else is left in the folder");
    let absent = KeyRing::export_to(&folder.path().join("absent/key.json"), &one, &server).unwrap_err();
    assert!(matches!(absent, KeyFileError::Io { doing: "write", .. }), "{absent}");
}

#[test]
fn the_buffer_of_a_written_set_never_moves() {
    let mut ring = KeyRing::default();
    let mut random = random();
    for _ in 0..50 {
        ring.add_new(&client(&"z".repeat(32)), DateTime::<Utc>::MAX_UTC, &mut random);
    }
    let text = jwk::write(&ring.set);
    let reserved = 64 + 50 * jwk::KEY_TEXT_LENGTH_MAX;
    assert!(text.len() <= reserved, "{} of {reserved}", text.len());
    assert!(text.capacity() < 2 * reserved, "it has doubled");
}

#[test]
fn what_a_key_may_is_in_its_file_and_a_key_without_it_may_everything() {
    let (folder, path) = file_with(&format!(r#"{{"keys":[{}]}}"#, key_text("desk-1", "")));
    let mut ring = KeyRing::load(&path).unwrap();
    assert_eq!(ring.keys()[0].rights(), &Rights::default());
    assert!(KeyScope::ALL.into_iter().all(|scope| ring.keys()[0].rights().have(scope)));
    let rights = Rights {
        scopes: [KeyScope::Search, KeyScope::Media].into(),
        peers: Some(Arc::new([PeerId(-1_001_500_000_002), PeerId(-1_001_500_000_001)].into())),
        ends: Some(noon()),
    };
    let key = ring.add(&client("desk"), rights.clone(), noon(), &mut random());
    ring.save(&path).unwrap();
    let text = fs::read_to_string(&path).unwrap();
    let (first, second) = text.trim_start_matches("{\"keys\":[\n").split_once(",\n").unwrap();
    assert!(!first.contains("scopes") && !first.contains("exp"), "{first}");
    let limits = r#""scopes":["search","media"],"peers":[-1001500000002,-1001500000001],"exp":1700000000,"#;
    assert!(second.contains(limits), "{second}");
    let loaded = KeyRing::load(&path).unwrap();
    assert_eq!((loaded.keys()[0].rights(), loaded.keys()[1].rights()), (&Rights::default(), &rights));
    // So does the file of its client.
    let server = ServerId::generate(&mut random());
    let handed_over = folder.path().join("desk.jwks.json");
    KeyRing::export_to(&handed_over, &key, &server).unwrap();
    assert_eq!(KeyRing::load(&handed_over).unwrap().keys()[0].rights(), &rights);
}

#[test]
fn keys_of_a_client_end_together_and_none_later_than_it_was_to() {
    let mut ring = KeyRing::default();
    let [soon, late] = [10, 100].map(|days| noon() + chrono::TimeDelta::days(days));
    let with = |ends| Rights { ends, ..Rights::default() };
    for (name, ends) in [("desk", None), ("desk", Some(soon)), ("desk", Some(late)), ("other", None)] {
        ring.add(&client(name), with(ends), noon(), &mut random());
    }
    let before: Vec<_> = ring.keys().iter().map(|key| (key.id().clone(), key.fingerprint())).collect();
    let at = noon() + chrono::TimeDelta::days(50);
    assert_eq!(ring.end_all(&client("desk"), at).len(), 2);
    let ends: Vec<_> = ring.keys().iter().map(|key| key.rights().ends).collect();
    assert_eq!(ends, [Some(at), Some(soon), Some(at), None]);
    let after: Vec<_> = ring.keys().iter().map(|key| (key.id().clone(), key.fingerprint())).collect();
    assert_eq!(after, before, "they are the same keys");
}

#[test]
fn a_key_ends_at_its_time_and_says_so_two_weeks_ahead() {
    let days = chrono::TimeDelta::days;
    let rights = Rights { ends: Some(noon() + days(30)), ..Rights::default() };
    for (day, ended, soon, next) in
        [(0, false, false, Some(16)), (16, false, true, Some(30)), (29, false, true, Some(30)), (30, true, false, None)]
    {
        let now = noon() + days(day);
        assert_eq!((rights.have_ended(now), rights.end_soon(now)), (ended, soon), "day {day}");
        assert_eq!(rights.changes_after(now), next.map(|next| noon() + days(next)), "day {day}");
    }
}
