//! The integration tests: one file per promise.

mod publish;
mod rabbit;
//! One binary of promises: a file for each part, a test for each promise.

mod search;
//! The promises of the program, kept against the real thing: one file a promise.

mod http;
mod sealed;
