//! Killed at any moment, nothing is missing and nothing is doubled.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::process::{Child, Command};
use std::sync::Arc;
use std::time::Duration;

use lapin::types::FieldTable;
use rand::RngExt as _;
use telescribe::archive::{Archive, DataFolder, Durability};
use telescribe::output::State;
use telescribe_simulator::{Fault, PeerId, Post, Rule, When, WorldSpec};

use crate::support::desk::Desk;
use crate::support::fleet::Fleet;
use crate::support::program::terminate;
use crate::support::rabbit::Node;

const KILLS: usize = 20;
/// The longest that the program lives between two kills: some starts end before the first request, some in full flight.
const LIFE_MAX: Duration = Duration::from_millis(700);

fn daemon(fleet: &Fleet, desk: &Desk) -> Child {
    let mut command = fleet.daemon();
    command.env("TELESCRIBE__PUBLISH__URL", &desk.url).env("TELESCRIBE__PUBLISH__EXCHANGE", &desk.settings.exchange);
    command.spawn().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_kills_in_a_crawl_of_twenty_thousand_messages_lose_and_double_nothing() {
    let desk = Desk::new(&Node::shared().url(), "kills");
    let lifecycle = desk.run();
    desk.until("a connection", |r| r.state == State::Connected).await;
    desk.bind("kills", "#", FieldTable::default()).await;
    lifecycle.stop_soft();
    lifecycle.ended().await;

    let spec = WorldSpec { seed: 20, accounts: 3, peers: 40, messages: 20_000, ..WorldSpec::default() };
    let fleet = Fleet::new(spec).await;
    let peers: Vec<PeerId> =
        fleet.simulator.inspect(|world| world.chats.iter().map(|c| c.peer).filter(|p| p.marked() < 0).collect());
    // Slow enough that the crawl outlasts the kills.
    let delay =
        fleet.simulator.fault(Rule::new(Fault::Delay(Duration::from_millis(40)), When::Always).method("messages.getHistory"));
    for kill in 0..KILLS {
        let mut child = daemon(&fleet, &desk);
        tokio::time::sleep(rand::rng().random_range(Duration::ZERO..LIFE_MAX)).await;
        child.kill().unwrap();
        child.wait().unwrap();
        let peer = peers[kill % peers.len()];
        let id = fleet.simulator.post(peer, Post::text(format!("between kills {kill}"))).unwrap();
        if kill % 3 == 0 {
            fleet.simulator.edit(peer, id, "between kills, edited").unwrap();
        }
        if kill % 4 == 0 {
            fleet.simulator.delete(peer, &[id]).unwrap();
        }
    }
    fleet.simulator.remove_fault(delay);

    // The killed one left its socket behind; the new one makes its own.
    std::fs::remove_file(DataFolder::socket(&fleet.data())).ok();
    let mut child = daemon(&fleet, &desk);
    fleet.until("the daemon answers", || DataFolder::socket(&fleet.data()).exists()).await;
    fleet.until_archived("killed twenty times").await;
    fleet.until("the index has caught up", || behind(&fleet) == 0).await;
    terminate(&child);
    assert!(child.wait().unwrap().success(), "SIGTERM ends it with success");

    let verify = Command::new(env!("CARGO_BIN_EXE_telescribe")).arg("--data").arg(fleet.data()).arg("verify").output().unwrap();
    let report = String::from_utf8_lossy(&verify.stdout);
    assert!(verify.status.success() && report.contains("no differences"), "{report}");

    // Whatever was archived but not yet published when the program stopped goes out now; then the subscriber looks.
    let archive = Arc::new(Archive::open(&fleet.data().join("archive"), Durability::Always).unwrap());
    let desk = desk.with_archive(archive);
    let lifecycle = desk.run();
    desk.until("everything confirmed", |r| r.state == State::Connected && r.lag == 0).await;
    lifecycle.stop_soft();
    lifecycle.ended().await;
    let seen = desk.subscribe("kills").await;
    desk.check(&seen);
}

/// How many changes the index has still to read.
fn behind(fleet: &Fleet) -> u64 {
    let status =
        Command::new(env!("CARGO_BIN_EXE_telescribe")).arg("--data").arg(fleet.data()).args(["status", "--json"]).output();
    let status: serde_json::Value = serde_json::from_slice(&status.unwrap().stdout).unwrap();
    status["index"]["behind"].as_u64().unwrap()
}
