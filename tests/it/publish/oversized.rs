//! Events that are larger than the broker takes.

#![expect(clippy::unwrap_used, reason = "what cannot be had fails the test")]

use lapin::types::FieldTable;
use telescribe::archive::Raw;
use telescribe::output::rabbitmq::Settings;
use telescribe::output::{Resending, State};

use crate::support::desk::{Desk, peers};
use crate::support::messages::{NOW, message};
use crate::support::rabbit::Node;

/// What RabbitMQ takes unless it is set.
const USUAL: usize = 134_217_728;

/// Has a broker take no larger messages, over channels that are opened from then on.
fn takes(node: &Node, bytes: usize) {
    node.ctl(&["eval", &format!("application:set_env(rabbit, max_message_size, {bytes}).")]);
}

/// Archives messages of which some are long.
fn archive(desk: &Desk, first: i32, last: i32) {
    for id in first..=last {
        let mut write = desk.archive.write(NOW);
        let text = if id % 7 == 0 { "长".repeat(4_000) } else { "短".to_owned() };
        write.message(message(peers()[0], id, &text), Raw::default(), 0);
        write.commit().unwrap();
    }
}

fn claims(seen: &[serde_json::Value]) -> Vec<u64> {
    let claims = seen.iter().filter(|event| event["dataref"].is_string());
    claims.map(|event| event["seq"].as_u64().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_event_is_sent_as_a_claim_check_in_its_place() {
    let desk = Desk::new(&Node::shared().url(), "claims");
    let desk = Desk { settings: Settings { event_size_max: 4 << 10, ..desk.settings.clone() }, ..desk };
    let lifecycle = desk.run();
    desk.until("a connection", |r| r.state == State::Connected).await;
    drop(desk.bind("claims", "#", FieldTable::default()).await);
    archive(&desk, 1, 20);
    desk.until("everything confirmed", |r| r.lag == 0).await;
    assert_eq!((desk.report().connections, desk.report().dead_letters), (1, 0));
    lifecycle.stop_soft();
    lifecycle.ended().await;
    let seen = desk.subscribe("claims").await;
    desk.check(&seen);
    assert_eq!((seen.len(), claims(&seen)), (20, vec![7, 14]));
    let epoch = desk.archive.flushed().epoch().to_string();
    assert_eq!(seen[6]["dataref"], format!("/v1/changes?after={epoch}:6&limit=1&events=true"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_broker_takes_is_learnt_and_what_it_takes_in_no_form_is_kept_and_sent_again() {
    let node = Node::disturbed().await;
    let desk = Desk::new(&node.url(), "oversized");
    takes(&node, 2_000);
    let lifecycle = desk.run();
    desk.until("a connection", |r| r.state == State::Connected).await;
    drop(desk.bind("oversized", "#", FieldTable::default()).await);
    archive(&desk, 1, 20);
    desk.until("everything confirmed", |r| r.lag == 0 && r.confirmed > 0).await;
    assert_eq!((desk.report().connections, desk.report().dead_letters), (2, 0), "it is learnt once: {:?}", desk.report());
    lifecycle.stop_soft();
    lifecycle.ended().await;

    // Nothing fits.
    takes(&node, 100);
    let lifecycle = desk.run();
    archive(&desk, 21, 30);
    desk.until("all of it is passed over", |r| r.lag == 0).await;
    desk.until("all of it is kept", |r| r.dead_letters == 10).await;
    let letters =
        || -> Vec<u64> { desk.archive.flushed().view().dead_letters("publish").map(|letter| letter.unwrap().seq.0).collect() };
    assert_eq!(letters(), (21..=30).collect::<Vec<_>>());
    // The broker may be told now; a channel has the limit that it began with.
    lifecycle.stop_soft();
    lifecycle.ended().await;
    takes(&node, USUAL);
    let lifecycle = desk.run();
    desk.until("a connection", |r| r.state == State::Connected && r.dead_letters == 10).await;
    assert_eq!(desk.status.ask_to_resend(Resending::All), 10, "they survive a stop");
    desk.until("they are sent", |r| r.dead_letters == 0).await;
    assert_eq!(letters(), [0; 0]);
    lifecycle.stop_soft();
    lifecycle.ended().await;
    let seen = desk.subscribe("oversized").await;
    desk.check(&seen);
    assert_eq!(claims(&seen), [7, 14], "the others came whole once there was room");
}
