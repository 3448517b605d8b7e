//! Full-text search over archived messages, in any language.
//!
//! The index is a reader of the archive's change log. It holds nothing that the archive does not have, so it can be deleted at
//! any time and is rebuilt. Each of its commits carries the position it has reached (a checkpoint, atomic with the commit), so that
//! index and archive cannot drift.
//!
//! Guarantees:
//! - a message is found within two seconds of being archived;
//! - every part of a Chinese, Japanese, Korean or Thai text is found, from one character up; forms of a word find each other
//!   in Russian, English and Arabic; Simplified and Traditional Chinese find each other; accents and case do not matter;
//! - no user's text reaches Tantivy's own query parser: queries are read by a grammar of our own (docs/query.md) whose length,
//!   depth and number of terms are bounded before anything recurses, and a search ends at its deadline;
//! - pagination goes by cursors that name the last hit (keyset pagination), not by counting, so pages neither repeat nor skip.
//!
//! It does not write to the archive, and it never asks Telegram anything.
//!
//! The way through: `fold`, `units` and `analyser` are the tokenizer and make terms of texts (docs/decisions/0003-analyser.md);
//! `schema` makes documents of messages; `indexer` follows the change log; `lex`, `operator`, `parse` and `query` read queries;
//! `compile` turns them into Tantivy's; `request` is what can be asked, `find` answers it: `collect` finds the top hits, `cursor` is for
//! pagination, `snippet` highlights; `verify` compares with the archive.

mod analyser;
mod bench_support;
mod collect;
mod compile;
mod cursor;
mod find;
mod fold;
mod index;
mod indexer;
mod lex;
mod operator;
mod parse;
mod query;
mod request;
mod schema;
mod snippet;
mod units;
mod verify;

use std::path::PathBuf;
use std::time::Duration;

pub use bench_support::BareIndex;
pub use find::{Hit, SearchPage};
pub use index::Index;
pub use indexer::{INDEX_READER, Indexer, IndexerSettings, MEMORY_MIB_MIN};
pub use query::{PREFIX_LENGTH_MIN, QUERY_DEPTH_MAX, QUERY_LENGTH_MAX, QUERY_TERMS_MAX, QueryError, SearchQuery};
pub use request::{PAGE_SIZE_MAX, Request, SortOrder, Total};
pub use snippet::Snippet;
pub use verify::{Difference, Verification};

use crate::archive::ArchiveError;

/// Why a search, or the index itself, failed.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    /// The query is invalid (a syntax error): the client can mend it.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// The cursor is damaged, or belongs to another query.
    #[error("the cursor does not belong to this query; start again without a cursor")]
    Cursor,
    /// The search took longer than it was allowed to.
    #[error("the search took longer than {limit:?}; add words or filters such as `after:` to narrow it")]
    Deadline {
        /// How long it was allowed to take.
        limit: Duration,
    },
    /// The folder holds something else than an index.
    #[error("`{}` is not an index but has files in it; choose another folder, or empty this one", path.display())]
    NotAnIndex {
        /// The folder.
        path: PathBuf,
    },
    /// There is no index.
    #[error("there is no index at `{}`; run `telescribe reindex`", path.display())]
    NoIndex {
        /// Where it would be.
        path: PathBuf,
    },
    /// The index is damaged, or of another version.
    #[error("the index at `{}` cannot be used: {why}; run `telescribe reindex`", path.display())]
    Unusable {
        /// Where the index is.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The system does not let the index be opened; it may be whole.
    #[error(
        "the index at `{}` cannot be opened: {why}; it was not changed: check the limit of open files, permissions and free space",
        path.display()
    )]
    Refused {
        /// Where the index is.
        path: PathBuf,
        /// What the system said.
        why: String,
    },
    /// The disk failed, or the index is damaged.
    #[error("index at `{}`: {why}; stop telescribe and delete that folder, and it will be rebuilt", path.display())]
    Index {
        /// Where the index is.
        path: PathBuf,
        /// What Tantivy said.
        why: String,
    },
    /// The archive failed.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
}
