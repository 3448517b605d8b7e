//! Whether the archive keeps up when it becomes large: messages are archived page by page as a crawl does it, and the rate of each tenth is
//! compared with that of the first. What is behind (compaction debt, cold blocks, long logs) shows as later tenths that are slower, as
//! commits that stall, and as bytes that are written again and again (write amplification).
//!
//! 400 peers, each read from its newest message down, a page of 100 at a time, in random order; texts of 10 to 150 bytes with Telegram's bytes
//! around them. `TELESCRIBE_BENCH_MESSAGES` changes the size: 30 million take about ten minutes and 10 GB of disk while they are compacted.
//!
//! Prints lines for people on stderr and a line of JSON on stdout.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark says what it measured")]

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use rustix::time::{ClockId, clock_gettime};
use telescribe::archive::{Archive, Durability, Raw};
use telescribe::model::{IdRange, Message, MessageId, MessageKey, PeerId, Timestamp};

/// Enough for some flushes and compactions.
const MESSAGES: usize = 2_000_000;
/// As many as a page of history has.
const PAGE: i32 = 100;
const PEERS: usize = 400;
const TENTHS: usize = 10;
const SEED: u64 = 9;
/// What a commit does not take where nothing is behind.
const STALLED: f64 = 0.1;
const WORDS: &str = "the report came yesterday from our channel новости сегодня город рынок цены полиция встреча спасибо 今天 天气 消息 频道 \
                     新闻 朋友 市场 العالم أخبار اليوم price market video photo link forwarded thanks morning evening update";

fn main() -> anyhow::Result<()> {
    let messages = std::env::var("TELESCRIBE_BENCH_MESSAGES").map_or(Ok(MESSAGES), |n| n.parse().context("not a number"))?;
    let folder = tempfile::tempdir()?;
    let archive = Archive::open(&folder.path().join("archive"), Durability::Os)?;
    let mut crawl = Crawl::new(messages);
    let mut tenths: Vec<Tenth> = Vec::new();
    for _ in 0..TENTHS {
        tenths.push(crawl.tenth(&archive, messages / TENTHS)?);
        let Tenth { rate, stalled, slowest, anonymous, .. } = tenths[tenths.len() - 1];
        eprintln!(
            "  {:9} messages: {rate:7.0} a second, slowest page {:5.0} ms, {stalled:5.1} s in pages of more than {:.0} ms, {:3.0} MB anonymous",
            crawl.archived,
            slowest * 1e3,
            STALLED * 1e3,
            anonymous as f64 / 1e6,
        );
    }
    archive.flush()?;
    let (size, written) = (archive.disk_size(), proc_number("io", "write_bytes: ")?);
    let ended = Instant::now();
    archive.compact()?;
    let (compacted, compacting) = (archive.disk_size(), ended.elapsed().as_secs_f64());
    let rates: Vec<f64> = tenths.iter().map(|tenth| tenth.rate).collect();
    let ratio = rates[TENTHS - 1] / rates[0];
    let each = |bytes: u64| bytes as f64 / crawl.archived as f64;
    eprintln!(
        "{} messages: the last tenth was archived {ratio:.2} times as fast as the first; {:.1} bytes a message on disk, {:.1} compacted ({compacting:.0} s), \
         {:.1} written for each ({:.1} times)",
        crawl.archived,
        each(size),
        each(compacted),
        each(written),
        written as f64 / compacted as f64,
    );
    println!(
        "{}",
        serde_json::json!({
            "benchmark": "archive", "messages": crawl.archived, "per_second": rates, "ratio_last_to_first": ratio,
            "slowest_page_seconds": tenths.iter().map(|tenth| tenth.slowest).fold(0.0, f64::max),
            "stalled_seconds": tenths.iter().map(|tenth| tenth.stalled).sum::<f64>(),
            "cpu_us_per_message": tenths.iter().map(|tenth| tenth.cpu).sum::<f64>() * 1e6 / crawl.archived as f64,
            "anonymous_max_bytes": tenths.iter().map(|tenth| tenth.anonymous).max(),
            "bytes_per_message": each(size), "compacted_bytes_per_message": each(compacted), "compact_seconds": compacting,
            "written_bytes_per_message": each(written), "write_amplification": written as f64 / compacted as f64,
        })
    );
    Ok(())
}

/// How a tenth of the messages went.
struct Tenth {
    rate: f64,
    cpu: f64,
    slowest: f64,
    stalled: f64,
    anonymous: u64,
}

/// What is still to be read of each peer.
struct Crawl {
    random: StdRng,
    words: Vec<&'static str>,
    /// The newest id that is missing, of the peers that have one.
    left: Vec<(PeerId, i32)>,
    archived: usize,
}

impl Crawl {
    fn new(messages: usize) -> Self {
        let each = i32::try_from(messages / PEERS).unwrap_or(i32::MAX) / PAGE * PAGE + PAGE;
        let left = (0..PEERS as i64).map(|n| (PeerId(-1_001_000_000_000 - n * 7_919), each)).collect();
        Self { random: StdRng::seed_from_u64(SEED), words: WORDS.split_whitespace().collect(), left, archived: 0 }
    }

    fn tenth(&mut self, archive: &Archive, messages: usize) -> anyhow::Result<Tenth> {
        let (began, cpu, before) = (Instant::now(), cpu_seconds(), self.archived);
        let (mut slowest, mut stalled, mut writing) = (0.0_f64, 0.0, 0.0);
        while self.archived - before < messages {
            let page = self.page();
            let start = Instant::now();
            let mut write = archive.write(Timestamp(1_700_000_000));
            let (peer, last) = (page[0].0.key.peer(), page[0].0.key.id.0);
            write.covered(peer, IdRange::new(last - PAGE + 1, last).context("an empty page")?);
            for (message, raw) in page {
                write.message(message, raw, 0);
            }
            let archived = write.commit()?;
            ensure!(archived.new == PAGE as usize, "{archived:?}");
            let took = start.elapsed().as_secs_f64();
            slowest = slowest.max(took);
            stalled += if took > STALLED { took } else { 0.0 };
            writing += took;
            self.archived += PAGE as usize;
        }
        let seconds = began.elapsed().as_secs_f64();
        ensure!(writing <= seconds, "the clock went back");
        // Making the messages is not archiving them.
        let rate = (self.archived - before) as f64 / writing;
        Ok(Tenth { rate, cpu: cpu_seconds() - cpu, slowest, stalled, anonymous: proc_number("status", "RssAnon:")? << 10 })
    }

    /// The next page of a random peer, newest first.
    fn page(&mut self) -> Vec<(Message, Raw)> {
        let at = self.random.random_range(0..self.left.len());
        let (peer, newest) = self.left[at];
        match newest - PAGE {
            0 => drop(self.left.swap_remove(at)),
            rest => self.left[at].1 = rest,
        }
        (newest - PAGE + 1..=newest).rev().map(|id| self.message(peer, id)).collect()
    }

    fn message(&mut self, peer: PeerId, id: i32) -> (Message, Raw) {
        let words = self.random.random_range(1..20);
        let mut text = String::new();
        for _ in 0..words {
            text.push_str(self.words.choose(&mut self.random).unwrap_or(&""));
            text.push(' ');
        }
        // A tenth of all words is rare, as names and numbers are.
        text.push_str(&self.random.random_range(0..10_000_000_u32).to_string());
        let date = 1_600_000_000 + id * 60;
        let mut message = Message::new(MessageKey::new(peer, MessageId(id)), Timestamp(date.into()));
        let sender = self.random.random_range(1_000_000..1_003_000_i64);
        message.sender = Some(PeerId(sender));
        // About what Telegram says around a text: constructor, flags, id, sender, peer, date.
        let mut tl = [0x94_34_5C_24_u32.to_le_bytes(), 0x100_u32.to_le_bytes(), [0; 4], id.to_le_bytes()].concat();
        tl.extend(sender.to_le_bytes());
        tl.extend(peer.0.to_le_bytes());
        tl.extend(date.to_le_bytes());
        tl.extend(text.as_bytes());
        message.text = text;
        (message, Raw { layer: 214, tl, account: "collector".parse().ok() })
    }
}

/// A number from a file of this process in `/proc`.
fn proc_number(file: &str, name: &str) -> anyhow::Result<u64> {
    let text = std::fs::read_to_string(format!("/proc/self/{file}"))?;
    let line = text.lines().find_map(|line| line.strip_prefix(name)).with_context(|| format!("no `{name}`"))?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

/// Processor time of this process.
fn cpu_seconds() -> f64 {
    Duration::try_from(clock_gettime(ClockId::ProcessCPUTime)).unwrap_or_default().as_secs_f64()
}
