//! What forty accounts cost while nothing happens: processor time of this process, over a minute.
//!
//! First the connections and the pool alone, then the whole program on its usual schedule, after everything was archived. The simulated
//! Telegram runs in the same process, so the figures are upper bounds. `TELESCRIBE_BENCH_SECONDS` changes the minute.
//!
//! With `TELESCRIBE_BENCH_PEERS=20000` it is what a poll of all of them costs, by two accounts and one a second, when nothing is new.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark prints its results")]

#[path = "simulated/world.rs"]
#[expect(dead_code, reason = "other benchmarks need the rest")]
mod world;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use telescribe::accounts::{Pool, PoolSettings, Session, Sessions};
use telescribe::app::{App, Environment};
use telescribe::config::{Config, JobConfig, Server, Span};
use telescribe::crawl::Progress;
use telescribe::lifecycle::Lifecycle;
use telescribe::model::SystemClock;
use telescribe::telegram::{Client, Push};
use telescribe_simulator::{Options, Simulator, WorldSpec};
use tokio::sync::mpsc;

const ACCOUNTS: usize = 40;
/// Clock ticks a second in `/proc/self/stat`; it is 100 on every Linux that this runs on.
const TICKS: f64 = 100.0;
/// How long the crawl of the small world may take.
const PATIENCE: Duration = Duration::from_secs(300);

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let seconds = world::number("TELESCRIBE_BENCH_SECONDS", 60)?;
    let over = Duration::from_secs(seconds as u64);
    if std::env::var_os("TELESCRIBE_BENCH_PEERS").is_some() {
        return polls(world::number("TELESCRIBE_BENCH_PEERS", 20_000)?, over).await;
    }
    let spec = WorldSpec { accounts: ACCOUNTS, peers: 80, messages: 4_000, ..WorldSpec::default() };
    let simulator = Simulator::start(spec.generate(), Options::default()).await?;
    let sessions: Vec<Arc<Session>> = world::sessions(&simulator)?.into_iter().map(Arc::new).collect();
    let connected = connections(&sessions, over).await?;
    let (whole, requests) = program(&simulator, &sessions, over, |_| {}).await?;
    for (what, cost) in [("40 connections and the pool", connected), ("the whole program", whole)] {
        eprintln!(
            "{what}: {:.0} ms of processor time in {seconds} s ({:.3} % of a core)",
            cost * 1e3,
            cost / over.as_secs_f64() * 100.0
        );
    }
    eprintln!("the whole program made {requests} requests meanwhile");
    println!(
        "{}",
        serde_json::json!({ "bench": "idle", "accounts": ACCOUNTS, "seconds": seconds, "connections_cpu_seconds": connected, "program_cpu_seconds": whole, "program_requests": requests })
    );
    simulator.stop().await;
    Ok(())
}

/// What a poll costs of so many peers, when nothing is new.
async fn polls(peers: usize, over: Duration) -> anyhow::Result<()> {
    let spec = WorldSpec { accounts: 2, peers, messages: peers * 2, ..WorldSpec::default() };
    let simulator = Simulator::start(spec.generate(), Options::default()).await?;
    let sessions: Vec<Arc<Session>> = world::sessions(&simulator)?.into_iter().map(Arc::new).collect();
    let change = |config: &mut Config, polled: bool| {
        config.accounts.request_interval = Span::seconds(0);
        config.jobs.catch_up = JobConfig::every("* * * * * *");
        config.jobs.catch_up.enabled = polled;
        for job in [&mut config.jobs.discover, &mut config.jobs.backfill, &mut config.jobs.recheck, &mut config.jobs.counters] {
            // Only the first run, which is made up for at the start.
            job.cron = "0 0 0 1 1 *".to_owned();
        }
    };
    let (cost, requests) = program(&simulator, &sessions, over, |config| change(config, true)).await?;
    let (unpolled, _) = program(&simulator, &sessions, over, |config| change(config, false)).await?;
    let polls = requests as f64 / sessions.len() as f64;
    let bare = bare_polls(&sessions, requests / sessions.len()).await?;
    let (each, of_nothing, of_asking) = (cost * 1e3 / polls, unpolled * 1e3 / polls, bare * 1e3 / polls);
    eprintln!("{peers} peers: {each:.2} ms of processor time a poll of all of them by 2 accounts ({polls:.0} polls)");
    eprintln!(
        "  of it {of_nothing:.2} ms go by without polls, and {of_asking:.2} ms are the client's and the simulator's for the same requests"
    );
    println!(
        "{}",
        serde_json::json!({ "bench": "poll", "peers": peers, "polls": polls, "requests": requests, "cpu_seconds": cost, "cpu_seconds_without_polls": unpolled, "cpu_seconds_of_requests": bare })
    );
    simulator.stop().await;
    Ok(())
}

/// A client for each session, which has answered once.
async fn connected(sessions: &[Arc<Session>], lifecycle: &Lifecycle, pushes: &mpsc::Sender<Push>) -> anyhow::Result<Vec<Client>> {
    let mut clients = Vec::new();
    for session in sessions {
        let client = Client::new(Arc::clone(session), world::settings(), lifecycle.clone(), pushes.clone());
        client.state().await?;
        clients.push(client);
    }
    Ok(clients)
}

/// What the same requests cost without the program: the client, which decodes the answers and drops them, and the simulated Telegram.
async fn bare_polls(sessions: &[Arc<Session>], polls: usize) -> anyhow::Result<f64> {
    let lifecycle = Lifecycle::new();
    let (pushes, _inbox) = mpsc::channel(100);
    let clients = connected(sessions, &lifecycle, &pushes).await?;
    let before = processor_time()?;
    for _ in 0..polls {
        for client in &clients {
            client.dialogs(None, 100).await?;
        }
    }
    let cost = processor_time()? - before;
    lifecycle.stop_hard();
    lifecycle.ended().await;
    Ok(cost)
}

/// Forty connections, each of which has answered once, and a pool with somebody waiting.
async fn connections(sessions: &[Arc<Session>], over: Duration) -> anyhow::Result<f64> {
    let lifecycle = Lifecycle::new();
    let (pushes, _inbox) = mpsc::channel(100);
    let _clients = connected(sessions, &lifecycle, &pushes).await?;
    let names = sessions.iter().map(|session| *session.name());
    let pool = Pool::new(names, PoolSettings::default(), Arc::new(SystemClock));
    let waiting = Arc::clone(&pool);
    lifecycle.task(async move { waiting.freed().await });
    let cost = over_time(over).await?;
    lifecycle.stop_hard();
    lifecycle.ended().await;
    Ok(cost)
}

/// The program, once nothing is left to crawl.
async fn program(
    simulator: &Simulator,
    sessions: &[Arc<Session>],
    over: Duration,
    change: impl FnOnce(&mut Config),
) -> anyhow::Result<(f64, usize)> {
    let folder = tempfile::tempdir()?;
    let mut config = Config::default();
    config.telegram.server = Server::Simulated;
    config.accounts.sessions = folder.path().join("sessions");
    config.accounts.intervals = BTreeMap::new();
    config.http.listeners = Vec::new();
    config.http.metrics = Vec::new();
    change(&mut config);
    let store = Sessions::new(&config.accounts.sessions, Server::Simulated.name());
    for session in sessions {
        store.save(session)?;
    }
    let environment = Environment { clock: Arc::new(SystemClock), metrics: Arc::new(String::new) };
    let app = App::start(&config, &folder.path().join("data"), environment).await?;
    let started = Instant::now();
    loop {
        let progress = Progress::of(&app.archive);
        if progress.peers > 0 && progress.ids_missing == 0 && app.crawler.backlog() == (0, 0) {
            break;
        }
        ensure!(started.elapsed() < PATIENCE, "the crawl does not end: {progress:?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let before = simulator.ledger().len();
    let cost = over_time(over).await?;
    let requests = simulator.ledger().len() - before;
    app.lifecycle.stop_soft();
    app.ended().await?;
    Ok((cost, requests))
}

async fn over_time(over: Duration) -> anyhow::Result<f64> {
    // What was begun comes to rest.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let before = processor_time()?;
    tokio::time::sleep(over).await;
    Ok(processor_time()? - before)
}

/// Seconds of processor time that this process has used.
fn processor_time() -> anyhow::Result<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<&str> = stat.rsplit_once(')').context("/proc/self/stat has another form")?.1.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).context("/proc/self/stat is short")?.parse::<f64>().context("not a number");
    Ok((ticks(11)? + ticks(12)?) / TICKS)
}
