//! What large simulated worlds cost: making them, lists of dialogs with posts between, a mass deletion, and writing down the truth.
//!
//! Promises about large fleets are tried on such worlds, so none of it may grow faster than the world. A line for people goes to stderr, a
//! line of JSON for each world to stdout.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on panics")]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark prints its results")]

#[path = "../tests/it/client.rs"]
#[expect(dead_code, reason = "the tests need the rest")]
mod client;

use std::time::{Duration, Instant};

use serde_json::json;
use telescribe_simulator::{PeerId, Post, Simulator, WorldSpec};

use client::{Client, dialogs, start};

/// Accounts, peers and messages of each world.
const WORLDS: [(usize, usize, usize); 3] = [(1, 20_000, 200_000), (20, 2_000, 2_000_000), (40, 20_000, 2_000_000)];
/// How often each list of dialogs is asked for.
const CALLS: u32 = 200;

#[tokio::main]
async fn main() {
    for (accounts, peers, messages) in WORLDS {
        let (simulator, generated) = timed(start(&WorldSpec { accounts, peers, messages, ..WorldSpec::default() })).await;
        let resident = resident();
        eprintln!("{accounts} accounts, {peers} peers, {messages} messages: {generated:?}, {resident} MB");
        let (peer, ids) = largest_channel(&simulator);
        let client = Client::connect(&simulator, "alpha");
        client.call(&dialogs(None, 1)).await.unwrap();
        let mut lists = Vec::new();
        for (limit, with_posts) in [(1, false), (100, false), (100, true)] {
            let ((), took) = timed(ask_for_dialogs(&simulator, &client, limit, with_posts.then_some(peer))).await;
            eprintln!("getDialogs of {limit}, posts between: {with_posts}: {:?}", took / CALLS);
            lists.push(json!({ "limit": limit, "with_posts": with_posts, "us": (took / CALLS).as_micros() }));
        }
        let (deleted, deletion) = timed(async { simulator.delete(peer, &ids).unwrap() }).await;
        eprintln!("deleted {deleted} messages of one peer in {deletion:?}");
        let ((), truth) = timed(async { simulator.truth(&mut std::io::sink()).unwrap() }).await;
        eprintln!("truth in {truth:?}");
        println!(
            "{}",
            json!({
                "bench": "worlds", "accounts": accounts, "peers": peers, "messages": messages,
                "generated_ms": generated.as_millis(), "resident_mb": resident, "dialogs": lists,
                "deleted": deleted, "deletion_ms": deletion.as_millis(), "truth_ms": truth.as_millis(),
            })
        );
        simulator.stop().await;
    }
}

async fn timed<T>(work: impl Future<Output = T>) -> (T, Duration) {
    let began = Instant::now();
    (work.await, began.elapsed())
}

/// Asks for a list of dialogs again and again, after a post in a peer where one is given.
async fn ask_for_dialogs(simulator: &Simulator, client: &Client, limit: i32, posting_in: Option<PeerId>) {
    for _ in 0..CALLS {
        if let Some(peer) = posting_in {
            simulator.post(peer, Post::text("one more")).unwrap();
        }
        client.call(&dialogs(None, limit)).await.unwrap();
    }
}

/// The channel with most messages, and their ids.
fn largest_channel(simulator: &Simulator) -> (PeerId, Vec<i32>) {
    simulator.inspect(|world| {
        let largest = world.chats.iter().filter(|chat| chat.kind.is_channel()).max_by_key(|chat| chat.history.len()).unwrap();
        (largest.peer, largest.history.messages().iter().map(|message| message.id).collect())
    })
}

/// Resident memory in megabytes, where the system tells.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.trim().trim_end_matches("kB").trim().parse().unwrap_or(0) / 1024
}
