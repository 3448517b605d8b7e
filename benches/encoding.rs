//! How the archive's values are encoded, against what else they could be: bytes and time a message, on the same messages.
//!
//! The messages come over the wire from a simulated Telegram, through our parser. Each encoding is written to a RocksDB column
//! family that is tuned as the archive's own (16 KiB blocks, ZSTD with a dictionary at the bottom), which is then compacted:
//! - *form*: the archive's value: its record, and Telegram's own bytes after it, from the model and back into it without these;
//! - *protobuf*: the archive's record alone;
//! - *postcard*: the same fields by postcard, read back into a plain structure;
//! - *json*: what `docs/dump.md` says of a message's content, by serde_json, read back into a plain structure;
//! - *tl*: Telegram's own bytes alone, read back through the parser. *protobuf* and *tl* together are what *form* takes when both are kept apart.
//!
//! The first four have the archive's bookkeeping (when it was archived, Telegram's edit date) with them. JSON and postcard are
//! flattered a little: what they read is not turned into the model. `TELESCRIBE_BENCH_MESSAGES`,
//! `TELESCRIBE_BENCH_ROUNDS` and `TELESCRIBE_CORPUS` change the world (see `simulated/world.rs`).
//!
//! Prints lines for people on stderr and a line of JSON on stdout.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark says what it measured")]

#[path = "simulated/world.rs"]
mod world;

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use anyhow::ensure;
use grammers_tl_types::{Deserializable as _, LAYER, Serializable as _, enums};
use serde::{Deserialize, Serialize};
use telescribe::archive::{EncodingStore, Raw};
use telescribe::lifecycle::Lifecycle;
use telescribe::model::{IdRange, IdSpace, Message, MessageId, PeerId, Timestamp};
use telescribe::parse::{self, Parsed};
use telescribe::show;
use telescribe::telegram::Client;
use telescribe_simulator::{Options, Simulator};
use tokio::sync::mpsc;
use world::{median, number};

const MESSAGES: usize = 60_000;
/// Takes of each encoding; odd, so that a median is one of them.
const ROUNDS: usize = 7;
/// When all of them were archived, as a crawl archives many messages in one second.
const ARCHIVED_AT: Timestamp = Timestamp(1_764_000_000);

fn main() -> anyhow::Result<()> {
    let rounds = number("TELESCRIBE_BENCH_ROUNDS", ROUNDS)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let messages = runtime.block_on(messages(number("TELESCRIBE_BENCH_MESSAGES", MESSAGES)?))?;
    let count = messages.len() as f64;
    let tl: Vec<enums::Message> = messages.iter().map(|p| enums::Message::from_bytes(&p.raw)).collect::<Result<_, _>>()?;
    let encodings = encodings(&messages, &tl);

    let folder = tempfile::tempdir()?;
    let store = EncodingStore::new(folder.path(), &encodings.each_ref().map(|e| e.name))?;
    let mut encoded: Vec<Vec<Vec<u8>>> = Vec::new();
    for encoding in &encodings {
        let values: Vec<Vec<u8>> = (0..messages.len()).map(&encoding.encode).collect::<anyhow::Result<_>>()?;
        for (parsed, value) in messages.iter().zip(&values) {
            store.put(encoding.name, parsed.message.key, value)?;
        }
        encoded.push(values);
    }
    let mut times = vec![(Vec::new(), Vec::new()); encodings.len()];
    for round in 0..rounds {
        for turn in 0..encodings.len() {
            // The order changes, so that no encoding always finds the caches warm.
            let at = (turn + round) % encodings.len();
            let start = Instant::now();
            for n in 0..messages.len() {
                black_box((encodings[at].encode)(n)?);
            }
            times[at].0.push(start.elapsed().as_secs_f64() * 1e9 / count);
            let start = Instant::now();
            for (n, value) in encoded[at].iter().enumerate() {
                (encodings[at].decode)(n, value)?;
            }
            times[at].1.push(start.elapsed().as_secs_f64() * 1e9 / count);
        }
    }

    let text = messages.iter().map(|p| p.message.text.len()).sum::<usize>() as f64 / count;
    eprintln!("{count} messages with {text:.1} bytes of text on average, medians of {rounds}:");
    let mut figures = serde_json::Map::new();
    for ((encoding, values), (encode, decode)) in encodings.iter().zip(&encoded).zip(times) {
        let raw = values.iter().map(Vec::len).sum::<usize>() as f64 / count;
        let stored = store.size(encoding.name)? as f64 / count;
        let (encode, decode) = (median(encode), median(decode));
        eprintln!(
            "  {:8} {raw:6.1} bytes, {stored:6.1} on disk with its key; {encode:5.0} ns to encode, {decode:5.0} ns to decode",
            encoding.name
        );
        let figure = serde_json::json!({"bytes": raw, "stored_bytes": stored, "encode_ns": encode, "decode_ns": decode});
        figures.insert(encoding.name.to_owned(), figure);
    }
    println!(
        "{}",
        serde_json::json!({
            "benchmark": "encoding", "messages": messages.len(), "rounds": rounds, "corpus": std::env::var("TELESCRIBE_CORPUS").is_ok(),
            "text_bytes_per_message": text, "encodings": figures,
        })
    );
    Ok(())
}

type Encode<'a> = dyn Fn(usize) -> anyhow::Result<Vec<u8>> + 'a;
type Decode<'a> = dyn Fn(usize, &[u8]) -> anyhow::Result<()> + 'a;

/// A way to write messages, by their place among all.
struct Encoding<'a> {
    name: &'static str,
    encode: Box<Encode<'a>>,
    decode: Box<Decode<'a>>,
}

fn encodings<'a>(messages: &'a [Parsed], tl: &'a [enums::Message]) -> [Encoding<'a>; 5] {
    let form = |n: usize, raw| EncodingStore::encode(&messages[n].message, raw, messages[n].revision, ARCHIVED_AT);
    [
        Encoding {
            name: "form",
            encode: Box::new(move |n| {
                let account = Some("alpha".parse().map_err(anyhow::Error::msg)?);
                Ok(form(n, Raw { layer: LAYER, tl: tl[n].to_bytes(), account }))
            }),
            decode: Box::new(|n, bytes| {
                black_box(EncodingStore::decode(messages[n].message.key, bytes)?);
                Ok(())
            }),
        },
        Encoding {
            name: "protobuf",
            encode: Box::new(move |n| Ok(form(n, Raw::default()))),
            decode: Box::new(|n, bytes| {
                black_box(EncodingStore::decode(messages[n].message.key, bytes)?);
                Ok(())
            }),
        },
        Encoding {
            name: "postcard",
            encode: Box::new(|n| Ok(postcard::to_allocvec(&Kept::of(&messages[n]))?)),
            decode: Box::new(|_, bytes| {
                black_box(postcard::from_bytes::<Kept<Form<i64, u8>>>(bytes)?);
                Ok(())
            }),
        },
        Encoding {
            name: "json",
            encode: Box::new(|n| Ok(serde_json::to_vec(&JsonKept::of(&messages[n]))?)),
            decode: Box::new(|_, bytes| {
                black_box(serde_json::from_slice::<Kept<Form<String, String>>>(bytes)?);
                Ok(())
            }),
        },
        Encoding {
            name: "tl",
            encode: Box::new(|n| Ok(tl[n].to_bytes())),
            decode: Box::new(|_, bytes| {
                black_box(parse::message(&enums::Message::from_bytes(bytes)?));
                Ok(())
            }),
        },
    ]
}

/// Every message of the groups and channels of a simulated Telegram, by peer and id.
async fn messages(count: usize) -> anyhow::Result<Vec<Parsed>> {
    let simulator = Simulator::start(world::world(count)?, Options::default()).await?;
    let lifecycle = Lifecycle::new();
    let (pushes, _inbox) = mpsc::channel(1);
    let mut messages = std::collections::BTreeMap::new();
    for session in world::sessions(&simulator)? {
        let client = Client::new(Arc::new(session), world::settings(), lifecycle.clone(), pushes.clone());
        let mut from = None;
        loop {
            let page = client.dialogs(from.as_ref(), telescribe::telegram::DIALOGS_SIZE).await?;
            for top in page.tops.iter().filter(|top| top.peer.kind() != IdSpace::User) {
                let mut rest = IdRange::new(1, top.top.0);
                // A channel that another account has read before is the same channel.
                while let Some(range) = rest.filter(|range| !messages.contains_key(&key(top.peer, range.last))) {
                    let page = client.history(top.peer, range, telescribe::telegram::PAGE_SIZE).await?;
                    rest = IdRange::new(range.first, page.covered.first - 1);
                    messages.extend(page.messages.into_iter().map(|p| (p.message.key, p)));
                }
            }
            from = page.next;
            if from.is_none() {
                break;
            }
        }
    }
    lifecycle.ended().await;
    simulator.stop().await;
    ensure!(messages.len() == count, "{} of {count} messages were read", messages.len());
    Ok(messages.into_values().collect())
}

fn key(peer: PeerId, id: i32) -> telescribe::model::MessageKey {
    telescribe::model::MessageKey::new(peer, MessageId(id))
}

/// What the archive keeps of a message, as a plain structure.
#[derive(Serialize, Deserialize)]
struct Kept<C> {
    content: C,
    #[serde(default)]
    version: u32,
    archived_at: i64,
    as_of: Option<i32>,
    #[serde(default)]
    revision: i64,
    deleted_at: Option<i64>,
}

/// The same as this program writes JSON: without members that say nothing.
#[derive(Serialize)]
struct JsonKept {
    content: show::ContentView,
    archived_at: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<i64>,
}

/// What a message says, as a plain structure: times are `T`, kinds are `K`, both texts in JSON and numbers in postcard.
#[derive(Serialize, Deserialize)]
#[serde(bound(deserialize = "T: Deserialize<'de>, K: Deserialize<'de>"))]
struct Form<T, K> {
    date: T,
    sender: Option<i64>,
    #[serde(default)]
    text: String,
    #[serde(default = "Vec::new")]
    entities: Vec<EntityForm<K>>,
    reply_to: Option<ReplyForm>,
    forward: Option<ForwardForm<T>>,
    media: Option<MediaForm<K>>,
    album: Option<i64>,
    edited: Option<T>,
    views: Option<i32>,
    forwards: Option<i32>,
    replies: Option<i32>,
    #[serde(default)]
    reactions: Vec<ReactionForm>,
    via_bot: Option<i64>,
    author: Option<String>,
    #[serde(default)]
    pinned: bool,
    service: Option<ServiceForm>,
}

#[derive(Serialize, Deserialize)]
struct EntityForm<K> {
    kind: K,
    offset: i32,
    length: i32,
    url: Option<String>,
    language: Option<String>,
    user: Option<i64>,
    emoji: Option<i64>,
}

#[derive(Serialize, Deserialize)]
struct ReplyForm {
    id: Option<i32>,
    topic: Option<i32>,
    quote: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct ForwardForm<T> {
    from: Option<i64>,
    name: Option<String>,
    date: Option<T>,
    post: Option<i32>,
}

#[derive(Serialize, Deserialize)]
struct MediaForm<K> {
    kind: K,
    id: Option<i64>,
    name: Option<String>,
    mime: Option<String>,
    size: Option<i64>,
    width: Option<i32>,
    height: Option<i32>,
    duration: Option<f64>,
    url: Option<String>,
    title: Option<String>,
    question: Option<String>,
    #[serde(default)]
    options: Vec<String>,
    latitude: Option<f64>,
    longitude: Option<f64>,
    phone: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct ReactionForm {
    emoji: String,
    count: i32,
}

#[derive(Serialize, Deserialize)]
struct ServiceForm {
    action: String,
    title: Option<String>,
    #[serde(default)]
    users: Vec<i64>,
    message: Option<i32>,
}

impl Kept<Form<i64, u8>> {
    fn of(parsed: &Parsed) -> Self {
        let (content, revision) = (Form::of(&parsed.message), parsed.revision);
        Self { content, version: 0, archived_at: ARCHIVED_AT.0, as_of: None, revision, deleted_at: None }
    }
}

impl JsonKept {
    fn of(parsed: &Parsed) -> Self {
        let revision = Some(parsed.revision).filter(|at| *at != 0);
        Self { content: show::message(&parsed.message).content, archived_at: ARCHIVED_AT.0, revision }
    }
}

impl Form<i64, u8> {
    fn of(m: &Message) -> Self {
        let marked = |peer: Option<PeerId>| peer.map(|p| p.0);
        let number = |id: Option<MessageId>| id.map(|i| i.0);
        let seconds = |at: Option<Timestamp>| at.map(|at| at.0);
        Self {
            date: m.date.0,
            sender: marked(m.sender),
            text: m.text.clone(),
            entities: m
                .entities
                .iter()
                .map(|e| EntityForm {
                    kind: e.kind as u8,
                    offset: e.offset,
                    length: e.length,
                    url: e.url.clone(),
                    language: e.language.clone(),
                    user: marked(e.user),
                    emoji: e.emoji,
                })
                .collect(),
            reply_to: m.reply.as_ref().map(|r| ReplyForm { id: number(r.id), topic: number(r.topic), quote: r.quote.clone() }),
            forward: m.forward.as_ref().map(|f| ForwardForm {
                from: marked(f.from),
                name: f.name.clone(),
                date: seconds(f.date),
                post: number(f.post),
            }),
            media: m.media.as_ref().map(|m| MediaForm {
                kind: m.kind as u8,
                id: m.id,
                name: m.name.clone(),
                mime: m.mime.clone(),
                size: m.size,
                width: m.width,
                height: m.height,
                duration: m.duration,
                url: m.url.clone(),
                title: m.title.clone(),
                question: m.question.clone(),
                options: m.options.clone(),
                latitude: m.latitude,
                longitude: m.longitude,
                phone: m.phone.clone(),
            }),
            album: m.album,
            edited: seconds(m.edited),
            views: m.views,
            forwards: m.forwards,
            replies: m.replies,
            reactions: m.reactions.iter().map(|r| ReactionForm { emoji: r.emoji.clone(), count: r.count }).collect(),
            via_bot: marked(m.via_bot),
            author: m.author.clone(),
            pinned: m.pinned,
            service: m.service.as_ref().map(|s| ServiceForm {
                action: s.action.clone(),
                title: s.title.clone(),
                users: s.users.iter().map(|p| p.0).collect(),
                message: number(s.message),
            }),
        }
    }
}
