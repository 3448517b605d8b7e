//! The consumer of the documentation, at a queue that refuses events while it is full, and is drained and filled again.

#![expect(clippy::unwrap_used, reason = "what cannot be had fails the test")]

use std::collections::BTreeSet;
use std::fs::{File, read_to_string};
use std::process::{Child, Command, Stdio};

use lapin::types::FieldTable;
use telescribe::event::events;
use telescribe::model::{Seq, Timestamp};
use telescribe::output::State;
use telescribe::output::rabbitmq::Settings;
use telescribe::watches::{WantedWatch, add};

use crate::support::desk::{Desk, peers};
use crate::support::files::python_of;
use crate::support::python::python;
use crate::support::rabbit::Node;
use crate::support::waiting::until;

fn signal(process: &Child, name: &str) {
    assert!(Command::new("kill").args([&format!("-{name}"), &process.id().to_string()]).status().unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_consumer_of_the_documentation_ends_with_exactly_what_the_archive_has() {
    let node = Node::shared();
    node.ctl(&["add_vhost", "consumer"]);
    node.ctl(&["set_permissions", "-p", "consumer", "guest", ".*", ".*", ".*"]);
    let full = "{\"max-length\": 20, \"overflow\": \"reject-publish\"}";
    node.ctl(&["set_policy", "-p", "consumer", "--apply-to", "queues", "full", "^archive-watch$", full]);
    let desk = Desk::new(&node.url().replace("%2f", "consumer"), "consumer");
    let desk = Desk { settings: Settings { exchange: "telescribe".to_owned(), ..desk.settings.clone() }, ..desk };
    let watch = WantedWatch { name: "weather".to_owned(), query: "天气".to_owned(), note: None };
    add(&desk.archive, &watch, Timestamp(1)).unwrap();
    let lifecycle = desk.run();
    desk.until("a connection", |r| r.state == State::Connected).await;
    drop(desk.bind("archive-watch", "#", FieldTable::default()).await);

    let (script, seen) = (desk.folder.path().join("consumer.py"), desk.folder.path().join("seen"));
    std::fs::write(&script, python_of("docs/events.md", "## A consumer\n")).unwrap();
    let mut command = Command::new(python(&["pika"]));
    command.arg(&script).env("AMQP_URL", &desk.url).stdout(File::create(&seen).unwrap()).stderr(Stdio::null());
    let mut consumer = command.spawn().unwrap();
    for round in 0..3 {
        // Drained while it is filled, at the full window in the first round; then filled until it refuses; then drained.
        desk.archive_messages(&peers(), 1 + round * 150, 75 + round * 150);
        signal(&consumer, "STOP");
        desk.archive_messages(&peers(), 76 + round * 150, 150 + round * 150);
        desk.until("a refusal", |r| r.state == State::Blocked).await;
        signal(&consumer, "CONT");
    }
    desk.until("everything confirmed", |r| r.lag == 0).await;
    let expected: Vec<String> =
        events(&desk.archive.flushed(), Seq(0), 1_000_000).unwrap().into_iter().map(|event| event.id).collect();
    assert!(expected.iter().any(|id| id.ends_with(".watch.matched.weather")));
    let ids = || -> Vec<String> {
        let text = read_to_string(&seen).unwrap();
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole.lines().map(|line| line.split(' ').next().unwrap().to_owned()).collect()
    };
    until("all of it is seen", || ids().len() >= expected.len()).await;
    lifecycle.stop_soft();
    lifecycle.ended().await;
    consumer.kill().unwrap();
    consumer.wait().unwrap();
    let seen = ids();
    assert_eq!(seen.len(), expected.len(), "each once");
    assert_eq!(seen.into_iter().collect::<BTreeSet<_>>(), expected.into_iter().collect::<BTreeSet<_>>());
}

/// What stands in the place of pika: a queue of these events.
const QUEUE: &str = r#"
import json, sys

class Method:
    delivery_tag = 0
    routing_key = "message.new.-1"

class Channel:
    queue_declare = queue_bind = basic_qos = basic_ack = lambda *_, **__: None

    def consume(self, _):
        first = [("1-a", 5, None), ("1-a", 6, 5), ("1-a", 9, 8), ("1-a", 8, 6)]
        second = [("2-b", 3, None), ("2-b", 4, 3), ("2-b", 7, 5)]
        for epoch, seq, previous in first + second:
            data = {"epoch": epoch, "seq": seq, **({"previous_seq": previous} if previous else {})}
            yield Method, None, json.dumps({"id": f"{epoch}.{seq}", "subject": "-1/1", "data": data})

URLParameters = lambda url: url

class BlockingConnection:
    def __init__(self, _):
        pass

    def channel(self):
        return Channel()
"#;

#[test]
fn the_consumer_of_the_documentation_tells_of_gaps_also_in_an_epoch_whose_numbers_are_lower() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("pika.py"), QUEUE).unwrap();
    let script = folder.path().join("consumer.py");
    std::fs::write(&script, python_of("docs/events.md", "## A consumer\n")).unwrap();
    let output = Command::new(python(&[])).arg(&script).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8(output.stdout).unwrap().lines().count(), 7);
    let told = String::from_utf8(output.stderr).unwrap();
    let told: Vec<&str> = told.lines().collect();
    assert_eq!(told, ["there is more to come of -1 before 1-a.9", "there is more to come of -1 before 2-b.7"]);
}
