//! Brokers that answer nothing any more, or end the handshake: what is told, and what a try leaves behind.

#![expect(clippy::unwrap_used, reason = "what cannot be had fails the test")]

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use lapin::types::FieldTable;
use telescribe::lifecycle::{StepOutcome, Worker as _};
use telescribe::output::State;
use telescribe::output::rabbitmq::Settings;

use crate::support::desk::{Desk, peers};
use crate::support::rabbit::Node;
use crate::support::waiting::until;

/// What is between the program and a broker, and can stop passing anything on without closing anything.
struct Proxy {
    address: SocketAddr,
    is_frozen: Arc<AtomicBool>,
    accepted: Arc<AtomicUsize>,
}

impl Proxy {
    fn before(broker: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (is_frozen, accepted) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let (frozen, count) = (Arc::clone(&is_frozen), Arc::clone(&accepted));
        std::thread::spawn(move || {
            let mut held = Vec::new();
            for client in listener.incoming() {
                let client = client.unwrap();
                count.fetch_add(1, Ordering::SeqCst);
                if frozen.load(Ordering::SeqCst) {
                    held.push(client);
                    continue;
                }
                let server = TcpStream::connect(&broker).unwrap();
                for (mut from, mut to) in
                    [(client.try_clone().unwrap(), server.try_clone().unwrap()), (server.try_clone().unwrap(), client)]
                {
                    let frozen = Arc::clone(&frozen);
                    std::thread::spawn(move || pass_on(&mut from, &mut to, &frozen));
                }
            }
        });
        Self { address, is_frozen, accepted }
    }

    /// Sockets of this process that are connected to it.
    fn sockets(&self) -> usize {
        let remote = format!("0100007F:{:04X}", self.address.port());
        let table = std::fs::read_to_string("/proc/self/net/tcp").unwrap();
        let lines = table.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
        lines.filter(|line| line[2] == remote && line[9] != "0").count()
    }
}

fn pass_on(from: &mut TcpStream, to: &mut TcpStream, is_frozen: &AtomicBool) {
    let mut bytes = [0; 16 << 10];
    while let Ok(count) = from.read(&mut bytes) {
        while is_frozen.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(20));
        }
        if count == 0 || to.write_all(&bytes[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_a_broker_hangs_no_try_leaves_a_socket_behind_and_nothing_is_lost() {
    let node = Node::shared();
    let url = node.url();
    let (before, behind) = (url.find('@').unwrap() + 1, url.rfind('/').unwrap());
    let proxy = Proxy::before(url[before..behind].to_owned());
    let desk = Desk::new(&url, "hanging");
    let through = format!("{}{}{}", &url[..before], proxy.address, &url[behind..]);
    let (connect_timeout, confirm_timeout) = (Duration::from_millis(500), Duration::from_secs(5));
    let settings = Settings { connect_timeout, confirm_timeout, url: through.parse().unwrap(), ..desk.settings.clone() };
    // The first connection is made with all the time there is.
    let desk = Desk { settings: Settings { connect_timeout: Duration::from_secs(30), ..settings.clone() }, ..desk };
    let lifecycle = desk.run();
    desk.until("a connection", |r| r.state == State::Connected).await;
    drop(desk.bind("hanging", "#", FieldTable::default()).await);
    desk.archive_messages(&peers(), 1, 50);
    desk.until("everything confirmed", |r| r.lag == 0).await;
    lifecycle.stop_soft();
    lifecycle.ended().await;

    let desk = Desk { settings, ..desk };
    let lifecycle = desk.run();
    desk.until("a connection", |r| r.state == State::Connected && r.connections >= 2).await;
    let tries = proxy.accepted.load(Ordering::SeqCst);
    proxy.is_frozen.store(true, Ordering::SeqCst);
    desk.archive_messages(&peers(), 51, 100);
    until("some tries", || proxy.accepted.load(Ordering::SeqCst) >= tries + 5).await;
    desk.until("the reason", |r| r.last_error.as_deref().is_some_and(|error| error.contains("no response for 500ms"))).await;
    let report = desk.report();
    assert!(report.state == State::Disconnected && report.next_try.is_some(), "{report:?}");
    until("what was given up is closed", || proxy.sockets() <= 1).await;
    proxy.is_frozen.store(false, Ordering::SeqCst);
    desk.until("everything confirmed", |r| r.lag == 0).await;
    assert_eq!(desk.report().next_try, None);
    lifecycle.stop_soft();
    lifecycle.ended().await;
    until("the last one is closed, too", || proxy.sockets() == 0).await;
    desk.check(&desk.subscribe("hanging").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_whose_frames_are_too_small_is_told_as_such() {
    let node = Node::disturbed().await;
    let desk = Desk::new(&node.url(), "frames");
    let of_broker = |bytes: usize| node.ctl(&["eval", &format!("application:set_env(rabbit, frame_max, {bytes}).")]);
    of_broker(4_096);
    let mut publisher = desk.publisher();
    let step = publisher.step().await;
    of_broker(131_072);
    assert_eq!(step.unwrap(), StepOutcome::Idle);
    let error = desk.report().last_error.unwrap();
    assert!(error.contains("closed the connection during the handshake") && error.contains("`frame_max`"), "{error}");
    assert!(error.contains("below the 8192 bytes that are needed"), "{error}");
    assert!(desk.report().next_try.is_some());
    publisher.wait().await;
    assert_eq!(publisher.step().await.unwrap(), StepOutcome::Busy, "{:?}", desk.report());
}
