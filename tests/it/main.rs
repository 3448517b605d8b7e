//! The promises of the program, kept against real parts: RocksDB, Tantivy, RabbitMQ, HTTP over TCP, and the simulated Telegram over
//! MTProto. One file a promise, or a part with several.
mod architecture;
mod archive;
mod client;
mod commands;
mod config_file;
mod discovery;
mod fleet;
mod http;
mod import;
mod interop;
mod live;
mod login;
mod parse;
mod pipeline;
mod proxy;
mod publish;
mod rabbit;
mod readme;
mod recheck;
mod restart;
mod schedule;
mod sealed;
mod search;
mod sessions;
mod soak;
mod telethon;
