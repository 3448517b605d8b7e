//! Who may connect, for how long, with how much, and what is told of trouble inside.

#![expect(clippy::unwrap_used, reason = "what cannot be had fails the test")]

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http_body_util::BodyExt as _;
use hyper::body::Bytes;
use hyper::{Request, StatusCode};
use serde_json::{Value, json};
use telescribe::archive::{Archive, DataFolder, Durability};
use telescribe::config::HttpConfig;
use telescribe::http::{Bound, Context, Listener, Local, Sealing, Settings, SettingsError, StatusSource};
use telescribe::lifecycle::Lifecycle;
use telescribe::model::FixedClock;
use telescribe::search::{Index, ServingIndex};
use telescribe::views::ProgramView;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::messages::NOW;
use crate::support::served::{Served, listening};
use crate::support::waiting::PATIENCE;

#[tokio::test]
async fn a_client_that_is_slow_with_its_headers_is_cut_off() {
    const HALF: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: ";
    let waiting = |timeout: Duration| Settings { header_timeout: timeout, ..listening(Sealing::Off) };
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
    for (target, media_type) in [("/v1/search", "application/json"), ("/v1/sealed", "application/jose")] {
        let answer = served.ask("POST", target, &[("content-type", media_type)], &body).await;
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
    let read = toml::from_str::<HttpConfig>(&toml).unwrap().settings();
    assert_eq!(read.listeners[0].sealing, Sealing::Required, "sealing is the default");
    toml.push_str("page_size = 3\n");
    assert!(toml::from_str::<HttpConfig>(&toml).unwrap_err().to_string().contains("unknown field `page_size`"));
}

#[tokio::test]
async fn a_web_page_of_somebody_else_cannot_read_the_archive_through_a_name_that_points_here() {
    let served = Served::start(listening(Sealing::Off)).await;
    for (host, status) in
        [("evil.example", 403), ("localhost:1", 200), ("127.0.0.1", 200), ("[::1]:80", 200), ("127.0.0.1.evil.example", 403)]
    {
        assert_eq!(served.ask("GET", "/v1/peers", &[("host", host)], "").await.status, status, "{host}");
    }
    // Whoever asks by a name that is not this machine's is told to seal, as nothing else is answered there.
    for (host, required) in [("localhost", false), ("evil.example", true)] {
        assert_eq!(served.ask("GET", "/v1/sealed", &[("host", host)], "").await.json()["required"], required, "{host}");
    }
    let two = served.ask("GET", "/v1/peers", &[("host", "localhost"), ("host", "evil.example")], "").await;
    assert_eq!((two.status.as_u16(), &two.json()["code"]), (403, &"foreign-host".into()));
    served.stop().await;
}

#[tokio::test]
async fn a_web_page_of_somebody_else_cannot_ask_nor_show_nor_keep_what_is_answered() {
    let served = Served::start(listening(Sealing::Off)).await;
    for (site, status) in [("same-origin", 200), ("none", 200), ("cross-site", 403), ("Cross-Site", 403)] {
        let answer = served.ask("GET", "/v1/peers", &[("sec-fetch-site", site)], "").await;
        assert_eq!(answer.status.as_u16(), status, "{site}");
        assert!(status == 200 || answer.json()["code"] == "cross-site", "{site}");
    }
    // But it may link to the page.
    assert_eq!(served.ask("GET", "/", &[("sec-fetch-site", "cross-site")], "").await.status, StatusCode::OK);
    for path in ["/v1/peers", "/v1/nothing", "/openapi.json", "/healthz", "/", "/page.js"] {
        let answer = served.get(path).await;
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("x-frame-options"), "DENY", "{path}");
        assert_eq!(answer.header("cross-origin-resource-policy"), "same-origin", "{path}");
        assert!(answer.header("content-security-policy").contains("frame-ancestors 'none'"), "{path}");
    }
    assert_eq!(served.get("/v1/peers").await.header("cache-control"), "no-store");
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
    for path in ["/", "/page.css", "/page.js", "/address.js", "/ask.js", "/files.js", "/messages.js", "/seal.js", "/view.js"] {
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
    let archive = Arc::new(Archive::open(&folder.path().join("archive"), Durability::Always).unwrap());
    let index = Arc::new(Index::open(&folder.path().join("index"), &archive).unwrap());
    let index = ServingIndex::of(index, &archive);
    let settings = Settings { request_timeout: Duration::from_secs(2), ..Settings::default() };
    let mut answers = Vec::new();
    for trouble in ["none", "slow", "fails"] {
        let (held, waiting) = std::sync::mpsc::channel::<()>();
        let context = Context::new(Arc::clone(&archive), index.clone(), Arc::new(FixedClock::new(NOW)), Lifecycle::new())
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
