//! An answer that cannot be read costs no more than the message that cannot: the connection stays, and the rest is archived.

use telescribe::crawl::Progress;
use telescribe_simulator::world::ChatKind;
use telescribe_simulator::{Fault, Post, Rule, When};

use crate::support::fleet::{Fleet, knows, small};
use crate::support::methods::HISTORY;

#[tokio::test(flavor = "multi_thread")]
async fn one_message_of_a_later_layer_costs_one_message_and_is_a_hole_with_a_reason() {
    let fleet = Fleet::new(small()).await;
    let (peer, id) = fleet.simulator.inspect(|world| {
        let chat = world
            .chats
            .iter()
            .filter(|chat| chat.kind == ChatKind::Supergroup && !chat.members.is_empty())
            .max_by_key(|chat| chat.history.len());
        let chat = chat.unwrap();
        let ids: Vec<i32> = chat.history.messages().iter().map(|message| message.id).collect();
        (chat.peer, ids[ids.len() / 2])
    });
    fleet.simulator.make_unknown(peer, id, true).unwrap();
    let app = fleet.start().await;
    fleet
        .until("all but one is archived", || {
            let progress = Progress::of(&app.archive);
            app.crawler.backlog() == (0, 0) && progress.peers > 0 && progress.ids_missing == 0
        })
        .await;
    let (dump, truth) = (fleet.dump().await, fleet.truth());
    let lacking: Vec<&str> = truth.lines().filter(|line| !dump.contains(line)).collect();
    let of_it = format!("\"peer\":{},\"id\":{id},", peer.marked());
    assert!(matches!(lacking[..], [line] if line.contains(&of_it)), "{lacking:#?}");
    assert!(!knows(&app, peer, id));
    let coverage = fleet.get(&format!("/v1/peers/{}/coverage", peer.marked())).await;
    assert_eq!((&coverage["complete"], &coverage["unreadable"]), (&false.into(), &1.into()), "{coverage:#}");
    let hole = serde_json::json!({ "first": id, "last": id, "reason": "unreadable" });
    assert_eq!(coverage["holes"], serde_json::json!([hole]), "{coverage:#}");
    // It is no reason to ask for ever.
    fleet.simulator.clear_ledger();
    let walks = || fleet.simulator.request_count("messages.getDialogs");
    fleet.until("some more walks", || walks() > 3).await;
    assert_eq!(fleet.simulator.request_count(HISTORY), 0);
    fleet.stop(app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_difference_that_telegram_never_tells_is_read_as_history() {
    let fleet = Fleet::new(small()).await;
    for account in ["alpha", "bravo", "charlie"] {
        fleet.simulator.withhold_updates(account, true).unwrap();
    }
    let app = fleet.start_and_finish().await;
    let broken = Fault::Error { code: 500, name: "INTERNAL".to_owned() };
    fleet.simulator.fault(Rule::new(broken, When::Always).method("updates.getChannelDifference"));
    let peer = fleet.simulator.inspect(|world| {
        world.chats.iter().find(|chat| chat.kind == ChatKind::Channel && !chat.members.is_empty()).unwrap().peer
    });
    let id = fleet.simulator.post(peer, Post::text("told otherwise")).unwrap();
    fleet.until("it is archived all the same", || knows(&app, peer, id)).await;
    fleet.stop(app).await;
}
