//! Accounts: who may ask Telegram, and with what.
//!
//! [`Session`] is what an account needs to speak: its authorisation keys, and the access hashes that Telegram gave *it*.
//! [`Pool`] schedules requests: it leases the account that is free of flood waits and has the least to do.
//!
//! Guarantees: a session file is readable by its owner only, replaced atomically, and sealed where a master key is set; a session
//! serves one process at a time (an exclusive lock), and one made for one kind of server is refused on another; an existing home
//! key is never replaced; a flood wait (Telegram's rate limit) parks one method of one account and nothing else.
//!
//! It never asks Telegram anything.

mod error;
mod format;
mod import;
mod lock;
mod lost;
mod outage;
mod pool;
mod pool_state;
mod session;
mod session_writer;
mod store;

pub use error::SessionError;
pub use format::{SessionFormat, read_master_key};
pub use import::{IMPORT_LENGTH_MAX, ImportError, Imported, Origin};
pub use lock::SessionLock;
pub use lost::{LostSession, SessionLoss};
pub use outage::Outage;
pub use pool::limits::{is_known_method, known_methods};
pub use pool::{AccountState, AccountStatus, Lease, LeaseOutcome, Pool, PoolSettings, Urgency};
pub use pool_state::PoolStatePersister;
pub use session::{AuthKey, DataCentre, HomeKeyKept, PeerNews, Session};
pub use session_writer::SessionWriter;
pub use store::{LockedSessions, Sessions};
