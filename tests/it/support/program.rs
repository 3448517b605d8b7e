//! The program as a process of its own, and how it ended.

#![expect(clippy::unwrap_used, reason = "what cannot be had fails the test")]

use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

/// The binary, with nothing to read and nothing of this process's own settings.
pub(crate) fn binary() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_telescribe"));
    command.stdin(Stdio::null());
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("TELESCRIBE_")) {
        command.env_remove(name);
    }
    command
}

/// How a command ended.
pub(crate) struct Ended {
    pub(crate) status: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ended {
    pub(crate) fn lines(&self) -> Vec<Value> {
        self.out.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect()
    }

    #[track_caller]
    pub(crate) fn well(self) -> Self {
        assert_eq!(self.status, 0, "{}{}", self.out, self.err);
        self
    }
}

/// Runs the binary in a folder, with nothing of this process's own settings.
pub(crate) fn run_in(folder: &Path, arguments: &[&str]) -> Ended {
    let output = binary().args(arguments).current_dir(folder).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ended { status: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
}

/// The program in a folder, on the simulated Telegram.
pub(crate) fn program(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_telescribe"));
    command
        .args(arguments)
        .current_dir(folder)
        .env_remove("TELESCRIBE_MASTER_KEY")
        .env("TELESCRIBE__TELEGRAM__SERVER", "simulated")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Runs it to its end, with what somebody types.
pub(crate) fn run(folder: &Path, arguments: &[&str], typed: &str) -> Output {
    let mut child = program(folder, arguments).spawn().unwrap();
    child.stdin.take().unwrap().write_all(typed.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

/// What it said to whoever reads its errors.
pub(crate) fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Stops a process as a service manager does.
pub(crate) fn terminate(child: &Child) {
    let status = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(status.success());
}
