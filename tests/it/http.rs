//! HTTP answers what the archive holds, within bounds, and says clearly what is wrong.

#![expect(clippy::unwrap_used, reason = "what cannot be had fails the test")]

use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::{HeaderMap, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use telescribe::archive::{Archive, DataFolder, Durability, Raw};
use telescribe::cli::client::Globals;
use telescribe::cli::{self, Out};
use telescribe::config::{Config, Span};
use telescribe::http::{Bound, Context, Keys, Listener, Local, Sealing, Settings, SettingsError, StatusSource};
use telescribe::lifecycle::Lifecycle;
use telescribe::model::{
    AccountName, Counters, FixedClock, IdRange, Message, MessageId, MessageKey, Peer, PeerId, PeerKind, Reaction, Service,
    Timestamp,
};
use telescribe::search::{Index, Indexer, IndexerSettings};
use telescribe::views::ProgramView;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

pub(crate) const NOW: Timestamp = Timestamp(1_706_702_400);
pub(crate) const NEWS: PeerId = PeerId(-1_001_500_000_001);
pub(crate) const GROUP: PeerId = PeerId(-1_001_500_000_002);
const ALICE: PeerId = PeerId(7_000_001);
/// Longer than anything here takes, on a machine that does four other things.
const PATIENCE: Duration = Duration::from_secs(90);

/// A server over a small archive, and a client for it.
pub(crate) struct Served {
    pub(crate) folder: TempDir,
    pub(crate) archive: Arc<Archive>,
    pub(crate) clock: FixedClock,
    pub(crate) lifecycle: Lifecycle,
    pub(crate) address: SocketAddr,
    metrics: SocketAddr,
    _lock: DataFolder,
}

/// An answer as it came.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {:?}", self.body))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|v| v.to_str().unwrap()).unwrap_or_default()
    }
}

pub(crate) fn listening(sealing: Sealing) -> Settings {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    Settings { listeners: vec![Listener::new(any, sealing)], metrics: vec![any], ..Settings::default() }
}

impl Served {
    pub(crate) async fn start(settings: Settings) -> Self {
        Self::start_with(settings, |_| ()).await
    }

    /// The same with more in the archive.
    pub(crate) async fn start_with(settings: Settings, more: impl FnOnce(&Archive)) -> Self {
        let folder = TempDir::new().unwrap();
        let lock = DataFolder::lock(folder.path()).unwrap();
        let archive = Arc::new(Archive::open(&lock.archive(), Durability::Os).unwrap());
        fill(&archive);
        more(&archive);
        let index = Arc::new(Index::open(&lock.index()).unwrap());
        Indexer::new(Arc::clone(&index), Arc::clone(&archive), IndexerSettings::default()).catch_up().await.unwrap();
        let (clock, lifecycle) = (FixedClock::new(NOW), Lifecycle::new());
        let socket = DataFolder::socket(folder.path());
        let bound = Bound::bind(&settings, Some(&socket)).await.unwrap();
        let (address, metrics) = (bound.addresses()[0], bound.metrics_addresses()[0]);
        let context = Context::new(Arc::clone(&archive), index, Arc::new(clock.clone()), lifecycle.clone())
            .with_settings(settings)
            .with_operator(telescribe::app::planned(&plan(), Arc::clone(&archive), Arc::new(clock.clone())).unwrap())
            .with_metrics(Arc::new(|| "# the metrics\n".to_owned()))
            .with_keys(Keys::open(&DataFolder::keys(folder.path())).unwrap());
        bound.serve(&Arc::new(context));
        Self { folder, archive, clock, lifecycle, address, metrics, _lock: lock }
    }

    pub(crate) async fn get(&self, target: &str) -> Answer {
        self.ask("GET", target, &[], "").await
    }

    pub(crate) async fn ask(&self, method: &str, target: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        self.ask_at(self.address, method, target, headers, body).await
    }

    async fn ask_at(&self, at: SocketAddr, method: &str, target: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let stream = TcpStream::connect(at).await.unwrap();
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        self.lifecycle.task(async move {
            let _ = connection.await;
        });
        let mut request = Request::builder().method(method).uri(target);
        if !headers.iter().any(|(name, _)| *name == "host") {
            request = request.header("host", at.to_string());
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = sender.send_request(request.body(Full::<Bytes>::from(body.to_owned())).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        Answer { status: parts.status, headers: parts.headers, body: body.collect().await.unwrap().to_bytes() }
    }

    pub(crate) async fn stop(self) {
        self.lifecycle.stop_soft();
        tokio::time::timeout(PATIENCE, self.lifecycle.ended()).await.expect("everything ended");
        assert_eq!(self.lifecycle.tasks(), 0);
    }
}

fn message(peer: PeerId, id: i32, text: &str) -> Message {
    let key = MessageKey { peer, id: MessageId(id) };
    Message { text: text.to_owned(), sender: Some(ALICE), ..Message::new(key, Timestamp(NOW.0 - 1_000 + i64::from(id))) }
}

fn raw() -> Raw {
    Raw { layer: 230, tl: vec![1, 2, 3] }
}

/// Two peers: a complete channel with an edit and a deletion, and a group that is half read.
fn fill(archive: &Archive) {
    let peer = |id, kind, title: &str, username: Option<&str>| Peer {
        username: username.map(str::to_owned),
        ..Peer::new(id, kind, title.to_owned())
    };
    let mut write = archive.write(NOW);
    write.peer(peer(NEWS, PeerKind::Channel, "Новости", Some("novosti")));
    write.peer(peer(GROUP, PeerKind::Supergroup, "天气群", None));
    write.peer(peer(ALICE, PeerKind::User, "Alice", Some("alice")));
    for (id, text) in [(1, "我觉得今天天气很好"), (2, "Читаю новую книгу"), (3, "see the report"), (4, "soon gone")]
    {
        write.message(message(NEWS, id, text), raw(), 0);
    }
    write.covered(NEWS, IdRange { first: 1, last: 5 });
    write.cursor(NEWS, |cursor| cursor.top = 5);
    for id in 21..=40 {
        write.message(message(GROUP, id, &format!("message number {id}")), raw(), 0);
    }
    write.covered(GROUP, IdRange { first: 21, last: 40 });
    write.commit().unwrap();
    let mut write = archive.write(Timestamp(NOW.0 + 60));
    let edited = Message { edited: Some(Timestamp(NOW.0 + 30)), ..message(NEWS, 3, "see the corrected report") };
    write.message(edited, raw(), NOW.0 + 30);
    write.delete(MessageKey { peer: NEWS, id: MessageId(4) });
    write.commit().unwrap();
}

/// What is planned, without jitter, which is another for each archive.
fn plan() -> Config {
    let mut config = Config::default();
    for job in [&mut config.jobs.discover, &mut config.jobs.catch_up, &mut config.jobs.backfill] {
        job.jitter = Span::seconds(0);
    }
    (config.jobs.recheck.jitter, config.jobs.counters.jitter) = (Span::seconds(0), Span::seconds(0));
    let jobs = r#"[{ "name": "news", "peers": ["@novosti", "title:*news*"], "catch_up": { "cron": "*/5 * * * * *" } }]"#;
    config.jobs.overrides = serde_json::from_str(jobs).unwrap();
    config
}

/// Who sees the two peers, how they are counted, a forum's topic, and deletions that are not believed yet.
pub(crate) fn furnish(archive: &Archive) {
    let accounts = ["alpha", "bravo"].map(|name| name.parse::<AccountName>().unwrap());
    let [alpha, bravo] = &accounts;
    let mut write = archive.write(Timestamp(NOW.0 + 120));
    write.joined(NEWS, alpha).folders(NEWS, alpha, vec!["Work".to_owned()]).joined(NEWS, bravo).joined(GROUP, alpha);
    write.member_count(NEWS, 1_200);
    let reactions = Some(vec![Reaction { emoji: "👍".to_owned(), count: 2 }]);
    write.counters(at(NEWS, 3), Counters { views: Some(90), forwards: Some(1), replies: None, reactions });
    let service = Service { action: "topic_create".to_owned(), title: Some("天气".to_owned()), ..Service::default() };
    write.message(Message { service: Some(service), ..message(GROUP, 41, "") }, raw(), 0);
    write.commit().unwrap();
    let mut write = archive.write(Timestamp(NOW.0 + 180));
    write.left(NEWS, bravo).member_count(NEWS, 1_199);
    write.counters(at(NEWS, 3), Counters { views: Some(95), ..Counters::default() });
    write.cursor(GROUP, |cursor| {
        cursor.recheck.insert(IdRange { first: 30, last: 31 });
        cursor.held.insert(IdRange { first: 35, last: 38 });
        cursor.held_until = Some(Timestamp(NOW.0 + 3_600));
    });
    write.commit().unwrap();
}

fn at(peer: PeerId, id: i32) -> MessageKey {
    MessageKey { peer, id: MessageId(id) }
}

#[tokio::test]
async fn each_resource_answers_in_its_documented_shape() {
    let served = Served::start_with(listening(Sealing::Off), furnish).await;
    let mut shapes = Vec::new();
    for target in [
        "/v1/search?q=%E4%BB%8A%E5%A4%A9",
        "/v1/search?q=report&sort=relevance",
        "/v1/peers",
        "/v1/peers?all=true&limit=1",
        "/v1/peers/@novosti",
        "/v1/peers/-1001500000001/messages?limit=2",
        "/v1/peers/-1001500000001/messages/3?raw=true",
        "/v1/peers/-1001500000001/messages/3/counters",
        "/v1/peers/-1001500000001/messages/3/counters?limit=1",
        "/v1/peers/@novosti/counters",
        "/v1/peers/@novosti/counters?after=2024-01-31T12:02:00Z",
        "/v1/peers/@novosti/accounts",
        "/v1/peers/-1001500000002/topics",
        "/v1/peers/-1001500000001/coverage",
        "/v1/peers/-1001500000002/coverage",
        "/v1/coverage",
        "/v1/jobs",
        "/v1/status",
    ] {
        let answer = served.get(target).await;
        let mut body = answer.json();
        if let Some(id) = body.pointer_mut("/archive/id") {
            *id = json!("[id]");
        }
        if let Some(size) = body.pointer_mut("/archive/disk_size") {
            assert!(size.as_u64() > Some(0), "an archive takes space");
            *size = json!("[bytes]");
        }
        if let Some(score) = body.pointer_mut("/hits/0/score") {
            *score = json!("[score]");
        }
        shapes.push(json!({ "target": target, "status": answer.status.as_u16(), "body": body }));
    }
    insta::assert_json_snapshot!(shapes);
    served.stop().await;
}

#[tokio::test]
async fn what_is_wrong_is_told_as_a_problem_with_a_stable_code() {
    let served = Served::start(listening(Sealing::Off)).await;
    let mut problems = Vec::new();
    for (method, target) in [
        ("GET", "/v1/serch"),
        ("DELETE", "/v1/peers"),
        ("GET", "/v1/search"),
        ("GET", "/v1/search?q=a&sorted=newest"),
        ("GET", "/v1/search?q=a&limit=many"),
        ("GET", "/v1/search?q=a&limit=0"),
        ("GET", "/v1/search?q=a&limit=100000"),
        ("GET", "/v1/search?q=a&q=b"),
        ("GET", "/v1/search?q=a&cursor=zzz"),
        ("GET", "/v1/search?q=(a"),
        ("GET", "/v1/peers?all=maybe"),
        ("GET", "/v1/peers/nobody"),
        ("GET", "/v1/peers/@nobody"),
        ("GET", "/v1/peers/%FF"),
        ("GET", "/v1/peers/-1001500000001/messages/5"),
        ("GET", "/v1/peers/-1001500000002/messages/7"),
        ("GET", "/v1/peers/-1001500000001/messages/x"),
        ("GET", "/v1/peers/7000001/coverage"),
        ("GET", "/v1/peers/-1001500000001/messages?order=random"),
        ("GET", "/v1/status?verbose"),
        ("POST", "/v1/search"),
        ("GET", "/v1/peers/@nobody/accounts"),
        ("GET", "/v1/peers/-1001500000001/messages/5/counters"),
        ("GET", "/v1/peers/@novosti/counters?after=yesterday"),
        ("GET", "/v1/jobs/recheck/run"),
        ("POST", "/v1/jobs/recheck/run"),
        ("POST", "/v1/join"),
    ] {
        let answer = served.ask(method, target, &[], "").await;
        assert_eq!(answer.header("content-type"), "application/problem+json", "{target}");
        let body = answer.json();
        assert_eq!(body["status"], answer.status.as_u16());
        problems.push(format!(
            "{method} {target}\n    {} {}: {}",
            body["status"],
            body["code"],
            body["detail"].as_str().unwrap()
        ));
    }
    let json = [("content-type", "application/json")];
    for body in ["", "[]", r#"{"q":1}"#, r#"{"q":"a","limt":1}"#, r#"{"q":"a","limit":"1"}"#] {
        let problem = served.ask("POST", "/v1/search", &json, body).await.json();
        problems.push(format!(
            "POST {body}\n    {} {}: {}",
            problem["status"],
            problem["code"],
            problem["detail"].as_str().unwrap()
        ));
    }
    insta::assert_snapshot!(problems.join("\n"));
    insta::assert_json_snapshot!("a_problem", served.get("/v1/peers/nobody").await.json());
    served.stop().await;
}

#[tokio::test]
async fn wishes_are_heard_where_the_listener_says_so_and_told_what_is_wrong_with_them() {
    let mut settings = listening(Sealing::Off);
    settings.listeners[0].operate = true;
    let served = Served::start(settings).await;
    let json = [("content-type", "application/json")];
    let mut problems = Vec::new();
    for (target, headers, body) in [
        ("/v1/jobs/nightly/run", &json[..], "{}"),
        ("/v1/jobs/recheck/run", &json, r#"{"peers":[]}"#),
        ("/v1/jobs/recheck/run", &json, r#"{"peers":["novosti"]}"#),
        ("/v1/jobs/recheck/run", &json, r#"{"peers":["kind:bot"]}"#),
        ("/v1/jobs/recheck/run", &json, r#"{"peers":[7]}"#),
        ("/v1/jobs/recheck/run", &json, r#"{"peer":["@a"]}"#),
        ("/v1/jobs/recheck/run", &json, "[]"),
        ("/v1/jobs/recheck/run", &[], "{}"),
        ("/v1/jobs/recheck/run", &[("content-type", "text/plain")], "{}"),
        ("/v1/jobs/discover/run", &json, r#"{"peers":["@novosti"]}"#),
        ("/v1/jobs/recheck/run", &json, "{}"),
        ("/v1/join", &json, "{}"),
        ("/v1/join", &json, r#"{"peer":7}"#),
        ("/v1/join", &json, r#"{"peer":"@novosti","acount":"alpha"}"#), // typos: ignore
        ("/v1/join", &json, r#"{"peer":"@novosti"}"#),
    ] {
        let problem = served.ask("POST", target, headers, body).await.json();
        let (status, code, detail) = (&problem["status"], &problem["code"], problem["detail"].as_str().unwrap());
        problems.push(format!("POST {target} {body}\n    {status} {code}: {detail}"));
    }
    insta::assert_snapshot!(problems.join("\n"));
    served.stop().await;
}

#[tokio::test]
async fn a_search_by_body_finds_what_a_search_by_link_finds() {
    let served = Served::start(listening(Sealing::Off)).await;
    let by_link = served.get("/v1/search?q=%D0%BA%D0%BD%D0%B8%D0%B3%D0%B0&sort=oldest&limit=5").await;
    let body = r#"{"q":"книга","sort":"oldest","limit":5,"cursor":null}"#;
    let by_body = served.ask("POST", "/v1/search", &[("content-type", "application/json; charset=utf-8")], body).await;
    assert_eq!(by_link.json(), by_body.json());
    assert_eq!(by_link.json()["hits"][0]["message"]["text"], "Читаю новую книгу");
    assert_eq!(by_link.json()["hits"][0]["snippet"]["highlights"], json!([[12, 5]]), "in UTF-16 code units");
    served.stop().await;
}

#[tokio::test]
async fn pages_follow_each_other_without_gap_or_repetition() {
    let served = Served::start(listening(Sealing::Off)).await;
    for order in ["newest", "oldest"] {
        let mut ids = Vec::new();
        let mut more = String::new();
        loop {
            let page = served.get(&format!("/v1/peers/{GROUP}/messages?limit=7&order={order}{more}")).await.json();
            ids.extend(page["messages"].as_array().unwrap().iter().map(|m| m["id"].as_i64().unwrap()));
            let Some(next) = page["next"].as_i64() else { break };
            more = if order == "newest" { format!("&before={next}") } else { format!("&after={next}") };
        }
        let mut expected: Vec<i64> = (21..=40).collect();
        if order == "newest" {
            expected.reverse();
        }
        assert_eq!(ids, expected);
    }
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = served.get(&format!("/v1/search?q=number&limit=7{cursor}")).await.json();
        assert_eq!(page["total"], json!({ "count": 20, "exact": true }));
        found.extend(page["hits"].as_array().unwrap().iter().map(|h| h["message"]["id"].as_i64().unwrap()));
        let Some(next) = page["next"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(found, (21..=40).rev().collect::<Vec<i64>>());
    served.stop().await;
}

const DUMP: &str = r#"{"type":"peer","id":-1001500000002,"kind":"supergroup","title":"天气群"}
{"type":"peer","id":-1001500000001,"kind":"channel","title":"Новости","username":"novosti"}
"#;

#[tokio::test]
async fn a_dump_holds_every_line_in_the_documented_order() {
    let served = Served::start(listening(Sealing::Off)).await;
    let mut expected = DUMP.to_owned();
    let line = |peer: PeerId, id: i32, text: &str, edited: &str| {
        let date = message(peer, id, "").date;
        format!(
            "{{\"type\":\"message\",\"peer\":{peer},\"id\":{id},\"date\":\"{date}\",\"sender\":7000001,\"text\":\"{text}\"{edited}}}\n"
        )
    };
    for id in 21..=40 {
        expected += &line(GROUP, id, &format!("message number {id}"), "");
    }
    expected += &line(NEWS, 1, "我觉得今天天气很好", "");
    expected += &line(NEWS, 2, "Читаю новую книгу", "");
    expected += &line(NEWS, 3, "see the corrected report", r#","edited":"2024-01-31T12:00:30Z""#);
    let answer = served.get("/v1/dump").await;
    assert_eq!(String::from_utf8_lossy(&answer.body), expected);
    assert_eq!(answer.header("content-type"), "application/x-ndjson");

    let all = served.get("/v1/dump?all=true&peer=@novosti").await;
    insta::assert_snapshot!(String::from_utf8_lossy(&all.body));
    served.stop().await;
}

#[tokio::test]
async fn a_large_dump_is_sent_whole_in_many_chunks() {
    let served = Served::start(listening(Sealing::Off)).await;
    let mut write = served.archive.write(NOW);
    for id in 1..=5_000 {
        write.message(message(PeerId(-50), id, &"long text ".repeat(10)), raw(), 0);
    }
    write.commit().unwrap();
    let mut write = served.archive.write(NOW);
    (2..4_900).for_each(|id| {
        write.delete(MessageKey { peer: PeerId(-50), id: MessageId(id) });
    });
    write.commit().unwrap();
    let lines = |body: &Bytes| body.iter().filter(|byte| **byte == b'\n').count();
    assert_eq!(lines(&served.get("/v1/dump?peer=-50&all=true").await.body), 5_001);
    assert_eq!(
        lines(&served.get("/v1/dump?peer=-50").await.body),
        1 + 5_000 - 4_898,
        "also past chunks in which nothing is shown"
    );
    served.stop().await;
}

#[tokio::test]
async fn changes_come_in_order_and_a_follower_sees_new_ones() {
    // Shorter than the follower waits: the timeout must not end a stream.
    let settings = Settings { header_timeout: Span::new(Duration::from_millis(300)), ..listening(Sealing::Off) };
    let served = Served::start(settings).await;
    let all = served.get("/v1/changes").await;
    let all: Vec<Value> =
        all.body.split(|b| *b == b'\n').filter(|l| !l.is_empty()).map(|l| serde_json::from_slice(l).unwrap()).collect();
    let seqs: Vec<u64> = all.iter().map(|change| change["seq"].as_u64().unwrap()).collect();
    assert_eq!(seqs, (1..=served.archive.last_seq().0).collect::<Vec<_>>());
    insta::assert_json_snapshot!([&all[0], &all[3], &all[all.len() - 2], &all[all.len() - 1]]);

    let events = served.get("/v1/changes?events=true&limit=29").await;
    let published = telescribe::publish::events(&served.archive, telescribe::model::Seq(0), 29).unwrap();
    let bodies: Vec<u8> = published.into_iter().flat_map(|event| [event.body, vec![b'\n']].concat()).collect();
    assert_eq!(events.body, bodies, "the stream is what a broker would get");

    let last = served.archive.last_seq().0;
    let mut stream = TcpStream::connect(served.address).await.unwrap();
    let head = format!("GET /v1/changes?follow=true&after={last} HTTP/1.1\r\nHost: {}\r\n\r\n", served.address);
    stream.write_all(head.as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(800)).await;
    let mut write = served.archive.write(NOW);
    write.message(message(NEWS, 6, "breaking"), raw(), 0);
    write.commit().unwrap();
    let mut seen = String::new();
    while !seen.contains("breaking") {
        let mut buffer = [0; 4096];
        let count = tokio::time::timeout(PATIENCE, stream.read(&mut buffer)).await.expect("in time").unwrap();
        assert!(count > 0, "the stream ended: {seen}");
        seen.push_str(&String::from_utf8_lossy(&buffer[..count]));
    }
    served.stop().await;
}

#[tokio::test]
async fn a_client_that_is_slow_with_its_headers_is_cut_off() {
    const HALF: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: ";
    let waiting = |timeout: Duration| Settings { header_timeout: Span::new(timeout), ..listening(Sealing::Off) };
    let served = Served::start(waiting(Duration::from_millis(300))).await;
    // The timeout that is set is what cuts it off: with a longer one the same connection stays, though it is older.
    let patient = Served::start(waiting(2 * PATIENCE)).await;
    let mut older = TcpStream::connect(patient.address).await.unwrap();
    older.write_all(HALF).await.unwrap();
    let mut stream = TcpStream::connect(served.address).await.unwrap();
    stream.write_all(HALF).await.unwrap();
    let mut rest = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut rest)).await;
    assert!(read.is_ok(), "still open");
    older.write_all(b"localhost\r\n\r\n").await.unwrap();
    let mut answer = [0; 12];
    older.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
    drop(older);
    patient.stop().await;
    assert!(!rest.starts_with(b"HTTP/1.1 200"));
    served.stop().await;
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused() {
    let served = Served::start(Settings { body_size_max: 1_000, ..listening(Sealing::Off) }).await;
    let body = json!({ "q": "a".repeat(2_000) }).to_string();
    for media_type in ["application/json", "application/jose"] {
        let answer = served.ask("POST", "/v1/search", &[("content-type", media_type)], &body).await;
        assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE, "{media_type}");
        assert_eq!(answer.json()["code"], "body-too-large");
    }
    served.stop().await;
}

#[tokio::test]
async fn nothing_plain_is_offered_to_other_machines() {
    let everywhere: SocketAddr = "0.0.0.0:8470".parse().unwrap();
    let off = Settings { listeners: vec![Listener::new(everywhere, Sealing::Off)], ..Settings::default() };
    assert_eq!(off.check(), Err(SettingsError::PlainForOthers(everywhere)));
    insta::assert_snapshot!(off.check().unwrap_err());
    let metrics = Settings { metrics: vec!["0.0.0.0:9470".parse().unwrap()], ..Settings::default() };
    assert_eq!(metrics.check(), Err(SettingsError::MetricsForOthers(metrics.metrics[0])));
    assert_eq!(Settings::default().check(), Ok(()));
    let mut toml = String::from("listeners = [{ address = \"[::1]:1\" }]\nrequest_timeout = \"1m\"\n");
    let read: Settings = toml::from_str(&toml).unwrap();
    assert_eq!(read.listeners[0].sealing, Sealing::Required, "sealing is the default");
    toml.push_str("page_size = 3\n");
    assert!(toml::from_str::<Settings>(&toml).unwrap_err().to_string().contains("unknown field `page_size`"));
}

#[tokio::test]
async fn a_web_page_of_somebody_else_cannot_read_the_archive_through_a_name_that_points_here() {
    let served = Served::start(listening(Sealing::Off)).await;
    for (host, status) in
        [("evil.example", 403), ("localhost:1", 200), ("127.0.0.1", 200), ("[::1]:80", 200), ("127.0.0.1.evil.example", 403)]
    {
        assert_eq!(served.ask("GET", "/v1/peers", &[("host", host)], "").await.status, status, "{host}");
    }
    served.stop().await;
}

#[tokio::test]
async fn metrics_have_a_listener_of_their_own() {
    let served = Served::start(listening(Sealing::Required)).await;
    assert_eq!(served.ask_at(served.metrics, "GET", "/metrics", &[], "").await.body, "# the metrics\n");
    assert_eq!(served.ask_at(served.metrics, "GET", "/v1/peers", &[], "").await.status, StatusCode::NOT_FOUND);
    assert_eq!(served.get("/metrics").await.status, StatusCode::UNAUTHORIZED);
    served.stop().await;
}

#[tokio::test]
async fn the_page_loads_nothing_from_elsewhere_and_everybody_may_load_it() {
    let served = Served::start(listening(Sealing::Required)).await;
    for path in ["/", "/page.js", "/page.css"] {
        let answer = served.get(path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
        assert!(answer.header("content-security-policy").starts_with("default-src 'none'"));
        let text = String::from_utf8(answer.body.to_vec()).unwrap();
        assert!(!text.contains("http://") && !text.contains("https://"), "{path} names another server");
    }
    for path in ["/healthz", "/readyz", "/openapi.json"] {
        assert_eq!(served.get(path).await.status, StatusCode::OK, "{path}");
    }
    served.stop().await;
}

/// A program that is slow (until the other end of the channel is gone), fails, or is not ready.
struct Troubled(&'static str, Mutex<std::sync::mpsc::Receiver<()>>);

impl StatusSource for Troubled {
    fn status(&self) -> ProgramView {
        match self.0 {
            // Longer than the request timeout, however slow the machine: until the answer is there.
            "slow" => drop(self.1.lock().unwrap().recv()),
            "fails" => panic!("secret"),
            _ => {}
        }
        ProgramView { running: true, ..ProgramView::default() }
    }

    fn unready(&self) -> Option<String> {
        Some("the archive is being upgraded".to_owned())
    }
}

#[tokio::test]
async fn what_is_slow_or_fails_inside_is_answered_in_time_and_without_its_words() {
    let folder = TempDir::new().unwrap();
    let archive = Arc::new(Archive::open(&folder.path().join("archive"), Durability::Os).unwrap());
    let index = Arc::new(Index::open(&folder.path().join("index")).unwrap());
    let settings = Settings { request_timeout: Span::new(Duration::from_secs(2)), ..Settings::default() };
    let mut answers = Vec::new();
    for trouble in ["none", "slow", "fails"] {
        let (held, waiting) = std::sync::mpsc::channel::<()>();
        let context = Context::new(Arc::clone(&archive), Arc::clone(&index), Arc::new(FixedClock::new(NOW)), Lifecycle::new())
            .with_settings(settings.clone())
            .with_status(Arc::new(Troubled(trouble, waiting.into())));
        let local = Local::new(Arc::new(context));
        for target in ["/v1/status", "/readyz"] {
            let response = local.ask(Request::get(target).body(Bytes::new()).unwrap()).await;
            let status = response.status();
            let body: Value = serde_json::from_slice(&response.into_body().collect().await.unwrap().to_bytes()).unwrap();
            answers.push(format!("{trouble} {target}: {status} {} {} {}", body["code"], body["detail"], body["running"]));
        }
        drop(held);
    }
    insta::assert_snapshot!(answers.join("\n"));
}

#[tokio::test]
async fn the_api_describes_itself() {
    let served = Served::start(listening(Sealing::Off)).await;
    let mut description = served.get("/openapi.json").await.json();
    description["info"]["version"] = json!("[version]");
    insta::assert_json_snapshot!(description);
    served.stop().await;
}

#[tokio::test]
async fn every_answer_carries_a_request_id() {
    let served = Served::start(listening(Sealing::Off)).await;
    assert_eq!(served.ask("GET", "/healthz", &[("x-request-id", "mine-1")], "").await.header("x-request-id"), "mine-1");
    assert_eq!(served.get("/nowhere").await.header("x-request-id").len(), 36);
    assert_ne!(served.ask("GET", "/healthz", &[("x-request-id", "a b")], "").await.header("x-request-id"), "a b");
    served.stop().await;
}

#[tokio::test]
async fn the_socket_is_the_owners_alone_and_replaces_one_that_a_killed_process_left() {
    use std::os::unix::fs::PermissionsExt as _;
    let served = Served::start(listening(Sealing::Required)).await;
    let socket = DataFolder::socket(served.folder.path());
    assert_eq!(std::fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    let again = Bound::bind(&listening(Sealing::Required), Some(&socket)).await;
    assert!(again.is_ok(), "{again:?}");
    let file = served.folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    assert!(Bound::bind(&listening(Sealing::Required), Some(&file)).await.is_err(), "only sockets are replaced");
    let deep = served.folder.path().join("d".repeat(120));
    std::fs::create_dir(&deep).unwrap();
    Bound::bind(&listening(Sealing::Required), Some(&deep.join("telescribe.sock"))).await.expect("a socket with a long path");
    served.stop().await;
}

/// What a command writes.
#[derive(Clone, Default)]
pub(crate) struct Written(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        std::io::Write::write(&mut *self.0.lock().unwrap(), bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Written {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(std::mem::take(&mut self.0.lock().unwrap())).unwrap()
    }
}

pub(crate) fn globals(data: &Path) -> Globals {
    Globals { data: data.to_owned(), json: false, server: None, key: None }
}

/// Runs every reading command and shows what it wrote.
async fn run_all(globals: &Globals) -> String {
    let written = Written::default();
    let mut out = Out::to(written.clone());
    let mut shown = String::new();
    let mut note = |name: &str, code: ExitCode| shown.push_str(&format!("$ {name} -> {code:?}\n{}\n", written.text()));
    let sort = cli::search::Sort::Newest;
    let limit = 20.try_into().unwrap();
    let search = cli::search::Args { query: vec!["今天".to_owned()], sort, limit, all: false };
    note("search", cli::search::write(&search, globals, &mut out).await.unwrap());
    let none = cli::search::Args { query: vec!["nothingatall".to_owned()], ..search };
    note("search", cli::search::write(&none, globals, &mut out).await.unwrap());
    let show = cli::show::Args { peer: "@novosti".to_owned(), id: 3, raw: false };
    note("show", cli::show::write(&show, globals, &mut out).await.unwrap());
    let absent = cli::show::Args { id: 99, ..show };
    note("show", cli::show::write(&absent, globals, &mut out).await.unwrap());
    note("peers", cli::peers::write(&cli::peers::Args { all: true }, globals, &mut out).await.unwrap());
    let changes = cli::changes::Args { after: 24, limit: None, follow: false };
    note("changes", cli::changes::write(&changes, globals, &mut out).await.unwrap());
    let coverage = cli::coverage::Args { peer: None, incomplete: false };
    note("coverage", cli::coverage::write(&coverage, globals, &mut out).await.unwrap());
    let coverage = cli::coverage::Args { peer: Some(GROUP.to_string()), incomplete: false };
    note("coverage", cli::coverage::write(&coverage, globals, &mut out).await.unwrap());
    let counters = cli::counters::Args { peer: "@novosti".to_owned(), message: None };
    note("counters", cli::counters::write(&counters, globals, &mut out).await.unwrap());
    let counters = cli::counters::Args { message: Some(3), ..counters };
    note("counters", cli::counters::write(&counters, globals, &mut out).await.unwrap());
    let none = cli::counters::Args { peer: GROUP.to_string(), message: None };
    note("counters", cli::counters::write(&none, globals, &mut out).await.unwrap());
    let dump = cli::dump::Args { all: true, peer: Some("@novosti".to_owned()) };
    note("dump", cli::dump::write(&dump, globals, &mut out).await.unwrap());
    shown
}

#[tokio::test]
async fn commands_show_the_same_whether_a_daemon_has_the_archive_or_nobody() {
    let mut served = Served::start_with(listening(Sealing::Off), furnish).await;
    let folder = std::mem::replace(&mut served.folder, TempDir::new().unwrap());
    let over_the_socket = run_all(&globals(folder.path())).await;
    insta::assert_snapshot!(over_the_socket);
    let server = Globals { server: Some(format!("http://{}", served.address)), ..globals(Path::new("nowhere")) };
    assert_eq!(run_all(&server).await, over_the_socket, "over TCP");
    served.stop().await;
    assert!(!DataFolder::socket(folder.path()).exists(), "the socket went with the daemon");
    assert_eq!(run_all(&globals(folder.path())).await, over_the_socket, "in this process");
}

#[tokio::test]
async fn the_schedule_is_shown_as_a_table() {
    let served = Served::start(listening(Sealing::Off)).await;
    for (job, at) in [("catch-up", 100), ("ended/catch-up", 90), ("recheck", 5_000)] {
        let mut write = served.archive.write(Timestamp(NOW.0 - at));
        write.job_started(job);
        write.commit().unwrap();
    }
    let written = Written::default();
    let folder = served.folder.path().to_owned();
    let args = cli::schedule::Args::default();
    cli::schedule::write(&args, &globals(&folder), || Ok(plan()), &mut Out::to(written.clone())).await.unwrap();
    insta::assert_snapshot!(written.text());
    served.stop().await;
}

#[test]
fn commands_are_written_as_their_examples_say() {
    use clap::{CommandFactory as _, Parser as _};

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        globals: Globals,
        #[command(subcommand)]
        command: Command,
    }

    #[derive(clap::Subcommand)]
    enum Command {
        Search(cli::search::Args),
        Show(cli::show::Args),
        Peers(cli::peers::Args),
        Changes(cli::changes::Args),
        Dump(cli::dump::Args),
        Coverage(cli::coverage::Args),
        Counters(cli::counters::Args),
        Schedule(cli::schedule::Args),
        Join(cli::join::Args),
        Status(cli::status::Args),
    }

    Line::command().debug_assert();
    let read = |line: &str| Line::try_parse_from(line.split(' ')).unwrap_or_else(|e| panic!("{line}: {e}"));
    let Line { globals, command: Command::Search(search) } = read("telescribe search 今天 天气 --json --limit 5") else {
        panic!()
    };
    assert_eq!((search.query.len(), search.limit.get(), globals.json), (2, 5, true));
    let Command::Search(search) = read("telescribe search -- -bad good").command else { panic!() };
    assert_eq!(search.query, ["-bad", "good"]);
    let Line { globals, command: Command::Show(show) } = read("telescribe show -1001500000001 42 --json") else { panic!() };
    assert_eq!((show.peer.as_str(), show.id, globals.json), ("-1001500000001", 42, true));
    let Command::Dump(dump) = read("telescribe dump --all --peer -1001500000001").command else { panic!() };
    assert_eq!(dump.peer.as_deref(), Some("-1001500000001"));
    for line in [
        "peers --all",
        "changes --after 7 --follow",
        "coverage -1001500000001",
        "coverage --incomplete",
        "counters @novosti",
        "counters -1001500000001 42 --json",
        "schedule",
        "schedule run recheck --peers -1001500000001 title:*news*",
        "join https://t.me/+AbCdEfGh12345678 --account alpha",
        "status --data elsewhere",
    ] {
        read(&format!("telescribe {line}"));
    }
    for name in ["search", "show", "peers", "changes", "dump", "coverage", "counters", "schedule", "join", "status"] {
        let mut line = Line::command();
        let help = line.find_subcommand_mut(name).unwrap().render_help().to_string();
        assert!(help.contains("Examples:\n  telescribe "), "{name}: {help}");
    }
}

#[tokio::test]
async fn commands_say_what_is_wrong_with_the_folder() {
    let folder = TempDir::new().unwrap();
    let status = cli::status::Args {};
    let mut out = Out::to(Written::default());
    let error = cli::status::write(&status, &globals(folder.path()), &mut out).await.unwrap_err().to_string();
    assert!(error.contains("there is no archive in") && !folder.path().join("lock").exists(), "{error}");
    std::fs::create_dir(folder.path().join("archive")).unwrap();
    let _lock = DataFolder::lock(folder.path()).unwrap();
    let error = cli::status::write(&status, &globals(folder.path()), &mut out).await.unwrap_err().to_string();
    assert!(error.contains(&format!("in use by process {}", std::process::id())), "{error}");
}

#[tokio::test]
async fn a_command_whose_reader_went_away_ends_quietly() {
    struct Closed;
    impl std::io::Write for Closed {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Err(std::io::ErrorKind::BrokenPipe.into())
        }
    }
    let served = Served::start(listening(Sealing::Off)).await;
    let args = cli::dump::Args { all: false, peer: None };
    let error = cli::dump::write(&args, &globals(served.folder.path()), &mut Out::to(Closed)).await.unwrap_err();
    assert_eq!(
        error.downcast_ref::<std::io::Error>().unwrap().kind(),
        std::io::ErrorKind::BrokenPipe,
        "`run` turns it into success"
    );
    served.stop().await;
}
