//! Session files: SQLite, read from memory by SQLite's own code, with everything a hostile schema could do switched off.

use std::net::IpAddr;

use rusqlite::config::DbConfig;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, MAIN_DB, Row};
use zeroize::Zeroizing;

use super::{ImportError, Imported, Origin, key, peer};
use crate::model::PeerId;

/// What every SQLite file begins with.
pub(super) const MAGIC: &[u8] = b"SQLite format 3\0";
/// Where a file says that it is read and written with a write-ahead log, and with which number.
const JOURNAL_MODES: [usize; 2] = [18, 19];
const WRITE_AHEAD: u8 = 2;
const ROLLBACK: u8 = 1;
/// Peers that are taken over; the largest accounts know some hundred thousand.
const PEERS_MAX: i64 = 1_000_000;
/// Telethon's version since which access hashes are the account's own.
const TELETHON_HASHES_SINCE: i64 = 6;
/// Pyrogram's version since which access hashes are kept in their present form.
const PYROGRAM_HASHES_SINCE: i64 = 2;

/// Why a session that was recognised cannot be taken over.
#[derive(Debug, thiserror::Error)]
enum DatabaseError {
    /// The file cannot be read to its end.
    #[error(transparent)]
    Database(#[from] rusqlite::Error),
    /// What was read is refused.
    #[error(transparent)]
    Refused(#[from] ImportError),
}

impl DatabaseError {
    fn of(self, origin: Origin) -> ImportError {
        match self {
            Self::Database(error) => ImportError::Damaged { origin, why: error.to_string() },
            Self::Refused(error) => error,
        }
    }
}

pub(super) fn read(bytes: &[u8]) -> Result<Imported, ImportError> {
    let foreign = |error: rusqlite::Error| ImportError::Foreign { why: error.to_string() };
    let database = open(bytes).map_err(foreign)?;
    if !is_table(&database, "sessions").map_err(foreign)? {
        return Err(ImportError::Foreign { why: "it has no table `sessions`".to_owned() });
    }
    let columns = columns(&database, "sessions").map_err(foreign)?;
    let has = |names: &[&str]| names.iter().all(|name| columns.iter().any(|column| column == name));
    // Newer Pyrograms have all of Telethon's columns as well.
    if has(&["dc_id", "auth_key", "test_mode", "user_id", "is_bot"]) {
        let api_id = if has(&["api_id"]) { "api_id" } else { "NULL" };
        let address = if has(&["server_address"]) { "server_address" } else { "NULL" };
        return pyrogram(&database, api_id, address).map_err(|error| error.of(Origin::PyrogramFile));
    }
    if has(&["dc_id", "auth_key", "server_address"]) {
        return telethon(&database).map_err(|error| error.of(Origin::TelethonFile));
    }
    Err(ImportError::Foreign { why: "its table `sessions` has other columns".to_owned() })
}

fn open(bytes: &[u8]) -> rusqlite::Result<Connection> {
    let mut bytes = Zeroizing::new(bytes.to_vec());
    // A copy in memory has no log beside it; whoever hands the file over has made sure that there was nothing in it.
    for at in JOURNAL_MODES {
        if let Some(mode) = bytes.get_mut(at).filter(|mode| **mode == WRITE_AHEAD) {
            *mode = ROLLBACK;
        }
    }
    let mut database = Connection::open_in_memory()?;
    database.deserialize_read_exact(MAIN_DB, bytes.as_slice(), bytes.len(), true)?;
    database.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    database.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    Ok(database)
}

/// Whether there is a real table of a name: a view may be an endless query.
fn is_table(database: &Connection, name: &str) -> rusqlite::Result<bool> {
    let query = "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = ?1 AND sql LIKE 'CREATE TABLE%'";
    database.query_row(query, [name], |row| row.get::<_, i64>(0)).map(|count| count == 1)
}

/// The names of a table's columns. Asked for as rows, because rusqlite panics at a statement's column name that is not UTF-8.
fn columns(database: &Connection, table: &str) -> rusqlite::Result<Vec<String>> {
    let mut statement = database.prepare("SELECT name FROM pragma_table_info(?1)")?;
    let mut rows = statement.query([table])?;
    let mut names = Vec::new();
    while let Some(row) = rows.next()? {
        names.extend(row.get_ref(0)?.as_str().map(str::to_owned));
    }
    Ok(names)
}

/// Telethon keeps one row a file.
fn telethon(database: &Connection) -> Result<Imported, DatabaseError> {
    let origin = Origin::TelethonFile;
    let query = "SELECT dc_id, server_address, auth_key FROM sessions ORDER BY length(auth_key) DESC LIMIT 1";
    let mut statement = database.prepare(query)?;
    let mut rows = statement.query([])?;
    let Some(row) = rows.next()? else { return Err(ImportError::NotSignedIn(origin).into()) };
    let auth_key = key(origin, &blob(row, 2)?)?;
    let mut peers = Vec::new();
    let mut user_id = None;
    if is_table(database, "entities")? && version(database, "version")? >= TELETHON_HASHES_SINCE {
        peers = known(database, "SELECT id, hash FROM entities LIMIT ?1")?;
        // Telethon writes down who the account is as the "access hash" of peer 0.
        let own = database.query_row("SELECT hash FROM entities WHERE id = 0", [], |row| Ok(integer(row, 0)));
        user_id = own.ok().flatten().filter(|id| *id > 0);
    }
    let imported = Imported { origin, auth_key, dc: dc(row)?, address: address(row, 1), api_id: None, user_id, peers };
    Ok(imported.of_real_servers()?)
}

fn pyrogram(database: &Connection, api_id: &str, server: &str) -> Result<Imported, DatabaseError> {
    let origin = Origin::PyrogramFile;
    let query = format!("SELECT dc_id, {server}, auth_key, test_mode, user_id, is_bot, {api_id} FROM sessions LIMIT 1");
    let mut statement = database.prepare(&query)?;
    let mut rows = statement.query([])?;
    let Some(row) = rows.next()? else { return Err(ImportError::NotSignedIn(origin).into()) };
    let auth_key = key(origin, &blob(row, 2)?)?;
    let is_set = |column| integer(row, column).is_some_and(|value| value != 0);
    if is_set(3) {
        return Err(ImportError::TestServers(origin).into());
    }
    if is_set(5) {
        return Err(ImportError::Bot(origin).into());
    }
    let mut peers = Vec::new();
    if is_table(database, "peers")? && version(database, "number")? >= PYROGRAM_HASHES_SINCE {
        peers = known(database, "SELECT id, access_hash FROM peers LIMIT ?1")?;
    }
    let imported = Imported {
        origin,
        auth_key,
        dc: dc(row)?,
        address: address(row, 1),
        api_id: integer(row, 6).and_then(|id| i32::try_from(id).ok()).filter(|id| *id > 0),
        user_id: integer(row, 4).filter(|id| *id > 0),
        peers,
    };
    Ok(imported.of_real_servers()?)
}

/// The version of the form; 0 where none is written down.
fn version(database: &Connection, column: &str) -> rusqlite::Result<i64> {
    if !is_table(database, "version")? {
        return Ok(0);
    }
    let mut statement = database.prepare(&format!("SELECT {column} FROM version"))?;
    let mut rows = statement.query([])?;
    Ok(rows.next()?.and_then(|row| integer(row, 0)).unwrap_or_default())
}

/// The peers of a query for ids and hashes. A row that makes no sense is skipped: the next answers teach it again.
fn known(database: &Connection, query: &str) -> rusqlite::Result<Vec<(PeerId, Option<i64>)>> {
    let mut statement = database.prepare(query)?;
    let mut rows = statement.query([PEERS_MAX])?;
    let mut peers = Vec::new();
    while let Some(row) = rows.next()? {
        peers.extend(integer(row, 0).and_then(|id| peer(id, integer(row, 1).unwrap_or_default())));
    }
    Ok(peers)
}

fn dc(row: &Row<'_>) -> rusqlite::Result<Option<i32>> {
    row.get(0).map(Some)
}

fn integer(row: &Row<'_>, column: usize) -> Option<i64> {
    row.get_ref(column).ok()?.as_i64().ok()
}

fn address(row: &Row<'_>, column: usize) -> Option<IpAddr> {
    row.get_ref(column).ok()?.as_str().ok()?.parse().ok()
}

fn blob(row: &Row<'_>, column: usize) -> rusqlite::Result<Zeroizing<Vec<u8>>> {
    Ok(Zeroizing::new(match row.get_ref(column)? {
        ValueRef::Blob(bytes) => bytes.to_vec(),
        ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) | ValueRef::Text(_) => Vec::new(),
    }))
}
