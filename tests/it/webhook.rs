//! What web hooks promise, against a receiver that another hand's library verifies for (standardwebhooks): signed, filtered, in order, and nothing is lost.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod dead_letters;
mod program;
mod trouble;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use telescribe::archive::{Archive, Raw};
use telescribe::event::{Event, EventFilter, WATCH_MATCHED, events};
use telescribe::lifecycle::{Lifecycle, Worker as _};
use telescribe::model::{PeerId, Seq, SystemClock, Timestamp};
use telescribe::output::webhook::{Settings, Webhook};
use telescribe::output::{Delivery, Report, Status};
use telescribe::watches::{WantedWatch, add};
use tempfile::TempDir;

use crate::support::desk::new_archive;
use crate::support::messages::{NOW, message};
use crate::support::receiver::{SECRET, WebhookReceiver};
use crate::support::waiting::{PATIENCE, until};

const PEER: PeerId = PeerId(-1_001_500_000_001);

/// An archive and the web hook that is told of it.
struct Hook {
    _folder: TempDir,
    archive: Arc<Archive>,
    status: Arc<Status>,
    settings: Settings,
}

impl Hook {
    fn new(url: &str) -> Self {
        let (_folder, archive) = new_archive();
        let settings = Settings {
            key: "outputs.0".to_owned(),
            url: url.parse().unwrap(),
            secret: SECRET.parse().unwrap(),
            filter: EventFilter::new(&[WATCH_MATCHED.to_owned()], None).unwrap(),
            timeout: Duration::from_secs(15),
        };
        Self { _folder, archive, status: Arc::default(), settings }
    }

    /// One that watches for zebras, with so many of them in the archive.
    fn with_zebras(url: &str, zebras: i32) -> Self {
        let hook = Self::new(url);
        hook.watch("zebras", "zebra");
        for id in 1..=zebras {
            hook.post(id, &format!("zebra {id}"));
        }
        hook
    }

    fn watch(&self, name: &str, query: &str) {
        add(&self.archive, &WantedWatch { name: name.to_owned(), query: query.to_owned(), note: None }, Timestamp(1)).unwrap();
    }

    fn post(&self, id: i32, text: &str) {
        let mut write = self.archive.write(NOW);
        write.message(message(PEER, id, text), Raw::default(), 0);
        write.commit().unwrap();
    }

    fn delivery(&self) -> Delivery<Webhook> {
        let hook = Webhook::new(self.settings.clone(), Arc::new(SystemClock));
        Delivery::new("alerts", Arc::new(hook), Arc::clone(&self.archive), Arc::clone(&self.status))
    }

    fn run(&self) -> Lifecycle {
        let lifecycle = Lifecycle::new();
        let hook = Arc::new(Webhook::new(self.settings.clone(), Arc::new(SystemClock)));
        let (archive, status) = (Arc::clone(&self.archive), Arc::clone(&self.status));
        lifecycle.work("alerts", move || Delivery::new("alerts", Arc::clone(&hook), Arc::clone(&archive), Arc::clone(&status)));
        lifecycle
    }

    fn report(&self) -> Report {
        self.status.report(self.archive.flushed().last_seq())
    }

    async fn until(&self, what: &str, holds: impl Fn(&Report) -> bool) {
        until(what, || holds(&self.report())).await;
    }

    /// Runs until all is confirmed.
    async fn run_to_the_end(&self) {
        let lifecycle = self.run();
        self.until("everything is confirmed", |report| report.lag == 0 && report.confirmed > 0).await;
        stop(lifecycle).await;
        assert_eq!(self.archive.view().position("alerts").unwrap(), self.archive.flushed().last_seq());
    }

    /// All events of the archive that the filter lets through.
    fn wanted(&self, is_wanted: impl Fn(&Event) -> bool) -> Vec<Event> {
        events(&self.archive.flushed(), Seq(0), 100_000).unwrap().into_iter().filter(is_wanted).collect()
    }

    fn matches(&self) -> Vec<String> {
        ids(self.wanted(|event| event.kind == "telescribe.watch.matched"))
    }
}

async fn stop(lifecycle: Lifecycle) {
    lifecycle.stop_soft();
    tokio::time::timeout(PATIENCE, lifecycle.ended()).await.expect("a soft stop ends");
}

fn ids(events: Vec<Event>) -> Vec<String> {
    events.into_iter().map(|event| event.id).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn matches_are_sent_once_in_order_and_the_librarys_verifier_takes_them_for_ours() {
    let receiver = WebhookReceiver::start();
    let hook = Hook::with_zebras(&receiver.url, 3);
    hook.watch("all", "is:edited OR -is:edited");
    hook.watch("never", "quagga");
    for (id, text) in [(4, "a horse"), (5, "斑马 and a zebra"), (6, "nothing")] {
        hook.post(id, text);
    }
    hook.run_to_the_end().await;

    let (requests, expected) = (receiver.requests(), hook.wanted(|event| event.kind == "telescribe.watch.matched"));
    assert_eq!(expected.len(), 3 + 4, "zebras from the first message on, all from the fourth");
    for (request, event) in requests.iter().zip(&expected) {
        assert_eq!((request.refusal.as_deref(), request.answer.as_str()), (None, "204"));
        assert_eq!((&request.id, request.body.as_bytes()), (&event.id, event.body.as_slice()), "as it is published");
        let header = |name: &str| request.headers[name].as_str().unwrap_or_default().to_owned();
        assert_eq!(header("content-type"), "application/cloudevents+json; charset=utf-8");
        assert_eq!(header("user-agent"), format!("telescribe/{}", env!("CARGO_PKG_VERSION")));
        let body: Value = serde_json::from_str(&request.body).unwrap();
        assert_eq!(body["id"], request.id.as_str());
    }
    assert_eq!(requests.len(), expected.len(), "nothing failed, so nothing came twice");
    let connections: BTreeSet<u64> = requests.iter().map(|request| request.port).collect();
    assert_eq!(connections.len(), 1, "the connection is kept");
    let report = hook.report();
    assert_eq!((report.confirmed, report.connections, report.unroutable), (7, 1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_is_wanted_is_sent() {
    let receiver = WebhookReceiver::start();
    let mut hook = Hook::with_zebras(&receiver.url, 3);
    hook.watch("horses", "horse");
    hook.post(4, "a horse and a zebra");
    hook.post(5, "nothing");
    let mut write = hook.archive.write(NOW);
    write.delete(crate::support::messages::key(PEER, 1));
    write.commit().unwrap();
    let names = ["message.deleted", WATCH_MATCHED].map(str::to_owned);
    hook.settings.filter = EventFilter::new(&names, Some(["horses".parse().unwrap()].into())).unwrap();
    hook.run_to_the_end().await;
    let expected =
        ids(hook.wanted(|event| event.kind == "telescribe.message.deleted" || event.id.ends_with(".watch.matched.horses")));
    assert_eq!(expected.len(), 2);
    assert_eq!(receiver.confirmed(), expected);
}

/// A long log before the first watch is not even read message by message, and no position is stored for each of its changes.
#[tokio::test(flavor = "multi_thread")]
async fn a_long_log_of_what_is_not_wanted_is_passed_over_in_a_few_steps_and_without_a_request() {
    let receiver = WebhookReceiver::start();
    let hook = Hook::new(&receiver.url);
    for page in 0..30 {
        let mut write = hook.archive.write(NOW);
        for id in 1..=200 {
            write.message(message(PEER, page * 200 + id, "zebra"), Raw::default(), 0);
        }
        write.commit().unwrap();
    }
    hook.watch("zebras", "zebra");
    let before = hook.archive.flushed().last_seq();
    assert!(before.0 >= 6_000);
    let mut delivery = hook.delivery();
    let mut steps = 0;
    while hook.report().lag > 0 {
        delivery.step().await.unwrap();
        steps += 1;
        assert!(steps < 40, "{:?}", hook.report());
    }
    assert_eq!(hook.archive.view().position("alerts").unwrap(), before, "it is stored");
    assert!(receiver.requests().is_empty());
    hook.post(10_000, "a zebra at last");
    hook.post(10_001, "a horse");
    drop(delivery);
    hook.run_to_the_end().await;
    assert_eq!((receiver.confirmed(), hook.matches().len()), (hook.matches(), 1));
}
