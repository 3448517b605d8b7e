//! A sealed listener answers those who hold a key, and tells everybody else one and the same thing.

#![expect(clippy::unwrap_used, reason = "what cannot be had fails the test")]

mod attacks;
mod rights;
pub(crate) mod wire;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use telescribe::archive::{Archive, DataFolder, Raw};
use telescribe::cli::client::Globals;
use telescribe::cli::search::{Args, Sort};
use telescribe::cli::{self, Out};
use telescribe::http::Sealing;
use telescribe::lifecycle::Lifecycle;
use telescribe::model::{Clock as _, PeerId};
use telescribe::seal::{self, Destination, Key, KeyRing, SealedRequest};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

use crate::support::commands::{Written, globals};
use crate::support::messages::{NOW, message};
use crate::support::served::{Answer, Served, listening};

/// A key that the server knows.
pub(crate) fn key(served: &Served) -> Arc<Key> {
    let path = DataFolder::keys(served.folder.path());
    let mut ring = KeyRing::load(&path).unwrap();
    let key = ring.add_new(&"tester".parse().unwrap(), served.clock.now(), &mut seal::system_random());
    ring.save(&path).unwrap();
    key
}

fn sealed(served: &Served, key: &Key, method: &str, target: &str, body: Option<&Value>) -> SealedRequest {
    sealed_for(&served.destination, served, key, (method, target, body))
}

fn sealed_for(to: &Destination, served: &Served, key: &Key, what: (&str, &str, Option<&Value>)) -> SealedRequest {
    let (method, target, body) = what;
    seal::seal_request(key, to, method, target, body, served.clock.now(), &mut seal::system_random())
}

/// Sends a token to where all of them go.
async fn post(served: &Served, token: &str) -> Answer {
    served.ask("POST", "/v1/sealed", &[("content-type", "application/jose")], token).await
}

/// Opens an answer.
fn opened(answer: &Answer, key: &Arc<Key>, request: &SealedRequest) -> (u16, Value) {
    assert_eq!(
        (answer.status.as_u16(), answer.header("content-type"), answer.header("cache-control")),
        (200, "application/jose", "no-store")
    );
    let opened = seal::open_answer(std::str::from_utf8(&answer.body).unwrap(), key, &request.jti).unwrap();
    (opened.status, opened.body)
}

/// Asks sealed and opens the answer.
pub(crate) async fn ask(served: &Served, key: &Arc<Key>, target: &str) -> (u16, Value) {
    let request = sealed(served, key, "GET", target, None);
    opened(&post(served, &request.token).await, key, &request)
}

#[tokio::test]
async fn a_sealed_question_gets_a_sealed_answer() {
    let served = Served::start(listening(Sealing::Required)).await;
    let key = key(&served);
    // As a URL has it, and as people write it.
    for target in ["/v1/search?q=%E4%BB%8A%E5%A4%A9", "/v1/search?q=今天", "/v1/search?q=今天 -\"x y\""] {
        let (status, found) = ask(&served, &key, target).await;
        assert_eq!((status, &found["hits"][0]["message"]["text"]), (200, &json!("我觉得今天天气很好")), "{target}: {found}");
    }
    let body = json!({ "q": "книга" });
    let request = sealed(&served, &key, "POST", "/v1/search", Some(&body));
    // Nothing of the outer request means anything, but its body.
    let headers =
        [("content-type", "application/jose"), ("range", "bytes=0-1"), ("authorization", "Bearer x"), ("host", "other")];
    let answer = served.ask("POST", "/v1/sealed", &headers, &request.token).await;
    assert_eq!(opened(&answer, &key, &request).1["hits"][0]["message"]["text"], "Читаю новую книгу");
    served.stop().await;
}

#[tokio::test]
async fn what_is_wrong_with_an_opened_question_is_told_sealed() {
    let served = Served::start(listening(Sealing::Required)).await;
    let key = key(&served);
    for (target, status, code) in [
        ("/v1/peers/@nobody", 404, "unknown-peer"),
        ("/v1/search?q=a&limit=x", 400, "bad-parameter"),
        ("/v1/nowhere", 404, "unknown-path"),
        ("/v1/nowhere#x", 400, "bad-body"),
        ("v1/peers", 400, "bad-body"),
        ("http://other.example/v1/peers", 400, "bad-body"),
        ("", 400, "bad-body"),
        ("/v1/sealed?x=1", 400, "bad-parameter"),
    ] {
        let (inner, problem) = ask(&served, &key, target).await;
        assert_eq!((inner, &problem["code"]), (status, &json!(code)), "{target}");
    }
    for (method, target, status, code) in [
        ("PUT", "/v1/peers", 405, "method-not-allowed"),
        ("HEAD", "/v1/peers", 405, "method-not-allowed"),
        ("get", "/v1/peers", 405, "method-not-allowed"),
        ("POST", "/v1/peers", 405, "method-not-allowed"),
        ("POST", "/v1/sealed", 400, "bad-body"),
        ("POST", "/v1/join", 403, "not-operator"),
    ] {
        let request = sealed(&served, &key, method, target, Some(&json!({})));
        let (inner, problem) = opened(&post(&served, &request.token).await, &key, &request);
        assert_eq!((inner, &problem["code"]), (status, &json!(code)), "{method} {target}");
    }
    served.stop().await;
}

#[tokio::test]
async fn a_new_key_works_and_a_removed_one_stops_without_a_restart() {
    let served = Served::start(listening(Sealing::Required)).await;
    let key = key(&served);
    assert_eq!(ask(&served, &key, "/v1/status").await.0, 200);
    let path = DataFolder::keys(served.folder.path());
    let mut ring = KeyRing::load(&path).unwrap();
    ring.remove(key.id());
    ring.save(&path).unwrap();
    let request = sealed(&served, &key, "GET", "/v1/status", None);
    assert_eq!(post(&served, &request.token).await.status, 401);
    served.stop().await;
}

#[tokio::test]
async fn a_key_file_that_vanishes_locks_nobody_out_of_a_running_program() {
    let served = Served::start(listening(Sealing::Required)).await;
    let key = key(&served);
    assert_eq!(ask(&served, &key, "/v1/status").await.0, 200);
    std::fs::remove_file(DataFolder::keys(served.folder.path())).unwrap();
    for _ in 0..2 {
        assert_eq!(ask(&served, &key, "/v1/status").await.0, 200);
    }
    served.stop().await;
}

#[tokio::test]
async fn an_optional_listener_takes_both_from_this_machine_but_not_through_a_proxy() {
    let served = Served::start(listening(Sealing::Optional)).await;
    let key = key(&served);
    assert_eq!(served.get("/v1/peers").await.status, 200);
    assert_eq!(ask(&served, &key, "/v1/peers").await.0, 200);
    assert_eq!(served.ask("GET", "/v1/peers", &[("x-forwarded-for", "203.0.113.9")], "").await.status, 401);
    served.stop().await;
}

#[tokio::test]
async fn sealed_pages_are_small_enough_for_every_library() {
    let served = Served::start(listening(Sealing::Required)).await;
    let key = key(&served);
    let mut write = served.archive.write(NOW);
    for id in 1..=100 {
        write.message(message(PeerId(-60), id, &"长".repeat(2_000)), Raw::default(), 0);
    }
    write.commit().unwrap();
    let mut target = "/v1/dump?peer=-60".to_owned();
    let mut lines = 0;
    loop {
        let (status, page) = ask(&served, &key, &target).await;
        assert_eq!(status, 200);
        assert!(page.to_string().len() < seal::PORTABLE_PLAINTEXT_MAX, "{}", page.to_string().len());
        lines += page["lines"].as_array().unwrap().len();
        let Some(next) = page["next"].as_str() else { break };
        target = format!("/v1/dump?peer=-60&after={}", next.replace('/', "%2F"));
    }
    assert_eq!(lines, 101);
    let (_, page) = ask(&served, &key, "/v1/changes?limit=200").await;
    assert!(page.to_string().len() < seal::PORTABLE_PLAINTEXT_MAX);
    let last = page["changes"].as_array().unwrap().last().unwrap();
    assert_eq!(page["next"], format!("{}:{}", last["epoch"].as_str().unwrap(), last["seq"]));
    served.stop().await;
}

/// A wire to a server that remembers every byte, both ways.
struct Wire {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<u8>>>,
}

impl Wire {
    async fn to(served: &Served) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, seen) = (listener.local_addr().unwrap(), Arc::default());
        let (server, notes, tasks) = (served.address, Arc::clone(&seen), served.lifecycle.clone());
        served.lifecycle.task(async move {
            while let Some(Ok((client, _))) = unless_stopped(&tasks, listener.accept()).await {
                let (from, to) = client.into_split();
                let (back, forth) = TcpStream::connect(server).await.unwrap().into_split();
                for (from, to) in [(from, forth), (back, to)] {
                    let (notes, until) = (Arc::clone(&notes), tasks.clone());
                    tasks.task(async move { unless_stopped(&until, carry(from, to, notes)).await.unwrap_or_default() });
                }
            }
        });
        Self { address, seen }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.seen.lock().unwrap()).into_owned()
    }

    /// Forgets what it has seen.
    fn clear(&self) {
        self.seen.lock().unwrap().clear();
    }

    /// The first lines of all requests.
    fn requests(&self) -> Vec<String> {
        let text = self.text();
        text.split("\r\n")
            .flat_map(|line| line.find("POST /").or_else(|| line.find("GET /")).map(|at| line[at..].to_owned()))
            .collect()
    }
}

async fn unless_stopped<T>(lifecycle: &Lifecycle, future: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        done = future => Some(done),
        () = lifecycle.stop_asked() => None,
    }
}

async fn carry(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, seen: Arc<Mutex<Vec<u8>>>) {
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        seen.lock().unwrap().extend_from_slice(&buffer[..count]);
        if to.write_all(&buffer[..count]).await.is_err() {
            break;
        }
    }
    let _ = to.shutdown().await;
}

/// A client's key file for a server whose clock is the commands'.
pub(crate) fn client_key(served: &Served) -> PathBuf {
    // The commands ask the real clock.
    served.clock.advance(telescribe::model::SystemClock.timestamp().0 - NOW.0);
    let path = served.folder.path().join("client.json");
    let shared = key(served);
    KeyRing::export_to(&path, &shared, &served.destination.server).unwrap();
    path
}

fn secrets(archive: &Archive) {
    let mut write = archive.write(NOW);
    for id in 1..=230 {
        let text = format!("secretword and тайное 密码 of {id}");
        write.message(message(PeerId(-60), id, &text), Raw::default(), 0);
    }
    write.commit().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sealed_search_shows_nothing_of_what_is_searched_for_on_any_page() {
    let served = Served::start_with(listening(Sealing::Required), secrets).await;
    let (path, wire) = (client_key(&served), Wire::to(&served).await);
    let server = Some(format!("http://{}", wire.address));
    for (sort, limit, all, json, hits) in [
        (Sort::Newest, 20, true, true, 230),
        (Sort::Oldest, 210, false, true, 210),
        (Sort::Relevance, 20, true, true, 230),
        (Sort::Newest, 20, false, false, 20),
    ] {
        let globals =
            Globals { data: served.folder.path().to_owned(), json, server: server.clone(), ca: None, key: Some(path.clone()) };
        let query = ["secretword", "тайное", "密码", "after:2001-01-01"].map(str::to_owned).to_vec();
        let args = Args { sort, limit: limit.try_into().unwrap(), all, ..Args::new(query) };
        let written = Written::default();
        cli::search::write(&args, &globals, &mut Out::to(written.clone())).await.unwrap();
        let lines = written.text().lines().filter(|line| line.contains("密码")).count();
        assert_eq!(lines, hits, "{}", written.text());
    }
    let (seen, requests) = (wire.text(), wire.requests());
    assert!(requests.len() > 4 * 2, "several pages: {requests:?}");
    assert!(requests.iter().all(|line| is_hidden(line)), "{requests:?}");
    for secret in ["secretword", "тайное", "密码", "%E5%AF%86", "%D1%82", "2001-01-01", "relevance", "cursor"] {
        assert!(!seen.contains(secret), "`{secret}` is on the wire");
    }
    served.stop().await;
}

/// Whether the first line of a request says nothing of what is asked.
fn is_hidden(line: &str) -> bool {
    matches!(line, "POST /v1/sealed HTTP/1.1" | "GET /v1/sealed HTTP/1.1")
}

#[tokio::test]
async fn commands_ask_a_server_elsewhere_sealed() {
    let served = Served::start(listening(Sealing::Required)).await;
    let path = client_key(&served);
    let plain = Globals { json: true, ..globals(served.folder.path()) };
    let sealed = Globals { server: Some(format!("http://{}", served.address)), key: Some(path), ..plain.clone() };
    let (written, mut texts) = (Written::default(), Vec::new());
    for globals in [&plain, &sealed] {
        let mut out = Out::to(written.clone());
        cli::dump::write(&cli::dump::Args { all: true, peer: None }, globals, &mut out).await.unwrap();
        let changes = cli::changes::Args { after: "3".parse().unwrap(), limit: Some(7.try_into().unwrap()), follow: false };
        cli::changes::write(&changes, globals, &mut out).await.unwrap();
        cli::peers::write(&cli::peers::Args { all: false }, globals, &mut out).await.unwrap();
        texts.push(written.text());
    }
    assert!(texts[0].lines().count() > 30);
    assert_eq!(texts[0], texts[1]);
    served.stop().await;
}
