//! How long searches take, beside SQLite FTS5 (trigrams) with the same texts in the same run: also while messages are being indexed.
//!
//! Queries are drawn from the texts: words, phrases and parts of them, rare and frequent as they are written. Each is asked for its first page, newest
//! first and by relevance: ours with the messages as the archive has them, snippets and a count up to 10,000; FTS5's with its texts and what matches marked in them, with such
//! a count and without. `TELESCRIBE_BENCH_MESSAGES` is how
//! many messages there are, `TELESCRIBE_BENCH_QUERIES` how many queries of each kind are asked, `TELESCRIBE_BENCH_FUZZ` for how many seconds a fuzzer looks
//! for the slowest; `TELESCRIBE_CORPUS` may name a file of `language<TAB>text` lines.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark says what it measured")]

#[path = "simulated/messages.rs"]
mod messages;
#[path = "simulated/slow_queries.rs"]
mod slow_queries;

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use messages::{fill, number, texts};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use rusqlite::Connection;
use serde_json::{Value, json};
use telescribe::archive::{Archive, Durability};
use telescribe::model::{MessageKey, Timestamp};
use telescribe::search::{
    Export, FacetField, FacetRequest, Index, Indexer, IndexerSettings, Request, SearchError, SearchQuery, SortOrder,
};

const MESSAGES: usize = 500_000;
const PEERS: usize = 2_000;
const QUERIES: usize = 100;
/// Seconds.
const FUZZ: usize = 20;
const SEED: u64 = 7;
/// Where the ids begin of what is archived while it is searched.
const IDS_APART: i32 = 100_000;
/// Up to how many hits are counted.
const COUNTED: usize = 10_000;
/// How many hits are asked for.
const PAGE: usize = 20;

fn main() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let count = number("TELESCRIBE_BENCH_MESSAGES", MESSAGES)?;
    let each = number("TELESCRIBE_BENCH_QUERIES", QUERIES)?;
    let folder = tempfile::tempdir()?;
    let archive = Arc::new(Archive::open(&folder.path().join("archive"), Durability::Os)?);
    let texts = texts(count)?;
    // The last tenth is indexed while it is searched.
    let (first, last) = texts.split_at(count - count / 10);
    let keys = fill(&archive, first, (PEERS, 0))?;
    let index = Arc::new(Index::open(&folder.path().join("index"), &archive)?);
    let mut indexer = Indexer::new(Arc::clone(&index), Arc::clone(&archive), IndexerSettings::default());
    let started = Instant::now();
    runtime.block_on(indexer.catch_up())?;
    let rate = keys.len() as f64 / started.elapsed().as_secs_f64();
    let is_compared = number("TELESCRIBE_BENCH_FTS5", 1)? > 0;
    let compared = if is_compared { keys.as_slice() } else { &[] };
    let sqlite = Sqlite::of(&folder.path().join("fts5.sqlite"), first, &archive, compared)?;
    let per_message = |bytes: u64| bytes as f64 / keys.len() as f64;
    let bytes = per_message(index.disk_size());
    eprintln!(
        "{} messages: {rate:.0}/s indexed into {:.1} bytes a message in {} segments; FTS5 {:.0}/s, {:.1} bytes",
        keys.len(),
        bytes,
        index.segment_count(),
        sqlite.rate,
        per_message(sqlite.bytes),
    );
    let dates =
        keys.first().into_iter().chain(keys.last()).map(|key| date(&archive, *key)).collect::<anyhow::Result<Vec<_>>>()?;
    let middle = Timestamp(dates.iter().sum::<i64>() / i64::try_from(dates.len().max(1))?).to_string();
    let mut queries = queries(first, each, middle.get(..10).context("a date")?);
    if let Ok(kinds) = std::env::var("TELESCRIBE_BENCH_KINDS") {
        queries.retain(|(kind, _)| kinds.split(',').any(|wanted| wanted == *kind));
        ensure!(!queries.is_empty(), "TELESCRIBE_BENCH_KINDS: no kind of query is called one of `{kinds}`");
    }
    let mut results = Vec::new();
    for (kind, asked) in &queries {
        for sort in [SortOrder::Newest, SortOrder::Relevance] {
            let ours = percentiles(asked, |query| ours(&index, &archive, &query.ours, sort))?;
            let theirs = match asked.first().and_then(|query| query.fts5.as_ref()).filter(|_| is_compared) {
                Some(_) => {
                    let search = |query: &Asked| sqlite.search(query.fts5.as_deref().unwrap_or_default(), sort);
                    let count = |query: &Asked| sqlite.count(query.fts5.as_deref().unwrap_or_default());
                    Some([percentiles(asked, search)?, percentiles(asked, |query| search(query).and_then(|()| count(query)))?])
                }
                None => None,
            };
            results.push(report(kind, sort, &ours, theirs.as_ref()));
        }
    }
    let words = queries.first().map(|(_, asked)| asked.as_slice()).unwrap_or_default();
    let counted = counted(&index, &archive, words)?;
    let collapsed = collapsed(&index, &archive, words)?;
    let exported = exported(&index, &archive)?;
    let fuzz = Duration::from_secs(number("TELESCRIBE_BENCH_FUZZ", FUZZ)?.try_into()?);
    let slowest = slow_queries::slowest(&index, &archive, first, fuzz);
    // The same while messages are archived and indexed.
    let stop = AtomicBool::new(false);
    let mut beside = Vec::new();
    std::thread::scope(|scope| -> anyhow::Result<()> {
        let writer = scope.spawn(|| -> anyhow::Result<i32> {
            let mut rounds = 0;
            while !stop.load(Ordering::Relaxed) {
                fill(&archive, last, (PEERS, IDS_APART + rounds * 1_000))?;
                runtime.block_on(indexer.catch_up())?;
                rounds += 1;
            }
            Ok(rounds)
        });
        for (kind, asked) in &queries {
            for sort in [SortOrder::Newest, SortOrder::Relevance] {
                let ours = percentiles(asked, |query| ours(&index, &archive, &query.ours, sort));
                beside.push((*kind, sort, ours?));
            }
        }
        stop.store(true, Ordering::Relaxed);
        writer.join().map_err(|_| anyhow::anyhow!("the writer panicked"))??;
        Ok(())
    })?;
    eprintln!("while messages are archived and indexed:");
    let beside: Vec<Value> = beside.iter().map(|(kind, sort, ours)| report(kind, *sort, ours, None)).collect();
    println!(
        "{}",
        json!({
            "benchmark": "search", "messages": keys.len(), "corpus": std::env::var("TELESCRIBE_CORPUS").is_ok(), "indexed_per_second": rate,
            "bytes_per_message": bytes, "fts5_bytes_per_message": per_message(sqlite.bytes), "queries": results, "beside_indexing": beside, "facets": counted, "collapsed": collapsed, "exported_per_second": exported, "fuzzed": slowest,
        })
    );
    Ok(())
}

fn date(archive: &Archive, key: MessageKey) -> anyhow::Result<i64> {
    Ok(archive.view().message(key)?.context("a message is missing")?.message.date.0)
}

/// A query in both languages.
struct Asked {
    ours: String,
    /// None where trigrams have no answer.
    fts5: Option<String>,
}

/// Queries of ten kinds.
fn queries(texts: &[String], each: usize, middle: &str) -> Vec<(&'static str, Vec<Asked>)> {
    let mut random = StdRng::seed_from_u64(SEED);
    let mut draw = |make: &dyn Fn(&mut StdRng, &str) -> Option<Asked>| {
        let mut asked = Vec::with_capacity(each);
        for _ in 0..each * 1_000 {
            if asked.len() == each {
                break;
            }
            let made = texts.choose(&mut random).cloned().and_then(|text| make(&mut random, &text));
            // The folding of some letters leaves fewer than a query must have.
            asked.extend(made.filter(|made| SearchQuery::parse(&made.ours).is_ok()));
        }
        asked
    };
    vec![
        ("a word", draw(&|random, text| word(random, text).map(|word| both(&word)))),
        (
            "two words",
            draw(&|random, text| {
                let (one, other) = (word(random, text)?, word(random, text)?);
                Some(Asked { ours: format!("{one} {other}"), fts5: Some(format!("\"{one}\" \"{other}\"")) })
            }),
        ),
        (
            "either word",
            draw(&|random, text| {
                let (one, other) = (word(random, text)?, word(random, text)?);
                Some(Asked { ours: format!("{one} OR {other}"), fts5: Some(format!("\"{one}\" OR \"{other}\"")) })
            }),
        ),
        (
            "a phrase",
            draw(&|random, text| {
                let words: Vec<&str> = text.split_whitespace().collect();
                let at = random.random_range(0..words.len().saturating_sub(2).max(1));
                let phrase = words.get(at..at + 3)?.join(" ");
                phrase.chars().all(|c| c.is_alphanumeric() || c == ' ').then(|| both(&phrase))
            }),
        ),
        (
            "the beginning of a word",
            draw(&|random, text| {
                let word = word(random, text).filter(|word| word.chars().count() > 4)?;
                let beginning: String = word.chars().take(4).collect();
                Some(Asked { ours: format!("{beginning}*"), fts5: Some(format!("\"{beginning}\"")) })
            }),
        ),
        ("one character", draw(&|random, text| part(random, text, 1))),
        ("two characters", draw(&|random, text| part(random, text, 2))),
        ("four characters", draw(&|random, text| part(random, text, 4))),
        (
            "a word of a time",
            draw(&|random, text| {
                let word = word(random, text)?;
                Some(Asked { ours: format!("{word} after:{middle}"), fts5: None })
            }),
        ),
        ("nothing", draw(&|random, _| Some(both(&format!("{:016x}", random.random::<u64>()))))),
    ]
}

fn both(text: &str) -> Asked {
    Asked { ours: format!("\"{text}\""), fts5: Some(format!("\"{text}\"")) }
}

fn word(random: &mut StdRng, text: &str) -> Option<String> {
    let words: Vec<&str> = text.split(|c: char| !c.is_alphabetic()).filter(|word| word.len() > 3 && !is_dense(word)).collect();
    Some((*words.choose(random)?).to_owned())
}

/// Some neighbouring characters of a text without spaces.
fn part(random: &mut StdRng, text: &str, length: usize) -> Option<Asked> {
    let characters: Vec<char> = text.chars().collect();
    let at = random.random_range(0..characters.len().saturating_sub(length).max(1));
    let part: String = characters.get(at..at + length)?.iter().collect();
    is_dense(&part).then(|| Asked { ours: part.clone(), fts5: (length > 2).then(|| format!("\"{part}\"")) })
}

fn is_dense(text: &str) -> bool {
    text.chars().all(|c| ('\u{4E00}'..='\u{9FFF}').contains(&c) || ('\u{3041}'..='\u{30FA}').contains(&c))
}

fn ours(index: &Index, archive: &Archive, query: &str, sort: SortOrder) -> anyhow::Result<()> {
    let request =
        Request { sort, page_size: PAGE, time_limit: Duration::from_secs(60), ..Request::new(SearchQuery::parse(query)?) };
    index.search(&archive.flushed(), &request)?;
    Ok(())
}

/// All facets and a histogram by months: of the hits of words as they are written, and of all messages.
fn counted(index: &Index, archive: &Archive, words: &[Asked]) -> anyhow::Result<Value> {
    let everything = [Asked { ours: String::new(), fts5: None }];
    let mut reports = Vec::new();
    for (kind, asked) in [("facets of a word", words), ("facets of everything", &everything[..])] {
        let times = percentiles(asked, |query| {
            let histogram = Some(("month".parse()?, "Europe/Berlin".parse()?));
            let facets = FacetRequest { fields: FacetField::ALL.to_vec(), histogram, ..FacetRequest::default() };
            let time_limit = Duration::from_secs(60);
            let request = Request { page_size: PAGE, facets, time_limit, ..Request::new(SearchQuery::parse(&query.ours)?) };
            let found = index.search(&archive.flushed(), &request)?;
            ensure!(found.facets.is_some_and(|facets| facets.histogram.is_some_and(|histogram| histogram.is_exact)));
            Ok(())
        })?;
        reports.push(report(kind, SortOrder::Newest, &times, None));
    }
    Ok(reports.into())
}

/// Hits of words by groups of texts that are nearly the same, and how large a share of the words has more hits than are collapsed.
fn collapsed(index: &Index, archive: &Archive, words: &[Asked]) -> anyhow::Result<Value> {
    let (refused, started) = (Cell::new(0_u32), Instant::now());
    let times = percentiles(words, |query| {
        let (collapse, time_limit) = (Some("text".parse()?), Duration::from_secs(60));
        let request = Request { page_size: PAGE, collapse, time_limit, ..Request::new(SearchQuery::parse(&query.ours)?) };
        match index.search(&archive.flushed(), &request) {
            Err(SearchError::TooManyHits { .. }) => refused.set(refused.get() + 1),
            found => drop(found?),
        }
        Ok(())
    })?;
    eprintln!("collapsing refused {} of {} in {:.1?}", refused.get() / 2, words.len(), started.elapsed());
    Ok(report("a word, collapsed", SortOrder::Newest, &times, None))
}

/// How many messages a second an export reads, newest first and by relevance, as the lines that a client gets.
fn exported(index: &Index, archive: &Archive) -> anyhow::Result<Value> {
    let mut rates = Vec::new();
    for (query, sort) in [("", SortOrder::Newest), ("the OR и OR 的", SortOrder::Relevance)] {
        let mut export = Export::new(SearchQuery::parse(query)?, sort, None)?;
        let (started, mut messages, mut bytes) = (Instant::now(), 0_usize, 0_usize);
        while !export.is_complete() {
            index.continue_export(&archive.flushed(), &mut export, Duration::from_secs(60))?;
            let read = export.read(&archive.flushed(), 32)?;
            for stored in read.iter().flatten() {
                bytes += serde_json::to_vec(&telescribe::show::message(&stored.message))?.len();
                messages += 1;
            }
            export.take(read.len());
        }
        let rate = messages as f64 / started.elapsed().as_secs_f64();
        eprintln!("{:>24} {:>9}: {rate:.0} messages/s, {messages} in {bytes} bytes", "export", format!("{sort:?}"));
        rates.push(json!({ "sort": format!("{sort:?}"), "messages": messages, "per_second": rate }));
    }
    Ok(rates.into())
}

/// The texts in FTS5, by rowid in the order of time.
struct Sqlite {
    connection: Connection,
    rate: f64,
    bytes: u64,
}

impl Sqlite {
    fn of(path: &std::path::Path, texts: &[String], archive: &Archive, keys: &[MessageKey]) -> anyhow::Result<Self> {
        let connection = Connection::open(path)?;
        connection.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; PRAGMA cache_size = -65536;
             CREATE TABLE texts (id INTEGER PRIMARY KEY, text TEXT NOT NULL);
             CREATE VIRTUAL TABLE messages USING fts5(text, tokenize = 'trigram', content = 'texts', content_rowid = 'id');",
        )?;
        let mut order: Vec<(i64, usize)> = Vec::with_capacity(keys.len());
        for (at, chunk) in keys.chunks(10_000).enumerate() {
            for (n, stored) in archive.view().messages_by_key(chunk)?.into_iter().enumerate() {
                order.push((stored.context("a message is missing")?.message.date.0, at * 10_000 + n));
            }
        }
        order.sort_unstable();
        let size = || -> anyhow::Result<u64> {
            connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")?;
            Ok(std::fs::metadata(path)?.len())
        };
        let fill = |sql: &str| -> anyhow::Result<()> {
            let transaction = connection.unchecked_transaction()?;
            {
                let mut insert = transaction.prepare(sql)?;
                for (row, (_, at)) in order.iter().enumerate() {
                    insert.execute((i64::try_from(row)? + 1, texts.get(*at).context("a text is missing")?))?;
                }
            }
            Ok(transaction.commit()?)
        };
        fill("INSERT INTO texts (id, text) VALUES (?1, ?2)")?;
        let of_texts = size()?;
        let started = Instant::now();
        fill("INSERT INTO messages (rowid, text) VALUES (?1, ?2)")?;
        let rate = keys.len() as f64 / started.elapsed().as_secs_f64();
        let bytes = size()?.saturating_sub(of_texts);
        Ok(Self { connection, rate, bytes })
    }

    /// The first page with its texts, what matches marked in them; without a count.
    fn search(&self, query: &str, sort: SortOrder) -> anyhow::Result<()> {
        let order = if sort == SortOrder::Relevance { "rank" } else { "rowid DESC" };
        let sql = format!(
            "SELECT highlight(messages, 0, '[', ']') FROM messages WHERE messages MATCH ?1 ORDER BY {order} LIMIT {PAGE}"
        );
        let rows: Result<Vec<String>, _> = self.connection.prepare(&sql)?.query_map([query], |row| row.get(0))?.collect();
        rows?;
        Ok(())
    }

    /// How many there are, up to as many as ours counts.
    fn count(&self, query: &str) -> anyhow::Result<()> {
        let sql = format!("SELECT count(*) FROM (SELECT 1 FROM messages WHERE messages MATCH ?1 LIMIT {COUNTED})");
        self.connection.prepare(&sql)?.query_row([query], |row| row.get::<_, i64>(0))?;
        Ok(())
    }
}

/// Half, nine of ten and ninety-nine of a hundred within, in milliseconds.
struct Percentiles([f64; 3]);

fn percentiles(asked: &[Asked], search: impl Fn(&Asked) -> anyhow::Result<()>) -> anyhow::Result<Percentiles> {
    ensure!(!asked.is_empty(), "the texts have no query of this kind");
    let mut times = Vec::with_capacity(asked.len());
    for query in asked {
        // Once to have it in memory.
        search(query)?;
        let started = Instant::now();
        search(query)?;
        times.push(started.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    let of = |share: f64| times.get(((times.len() - 1) as f64 * share).round() as usize).copied().unwrap_or_default();
    Ok(Percentiles([of(0.5), of(0.9), of(0.99)]))
}

fn report(kind: &str, sort: SortOrder, Percentiles(ours): &Percentiles, theirs: Option<&[Percentiles; 2]>) -> Value {
    let show = |[half, nine, most]: [f64; 3]| format!("{half:7.2} {nine:7.2} {most:7.2}");
    let beside = theirs.map_or(String::new(), |[Percentiles(without), Percentiles(counted)]| {
        format!("   FTS5 {}   and counting {}", show(*without), show(*counted))
    });
    eprintln!("{kind:>24} {:>9}: {} ms{beside}", format!("{sort:?}"), show(*ours));
    let [fts5, counted] = [0, 1].map(|which| theirs.map(|theirs| theirs[which].0));
    json!({ "kind": kind, "sort": format!("{sort:?}"), "ms": ours, "fts5_ms": fts5, "fts5_counting_ms": counted })
}
