//! An archive and what publishes it to RabbitMQ, and a subscriber that another hand wrote (pika).

#![expect(clippy::unwrap_used, reason = "what cannot be had fails the test")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use lapin::options::{QueueBindOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{Channel, Connection, ConnectionProperties};
use telescribe::archive::{Archive, Durability, Raw};
use telescribe::config::PUBLISH;
use telescribe::lifecycle::Lifecycle;
use telescribe::model::PeerId;
use telescribe::output::rabbitmq::{RabbitMq, Settings};
use telescribe::output::{Delivery, Report, Status};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use crate::support::messages::{NOW, key, message};
use crate::support::python::python;
use crate::support::waiting::PATIENCE;

/// An archive and what publishes it.
pub(crate) struct Desk {
    pub(crate) folder: TempDir,
    pub(crate) archive: Arc<Archive>,
    pub(crate) status: Arc<Status>,
    pub(crate) url: String,
    pub(crate) settings: Settings,
}

impl Desk {
    /// `name` keeps the tests apart on their common broker.
    pub(crate) fn new(url: &str, name: &str) -> Self {
        let (folder, archive) = new_archive();
        let settings = Settings::new("publish", url.parse().unwrap(), &format!("test.{name}"), true);
        Self { folder, archive, status: Arc::new(Status::new()), url: url.to_owned(), settings }
    }

    /// What publishes another archive to the same exchange.
    pub(crate) fn with_archive(mut self, archive: Arc<Archive>) -> Self {
        self.archive = archive;
        self
    }

    pub(crate) fn publisher(&self) -> Delivery<RabbitMq> {
        Delivery::new(
            PUBLISH,
            Arc::new(RabbitMq::new(self.settings.clone())),
            Arc::clone(&self.archive),
            Arc::clone(&self.status),
        )
    }

    pub(crate) fn run(&self) -> Lifecycle {
        let lifecycle = Lifecycle::new();
        let (output, archive, status) =
            (Arc::new(RabbitMq::new(self.settings.clone())), Arc::clone(&self.archive), Arc::clone(&self.status));
        lifecycle.work("publish", move || Delivery::new(PUBLISH, Arc::clone(&output), Arc::clone(&archive), Arc::clone(&status)));
        lifecycle
    }

    pub(crate) fn report(&self) -> Report {
        self.status.report(self.archive.last_seq())
    }

    pub(crate) async fn until(&self, what: &str, holds: impl Fn(&Report) -> bool) {
        let end = Instant::now() + PATIENCE;
        while !holds(&self.report()) {
            assert!(Instant::now() < end, "not seen: {what}; {:?}", self.report());
            sleep(Duration::from_millis(10)).await;
        }
    }

    /// Archives messages `first..=last` of each peer, in pages, some of them edited or deleted afterwards.
    pub(crate) fn archive_messages(&self, peers: &[PeerId], first: i32, last: i32) {
        archive_messages(&self.archive, peers, first, last);
    }

    /// Binds a durable queue to the exchange, which must be there.
    pub(crate) async fn bind(&self, queue: &str, key: &str, arguments: FieldTable) -> Channel {
        let channel = channel(&self.url).await;
        let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        channel.queue_declare(queue.into(), options, arguments).await.unwrap();
        let exchange = self.settings.exchange.as_str().into();
        channel.queue_bind(queue.into(), exchange, key.into(), QueueBindOptions::default(), FieldTable::default()).await.unwrap();
        channel
    }

    /// What pika reads from a queue of this desk: at least as many distinct events as there are changes.
    pub(crate) async fn subscribe(&self, queue: &str) -> Vec<serde_json::Value> {
        let out = self.folder.path().join(format!("{queue}.ndjson"));
        let count = self.archive.last_seq().0;
        let mut subscriber = self.subscriber(queue, count, &out);
        let status = tokio::task::spawn_blocking(move || subscriber.wait().unwrap()).await.unwrap();
        assert!(status.success(), "the subscriber did not see everything");
        let lines = std::fs::read_to_string(&out).unwrap();
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn subscriber(&self, queue: &str, count: u64, out: &Path) -> Child {
        let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/pika/subscribe.py");
        let mut command = Command::new(python(&["pika"]));
        command.arg(script).args(["--url", &self.url, "--exchange", &self.settings.exchange, "--queue", queue]);
        command.args(["--count", &count.to_string()]).arg("--out").arg(out).stdout(Stdio::null()).spawn().unwrap()
    }

    /// Checks that every change arrived, and that none arrived for the first time before one that precedes it.
    pub(crate) fn check(&self, seen: &[serde_json::Value]) {
        let mut known = BTreeSet::new();
        let firsts: Vec<u64> = seqs(seen).filter(|seq| known.insert(*seq)).collect();
        assert_eq!(firsts, (1..=self.archive.last_seq().0).collect::<Vec<_>>());
        self.check_ids(seen);
    }

    /// Checks that every change arrived, and that the whole order is in what arrived: a consumer that takes only the event after the last one
    /// that it took gets all of them.
    pub(crate) fn check_subsequence(&self, seen: &[serde_json::Value]) {
        let taken = seqs(seen).fold(0, |last, seq| if seq == last + 1 { seq } else { last });
        assert_eq!(taken, self.archive.last_seq().0);
        self.check_ids(seen);
    }

    fn check_ids(&self, seen: &[serde_json::Value]) {
        let ids: BTreeSet<&str> = seen.iter().map(|e| e["message_id"].as_str().unwrap()).collect();
        assert_eq!(ids.len() as u64, self.archive.last_seq().0, "one message id for each change, the same each time");
    }
}

fn seqs(seen: &[serde_json::Value]) -> impl Iterator<Item = u64> {
    seen.iter().map(|event| event["seq"].as_u64().unwrap())
}

/// An archive in a folder of its own.
pub(crate) fn new_archive() -> (TempDir, Arc<Archive>) {
    let folder = tempfile::tempdir().unwrap();
    let archive = Arc::new(Archive::open(&folder.path().join("archive"), Durability::Always).unwrap());
    (folder, archive)
}

/// Archives messages `first..=last` of each peer, in pages, some of them edited or deleted afterwards.
pub(crate) fn archive_messages(archive: &Archive, peers: &[PeerId], first: i32, last: i32) {
    for id in first..=last {
        let mut write = archive.write(NOW);
        for peer in peers {
            write.message(message(*peer, id, "今天天气很好"), Raw::default(), 0);
        }
        write.commit().unwrap();
        if id % 10 == 0 {
            let mut write = archive.write(NOW);
            write.message(message(peers[0], id, "今天天气不好"), Raw::default(), 1);
            write.delete(key(peers[peers.len() - 1], id - 1));
            write.commit().unwrap();
        }
    }
}

pub(crate) fn peers() -> [PeerId; 3] {
    [PeerId::channel(1_500_000_001), PeerId::channel(1_500_000_002), PeerId::user(7)]
}

pub(crate) async fn channel(url: &str) -> Channel {
    Connection::connect(url, ConnectionProperties::default()).await.unwrap().create_channel().await.unwrap()
}

/// How many messages a queue holds.
pub(crate) async fn depth(channel: &Channel, queue: &str) -> u32 {
    let look = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(queue.into(), look, FieldTable::default()).await.unwrap().message_count()
}
