//! Throughput from the wire to the durable archive; the baseline is the same client that only reads and drops, from the same simulator.
//!
//! Every side reads the same dialogs and the same pages of history, in the same order, over the same connections, with as many
//! requests under way:
//! - *archived*: a [`Crawler`] with a real archive, until nothing is missing in it; once with [`Durability::Os`], once with
//!   [`Durability::Always`], which has each page on the disk before the next is asked for, and once with a backup that is made when half
//!   of it is archived;
//! - *read*: our own client, which parses every message and then drops it: what the target is measured against;
//! - *raw*: the same requests, answers decoded by grammers and dropped unparsed.
//!
//! The simulator is a process of its own and so is every take, so that processor time and memory belong to one of them. Sides
//! take turns in changing order, and medians are compared. `TELESCRIBE_BENCH_MESSAGES`, `TELESCRIBE_BENCH_ROUNDS` and
//! `TELESCRIBE_CORPUS` change the world (see `simulated/world.rs`).
//!
//! Prints lines for people on stderr and a line of JSON on stdout.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark says what it measured")]

#[path = "simulated/telegram.rs"]
mod telegram;
#[path = "simulated/world.rs"]
mod world;

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use grammers_tl_types::{enums, functions, types};
use serde::{Deserialize, Serialize};
use telegram::{Served, Telegram, cpu_seconds};
use telescribe::accounts::{Pool, PoolSettings, Session, Sessions};
use telescribe::archive::{Archive, DataFolder, Durability, Order};
use telescribe::backup::{BackupOptions, BackupSource, Secrets, Watch, back_up};
use telescribe::config::{CrawlConfig, Server};
use telescribe::crawl::{Crawler, Progress};
use telescribe::lifecycle::Lifecycle;
use telescribe::model::{AccountName, Clock as _, IdRange, IdSpace, PeerId, SystemClock};
use telescribe::schedule::{Job, Scope};
use telescribe::search::{Index, Indexer, IndexerSettings};
use telescribe::telegram::Client;
use tokio::runtime::Runtime;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;
use world::{median, number};

/// Enough that connecting and the dialogs do not count.
const MESSAGES: usize = 60_000;
/// Takes of each side; odd, so that a median is one of them.
const ROUNDS: usize = 5;
/// Requests under way, of all accounts together: enough that neither side waits for the wire.
const REQUESTS_IN_FLIGHT: usize = 12;
/// The target: archiving is at least half as fast as only reading.
const TARGET: f64 = 0.5;
/// How often a take looks whether the crawl is complete.
const LOOK: Duration = Duration::from_millis(2);
/// How often a take looks at its own memory.
const WEIGHED_EVERY: Duration = Duration::from_millis(50);

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let runtime = || tokio::runtime::Builder::new_multi_thread().enable_all().build();
    match arguments[..] {
        ["serve", folder] => {
            let world = world::world(number("TELESCRIBE_BENCH_MESSAGES", MESSAGES)?)?;
            runtime()?.block_on(telegram::serve(Path::new(folder), world))
        }
        ["take", side, folder, messages] => {
            let runtime = runtime()?;
            let took = runtime.block_on(take(side.parse()?, Path::new(folder), messages.parse()?))?;
            println!("{}", serde_json::to_string(&took)?);
            Ok(())
        }
        ["weigh", folder] => weigh(Path::new(folder), &runtime()?),
        _ => compare(),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Side {
    ArchivedOs,
    ArchivedAlways,
    ArchivedBackup,
    Read,
    Raw,
}

impl Side {
    const ALL: [Self; 5] = [Self::ArchivedOs, Self::Read, Self::ArchivedAlways, Self::ArchivedBackup, Self::Raw];

    fn name(self) -> &'static str {
        match self {
            Self::ArchivedOs => "archived",
            Self::ArchivedAlways => "archived_always",
            Self::ArchivedBackup => "archived_backup",
            Self::Read => "read",
            Self::Raw => "raw",
        }
    }
}

impl std::str::FromStr for Side {
    type Err = anyhow::Error;

    fn from_str(name: &str) -> anyhow::Result<Self> {
        Self::ALL.into_iter().find(|side| side.name() == name).with_context(|| format!("there is no side `{name}`"))
    }
}

/// What a take says of itself.
#[derive(Debug, Serialize, Deserialize)]
struct Took {
    seconds: f64,
    cpu_seconds: f64,
    /// Bytes in memory at the end, and at most: programs, memory-mapped files and allocator's reserves included.
    resident: u64,
    resident_max: u64,
    /// Of these, what no file is behind (anonymous), at the end and at most.
    anonymous: u64,
    anonymous_max: u64,
}

/// What an archive and its index weigh.
#[derive(Debug, Serialize, Deserialize)]
struct Weight {
    archive: u64,
    index: u64,
    text: u64,
}

fn compare() -> anyhow::Result<()> {
    let rounds = number("TELESCRIBE_BENCH_ROUNDS", ROUNDS)?;
    let folder = tempfile::tempdir()?;
    let mut telegram = Telegram::start(folder.path())?;
    let messages = telegram.messages;
    let mut all: BTreeMap<Side, Vec<(Took, Served)>> = BTreeMap::new();
    for round in 0..=rounds {
        let mut sides = Side::ALL;
        // The order changes, so that no side always finds the caches warm.
        sides.rotate_left(round % Side::ALL.len());
        for side in sides {
            let took: Took = child(&["take", side.name(), path(folder.path())?, &messages.to_string()])?;
            let served = telegram.served()?;
            // The first round warms up the simulator and the disk.
            if round > 0 {
                all.entry(side).or_default().push((took, served));
            }
        }
    }
    let weight: Weight = child(&["weigh", path(folder.path())?])?;
    telegram.stop()?;

    let of = |side: Side, figure: &dyn Fn(&(Took, Served)) -> f64| median(all[&side].iter().map(figure).collect());
    let rate = |side| messages as f64 / of(side, &|(took, _)| took.seconds);
    let cpu = |side| of(side, &|(took, _)| took.cpu_seconds) * 1e6 / messages as f64;
    let ratio = rate(Side::ArchivedOs) / rate(Side::Read);
    // Where processors are what there is too little of, the ratio tends towards this one.
    let processor = |side| cpu(side) + of(side, &|(_, served)| served.cpu_seconds) * 1e6 / messages as f64;
    let cpu_ratio = processor(Side::Read) / processor(Side::ArchivedOs);
    let per_message = |bytes: u64| bytes as f64 / messages as f64;
    let mut sides = serde_json::Map::new();
    eprintln!("{messages} messages, {REQUESTS_IN_FLIGHT} requests in flight, medians of {rounds}:");
    for side in Side::ALL {
        let requests = of(side, &|(_, served)| served.history_requests as f64);
        let resident = [of(side, &|(took, _)| took.resident as f64), of(side, &|(took, _)| took.resident_max as f64)];
        let anonymous = [of(side, &|(took, _)| took.anonymous as f64), of(side, &|(took, _)| took.anonymous_max as f64)];
        let server = of(side, &|(_, served)| served.cpu_seconds) * 1e6 / messages as f64;
        eprintln!(
            "  {:15} {:7.0} messages/s, {:4.1} us of processor a message ({server:.1} of the simulator's), {requests} pages; \
             {:.0} MB resident, {:.0} MB at most; {:.0} and {:.0} of it anonymous",
            side.name(),
            rate(side),
            cpu(side),
            resident[0] / 1e6,
            resident[1] / 1e6,
            anonymous[0] / 1e6,
            anonymous[1] / 1e6,
        );
        let figures = serde_json::json!({
            "per_second": rate(side), "cpu_us_per_message": cpu(side), "simulator_cpu_us_per_message": server,
            "history_requests": requests, "resident_bytes": resident[0], "resident_max_bytes": resident[1],
            "anonymous_bytes": anonymous[0], "anonymous_max_bytes": anonymous[1],
        });
        sides.insert(side.name().to_owned(), figures);
    }
    eprintln!(
        "wire to durable archive: {ratio:.2} of only reading (target {TARGET}; {cpu_ratio:.2} by processor time, the simulator's \
         included), {:.2} with each page on the disk, {:.2} of only decoding; {:.1} bytes a message in the archive and {:.1} in the index for {:.1} of text",
        rate(Side::ArchivedAlways) / rate(Side::Read),
        rate(Side::ArchivedOs) / rate(Side::Raw),
        per_message(weight.archive),
        per_message(weight.index),
        per_message(weight.text),
    );
    eprintln!("a backup at half of it: {:.2} of archiving without one", rate(Side::ArchivedBackup) / rate(Side::ArchivedOs));
    println!(
        "{}",
        serde_json::json!({
            "benchmark": "crawl", "messages": messages, "rounds": rounds, "corpus": std::env::var("TELESCRIBE_CORPUS").is_ok(),
            "requests_in_flight": REQUESTS_IN_FLIGHT, "sides": sides, "ratio": ratio, "target": TARGET, "cpu_ratio": cpu_ratio,
            "ratio_backup": rate(Side::ArchivedBackup) / rate(Side::ArchivedOs),
            "ratio_always": rate(Side::ArchivedAlways) / rate(Side::Read), "ratio_to_raw": rate(Side::ArchivedOs) / rate(Side::Raw),
            "archive_bytes_per_message": per_message(weight.archive), "index_bytes_per_message": per_message(weight.index),
            "text_bytes_per_message": per_message(weight.text),
        })
    );
    Ok(())
}

/// Runs this program again with other arguments and reads what it says.
fn child<T: for<'a> Deserialize<'a>>(arguments: &[&str]) -> anyhow::Result<T> {
    let child = Command::new(std::env::current_exe()?).args(arguments).stderr(Stdio::inherit()).output()?;
    ensure!(child.status.success(), "`{}` failed", arguments.join(" "));
    Ok(serde_json::from_slice(&child.stdout)?)
}

fn path(path: &Path) -> anyhow::Result<&str> {
    path.to_str().context("the temporary folder's name is not UTF-8")
}

/// One take of one side, in a process of its own.
async fn take(side: Side, folder: &Path, messages: usize) -> anyhow::Result<Took> {
    let sessions = Sessions::new(&folder.join("sessions"), Server::Simulated.name()).load_all()?;
    let in_flight = REQUESTS_IN_FLIGHT / sessions.len();
    match side {
        Side::ArchivedOs => archived(folder, sessions, in_flight, Durability::Os, None, messages).await,
        Side::ArchivedAlways => archived(folder, sessions, in_flight, Durability::Always, None, messages).await,
        Side::ArchivedBackup => {
            let half = messages as u64 / 2;
            archived(folder, sessions, in_flight, Durability::Os, Some(half), messages).await
        }
        Side::Read => dropped(sessions, in_flight, true, messages).await,
        Side::Raw => dropped(sessions, in_flight, false, messages).await,
    }
}

/// Crawls into an empty archive until it has everything; makes a backup when it has so many changes, and ends no earlier than that.
async fn archived(
    folder: &Path,
    sessions: BTreeMap<AccountName, Arc<Session>>,
    in_flight: usize,
    durability: Durability,
    backup_at: Option<u64>,
    messages: usize,
) -> anyhow::Result<Took> {
    let data = folder.to_owned();
    let folder = folder.join("archive");
    for earlier in [&folder, &backups_of(&data)] {
        if earlier.exists() {
            std::fs::remove_dir_all(earlier)?;
        }
    }
    // It knows the archive of the take before.
    let marker = DataFolder::marker(&data);
    if marker.exists() {
        std::fs::remove_file(marker)?;
    }
    let archive = Arc::new(Archive::open(&folder, durability)?);
    let lifecycle = Lifecycle::new();
    let clock = Arc::new(SystemClock);
    let pacing = PoolSettings { request_interval: Duration::ZERO, requests_in_flight_max: in_flight, ..PoolSettings::default() };
    // The other side asks for nothing but dialogs and pages.
    let config = CrawlConfig { recheck_ids_max: 1_000, linked_groups: false, ..CrawlConfig::default() };
    let settings = config.settings(vec![Scope::all()], REQUESTS_IN_FLIGHT + 1).map_err(|(_, error)| error)?;
    let stopwatch = Stopwatch::start()?;
    let pool = Pool::new(sessions.keys().cloned(), pacing, clock.clone());
    let crawler =
        Crawler::start(Arc::clone(&archive), pool, sessions.into_values(), clock, &world::settings(), settings, &lifecycle)?;
    crawler.run(Job::Discover, &Scope::all())?;
    let (mut backup_at, mut backup) = (backup_at, None);
    let progress = loop {
        tokio::time::sleep(LOOK).await;
        if backup_at.is_some_and(|at| archive.last_seq().0 >= at) {
            backup_at = None;
            let (archive, data) = (Arc::clone(&archive), data.clone());
            backup = Some(tokio::task::spawn_blocking(move || backed_up(&archive, &data)));
        }
        if crawler.backlog() == (0, 0) {
            let progress = Progress::of(&archive);
            if progress.messages >= messages as u64 && progress.ids_missing == 0 {
                break progress;
            }
        }
    };
    if let Some(backup) = backup {
        backup.await??;
    }
    let took = stopwatch.stop()?;
    ensure!(progress.messages == messages as u64 && crawler.not_understood().is_empty(), "{progress:?} for {messages} messages");
    lifecycle.stop_soft();
    lifecycle.ended().await;
    archive.flush()?;
    if backups_of(&data).exists() {
        std::fs::remove_dir_all(backups_of(&data))?;
    }
    Ok(took)
}

fn backups_of(data: &Path) -> std::path::PathBuf {
    data.with_extension("backups")
}

/// Makes a backup of an archive that is being written.
fn backed_up(archive: &Archive, data: &Path) -> anyhow::Result<()> {
    let secrets = Secrets::read(&DataFolder::keys(data), &Sessions::new(&data.join("none"), Server::Simulated.name()));
    let source = BackupSource { data: data.to_owned(), secrets, archive: archive.freeze()? };
    let options = BackupOptions { keep: None, now: SystemClock.timestamp() };
    back_up(&source, &backups_of(data), options, &Watch::nobody())?;
    Ok(())
}

/// What the reading side has still to read: peers in turn, a page each, as the crawl does it.
#[derive(Default)]
struct Unread {
    waiting: Mutex<Waiting>,
    moved: Notify,
}

#[derive(Default)]
struct Waiting {
    peers: VecDeque<(PeerId, IdRange)>,
    being_read: usize,
}

impl Unread {
    /// The next range of a peer that an account can read; `None` when everything was read.
    async fn next(&self, session: &Session) -> Option<(PeerId, IdRange)> {
        loop {
            let mut moved = std::pin::pin!(self.moved.notified());
            moved.as_mut().enable();
            {
                let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(at) = waiting.peers.iter().position(|(peer, _)| session.knows(*peer)) {
                    waiting.being_read += 1;
                    return waiting.peers.remove(at);
                }
                if waiting.peers.is_empty() && waiting.being_read == 0 {
                    return None;
                }
            }
            moved.await;
        }
    }

    /// A page was read down to an id.
    fn read(&self, peer: PeerId, range: IdRange, lowest: i32) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.being_read -= 1;
        waiting.peers.extend(IdRange::new(range.first, lowest - 1).map(|rest| (peer, rest)));
        self.moved.notify_waiters();
    }
}

/// Reads everything and drops it.
async fn dropped(
    sessions: BTreeMap<AccountName, Arc<Session>>,
    in_flight: usize,
    parsed: bool,
    messages: usize,
) -> anyhow::Result<Took> {
    let lifecycle = Lifecycle::new();
    // Nothing is pushed to a connection that did not ask for updates.
    let (pushes, _inbox) = mpsc::channel(1);
    let stopwatch = Stopwatch::start()?;
    let client = |session| Arc::new(Client::new(session, world::settings(), lifecycle.clone(), pushes.clone()));
    let clients: Vec<Arc<Client>> = sessions.into_values().map(client).collect();
    let mut walks = JoinSet::new();
    for client in &clients {
        walks.spawn(dialogs(Arc::clone(client)));
    }
    let mut tops = BTreeMap::new();
    while let Some(walked) = walks.join_next().await {
        tops.extend(walked??);
    }
    let unread = Arc::new(Unread::default());
    let ranges = tops.into_iter().filter_map(|(peer, top)| Some((peer, IdRange::new(1, top)?)));
    unread.waiting.lock().unwrap_or_else(PoisonError::into_inner).peers.extend(ranges);
    let mut readers = JoinSet::new();
    for client in clients.iter().flat_map(|client| std::iter::repeat_n(client, in_flight)) {
        let (client, unread) = (Arc::clone(client), Arc::clone(&unread));
        readers.spawn(async move {
            let mut read = 0;
            while let Some((peer, range)) = unread.next(client.session()).await {
                let (count, lowest) = if parsed {
                    let page = client.history(peer, range, telescribe::telegram::PAGE_SIZE).await?;
                    (page.messages.len(), page.covered.first)
                } else {
                    decoded(&client, peer, range).await?
                };
                read += count;
                unread.read(peer, range, lowest);
            }
            anyhow::Ok(read)
        });
    }
    let mut read = 0;
    while let Some(reader) = readers.join_next().await {
        read += reader??;
    }
    let took = stopwatch.stop()?;
    ensure!(read == messages, "{read} of {messages} messages were read");
    drop(clients);
    lifecycle.ended().await;
    Ok(took)
}

/// The groups and channels of an account's dialogs and their newest messages.
async fn dialogs(client: Arc<Client>) -> anyhow::Result<Vec<(PeerId, i32)>> {
    let (mut tops, mut from) = (Vec::new(), None);
    loop {
        let page = client.dialogs(from.as_ref(), telescribe::telegram::DIALOGS_SIZE).await?;
        tops.extend(page.tops.iter().filter(|t| t.peer.kind() != IdSpace::User).map(|t| (t.peer, t.top.0)));
        from = page.next;
        if from.is_none() {
            return Ok(tops);
        }
    }
}

/// Asks for a page of history as [`Client::history`] does and only decodes it: how many messages it has, and the lowest id.
async fn decoded(client: &Client, peer: PeerId, range: IdRange) -> anyhow::Result<(usize, i32)> {
    let access_hash = client.session().access_hash(peer).unwrap_or_default();
    let peer = match peer.kind() {
        IdSpace::Chat => types::InputPeerChat { chat_id: peer.bare() }.into(),
        IdSpace::Channel => types::InputPeerChannel { channel_id: peer.bare(), access_hash }.into(),
        IdSpace::User => bail!("private chats are not crawled"),
    };
    let request = functions::messages::GetHistory {
        peer,
        offset_id: range.last.saturating_add(1),
        offset_date: 0,
        add_offset: 0,
        limit: 100,
        max_id: 0,
        min_id: range.first.saturating_sub(1),
        hash: 0,
    };
    let messages = match client.invoke(&request).await? {
        enums::messages::Messages::Messages(m) => m.messages,
        enums::messages::Messages::Slice(m) => m.messages,
        enums::messages::Messages::ChannelMessages(m) => m.messages,
        enums::messages::Messages::NotModified(_) => Vec::new(),
    };
    Ok((messages.len(), messages.iter().map(enums::Message::id).min().unwrap_or(range.first)))
}

/// Measures the size of the archive that the last take left, and of the index that is made of it.
fn weigh(folder: &Path, runtime: &Runtime) -> anyhow::Result<()> {
    let archive = Arc::new(Archive::open(&folder.join("archive"), Durability::Os)?);
    archive.compact()?;
    let mut text = 0;
    for entry in archive.view().crawl_states(PeerId(i64::MIN).into()) {
        let (peer, state) = entry?;
        let Some(all) = IdRange::new(1, state.top) else { continue };
        for stored in archive.view().messages(peer, all, Order::OldestFirst) {
            text += stored?.message.text.len() as u64;
        }
    }
    let index = Arc::new(Index::open(&folder.join("index"), &archive)?);
    runtime.block_on(Indexer::new(Arc::clone(&index), Arc::clone(&archive), IndexerSettings::default()).catch_up())?;
    println!("{}", serde_json::to_string(&Weight { archive: archive.disk_size(), index: index.disk_size(), text })?);
    Ok(())
}

/// Time and processor time since it was started, and memory.
struct Stopwatch {
    start: Instant,
    cpu: f64,
    anonymous_max: Arc<AtomicU64>,
}

impl Stopwatch {
    fn start() -> anyhow::Result<Self> {
        let anonymous_max = Arc::new(AtomicU64::new(0));
        let watched = Arc::downgrade(&anonymous_max);
        std::thread::spawn(move || {
            while let Some(max) = watched.upgrade() {
                max.fetch_max(memory("RssAnon").unwrap_or_default(), Ordering::Relaxed);
                drop(max);
                std::thread::sleep(WEIGHED_EVERY);
            }
        });
        Ok(Self { cpu: cpu_seconds(), anonymous_max, start: Instant::now() })
    }

    fn stop(&self) -> anyhow::Result<Took> {
        let seconds = self.start.elapsed().as_secs_f64();
        let cpu_seconds = cpu_seconds() - self.cpu;
        let anonymous = memory("RssAnon")?;
        let anonymous_max = self.anonymous_max.load(Ordering::Relaxed).max(anonymous);
        Ok(Took { seconds, cpu_seconds, resident: memory("VmRSS")?, resident_max: memory("VmHWM")?, anonymous, anonymous_max })
    }
}

/// What the system says of this process's memory under a name, in bytes.
fn memory(name: &str) -> anyhow::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(name)).with_context(|| format!("no `{name}`"))?;
    Ok(line.trim_start_matches(':').trim().trim_end_matches(" kB").parse::<u64>()? * 1_024)
}
