//! Whatever is searched for is a query or a refusal, quickly.
#![no_main]

use libfuzzer_sys::fuzz_target;
use telescribe::search::{QUERY_LENGTH_MAX, SearchQuery};

fuzz_target!(|text: &str| {
    match SearchQuery::parse(text) {
        Ok(_) => assert!(text.chars().count() <= QUERY_LENGTH_MAX),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
