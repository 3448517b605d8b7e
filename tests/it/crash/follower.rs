//! Who follows the archive from outside and remembers: a reader of `/v1/changes`, and a consumer of RabbitMQ that deduplicates by event id.
//!
//! What either has seen means the same for ever: no power cut takes it back, renumbers it or gives its id to something else.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result, bail, ensure};
use lapin::options::{BasicGetOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{Channel, ExchangeKind};
use serde_json::Value;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::http;
use super::site::{EVERY, Site};
use crate::support::desk::channel;

/// What an event says, as far as it stays the same: what is known of a peer, and what is counted, may change.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Said {
    epoch: String,
    seq: u64,
    content: String,
}

/// Events, by id.
#[derive(Clone, Debug, Default)]
pub(super) struct Events {
    by_id: BTreeMap<String, Said>,
    /// Where the newest is: `EPOCH:SEQ`.
    position: Option<(String, u64)>,
    wrong: Option<String>,
}

impl Events {
    fn take(&mut self, event: &Value) {
        let data = &event["data"];
        let (Some(id), Some(epoch), Some(seq)) = (event["id"].as_str(), data["epoch"].as_str(), data["seq"].as_u64()) else {
            self.wrong.get_or_insert_with(|| format!("an event without id, epoch or number: {event}"));
            return;
        };
        let content =
            format!("{} {} {} {} {}", event["type"], event["subject"], data["key"], data["version"], data["message"]["text"]);
        let said = Said { epoch: epoch.to_owned(), seq, content };
        match self.by_id.get(id) {
            Some(earlier) if *earlier != said => {
                self.wrong.get_or_insert_with(|| format!("{id} meant {earlier:?} and means {said:?}"));
            }
            _ => drop(self.by_id.insert(id.to_owned(), said)),
        }
        self.position = Some((epoch.to_owned(), seq));
    }

    /// The same, where each must follow on the one before.
    fn take_next(&mut self, line: &str) {
        let before = self.position.as_ref().map_or(0, |(_, seq)| *seq);
        // It says that it is there.
        if line.is_empty() {
            return;
        }
        match serde_json::from_str::<Value>(line) {
            Ok(event) => self.take(&event),
            Err(error) => drop(self.wrong.get_or_insert_with(|| format!("no event ({error}): {line}"))),
        }
        let now = self.position.as_ref().map_or(0, |(_, seq)| *seq);
        if now != before + 1 {
            self.wrong.get_or_insert_with(|| format!("after change {before} comes {now}"));
        }
    }

    fn is_right(&self) -> Result<()> {
        match &self.wrong {
            Some(wrong) => bail!("{wrong}"),
            None => Ok(()),
        }
    }

    pub(super) fn count(&self) -> usize {
        self.by_id.len()
    }

    /// Fails where one of these is not there any more, or says something else.
    fn are_all_in(&self, all: &Self) -> Result<()> {
        for (id, said) in &self.by_id {
            match all.by_id.get(id) {
                None => bail!("{id} was seen ({said:?}), and is gone"),
                Some(now) => ensure!(now == said, "{id} meant {said:?} and means {now:?}"),
            }
        }
        Ok(())
    }
}

/// Every event of a running program's log.
async fn all_events(socket: &Path) -> Result<Events> {
    let mut all = Events::default();
    http::lines(socket, "/v1/changes?events=true", |line| all.take_next(line)).await?;
    all.is_right()?;
    Ok(all)
}

/// A reader that follows a program from one life to the next, and remembers everything.
pub(super) struct Follower {
    socket: PathBuf,
    seen: Arc<Mutex<Events>>,
    task: JoinHandle<()>,
}

impl Follower {
    #[expect(clippy::disallowed_methods, reason = "it is outside of the program, and ends with the trial")]
    pub(super) fn start(socket: &Path) -> Self {
        let seen = Arc::new(Mutex::new(Events::default()));
        let task = tokio::spawn(follow(socket.to_owned(), Arc::clone(&seen)));
        Self { socket: socket.to_owned(), seen, task }
    }

    pub(super) fn seen(&self) -> Events {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until it has seen everything that a running program has, and checks that all of it is what it was.
    pub(super) async fn check(&self) -> Result<Events> {
        let all = all_events(&self.socket).await?;
        loop {
            let seen = self.seen();
            seen.is_right().context("the follower")?;
            seen.are_all_in(&all).context("the follower")?;
            // It follows on: nothing between what it saw before and what it sees now was passed over.
            if seen.count() >= all.count() {
                return Ok(all);
            }
            ensure!(!self.task.is_finished(), "the follower has ended");
            sleep(EVERY).await;
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn follow(socket: PathBuf, seen: Arc<Mutex<Events>>) {
    let lock = || seen.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        let after = lock().position.as_ref().map_or("0".to_owned(), |(epoch, seq)| format!("{epoch}:{seq}"));
        let target = format!("/v1/changes?events=true&follow=true&after={after}");
        if let Err(error) = http::lines(&socket, &target, |line| lock().take_next(line)).await
            && error.to_string().starts_with("/v1/changes")
            && !error.to_string().contains(" 50")
        {
            lock().wrong.get_or_insert_with(|| format!("its position is refused: {error:#}"));
        }
        sleep(EVERY).await;
    }
}

/// A durable queue, and who takes from it at the end.
pub(super) struct Consumer {
    channel: Channel,
    name: String,
}

impl Consumer {
    /// Has a site publish to an exchange, and binds a queue to it; where there is a broker.
    pub(super) async fn of(site: &mut Site, broker: Option<&str>, name: &str) -> Result<Option<Self>> {
        let Some(url) = broker else { return Ok(None) };
        // The exchange is there before the first event, and with it the queue.
        site.set("TELESCRIBE__PUBLISH__DECLARE", "false");
        site.set("TELESCRIBE__PUBLISH__URL", url);
        site.set("TELESCRIBE__PUBLISH__EXCHANGE", name);
        Self::bind(url, name).await.map(Some)
    }

    /// Binds a queue to an exchange of this name.
    async fn bind(url: &str, name: &str) -> Result<Self> {
        let channel = channel(url).await;
        let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
        channel.exchange_declare(name.into(), ExchangeKind::Topic, durable, FieldTable::default()).await?;
        let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        channel.queue_declare(name.into(), durable, FieldTable::default()).await?;
        channel.queue_bind(name.into(), name.into(), "#".into(), QueueBindOptions::default(), FieldTable::default()).await?;
        Ok(Self { channel, name: name.to_owned() })
    }

    /// Takes everything, each event once, and checks that it is what the archive says: nothing else, and nothing missing.
    pub(super) async fn check(&self, all: &Events) -> Result<()> {
        let mut taken = Events::default();
        while let Some(message) = self.channel.basic_get(self.name.as_str().into(), BasicGetOptions { no_ack: true }).await? {
            let event: Value = serde_json::from_slice(&message.delivery.data)?;
            let id = message.delivery.properties.message_id().as_ref().map(|id| id.as_str().to_owned());
            ensure!(id.as_deref() == event["id"].as_str(), "message id {id:?} of {event}");
            taken.take(&event);
        }
        taken.is_right().context("the consumer")?;
        taken.are_all_in(all).context("the consumer")?;
        all.are_all_in(&taken).context("the consumer, of what the archive has")
    }
}
