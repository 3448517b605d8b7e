//! Trouble with the archive's disk: what passes is waited for and asks nothing of Telegram, what does not ends the program with an error.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::fs;
use std::process::{Child, Output, Stdio};

use serde_json::Value;
use telescribe::archive::DataFolder;
use telescribe_simulator::{PeerId, Post, WorldSpec};

use crate::support::fleet::Fleet;
use crate::support::program::{run_in, terminate};

const HISTORY: &str = "messages.getHistory";

fn spec() -> WorldSpec {
    WorldSpec { seed: 61, accounts: 2, peers: 12, messages: 4_000, ..WorldSpec::default() }
}

/// The program, with failpoints, and what it logs at `info`.
fn daemon(fleet: &Fleet, failpoints: &str) -> Child {
    let mut command = fleet.daemon();
    command.env("FAILPOINTS", failpoints).env("TELESCRIBE__LOG__FILTER", "info").stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

/// Stops it; what it has logged.
fn logged(child: Child) -> (Output, String) {
    terminate(&child);
    let output = child.wait_with_output().unwrap();
    let log = [&output.stdout[..], &output.stderr[..]].concat();
    (output, String::from_utf8(log).unwrap())
}

fn times(log: &str, words: &str) -> usize {
    log.matches(words).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn while_nothing_can_be_kept_nothing_is_asked_and_it_goes_on_by_itself() {
    let fleet = Fleet::new(spec()).await;
    // Fewer than would be tried until everything is opened again.
    let child = daemon(&fleet, "archive-write=20*off->3*return->off");
    fleet.until("the daemon answers", || DataFolder::socket(&fleet.data()).exists()).await;
    fleet.until_archived("after writes that failed").await;
    let pages = fleet.simulator.ledger().iter().filter(|entry| entry.method == HISTORY).count();
    let (output, log) = logged(child);
    assert!(output.status.success(), "{log}");
    assert_eq!(times(&log, "nothing is asked of Telegram until it is over"), 1, "a state is logged once: {log}");
    assert_eq!(times(&log, "the archive can be written again"), 1, "{log}");
    // Each page once, and those once more whose answers were on their way.
    let needed: usize = fleet.simulator.inspect(|world| {
        world.chats.iter().filter(|c| c.peer.marked() < 0).map(|c| c.history.messages().len().div_ceil(100) + 1).sum()
    });
    assert!(pages <= needed + 10, "{pages} pages were asked for, {needed} are there");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_pass_by_itself_is_opened_again() {
    let fleet = Fleet::new(spec()).await;
    // More than are on their way and tried within the time after which everything is opened again.
    let child = daemon(&fleet, "archive-write=20*off->40*return->off");
    fleet.until("the daemon answers", || DataFolder::socket(&fleet.data()).exists()).await;
    // It does not answer in between.
    let (data, truth) = (fleet.data(), fleet.truth());
    let dumped = || run_in(&data, &["--data", data.to_str().unwrap(), "dump"]);
    fleet.until("it has archived everything", || tokio::task::block_in_place(dumped).out == truth).await;
    let (output, log) = logged(child);
    assert!(output.status.success(), "{log}");
    assert!(times(&log, "everything is opened again") >= 1, "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_vanishes_ends_the_program_with_an_error() {
    let fleet = Fleet::new(spec()).await;
    let child = daemon(&fleet, "");
    fleet.until("the daemon answers", || DataFolder::socket(&fleet.data()).exists()).await;
    fleet.until_archived("before").await;
    let archive = fleet.data().join("archive");
    fs::rename(&archive, fleet.data().join("elsewhere")).unwrap();
    // What happens meanwhile is to be written.
    let peer: PeerId = fleet.simulator.inspect(|world| world.chats.iter().map(|c| c.peer).find(|p| p.marked() < 0).unwrap());
    fleet.simulator.post(peer, Post::text("into nothing")).unwrap();
    // Nobody stops it.
    let output = tokio::task::spawn_blocking(|| child.wait_with_output().unwrap()).await.unwrap();
    let log = String::from_utf8([&output.stdout[..], &output.stderr[..]].concat()).unwrap();
    assert_eq!(output.status.code(), Some(2), "{log}");
    assert!(log.contains("the archive's folder has vanished"), "{log}");
    assert!(!archive.exists(), "nothing was made in its place");
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_disk_that_is_nearly_full_nothing_is_asked() {
    let fleet = Fleet::new(spec()).await;
    let mut command = fleet.daemon();
    let child = command.env("TELESCRIBE__ARCHIVE__FREE_MIN_MIB", (1_u64 << 40).to_string()).spawn().unwrap();
    fleet.until("the daemon answers", || DataFolder::socket(&fleet.data()).exists()).await;
    let says = |status: &Value| {
        let disk = status["workers"].as_array().into_iter().flatten().find(|worker| worker["name"] == "disk");
        disk.is_some_and(|disk| disk["failing"].as_str().is_some_and(|why| why.contains("`archive.free_min_mib`")))
    };
    fleet.until_got("/v1/status", says).await;
    assert_eq!(fleet.simulator.ledger().len(), 0, "{:?}", fleet.simulator.ledger());
    let (output, log) = logged(child);
    assert!(output.status.success(), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_while_the_archive_cannot_be_written_is_a_stop() {
    let fleet = Fleet::new(spec()).await;
    let mut child = daemon(&fleet, "archive-write=20*off->return");
    fleet.until("the daemon answers", || DataFolder::socket(&fleet.data()).exists()).await;
    let is_failing = |status: &Value| {
        let disk = status["workers"].as_array().into_iter().flatten().find(|worker| worker["name"] == "disk");
        disk.is_some_and(|disk| disk["failing"].is_string())
    };
    fleet.until_got("/v1/status", is_failing).await;
    terminate(&child);
    let ended = std::cell::RefCell::new(&mut child);
    fleet.until("it has ended", || ended.borrow_mut().try_wait().unwrap().is_some()).await;
    let output = child.wait_with_output().unwrap();
    let log = String::from_utf8([&output.stdout[..], &output.stderr[..]].concat()).unwrap();
    assert_eq!(times(&log, "everything is opened again"), 0, "{log}");
}
