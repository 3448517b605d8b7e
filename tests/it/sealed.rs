//! A sealed listener answers those who hold a key, and tells everybody else one and the same thing.

#![expect(clippy::unwrap_used, reason = "what cannot be had fails the test")]

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use serde_json::{Value, json};
use telescribe::archive::{Archive, DataFolder, Raw};
use telescribe::cli::client::Globals;
use telescribe::cli::search::{Args, Sort};
use telescribe::cli::{self, Out};
use telescribe::http::Sealing;
use telescribe::lifecycle::Lifecycle;
use telescribe::model::{Clock as _, FixedClock, PeerId};
use telescribe::seal::{self, Key, KeyRing, SealedRequest};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

use crate::support::commands::{Written, globals};
use crate::support::messages::{NOW, message};
use crate::support::program::binary;
use crate::support::served::{Answer, Served, listening};

/// A key that the server knows.
fn key(served: &Served) -> Arc<Key> {
    let path = DataFolder::keys(served.folder.path());
    let mut ring = KeyRing::load(&path).unwrap();
    let key = ring.add_new(&"tester".parse().unwrap(), served.clock.now(), &mut seal::system_random());
    ring.save(&path).unwrap();
    key
}

fn sealed(served: &Served, key: &Key, method: &str, target: &str, body: Option<&Value>) -> SealedRequest {
    seal::seal_request(key, method, target, body, served.clock.now(), &mut seal::system_random())
}

async fn get(served: &Served, target: &str, token: &str) -> Answer {
    served.ask("GET", target, &[("authorization", &format!("Bearer {token}"))], "").await
}

/// Asks sealed and opens the answer.
async fn ask(served: &Served, key: &Arc<Key>, target: &str) -> (u16, Value) {
    let request = sealed(served, key, "GET", target, None);
    let answer = get(served, target, &request.token).await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("content-type"), answer.header("cache-control")),
        (200, "application/jose", "no-store")
    );
    let opened = seal::open_answer(std::str::from_utf8(&answer.body).unwrap(), key, &request.jti).unwrap();
    (opened.status, opened.body)
}

#[tokio::test]
async fn a_sealed_question_gets_a_sealed_answer() {
    let served = Served::start(listening(Sealing::Required)).await;
    let key = key(&served);
    let (status, found) = ask(&served, &key, "/v1/search?q=%E4%BB%8A%E5%A4%A9").await;
    assert_eq!((status, &found["hits"][0]["message"]["text"]), (200, &json!("我觉得今天天气很好")));

    let body = json!({ "q": "книга" });
    let request = sealed(&served, &key, "POST", "/v1/search", Some(&body));
    let answer = served.ask("POST", "/v1/search", &[("content-type", "application/jose")], &request.token).await;
    let opened = seal::open_answer(std::str::from_utf8(&answer.body).unwrap(), &key, &request.jti).unwrap();
    assert_eq!(opened.body["hits"][0]["message"]["text"], "Читаю новую книгу");
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
    ] {
        let (inner, problem) = ask(&served, &key, target).await;
        assert_eq!((inner, &problem["code"]), (status, &json!(code)), "{target}");
    }
    served.stop().await;
}

#[tokio::test]
async fn whoever_holds_no_key_is_told_one_and_the_same_thing() {
    let served = Served::start(listening(Sealing::Required)).await;
    let key = key(&served);
    let target = "/v1/peers";
    let good = sealed(&served, &key, "GET", target, None).token;
    assert_eq!(get(&served, target, &good).await.status, 200);

    let random = &mut seal::system_random();
    let stranger = Key::generate(&"tester".parse().unwrap(), served.clock.now(), random);
    let at = |seconds: i64| {
        let clock = FixedClock::new(NOW);
        clock.advance(seconds);
        seal::seal_request(&key, "GET", target, None, clock.now(), &mut seal::system_random()).token
    };
    let mut tampered = sealed(&served, &key, "GET", target, None).token.into_bytes();
    let middle = tampered.len() / 2;
    tampered[middle] = if tampered[middle] == b'A' { b'B' } else { b'A' };
    let reflected = get(&served, target, &sealed(&served, &key, "GET", target, None).token).await.body;
    let tokens = [
        ("nothing", String::new()),
        ("no token", "abc".to_owned()),
        ("a stranger's key", sealed(&served, &stranger, "GET", target, None).token),
        ("a changed byte", String::from_utf8(tampered).unwrap()),
        ("an old request", at(-121)),
        ("a request from the future", at(121)),
        ("a replayed request", good),
        ("another path", sealed(&served, &key, "GET", "/v1/status", None).token),
        ("another query", sealed(&served, &key, "GET", "/v1/peers?all=true", None).token),
        ("another method", sealed(&served, &key, "POST", target, None).token),
        ("a reflected answer", String::from_utf8(reflected.to_vec()).unwrap()),
    ];
    let plain = served.get(target).await;
    assert_eq!(plain.status, 401);
    insta::assert_json_snapshot!(plain.json());
    for (what, token) in tokens {
        let started = Instant::now();
        let answer = get(&served, target, &token).await;
        assert!(started.elapsed() >= seal::REFUSAL_DELAY, "{what} was refused early");
        assert_eq!((answer.status, &answer.body), (plain.status, &plain.body), "{what}");
        let mut names: Vec<_> = answer.headers.keys().collect();
        let mut expected: Vec<_> = plain.headers.keys().collect();
        names.sort_by_key(|name| name.as_str());
        expected.sort_by_key(|name| name.as_str());
        assert_eq!(names, expected, "{what}");
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
    assert_eq!(get(&served, "/v1/status", &request.token).await.status, 401);
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
fn client_key(served: &Served) -> PathBuf {
    // The commands ask the real clock.
    served.clock.advance(telescribe::model::SystemClock.timestamp().0 - NOW.0);
    let path = served.folder.path().join("client.json");
    let shared = key(served);
    KeyRing::default().save(&path).unwrap();
    std::fs::write(&path, &*KeyRing::export(&shared)).unwrap();
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
        let globals = Globals { data: served.folder.path().to_owned(), json, server: server.clone(), key: Some(path.clone()) };
        let query = ["secretword", "тайное", "密码", "after:2001-01-01"].map(str::to_owned).to_vec();
        let args = Args { query, sort, limit: limit.try_into().unwrap(), all };
        let written = Written::default();
        cli::search::write(&args, &globals, &mut Out::to(written.clone())).await.unwrap();
        let lines = written.text().lines().filter(|line| line.contains("密码")).count();
        assert_eq!(lines, hits, "{}", written.text());
    }
    let (seen, requests) = (wire.text(), wire.requests());
    assert!(requests.len() > 4 * 2, "several pages: {requests:?}");
    assert!(requests.iter().all(|line| line == "POST /v1/search HTTP/1.1"), "{requests:?}");
    for secret in ["secretword", "тайное", "密码", "%E5%AF%86", "%D1%82", "2001-01-01", "relevance", "cursor"] {
        assert!(!seen.contains(secret), "`{secret}` is on the wire");
    }
    served.stop().await;
}

/// Runs the binary while a server in this process answers it.
async fn run_beside(arguments: &[&str]) -> (String, String) {
    let mut command = binary();
    command.args(arguments);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let (out, err) = (text(output.stdout), text(output.stderr));
    assert!(output.status.code().is_some_and(|code| code < 2), "{arguments:?}: {out}{err}");
    (out, err)
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_that_show_a_path_on_the_way_say_so_once_and_beside_their_output() {
    let served = Served::start_with(listening(Sealing::Required), secrets).await;
    let key = client_key(&served).display().to_string();
    let (data, server) = (served.folder.path().display().to_string(), format!("http://{}", served.address));
    for command in [
        &["dump", "--all", "--json"][..],
        &["changes", "--json"],
        &["peers", "--json"],
        &["show", "-60", "7", "--json"],
        &["coverage", "--json"],
        &["schedule", "--json"],
        &["status"],
        &["search", "secretword", "--all", "--json"],
    ] {
        let (here, quiet) = run_beside(&[&["--data", &data], command].concat()).await;
        assert_eq!(quiet, "", "{command:?}");
        let (there, note) = run_beside(&[&["--server", &server, "--key", &key], command].concat()).await;
        if command[0] != "status" {
            assert!(!there.is_empty() && there == here, "{command:?}");
        }
        if command[0] == "search" {
            assert_eq!(note, "");
        } else {
            assert!(note.starts_with("note: ") && note.contains("the path of the request"), "{command:?}: {note}");
            assert_eq!(note.lines().count(), 1, "{command:?}: {note}");
        }
    }
    served.stop().await;
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
