//! What the downloader moves beside bare `upload.getFile` loops: the same files, as many connections and parts in flight, in the same run.
//!
//! The simulated Telegram is a process of its own and answers each request for a part after a round trip. The loops only ask and drop what
//! they get; the program asks the pool for permission, writes, hashes, syncs, and notes what is stored. Then 16 large files at once, to see what
//! memory that takes. `TELESCRIBE_BENCH_ROUND_TRIP` is the round trip in milliseconds, `TELESCRIBE_BENCH_ROUNDS` how often each is done,
//! `TELESCRIBE_BENCH_MIB` the size of the large files.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark prints its results")]

#[path = "simulated/telegram.rs"]
#[expect(dead_code, reason = "other benchmarks need the rest")]
mod telegram;
#[path = "simulated/world.rs"]
#[expect(dead_code, reason = "other benchmarks need the rest")]
mod world;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use futures_util::stream::{self, TryStreamExt as _};
use telegram::{Telegram, cpu_seconds};
use telescribe::accounts::{Session, Sessions};
use telescribe::app::{App, Environment};
use telescribe::config::{Config, JobConfig, MediaAction, MediaRuleConfig, Server, Span};
use telescribe::lifecycle::Lifecycle;
use telescribe::media::Wish;
use telescribe::model::{FileId, SystemClock};
use telescribe::telegram::{Client, FileLocation, FileSettings, PART_MAX, parts};
use telescribe_simulator::{FileSizes, WorldSpec};
use tokio::sync::mpsc;
use world::number;

/// Parts in flight, and connections.
const WAYS: [(usize, usize); 3] = [(1, 1), (4, 2), (16, 4)];
/// Bytes of a file that is downloaded alone: no multiple of a part, as files are.
const SIZE: i64 = (24 << 20) - 1_000;
/// Files of each way and round, so that each takes some seconds.
const FILES: [usize; 3] = [2, 5, 12];
/// Files at once when memory is measured.
const AT_ONCE: usize = 16;
/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(1_200);
const MIB: f64 = (1 << 20) as f64;

fn main() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve", folder] => {
            let round_trip = Duration::from_millis(number("TELESCRIBE_BENCH_ROUND_TRIP", 80)? as u64);
            runtime.block_on(telegram::serve_with(Path::new(folder), world_spec()?.generate(), |simulator| {
                simulator.set_latency("upload.getFile", round_trip);
            }))
        }
        _ => runtime.block_on(compare()),
    }
}

/// A world in which every document has the size that the process is started with.
fn world_spec() -> anyhow::Result<WorldSpec> {
    let size = number("TELESCRIBE_BENCH_FILE_SIZE", SIZE as usize)? as i64;
    let file_sizes = FileSizes::Between { min: size, max: size };
    Ok(WorldSpec { accounts: 1, peers: 6, messages: 3_000, passwords: false, file_sizes, ..WorldSpec::default() })
}

/// A document that is not stored, and what it takes to ask for it.
struct Document {
    id: FileId,
    location: FileLocation,
    dc: i32,
    size: u64,
}

/// One side of one round.
#[derive(Clone, Copy, Debug, Default)]
struct Moved {
    mib_per_second: f64,
    cpu_per_mib: f64,
}

impl Moved {
    fn of(bytes: u64, took: Duration, cpu: f64) -> Self {
        let mib = bytes as f64 / MIB;
        Self { mib_per_second: mib / took.as_secs_f64(), cpu_per_mib: cpu / mib }
    }
}

async fn compare() -> anyhow::Result<()> {
    let rounds = number("TELESCRIBE_BENCH_ROUNDS", 3)?;
    let folder = tempfile::tempdir()?;
    let telegram = Telegram::start(folder.path())?;
    let session = session_of(folder.path())?;
    let mut unused = crawled(&session, folder.path(), SIZE as u64).await?;
    let mut results = Vec::new();
    for ((in_flight, connections), files) in WAYS.into_iter().zip(FILES) {
        let (mut ours, mut bare) = (Vec::new(), Vec::new());
        for round in 0..rounds {
            ensure!(unused.len() >= files, "the world has too few files");
            let some: Vec<Document> = unused.drain(..files).collect();
            // Whoever comes second finds the simulator warm.
            if round % 2 == 0 {
                bare.push(loops(&session, &some, in_flight, connections).await?);
                ours.push(downloads(&session, folder.path(), &some, in_flight, connections).await?);
            } else {
                ours.push(downloads(&session, folder.path(), &some, in_flight, connections).await?);
                bare.push(loops(&session, &some, in_flight, connections).await?);
            }
        }
        let (ours, bare) = (median(&ours), median(&bare));
        let ratio = ours.mib_per_second / bare.mib_per_second;
        eprintln!(
            "{in_flight:>2} parts in flight on {connections} connections: {:.1} MiB/s, {ratio:.3} of {:.1} by bare loops; {:.1} ms of \
             processor time a MiB, theirs {:.1}",
            ours.mib_per_second,
            bare.mib_per_second,
            ours.cpu_per_mib * 1e3,
            bare.cpu_per_mib * 1e3,
        );
        results.push(serde_json::json!({
            "in_flight": in_flight, "connections": connections, "mib_per_second": ours.mib_per_second, "ratio": ratio,
            "bare_mib_per_second": bare.mib_per_second, "cpu_seconds_per_mib": ours.cpu_per_mib, "bare_cpu_seconds_per_mib": bare.cpu_per_mib,
        }));
    }
    telegram.stop()?;
    let (rate, grown) = memory(number("TELESCRIBE_BENCH_MIB", 300)?).await?;
    println!(
        "{}",
        serde_json::json!({ "bench": "media", "ways": results, "files_at_once": AT_ONCE, "mib_per_second_at_once": rate, "anonymous_grown_bytes": grown })
    );
    Ok(())
}

fn median(rounds: &[Moved]) -> Moved {
    let mut rounds = rounds.to_vec();
    rounds.sort_by(|a, b| a.mib_per_second.total_cmp(&b.mib_per_second));
    rounds.get(rounds.len() / 2).copied().unwrap_or_default()
}

fn session_of(folder: &Path) -> anyhow::Result<Arc<Session>> {
    let loaded = Sessions::new(&folder.join("sessions"), Server::Simulated.name()).load_all()?;
    loaded.into_values().next().context("the simulator has no account")
}

/// The program, which downloads only what it is asked for.
async fn program(session: &Session, folder: &Path, change: impl FnOnce(&mut Config)) -> anyhow::Result<App> {
    let mut config = Config::default();
    config.telegram.server = Server::Simulated;
    config.accounts.sessions = folder.join("program");
    config.accounts.intervals = BTreeMap::from([("upload.getFile".to_owned(), Span::seconds(0))]);
    config.accounts.request_interval = Span::seconds(0);
    config.http.listeners = Vec::new();
    config.http.metrics = Vec::new();
    for job in [&mut config.jobs.catch_up, &mut config.jobs.recheck, &mut config.jobs.counters] {
        // Only the first run, which is made up for at the start.
        *job = JobConfig::every("0 0 0 1 1 *");
    }
    config.media.rules =
        vec![MediaRuleConfig { name: "all".to_owned(), action: MediaAction::OnDemand, ..MediaRuleConfig::default() }];
    change(&mut config);
    Sessions::new(&config.accounts.sessions, Server::Simulated.name()).save(session)?;
    let environment = Environment { clock: Arc::new(SystemClock), metrics: Arc::new(String::new) };
    App::start(&config, &folder.join("data"), environment).await
}

async fn until(what: &str, mut is_so: impl FnMut() -> anyhow::Result<bool>) -> anyhow::Result<()> {
    let started = Instant::now();
    while !is_so()? {
        ensure!(started.elapsed() < PATIENCE, "{what} takes too long");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}

async fn stopped(app: App) -> anyhow::Result<()> {
    app.lifecycle.stop_soft();
    app.ended().await
}

/// Crawls; returns the documents that were seen, none of which is stored.
async fn crawled(session: &Session, folder: &Path, size: u64) -> anyhow::Result<Vec<Document>> {
    let app = program(session, folder, |_| {}).await?;
    until("the crawl", || {
        let progress = telescribe::crawl::Progress::of(&app.archive);
        Ok(progress.peers > 0 && progress.ids_missing == 0 && app.crawler.backlog() == (0, 0) && app.media.is_caught_up()?)
    })
    .await?;
    let mut documents = Vec::new();
    for file in app.archive.view().files(FileId::document(i64::MIN)) {
        let file = file?;
        // One with a thumbnail is two files.
        if file.size() == Some(size) && file.renditions.len() == 1 {
            let origin = app.archive.view().file_origins(file.id).next().context("a file was seen nowhere")??;
            let location = FileLocation::of(file.id, &origin.access, "");
            documents.push(Document { id: file.id, location, dc: origin.access.dc, size });
        }
    }
    stopped(app).await?;
    Ok(documents)
}

/// The program downloads these files.
async fn downloads(
    session: &Session,
    folder: &Path,
    files: &[Document],
    in_flight: usize,
    connections: usize,
) -> anyhow::Result<Moved> {
    let app = program(session, folder, |config| {
        config.media.large_files_max = 1;
        config.media.parts = in_flight;
        config.media.connections = connections;
    })
    .await?;
    until("the start", || Ok(app.crawler.backlog() == (0, 0))).await?;
    let ids: Vec<FileId> = files.iter().map(|document| document.id).collect();
    let (started, cpu) = (Instant::now(), cpu_seconds());
    app.media.wish(&ids, Wish::Fetch)?;
    let mut bytes = 0;
    for id in &ids {
        until("a download", || Ok(app.archive.view().file(*id)?.is_some_and(|file| file.state.stored().is_some()))).await?;
        bytes += app.archive.view().file(*id)?.and_then(|file| file.state.stored()).map_or(0, |stored| stored.size);
    }
    let moved = Moved::of(bytes, started.elapsed(), cpu_seconds() - cpu);
    stopped(app).await?;
    Ok(moved)
}

/// The same by loops that ask and drop what they get.
async fn loops(session: &Arc<Session>, files: &[Document], in_flight: usize, connections: usize) -> anyhow::Result<Moved> {
    let lifecycle = Lifecycle::new();
    let (pushes, _inbox) = mpsc::channel(100);
    let settings = FileSettings { connections_max: connections, connections_max_premium: connections, ..FileSettings::default() };
    let client = Client::new(Arc::clone(session), world::settings(), lifecycle.clone(), pushes).with_files(settings);
    client.state().await?;
    let (started, cpu) = (Instant::now(), cpu_seconds());
    let mut bytes = 0;
    for Document { location, dc, size, .. } in files {
        let got: Vec<usize> = stream::iter(parts(*size, PART_MAX).map(Ok::<_, anyhow::Error>))
            .map_ok(|part| {
                let client = &client;
                async move { Ok(client.get_part(location, *dc, part).await?.bytes.len()) }
            })
            .try_buffer_unordered(in_flight)
            .try_collect()
            .await?;
        bytes += got.iter().sum::<usize>() as u64;
    }
    let moved = Moved::of(bytes, started.elapsed(), cpu_seconds() - cpu);
    lifecycle.stop_hard();
    lifecycle.ended().await;
    Ok(moved)
}

/// Sixteen large files at once: what the program's memory grows by meanwhile, and what it moves.
async fn memory(mib: usize) -> anyhow::Result<(f64, u64)> {
    let size = (mib << 20) - 1_000;
    let folder = tempfile::tempdir()?;
    let telegram = Telegram::start_with(folder.path(), &[("TELESCRIBE_BENCH_FILE_SIZE", size.to_string())])?;
    let session = session_of(folder.path())?;
    let documents = crawled(&session, folder.path(), size as u64).await?;
    let files: Vec<FileId> = documents.iter().take(AT_ONCE).map(|document| document.id).collect();
    ensure!(files.len() == AT_ONCE, "the world has too few files");
    let app = program(&session, folder.path(), |config| {
        config.media.large_files_max = AT_ONCE;
        config.media.connections = 4;
    })
    .await?;
    until("the start", || Ok(app.crawler.backlog() == (0, 0))).await?;
    let before = anonymous()?;
    let (mut most, started) = (before, Instant::now());
    app.media.wish(&files, Wish::Fetch)?;
    for id in &files {
        until("a download", || {
            most = most.max(anonymous()?);
            Ok(app.archive.view().file(*id)?.is_some_and(|file| file.state.stored().is_some()))
        })
        .await?;
    }
    let rate = (size * files.len()) as f64 / MIB / started.elapsed().as_secs_f64();
    stopped(app).await?;
    telegram.stop()?;
    let grown = most - before;
    eprintln!("{AT_ONCE} files of {mib} MiB at once: {rate:.1} MiB/s, memory grows by {:.0} MiB at most", grown as f64 / MIB);
    Ok((rate, grown))
}

/// Memory of this process that no file is behind, in bytes.
fn anonymous() -> anyhow::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).context("/proc/self/status has no RssAnon")?;
    let kib: u64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kib << 10)
}
