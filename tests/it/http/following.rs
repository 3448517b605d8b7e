//! The change log is followed for as long as somebody reads, also while nothing happens, and from nowhere but a place that there is.

#![expect(clippy::unwrap_used, reason = "what cannot be had fails the test")]

use std::net::SocketAddr;
use std::time::Duration;

use http_body_util::{BodyExt as _, Empty};
use hyper::Request;
use hyper::body::{Bytes, Incoming};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use telescribe::http::{Sealing, Settings};
use telescribe::lifecycle::Lifecycle;
use telescribe::model::PeerId;
use tokio::net::TcpStream;

use crate::support::messages::NOW;
use crate::support::served::{NEWS, Served, listening, said, some_raw};
use crate::support::waiting::PATIENCE;

/// Begins to follow; what has come of the body, and what comes.
async fn follow(at: SocketAddr, target: &str) -> (u16, Incoming) {
    let stream = TcpStream::connect(at).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    let request = Request::get(target).header("host", "localhost").body(Empty::<Bytes>::new()).unwrap();
    Lifecycle::new().task(async move { drop(connection.await) });
    let answer = tokio::time::timeout(PATIENCE, sender.send_request(request)).await.expect("it begins").unwrap();
    (answer.status().as_u16(), answer.into_body())
}

async fn next(body: &mut Incoming) -> Bytes {
    let frame = tokio::time::timeout(PATIENCE, body.frame()).await.expect("something comes");
    frame.expect("it goes on").unwrap().into_data().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_begins_at_once_says_that_it_is_there_and_has_what_comes_after_the_timeout_of_a_request() {
    let timeout = Duration::from_millis(200);
    let served = Served::start(Settings { request_timeout: timeout, ..listening(Sealing::Off) }).await;
    let last = served.archive.last_seq();
    let (status, mut body) = follow(served.address, &format!("/v1/changes?follow=true&after={last}")).await;
    assert_eq!(status, 200);
    // More often than the timeout is long: what cut it off would have by now.
    for _ in 0..5 {
        assert_eq!(next(&mut body).await, "\n");
    }
    add(&served, NEWS, 900);
    let line = loop {
        let bytes = next(&mut body).await;
        if bytes != "\n" {
            break bytes;
        }
    };
    let change: Value = serde_json::from_slice(&line).unwrap();
    assert_eq!((&change["id"], change["seq"].as_u64()), (&900.into(), Some(last.0 + 1)));
    served.stop().await;
}

fn add(served: &Served, peer: PeerId, id: i32) {
    let mut write = served.archive.write(NOW);
    write.message(said(peer, id, "new"), some_raw(), 0);
    write.commit().unwrap();
}

#[tokio::test]
async fn a_place_behind_the_end_is_refused_with_the_end() {
    let served = Served::start(listening(Sealing::Off)).await;
    let last = served.archive.last_seq();
    for follow in ["", "&follow=true"] {
        let answer = served.get(&format!("/v1/changes?after={}{follow}", last.0 + 1)).await;
        let problem = answer.json();
        assert_eq!(answer.status, 409, "{problem}");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains(&last.to_string()) && detail.contains(served.archive.id()), "{detail}");
        assert_eq!(served.get(&format!("/v1/changes?after={last}&limit=1")).await.status, 200);
    }
    served.stop().await;
}
