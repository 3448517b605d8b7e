//! How fast histories are served. Run by hand: `cargo test --release -p telescribe-simulator -- --ignored --nocapture speed`.

use std::time::Instant;

use telescribe_simulator::world::ChatKind;
use telescribe_simulator::{Post, WorldSpec};

use crate::client::{Client, chat_of, dialogs, history, ids, input_peer, messages_in, start};

/// Resident memory in megabytes, where the system tells.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.trim().trim_end_matches("kB").trim().parse().unwrap_or(0) / 1024
}

#[tokio::test]
#[ignore = "a measurement"]
async fn large_worlds() {
    for (accounts, peers, messages) in [(1, 20_000, 200_000), (20, 2_000, 2_000_000), (40, 20_000, 2_000_000)] {
        let began = Instant::now();
        let simulator = start(&WorldSpec { accounts, peers, messages, ..WorldSpec::default() }).await;
        let generated = began.elapsed();
        let (dialogs_held, largest) = simulator.inspect(|world| {
            let largest = world.chats.iter().filter(|chat| chat.kind.is_channel()).max_by_key(|chat| chat.history.len()).unwrap();
            let ids: Vec<i32> = largest.history.messages().iter().map(|message| message.id).collect();
            (world.accounts[0].dialogs.len(), (largest.peer, ids))
        });
        eprintln!("{accounts} accounts, {peers} peers, {messages} messages: {generated:?}, {} MB", resident());
        let client = Client::connect(&simulator, "alpha");
        client.call(&dialogs(None, 1)).await.unwrap();
        for (limit, with_posts) in [(1, false), (100, false), (100, true)] {
            let began = Instant::now();
            for _ in 0..200 {
                if with_posts {
                    simulator.post(largest.0, Post::text("one more")).unwrap();
                }
                client.call(&dialogs(None, limit)).await.unwrap();
            }
            eprintln!("getDialogs of {limit} from {dialogs_held}, posts between: {with_posts}: {:?}", began.elapsed() / 200);
        }
        let began = Instant::now();
        let deleted = simulator.delete(largest.0, &largest.1).unwrap();
        eprintln!("deleted {deleted} messages of one peer in {:?}", began.elapsed());
        let began = Instant::now();
        simulator.truth(&mut std::io::sink()).unwrap();
        eprintln!("truth in {:?}", began.elapsed());
        simulator.stop().await;
    }
}

#[tokio::test]
#[ignore = "a measurement"]
async fn messages_per_second() {
    let began = Instant::now();
    let spec = WorldSpec { accounts: 1, peers: 2, messages: 200_000, ..WorldSpec::default() };
    let simulator = start(&spec).await;
    eprintln!("generated 200000 messages in {:?}", began.elapsed());
    for kind in [ChatKind::Channel, ChatKind::Supergroup] {
        let client = Client::connect(&simulator, "alpha");
        let peer = simulator.inspect(|world| input_peer(world, "alpha", chat_of(world, "alpha", |chat| chat.kind == kind)));
        let (began, mut read) = (Instant::now(), 0);
        let mut request = history(peer);
        loop {
            let page = ids(&messages_in(client.call(&request).await.unwrap()));
            let Some(last) = page.last() else { break };
            (request.offset_id, read) = (*last, read + page.len());
        }
        let seconds = began.elapsed().as_secs_f64();
        eprintln!("{kind:?}: {read} messages in {seconds:.2} s = {:.0} a second", read as f64 / seconds);
    }
    simulator.stop().await;
}
