//! Accounts: who may ask Telegram, and with what.
//!
//! [`Session`] is what an account needs to speak: its authorisation keys, and the access hashes that Telegram gave *it*.
//! [`Pool`] decides whose turn it is: the account that is free of floods and has the least to do.
//!
//! Guarantees: a session file is readable by its owner only, replaced as a whole, and sealed where a master key is set; a session
//! serves one process at a time, and one made for one kind of server is refused on another; an existing home key is never
//! replaced; a flood wait parks one method of one account and nothing else.
//!
//! It never asks Telegram anything.

mod error;
mod form;
mod import;
mod keeper;
mod lock;
mod lost;
mod pool;
mod saver;
mod session;
mod store;

pub use error::SessionError;
pub use form::{Form, read_master_key};
pub use import::{IMPORT_LENGTH_MAX, ImportError, Imported, Origin};
pub use keeper::BudgetKeeper;
pub use lock::SessionLock;
pub use lost::{Loss, LostState};
pub use pool::limits::{is_known_method, known_methods};
pub use pool::{AccountState, AccountStatus, Lease, Pool, PoolSettings, Turn, Urgency};
pub use saver::Saver;
pub use session::{AuthKey, DataCentre, HomeKeyKept, Session, UpdatesState};
pub use store::{Sessions, Taken};
