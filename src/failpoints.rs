//! Failpoints (fault injection): places of the write path at which a test has an error happen, or the process end, at the n-th time that
//! it comes there. Nothing is left of them in a build that does not test.
//!
//! `FAILPOINTS` in the environment sets them, as the crate `fail` reads it: `archive-write=9*off->1*return->off` is an error at the tenth
//! write, `1*return(abort)->off` the end of the process at the first, as `kill -9` ends it.

use std::io;

/// A place at which something can be made to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failpoint {
    /// Its name.
    pub name: &'static str,
    /// Whether an error can happen there; the end of the process always can.
    pub may_fail: bool,
}

const fn failing(name: &'static str) -> Failpoint {
    Failpoint { name, may_fail: true }
}

const fn passing(name: &'static str) -> Failpoint {
    Failpoint { name, may_fail: false }
}

/// All of them. Behind what is done there is no error any more, only an end.
pub const FAILPOINTS: [Failpoint; 20] = [
    // A new archive is complete beside its place, and then at it.
    failing("archive-make"),
    passing("archive-made"),
    // A write: before the write-ahead log has it, and after that, before anybody is told.
    failing("archive-write"),
    passing("archive-written"),
    // A group flush: before the disk is asked, and after it has everything, before readers see it.
    passing("archive-flush"),
    passing("archive-flushed"),
    // What is in memory tables is written out at a stop: before that.
    passing("archive-tables"),
    // The marker beside the archive.
    failing("marker-write"),
    passing("marker-written"),
    // A commit of the index: before it, and after it, before searches use it.
    failing("index-commit"),
    failing("index-committed"),
    // The swap of a rebuilt index: after the first of its two renames.
    passing("index-swap"),
    // The position of an output.
    failing("position-write"),
    passing("position-written"),
    // An account's session.
    failing("session-save"),
    passing("session-saved"),
    // What is known of the last start.
    failing("known-write"),
    passing("known-written"),
    // Any file that is replaced: when the new one is on the disk beside it, and when it has its place, which is not on the disk yet.
    failing("file-rename"),
    passing("file-renamed"),
];

/// An error here, where a test wants one.
///
/// # Errors
/// Only then.
pub fn hit(name: &'static str) -> io::Result<()> {
    match configured(name) {
        None => Ok(()),
        Some(action) => Err(injected(action.as_deref())),
    }
}

/// The end of the process here, where a test wants it.
pub fn pass(name: &'static str) {
    if let Some(action) = configured(name) {
        // There is nothing here that could fail.
        drop(injected(action.as_deref()));
    }
}

/// What is to happen at this hit, with its argument.
fn configured(name: &'static str) -> Option<Option<String>> {
    debug_assert!(FAILPOINTS.iter().any(|known| known.name == name), "`{name}` is not in the table");
    fail::fail_point!(name, Some);
    None
}

fn injected(action: Option<&str>) -> io::Error {
    if action == Some("abort") {
        std::process::abort();
    }
    io::Error::other("a failpoint")
}
