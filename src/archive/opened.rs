//! An open database, and which archive it is.

use std::path::Path;
use std::sync::Arc;

use rocksdb::DB;

use super::damage::Damage;
use super::epoch::Epochs;

/// Which archive it is, and which history of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) id: String,
    pub(super) epochs: Epochs,
}

/// An open database, and which archive it is.
#[derive(Clone)]
pub(super) struct Opened {
    pub(super) db: Arc<DB>,
    pub(super) path: Arc<Path>,
    pub(super) identity: Arc<Identity>,
    pub(super) damage: Arc<Damage>,
}
