//! Throughput of publishing; the baseline is a bare lapin loop: the same bodies, the same properties, the same window of unconfirmed
//! events, the same broker, alternating in one run. What ours does more: reading the change log and the messages from the archive, making
//! the events, whole-batch accounting, and storing the position.
//!
//! Prints a line for people and one JSON line. `TELESCRIBE_AMQP_URL` names a broker; without it the bench starts a node of its own.
//! `cargo bench --bench publish -- [CHANGES] [ROUNDS]`

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on panics")]
#![expect(clippy::print_stdout, reason = "its figures are its output")]

#[path = "../tests/it/support/rabbit.rs"]
#[expect(dead_code, reason = "only a node that runs is needed here")]
mod rabbit;

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use lapin::options::{BasicPublishOptions, ConfirmSelectOptions, QueueBindOptions, QueueDeclareOptions, QueuePurgeOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties, PublisherConfirm};
use telescribe::archive::{Archive, Durability, Raw};
use telescribe::config::PUBLISH;
use telescribe::event::{CONTENT_TYPE, Event, events};
use telescribe::lifecycle::{StepOutcome, Worker as _};
use telescribe::model::{Message, MessageId, MessageKey, PeerId, Seq, Timestamp};
use telescribe::output::rabbitmq::{RabbitMq, Settings};
use telescribe::output::{Delivery, Status};

/// Sentences of the length that chats have, in several languages.
const TEXTS: [&str; 6] = [
    "我觉得今天天气很好，我们去公园走走吧。",
    "Сегодня в городе прошла встреча, на которой обсудили ремонт дорог и школ.",
    "ok",
    "The update is out, please install it before Friday and tell us what breaks for you: https://example.org/releases/42",
    "今日はいい天気ですね。",
    "اجتمع المجلس اليوم لمناقشة الميزانية الجديدة.",
];
const QUEUE: &str = "bench";
const NOW: Timestamp = Timestamp(1_706_702_400);

fn main() {
    let mut arguments = std::env::args().skip(1).filter_map(|a| a.parse::<usize>().ok());
    let (changes, rounds) = (arguments.next().unwrap_or(20_000), arguments.next().unwrap_or(7));
    let given = std::env::var("TELESCRIBE_AMQP_URL").ok();
    let url = given.unwrap_or_else(|| rabbit::Node::shared().url());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(run(&url, changes, rounds));
}

async fn run(url: &str, changes: usize, rounds: usize) {
    let folder = tempfile::tempdir().unwrap();
    let archive = Arc::new(Archive::open(&folder.path().join("archive"), Durability::Os).unwrap());
    fill(&archive, changes);
    let settings = Settings::new("publish", url.parse().unwrap(), "bench", true);
    let amqp_channel = Connection::connect(url, ConnectionProperties::default()).await.unwrap().create_channel().await.unwrap();
    amqp_channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
    // The first connection declares the exchange; then a queue wants everything, as a consumer's would.
    publisher(&settings, &archive).step().await.unwrap();
    let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    amqp_channel.queue_declare(QUEUE.into(), durable, FieldTable::default()).await.unwrap();
    let (to, bound) = (settings.exchange.as_str().into(), QueueBindOptions::default());
    amqp_channel.queue_bind(QUEUE.into(), to, "#".into(), bound, FieldTable::default()).await.unwrap();

    let bodies = all_events(&archive, changes);
    let (mut ours, mut usual, mut queueing) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..=rounds {
        let u = bare_loop(&amqp_channel, &settings, &bodies, Handing::Usual).await;
        empty(&amqp_channel, changes).await;
        let q = bare_loop(&amqp_channel, &settings, &bodies, Handing::Queueing).await;
        empty(&amqp_channel, changes).await;
        let o = our_loop(&settings, &archive).await;
        empty(&amqp_channel, changes).await;
        // The first round warms up broker, disk and caches.
        if round > 0 {
            ours.push(o);
            usual.push(u);
            queueing.push(q);
        }
    }
    let bytes: usize = bodies.iter().map(|e| e.body.len()).sum::<usize>() / bodies.len();
    let rate = |times| (changes as f64 / median(times).as_secs_f64()).round();
    let (ours, usual, queueing) = (rate(ours), rate(usual), rate(queueing));
    let window = settings.window;
    // The faster of the two loops is the one to be measured against.
    let ratio = (ours / usual.max(queueing) * 100.0).round() / 100.0;
    println!(
        "publish: {ours} events/s against {usual} of the usual and {queueing} of a queueing bare lapin loop: ratio to the faster \
         {ratio:.2} (target 0.80); {changes} events of {bytes} bytes, window {window}, medians of {rounds}"
    );
    let line = serde_json::json!({
        "bench": "publish", "changes": changes, "rounds": rounds, "body_bytes": bytes, "window": window, "ours_per_second": ours,
        "bare_usual_per_second": usual, "bare_queueing_per_second": queueing, "ratio": ratio, "target": 0.8,
    });
    println!("{line}");
}

fn fill(archive: &Archive, changes: usize) {
    let all: Vec<usize> = (0..changes).collect();
    for page in all.chunks(100) {
        let mut write = archive.write(NOW);
        for n in page {
            let peer = PeerId::channel(1_500_000_000 + (n / 100 % 20) as i64);
            let key = MessageKey::new(peer, MessageId(i32::try_from(*n).unwrap() + 1));
            let message = Message {
                sender: Some(PeerId::user(7_000_000 + (n % 50) as i64)),
                text: TEXTS[n % TEXTS.len()].to_owned(),
                views: Some(i32::try_from(n % 1_000).unwrap()),
                ..Message::new(key, NOW)
            };
            write.message(message, Raw::default(), 0);
        }
        write.commit().unwrap();
    }
    archive.sync().unwrap();
}

fn all_events(archive: &Archive, changes: usize) -> Vec<Event> {
    let bodies = events(&archive.flushed(), Seq(0), changes).unwrap();
    assert_eq!(bodies.len(), changes);
    bodies
}

fn publisher(settings: &Settings, archive: &Arc<Archive>) -> Delivery<RabbitMq> {
    Delivery::new(PUBLISH, Arc::new(RabbitMq::new(settings.clone())), Arc::clone(archive), Arc::new(Status::new()))
}

/// From the first event to the stored position of the last.
async fn our_loop(settings: &Settings, archive: &Arc<Archive>) -> Duration {
    let mut write = archive.write(NOW);
    write.position(PUBLISH, Seq(0));
    write.commit().unwrap();
    let mut publisher = publisher(settings, archive);
    assert_eq!(publisher.step().await.unwrap(), StepOutcome::Busy, "it connects");
    let start = Instant::now();
    while publisher.step().await.unwrap() == StepOutcome::Busy {}
    let took = start.elapsed();
    assert_eq!(archive.view().position(PUBLISH).unwrap(), archive.last_seq());
    took
}

/// How a bare loop hands an event over.
#[derive(Clone, Copy)]
enum Handing {
    /// As lapin's examples do: wait until the socket has it.
    Usual,
    /// As ours does: queue it and go on.
    Queueing,
}

/// A bare pipelined loop: publish until the window is full, then await the oldest confirm.
async fn bare_loop(amqp_channel: &Channel, settings: &Settings, bodies: &[Event], handing: Handing) -> Duration {
    let start = Instant::now();
    let mut in_flight = VecDeque::new();
    for event in bodies {
        if in_flight.len() == settings.window {
            confirm(in_flight.pop_front().unwrap()).await;
        }
        let (to, key) = (settings.exchange.as_str().into(), event.routing_key.as_str().into());
        let options = BasicPublishOptions { mandatory: true, immediate: false };
        let mut handed = Box::pin(amqp_channel.basic_publish(to, key, options, &event.body, properties(event)));
        in_flight.push_back(match handing {
            Handing::Usual => Handed::Sent(handed.await.unwrap()),
            Handing::Queueing => match futures_util::poll!(&mut handed) {
                Poll::Ready(sent) => Handed::Sent(sent.unwrap()),
                Poll::Pending => Handed::Queued(handed),
            },
        });
    }
    for one in in_flight {
        confirm(one).await;
    }
    start.elapsed()
}

enum Handed<'a> {
    Sent(PublisherConfirm),
    Queued(Pin<Box<dyn Future<Output = lapin::Result<PublisherConfirm>> + 'a>>),
}

async fn confirm(one: Handed<'_>) {
    let sent = match one {
        Handed::Sent(sent) => sent,
        Handed::Queued(handed) => handed.await.unwrap(),
    };
    assert!(sent.await.unwrap().is_ack());
}

fn properties(event: &Event) -> BasicProperties {
    let mut headers = FieldTable::default();
    headers.insert("seq".into(), AMQPValue::LongLongInt(i64::try_from(event.seq.0).unwrap()));
    BasicProperties::default()
        .with_message_id(event.id.as_str().into())
        .with_content_type(CONTENT_TYPE.into())
        .with_delivery_mode(2)
        .with_timestamp(u64::try_from(event.at.0).unwrap())
        .with_type(event.kind.as_str().into())
        .with_app_id("telescribe".into())
        .with_headers(headers)
}

/// Both begin with an empty queue.
async fn empty(amqp_channel: &Channel, expected: usize) {
    let purged = amqp_channel.queue_purge(QUEUE.into(), QueuePurgeOptions::default()).await.unwrap();
    assert_eq!(purged as usize, expected, "everything arrived, once");
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
