//! Session files: SQLite, read from memory by SQLite's own code, with everything a hostile schema could do switched off.

use std::net::IpAddr;

use rusqlite::config::DbConfig;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, MAIN_DB, Row};
use zeroize::Zeroizing;

use super::{AuthKey, ImportError, Imported, Origin, key, peer};
use crate::model::PeerId;

/// What every SQLite file begins with.
pub(super) const MAGIC: &[u8] = b"SQLite format 3\0";
/// Where a file says that it is read and written with a write-ahead log, and with which number.
const JOURNAL_MODES: [usize; 2] = [18, 19];
const WRITE_AHEAD: u8 = 2;
const ROLLBACK: u8 = 1;
/// Peers that are taken over; the largest accounts know some hundred thousand.
const PEERS_MAX: i64 = 1_000_000;
/// Rows of `sessions` that are looked at: there are no more data centres.
const ROWS_MAX: usize = 100;
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

pub(super) fn read(bytes: &[u8], dc: Option<i32>) -> Result<Imported, ImportError> {
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
        return pyrogram(&database, api_id, address, dc).map_err(|error| error.of(Origin::PyrogramFile));
    }
    if has(&["dc_id", "auth_key", "server_address"]) {
        return telethon(&database, dc).map_err(|error| error.of(Origin::TelethonFile));
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

/// A row of the table `sessions` that has a key.
struct SignedIn {
    dc: i32,
    address: Option<IpAddr>,
    auth_key: AuthKey,
    is_test: bool,
    is_bot: bool,
    user_id: Option<i64>,
    api_id: Option<i32>,
}

/// The columns of `sessions` that not every form has: NULL stands for one that is missing.
struct Columns {
    address: &'static str,
    test_mode: &'static str,
    user_id: &'static str,
    is_bot: &'static str,
    api_id: &'static str,
}

/// Both libraries keep one row a file; converters, and people who merge files, leave more. Then `dc` is whose is wanted.
fn signed_in(database: &Connection, origin: Origin, columns: &Columns, dc: Option<i32>) -> Result<SignedIn, DatabaseError> {
    let Columns { address, test_mode, user_id, is_bot, api_id } = columns;
    let query =
        format!("SELECT dc_id, {address}, auth_key, {test_mode}, {user_id}, {is_bot}, {api_id} FROM sessions LIMIT {ROWS_MAX}");
    let mut statement = database.prepare(&query)?;
    let mut rows = statement.query([])?;
    let (mut found, mut damage) = (Vec::new(), None);
    while let Some(row) = rows.next()? {
        match key(origin, &blob(row, 2)?) {
            Ok(auth_key) => found.push(SignedIn {
                dc: row.get(0)?,
                address: self::address(row, 1),
                auth_key,
                is_test: integer(row, 3).is_some_and(|value| value != 0),
                is_bot: integer(row, 5).is_some_and(|value| value != 0),
                user_id: integer(row, 4).filter(|id| *id > 0),
                api_id: integer(row, 6).and_then(|id| i32::try_from(id).ok()).filter(|id| *id > 0),
            }),
            Err(ImportError::NotSignedIn(_)) => {}
            Err(error) => damage = Some(error),
        }
    }
    if found.len() > 1 && !found.iter().any(|row| Some(row.dc) == dc) {
        let dcs = found.iter().map(|row| row.dc.to_string()).collect::<Vec<_>>().join(", ");
        return Err(ImportError::SeveralKeys { origin, dcs }.into());
    }
    if found.len() > 1 {
        found.retain(|row| Some(row.dc) == dc);
    }
    let found = found.pop().ok_or_else(|| damage.unwrap_or(ImportError::NotSignedIn(origin)))?;
    if found.is_test {
        return Err(ImportError::TestServers(origin).into());
    }
    if found.is_bot {
        return Err(ImportError::Bot(origin).into());
    }
    Ok(found)
}

impl SignedIn {
    fn imported(self, origin: Origin, (peers, peers_left): Known) -> Result<Imported, ImportError> {
        let Self { dc, address, auth_key, user_id, api_id, .. } = self;
        Imported { origin, auth_key, dc: Some(dc), address, api_id, user_id, peers, peers_left }.of_real_servers()
    }
}

fn telethon(database: &Connection, dc: Option<i32>) -> Result<Imported, DatabaseError> {
    let origin = Origin::TelethonFile;
    let columns = Columns { address: "server_address", test_mode: "NULL", user_id: "NULL", is_bot: "NULL", api_id: "NULL" };
    let mut row = signed_in(database, origin, &columns, dc)?;
    let mut known = Known::default();
    if is_table(database, "entities")? {
        // Entities are dated since the version after that.
        let dated = || Ok::<_, rusqlite::Error>(self::columns(database, "entities")?.iter().any(|column| column == "date"));
        let own_hashes = version(database, "version")?.map_or_else(dated, |version| Ok(version >= TELETHON_HASHES_SINCE))?;
        known = peers(database, "entities", "hash", own_hashes)?;
        // Telethon writes down who the account is as the "access hash" of peer 0.
        let own = database.query_row("SELECT hash FROM entities WHERE id = 0", [], |row| Ok(integer(row, 0)));
        row.user_id = own.ok().flatten().filter(|id| *id > 0 && own_hashes);
    }
    Ok(row.imported(origin, known)?)
}

fn pyrogram(
    database: &Connection,
    api_id: &'static str,
    address: &'static str,
    dc: Option<i32>,
) -> Result<Imported, DatabaseError> {
    let origin = Origin::PyrogramFile;
    let columns = Columns { address, test_mode: "test_mode", user_id: "user_id", is_bot: "is_bot", api_id };
    let row = signed_in(database, origin, &columns, dc)?;
    let mut known = Known::default();
    if is_table(database, "peers")? {
        // The application's id is kept since the version after that.
        let present = version(database, "number")?.map_or(api_id != "NULL", |version| version >= PYROGRAM_HASHES_SINCE);
        known = peers(database, "peers", "access_hash", present)?;
    }
    Ok(row.imported(origin, known)?)
}

/// The version of the form, where one is written down: converters leave the table empty.
fn version(database: &Connection, column: &str) -> rusqlite::Result<Option<i64>> {
    if !is_table(database, "version")? {
        return Ok(None);
    }
    let mut statement = database.prepare(&format!("SELECT {column} FROM version"))?;
    let mut rows = statement.query([])?;
    Ok(rows.next()?.and_then(|row| integer(row, 0)))
}

/// The peers that are taken over, and how many are left.
type Known = (Vec<(PeerId, Option<i64>)>, u64);

/// The peers of a table. A row that makes no sense is skipped: the next answers teach it again.
fn peers(database: &Connection, table: &str, hash: &str, valid: bool) -> rusqlite::Result<Known> {
    let mut statement = database.prepare(&format!("SELECT id, {hash} FROM {table} LIMIT {PEERS_MAX}"))?;
    let mut rows = statement.query([])?;
    let mut peers = Vec::new();
    while let Some(row) = rows.next()? {
        peers.extend(integer(row, 0).and_then(|id| peer(id, integer(row, 1).unwrap_or_default())));
    }
    Ok(if valid { (peers, 0) } else { (Vec::new(), peers.len() as u64) })
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
