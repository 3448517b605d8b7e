//! The promises of the program, kept against real parts: RocksDB, Tantivy, RabbitMQ, HTTP over TCP, and the simulated Telegram over
//! MTProto. One file a promise, or a part with several.

mod architecture;
mod archive;
mod commands;
mod http;
mod interop;
mod parse;
mod publish;
mod rabbit;
mod sealed;
mod search;
mod telethon;
