//! Nobody keeps a listener shut for others: crowds of connections that wait, each in its own way, and somebody who wants an answer.

#![expect(clippy::unwrap_used, reason = "what cannot be had fails the test")]

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use telescribe::archive::DataFolder;
use telescribe::http::{Sealing, Settings};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream, UnixStream};
use tokio::time::timeout;

use crate::support::messages::NOW;
use crate::support::served::{GROUP, Served, listening, said, some_raw};
use crate::support::waiting::{PATIENCE, until};

/// How many of them there are: several times as many as there are places.
const CROWD: usize = 300;
const PLACES: usize = 64;
const HEALTHZ: &[u8] = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n";

/// Nothing ends by time: a connection that is gone has made room for another one.
fn patient() -> Settings {
    Settings {
        connections_max: PLACES,
        header_timeout: 10 * PATIENCE,
        request_timeout: 10 * PATIENCE,
        write_timeout: 10 * PATIENCE,
        ..listening(Sealing::Off)
    }
}

/// Connects from an address of this machine; what it sends at once may find the connection closed.
async fn connect(from: Ipv4Addr, to: SocketAddr, request: &[u8]) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(64 * 1024).unwrap();
    socket.bind((from, 0).into()).unwrap();
    let mut stream = timeout(PATIENCE, socket.connect(to)).await.unwrap().unwrap();
    let _ = stream.write_all(request).await;
    stream
}

async fn crowd(to: SocketAddr, request: &[u8]) -> Vec<TcpStream> {
    let mut crowd = Vec::new();
    for _ in 0..CROWD {
        crowd.push(connect(Ipv4Addr::LOCALHOST, to, request).await);
    }
    crowd
}

/// The status line of the next response.
async fn status(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut line = String::new();
    while !line.ends_with("\r\n") {
        match timeout(PATIENCE, stream.read_u8()).await.expect("neither an answer nor an end") {
            Ok(byte) => line.push(byte.into()),
            Err(_) => return line,
        }
    }
    line.trim_end().to_owned()
}

/// Asks over a connection, and reads all of the response.
async fn is_well(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> bool {
    if stream.write_all(HEALTHZ).await.is_err() || status(stream).await != "HTTP/1.1 200 OK" {
        return false;
    }
    let (mut head, mut length) = (String::new(), 0);
    while !head.ends_with("\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap().into());
    }
    for line in head.lines() {
        length = line.to_lowercase().strip_prefix("content-length: ").map_or(length, |length| length.parse().unwrap());
    }
    stream.read_exact(&mut vec![0; length]).await.unwrap();
    true
}

/// Somebody who comes behind all of them is answered, each time, and so is the owner of the data folder.
async fn somebody_else_is_answered(served: &Served) {
    for _ in 0..10 {
        let mut other = connect(Ipv4Addr::LOCALHOST, served.address, b"").await;
        assert!(is_well(&mut other).await);
    }
    let mut owner = UnixStream::connect(DataFolder::socket(served.folder.path())).await.unwrap();
    assert!(is_well(&mut owner).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_that_asks_and_never_reads_keeps_nobody_out() {
    let served = Served::start(patient()).await;
    let request = b"GET /openapi.json HTTP/1.1\r\nhost: localhost\r\n\r\n".repeat(20);
    let crowd = crowd(served.address, &request).await;
    somebody_else_is_answered(&served).await;
    drop(crowd);
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_that_says_nothing_more_keeps_nobody_out_and_who_has_waited_longest_goes() {
    let served = Served::start(patient()).await;
    let mut crowd = Vec::new();
    for at in 0..CROWD {
        let mut stream = connect(Ipv4Addr::LOCALHOST, served.address, b"").await;
        assert!(is_well(&mut stream).await, "{at}");
        crowd.push(stream);
    }
    somebody_else_is_answered(&served).await;
    assert!(!is_well(&mut crowd[0]).await, "it has waited longest");
    assert!(is_well(crowd.last_mut().unwrap()).await, "it was answered just now");
    drop(crowd);
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn crowds_whose_requests_never_end_keep_nobody_out() {
    let served = Served::start(patient()).await;
    for request in [
        &b""[..],
        b"GET /healthz HTTP/1.1\r\nhost: local",
        b"POST /v1/sealed HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/jose\r\ncontent-length: 1000\r\n\r\nabc",
    ] {
        let crowd = crowd(served.address, request).await;
        somebody_else_is_answered(&served).await;
        drop(crowd);
    }
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_address_with_all_that_it_may_have_keeps_no_other_one_out() {
    let served = Served::start(patient()).await;
    let greedy = Ipv4Addr::new(127, 0, 0, 2);
    let follow = b"GET /v1/changes?after=0&follow=true HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let mut streams = Vec::new();
    for at in 0..PLACES - PLACES / 8 {
        let mut stream = connect(greedy, served.address, follow).await;
        assert_eq!(status(&mut stream).await, "HTTP/1.1 200 OK", "{at}");
        streams.push(stream);
    }
    // None of them waits, so none goes.
    let mut one_more = connect(greedy, served.address, b"").await;
    assert!(!is_well(&mut one_more).await);
    somebody_else_is_answered(&served).await;
    streams.pop();
    let is_let_in = || async { is_well(&mut connect(greedy, served.address, b"").await).await };
    let end = Instant::now() + PATIENCE;
    while !is_let_in().await {
        assert!(Instant::now() < end, "its share is not used up");
    }
    drop(streams);
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_takes_nothing_is_disconnected_and_the_owner_is_not() {
    let served = Served::start(Settings { write_timeout: Duration::from_millis(300), ..patient() }).await;
    let request = b"GET /openapi.json HTTP/1.1\r\nhost: localhost\r\n\r\n".repeat(100);
    let before = served.lifecycle.tasks();
    // Whoever looks at one page of an output for long is not the network's problem.
    let mut owner = UnixStream::connect(DataFolder::socket(served.folder.path())).await.unwrap();
    let _ = timeout(Duration::from_millis(100), owner.write_all(&request)).await;
    until("it is served", || served.lifecycle.tasks() == before + 1).await;
    for _ in 0..3 {
        let stream = connect(Ipv4Addr::LOCALHOST, served.address, b"").await;
        until("it is served, too", || served.lifecycle.tasks() == before + 2).await;
        let (_reading, mut writing) = stream.into_split();
        let _ = timeout(Duration::from_millis(100), writing.write_all(&request)).await;
        until("it is disconnected", || served.lifecycle.tasks() == before + 1).await;
    }
    drop(owner);
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_reads_slowly_gets_everything() {
    const WRITE_TIMEOUT: Duration = Duration::from_secs(5);
    const REQUESTS: usize = 50;
    let served = Served::start(Settings { write_timeout: WRITE_TIMEOUT, ..patient() }).await;
    let length = served.get("/openapi.json").await.body.len();
    let mut request = b"GET /openapi.json HTTP/1.1\r\nhost: localhost\r\n\r\n".repeat(REQUESTS - 1);
    request.extend(b"GET /openapi.json HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    let mut stream = connect(Ipv4Addr::LOCALHOST, served.address, &request).await;
    let (begun, mut read, mut piece) = (Instant::now(), 0, vec![0; 16 * 1024]);
    loop {
        let bytes = timeout(PATIENCE, stream.read(&mut piece)).await.unwrap().unwrap();
        read += bytes;
        if bytes == 0 {
            break;
        }
        // Slow for longer than the timeout, and then no longer than it takes.
        if begun.elapsed() < WRITE_TIMEOUT * 3 / 2 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    assert!(read > REQUESTS * length, "{read} bytes of {REQUESTS} times {length}");
    served.stop().await;
}

#[tokio::test]
async fn an_old_connection_ends_with_a_response_and_a_stream_over_it_goes_on() {
    let served = Served::start(Settings { connection_lifetime: Duration::ZERO, ..patient() }).await;
    let mut stream = connect(Ipv4Addr::LOCALHOST, served.address, &HEALTHZ.repeat(2)).await;
    let mut text = String::new();
    timeout(PATIENCE, stream.read_to_string(&mut text)).await.unwrap().unwrap();
    assert_eq!((text.matches("HTTP/1.1 200 OK").count(), text.matches("connection: close").count()), (1, 1), "{text}");

    let follow = b"GET /v1/changes?after=0&follow=true HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let mut stream = connect(Ipv4Addr::LOCALHOST, served.address, follow).await;
    let mut seen = String::new();
    let mut until_seen = async |what: &str| {
        while !seen.contains(what) {
            let mut piece = vec![0; 1_000];
            let bytes = timeout(PATIENCE, stream.read(&mut piece)).await.unwrap().unwrap();
            assert!(bytes > 0, "it ended: {seen}");
            seen.push_str(&String::from_utf8_lossy(&piece[..bytes]));
        }
    };
    until_seen("message number 40").await;
    let mut write = served.archive.write(NOW);
    write.message(said(GROUP, 50, "something new"), some_raw(), 0);
    write.commit().unwrap();
    until_seen("something new").await;
    served.stop().await;

    let served = Served::start(patient()).await;
    let mut stream = connect(Ipv4Addr::LOCALHOST, served.address, b"").await;
    assert!(is_well(&mut stream).await && is_well(&mut stream).await, "a young one is kept");
    drop(stream);
    served.stop().await;
}
