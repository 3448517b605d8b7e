//! Throughput of our indexer; the baseline is bare Tantivy with the same schema and analyser, on the same messages, in the same run.
//!
//! Ours reads the change log and the messages of a real archive and commits as the daemon would; the bare one is handed the
//! messages in memory and commits once. Both end with everything committed and visible. They take turns, and medians are
//! compared. `TELESCRIBE_CORPUS` may name a file of `language<TAB>text` lines; without it the texts are generated.
//! `TELESCRIBE_BENCH_MESSAGES` and `TELESCRIBE_BENCH_ROUNDS` change the size.
//!
//! Prints a line for people on stderr and a line of JSON on stdout.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark says what it measured")]

#[path = "simulated/messages.rs"]
mod messages;

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, ensure};
use messages::{fill, number, texts};
use telescribe::archive::{Archive, Durability, StoredMessage};
use telescribe::search::{BareIndex, Index, Indexer, IndexerSettings, Request, SearchQuery, SortOrder};
use tokio::runtime::Runtime;

/// Enough for several commits and merges, and a run of a minute.
const MESSAGES: usize = 200_000;
/// Takes of each side; odd, so that a median is one of them.
const ROUNDS: usize = 5;
/// Peers that they are posted in.
const PEERS: usize = 50;
/// Set for the child process whose memory is measured.
const REBUILD: &str = "TELESCRIBE_BENCH_REBUILD";

fn main() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    if let Some(folder) = std::env::var_os(REBUILD) {
        return rebuild(Path::new(&folder), &runtime);
    }
    let messages = number("TELESCRIBE_BENCH_MESSAGES", MESSAGES)?;
    let rounds = number("TELESCRIBE_BENCH_ROUNDS", ROUNDS)?;
    let folder = tempfile::tempdir()?;
    let archive = Arc::new(Archive::open(&folder.path().join("archive"), Durability::Os)?);
    let texts = texts(messages)?;
    let keys = fill(&archive, &texts, (PEERS, 0))?;
    let stored: Vec<StoredMessage> = archive.view().messages_by_key(&keys)?.into_iter().flatten().collect();
    ensure!(stored.len() == messages, "the archive has {} of {messages} messages", stored.len());

    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        // The order changes, so that neither always finds the caches warm.
        if round % 2 == 0 {
            ours.push(our_indexer(&folder.path().join("ours"), &archive, &runtime)?);
            bare.push(bare_tantivy(&folder.path().join("bare"), &stored)?);
        } else {
            bare.push(bare_tantivy(&folder.path().join("bare"), &stored)?);
            ours.push(our_indexer(&folder.path().join("ours"), &archive, &runtime)?);
        }
    }
    let index = Arc::new(Index::open(&folder.path().join("kept"), &archive)?);
    let mut indexer = Indexer::new(Arc::clone(&index), Arc::clone(&archive), IndexerSettings::default());
    runtime.block_on(indexer.catch_up())?;
    let searches = searches(&index, &archive)?;
    let size = index.disk_size();
    drop((indexer, index, stored, archive));
    // A process of its own has neither the messages that bare Tantivy is handed nor what the rounds left in the allocator.
    let resident = resident_of_a_rebuild(folder.path())?;
    let segments = |rounds: &[Took]| rounds.iter().map(|took| took.segments).max().unwrap_or_default();
    let (our_segments, bare_segments) = (segments(&ours), segments(&bare));
    let rate = |rounds: &[Took]| messages as f64 / median(&mut rounds.iter().map(|took| took.seconds).collect::<Vec<_>>());
    let (ours, bare) = (rate(&ours), rate(&bare));
    let text_bytes = texts.iter().map(String::len).sum::<usize>() as f64 / messages as f64;
    let per_message = size as f64 / messages as f64;
    eprintln!(
        "indexing {messages} messages: {ours:.0}/s through the indexer, {bare:.0}/s with bare Tantivy, ratio {:.2} (target 0.8); \
         {per_message:.1} bytes a message in the index for {text_bytes:.1} of text; {} MB resident",
        ours / bare,
        resident >> 20,
    );
    for (query, sort, millis, total) in &searches {
        eprintln!("  {query} ({sort:?}): {millis:.2} ms, {total}");
    }
    let searches: Vec<_> = searches
        .iter()
        .map(|(query, sort, millis, total)| serde_json::json!({"query": query, "sort": format!("{sort:?}"), "ms": millis, "total": total}))
        .collect();
    println!(
        "{}",
        serde_json::json!({
            "benchmark": "index", "messages": messages, "rounds": rounds, "corpus": std::env::var("TELESCRIBE_CORPUS").is_ok(),
            "indexer_per_second": ours, "bare_per_second": bare, "ratio": ours / bare, "target": 0.8,
            "indexer_segments": our_segments, "bare_segments": bare_segments, "index_bytes_per_message": per_message, "text_bytes_per_message": text_bytes, "resident_bytes": resident,
            "searches": searches,
        })
    );
    Ok(())
}

/// What one round of one side took.
struct Took {
    seconds: f64,
    segments: usize,
}

/// From an empty index to one that has everything.
fn our_indexer(path: &Path, archive: &Arc<Archive>, runtime: &Runtime) -> anyhow::Result<Took> {
    let index = Arc::new(Index::open(path, archive)?);
    let start = Instant::now();
    let mut indexer = Indexer::new(Arc::clone(&index), Arc::clone(archive), IndexerSettings::default());
    runtime.block_on(indexer.catch_up())?;
    let took = Took { seconds: start.elapsed().as_secs_f64(), segments: index.segment_count() };
    ensure!(index.verify(&archive.flushed())?.is_equal(), "index and archive differ");
    drop((indexer, index));
    std::fs::remove_dir_all(path)?;
    Ok(took)
}

fn bare_tantivy(path: &Path, stored: &[StoredMessage]) -> anyhow::Result<Took> {
    let mut bare_index = BareIndex::new(path, IndexerSettings::default())?;
    let start = Instant::now();
    for message in stored {
        bare_index.add(message)?;
    }
    let index = bare_index.commit()?;
    let took = Took { seconds: start.elapsed().as_secs_f64(), segments: index.segment_count() };
    ensure!(index.document_count() == stored.len() as u64, "not everything was indexed");
    drop(bare_index);
    std::fs::remove_dir_all(path)?;
    Ok(took)
}

/// A few searches, each the median of several, in milliseconds.
fn searches(index: &Index, archive: &Archive) -> anyhow::Result<Vec<(&'static str, SortOrder, f64, String)>> {
    let asked = [
        ("", SortOrder::Newest),
        ("今天", SortOrder::Newest),
        ("今天", SortOrder::Relevance),
        ("今", SortOrder::Newest),
        ("今天天气", SortOrder::Newest),
        ("книги", SortOrder::Newest),
        ("книги", SortOrder::Oldest),
        ("the OR и", SortOrder::Relevance),
        ("mess*", SortOrder::Newest),
    ];
    let mut out = Vec::new();
    for (query, sort) in asked {
        let request = Request { sort, ..Request::new(SearchQuery::parse(query)?) };
        let mut times = Vec::new();
        let mut total = String::new();
        for _ in 0..11 {
            let start = Instant::now();
            let page = index.search(&archive.flushed(), &request)?;
            times.push(start.elapsed().as_secs_f64() * 1_000.0);
            total = format!("{:?}", page.total);
        }
        out.push((query, sort, median(&mut times), total));
    }
    Ok(out)
}

fn median(times: &mut [f64]) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// Bytes that a process has in memory after it rebuilt the index of the archive in a folder, memory-mapped files included.
fn resident_of_a_rebuild(folder: &Path) -> anyhow::Result<u64> {
    let child = Command::new(std::env::current_exe()?).env(REBUILD, folder).output()?;
    ensure!(child.status.success(), "the rebuild failed: {}", String::from_utf8_lossy(&child.stderr));
    String::from_utf8(child.stdout)?.trim().parse().context("the rebuild did not say how much memory it has")
}

/// What the child of [`resident_of_a_rebuild`] does.
fn rebuild(folder: &Path, runtime: &Runtime) -> anyhow::Result<()> {
    let archive = Arc::new(Archive::open(&folder.join("archive"), Durability::Os)?);
    let index = Arc::new(Index::open(&folder.join("rebuilt"), &archive)?);
    runtime.block_on(Indexer::new(index, archive, IndexerSettings::default()).catch_up())?;
    let pages = std::fs::read_to_string("/proc/self/statm")?;
    let resident: u64 = pages.split(' ').nth(1).context("/proc/self/statm has no second number")?.parse()?;
    println!("{}", resident * 4_096);
    Ok(())
}
