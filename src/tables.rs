//! The table files of an open RocksDB database, as its manifest names them.
//!
//! RocksDB opens a few of them with the database and the others when they are read first: where one is gone, what is in it would be
//! missed at some later read only, and by then compaction may have written over what could have told.

use std::fs;
use std::io::{self, ErrorKind};

use rocksdb::DB;

/// What is wrong with the table files of a database: one is gone, or is not as long as it was written. `None` where all are there.
///
/// # Errors
/// When the system does not say it.
pub(crate) fn missing(db: &DB) -> io::Result<Option<String>> {
    for table in db.live_files().map_err(io::Error::other)? {
        let name = table.name.trim_start_matches('/');
        match fs::metadata(db.path().join(name)) {
            Ok(file) if file.len() == table.size as u64 => {}
            Ok(file) => return Ok(Some(format!("`{name}` has {} bytes instead of {}", file.len(), table.size))),
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Some(format!("`{name}` is missing"))),
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}
