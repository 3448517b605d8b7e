//! Throughput of the simulated Telegram: messages a second to one client that reads histories page after page (pagination).
//!
//! Whatever is measured against the simulator can be no faster than this. A line for people goes to stderr, a line of JSON to stdout.
//! `TELESCRIBE_BENCH_MESSAGES` changes the size of the world.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on panics")]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark prints its results")]

#[path = "../tests/it/client.rs"]
#[expect(dead_code, reason = "the tests need the rest")]
mod client;

use std::time::Instant;

use serde_json::{Map, json};
use telescribe_simulator::WorldSpec;
use telescribe_simulator::world::ChatKind;

use client::{Client, chat_of, history, ids, input_peer, messages_in, start};

#[tokio::main]
async fn main() {
    let given = std::env::var("TELESCRIBE_BENCH_MESSAGES").ok();
    let messages = given.map_or(200_000, |number| number.parse().expect("`TELESCRIBE_BENCH_MESSAGES` is a number"));
    let began = Instant::now();
    let simulator = start(&WorldSpec { accounts: 1, peers: 2, messages, ..WorldSpec::default() }).await;
    let generated = began.elapsed().as_secs_f64();
    eprintln!("generated {messages} messages in {generated:.2} s");
    let mut rates = Map::new();
    for (name, kind) in [("channel", ChatKind::Channel), ("supergroup", ChatKind::Supergroup)] {
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
        eprintln!("{name}: {read} messages in {seconds:.2} s = {:.0} a second", read as f64 / seconds);
        rates.insert(name.to_owned(), json!({ "messages": read, "per_second": (read as f64 / seconds).round() }));
    }
    println!("{}", json!({ "bench": "histories", "generated_seconds": generated, "rates": rates }));
    simulator.stop().await;
}
