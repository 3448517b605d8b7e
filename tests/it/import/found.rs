//! Sessions as they lie in people's files: what an editor, a shell or a converter has made of them.

use std::fmt::Write as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use rusqlite::{Connection, params};

use crate::support::program::{program, told};

const KEY: [u8; 256] = {
    let mut key = [0; 256];
    let mut at = 0;
    while at < key.len() {
        key[at] = (255 - at) as u8;
        at += 1;
    }
    key
};

/// Where a file is imported.
struct Found(tempfile::TempDir);

impl Found {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Imports a file on a simulated Telegram with four data centres, and returns whether it was taken over and what was said.
    fn import(&self, bytes: &[u8], arguments: &[&str]) -> (bool, String) {
        let sessions = self.path().join("sessions");
        if sessions.exists() {
            std::fs::remove_dir_all(sessions).unwrap();
        }
        std::fs::write(self.path().join("found"), bytes).unwrap();
        self.imported(arguments)
    }

    fn imported(&self, arguments: &[&str]) -> (bool, String) {
        let dcs = "[{ id = 2, address = \"127.0.0.1:2\" }, { id = 4, address = \"127.0.0.1:4\" }, { id = 5, address = \"127.0.0.1:5\" }]";
        let output = program(self.path(), &[&["account", "import", "alpha", "found"], arguments].concat())
            .env("TELESCRIBE__TELEGRAM__DATA_CENTRES", dcs)
            .output()
            .unwrap();
        (output.status.success(), told(&output))
    }

    /// Imports what must be taken over.
    #[track_caller]
    fn takes(&self, what: &str, bytes: &[u8], says: &str) {
        let (taken, told) = self.import(bytes, &[]);
        assert!(taken && told.contains(says), "{what}: {told}");
    }

    /// Imports what must be refused.
    #[track_caller]
    fn refuses(&self, what: &str, bytes: &[u8], says: &str) {
        let (taken, told) = self.import(bytes, &[]);
        assert!(!taken && told.contains(says), "{what}: {told}");
    }
}

/// Telethon's string, of a server on this machine.
fn telethon() -> String {
    format!("1{}", URL_SAFE.encode([&[4][..], &[127, 0, 0, 1], &[1, 187], &KEY].concat()))
}

fn gramjs(address: &str) -> String {
    let length = u16::try_from(address.len()).unwrap().to_be_bytes();
    format!("1{}", STANDARD.encode([&[4][..], &length, address.as_bytes(), &[1, 187], &KEY].concat()))
}

fn wrapped(text: &str, width: usize, end: &str) -> String {
    let mut lines = String::new();
    for line in text.as_bytes().chunks(width) {
        write!(lines, "{}{end}", std::str::from_utf8(line).unwrap()).unwrap();
    }
    lines
}

fn utf16(text: &str, mark: bool, unit: fn(u16) -> [u8; 2]) -> Vec<u8> {
    let mark = if mark { "\u{feff}" } else { "" };
    [mark, text].concat().encode_utf16().flat_map(unit).collect()
}

#[test]
fn a_session_string_is_read_however_it_was_saved() {
    let found = Found::new();
    let string = telethon();
    assert!(string.contains(['-', '_']), "the two alphabets differ in it");
    let bare = string.trim_end_matches('=');
    let says = "was added from a Telethon session string";
    for (what, text) in [
        ("a byte-order mark", format!("\u{feff}{string}\r\n")),
        ("lines of 76", wrapped(&string, 76, "\n")),
        ("lines of 64, Windows", wrapped(&string, 64, "\r\n")),
        ("lines that end in a backslash", wrapped(bare, 100, "\\\n")),
        ("curly quotes", format!("\u{201c}{string}\u{201d}")),
        ("guillemets", format!("\u{ab}{string}\u{bb}")),
        ("backticks", format!("`{string}`\n")),
        ("a name", format!("SESSION_STRING={string}")),
        ("a name in a shell", format!("export SESSION_STRING=\"{string}\"\n")),
        ("a name in PowerShell", format!("$env:SESSION = '{bare}'")),
        ("a name in YAML", format!("session: {bare}\n")),
        ("a name in Python", format!("SESSION = \"{string}\"  # do not share\n")),
        ("a name in JavaScript", format!("const session = new StringSession(\"{string}\");\n")),
        ("among other settings", format!("API_ID=12345\nAPI_HASH=1123456789abcdef0123456789abcdef\nSESSION={bare}\nDEBUG=1\n")),
        ("wrapped among other settings", format!("API_ID=12345\nSESSION={}DEBUG=1\n", wrapped(bare, 70, "\n"))),
        ("quoted line by line", format!("SESSION = (\n{})\n", wrapped(bare, 70, "\"\n    \""))),
        ("the other alphabet", string.replace('-', "+").replace('_', "/")),
        ("the other alphabet, wrapped", wrapped(&bare.replace('-', "+").replace('_', "/"), 76, "\n")),
        ("characters that nobody sees", format!("\u{200b}{}\u{2060}{}\u{a0}", &string[..40], &string[40..])),
        ("twice the same", format!("{string}\n{string}\n")),
    ] {
        found.takes(what, text.as_bytes(), says);
    }
    for (what, bytes) in [
        ("UTF-16 of Windows", utf16(&format!("{string}\r\n"), true, u16::to_le_bytes)),
        ("UTF-16, big endian", utf16(&string, true, u16::to_be_bytes)),
        ("UTF-16 without its mark", utf16(&string, false, u16::to_le_bytes)),
        ("UTF-16 with a name", utf16(&format!("SESSION={string}\r\n"), true, u16::to_le_bytes)),
    ] {
        found.takes(what, &bytes, says);
    }
    let two = format!("A={string}\nB={}\n", [&string[..300], "AAAA", &string[304..]].concat());
    found.refuses("two strings", two.as_bytes(), "holds several session strings");
}

#[test]
fn a_string_of_gramjs_is_read() {
    let found = Found::new();
    for address in ["127.0.0.1", "vesta.web.telegram.org", "zws4.web.telegram.org"] {
        found.takes(address, gramjs(address).as_bytes(), "was added from a GramJS session string");
    }
    // As long as one of Telethon's with an IPv6 address.
    assert_eq!(gramjs("149.154.167.91").len(), 369);
    found.refuses("a real server", gramjs("149.154.167.91").as_bytes(), "was made for a server at 149.154.167.91");
    found.refuses("a test server", gramjs("149.154.167.40").as_bytes(), "is a GramJS session string of Telegram's test servers");
    let line = format!("TG_SESSION=\"{}\"\n", gramjs("127.0.0.1").trim_end_matches('='));
    found.takes("a name", line.as_bytes(), "was added from a GramJS session string");
}

#[test]
fn what_has_lost_a_part_is_not_taken_for_something_else() {
    let found = Found::new();
    let string = telethon();
    found.refuses("its first character", &string.as_bytes()[1..], "whose first character, `1`, is missing");
    found.refuses("its last", &string.as_bytes()[..350], "is a Telethon session string, but damaged");
    for cut in [2, 3, 5, 9] {
        found.refuses("more of its beginning", &string.as_bytes()[cut..], "is not a known kind of session");
    }
    for (what, json) in [
        ("a string in JSON", format!("{{\"session\": \"{string}\"}}")),
        ("a key in JSON", "{\"dc_id\": 2, \"auth_key\": \"00ff\"}".to_owned()),
        ("some members", "{\"version\":1}".to_owned()),
        ("no JSON", "{\"version\":1,".to_owned()),
        ("JSON after a mark", "\u{feff}{\"dc_id\": 2}".to_owned()),
    ] {
        found.refuses(what, json.as_bytes(), "is not a known kind of session");
    }
    let own = "{\"version\":1,\"server\":\"telegram\",\"home\":2,\"data_centres\":{},\"peers\":{}}";
    found.refuses("one of ours", own.as_bytes(), "is a session of telescribe itself");
}

const TELETHON: &str = "CREATE TABLE version (version integer primary key);
    CREATE TABLE sessions (dc_id integer primary key, server_address text, port integer, auth_key blob, takeout_id integer);
    CREATE TABLE entities (id integer primary key, hash integer not null, username text, phone integer, name text, date integer);
    INSERT INTO entities VALUES (88, 5, NULL, NULL, 'X', 0), (-1001234567890, 6, NULL, NULL, 'Y', 0);";

const PYROGRAM: &str = "CREATE TABLE version (number INTEGER PRIMARY KEY);
    CREATE TABLE sessions (dc_id INTEGER PRIMARY KEY, api_id INTEGER, test_mode INTEGER, auth_key BLOB, date INTEGER NOT NULL,
        user_id INTEGER, is_bot INTEGER);
    CREATE TABLE peers (id INTEGER PRIMARY KEY, access_hash INTEGER, type INTEGER NOT NULL, username TEXT, phone_number TEXT,
        last_update_on INTEGER NOT NULL DEFAULT 0);
    INSERT INTO peers (id, access_hash, type) VALUES (77, -5, 'user'), (-42, 0, 'group'), (-1001500000001, 9, 'channel');";

impl Found {
    /// Makes a database with a key for each of these data centres, and imports it.
    fn database(&self, schema: &str, dcs: &[i32], arguments: &[&str]) -> (bool, String) {
        for file in ["found", "sessions/alpha.session"] {
            drop(std::fs::remove_file(self.path().join(file)));
        }
        let database = Connection::open(self.path().join("found")).unwrap();
        database.execute_batch(schema).unwrap();
        for dc in dcs {
            let mut key = KEY;
            key[0] = u8::try_from(*dc).unwrap();
            let columns = if schema.contains("peers") {
                "(dc_id, api_id, test_mode, auth_key, date, user_id, is_bot) VALUES (?1, 5, 0, ?2, 0, 77, 0)"
            } else {
                "(dc_id, server_address, port, auth_key) VALUES (?1, '127.0.0.1', 443, ?2)"
            };
            database.execute(&format!("INSERT INTO sessions {columns}"), params![dc, key]).unwrap();
        }
        drop(database);
        self.imported(arguments)
    }
}

#[test]
fn peers_of_a_file_without_a_version_come_along_or_are_said_to_be_left() {
    let found = Found::new();
    let (taken, told) = found.database(PYROGRAM, &[4], &[]);
    assert!(taken && told.contains("from a Pyrogram session file, with 3 peers"), "{told}");
    let (taken, told) = found.database(TELETHON, &[4], &[]);
    assert!(taken && told.contains("from a Telethon session file, with 2 peers"), "{told}");

    let old = format!("{TELETHON} INSERT INTO version VALUES (5);");
    let (taken, told) = found.database(&old, &[4], &[]);
    assert!(taken && told.contains("with 0 peers") && told.contains("2 peers of the file were left"), "{told}");
    let undated = TELETHON.replace(", date integer)", ")").replace(", 0)", ")");
    let (taken, told) = found.database(&undated, &[4], &[]);
    assert!(taken && told.contains("with 0 peers") && told.contains("2 peers of the file were left"), "{told}");
}

#[test]
fn of_a_file_with_several_keys_none_is_chosen_silently() {
    let found = Found::new();
    for schema in [TELETHON, PYROGRAM] {
        let (taken, told) = found.database(schema, &[2, 4], &[]);
        assert!(!taken && told.contains("with keys of several data centres (2, 4); add `--dc`"), "{told}");
        let (taken, told) = found.database(schema, &[2, 4], &["--dc", "5"]);
        assert!(!taken && told.contains("with keys of several data centres (2, 4); add `--dc`"), "{told}");
        let (taken, told) = found.database(schema, &[2, 4], &["--dc", "4"]);
        assert!(taken, "{told}");
        let session = std::fs::read_to_string(found.path().join("sessions/alpha.session")).unwrap();
        assert!(session.contains("\"home\":4"), "it lives where it was said to");
        let (taken, told) = found.database(schema, &[4], &["--dc", "2"]);
        assert!(!taken && told.contains("of data centre 4, not 2; leave `--dc` out"), "{told}");
    }
}
