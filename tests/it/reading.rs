//! Reading from the command line: messages by links, histories, groups of words, and a data folder that is wanted by somebody else.

#![expect(clippy::unwrap_used, reason = "what cannot be had fails the test")]

use std::io::Read as _;
use std::net::TcpListener;
use std::process::Stdio;

use serde_json::{Value, json};
use telescribe::archive::DataFolder;
use telescribe_simulator::WorldSpec;

use crate::support::demo::Own;
use crate::support::fleet::{Fleet, small};
use crate::support::program::{binary, run_in};
use crate::support::waiting::{PATIENCE, until_blocking};

#[test]
fn a_message_is_shown_by_a_link_to_it() {
    let own = Own::new();
    let message = own.some_message();
    let (peer, id) = (message["peer"].as_i64().unwrap(), message["id"].as_i64().unwrap());
    let shown = own.run(&["show", &peer.to_string(), &id.to_string(), "--json"]).well().out;
    let mut forms = vec![format!("{peer}/{id}")];
    if let Some(bare) = peer.to_string().strip_prefix("-100") {
        forms.push(format!("https://t.me/c/{bare}/{id}?single"));
        forms.push(format!("tg://privatepost?channel={bare}&post={id}"));
    }
    for form in forms {
        assert_eq!(own.run(&["show", &form, "--json"]).well().out, shown, "{form}");
    }
    let ended = own.run(&["show", &peer.to_string()]);
    assert_eq!(ended.status, 2);
    assert!(ended.err.contains("which message is missing"), "{}", ended.err);
}

#[test]
fn a_history_is_read_in_both_directions_and_from_a_link_on() {
    let own = Own::new();
    let message = own.some_message();
    let peer = message["peer"].to_string();
    let of = |arguments: &[&str]| -> Vec<Value> {
        let lines = own.run(&[&["history", &peer, "--json"], arguments].concat()).well().lines();
        lines.iter().map(|line| line["id"].clone()).collect()
    };
    let all = of(&["--all"]);
    let truth = std::fs::read_to_string(own.path("truth.ndjson")).unwrap();
    let lines = truth.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let mut ids: Vec<Value> = lines
        .filter(|line| line["type"] == "message" && line["peer"] == message["peer"])
        .map(|line| line["id"].clone())
        .collect();
    assert!(ids.len() > 20, "{}", ids.len());
    assert_eq!(of(&["--oldest", "--all"]), ids);
    ids.reverse();
    assert_eq!(all, ids);
    assert_eq!(of(&[]), ids[..20]);
    assert_eq!(of(&["--limit", "3", "--before", &ids[4].to_string()]), ids[5..8]);
    assert_eq!(of(&["--after", &ids[4].to_string()]), ids[..4]);
    if let Some(bare) = peer.strip_prefix("-100") {
        let link = format!("https://t.me/c/{bare}/{}", ids[4]);
        let lines = own.run(&["history", &link, "--json", "--limit", "2"]).well().lines();
        assert_eq!(lines.iter().map(|line| line["id"].clone()).collect::<Vec<_>>(), ids[4..6]);
    }
    let first = own.run(&["history", &peer, "--json", "--limit", "1"]).well().lines().remove(0);
    assert!(first["peers"].as_array().unwrap().iter().any(|known| known["id"] == message["peer"]), "{first}");
    let none = own.run(&["history", &peer, "--before", "1"]);
    assert_eq!((none.status, none.out.lines().last()), (1, Some("no messages")));
    assert!(own.run(&["history", &peer]).well().out.lines().count() > 20);
}

#[test]
fn a_search_says_how_many_there_are_and_goes_on_where_it_ended() {
    let own = Own::new();
    let page = own.run(&["search", "--json", "--limit", "2"]).well().lines();
    let (last, hits) = page.split_last().unwrap();
    assert_eq!((hits.len(), &last["total"]), (2, &json!({ "count": 600, "exact": true })));
    let names: Vec<&Value> = hits[0]["peers"].as_array().unwrap().iter().map(|peer| &peer["id"]).collect();
    assert!(names.contains(&&hits[0]["message"]["peer"]), "{names:?}");
    let next = last["next"].as_str().unwrap();
    let more = own.run(&["search", "--json", "--limit", "2", "--cursor", next]).well().lines();
    let whole = own.run(&["search", "--json", "--limit", "4"]).well().lines();
    let id = |hit: &Value| (hit["message"]["peer"].clone(), hit["message"]["id"].clone());
    assert_eq!(hits.iter().chain(&more[..2]).map(id).collect::<Vec<_>>(), whole[..4].iter().map(id).collect::<Vec<_>>());
    // All that there are need no word on how to go on.
    assert_eq!(own.run(&["search", "--json", "--all"]).well().lines().len(), 600);
}

#[test]
fn an_or_ends_with_its_argument() {
    let own = Own::new();
    let message = own.some_message();
    let word =
        message["text"].as_str().unwrap().split(|c: char| !c.is_alphanumeric()).find(|word| word.chars().count() > 1).unwrap();
    let (choice, place) = (format!("zzzzqqqqxxxx OR {word}"), format!("in:{}", message["peer"]));
    let hits = own.run(&["search", &choice, &place, "--all", "--json"]).well().lines();
    assert!(hits.iter().any(|hit| hit["message"]["id"] == message["id"]));
    // `in:` holds for either word.
    assert!(hits.iter().all(|hit| hit["message"]["peer"] == message["peer"]));
    let in_order = own.run(&["search", &place, &choice, "--all", "--json"]).well().lines();
    assert_eq!(in_order.len(), hits.len());
}

#[test]
fn nothing_is_followed_where_nothing_comes() {
    let ended = Own::new().run(&["changes", "--follow"]);
    assert_eq!((ended.status, ended.out.as_str()), (2, ""));
    assert!(ended.err.contains("not running") && ended.err.contains("telescribe run"), "{}", ended.err);
}

#[test]
fn a_long_read_gives_way_to_who_wants_the_data_folder() {
    let own = Own::new();
    // More than a pipe holds, which nobody reads.
    let mut command = binary();
    command.current_dir(own.folder.path()).args(["--data", "demo/data", "changes"]);
    let mut reading = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    until_blocking("the command has the folder", || DataFolder::lock(&own.path("data")).is_err());
    let waiting = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    drop(waiting.block_on(DataFolder::lock_within(&own.path("data"), PATIENCE)).unwrap());
    let (mut out, mut err) = (String::new(), String::new());
    reading.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    reading.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    assert_eq!(reading.wait().unwrap().code(), Some(2), "{err}");
    assert!(err.contains("gave way") && err.contains("incomplete"), "{err}");
    // What it has read is whole.
    assert!(out.lines().count() < own.run(&["changes"]).well().out.lines().count());
}

#[test]
fn an_address_in_use_names_the_option_of_the_demo() {
    let (folder, taken) = (tempfile::TempDir::new().unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
    let address = taken.local_addr().unwrap().to_string();
    let ended = run_in(folder.path(), &["demo", "--once", "--peers", "2", "--messages", "20", "--listen", &address]);
    assert_eq!(ended.status, 2);
    assert!(ended.err.contains(&address) && ended.err.contains("--listen") && !ended.err.contains("[http]"), "{}", ended.err);
}

#[test]
fn the_demo_tells_programs_how_far_it_is_and_ends_with_all() {
    let folder = tempfile::TempDir::new().unwrap();
    let arguments = ["demo", "--once", "--json", "--peers", "2", "--messages", "40", "--listen", "127.0.0.1:0"];
    let lines = run_in(folder.path(), &arguments).well().lines();
    let (last, before) = lines.split_last().unwrap();
    assert!(before.iter().all(|line| line["complete"] == false), "{lines:?}");
    let figures = [&last["complete"], &last["messages"], &last["messages_indexed"], &last["ids_missing"]];
    assert_eq!(figures, [&json!(true), &json!(40), &json!(40), &json!(0)]);
    assert_eq!(last["changes"], last["changes_indexed"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_program_says_what_it_has_done() {
    let fleet = Fleet::new(WorldSpec { messages: 300, ..small() }).await;
    let log = fleet.path("log");
    let mut command = fleet.daemon();
    command.env("TELESCRIBE__LOG__FILTER", "info").stderr(std::fs::File::create(&log).unwrap());
    let mut program = command.spawn().unwrap();
    let said = || std::fs::read_to_string(&log).unwrap();
    fleet.until("everything is said to be archived", || said().contains("everything is archived")).await;
    let text = said();
    for account in fleet.simulator.accounts() {
        let name = &account.name;
        let line = format!("account `{name}` is ready");
        assert_eq!(text.matches(&line).count(), 1, "{text}");
    }
    assert!(text.contains("peers are crawled"), "{text}");
    program.kill().unwrap();
    program.wait().unwrap();
}
