//! The promises of the program, kept against real parts: RocksDB, Tantivy, RabbitMQ, HTTP over TCP, and the simulated Telegram over
//! MTProto. One file a promise, or a part with several.

mod config_file;
mod http;
mod publish;
mod rabbit;
mod readme;
mod sealed;
mod search;
