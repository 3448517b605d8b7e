//! The promises of the program, kept against the real thing: one file a promise.

mod http;
mod sealed;
