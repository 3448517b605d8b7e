//! What a seal costs: the same pages of history and of hits, sealed and plain in turns, over TCP to many connections at once.
//!
//! Each connection asks again as soon as it has its answer, so that the processor is busy all the time and a latency is what requests cost, those who ask
//! included. Every sealed request has a nonce of its own and was sealed before; what comes is opened and compared with the plain answer once a round. The
//! figure is the ratio of two medians of one round. `TELESCRIBE_BENCH_REQUESTS` is how many requests a turn has, `TELESCRIBE_BENCH_ROUNDS` how
//! many rounds there are, and `TELESCRIBE_CORPUS` may name a file of `language<TAB>text` lines.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark says what it measured")]

#[path = "simulated/messages.rs"]
mod messages;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use messages::{fill, number, texts};
use serde_json::{Value, json};
use telescribe::archive::{Archive, DataFolder, Durability};
use telescribe::http::{Bound, Context, Keys, Listener, Sealing, Settings};
use telescribe::lifecycle::Lifecycle;
use telescribe::model::{Clock as _, Peer, PeerKind, SystemClock, Timestamp};
use telescribe::seal::{self, Destination, Key, KeyRing, SealedRequest};
use telescribe::search::{Index, Indexer, IndexerSettings, ServingIndex};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const MESSAGES: usize = 50_000;
const PEERS: usize = 50;
const CONNECTIONS: usize = 64;
const REQUESTS: usize = 20_000;
/// Odd, so that a median is one of them.
const ROUNDS: usize = 5;

/// The server, and who asks it.
struct Bench {
    address: SocketAddr,
    destination: Destination,
    requests: usize,
}

fn main() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(run())
}

async fn run() -> anyhow::Result<()> {
    let (requests, rounds) = (number("TELESCRIBE_BENCH_REQUESTS", REQUESTS)?, number("TELESCRIBE_BENCH_ROUNDS", ROUNDS)?);
    ensure!(requests <= seal::NONCES_PER_KEY_MAX, "a key is good for {} requests in a while", seal::NONCES_PER_KEY_MAX);
    let folder = tempfile::tempdir()?;
    let archive = Arc::new(Archive::open(&folder.path().join("archive"), Durability::Os)?);
    let texts = texts(MESSAGES)?;
    let keys = fill(&archive, &texts, (PEERS, 0))?;
    let peer = keys[0].peer();
    let mut write = archive.write(Timestamp(1_700_000_000));
    write.peer(Peer::new(peer, PeerKind::Supergroup, "bench".to_owned()));
    write.commit()?;
    let index = Arc::new(Index::open(&folder.path().join("index"), &archive)?);
    Indexer::new(Arc::clone(&index), Arc::clone(&archive), IndexerSettings::default()).catch_up().await?;
    let targets = [format!("/v1/peers/{}/messages?limit=20", peer.0), "/v1/search?q=market&limit=20".to_owned()];
    let path = DataFolder::keys(folder.path());
    let mut ring = KeyRing::load(&path)?;
    let clients: Vec<Arc<Key>> = (0..rounds * targets.len())
        .map(|_| Ok(ring.add_new(&"bench".parse()?, SystemClock.now(), &mut seal::system_random())))
        .collect::<anyhow::Result<_>>()?;
    ring.save(&path)?;

    let listener = Listener::new(SocketAddr::from(([127, 0, 0, 1], 0)), Sealing::Optional);
    let unlimited = usize::MAX >> 4;
    let settings =
        Settings { listeners: vec![listener], client_requests_max: 0, client_searches_max: unlimited, ..Settings::default() };
    let lifecycle = Lifecycle::new();
    let bound = Bound::bind(&settings, None).await?;
    let address = bound.addresses()[0];
    let context = Context::new(Arc::clone(&archive), ServingIndex::of(index, &archive), Arc::new(SystemClock), lifecycle.clone())
        .with_settings(settings)
        .with_keys(Keys::open(&path)?);
    let bench = Bench { address, destination: context.recipient.destination().clone(), requests };
    bound.serve(&Arc::new(context));

    let mut results = Vec::new();
    for (at, target) in targets.iter().enumerate() {
        let mut taken = Vec::new();
        for round in 0..rounds {
            taken.push(bench.round(target, &clients[at * rounds + round], round % 2 == 0).await?);
        }
        taken.sort_by(|[plain, sealed], [other_plain, other_sealed]| (sealed / plain).total_cmp(&(other_sealed / other_plain)));
        let [plain, sealed] = taken[rounds / 2];
        let ratios: Vec<f64> = taken.iter().map(|[plain, sealed]| sealed / plain).collect();
        let what = if at == 0 { "history" } else { "search" };
        eprintln!(
            "{what}: plain {plain:.2} ms, sealed {sealed:.2} ms: {:.3} (from {:.3} to {:.3})",
            sealed / plain,
            ratios[0],
            ratios[rounds - 1]
        );
        results.push(json!({ "page": what, "plain_ms": plain, "sealed_ms": sealed, "ratios": ratios }));
    }
    lifecycle.stop_soft();
    lifecycle.ended().await;
    println!("{}", json!({ "bench": "sealed", "connections": CONNECTIONS, "requests": requests, "pages": results }));
    Ok(())
}

impl Bench {
    /// The median latencies of plain and of sealed answers, in milliseconds.
    async fn round(&self, target: &str, key: &Arc<Key>, is_plain_first: bool) -> anyhow::Result<[f64; 2]> {
        let sealed: Vec<SealedRequest> = (0..=self.requests)
            .map(|_| {
                seal::seal_request(key, &self.destination, "GET", target, None, SystemClock.now(), &mut seal::system_random())
            })
            .collect();
        let plain = format!("GET {target} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n").into_bytes();
        let mut posts: Vec<Vec<u8>> = sealed.iter().map(|request| post(&request.token)).collect();

        // The last one is for a look at what comes.
        let (last, jti) = (posts.pop().context("there is one more")?, &sealed[self.requests].jti);
        let mut stream = TcpStream::connect(self.address).await?;
        let answer = ask(&mut stream, &last).await?;
        let opened = seal::open_answer(std::str::from_utf8(&answer)?, key, jti).map_err(|error| anyhow::anyhow!("{error}"))?;
        let expected: Value = serde_json::from_slice(&ask(&mut stream, &plain).await?)?;
        ensure!(opened.status == 200 && opened.body == expected, "a sealed answer is another one than the plain one");

        let plains = vec![plain; self.requests];
        if is_plain_first {
            let plain = self.latencies(plains).await?;
            return Ok([plain, self.latencies(posts).await?]);
        }
        let sealed = self.latencies(posts).await?;
        Ok([self.latencies(plains).await?, sealed])
    }

    /// Sends each request once, on as many connections as there are, and returns the median latency.
    async fn latencies(&self, requests: Vec<Vec<u8>>) -> anyhow::Result<f64> {
        let (requests, next) = (Arc::new(requests), Arc::new(AtomicUsize::new(0)));
        let mut asking = tokio::task::JoinSet::new();
        for _ in 0..CONNECTIONS {
            let (requests, next, mut stream) =
                (Arc::clone(&requests), Arc::clone(&next), TcpStream::connect(self.address).await?);
            asking.spawn(async move {
                let mut latencies = Vec::new();
                while let Some(request) = requests.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let start = Instant::now();
                    ask(&mut stream, request).await?;
                    latencies.push(start.elapsed());
                }
                anyhow::Ok(latencies)
            });
        }
        let mut latencies: Vec<Duration> = Vec::with_capacity(requests.len());
        while let Some(some) = asking.join_next().await {
            latencies.extend(some??);
        }
        latencies.sort_unstable();
        Ok(latencies[latencies.len() / 2].as_secs_f64() * 1e3)
    }
}

fn post(token: &str) -> Vec<u8> {
    let head = "POST /v1/sealed HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/jose\r\ncontent-length:";
    format!("{head} {}\r\n\r\n{token}", token.len()).into_bytes()
}

/// Sends a request, and returns the body of its response, which must be a good one of a known length.
async fn ask(stream: &mut TcpStream, request: &[u8]) -> anyhow::Result<Vec<u8>> {
    stream.write_all(request).await?;
    let mut received = Vec::with_capacity(64 << 10);
    loop {
        ensure!(stream.read_buf(&mut received).await? > 0, "the connection was closed");
        let Some(end) = received.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let head = std::str::from_utf8(&received[..end])?;
        ensure!(head.starts_with("HTTP/1.1 200 "), "{}", head.lines().next().unwrap_or_default());
        let length = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
        let length: usize = length.context("a response has no length")?;
        let body = end + 4;
        received.reserve((body + length).saturating_sub(received.len()));
        while received.len() < body + length {
            ensure!(stream.read_buf(&mut received).await? > 0, "the connection was closed");
        }
        return Ok(received.split_off(body));
    }
}
