//! What a client keeps between requests, under a lock each: the takeout that it is in, and an authorisation that waits to be imported.

use tokio::time::Instant;

/// An account's takeout.
#[derive(Debug, Default)]
pub(super) struct Takeout {
    pub(super) id: Option<i64>,
    pub(super) not_before: Option<Instant>,
}

/// An authorisation that the old home gave out for the new one. It is kept while the new home may not be asked to take it.
pub(super) struct ExportedAuthorization {
    pub(super) to: i32,
    pub(super) id: i64,
    pub(super) bytes: Vec<u8>,
}
