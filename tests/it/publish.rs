//! What publishing promises, against a real RabbitMQ, seen by a consumer that another hand wrote (pika).

mod consumer;
mod hanging;
mod oversized;
mod refused;

use std::sync::Arc;
use std::time::Duration;

use lapin::ExchangeKind;
use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use telescribe::app::{App, Environment};
use telescribe::config::{BrokerUrl, PUBLISH};
use telescribe::lifecycle::{StepOutcome, Worker as _};
use telescribe::model::{PeerKind, Seq, SystemClock};
use telescribe::output::State;
use telescribe::output::rabbitmq::Settings;
use tokio::time::{Instant, sleep, timeout};

use crate::support::desk::{Desk, channel, depth, peers};
use crate::support::fleet::{Fleet, small};
use crate::support::messages::{NOW, titled};
use crate::support::rabbit::Node;
use crate::support::waiting::PATIENCE;

#[tokio::test(flavor = "multi_thread")]
async fn every_change_is_published_once_and_in_order() {
    let desk = Desk::new(&Node::shared().url(), "order");
    let lifecycle = desk.run();
    desk.until("a connection", |r| r.state == State::Connected).await;
    desk.bind("order", "#", FieldTable::default()).await;
    let one_peer = desk.bind("order.peer", &format!("message.*.{}", peers()[0]), FieldTable::default()).await;
    let deleted = desk.bind("order.deleted", "message.deleted.#", FieldTable::default()).await;
    let mut write = desk.archive.write(NOW);
    for id in peers() {
        write.peer(titled(id, PeerKind::Supergroup, "Погода"));
    }
    write.commit().unwrap();
    desk.archive_messages(&peers(), 1, 500);
    desk.until("everything confirmed", |r| r.lag == 0).await;
    lifecycle.stop_soft();
    lifecycle.ended().await;

    let seen = desk.subscribe("order").await;
    desk.check(&seen);
    assert_eq!(seen.len() as u64, desk.archive.last_seq().0, "nothing failed, so nothing came twice");
    assert_eq!(seen[0]["routing_key"], "peer.changed.-1001500000001");
    assert_eq!(seen[0]["subject"], "-1001500000001");
    assert_eq!(seen[3]["routing_key"], "message.new.-1001500000001");
    assert_eq!(seen[3]["subject"], "-1001500000001/1");
    assert_eq!(depth(&one_peer, "order.peer").await, 550, "500 new and 50 edited");
    assert_eq!(depth(&deleted, "order.deleted").await, 50);
    let report = desk.report();
    assert_eq!((report.unroutable, report.connections, report.confirmed), (0, 1, desk.archive.last_seq().0));
    assert_eq!(desk.archive.view().position(PUBLISH).unwrap(), desk.archive.last_seq());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_restarts_loses_nothing() {
    let mut node = Node::disturbed().await;
    let desk = Desk::new(&node.url(), "restart");
    let lifecycle = desk.run();
    desk.until("a connection", |r| r.state == State::Connected).await;
    drop(desk.bind("restart", "#", FieldTable::default()).await);
    for round in 0..2 {
        let (first, before) = (1 + round * 1_000, desk.report().position);
        std::thread::scope(|scope| {
            scope.spawn(|| desk.archive_messages(&peers(), first, first + 999));
            while desk.report().position < before + 300 {
                std::thread::sleep(Duration::from_millis(1));
            }
            node.kill();
        });
        desk.until("the loss", |r| r.state == State::Disconnected && r.last_error.is_some()).await;
        assert!(desk.report().lag > 0, "it was killed while there was something to publish: {:?}", desk.report());
        node.start_again();
        desk.until("everything confirmed", |r| r.lag == 0).await;
    }
    lifecycle.stop_soft();
    lifecycle.ended().await;
    desk.check(&desk.subscribe("restart").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blocked_broker_is_shown_and_waited_for() {
    let node = Node::disturbed().await;
    let desk = Desk::new(&node.url(), "blocked");
    let desk = Desk { settings: Settings { confirm_timeout: Duration::from_secs(1), ..desk.settings.clone() }, ..desk };
    let lifecycle = desk.run();
    desk.until("a connection", |r| r.state == State::Connected).await;
    let queue = desk.bind("blocked", "#", FieldTable::default()).await;
    node.ctl(&["set_vm_memory_high_watermark", "absolute", "1MB"]);
    desk.archive_messages(&peers(), 1, 200);
    // Until the broker has announced it, silence is no answer: a machine that is busy for a second costs a connection.
    desk.until("the block", |r| r.state == State::Blocked).await;
    let blocked = desk.report();
    desk.archive_messages(&peers(), 201, 400);
    // The alarm lasts longer than the broker may be silent otherwise: what it has announced is no reason to give up.
    sleep(2 * desk.settings.confirm_timeout).await;
    let report = desk.report();
    assert_eq!((report.state, report.connections), (State::Blocked, blocked.connections), "{report:?}");
    assert_eq!(report.position, blocked.position, "nothing is confirmed meanwhile");
    node.ctl(&["set_vm_memory_high_watermark", "absolute", "1GB"]);
    desk.until("everything confirmed", |r| r.lag == 0 && r.state == State::Connected).await;
    lifecycle.stop_soft();
    lifecycle.ended().await;
    drop(queue);
    desk.check(&desk.subscribe("blocked").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publisher_that_is_dropped_between_confirm_and_position_publishes_again_not_never() {
    let desk = Desk::new(&Node::shared().url(), "dropped");
    let mut publisher = desk.publisher();
    assert_eq!(publisher.step().await.unwrap(), StepOutcome::Busy, "it connects");
    let queue = desk.bind("dropped", "#", FieldTable::default()).await;
    desk.archive_messages(&peers()[..1], 1, 30);
    assert_eq!(publisher.step().await.unwrap(), StepOutcome::Busy, "it hands over the first batch");
    let end = Instant::now() + PATIENCE;
    while depth(&queue, "dropped").await < 36 {
        assert!(Instant::now() < end, "the broker did not get the batch");
        sleep(Duration::from_millis(10)).await;
    }
    drop(publisher);
    assert_eq!(desk.archive.view().position(PUBLISH).unwrap(), Seq(0));

    let lifecycle = desk.run();
    desk.until("everything confirmed", |r| r.lag == 0).await;
    lifecycle.stop_soft();
    lifecycle.ended().await;
    assert_eq!(depth(&queue, "dropped").await, 2 * 36);
    desk.check(&desk.subscribe("dropped").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_nobody_wants_are_counted_and_stop_nothing() {
    let desk = Desk::new(&Node::shared().url(), "unroutable");
    let lifecycle = desk.run();
    desk.until("a connection", |r| r.state == State::Connected).await;
    let [wanted, unwanted, _] = peers();
    let queue = desk.bind("unroutable", &format!("#.{wanted}"), FieldTable::default()).await;
    for id in 1..=300 {
        desk.archive_messages(&[wanted, unwanted, unwanted], id, id);
    }
    desk.until("everything confirmed", |r| r.lag == 0).await;
    let (report, kept) = (desk.report(), u64::from(depth(&queue, "unroutable").await));
    assert_eq!(report.unroutable + kept, desk.archive.last_seq().0);
    assert_eq!(kept, 330);
    assert_eq!(report.connections, 1);

    // A queue on the alternate exchange catches what no other queue wants; then it is not lost, and not counted.
    let alternate = channel(&desk.url).await;
    let declared = alternate.queue_declare("unroutable.rest".into(), QueueDeclareOptions::default(), FieldTable::default()).await;
    declared.unwrap();
    let (rest, exchange) = ("unroutable.rest".into(), desk.settings.unrouted().into());
    alternate.queue_bind(rest, exchange, "".into(), QueueBindOptions::default(), FieldTable::default()).await.unwrap();
    desk.archive_messages(&[unwanted], 301, 309);
    desk.until("everything confirmed", |r| r.lag == 0).await;
    assert_eq!(desk.report().unroutable, report.unroutable);
    assert_eq!(depth(&alternate, "unroutable.rest").await, 9);
    lifecycle.stop_soft();
    lifecycle.ended().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_is_full_gets_everything_in_the_end() {
    let desk = Desk::new(&Node::shared().url(), "full");
    let lifecycle = desk.run();
    desk.until("a connection", |r| r.state == State::Connected).await;
    drop(desk.bind("full", "#", rejecting(20)).await);
    desk.archive_messages(&peers(), 1, 60);
    desk.until("a refusal", |r| r.state == State::Blocked && r.last_error.is_some()).await;
    assert!(desk.report().last_error.unwrap().contains("refused the event of change"));
    desk.check_subsequence(&desk.subscribe("full").await);
    desk.until("everything confirmed", |r| r.lag == 0).await;
    assert_eq!(desk.report().connections, 1, "a refusal costs no connection");
    lifecycle.stop_soft();
    lifecycle.ended().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_window_of_one_a_queue_that_is_full_gets_everything_in_order_and_once() {
    let desk = Desk::new(&Node::shared().url(), "full-in-order");
    let desk = Desk { settings: Settings { window: 1, ..desk.settings.clone() }, ..desk };
    let lifecycle = desk.run();
    desk.until("a connection", |r| r.state == State::Connected).await;
    drop(desk.bind("full-in-order", "#", rejecting(20)).await);
    // It is bound to the same events, and nothing is ever refused there.
    drop(desk.bind("full-beside", "#", FieldTable::default()).await);
    desk.archive_messages(&peers(), 1, 60);
    desk.until("a refusal", |r| r.state == State::Blocked).await;
    let seen = desk.subscribe("full-in-order").await;
    desk.check(&seen);
    assert_eq!(seen.len() as u64, desk.archive.last_seq().0, "none came twice");
    desk.until("everything confirmed", |r| r.lag == 0).await;
    desk.check(&desk.subscribe("full-beside").await);
    lifecycle.stop_soft();
    lifecycle.ended().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_costs_the_others_no_order() {
    let desk = Desk::new(&Node::shared().url(), "full-others");
    let lifecycle = desk.run();
    desk.until("a connection", |r| r.state == State::Connected).await;
    drop(desk.bind("full-others.full", "#", rejecting(20)).await);
    drop(desk.bind("full-others", "#", FieldTable::default()).await);
    desk.archive_messages(&peers(), 1, 60);
    desk.until("a refusal", |r| r.state == State::Blocked).await;
    desk.check_subsequence(&desk.subscribe("full-others.full").await);
    desk.until("everything confirmed", |r| r.lag == 0).await;
    desk.check(&desk.subscribe("full-others").await);
    lifecycle.stop_soft();
    lifecycle.ended().await;
}

/// A queue that refuses what is more than so many events.
fn rejecting(length: i32) -> FieldTable {
    let mut arguments = FieldTable::default();
    arguments.insert("x-max-length".into(), AMQPValue::LongInt(length));
    arguments.insert("x-overflow".into(), AMQPValue::LongString("reject-publish".into()));
    arguments
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_broker_everything_else_goes_on() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let desk = Desk::new(&format!("amqp://crawler:s3cret@{closed}/%2f"), "none");
    let lifecycle = desk.run();
    desk.archive_messages(&peers(), 1, 100);
    desk.until("the reason", |r| r.last_error.is_some()).await;
    let report = desk.report();
    assert_eq!((report.state, report.position, report.lag), (State::Disconnected, 0, desk.archive.last_seq().0));
    let error = report.last_error.unwrap();
    assert!(error.contains("cannot be reached") && error.contains("crawler@") && !error.contains("s3cret"), "{error}");
    assert_eq!(lifecycle.workers()["publish"].failures, 0, "it is not a failure of the program");
    lifecycle.stop_soft();
    timeout(PATIENCE, lifecycle.ended()).await.expect("a soft stop ends");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_only_a_person_can_repair_is_said_and_not_tried_again_at_once() {
    let url = Node::shared().url();
    let desk = Desk::new(&url, "topology");
    let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    let exchange = desk.settings.exchange.as_str();
    channel(&url).await.exchange_declare(exchange.into(), ExchangeKind::Direct, durable, FieldTable::default()).await.unwrap();
    let elsewhere = Desk::new(&url.replace("guest:guest", "guest:s3cret"), "login");
    for (desk, expected) in [(&desk, "exchange `test.topology` cannot be used"), (&elsewhere, "refused the login")] {
        let mut publisher = desk.publisher();
        assert_eq!(publisher.step().await.unwrap(), StepOutcome::Idle);
        let error = desk.report().last_error.unwrap();
        assert!(error.contains(expected) && !error.contains("s3cret"), "{error}");
        assert!(desk.report().next_try.is_some());
        assert!(timeout(Duration::from_secs(2), publisher.wait()).await.is_err(), "it waits before it tries again");
        assert_eq!(desk.report().connections, 0);
    }
    let as_it_is = Desk { settings: Settings { declare: false, ..desk.settings.clone() }, ..desk };
    assert_eq!(as_it_is.publisher().step().await.unwrap(), StepOutcome::Busy, "an exchange can be used as it is");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_virtual_host_that_is_not_there_is_no_refused_login_and_a_lone_slash_is_the_default_one() {
    let url = Node::shared().url();
    let slash = Desk::new(&url.replace("%2f", ""), "slash");
    assert_eq!(slash.publisher().step().await.unwrap(), StepOutcome::Busy, "{:?}", slash.report().last_error);
    let elsewhere = Desk::new(&url.replace("%2f", "nosuchvhost"), "elsewhere");
    let mut publisher = elsewhere.publisher();
    assert_eq!(publisher.step().await.unwrap(), StepOutcome::Idle);
    let error = elsewhere.report().last_error.unwrap();
    assert!(error.contains("nosuchvhost` refuses the virtual host: ") && !error.contains("login"), "{error}");
    assert!(timeout(Duration::from_secs(2), publisher.wait()).await.is_err(), "it waits before it tries again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_permission_that_the_user_lacks_is_named_and_an_exchange_that_others_made_is_used_without_it() {
    let node = Node::shared();
    let (user, password) = ("limited", "7/s3cret#$?@:%w");
    node.ctl(&["add_user", user, password]);
    node.ctl(&["set_permissions", user, "", ".*", ".*"]);
    let url = node.url().replace("guest:guest", "limited:7%2Fs3cret%23%24%3F%40%3A%25w");
    let desk = Desk::new(&url, "permission");
    let mut publisher = desk.publisher();
    assert_eq!(publisher.step().await.unwrap(), StepOutcome::Idle);
    let error = desk.report().last_error.unwrap();
    assert!(error.contains("`configure` on exchange `test.permission.unrouted`"), "{error}");
    assert!(error.contains("ACCESS_REFUSED") && error.contains("set `publish.declare = false`"), "{error}");
    assert!(!error.contains("s3cret"), "{error}");

    let made = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    let exchange = desk.settings.exchange.as_str();
    let others = channel(&node.url()).await;
    others.exchange_declare(exchange.into(), ExchangeKind::Topic, made, FieldTable::default()).await.unwrap();
    let as_it_is = Desk { settings: Settings { declare: false, ..desk.settings.clone() }, ..desk };
    assert_eq!(as_it_is.publisher().step().await.unwrap(), StepOutcome::Busy, "{:?}", as_it_is.report().last_error);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_with_a_wrong_broker_asks_telegram_nothing() {
    let mut fleet = Fleet::new(small()).await;
    fleet.config.publish.url = BrokerUrl::read("amqp://crawler:7/s3cret@127.0.0.1:5672/%2f");
    let environment = Environment { clock: Arc::new(SystemClock), metrics: Arc::new(String::new) };
    let error = App::start(&fleet.config, &fleet.data(), environment).await.unwrap_err().to_string();
    assert!(error.contains("`publish.url` has an `@` after the host") && !error.contains("s3cret"), "{error}");
    assert_eq!(fleet.simulator.ledger().len(), 0);
}
