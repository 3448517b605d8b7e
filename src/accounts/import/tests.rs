//! Every form that the libraries write, what is refused, and damage of any kind.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use proptest::prelude::*;
use rusqlite::{Connection, MAIN_DB, params};

use super::*;

const KEY: [u8; 256] = {
    let mut key = [0; 256];
    let mut at = 0;
    while at < key.len() {
        key[at] = (at * 7 % 251) as u8;
        at += 1;
    }
    key
};

/// Telethon's `StringSession.save`.
fn telethon_string(dc: u8, address: &[u8]) -> String {
    format!("1{}", URL_SAFE.encode([&[dc], address, &[1, 187], &KEY].concat()))
}

/// Pyrogram's three packings.
fn pyrogram_string(api_id: Option<u32>, test: u8, user_id: &[u8], bot: u8) -> String {
    let api_id = api_id.map(u32::to_be_bytes);
    let api_id = api_id.as_ref().map_or(&[][..], |id| id);
    URL_SAFE_NO_PAD.encode([&[4], api_id, &[test], &KEY, user_id, &[bot]].concat())
}

fn database(statements: &str, key: &[u8]) -> Vec<u8> {
    let mut database = Connection::open_in_memory().unwrap();
    database.execute_batch(statements).unwrap();
    database.execute("UPDATE sessions SET auth_key = ?1", params![key]).unwrap();
    database.serialize(MAIN_DB).unwrap().to_vec()
}

const TELETHON: &str = "CREATE TABLE version (version integer primary key); INSERT INTO version VALUES (7);
    CREATE TABLE sessions (dc_id integer primary key, server_address text, port integer, auth_key blob, takeout_id integer);
    INSERT INTO sessions VALUES (4, '149.154.167.91', 443, x'', NULL);
    CREATE TABLE entities (id integer primary key, hash integer not null, username text, phone integer, name text, date integer);
    INSERT INTO entities VALUES (0, 77, NULL, NULL, NULL, 1), (77, -5, 'me', NULL, 'Me', 1), (-42, 0, NULL, NULL, 'Group', 1),
        (-1001500000001, 9, 'channel', NULL, 'Channel', 1), (88, 0, NULL, NULL, 'nobody', 1);";

const PYROGRAM: &str = "CREATE TABLE version (number INTEGER PRIMARY KEY); INSERT INTO version VALUES (3);
    CREATE TABLE sessions (dc_id INTEGER PRIMARY KEY, api_id INTEGER, test_mode INTEGER, auth_key BLOB, date INTEGER NOT NULL,
        user_id INTEGER, is_bot INTEGER);
    INSERT INTO sessions VALUES (4, 12345, 0, NULL, 0, 77, 0);
    CREATE TABLE peers (id INTEGER PRIMARY KEY, access_hash INTEGER, type INTEGER NOT NULL, username TEXT, phone_number TEXT,
        last_update_on INTEGER NOT NULL DEFAULT 0);
    INSERT INTO peers (id, access_hash, type) VALUES (77, -5, 'user'), (-42, 0, 'group'), (-1001500000001, 9, 'channel');";

fn expected() -> Vec<(PeerId, Option<i64>)> {
    vec![(PeerId::channel(1_500_000_001), Some(9)), (PeerId::chat(42), None), (PeerId::user(77), Some(-5))]
}

fn error(bytes: &[u8]) -> String {
    Imported::read(bytes, None).unwrap_err().to_string()
}

#[test]
fn a_key_is_read_raw_in_hexadecimal_and_in_base64() {
    let hex: String = KEY.iter().map(|b| format!("{b:02x}")).collect();
    for form in [KEY.to_vec(), hex.into_bytes(), (STANDARD.encode(KEY) + "\n").into_bytes()] {
        let imported = Imported::read(&form, None).unwrap();
        assert_eq!((imported.origin, imported.auth_key.bytes(), imported.dc), (Origin::Key, &KEY, None));
    }
    for bad in [&b""[..], b"abc", &[b'z'; 512], &KEY[..255]] {
        assert!(matches!(Imported::read(bad, None), Err(ImportError::Unknown)));
    }
}

#[test]
fn session_strings_of_both_libraries_are_read_in_all_their_packings() {
    let v6 = Ipv6Addr::new(0x2001, 0x67c, 0x4e8, 0xf004, 0, 0, 0, 0xa);
    for (text, address) in [
        (telethon_string(4, &[149, 154, 167, 91]), IpAddr::from([149, 154, 167, 91])),
        (telethon_string(4, &v6.octets()), IpAddr::from(v6)),
        (format!("\"{}\"\n", telethon_string(4, &[149, 154, 167, 91]).trim_end_matches('=')), IpAddr::from([149, 154, 167, 91])),
    ] {
        let read = Imported::read(text.as_bytes(), None).unwrap();
        assert_eq!((read.origin, read.dc, read.address), (Origin::TelethonString, Some(4), Some(address)));
        assert_eq!(read.auth_key.bytes(), &KEY);
    }
    let id = 5_000_000_077_u64;
    for (text, api_id, user_id, length) in [
        (pyrogram_string(Some(12_345), 0, &id.to_be_bytes(), 0), Some(12_345), Some(5_000_000_077), 362),
        (pyrogram_string(None, 0, &id.to_be_bytes(), 0), None, Some(5_000_000_077), 356),
        (pyrogram_string(None, 0, &77_u32.to_be_bytes(), 0), None, Some(77), 351),
    ] {
        assert_eq!(text.len(), length);
        let read = Imported::read(text.as_bytes(), None).unwrap();
        assert_eq!((read.origin, read.dc, read.api_id, read.user_id), (Origin::PyrogramString, Some(4), api_id, user_id));
        assert_eq!(read.auth_key.bytes(), &KEY);
    }
}

#[test]
fn session_files_of_both_libraries_bring_their_peers_along() {
    for (file, origin, api_id) in
        [(database(TELETHON, &KEY), Origin::TelethonFile, None), (database(PYROGRAM, &KEY), Origin::PyrogramFile, Some(12_345))]
    {
        let mut read = Imported::read(&file, None).unwrap();
        assert_eq!((read.origin, read.dc, read.api_id, read.user_id), (origin, Some(4), api_id, Some(77)));
        assert_eq!(read.auth_key.bytes(), &KEY);
        read.peers.sort_unstable_by_key(|(peer, _)| peer.0);
        assert_eq!(read.peers, expected());
        let dc = DataCentre { ipv4: "149.154.167.91:443".parse().unwrap(), ipv6: None, auth_key: None };
        let session = read.into_session("alpha".parse().unwrap(), "telegram", BTreeMap::from([(4, dc)]), None).unwrap();
        assert_eq!((session.home(), session.user_id(), session.peers().len()), (4, Some(77), 3));
        assert!(session.data_centre(4).unwrap().auth_key.is_some());
    }
}

#[test]
fn a_file_that_was_written_with_a_log_beside_it_is_read_too() {
    let mut file = database(TELETHON, &KEY);
    (file[18], file[19]) = (2, 2);
    assert_eq!(Imported::read(&file, None).unwrap().peers.len(), 3);
}

#[test]
fn hashes_of_versions_that_kept_others_are_left_behind() {
    let old = TELETHON.replace("INTO version VALUES (7)", "INTO version VALUES (5)");
    let read = Imported::read(&database(&old, &KEY), None).unwrap();
    assert_eq!((read.peers, read.peers_left), (Vec::new(), 3));
    let old = PYROGRAM.replace("INTO version VALUES (3)", "INTO version VALUES (1)");
    let read = Imported::read(&database(&old, &KEY), None).unwrap();
    assert_eq!((read.peers, read.peers_left), (Vec::new(), 3));
    // Without a version the columns say which form it is, where they can.
    let unversioned = |schema: &str, version: &str| schema.replace(&format!(" INSERT INTO version VALUES ({version});"), "");
    for (schema, peers, left) in [
        (unversioned(TELETHON, "7"), 3, 0),
        (unversioned(PYROGRAM, "3"), 3, 0),
        (unversioned(&PYROGRAM.replace("api_id INTEGER, ", "").replace("12345, 0,", "0,"), "3"), 0, 3),
        (unversioned(&TELETHON.replace(", date integer);", ");").replace(", 1)", ")"), "7"), 0, 3),
    ] {
        let read = Imported::read(&database(&schema, &KEY), None).unwrap();
        assert_eq!((read.peers.len(), read.peers_left), (peers, left), "{schema}");
    }
}

#[test]
fn what_is_of_no_use_is_refused_with_the_way_out() {
    let test_file = TELETHON.replace("149.154.167.91", "149.154.167.40");
    for (bytes, says) in [
        (telethon_string(2, &[149, 154, 167, 40]).into_bytes(), "test servers"),
        (database(&test_file, &KEY), "a Telethon session file of Telegram's test servers"),
        (pyrogram_string(Some(1), 1, &[1; 8], 0).into_bytes(), "test servers"),
        (database(&PYROGRAM.replace("12345, 0,", "12345, 1,"), &KEY), "test servers"),
        (pyrogram_string(Some(1), 0, &[0, 0, 0, 0, 0, 0, 0, 1], 1).into_bytes(), "bots cannot read histories"),
        (database(&PYROGRAM.replace("77, 0);", "77, 1);"), &KEY), "bots cannot read histories"),
        (database(TELETHON, b""), "never signed in; use `telescribe login NAME`"),
        (database(PYROGRAM, b""), "never signed in; use `telescribe login NAME`"),
        (database(TELETHON, &KEY[..255]), "damaged (its key has 255 bytes, not 256)"),
        (telethon_string(4, &[1, 2, 3]).into_bytes(), "damaged (it holds 262 bytes"),
        (database("CREATE TABLE sessions (auth_key)", b""), "of neither Telethon nor Pyrogram"),
        (database("CREATE TABLE a (b); CREATE TABLE sessions (auth_key)", b""), "of neither Telethon nor Pyrogram"),
        (b"SQLite format 3\0".to_vec(), "of neither Telethon nor Pyrogram"),
        (b"{\"version\":1,\"server\":\"telegram\",\"data_centres\":{}}".to_vec(), "a session of telescribe itself"),
        (b"{\"version\":1}".to_vec(), "it is JSON, but has not the members"),
        (pyrogram_string(None, 0, &[0; 8], 0).into_bytes(), "not a known kind of session"),
        (pyrogram_string(None, 2, &[1; 8], 0).into_bytes(), "not a known kind of session"),
    ] {
        let error = error(&bytes);
        assert!(error.contains(says), "{says}: {error}");
    }
}

#[test]
fn a_view_is_not_mistaken_for_a_table() {
    let mut hostile = Connection::open_in_memory().unwrap();
    let endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT";
    let view = format!("CREATE VIEW sessions AS {endless} i AS dc_id, i AS server_address, i AS auth_key FROM n");
    hostile.execute_batch(&view).unwrap();
    let bytes = hostile.serialize(MAIN_DB).unwrap().to_vec();
    assert!(error(&bytes).contains("no table `sessions`"));
}

#[test]
fn no_error_quotes_what_it_was_given() {
    let text = telethon_string(4, &[1, 2, 3]);
    assert!(!error(text.as_bytes()).contains(&text[20..40]));
    assert_eq!(format!("{:?}", Imported::read(&KEY, None).unwrap()), "Imported { origin: Key, dc: None, .. }");
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        if let Err(error) = Imported::read(&bytes, None) {
            prop_assert!(!error.to_string().is_empty());
        }
    }

    #[test]
    fn arbitrary_strings_never_panic(text in "1?[A-Za-z0-9_-]{340,370}={0,2}") {
        if let Ok(read) = Imported::read(text.as_bytes(), None) {
            prop_assert!(read.dc.is_some() || read.origin == Origin::Key);
        }
    }

    #[test]
    fn a_corrupted_database_never_panics(
        telethon in any::<bool>(),
        hits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..40),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut file = database(if telethon { TELETHON } else { PYROGRAM }, &KEY);
        for (at, byte) in hits {
            let at = at.index(file.len());
            file[at] = byte;
        }
        if let Some(cut) = cut {
            file.truncate(cut.index(file.len()));
        }
        if let Err(error) = Imported::read(&file, None) {
            prop_assert!(!error.to_string().is_empty());
        }
    }
}
