//! Only what was sealed under the key opens; whatever else comes is refused.
#![no_main]

use std::io::Write as _;
use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use telescribe::seal::{Key, KeyRing, Purpose, open, seal, system_random};

/// One as they are made now, and one of an earlier version.
static KEYS: LazyLock<Vec<Arc<Key>>> = LazyLock::new(|| {
    let name = "fuzz".parse().expect("a name");
    let new = KeyRing::default().add_new(&name, chrono::DateTime::UNIX_EPOCH, &mut system_random());
    let mut old = tempfile::NamedTempFile::new().expect("a file of mode 0600");
    let k = "A".repeat(86);
    write!(old, r#"{{"keys":[{{"kty":"oct","kid":"old","client":"old","created":"2026-01-02T03:04:05Z","k":"{k}"}}]}}"#)
        .expect("a file");
    let old = KeyRing::load(old.path()).expect("a ring");
    [new].into_iter().chain(old.keys().iter().cloned()).collect()
});

fuzz_target!(|data: (&str, &[u8], u16, u8)| {
    let (token, plaintext, at, with) = data;
    for purpose in [Purpose::Request, Purpose::Answer] {
        assert!(open(token, &KEYS, purpose).is_err(), "a stranger's token opens");
    }
    for key in KEYS.iter() {
        let sealed = seal(plaintext, key, Purpose::Answer, &mut system_random());
        assert!(open(&sealed, &KEYS, Purpose::Request).is_err(), "an answer passes for a request");
        assert!(open(&sealed, &KEYS, Purpose::Answer).is_ok(), "our own token does not open");
        let mut changed = sealed.clone().into_bytes();
        let at = usize::from(at) % changed.len();
        changed[at] = with & 0x7f;
        let changed = String::from_utf8(changed).expect("ASCII");
        assert!(changed == sealed || open(&changed, &KEYS, Purpose::Answer).is_err(), "a changed token opens");
    }
});
