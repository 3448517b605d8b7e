//! Only what was sealed under the key opens; whatever else comes is refused.
#![no_main]

use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use telescribe::seal::{Key, KeyRing, Purpose, open, seal, system_random};

static KEY: LazyLock<Arc<Key>> = LazyLock::new(|| {
    let name = "fuzz".parse().expect("a name");
    KeyRing::default().add_new(&name, chrono::DateTime::UNIX_EPOCH, &mut system_random())
});

fuzz_target!(|data: (&str, &[u8], u16, u8)| {
    let (token, plaintext, at, with) = data;
    let keys = [Arc::clone(&KEY)];
    for purpose in [Purpose::Request, Purpose::Answer] {
        assert!(open(token, &keys, purpose).is_err(), "a stranger's token opens");
    }
    let sealed = seal(plaintext, &KEY, Purpose::Answer, &mut system_random());
    assert!(open(&sealed, &keys, Purpose::Request).is_err(), "an answer passes for a request");
    assert!(open(&sealed, &keys, Purpose::Answer).is_ok(), "our own token does not open");
    let mut changed = sealed.clone().into_bytes();
    let at = usize::from(at) % changed.len();
    changed[at] = with & 0x7f;
    let changed = String::from_utf8(changed).expect("ASCII");
    assert!(changed == sealed || open(&changed, &keys, Purpose::Answer).is_err(), "a changed token opens");
});
