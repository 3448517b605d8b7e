//! Whatever another program's session is said to be, it is one or a refusal, in an error that does not quote it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use telescribe::accounts::Imported;

fuzz_target!(|bytes: &[u8]| {
    if let Err(error) = Imported::read(bytes, None) {
        assert!(!error.to_string().is_empty());
    }
});
