//! Telescribe: an archival crawler for Telegram.
//!
//! Read this file from top to bottom and you have read the data flow. Arrows only point forward; nothing on the left
//! imports anything on its right (`tests/it/architecture.rs` checks it).
//!
//! ```text
//!  schedule ─► accounts ─► telegram ─► parse ─► ARCHIVE ─┬─► search  (Tantivy)  ─┐
//!   "is due"    "who may"   "ask"      "mean"    "true"  └─► publish (RabbitMQ) ─┴─► http ─► people, programs
//! ```

pub mod model;

pub mod accounts;
pub mod telegram;
pub mod parse;

pub mod archive;

pub mod crawl;

pub mod seal;

pub mod lifecycle;

pub mod show;

pub mod publish;
pub mod search;
pub mod seal;

pub mod config;

pub mod search;

pub mod http;

pub mod cli;
