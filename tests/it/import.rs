//! Sessions of other programs, written by those programs themselves, sign in here without a login.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod found;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::json;
use telescribe::accounts::Sessions;
use telescribe::model::PeerId;
use telescribe_simulator::{AccountAccess, Options, Simulator, WorldSpec};

use crate::support::disk::hex;
use crate::support::program::program;
use crate::support::python::python;

struct Setting {
    simulator: Simulator,
    account: AccountAccess,
    folder: tempfile::TempDir,
}

impl Setting {
    async fn new() -> Self {
        let spec = WorldSpec { accounts: 1, peers: 4, messages: 100, ..WorldSpec::default() };
        let simulator = Simulator::start(spec.generate(), Options::default()).await.unwrap();
        let account = simulator.accounts().remove(0);
        Self { simulator, account, folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Peers as a client that has been used for a while knows them.
    fn peers(&self) -> Vec<(i64, i64)> {
        vec![(self.account.user_id, self.account.access_hash), (-42, 0), (-1_001_500_000_001, -9)]
    }

    /// Has a library write the account's session.
    fn write(&self, library: &str, python: &str) {
        let dc = self.account.data_centres.iter().find(|dc| dc.id == self.account.home_dc).unwrap();
        let account = json!({
            "library": library, "folder": self.path(), "dc": dc.id, "address": dc.address.ip(), "port": dc.address.port(),
            "key": hex(&dc.auth_key), "user_id": self.account.user_id, "api_id": 5, "peers": self.peers(),
        });
        let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/import/write.py");
        let mut child = Command::new(python).arg(script).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(account.to_string().as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{library}: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn run(&self, arguments: &[&str], stdin: Stdio) -> Output {
        let dcs = self.account.data_centres.iter().map(|dc| format!("{{ id = {}, address = \"{}\" }}", dc.id, dc.address));
        let dcs = format!("[{}]", dcs.collect::<Vec<_>>().join(", "));
        program(self.path(), arguments).env("TELESCRIBE__TELEGRAM__DATA_CENTRES", dcs).stdin(stdin).output().unwrap()
    }

    /// Imports a file, and asks Telegram about the account.
    fn works(&self, name: &str, arguments: &[&str], stdin: Stdio) {
        // One session has one name.
        for other in std::fs::read_dir(self.path().join("sessions")).into_iter().flatten() {
            std::fs::remove_file(other.unwrap().path()).unwrap();
        }
        let imported = self.run(&[&["account", "import", name], arguments].concat(), stdin);
        assert!(imported.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&imported.stderr));
        let checked = self.run(&["account", "check", name], Stdio::null());
        assert!(checked.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&checked.stdout));
    }

    fn refused(&self, arguments: &[&str]) -> String {
        let refused = self.run(&[&["account", "import", "other"], arguments].concat(), Stdio::null());
        assert_eq!(refused.status.code(), Some(2), "{arguments:?}");
        assert!(!self.path().join("sessions/other.session").exists());
        String::from_utf8_lossy(&refused.stderr).into_owned()
    }

    /// The session has the peers that the other program knew.
    fn knows_its_peers(&self, name: &str) {
        let session = Sessions::new(&self.path().join("sessions"), "simulated").load(&name.parse().unwrap()).unwrap();
        assert_eq!(session.user_id(), Some(self.account.user_id));
        for (peer, hash) in self.peers() {
            assert!(session.knows(PeerId(peer)), "{peer}");
            assert_eq!(session.access_hash(PeerId(peer)), Some(hash).filter(|hash| *hash != 0), "{peer}");
        }
    }

    fn open(&self, name: &str) -> Stdio {
        std::fs::File::open(self.path().join(name)).unwrap().into()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_that_telethon_wrote_work_here() {
    let s = Setting::new().await;
    s.write("telethon", &python(&["telethon"]));
    s.works("file", &["telethon.session"], Stdio::null());
    s.knows_its_peers("file");
    s.works("text", &["telethon.string"], Stdio::null());
    s.works("piped", &["-"], s.open("telethon.string"));
    s.works("piped-file", &["-"], s.open("telethon.session"));
    s.knows_its_peers("piped-file");
    assert!(s.refused(&["empty.session"]).contains("never signed in; use `telescribe login NAME` instead"));

    // The string itself is no argument, and is not said once more.
    let string = std::fs::read_to_string(s.path().join("telethon.string")).unwrap();
    let told = s.refused(&[&string]);
    assert!(told.contains("the shell's history") && !told.contains(&string[20..60]), "{told}");

    // A real session never leads to a machine's own server, nor the reverse.
    let real = program(s.path(), &["account", "import", "other", "telethon.session"])
        .env("TELESCRIBE__TELEGRAM__SERVER", "telegram")
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&real.stderr);
    assert!(real.status.code() == Some(2) && told.contains("was made for a server at 127.0.0.1"), "{told}");
    s.simulator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_that_pyrograms_successor_wrote_work_here() {
    let s = Setting::new().await;
    let python = python(&["pyrogram"]);
    s.write("kurigram", &python);
    s.works("file", &["kurigram.session"], Stdio::null());
    s.knows_its_peers("file");
    s.works("text", &["kurigram.string"], Stdio::null());
    assert!(s.refused(&["bot.string"]).contains("bots cannot read histories"));

    // What lies in a log beside the file is not read, and not passed over either.
    let told = s.refused(&["killed.session"]);
    assert!(told.contains("is incomplete without `killed.session-wal`") && told.contains("PRAGMA journal_mode=DELETE"), "{told}");
    let together = "import sqlite3; sqlite3.connect('killed.session').execute('PRAGMA journal_mode=DELETE')";
    assert!(Command::new(&python).args(["-c", together]).current_dir(s.path()).status().unwrap().success());
    s.works("killed", &["killed.session"], Stdio::null());
    s.knows_its_peers("killed");
    s.simulator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bare_key_works_with_its_data_centre() {
    let s = Setting::new().await;
    let dc = s.account.data_centres.iter().find(|dc| dc.id == s.account.home_dc).unwrap();
    std::fs::write(s.path().join("bare.key"), dc.auth_key).unwrap();
    let told = s.refused(&["bare.key"]);
    assert!(told.contains("`bare.key` is an authorisation key, which does not tell its data centre; add `--dc`"), "{told}");
    s.works("bare", &["bare.key", "--dc", &dc.id.to_string()], Stdio::null());
    s.simulator.stop().await;
}
