//! Full-text search over archived messages, in any language.
//!
//! The index is a reader of the archive's change log. It holds nothing that the archive does not have, so it can be deleted at
//! any time and is rebuilt. Each of its commits carries the position it has reached (a checkpoint, atomic with the commit), so that
//! index and archive cannot drift.
//!
//! An index that is damaged, of another schema or of another archive is rebuilt beside itself, by `telescribe run` and `telescribe reindex`
//! only, and replaced (a swap) when the other is complete. Until then it answers, if it can be opened. Its damage is found by what is cheap
//! at each opening, by whatever meets it, and by the checksums of all its files ([`IntegrityCheck`]).
//!
//! Guarantees:
//! - a message is found within two seconds of being archived;
//! - every part of a Chinese, Japanese, Korean or Thai text is found, from one character up, and nothing across punctuation; forms of a word
//!   find each other in Russian, Ukrainian, English and Arabic; all forms of a Chinese character find each other; accents, case, and
//!   letters, digits and signs that are one to people do not matter;
//! - no user's text reaches Tantivy's own query parser: queries are read by a grammar of our own (docs/query.md) whose length,
//!   depth and number of terms are bounded before anything recurses, and a search ends at its deadline;
//! - pagination goes by cursors that name the last hit (keyset pagination), not by counting, so pages neither repeat nor skip.
//!
//! It does not write to the archive, and it never asks Telegram anything.
//!
//! The way through: `fold`, `units` and `analyser` are the tokenizer and make terms of texts (docs/decisions/0003-analyser.md), with `letters`
//! (and its generated tables) for single characters, `lemmas`, `spelling` and `affixes` for forms of words, `slips` for what is nearly a word, and `numbers`; `near` tells texts that are nearly the same;
//! `schema` makes documents of messages, with their `facts` and their `language`; `indexer` follows the change log, with `merging` for segments; `lex`, `operator`, `parse` and `query` read queries;
//! `compile` turns them into Tantivy's, and into queries of our own where Tantivy's would miss the `deadline` (`conjunction`, `disjunction`, `expansion`, `span`, `views`);
//! `request` is what can be asked, `find` answers it, and `related` finds replies, threads and copies: `collect` finds the top hits by the `columns`, `collapse` those of groups (texts that are `near`
//! each other by the `near_index`), with the same `statistics` for all pages, `listing` has either on a page, `cursor` is
//! for pagination, `snippet` highlights, `verdict` looks at what the index cannot tell; `verify` compares with the archive. `directory` and `integrity` hold the checksums, `failure` tells
//! damage from a system that says no; `folders` and `rebuild` replace an index, `serving` is the one that answers meanwhile, and
//! `supervisor` is the worker that does what is due.

mod affixes;
mod analyser;
mod bench_support;
mod collapse;
mod collapse_kinds;
mod collect;
mod columns;
mod compile;
mod conjunction;
mod counting;
mod counts;
mod cursor;
mod deadline;
mod directory;
mod disjunction;
mod expansion;
mod export;
mod expunge;
mod expunge_requests;
mod facets;
mod facts;
mod failure;
mod find;
mod fold;
mod folders;
mod han_variants;
mod index;
mod indexer;
mod integrity;
mod interval;
mod language;
mod lemmas;
mod letters;
mod lex;
mod listing;
mod matcher;
mod merging;
mod near;
mod near_index;
mod numbers;
mod operator;
mod order;
mod parse;
mod peer_names;
mod places;
mod query;
mod query_set;
mod query_terms;
mod rebuild;
mod related;
mod request;
mod schema;
mod serving;
mod slips;
mod snippet;
mod span;
mod spelling;
mod statistics;
mod supervisor;
#[cfg(test)]
mod test_index;
mod unicode_tables;
mod units;
mod verdict;
mod verify;
mod views;

use std::path::PathBuf;
use std::time::Duration;

pub use bench_support::BareIndex;
pub use collapse_kinds::{Collapse, CollapseBy, CollapsedHits, InvalidCollapse};
pub use export::Export;
pub use facets::{BUCKETS_MAX, FACET_LIMIT, FACET_LIMIT_MAX, Facet, FacetField, FacetRequest, FacetValue, Facets, Histogram};
pub use find::{Hit, SearchPage};
pub use folders::IndexFolders;
pub use index::Index;
pub use indexer::{INDEX_READER, Indexer, IndexerSettings, MEMORY_MIB_MIN};
pub use integrity::{CheckedFile, FileOutcome, IntegrityCheck};
pub use interval::{Interval, InvalidInterval};
pub use matcher::Matcher;
pub use order::SortOrder;
pub use peer_names::PeerNames;
pub use query::{PREFIX_LENGTH_MIN, QUERY_DEPTH_MAX, QUERY_LENGTH_MAX, QUERY_TERMS_MAX, QueryError, SearchQuery};
pub use query_set::QuerySet;
pub use rebuild::Rebuild;
pub use related::{RelatedPage, RelatedRequest, Relation};
pub use request::{PAGE_SIZE_MAX, Request, Total};
pub use schema::topic as topic_of;
pub use serving::{RebuildProgress, ServingIndex};
pub use snippet::Snippet;
pub use supervisor::IndexSupervisor;
pub use verify::{Difference, Verification};

use crate::archive::ArchiveError;
use crate::model::Seq;

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
    /// The date histogram would have too many buckets.
    #[error("the histogram would have more than {max} buckets; {}narrow the time with `after:` and `before:`", suggestion(*interval))]
    TooManyBuckets {
        /// How many it may have.
        max: usize,
        /// An interval of which there would be fewer, if there is one.
        interval: Option<&'static str>,
    },
    /// The folder holds something else than an index.
    #[error("`{}` is not an index but has files in it; choose another folder, or empty this one", path.display())]
    NotAnIndex {
        /// The folder.
        path: PathBuf,
    },
    /// The query has more hits than are collapsed.
    #[error(
        "the query has more than {limit} hits, which are too many to collapse; add words or filters such as `after:` to narrow it"
    )]
    TooManyHits {
        /// How many are.
        limit: usize,
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
    /// The index has seen more than the archive has: it is the archive that has lost something.
    #[error(
        "the index at `{}` has seen change {position}, but the archive ends at change {last}: {missing} changes are missing in the archive; nothing was changed: restore a backup, or continue without them with `telescribe repair`",
        path.display()
    )]
    Ahead {
        /// Where the index is.
        path: PathBuf,
        /// The newest change that the index has seen.
        position: Seq,
        /// The newest change of the archive.
        last: Seq,
        /// How many are missing.
        missing: u64,
    },
    /// A file of the open index is damaged.
    #[error("the index at `{}` is damaged: {why}; `telescribe verify` names the file, and `telescribe reindex` rebuilds the index", path.display())]
    Damaged {
        /// Where the index is.
        path: PathBuf,
        /// What was met.
        why: String,
    },
    /// The running program has met damage, and sees to it.
    #[error("the search index seems to be damaged; its files are checked now, and it is rebuilt if so: see `telescribe status`")]
    Suspected,
    /// There is no index to search before the rebuild is complete.
    #[error("the search index is being rebuilt: {position} of {last} changes are done; try again later")]
    Rebuilding {
        /// How far it has got.
        position: Seq,
        /// The newest change of the archive.
        last: Seq,
    },
    /// The disk failed.
    #[error("index at `{}`: {why}; check free space, permissions, the limit of open files and the disk's health", path.display())]
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

fn suggestion(interval: Option<&str>) -> String {
    interval.map(|interval| format!("use `{interval}` or a longer interval, or ")).unwrap_or_default()
}
