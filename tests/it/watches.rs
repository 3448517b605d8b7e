//! Watches: a saved query sees every new and edited message from when it was added, each match is an event behind that of its message, and whoever takes
//! events, however few at a time, gets all of them.

#![expect(clippy::unwrap_used, reason = "what cannot be had fails the test")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use clap::Parser as _;
use serde_json::{Value, json};
use telescribe::app::{App, RunningOutput};
use telescribe::cli::{Out, watch};
use telescribe::event::Event;
use telescribe::http::Sealing;
use telescribe::lifecycle::Lifecycle;
use telescribe::model::{Seq, Timestamp};
use telescribe::output::{Confirmed, Output, OutputBatch, OutputError, OutputSession};
use telescribe::watches::{WantedWatch, add};
use telescribe_simulator::Post;

use crate::support::commands::{Written, globals};
use crate::support::desk::{archive_messages, new_archive, peers};
use crate::support::fleet::{Fleet, knows, small};
use crate::support::messages::NOW;
use crate::support::served::{Answer, GROUP, Served, furnish, listening, said, some_raw};
use crate::support::waiting::PATIENCE;

#[derive(clap::Parser)]
struct Line {
    #[command(flatten)]
    args: watch::Args,
}

/// `telescribe watch` as it is typed; the error is what a person reads.
async fn watch(globals: &telescribe::cli::client::Globals, words: &[&str]) -> Result<String, String> {
    let line = Line::try_parse_from([&["watch"], words].concat()).map_err(|error| error.to_string())?;
    let written = Written::default();
    let done = watch::write(&line.args, globals, &mut Out::to(written.clone())).await;
    done.map(|_| written.text()).map_err(|error| error.to_string())
}

fn wanted(name: &str, query: &str) -> WantedWatch {
    WantedWatch { name: name.to_owned(), query: query.to_owned(), note: None }
}

/// The events behind a change.
fn events(app: &App, after: u64) -> Vec<Value> {
    let events = telescribe::event::events(&app.archive.flushed(), Seq(after), 1_000).unwrap();
    events.iter().map(|event| serde_json::from_slice(&event.body).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_sees_what_is_posted_and_edited_from_when_it_was_added_until_it_is_removed() {
    let fleet = Fleet::new(small()).await;
    let app = fleet.start_and_finish().await;
    let peer = fleet.simulator.inspect(|world| {
        world.chats.iter().find(|chat| chat.kind == telescribe_simulator::world::ChatKind::Channel).unwrap().peer
    });
    let before = fleet.simulator.post(peer, Post::text("a zebra before")).unwrap();
    fleet.until("it is archived", || knows(&app, peer, before)).await;
    let globals = fleet.globals();
    let added = watch(&globals, &["add", "zebras", "zebra", "-test", "--note", "striped"]).await;
    assert!(added.is_err(), "a leading - needs care: {added:?}");
    let added = watch(&globals, &["add", "zebras", "--note", "striped", "--", "zebra", "-test"]).await.unwrap();
    assert_eq!(added, "watch zebras is added; it watches what is archived from now on\n");
    let refused = watch(&globals, &["add", "zebras", "horse"]).await.unwrap_err();
    assert!(refused.contains("there is a watch `zebras` already"), "{refused}");
    watch(&globals, &["add", "all.zebras", "zebra*"]).await.unwrap();
    let at = app.archive.flushed().last_seq().0;
    let ids: Vec<i32> = ["two zebras here", "a zebra test", "nothing"]
        .into_iter()
        .map(|text| fleet.simulator.post(peer, Post::text(text)).unwrap())
        .collect();
    fleet.until("they are archived", || ids.iter().all(|id| knows(&app, peer, *id))).await;
    fleet.simulator.edit(peer, ids[1], "a zebra, no trial").unwrap();
    let is_edited = |events: &[Value]| events.iter().any(|event| event["type"] == "telescribe.message.edited");
    let end = tokio::time::Instant::now() + PATIENCE;
    let seen = loop {
        let seen = events(&app, at);
        if is_edited(&seen) {
            break seen;
        }
        assert!(tokio::time::Instant::now() < end, "the edit is not archived");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let of = |id: i32| -> Vec<(String, String, bool)> {
        let subject = format!("{}/{id}", peer.marked());
        let of_message = seen.iter().filter(|event| event["subject"] == subject.as_str());
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        of_message
            .map(|event| {
                let watch = &event["data"]["watch"];
                (text(&event["type"]).replace("telescribe.", ""), text(&watch["name"]), watch["edited"] == true)
            })
            .collect()
    };
    let event = |kind: &str, watch: &str, edited| (kind.to_owned(), watch.to_owned(), edited);
    let (new, edited) = (event("message.new", "", false), event("message.edited", "", false));
    let matched = |watch, edited| event("watch.matched", watch, edited);
    assert_eq!(of(ids[0]), [new.clone(), matched("all.zebras", false), matched("zebras", false)]);
    let expected = [new.clone(), matched("all.zebras", false), edited, matched("all.zebras", true), matched("zebras", true)];
    assert_eq!(of(ids[1]), expected);
    assert_eq!(of(ids[2]), [new]);
    let one = seen.iter().find(|event| event["data"]["watch"]["name"] == "zebras").unwrap();
    assert_eq!((&one["data"]["watch"]["query"], &one["data"]["watch"]["note"]), (&json!("zebra -test"), &json!("striped")));
    assert_eq!(one["data"]["watch"]["snippet"], json!({"text": "two zebras here", "highlights": [[4, 6]]}));
    assert_eq!(one["data"]["message"]["text"], "two zebras here");
    assert!(one["id"].as_str().unwrap().ends_with(".watch.matched.zebras"), "{one:#}");
    assert_eq!(events(&app, at), seen, "the same each time");
    let removed = watch(&globals, &["remove", "all.zebras"]).await.unwrap();
    assert_eq!(removed, "watch all.zebras is removed; its query was: zebra*\n");
    let left = events(&app, at);
    assert!(left.iter().all(|event| event["data"]["watch"]["name"] != "all.zebras"), "its events stop");
    assert_eq!(left.len(), seen.len() - 3);
    fleet.until_equal(&app).await;
    fleet.until("the index has read everything", || app.index.position() == app.archive.last_seq()).await;
    let found = watch(&globals, &["show", "zebras"]).await.unwrap();
    assert!(found.starts_with("zebras  zebra -test  since "), "{found}");
    assert!(found.contains("a zebra before") && found.contains("two zebras here"), "also what was there before: {found}");
    let tried = watch(&globals, &["try", "zebra"]).await.unwrap();
    assert!(tried.contains("3 of the ") && tried.contains("messages that were archived last"), "{tried}");
    fleet.stop(app).await;
    // Nobody has the folder: the command does it itself.
    watch(&globals, &["add", "later", "quagga"]).await.unwrap();
    let listed = watch(&globals, &["list"]).await.unwrap();
    let names: Vec<&str> =
        listed.lines().filter(|line| !line.starts_with(' ')).map(|line| line.split("  ").next().unwrap()).collect();
    assert_eq!(names, ["later", "zebras"], "{listed}");
    watch(&globals, &["remove", "later"]).await.unwrap();
    let unknown = watch(&globals, &["remove", "later"]).await.unwrap_err();
    assert!(unknown.contains("there is no watch `later`"), "{unknown}");
}

/// An output that takes so many events over each connection, and none behind them.
#[derive(Clone)]
struct Scarce {
    window: usize,
    takes: usize,
    taken: Arc<Mutex<Vec<String>>>,
}

struct Answered {
    taken: usize,
    all: bool,
}

impl Output for Scarce {
    type Session = Self;

    fn target(&self) -> String {
        "a list".to_owned()
    }

    fn window(&self) -> usize {
        self.window
    }

    fn confirm_timeout(&self) -> Duration {
        PATIENCE
    }

    async fn connect(&self) -> Result<Self, OutputError> {
        Ok(self.clone())
    }
}

impl OutputSession for Scarce {
    type Batch = Answered;

    fn is_open(&self) -> bool {
        true
    }

    async fn send(&mut self, events: Vec<Event>) -> Answered {
        let taken = events.len().min(self.takes);
        self.takes = if taken == events.len() { self.takes - taken } else { 0 };
        self.taken.lock().unwrap().extend(events.iter().take(taken).map(|event| event.id.clone()));
        Answered { taken, all: taken == events.len() }
    }

    async fn close(self) {}
}

impl OutputBatch for Answered {
    async fn settle(&mut self) -> Result<(), OutputError> {
        if self.all { Ok(()) } else { Err(OutputError::passing("no more is taken")) }
    }

    fn confirmed(&self) -> Confirmed {
        Confirmed { events: self.taken as u64, unroutable: 0 }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_output_that_takes_few_events_at_a_time_gets_all_those_of_a_change_once_and_in_order() {
    for (window, takes) in [(1, 1), (4, 1), (200, 3), (200, 200)] {
        let (_folder, archive) = new_archive();
        for name in ["a", "b", "c", "d", "e"] {
            add(&archive, &wanted(name, "is:edited OR -is:edited"), Timestamp(1)).unwrap();
        }
        archive_messages(&archive, &peers(), 1, 2);
        archive.sync().unwrap();
        let expected: Vec<String> =
            telescribe::event::events(&archive.flushed(), Seq(0), 1_000).unwrap().into_iter().map(|event| event.id).collect();
        let matched = expected.iter().filter(|id| id.contains("watch.matched")).count();
        assert_eq!(matched, 5 * 2 * peers().len(), "{expected:#?}");
        let (lifecycle, taken) = (Lifecycle::new(), Arc::default());
        let output =
            RunningOutput::start("scarce", "list", Scarce { window, takes, taken: Arc::clone(&taken) }, &archive, &lifecycle);
        let end = tokio::time::Instant::now() + PATIENCE;
        while archive.view().position("scarce").unwrap() < archive.flushed().last_seq() {
            assert!(
                tokio::time::Instant::now() < end,
                "window {window}, {takes} at a time: {:?}",
                output.status.report(archive.flushed().last_seq())
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        lifecycle.stop_soft();
        lifecycle.ended().await;
        assert_eq!(*taken.lock().unwrap(), expected, "window {window}, {takes} at a time");
    }
}

#[tokio::test]
async fn a_watch_has_a_feed_of_its_newest_matches() {
    let served = Served::start_with(listening(Sealing::Off), |archive| {
        furnish(archive);
        let mut write = archive.write(Timestamp(1_706_702_400));
        write.add_watch("reports".parse().unwrap(), "report OR <книга>", Some("for R&D"));
        write.commit().unwrap();
    })
    .await;
    let atom = served.get("/v1/watches/reports/feed").await;
    assert_eq!(atom.header("content-type"), "application/atom+xml; charset=utf-8");
    let text = std::str::from_utf8(&atom.body).unwrap();
    assert!(text.starts_with("<?xml version=\"1.0\" encoding=\"utf-8\"?><feed xmlns=\"http://www.w3.org/2005/Atom\">"), "{text}");
    assert!(text.contains("<subtitle>for R&amp;D</subtitle>") && text.matches("<entry>").count() == 2, "{text}");
    assert!(text.contains("href=\"https://t.me/novosti/3\""), "{text}");
    assert!(text.contains("<link rel=\"self\" href=\"/v1/watches/reports/feed\"/>"), "{text}");
    let tag = atom.header("etag").to_owned();
    for known in [tag.as_str(), "\"other\", *"] {
        let again = served.ask("GET", "/v1/watches/reports/feed", &[("if-none-match", known)], "").await;
        assert_eq!((again.status.as_u16(), again.body.len(), again.header("etag")), (304, 0, tag.as_str()));
    }
    let json = served.get("/v1/watches/reports/feed?format=json").await;
    assert_eq!(json.header("content-type"), "application/feed+json");
    let feed = json.json();
    let texts: Vec<&str> = feed["items"].as_array().unwrap().iter().map(|item| item["content_text"].as_str().unwrap()).collect();
    assert_eq!(texts, ["see the corrected report", "Читаю новую книгу"]);
    assert_eq!(feed["version"], "https://jsonfeed.org/version/1.1");
    assert_eq!(served.get("/v1/watches/nobody/feed").await.status.as_u16(), 404);
    let body = json!({"query": "report", "messages": 100}).to_string();
    let tried = served.ask("POST", "/v1/watches/try", &[("content-type", "application/json")], &body).await.json();
    assert_eq!((&tried["matched"], &tried["cut_short"]), (&json!(1), &json!(false)), "{tried:#}");
    assert_eq!(tried["newest"][0]["message"]["id"], 3);
    served.stop().await;
}

#[tokio::test]
async fn the_events_of_a_change_come_together_over_http() {
    let served = Served::start_with(listening(Sealing::Off), |archive| {
        for name in ["b", "a"] {
            add(archive, &wanted(name, "unusual"), NOW).unwrap();
        }
        let mut write = archive.write(NOW);
        write.message(said(GROUP, 50, "something unusual"), some_raw(), 0);
        write.message(said(GROUP, 51, "nothing"), some_raw(), 0);
        write.commit().unwrap();
    })
    .await;
    let last = served.archive.flushed().last_seq().0;
    let kinds = |answer: Answer| -> Vec<String> {
        let lines = std::str::from_utf8(&answer.body).unwrap().lines();
        let kind = |line: &str| serde_json::from_str::<Value>(line).unwrap()["type"].as_str().unwrap().replace("telescribe.", "");
        lines.map(kind).collect()
    };
    let all = ["message.new", "watch.matched", "watch.matched", "message.new"];
    assert_eq!(kinds(served.get(&format!("/v1/changes?events=true&after={}", last - 2)).await), all);
    assert_eq!(kinds(served.get(&format!("/v1/changes?events=true&limit=1&after={}", last - 2)).await), all[..3]);
    assert_eq!(kinds(served.get(&format!("/v1/changes?events=true&after={}", last - 1)).await), all[3..]);
    served.stop().await;
}

#[tokio::test]
async fn watches_are_neither_added_nor_removed_where_nobody_may() {
    let served = Served::start(listening(Sealing::Off)).await;
    let json = [("content-type", "application/json")];
    for (target, body) in [("/v1/watches", json!({"name": "a", "query": "b"})), ("/v1/watches/a/remove", json!({}))] {
        let refused = served.ask("POST", target, &json, &body.to_string()).await;
        assert_eq!(refused.json()["code"], "not-operator", "{target}");
    }
    served.stop().await;
    let elsewhere = tempfile::tempdir().unwrap();
    let nothing = watch(&globals(elsewhere.path()), &["add", "a", "b"]).await;
    assert!(nothing.is_err(), "there is no archive to add it to");
}
