//! The program as an operator runs it: a process.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

use crate::support::program::terminate;

/// `telescribe run`, and the commands that ask it.
pub(super) struct Daemon {
    folder: PathBuf,
    /// The proxy of one account: it takes connections, and that is all.
    proxy: TcpListener,
    proxied: String,
    child: Option<Child>,
    memory: Memory,
}

/// The most bytes that it had in memory, of all its lives.
#[derive(Clone, Copy, Default, serde::Serialize)]
pub(super) struct Memory {
    /// Everything resident, mapped files of the index included, which the system takes back when it wants.
    resident: u64,
    /// What is its own.
    anonymous: u64,
    /// At most at once.
    threads: usize,
}

/// More than this and idle threads are hoarded: 64 may block, the scheduler has one a processor, RocksDB, Tantivy and jemalloc a few each.
fn threads_max() -> usize {
    100 + std::thread::available_parallelism().map_or(1, usize::from)
}

impl Daemon {
    /// Starts it over a folder with sessions, one of whose accounts has a dead proxy.
    pub(super) fn start(folder: &Path, proxied: &str) -> Self {
        let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut daemon =
            Self { folder: folder.to_owned(), proxy, proxied: proxied.to_owned(), child: None, memory: Memory::default() };
        daemon.start_again();
        daemon
    }

    pub(super) fn start_again(&mut self) {
        assert!(self.child.is_none(), "it runs already");
        let log = std::fs::File::options().create(true).append(true).open(self.folder.join("log")).unwrap();
        let child = self.command().arg("run").stdin(Stdio::null()).stderr(log.try_clone().unwrap()).stdout(log).spawn();
        self.child = Some(child.unwrap());
    }

    fn command(&self) -> Command {
        let proxy = format!("socks5://{}", self.proxy.local_addr().unwrap());
        let mut command = Command::new(env!("CARGO_BIN_EXE_telescribe"));
        command
            .arg("--data")
            .arg(self.folder.join("data"))
            .current_dir(&self.folder)
            .env("TELESCRIBE__TELEGRAM__SERVER", "simulated")
            .env("TELESCRIBE__TELEGRAM__REQUEST_TIMEOUT", "3s")
            .env("TELESCRIBE__ACCOUNTS__SESSIONS", self.folder.join("sessions"))
            .env("TELESCRIBE__ACCOUNTS__REQUEST_INTERVAL", "0s")
            .env(format!("TELESCRIBE__ACCOUNTS__PROXIES__{}", self.proxied.to_uppercase()), proxy)
            // Longer than the short waits that are asked for here; the long one is remembered.
            .env("TELESCRIBE__ACCOUNTS__REST_AFTER_CRASH", "4s")
            .env("TELESCRIBE__JOBS__CATCH_UP__CRON", "* * * * * *")
            .env("TELESCRIBE__JOBS__BACKFILL__CRON", "*/5 * * * * *")
            .env("TELESCRIBE__CRAWL__MASS_DELETION_CONFIRM_AFTER", "2s")
            // Both mass deletions are in one channel, and where Telegram skips its events they are found only so far back.
            .env("TELESCRIBE__CRAWL__RECHECK_IDS_MAX", "20000")
            .env("TELESCRIBE__MEDIA__ENABLED", "false")
            .env("TELESCRIBE__HTTP__LISTENERS", "[]")
            .env("TELESCRIBE__HTTP__METRICS", "[]")
            .env("TELESCRIBE__LOG__FILTER", "warn")
            .env("RUST_BACKTRACE", "0");
        command
    }

    /// Runs a command against it.
    pub(super) fn telescribe(&self, arguments: &[&str]) -> Output {
        self.command().args(arguments).stdin(Stdio::null()).output().unwrap()
    }

    pub(super) fn dump(&self, to: &Path) {
        let status = self.command().arg("dump").stdout(std::fs::File::create(to).unwrap()).status().unwrap();
        assert!(status.success(), "the dump ends well");
    }

    /// Whether nothing is missing and nothing is being done.
    pub(super) fn is_idle(&self) -> bool {
        let Ok(status) = serde_json::from_slice::<Value>(&self.telescribe(&["status", "--json"]).stdout) else { return false };
        let crawl = |name: &str| status["crawl"][name].as_u64();
        let done = ["ids_missing", "ids_recheck", "deletions_held", "units_running"];
        crawl("peers") > Some(0) && done.iter().all(|name| crawl(name) == Some(0))
    }

    /// Kills it: it learns nothing of it.
    pub(super) fn kill(&mut self) {
        self.note_memory();
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Stops it as a service manager does.
    pub(super) fn stop(&mut self) {
        self.note_memory();
        let mut child = self.child.take().unwrap();
        terminate(&child);
        assert!(child.wait().unwrap().success(), "SIGTERM ends it with success");
    }

    pub(super) fn memory_max(&mut self) -> Memory {
        self.note_memory();
        self.memory
    }

    /// Looks at how much memory it has.
    pub(super) fn note_memory(&mut self) {
        let Some(child) = &self.child else { return };
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let bytes = |name: &str| {
            let kib = |line: &str| line.strip_prefix(name)?.trim().trim_end_matches(" kB").parse::<u64>().ok();
            status.lines().find_map(kib).unwrap_or_default() * 1_024
        };
        self.memory.resident = self.memory.resident.max(bytes("VmHWM:"));
        self.memory.anonymous = self.memory.anonymous.max(bytes("RssAnon:"));
        let threads = status.lines().find_map(|line| line.strip_prefix("Threads:")?.trim().parse().ok()).unwrap_or_default();
        self.memory.threads = self.memory.threads.max(threads);
        assert!(threads <= threads_max(), "{threads} threads, {} at most", threads_max());
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().ok();
            child.wait().ok();
        }
    }
}
