//! A receiver of web hooks that another hand's library verifies for (`tests/webhook/receiver.py`), and that answers as it is told.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::python::python;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/webhook/receiver.py");
/// What it shares with those who send.
pub(crate) const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A running receiver; it ends with its input.
pub(crate) struct WebhookReceiver {
    script: Child,
    commands: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    folder: TempDir,
    pub(crate) url: String,
}

/// A request that it got.
#[derive(Clone, Debug)]
pub(crate) struct HookRequest {
    pub(crate) id: String,
    /// How it was answered.
    pub(crate) answer: String,
    /// Why the library does not take it for ours.
    pub(crate) refusal: Option<String>,
    pub(crate) body: String,
    /// Seconds.
    pub(crate) at: f64,
    /// Of the connection that it came over.
    pub(crate) port: u64,
    pub(crate) headers: Value,
}

impl WebhookReceiver {
    pub(crate) fn start() -> Self {
        Self::with(|_| Vec::new())
    }

    /// With a certificate; [`issuer`](Self::issuer) has who has issued it.
    pub(crate) fn with_tls() -> Self {
        Self::with(|folder| vec!["--tls".into(), folder.join("issuer.pem")])
    }

    fn with(more: impl Fn(&Path) -> Vec<PathBuf>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new(python(&["standardwebhooks", "cryptography"]));
        command.args([SCRIPT, "--secret", SECRET, "--out"]).arg(folder.path().join("requests")).args(more(folder.path()));
        let mut script = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (commands, answers) = (script.stdin.take(), BufReader::new(script.stdout.take().unwrap()));
        let mut receiver = Self { script, commands, answers, folder, url: String::new() };
        receiver.url = receiver.line();
        receiver
    }

    /// How it is to answer the next requests, each in turn.
    pub(crate) fn answer(&mut self, answers: &[&str]) {
        for answer in answers {
            writeln!(self.commands.as_mut().unwrap(), "{answer}").unwrap();
            assert_eq!(self.line(), "told");
        }
    }

    /// The file with the certificate of who has issued its own.
    pub(crate) fn issuer(&self) -> PathBuf {
        self.folder.path().join("issuer.pem")
    }

    /// What has come, in order.
    pub(crate) fn requests(&self) -> Vec<HookRequest> {
        let text = std::fs::read_to_string(self.folder.path().join("requests")).unwrap();
        // The last line may be half written.
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        let request = |line: &str| {
            let line: Value = serde_json::from_str(line).unwrap();
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            HookRequest {
                id: text(&line["headers"]["webhook-id"]),
                answer: text(&line["answer"]),
                refusal: line["refusal"].as_str().map(str::to_owned),
                body: text(&line["body"]),
                at: line["at"].as_f64().unwrap(),
                port: line["port"].as_u64().unwrap(),
                headers: line["headers"].clone(),
            }
        };
        whole.lines().map(request).collect()
    }

    /// The ids of the requests that it has confirmed, in order.
    pub(crate) fn confirmed(&self) -> Vec<String> {
        let requests = self.requests().into_iter().filter(|request| request.answer.starts_with('2') || request.answer == "long");
        requests.map(|request| request.id).collect()
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        assert!(!line.is_empty(), "the receiver could not be started: what is printed above says why");
        line.trim_end().to_owned()
    }
}

impl Drop for WebhookReceiver {
    fn drop(&mut self) {
        drop(self.commands.take());
        self.script.wait().unwrap();
    }
}
