//! A RabbitMQ node of the tests' own: own ports, own data, own Erlang name, cookie and epmd; the system's service is not touched.
//!
//! `scripts/rabbitmq` holds the node. It listens to this process through a pipe and kills the node when the pipe closes, so that nothing is
//! left behind however the tests end.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::OnceLock;

use tempfile::TempDir;
use tokio::sync::{Mutex, MutexGuard};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/rabbitmq");

/// A running node.
pub(crate) struct Node {
    script: Child,
    commands: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    folder: PathBuf,
    url: String,
}

impl Node {
    /// The node that all tests share; nobody may disturb it.
    pub(crate) fn shared() -> &'static Node {
        static NODE: OnceLock<Node> = OnceLock::new();
        NODE.get_or_init(Node::start)
    }

    /// The node that may be restarted, blocked and broken by one test at a time.
    pub(crate) async fn disturbed() -> MutexGuard<'static, Node> {
        static NODE: OnceLock<Mutex<Node>> = OnceLock::new();
        NODE.get_or_init(|| Mutex::new(Node::start())).lock().await
    }

    /// Starts a node and waits until it lets clients in.
    pub(crate) fn start() -> Node {
        let folder = TempDir::with_prefix("telescribe-rabbit-").unwrap().keep();
        let mut script = Command::new(SCRIPT);
        let mut script = script.arg("run").arg(&folder).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (commands, answers) = (script.stdin.take(), BufReader::new(script.stdout.take().unwrap()));
        let mut node = Node { script, commands, answers, folder, url: String::new() };
        node.url = node.answer();
        node
    }

    /// The node's address, with the password of its only user.
    pub(crate) fn url(&self) -> String {
        self.url.clone()
    }

    /// Ends the node as a power cut would, without telling anyone.
    pub(crate) fn kill(&mut self) {
        self.tell("kill");
        assert_eq!(self.answer(), "killed");
    }

    /// Starts the node again, with the data it had.
    pub(crate) fn start_again(&mut self) {
        self.tell("start");
        assert_eq!(self.answer(), self.url);
    }

    /// Runs an operator's command on the node.
    pub(crate) fn ctl(&self, arguments: &[&str]) {
        let output = Command::new(SCRIPT).arg("ctl").arg(&self.folder).args(arguments).output().unwrap();
        assert!(output.status.success(), "rabbitmqctl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn tell(&mut self, word: &str) {
        writeln!(self.commands.as_mut().unwrap(), "{word}").unwrap();
    }

    /// The script's next line. It waits for as long as a node may need.
    fn answer(&mut self) -> String {
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        assert!(!line.is_empty(), "the RabbitMQ node could not be started: what is printed above says why");
        line.trim_end().to_owned()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        drop(self.commands.take());
        self.script.wait().unwrap();
    }
}
