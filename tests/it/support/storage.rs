//! A storage server of the tests' own (SeaweedFS), one process or a cluster: own ports, own folder, loopback only.
//!
//! `scripts/seaweedfs` holds it. It listens to this process through a pipe and kills the server when the pipe closes, so that nothing is left
//! behind however the tests end. What is in a bucket is told by boto3, which shares no code with ours.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::OnceLock;

use tempfile::TempDir;
use tokio::sync::{Mutex, MutexGuard};

use crate::support::python::python;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/seaweedfs");
const BUCKET: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/mirror/bucket.py");

/// A running storage server.
pub(crate) struct Storage {
    script: Child,
    commands: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    pub(crate) endpoint: String,
    pub(crate) key_id: String,
    pub(crate) secret: String,
}

/// The size and the SHA-256 of each object, by its name.
pub(crate) type Objects = BTreeMap<String, (u64, String)>;

impl Storage {
    /// The server that all tests share; nobody may disturb it, and each has a bucket of its own.
    pub(crate) fn shared() -> &'static Storage {
        static STORAGE: OnceLock<Storage> = OnceLock::new();
        STORAGE.get_or_init(|| Storage::start("run"))
    }

    /// The server that may be killed by one test at a time.
    pub(crate) async fn disturbed() -> MutexGuard<'static, Storage> {
        static STORAGE: OnceLock<Mutex<Storage>> = OnceLock::new();
        STORAGE.get_or_init(|| Mutex::new(Storage::start("run"))).lock().await
    }

    /// A cluster of three volume servers, each file on two of them.
    pub(crate) fn cluster() -> Storage {
        Storage::start("cluster")
    }

    fn start(kind: &str) -> Storage {
        let folder = TempDir::with_prefix("telescribe-storage-").unwrap().keep();
        let mut script = Command::new(SCRIPT);
        let mut script = script.arg(kind).arg(&folder).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (commands, answers) = (script.stdin.take(), BufReader::new(script.stdout.take().unwrap()));
        let [endpoint, key_id, secret] = [const { String::new() }; 3];
        let mut storage = Storage { script, commands, answers, endpoint, key_id, secret };
        let line = storage.answer();
        let mut words = line.split(' ').map(str::to_owned);
        let mut word = || words.next().unwrap();
        (storage.endpoint, storage.key_id, storage.secret) = (word(), word(), word());
        storage
    }

    /// Ends a process as a power cut would.
    pub(crate) fn kill(&mut self, name: &str) {
        self.tell(&format!("kill {name}"));
        assert_eq!(self.answer(), "killed");
    }

    /// Starts it again, with the data that it had.
    pub(crate) fn start_again(&mut self, name: &str) {
        self.tell(&format!("start {name}"));
        assert_eq!(self.answer(), "started");
    }

    /// Makes a bucket.
    pub(crate) fn make(&self, bucket: &str) {
        self.ask(bucket, &["make"]);
    }

    /// What is in a bucket, read by another hand's client.
    pub(crate) fn objects(&self, bucket: &str) -> Objects {
        serde_json::from_str(&self.ask(bucket, &["list"])).unwrap()
    }

    /// The names of the objects in a bucket.
    pub(crate) fn names(&self, bucket: &str) -> Vec<String> {
        serde_json::from_str(&self.ask(bucket, &["names"])).unwrap()
    }

    /// The names of objects whose upload in parts has not ended.
    pub(crate) fn uploads(&self, bucket: &str) -> Vec<String> {
        self.uploads_with_parts(bucket).into_iter().map(|(name, _)| name).collect()
    }

    /// The same, each with how many parts it has.
    pub(crate) fn uploads_with_parts(&self, bucket: &str) -> Vec<(String, usize)> {
        serde_json::from_str(&self.ask(bucket, &["uploads"])).unwrap()
    }

    /// Writes or deletes an object as somebody else would.
    pub(crate) fn ask(&self, bucket: &str, words: &[&str]) -> String {
        let mut command = Command::new(python(&["boto3"]));
        command.args([BUCKET, &self.endpoint, &self.key_id, &self.secret, bucket]).args(words);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn tell(&mut self, word: &str) {
        writeln!(self.commands.as_mut().unwrap(), "{word}").unwrap();
    }

    /// The script's next line. It waits for as long as a server may need.
    fn answer(&mut self) -> String {
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        assert!(!line.is_empty(), "the storage server could not be started: what is printed above says why");
        line.trim_end().to_owned()
    }
}

impl Drop for Storage {
    fn drop(&mut self) {
        drop(self.commands.take());
        self.script.wait().unwrap();
    }
}
