//! The integration tests: one file per promise.

mod publish;
mod rabbit;
