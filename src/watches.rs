//! Watches: saved queries that are run against every new or edited message (a reverse search).
//!
//! Guarantees:
//! - a watch matches what a search for its query would find: both read queries and messages by the same rules, and a property test holds them together;
//! - no search is made for it: a message is tokenized once, and compared in memory with the few watches that it can match at all (`search::QuerySet`), so
//!   that thousands of watches are no thousands of comparisons (`benches/watches.rs`; docs/benchmarks.md has what they cost);
//! - a watch sees each message in the form in which it was posted or edited, and only what was archived after the watch was created. What is archived later
//!   does not change what it has seen, but for who has a username.
//!
//! It keeps no list of what has matched: that is an event of the change (`event`), and a search for the query finds it again. It writes to the archive
//! what an operator asks for, and nothing else.
//!
//! The way through: `keeping` adds and removes watches, `running` runs all of them against messages, `trial` runs a query against the past.

mod keeping;
mod running;
mod trial;

pub use keeping::{NOTE_LENGTH_MAX, WATCHES_MAX, WantedWatch, WatchError, add, remove};
pub use running::{LoadedWatch, LoadedWatches, WatchRun, Watching};
pub use trial::{TRIAL_MESSAGES, Trial, TrialDay, try_query};
