//! How fast histories are served. Run by hand: `cargo test --release -p telescribe-simulator -- --ignored --nocapture speed`.

use std::time::Instant;

use telescribe_simulator::WorldSpec;
use telescribe_simulator::world::ChatKind;

use crate::client::{Client, chat_of, history, ids, input_peer, messages_in, start};

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
