//! Throughput of our indexer; the baseline is bare Tantivy with the same schema and analyser, on the same messages, in the same run.
//!
//! Ours reads the change log and the messages of a real archive and commits as the daemon would; the bare one is handed the
//! messages in memory and commits once. Both end with everything committed and visible. They take turns, and medians are
//! compared. `TELESCRIBE_CORPUS` may name a file of `language<TAB>text` lines; without it the texts are generated.
//! `TELESCRIBE_BENCH_MESSAGES` and `TELESCRIBE_BENCH_ROUNDS` change the size.
//!
//! Prints a line for people on stderr and a line of JSON on stdout.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark says what it measured")]

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, ensure};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use telescribe::archive::{Archive, Durability, Raw, StoredMessage};
use telescribe::model::{Media, MediaKind, Message, MessageId, MessageKey, PeerId, Timestamp};
use telescribe::search::{BareIndex, Index, Indexer, IndexerSettings, Request, SearchQuery, SortOrder};
use tokio::runtime::Runtime;

/// Enough for several commits and merges, and a run of a minute.
const MESSAGES: usize = 200_000;
/// Takes of each side; odd, so that a median is one of them.
const ROUNDS: usize = 5;
/// As many as a page of history has.
const PAGE: usize = 100;
const SEED: u64 = 42;
/// Set for the child process whose memory is measured.
const REBUILD: &str = "TELESCRIBE_BENCH_REBUILD";

const WORDS: [&str; 6] = [
    "the and message channel running news about report yesterday friends meeting tomorrow please thanks video price market city police",
    "и в не на что сообщение новости канал сегодня вчера книга друзьями город рынок цены работает полиция встреча спасибо ёлка",
    "我 觉得 今天 天气 很好 消息 频道 新闻 朋友 明天 见面 价格 市场 城市 警察 谢谢 视频 工作 学习 漢語 臺灣",
    "今日は 天気が いいですね ニュース チャンネル 友達と 会議 明日 価格 市場 ありがとう 動画 仕事 コーヒー を 飲みながら",
    "رسالة قناة أخبار اليوم أمس كتاب أصدقاء مدينة سوق أسعار يعمل شرطة اجتماع شكرا صورة فيديو غدا في من على",
    "und die Nachricht Kanal Nachrichten heute gestern Straße Freunde Stadt Markt Preise läuft Polizei Treffen danke größer",
];
/// Which of them are written without spaces.
const UNSPACED: [bool; 6] = [false, false, true, true, false, false];

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
    let keys = fill(&archive, &texts)?;
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

/// Archives the texts in some peers, page by page, and returns the keys in the order of the change log.
fn fill(archive: &Archive, texts: &[String]) -> anyhow::Result<Vec<MessageKey>> {
    let mut random = StdRng::seed_from_u64(SEED);
    let mut keys = Vec::with_capacity(texts.len());
    let mut tops = [0; 50];
    for page in texts.chunks(PAGE) {
        let peer = random.random_range(0..tops.len());
        let mut write = archive.write(Timestamp(1_700_000_000));
        for text in page {
            tops[peer] += 1;
            let key = MessageKey::new(PeerId(-1_001_000_000_000 - i64::try_from(peer)? * 7_919), MessageId(tops[peer]));
            let mut message =
                Message::new(key, Timestamp(1_600_000_000 + i64::from(tops[peer]) * 600 + random.random_range(0..600)));
            message.text.clone_from(text);
            message.sender = Some(PeerId(random.random_range(1_000..3_000)));
            message.media = random.random_ratio(1, 8).then(|| Media::new(MediaKind::Photo));
            keys.push(key);
            write.message(message, Raw::default(), 0);
        }
        write.commit()?;
    }
    archive.sync()?;
    Ok(keys)
}

fn texts(count: usize) -> anyhow::Result<Vec<String>> {
    if let Ok(corpus) = std::env::var("TELESCRIBE_CORPUS") {
        let lines = std::fs::read_to_string(&corpus).with_context(|| format!("cannot read `{corpus}`"))?;
        let texts: Vec<&str> = lines.lines().filter_map(|line| Some(line.split_once('\t')?.1)).collect();
        ensure!(!texts.is_empty(), "`{corpus}` has no line of the form language<TAB>text");
        // Languages come in blocks: spread them, so that every size of run has all of them.
        let stride = texts.len() / count.clamp(1, texts.len());
        return Ok((0..count).map(|n| texts[(n * stride.max(1) + n / texts.len()) % texts.len()].to_owned()).collect());
    }
    let mut random = StdRng::seed_from_u64(SEED);
    let words: Vec<Vec<&str>> = WORDS.iter().map(|list| list.split(' ').collect()).collect();
    let text = |_| {
        let language = random.random_range(0..words.len());
        let length = random.random_range(2..20);
        // A tenth of all words is rare, as names and numbers are.
        let word = |random: &mut StdRng| match random.random_range(0..10) {
            0 => format!("{:x}", random.random_range(0..1_000_000)),
            _ => (*words[language].choose(random).unwrap_or(&"")).to_owned(),
        };
        let words: Vec<String> = (0..length).map(|_| word(&mut random)).collect();
        words.join(if UNSPACED[language] { "" } else { " " })
    };
    Ok((0..count).map(text).collect())
}

fn number(name: &str, otherwise: usize) -> anyhow::Result<usize> {
    std::env::var(name).map_or(Ok(otherwise), |value| value.parse().with_context(|| format!("`{name}` is not a number")))
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
