//! Backups: the archive, the clients' keys and the sealed sessions, all at one position, in a folder that can be anywhere.
//!
//! ```text
//! TARGET/files/SHA256           what was copied, named by its content (content-addressed): what is there is not kept twice
//! TARGET/backups/TIME-N.json    a backup: which files it is made of (manifest); written last, so without one there is no backup
//! TARGET/lock                   one program at a time changes the folder
//! ```
//!
//! Guarantees:
//! - a backup is there wholly or not at all (atomic), and what was copied was read from the disk again and compared before it counts;
//! - it is incremental: a table of the archive never changes, so one that the backup before has is not copied again;
//! - nothing that a backup needs is removed, and nothing is removed before the newest one is on the disk;
//! - what is restored is compared with the manifest before anything is moved into its place, and begins a new epoch;
//! - a session that is not sealed is left out, and named; one that cannot be read is named, and is as in the backup before, where that has
//!   it. Neither keeps the archive from being backed up.
//!
//! It does not copy the index (made from the archive), the configuration or the master key, and it asks Telegram nothing. Why it is not
//! RocksDB's own backup engine: `docs/decisions/0015-backups-by-content.md`.
//!
//! The way through: `manifest` is what a backup is, `store` the target folder, `copy` copies and compares; `make`, `verify` and `restore`
//! are what is done with them, and `record` remembers beside the archive what became of the newest one.

mod copy;
mod error;
mod make;
mod manifest;
mod record;
mod restore;
mod store;
mod verify;

pub use copy::Watch;
pub use error::BackupError;
pub use make::{BackedUp, BackupOptions, BackupSource, Secrets, back_up, refuse_inside};
pub use manifest::{BackupId, Manifest, StoredFile, UnreadPart};
pub use record::{BackupFailure, BackupRecord, BackupSuccess, BackupTarget};
pub use restore::{Restored, restore};
pub use store::{BackupStore, ListedBackup, newest_of_archives};
pub use verify::{VerifiedBackup, verify};
