//! A simulated Telegram, and a folder in which the program is started, ended and asked, as an operator does it.

#![expect(clippy::unwrap_used, reason = "what cannot be had fails the test")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;
use telescribe::archive::DataFolder;
use telescribe_simulator::{Options, PeerId, Simulator, WorldSpec};
use tempfile::TempDir;
use tokio::net::UnixStream;
use tokio::time::{Instant, sleep};

use super::http;
use crate::support::faulty_disk::FaultyDisk;
use crate::support::files::copy;
use crate::support::fleet::{first_differences, write_sessions};
use crate::support::program::{Ended, binary, terminate};

/// How often it is looked.
pub(super) const EVERY: Duration = Duration::from_millis(15);
/// The longest that a start, a stop, or nothing to do without being equal may last.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long an archive that has nothing left to ask for may differ from the truth: another poll, which is each second, may mend it.
const IDLE_PATIENCE: Duration = Duration::from_secs(10);

/// A program's folder, and what it crawls.
pub(super) struct Site {
    pub(super) simulator: Arc<Simulator>,
    folder: TempDir,
    disk: Option<FaultyDisk>,
    settings: Vec<(&'static str, String)>,
    starts: AtomicU32,
}

/// The program while it runs; killed when this is dropped.
pub(super) struct Running {
    pub(super) child: Child,
    log: PathBuf,
}

/// How a start went.
pub(super) enum Started {
    /// It answers.
    Up(Running),
    /// It has ended.
    Ended { status: Option<i32>, said: String },
}

/// How a crawl went.
pub(super) enum Crawled {
    /// The archive says what Telegram says.
    Equal,
    /// It does not, and that does not change; what the program said of it.
    Differs(String),
    /// The program has ended by itself.
    Ended { status: Option<i32>, said: String },
}

impl Running {
    pub(super) fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Kills it: it learns nothing of it.
    pub(super) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// A small world, of which a crawl takes about a second.
pub(super) fn world(seed: u64) -> WorldSpec {
    WorldSpec { seed, accounts: 2, peers: 10, messages: 2_000, ..WorldSpec::default() }
}

impl Site {
    /// A site on a disk of its own that can be hurt, or on the system's.
    pub(super) async fn new(world: WorldSpec, on_faulty_disk: bool) -> Result<Self> {
        let simulator = Simulator::start(world.generate(), Options::default()).await?;
        Self::of(Arc::new(simulator), on_faulty_disk)
    }

    /// Another site on the same simulated Telegram.
    pub(super) fn of(simulator: Arc<Simulator>, on_faulty_disk: bool) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        fs::create_dir(folder.path().join("disk"))?;
        let disk = match on_faulty_disk {
            true => Some(FaultyDisk::mount(&folder.path().join("disk"))?),
            false => None,
        };
        let site = Self { simulator, folder, disk, settings: Vec::new(), starts: AtomicU32::new(0) };
        write_sessions(&site.simulator, &site.sessions());
        fs::File::open(site.root())?.sync_all()?;
        Ok(site)
    }

    /// Sets a setting of the program's.
    pub(super) fn set(&mut self, name: &'static str, value: impl Into<String>) {
        self.settings.push((name, value.into()));
    }

    pub(super) fn disk(&self) -> &FaultyDisk {
        self.disk.as_ref().unwrap()
    }

    pub(super) fn disk_mut(&mut self) -> &mut FaultyDisk {
        self.disk.as_mut().unwrap()
    }

    /// Where data folder and sessions are.
    pub(super) fn root(&self) -> PathBuf {
        self.folder.path().join("disk")
    }

    pub(super) fn data(&self) -> PathBuf {
        self.root().join("data")
    }

    fn sessions(&self) -> PathBuf {
        self.root().join("sessions")
    }

    pub(super) fn socket(&self) -> PathBuf {
        DataFolder::socket(&self.data())
    }

    /// A place outside of what the program has.
    pub(super) fn beside(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The folders of another site of the same simulated Telegram take the place of this one's.
    pub(super) fn take_over(&self, from: &Path) {
        fs::remove_dir_all(self.root()).ok();
        copy(from, &self.root());
        keep_private(&self.root());
    }

    fn command(&self) -> Command {
        let mut command = binary();
        command
            .arg("--data")
            .arg(self.data())
            .current_dir(self.folder.path())
            .env("TELESCRIBE__TELEGRAM__SERVER", "simulated")
            .env("TELESCRIBE__TELEGRAM__REQUEST_TIMEOUT", "3s")
            .env("TELESCRIBE__ACCOUNTS__SESSIONS", self.sessions())
            .env("TELESCRIBE__ACCOUNTS__REQUEST_INTERVAL", "0s")
            .env("TELESCRIBE__ACCOUNTS__REST_AFTER_CRASH", "0s")
            .env("TELESCRIBE__JOBS__CATCH_UP__CRON", "* * * * * *")
            .env("TELESCRIBE__JOBS__BACKFILL__CRON", "* * * * * *")
            .env("TELESCRIBE__ARCHIVE__FREE_MIN_MIB", "0")
            .env("TELESCRIBE__HTTP__LISTENERS", "[]")
            .env("TELESCRIBE__HTTP__METRICS", "[]")
            .env("TELESCRIBE__MEDIA__ENABLED", "false")
            .env("TELESCRIBE__LOG__FILTER", "warn")
            .env("RUST_BACKTRACE", "0");
        for (name, value) in &self.settings {
            command.env(name, value);
        }
        command
    }

    /// Runs a command to its end.
    pub(super) async fn run(&self, arguments: &[&str]) -> Ended {
        let mut command = self.command();
        command.args(arguments);
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Ended { status: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
    }

    /// Starts the program; returns at once.
    pub(super) fn spawn(&self, failpoints: &str) -> Result<Running> {
        let log = self.beside(&format!("log-{}", self.starts.fetch_add(1, Ordering::Relaxed)));
        let file = fs::File::create(&log)?;
        let mut command = self.command();
        command.arg("run").env("FAILPOINTS", failpoints).stdout(file.try_clone()?).stderr(file).stdin(Stdio::null());
        Ok(Running { child: command.spawn()?, log })
    }

    /// Starts the program and waits until it answers or has ended.
    pub(super) async fn start(&self, failpoints: &str) -> Result<Started> {
        // A killed program leaves its socket behind, which nobody answers on.
        let running = self.spawn(failpoints)?;
        self.until_up(running).await
    }

    pub(super) async fn until_up(&self, mut running: Running) -> Result<Started> {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = running.child.try_wait()? {
                return Ok(Started::Ended { status: status.code(), said: running.said() });
            }
            if UnixStream::connect(self.socket()).await.is_ok() {
                return Ok(Started::Up(running));
            }
            ensure!(Instant::now() < end, "it neither answers nor ends: {}", running.said());
            sleep(EVERY).await;
        }
    }

    /// Has the program stop, as a service manager does; it must end with success.
    pub(super) async fn stop(&self, running: Running) -> Result<()> {
        match self.stopped(running).await? {
            (Some(0), _) => Ok(()),
            (status, said) => bail!("a stop ends with {status:?}: {said}"),
        }
    }

    /// The same; with what it ended, and what it said.
    pub(super) async fn stopped(&self, mut running: Running) -> Result<(Option<i32>, String)> {
        terminate(&running.child);
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = running.child.try_wait()? {
                return Ok((status.code(), running.said()));
            }
            ensure!(Instant::now() < end, "a stop does not end: {}", running.said());
            sleep(EVERY).await;
        }
    }

    pub(super) fn truth(&self) -> String {
        let mut truth = Vec::new();
        self.simulator.truth(&mut truth).unwrap();
        String::from_utf8(truth).unwrap()
    }

    /// Waits until the archive says what Telegram says, nothing is left to do, and everybody has read all of it.
    pub(super) async fn until_equal(&self, running: &mut Running) -> Result<Crawled> {
        let end = Instant::now() + PATIENCE;
        let mut idle_since: Option<Instant> = None;
        loop {
            if let Some(status) = running.child.try_wait()? {
                return Ok(Crawled::Ended { status: status.code(), said: running.said() });
            }
            let why = match http::json(&self.socket(), "/v1/status").await {
                Err(error) => format!("its status cannot be had: {error:#}"),
                Ok(status) => match is_idle(&status) {
                    false => format!("there is something left to do: {}{}", brief(&status), unable(&status)),
                    true => {
                        let dump = self.run(&["dump"]).await;
                        let truth = self.truth();
                        if dump.status == 0 && dump.out == truth {
                            return Ok(Crawled::Equal);
                        }
                        let since = *idle_since.get_or_insert_with(Instant::now);
                        let why = format!("{}{}{}", dump.err, first_differences(&dump.out, &truth), unable(&status));
                        if since.elapsed() > IDLE_PATIENCE {
                            return Ok(Crawled::Differs(format!("{}\n{why}", running.said())));
                        }
                        why
                    }
                },
            };
            if Instant::now() > end {
                return Ok(Crawled::Differs(format!("{}\n{why}", running.said())));
            }
            sleep(EVERY).await;
        }
    }

    /// Every file of archive, index and sessions, and what is in it; not what only says who has them open, nor RocksDB's own diary.
    pub(super) fn contents(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut found = BTreeMap::new();
        read_below(&self.root(), &mut found);
        found
    }

    /// Channels and groups, in which something can happen.
    pub(super) fn peers(&self) -> Vec<PeerId> {
        self.simulator.inspect(|world| world.chats.iter().map(|c| c.peer).filter(|p| p.marked() < 0).collect())
    }

    /// Checks that a search finds a message.
    pub(super) async fn finds(&self, words: &str) -> Result<()> {
        let found = self.run(&["search", words]).await;
        if found.status != 0 {
            bail!("a search for `{words}` ends with {}: {}{}", found.status, found.out, found.err);
        }
        Ok(())
    }
}

/// Whether a file only says who has something open, or is RocksDB's diary.
fn is_incidental(name: &str) -> bool {
    name == "lock" || name == "LOCK" || name.ends_with(".lock") || name.starts_with("LOG") || name.ends_with(".sock")
}

fn read_below(folder: &Path, into: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            read_below(&path, into);
        } else if path.is_file() && !is_incidental(&entry.file_name().to_string_lossy()) {
            into.insert(path.clone(), fs::read(&path).unwrap_or_default());
        }
    }
}

/// Copies lose who may read a file.
fn keep_private(root: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    for entry in fs::read_dir(root).into_iter().flatten().flatten() {
        let path = entry.path();
        let mode = if path.is_dir() { 0o700 } else { 0o600 };
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).ok();
        if path.is_dir() {
            keep_private(&path);
        }
    }
}

/// Whether nothing is missing, nothing is being done, and index and outputs have read everything.
fn is_idle(status: &Value) -> bool {
    let crawl = |name: &str| status["crawl"][name].as_u64();
    let done = ["ids_missing", "ids_recheck", "deletions_held", "units_running"];
    let outputs = status["outputs"].as_array();
    let delivered = outputs.is_none_or(|outputs| outputs.iter().all(|output| output["lag"] == 0));
    let indexed = status["index"]["behind"] == 0 && status["index"].get("rebuild").is_none();
    crawl("peers") > Some(0) && done.iter().all(|name| crawl(name) == Some(0)) && indexed && delivered
}

/// Accounts that cannot be used, and what is to be done about that.
fn unable(status: &Value) -> String {
    let accounts = status["accounts"].as_array().into_iter().flatten().filter(|account| !account["way_out"].is_null());
    accounts.map(|account| format!("\naccount {}: {}", account["name"], account["way_out"])).collect()
}

fn brief(status: &Value) -> String {
    let failing = status["workers"].as_array().into_iter().flatten().filter(|worker| !worker["failing"].is_null());
    let failing: Vec<String> = failing.map(|worker| format!("{}: {}", worker["name"], worker["failing"])).collect();
    let crawl = ["peers", "ids_missing", "ids_recheck", "units_running"].map(|name| status["crawl"][name].to_string());
    format!("{crawl:?}, index {}, outputs {}, failing {failing:?}", status["index"], status["outputs"])
}

/// Waits until something holds; says whether it came to hold.
pub(super) async fn comes(patience: Duration, mut holds: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + patience;
    while !holds() {
        if Instant::now() > end {
            return false;
        }
        sleep(EVERY).await;
    }
    true
}

/// Copies a site's folders.
pub(super) fn keep(site: &Site, to: &Path) -> Result<()> {
    fs::create_dir_all(to).context("a place for a copy")?;
    copy(&site.root(), to);
    Ok(())
}
