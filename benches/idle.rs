//! What forty accounts cost while nothing happens: processor time of this process, over a minute.
//!
//! First the connections and the pool alone, then the whole program on its usual schedule, after everything was archived. The simulated
//! Telegram is a process of its own. `TELESCRIBE_BENCH_SECONDS` changes the minute.
//!
//! With `TELESCRIBE_BENCH_PEERS=20000` it is what a poll of all of them costs, by two accounts and one a second, when nothing is new.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark prints its results")]

#[path = "simulated/telegram.rs"]
mod telegram;
#[path = "simulated/world.rs"]
#[expect(dead_code, reason = "other benchmarks need the rest")]
mod world;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::ensure;
use telegram::{Served, Telegram, cpu_seconds};
use telescribe::accounts::{Pool, PoolSettings, Session, Sessions};
use telescribe::app::{App, Environment};
use telescribe::config::{Config, JobConfig, Server, Span};
use telescribe::crawl::Progress;
use telescribe::lifecycle::Lifecycle;
use telescribe::model::SystemClock;
use telescribe::telegram::{Client, Push};
use telescribe_simulator::WorldSpec;
use tokio::sync::mpsc;
use world::number;

const ACCOUNTS: usize = 40;
/// How long the crawl of the small world may take.
const PATIENCE: Duration = Duration::from_secs(300);

fn main() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve", folder] => runtime.block_on(telegram::serve(Path::new(folder), world_spec()?.generate())),
        _ => runtime.block_on(compare()),
    }
}

/// How many peers are to be polled, if that is what is asked for.
fn peers_polled() -> anyhow::Result<Option<usize>> {
    std::env::var_os("TELESCRIBE_BENCH_PEERS").map(|_| number("TELESCRIBE_BENCH_PEERS", 0)).transpose()
}

fn world_spec() -> anyhow::Result<WorldSpec> {
    Ok(match peers_polled()? {
        Some(peers) => WorldSpec { accounts: 2, peers, messages: peers * 2, ..WorldSpec::default() },
        None => WorldSpec { accounts: ACCOUNTS, peers: 80, messages: 4_000, ..WorldSpec::default() },
    })
}

async fn compare() -> anyhow::Result<()> {
    let seconds = number("TELESCRIBE_BENCH_SECONDS", 60)?;
    let over = Duration::from_secs(seconds as u64);
    let folder = tempfile::tempdir()?;
    let mut telegram = Telegram::start(folder.path())?;
    let loaded = Sessions::new(&folder.path().join("sessions"), Server::Simulated.name()).load_all()?;
    let sessions: Vec<Arc<Session>> = loaded.into_values().collect();
    match peers_polled()? {
        Some(peers) => polls(&mut telegram, &sessions, peers, over).await?,
        None => idle(&mut telegram, &sessions, over).await?,
    }
    telegram.stop()
}

/// What the connections alone cost, and what the whole program does.
async fn idle(telegram: &mut Telegram, sessions: &[Arc<Session>], over: Duration) -> anyhow::Result<()> {
    let connected = connections(sessions, over).await?;
    let (whole, served) = program(telegram, sessions, over, |_| {}).await?;
    let seconds = over.as_secs();
    for (what, cost) in [("40 connections and the pool", connected), ("the whole program", whole)] {
        eprintln!(
            "{what}: {:.0} ms of processor time in {seconds} s ({:.3} % of a core)",
            cost * 1e3,
            cost / over.as_secs_f64() * 100.0
        );
    }
    eprintln!("the whole program made {} requests meanwhile", served.requests);
    println!(
        "{}",
        serde_json::json!({ "bench": "idle", "accounts": ACCOUNTS, "seconds": seconds, "connections_cpu_seconds": connected, "program_cpu_seconds": whole, "program_requests": served.requests })
    );
    Ok(())
}

/// What a poll costs of so many peers, when nothing is new.
async fn polls(telegram: &mut Telegram, sessions: &[Arc<Session>], peers: usize, over: Duration) -> anyhow::Result<()> {
    let change = |config: &mut Config, polled: bool| {
        config.accounts.request_interval = Span::seconds(0);
        config.jobs.catch_up = JobConfig::every("* * * * * *");
        config.jobs.catch_up.enabled = polled;
        for job in [&mut config.jobs.discover, &mut config.jobs.backfill, &mut config.jobs.recheck, &mut config.jobs.counters] {
            // Only the first run, which is made up for at the start.
            job.cron = "0 0 0 1 1 *".to_owned();
        }
    };
    let (cost, served) = program(telegram, sessions, over, |config| change(config, true)).await?;
    let (unpolled, _) = program(telegram, sessions, over, |config| change(config, false)).await?;
    let polls = served.requests as f64 / sessions.len() as f64;
    let bare = bare_polls(sessions, served.requests as usize / sessions.len()).await?;
    let of = |cost: f64| cost * 1e3 / polls;
    eprintln!("{peers} peers: {:.2} ms of processor time a poll of all of them by 2 accounts ({polls:.0} polls)", of(cost));
    eprintln!(
        "  of it {:.2} ms go by without polls, and {:.2} ms are the client's for the same requests; the simulated Telegram, another \
         process, needs {:.2} ms",
        of(unpolled),
        of(bare),
        of(served.cpu_seconds),
    );
    println!(
        "{}",
        serde_json::json!({ "bench": "poll", "peers": peers, "polls": polls, "requests": served.requests, "cpu_seconds": cost, "cpu_seconds_without_polls": unpolled, "cpu_seconds_of_requests": bare, "simulator_cpu_seconds": served.cpu_seconds })
    );
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

/// What the same requests cost without the program: the client, which decodes the answers and drops them.
async fn bare_polls(sessions: &[Arc<Session>], polls: usize) -> anyhow::Result<f64> {
    let lifecycle = Lifecycle::new();
    let (pushes, _inbox) = mpsc::channel(100);
    let clients = connected(sessions, &lifecycle, &pushes).await?;
    let before = cpu_seconds();
    for _ in 0..polls {
        for client in &clients {
            client.dialogs(None, 100).await?;
        }
    }
    let cost = cpu_seconds() - before;
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
    // What was begun comes to rest.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let cost = over_time(over).await;
    lifecycle.stop_hard();
    lifecycle.ended().await;
    Ok(cost)
}

/// The program, once nothing is left to crawl.
async fn program(
    telegram: &mut Telegram,
    sessions: &[Arc<Session>],
    over: Duration,
    change: impl FnOnce(&mut Config),
) -> anyhow::Result<(f64, Served)> {
    let folder = tempfile::tempdir()?;
    let mut config = Config::default();
    config.telegram.server = Server::Simulated;
    config.accounts.sessions = folder.path().join("sessions");
    config.accounts.intervals = BTreeMap::new();
    config.http.listeners = Vec::new();
    config.http.metrics = Vec::new();
    // Files would be downloaded for hours.
    config.media.enabled = false;
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
    // What was begun comes to rest.
    tokio::time::sleep(Duration::from_secs(3)).await;
    telegram.served()?;
    let cost = over_time(over).await;
    let served = telegram.served()?;
    app.lifecycle.stop_soft();
    app.ended().await?;
    Ok((cost, served))
}

async fn over_time(over: Duration) -> f64 {
    let before = cpu_seconds();
    tokio::time::sleep(over).await;
    cpu_seconds() - before
}
