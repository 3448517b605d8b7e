//! Telescribe: an archival crawler for Telegram.
//!
//! Read this file from top to bottom and you have read the data flow. Arrows only point forward; nothing on the left
//! imports anything on its right (`tests/it/architecture.rs` checks it).
//!
//! ```text
//!  schedule ─► accounts ─► telegram ─► parse ─► ARCHIVE ─┬─► search  (Tantivy)  ─┐
//!   "is due"    "who may"   "ask"      "mean"    "true"  ├─► output  (RabbitMQ) ─┴─► http ─► people, programs
//!                              └──────── crawl ────┘      └─► mirror  (S3)
//! ```
//!
//! One page of history, or one live update, becomes true in ONE archive write (atomic). Everything right of the archive reads its
//! change log with a position of its own (its checkpoint), so that it can be thrown away and rebuilt (idempotent).

/// Where all memory comes from, RocksDB's too (`docs/decisions/0016-jemalloc.md`).
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

// What everybody may use: the data model, the worker loop that everything runs in, files, and sealing.
pub mod panics;

pub mod lifecycle;
pub mod model;
pub mod span;

pub mod failpoints;

pub mod atomic_file;

pub mod open_files;

mod tables;

pub mod pictures;

pub mod https_client;

pub mod seal;

// What is due (schedule), which account may ask (rate limits), what Telegram's answers mean, and how to ask.
pub mod schedule;

pub mod accounts;

pub mod parse;

pub mod telegram;

// A priority queue of requests: what runs next, through which account, and when it is retried.
pub mod dispatch;

// What is true.
pub mod archive;

// The bytes of files, by their hash.
pub mod blob;

// A copy of it elsewhere, and the way back.
pub mod backup;

// The way from a question to what its answer makes true.
pub mod crawl;

// Which files are downloaded, and the way from a file to its bytes.
pub mod media;

// The stored files once more, at a storage server.
pub mod mirror;

// Readers of what changed.
pub mod search;

// Saved queries, run against what is new.
pub mod watches;

pub mod verification;

// What an operator has ordered to be erased leaves archive, index, files and disk.
pub mod erasure;

pub mod show;

pub mod views;

pub mod event;

pub mod output;

// The way out: sealed, over HTTP.
pub mod http;

// How it is put together: the operator's settings, the composition root, the command line.
pub mod config;

pub mod telemetry;

pub mod app;

pub mod cli;
