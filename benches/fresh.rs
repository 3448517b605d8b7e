//! Latency: how soon a fresh message is archived, one of 40 accounts and 20,000 peers, under the usual rate limit, while the past is read.
//!
//! First with what Telegram pushes, then without any push, when only polling finds it. The program is a process of its own, its change
//! log is followed over its socket, and its memory and processor time are read from `/proc`. `TELESCRIBE_BENCH_PEERS`,
//! `TELESCRIBE_BENCH_MESSAGES` and `TELESCRIBE_BENCH_POSTS` change the size.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark prints its results")]

#[path = "simulated/world.rs"]
#[expect(dead_code, reason = "other benchmarks need the rest")]
mod world;

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use telescribe::accounts::Sessions;
use telescribe::config::Server;
use telescribe_simulator::{Options, PeerId, Post, Simulator, WorldSpec};

const ACCOUNTS: usize = 40;
/// Posts come at this pace, so that none waits for another.
const PAUSE: Duration = Duration::from_millis(500);
/// Three polls: what is not seen by then is lost.
const PATIENCE: Duration = Duration::from_secs(100);

fn main() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    let peers = world::number("TELESCRIBE_BENCH_PEERS", 20_000)?;
    let messages = world::number("TELESCRIBE_BENCH_MESSAGES", 2_000_000)?;
    let posts = world::number("TELESCRIBE_BENCH_POSTS", 60)?;
    let spec = WorldSpec { accounts: ACCOUNTS, peers, messages, ..WorldSpec::default() };
    let simulator = runtime.block_on(Simulator::start(spec.generate(), Options { channels_max: peers, ..Options::default() }))?;
    let folder = tempfile::tempdir()?;
    let store = Sessions::new(&folder.path().join("sessions"), Server::Simulated.name());
    for session in world::sessions(&simulator)? {
        store.save(&session)?;
    }
    let mut daemon = Running(telescribe(folder.path()).arg("run").stderr(Stdio::null()).spawn()?);
    let all: Vec<PeerId> = simulator.inspect(|w| w.chats.iter().map(|c| c.peer).filter(|p| p.marked() < 0).collect());
    let discovered = Instant::now();
    while status(folder.path(), "peers")? < all.len() as u64 {
        ensure!(discovered.elapsed() < Duration::from_secs(900), "not every peer was discovered");
        std::thread::sleep(Duration::from_secs(1));
    }
    let discovery = discovered.elapsed();
    let seen = follow(folder.path())?;
    let missing = status(folder.path(), "ids_missing")?;
    ensure!(missing > 0, "nothing is left of the past; make the world larger");
    let pushed = measure(&simulator, &all, posts, &seen)?;
    let still = status(folder.path(), "ids_missing")?;
    ensure!(still > 0, "the past was read before the measurement had ended");
    for account in simulator.accounts() {
        simulator.withhold_updates(&account.name, true)?;
    }
    let polled = measure(&simulator, &all, posts, &seen)?;
    let memory = daemon.field("VmHWM:")?;
    let report = json!({
        "bench": "fresh", "accounts": ACCOUNTS, "peers": all.len(), "messages": messages,
        "discovery_seconds": discovery.as_secs(), "pushed_ms": shown(&pushed), "polled_ms": shown(&polled),
        "polls_every_ms": 30_000, "resident_max_mb": memory / 1_000, "ids_missing": [missing, still],
    });
    eprintln!("pushed: half within {} ms, all within {} ms", shown(&pushed)["half"], shown(&pushed)["all"]);
    eprintln!("polled: half within {} ms, all within {} ms", shown(&polled)["half"], shown(&polled)["all"]);
    println!("{report}");
    daemon.0.kill()?;
    daemon.0.wait()?;
    runtime.block_on(simulator.stop());
    Ok(())
}

fn telescribe(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_telescribe"));
    command
        .arg("--data")
        .arg(folder.join("data"))
        .current_dir(folder)
        .env("TELESCRIBE__TELEGRAM__SERVER", "simulated")
        .env("TELESCRIBE__ACCOUNTS__SESSIONS", folder.join("sessions"))
        .env("TELESCRIBE__HTTP__LISTENERS", "[]")
        .env("TELESCRIBE__HTTP__METRICS", "[]")
        .stdin(Stdio::null());
    command
}

/// A number of `/v1/status`; 0 while there is no answer.
fn status(folder: &Path, name: &str) -> anyhow::Result<u64> {
    let output = telescribe(folder).args(["--json", "status"]).output()?;
    let status: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    Ok(status["crawl"][name].as_u64().unwrap_or_default())
}

/// Follows the change log: each new message with the moment at which it was told.
fn follow(folder: &Path) -> anyhow::Result<Receiver<((i64, i64), Instant)>> {
    let output = telescribe(folder).args(["--json", "status"]).output()?;
    let status: Value = serde_json::from_slice(&output.stdout)?;
    let last = status["archive"]["last"].as_u64().context("the newest change has a number")?;
    let mut child = telescribe(folder)
        .args(["--json", "changes", "--follow", "--after", &last.to_string()])
        .stdout(Stdio::piped())
        .spawn()?;
    let lines = BufReader::new(child.stdout.take().context("a pipe")?).lines();
    let (told, seen) = channel();
    std::thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            let now = Instant::now();
            let change: Value = serde_json::from_str(&line).unwrap_or_default();
            if let (Some("message.new"), Some(peer), Some(id)) =
                (change["kind"].as_str(), change["peer"].as_i64(), change["id"].as_i64())
                && told.send(((peer, id), now)).is_err()
            {
                break;
            }
        }
        child.kill().ok();
        child.wait().ok();
    });
    Ok(seen)
}

/// Posts in peers all over the fleet, and measures how long each takes to be archived.
fn measure(
    simulator: &Simulator,
    peers: &[PeerId],
    posts: usize,
    seen: &Receiver<((i64, i64), Instant)>,
) -> anyhow::Result<Vec<Duration>> {
    let mut posted: BTreeMap<(i64, i64), Instant> = BTreeMap::new();
    for n in 0..posts {
        let peer = peers[n * 7_919 % peers.len()];
        let id = simulator.post(peer, Post::text(format!("fresh {n}")))?;
        posted.insert((peer.marked(), i64::from(id)), Instant::now());
        std::thread::sleep(PAUSE);
    }
    let end = Instant::now() + PATIENCE;
    let mut took = Vec::new();
    while !posted.is_empty() {
        let left = end.checked_duration_since(Instant::now()).with_context(|| format!("{} were not archived", posted.len()))?;
        let Ok((key, at)) = seen.recv_timeout(left) else { continue };
        took.extend(posted.remove(&key).map(|posted| at.saturating_duration_since(posted)));
    }
    took.sort_unstable();
    Ok(took)
}

fn shown(took: &[Duration]) -> Value {
    let at = |share: f64| took.get(((took.len() - 1) as f64 * share) as usize).map(Duration::as_millis);
    json!({ "half": at(0.5), "nine_of_ten": at(0.9), "all": at(1.0) })
}

/// A process that ends with the benchmark.
struct Running(Child);

impl Running {
    /// A number of `/proc/PID/status`, in KiB.
    fn field(&self, name: &str) -> anyhow::Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id()))?;
        let value = status.lines().find_map(|line| line.strip_prefix(name)).context("no such field")?;
        Ok(value.trim().trim_end_matches(" kB").parse()?)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}
