//! Looks for the slowest queries: made at random of everything that the language of queries has, and of the slowest so far.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::seq::{IndexedRandom as _, SliceRandom as _};
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};
use telescribe::archive::Archive;
use telescribe::search::{FacetField, FacetRequest, Index, Request, SearchError, SearchQuery, SortOrder, Total};

const SEED: u64 = 11;
/// How many of the slowest are kept, to make others of them.
const KEPT: usize = 10;
/// What takes longer is bound by the deadline, and nothing slower is made of it.
const NEAR_THE_DEADLINE: Duration = Duration::from_secs(4);
const SORTS: [SortOrder; 4] = [SortOrder::Newest, SortOrder::Oldest, SortOrder::Relevance, SortOrder::Views];
const FILTERS: [&str; 16] = [
    "has:photo",
    "-has:photo",
    "has:link",
    "is:edited",
    "is:deleted",
    "(is:deleted OR -is:deleted)",
    "after:2020-12",
    "before:2021-03",
    "around:2021-01-01~30d",
    "lang:ru",
    "lang:zh",
    "views:>0",
    "from:1500",
    "in:*a*",
    "host:com",
    "reply:1",
];

/// What was asked.
#[derive(Clone)]
struct Asked {
    query: String,
    sort: SortOrder,
    collapse: Option<&'static str>,
    facets: bool,
}

/// How one was answered.
struct Answer {
    asked: Asked,
    took: Duration,
    said: String,
}

/// Asks for so long, and says which were the slowest.
pub(crate) fn slowest(index: &Index, archive: &Archive, texts: &[String], time: Duration) -> Value {
    let mut random = StdRng::seed_from_u64(SEED);
    let (started, mut asked_before) = (Instant::now(), BTreeSet::new());
    let (mut slowest, mut count, mut refused): (Vec<Answer>, u64, u64) = (Vec::new(), 0, 0);
    let mut bound: Vec<Answer> = Vec::new();
    while started.elapsed() < time {
        let known: Vec<Asked> = slowest.iter().map(|answer| answer.asked.clone()).collect();
        let asked =
            if known.is_empty() || random.random_ratio(1, 2) { new(&mut random, texts) } else { of(&mut random, texts, &known) };
        let Ok(query) = SearchQuery::parse(&asked.query) else {
            refused += 1;
            continue;
        };
        if !asked_before.insert(asked.show()) {
            continue;
        }
        count += 1;
        let answer = ask(index, archive, asked, &query);
        if answer.took >= NEAR_THE_DEADLINE {
            bound.push(answer);
            continue;
        }
        if slowest.len() < KEPT || slowest.last().is_some_and(|last| answer.took > last.took) {
            // Again, and the quicker of both: what came between was not the query's doing.
            let again = ask(index, archive, answer.asked.clone(), &query);
            slowest.push(Answer { took: answer.took.min(again.took), ..answer });
            slowest.sort_by_key(|answer| std::cmp::Reverse(answer.took));
            slowest.truncate(KEPT);
        }
    }
    bound.sort_by_key(|answer| std::cmp::Reverse(answer.took));
    eprintln!(
        "{} of {count} queries of a fuzzer were bound by the deadline ({refused} were refused); the slowest of these, and of the others:",
        bound.len()
    );
    bound.truncate(KEPT);
    let report = |answer: &Answer| {
        let ms = answer.took.as_secs_f64() * 1e3;
        eprintln!("{ms:9.2} ms {} for {}", answer.said, answer.asked.show());
        json!({ "ms": ms, "asked": answer.asked.show(), "said": answer.said })
    };
    let bound: Vec<Value> = bound.iter().map(report).collect();
    json!({ "asked": count, "refused": refused, "bound": bound, "slowest": slowest.iter().map(report).collect::<Vec<_>>() })
}

impl Asked {
    fn show(&self) -> String {
        let collapse = self.collapse.map(|by| format!(" collapse={by}")).unwrap_or_default();
        format!("`{}` {:?}{collapse}{}", self.query, self.sort, if self.facets { " facets" } else { "" })
    }
}

fn ask(index: &Index, archive: &Archive, asked: Asked, query: &SearchQuery) -> Answer {
    let histogram = "day".parse().ok().zip("Europe/Berlin".parse().ok());
    let facets = FacetRequest { fields: FacetField::ALL.to_vec(), histogram, ..FacetRequest::default() };
    let request = Request {
        sort: asked.sort,
        collapse: asked.collapse.and_then(|by| by.parse().ok()),
        facets: if asked.facets { facets } else { FacetRequest::default() },
        ..Request::new(query.clone())
    };
    let started = Instant::now();
    let found = index.search(&archive.flushed(), &request);
    let took = started.elapsed();
    let said = match found {
        Ok(page) => match page.total {
            Total::Exactly(hits) => format!("{hits} hits"),
            Total::AtLeast(hits) => format!("at least {hits} hits"),
        },
        Err(SearchError::Deadline { .. }) => "the deadline".to_owned(),
        Err(error) => error.to_string(),
    };
    Answer { asked, took, said }
}

fn new(random: &mut StdRng, texts: &[String]) -> Asked {
    let parts = random.random_range(1..4);
    let query = (0..parts).map(|_| expression(random, texts, 2)).collect::<Vec<_>>().join(" ");
    with_request(random, query)
}

fn with_request(random: &mut StdRng, query: String) -> Asked {
    let sort = *SORTS.choose(random).unwrap_or(&SortOrder::Newest);
    let collapse = random.random_ratio(1, 6).then(|| *["text", "album", "album,source,text"].choose(random).unwrap_or(&"text"));
    Asked { query, sort, collapse, facets: random.random_ratio(1, 6) }
}

/// One made of the slowest so far: two of them together, one with something more, less, or in another order.
fn of(random: &mut StdRng, texts: &[String], known: &[Asked]) -> Asked {
    let any = |random: &mut StdRng| known.choose(random).cloned();
    let (Some(one), Some(other)) = (any(random), any(random)) else { return new(random, texts) };
    let query = match random.random_range(0..6) {
        0 => format!("({}) OR ({})", one.query, other.query),
        1 => format!("({}) {}", one.query, other.query),
        2 => format!("({}) -({})", one.query, other.query),
        3 => format!("{} {}", one.query, leaf(random, texts)),
        4 => format!("{} OR {}", one.query, leaf(random, texts)),
        _ => {
            let mut parts: Vec<&str> = one.query.split(' ').collect();
            parts.shuffle(random);
            parts.truncate(parts.len().div_ceil(2).max(1));
            parts.join(" ")
        }
    };
    if random.random_ratio(1, 2) { Asked { query, ..one } } else { with_request(random, query) }
}

fn expression(random: &mut StdRng, texts: &[String], depth: usize) -> String {
    if depth == 0 || random.random_ratio(1, 3) {
        return leaf(random, texts);
    }
    let count = random.random_range(2..6);
    let parts: Vec<String> = (0..count).map(|_| expression(random, texts, depth - 1)).collect();
    match random.random_range(0..4) {
        0 => format!("({})", parts.join(" ")),
        1 => format!("-({})", parts.join(" OR ")),
        _ => format!("({})", parts.join(" OR ")),
    }
}

fn leaf(random: &mut StdRng, texts: &[String]) -> String {
    let text = texts.choose(random).map_or("a", String::as_str);
    let words: Vec<&str> = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let word = words.choose(random).copied().unwrap_or("и");
    let start = |length: usize| word.chars().take(length).collect::<String>();
    match random.random_range(0..13) {
        0 => FILTERS.choose(random).map_or_else(String::new, |filter| (*filter).to_owned()),
        1 => format!("{}*", start(random.random_range(2..5))),
        2 => format!("{word}~"),
        3 => format!("={word}"),
        4 => format!("earlier:{word}"),
        5 => format!("-{word}"),
        // The same again and again, with and without a space.
        6 => vec![start(1); random.random_range(2..200)].join(if random.random_ratio(1, 2) { "." } else { " " }),
        7 => {
            let at = random.random_range(0..words.len().max(1));
            let length = random.random_range(2..12);
            format!("\"{}\"", words.iter().skip(at).take(length).copied().collect::<Vec<_>>().join(" "))
        }
        8 => format!("\"{word} {}*\"", start(3)),
        9 => start(1),
        10 => start(2),
        11 => format!("=\"{}\"", words.iter().take(3).copied().collect::<Vec<_>>().join(" ")),
        _ => word.to_owned(),
    }
}
