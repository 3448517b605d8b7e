//! A Telegram data centre on loopback, for tests, benchmarks and the demo.
//!
//! Read from top to bottom this is the flow of the crate:
//!
//! ```text
//! seed | export ─► world ─► truth                              what is true, written without any TL
//!                    │
//!                    └────► encode ─► methods ─► connection ─► simulator    what a client sees
//!                                        ▲           ▲
//!                                      core         wire             faults, limits, ledger; the protocol
//! ```
//!
//! A [`World`] is plain data: accounts, users, peers and their histories. It comes from a seed ([`WorldSpec`]) or from an
//! export of Telegram Desktop ([`World::from_export`]). [`Simulator::start`] serves it as real MTProto 2.0 over TCP on
//! 127.0.0.1, one listener a data centre, to an unmodified client whose session was given the authorisation keys of
//! [`AccountAccess`] (which skips the RSA key exchange and nothing else).
//!
//! What it deliberately does not do: create authorisation keys, send messages on behalf of a client, secret chats, calls.
//! A method that it does not know is answered `400 METHOD_NOT_SIMULATED` and stays visible in the [`ledger`](Simulator::ledger).

mod access;
mod answer;
mod clock;
mod connection;
mod core;
mod encode;
mod export;
mod faults;
mod files;
mod hub;
mod late;
mod ledger;
mod limits;
mod methods;
mod migrate;
mod mixing;
mod password;
mod picture;
mod script;
mod seed;
mod sent;
mod simulator;
mod tone;
mod truth;
mod wire;
pub mod world;

pub use crate::core::Options;
pub use access::{AccountAccess, DataCentreAccess};
pub use export::{ExportError, ExportWarning};
pub use faults::{Fault, Rule, RuleId, When};
pub use ledger::{EarlyCall, LedgerEntry, Outcome};
pub use limits::{Limit, Limits};
pub use script::{AccountScript, Post, ScriptError};
pub use seed::{FileSizes, WorldSpec};
pub use simulator::{Simulator, Stopped};
pub use world::{PeerId, World};
