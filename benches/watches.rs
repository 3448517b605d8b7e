//! What watches cost a message: running 0, 1,000 and 10,000 saved queries against it, beside what it costs to tokenize and index the same messages in the
//! same run, which every message costs anyway.
//!
//! The queries are drawn from texts as people write them: words, two words, phrases, beginnings of words, words in one chat, words with slips, and one in a
//! hundred that has no word at all (`has:link`). `TELESCRIBE_BENCH_MESSAGES` is how many messages there are; `TELESCRIBE_CORPUS` may name a file of
//! `language<TAB>text` lines.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark says what it measured")]

#[path = "simulated/messages.rs"]
mod messages;

use std::time::{Duration, Instant};

use anyhow::ensure;
use messages::{fill, number, texts};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use serde_json::{Value, json};
use telescribe::archive::{Archive, Durability, StoredMessage};
use telescribe::search::{BareIndex, IndexerSettings, Matcher, PeerNames, QuerySet, SearchQuery};

const MESSAGES: usize = 50_000;
const PEERS: usize = 500;
const SEED: u64 = 16;
/// How many watches there are.
const WATCHES: [usize; 3] = [0, 1_000, 10_000];

fn main() -> anyhow::Result<()> {
    let count = number("TELESCRIBE_BENCH_MESSAGES", MESSAGES)?;
    let folder = tempfile::tempdir()?;
    let archive = Archive::open(&folder.path().join("archive"), Durability::Os)?;
    let texts = texts(count)?;
    let keys = fill(&archive, &texts, (PEERS, 0))?;
    let messages: Vec<StoredMessage> = archive.view().messages_by_key(&keys)?.into_iter().flatten().collect();
    ensure!(messages.len() == count, "every message is there");
    let indexing = index(&messages, &folder.path().join("index"))?;
    let per_message = |taken: Duration| taken.as_secs_f64() * 1e6 / count as f64;
    eprintln!("{count} messages: {:.1} us each to index", per_message(indexing));
    let snapshot = archive.snapshot();
    let mut results = Vec::new();
    for watches in WATCHES {
        let queries = queries(&texts, &messages, watches)?;
        let started = Instant::now();
        let set = QuerySet::new(&queries);
        let prepared = started.elapsed();
        let mut matcher = Matcher::new(&set);
        let (mut matched, mut reached, started) = (0_usize, 0_usize, Instant::now());
        // As many at once as an output reads.
        for some in messages.chunks(100) {
            let names = PeerNames::of(snapshot.view());
            for message in some {
                let matching = matcher.matching(message, &[], &names)?.len();
                matched += matching;
                reached += usize::from(matching > 0);
            }
        }
        let taken = started.elapsed();
        let share = taken.as_secs_f64() / indexing.as_secs_f64();
        eprintln!(
            "{watches} watches: {:.1} us a message, {share:.2} of indexing it; {:.2} match a message, {:.0} % of messages match any; prepared in {prepared:.0?}",
            per_message(taken),
            matched as f64 / count as f64,
            100.0 * reached as f64 / count as f64,
        );
        results.push(json!({
            "watches": watches, "us_per_message": per_message(taken), "share_of_indexing": share,
            "matches_per_message": matched as f64 / count as f64, "prepared_ms": prepared.as_secs_f64() * 1e3,
        }));
    }
    let results: Value = results.into();
    let corpus = std::env::var("TELESCRIBE_CORPUS").is_ok();
    println!(
        "{}",
        json!({ "benchmark": "watches", "messages": count, "corpus": corpus, "index_us_per_message": per_message(indexing), "watches": results })
    );
    Ok(())
}

/// How long it takes to make documents of the messages and to index them, with nothing beside it.
fn index(messages: &[StoredMessage], path: &std::path::Path) -> anyhow::Result<Duration> {
    let started = Instant::now();
    let mut index = BareIndex::new(path, IndexerSettings::default())?;
    messages.iter().try_for_each(|message| index.add(message))?;
    index.commit()?;
    Ok(started.elapsed())
}

/// Saved queries, made of words of the texts.
fn queries(texts: &[String], messages: &[StoredMessage], count: usize) -> anyhow::Result<Vec<SearchQuery>> {
    let mut random = StdRng::seed_from_u64(SEED);
    let mut queries = Vec::with_capacity(count);
    let mut tries = 0;
    while queries.len() < count {
        tries += 1;
        ensure!(tries < 100 * count, "the texts have no words to ask for");
        let mut words = |least: usize| -> Option<String> {
            let text = texts.choose(&mut random)?;
            let words: Vec<&str> =
                text.split(|c: char| !c.is_alphanumeric()).filter(|word| word.chars().count() >= least).collect();
            words.choose(&mut random).map(|word| word.chars().take(24).collect())
        };
        let made = match queries.len() % 100 {
            0 => Some("has:link -is:forwarded".to_owned()),
            1..=4 => words(4).map(|word| format!("{word}~")),
            5..=14 => words(5).map(|word| format!("{}*", word.chars().take(5).collect::<String>())),
            15..=29 => words(3).zip(words(3)).map(|(one, other)| format!("\"{one} {other}\"")),
            30..=49 => {
                words(4).map(|word| format!("{word} in:{}", messages.first().map_or(0, |message| message.message.key.peer().0)))
            }
            50..=69 => words(3).zip(words(3)).map(|(one, other)| format!("{one} OR {other}")),
            70..=89 => words(3).zip(words(3)).map(|(one, other)| format!("{one} {other} -test")),
            _ => words(5),
        };
        // Some are no words to the query language.
        queries.extend(made.and_then(|made| SearchQuery::parse(&made).ok()));
    }
    Ok(queries)
}
