//! Proxies: an account that has one never connects without it.
//!
//! The proxy here is a small real one: SOCKS5 (RFC 1928) with user and password (RFC 1929).

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use telescribe::app::{App, Environment};
use telescribe::cli::client::{Api, Target};
use telescribe::cli::{self, Out};
use telescribe::config::Span;
use telescribe::lifecycle::Lifecycle;
use telescribe::model::SystemClock;
use telescribe::telegram::{FileError, FileLocation, PartRange, Proxy, Settings, TelegramError};
use telescribe_simulator::{Fault, Rule, When};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

use crate::support::caller::{Caller, settings, simulated};
use crate::support::commands::Written;
use crate::support::fleet::{Fleet, small};
use crate::support::waiting::PATIENCE;

const USER: &str = "user";
const PASSWORD: &str = "p-a.s_s";

/// The answer to a client that offers no method of signing in that the server takes.
const NONE_ACCEPTABLE: u8 = u8::MAX;

/// A SOCKS5 server that notes where it was asked to connect to.
struct Socks {
    port: u16,
    connected: Arc<Mutex<Vec<SocketAddrV4>>>,
    lifecycle: Lifecycle,
}

impl Socks {
    /// A proxy that wants a user and password, or nothing.
    async fn start(guarded: bool) -> Self {
        Self::start_at("127.0.0.1:0", guarded).await
    }

    async fn start_at(address: &str, guarded: bool) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (connected, lifecycle) = (Arc::default(), Lifecycle::new());
        let (notes, tasks) = (Arc::clone(&connected), lifecycle.clone());
        lifecycle.task(async move {
            while let Ok((client, _)) = listener.accept().await {
                let notes = Arc::clone(&notes);
                tasks.task(async move { drop(serve(client, guarded, &notes).await) });
            }
        });
        Self { port, connected, lifecycle }
    }

    fn url(&self, credentials: &str) -> Proxy {
        format!("socks5://{credentials}127.0.0.1:{}", self.port).parse().unwrap()
    }

    fn connected(&self) -> Vec<SocketAddrV4> {
        self.connected.lock().unwrap().clone()
    }
}

impl Drop for Socks {
    fn drop(&mut self) {
        self.lifecycle.stop_hard();
    }
}

async fn serve(mut client: TcpStream, guarded: bool, notes: &Mutex<Vec<SocketAddrV4>>) -> std::io::Result<()> {
    let [_version, methods] = read::<2>(&mut client).await?;
    let mut offered = vec![0; usize::from(methods)];
    client.read_exact(&mut offered).await?;
    let method = if guarded { 2 } else { 0 };
    if !offered.contains(&method) {
        return client.write_all(&[5, NONE_ACCEPTABLE]).await;
    }
    client.write_all(&[5, method]).await?;
    if guarded {
        read::<1>(&mut client).await?;
        let mut given = Vec::new();
        for _ in 0..2 {
            let [length] = read::<1>(&mut client).await?;
            let mut text = vec![0; usize::from(length)];
            client.read_exact(&mut text).await?;
            given.push(text);
        }
        let right = given == [USER.as_bytes(), PASSWORD.as_bytes()];
        client.write_all(&[1, u8::from(!right)]).await?;
        if !right {
            return Ok(());
        }
    }
    let [_, command, _, kind] = read::<4>(&mut client).await?;
    assert_eq!((command, kind), (1, 1), "connect to an IPv4 address");
    let ip = Ipv4Addr::from(read::<4>(&mut client).await?);
    let address = SocketAddrV4::new(ip, u16::from_be_bytes(read::<2>(&mut client).await?));
    let mut server = TcpStream::connect(address).await?;
    notes.lock().unwrap().push(address);
    client.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await?;
    copy_bidirectional(&mut client, &mut server).await.map(|_| ())
}

async fn read<const N: usize>(from: &mut TcpStream) -> std::io::Result<[u8; N]> {
    let mut bytes = [0; N];
    from.read_exact(&mut bytes).await?;
    Ok(bytes)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_uses_its_own_proxy_and_the_others_the_common_one() {
    let (simulator, sessions) = simulated().await;
    let (own, common) = (Socks::start(true).await, Socks::start(false).await);
    let proxies = BTreeMap::from([("alpha".to_owned(), own.url(&format!("{USER}:{PASSWORD}@")))]);
    let settings = Settings { proxy: Some(common.url("")), proxies, ..settings() };
    let home = |name: &str| sessions[name].data_centre(sessions[name].home()).unwrap().ipv4;
    for name in ["alpha", "bravo"] {
        let caller = Caller::new(Arc::clone(&sessions[name]), settings.clone());
        caller.client.state().await.unwrap();
        caller.end().await;
    }
    assert_eq!(own.connected(), [home("alpha")]);
    assert_eq!(common.connected(), [home("bravo")]);
    drop(simulator);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_come_by_the_accounts_proxy_too() {
    let (simulator, sessions) = simulated().await;
    let own = Socks::start(true).await;
    let proxies = BTreeMap::from([("alpha".to_owned(), own.url(&format!("{USER}:{PASSWORD}@")))]);
    let caller = Caller::new(Arc::clone(&sessions["alpha"]), Settings { proxies, ..settings() });
    let address = |dc: i32| caller.session.data_centre(dc).unwrap().ipv4;
    let (home, away) = (caller.session.home(), (1..=3).find(|dc| *dc != caller.session.home()).unwrap());
    let location = FileLocation::Document { id: 1, hash: 1, reference: Vec::new(), letter: String::new() };
    let error = caller.client.get_part(&location, away, PartRange::new(0, 4096).unwrap()).await.unwrap_err();
    assert!(matches!(error, FileError::Gone { .. }), "there is no such file: {error}");
    assert_eq!(own.connected(), [address(away), address(home)], "the file, and what it takes to ask for it");
    caller.end().await;
    drop(simulator);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_is_down_or_refuses_is_a_clear_error_and_never_a_direct_connection() {
    let (simulator, sessions) = simulated().await;
    let guarded = Socks::start(true).await;
    let closed = closed_port().await;
    let down: Proxy = format!("socks5://{USER}:{PASSWORD}@127.0.0.1:{closed}").parse().unwrap();
    for proxy in [down, guarded.url(""), guarded.url(&format!("{USER}:not-it@"))] {
        let place = proxy.to_string();
        let proxies = BTreeMap::from([("alpha".to_owned(), proxy)]);
        let settings = Settings { proxies, request_timeout: Duration::from_secs(5), ..settings() };
        let caller = Caller::new(Arc::clone(&sessions["alpha"]), settings);
        for _ in 0..2 {
            let error = caller.client.state().await.unwrap_err();
            let text = error.to_string();
            assert!(matches!(error, TelegramError::Transient { .. }), "{text}");
            assert!(text.contains(&place) && !text.contains(PASSWORD) && !text.contains("not-it"), "{text}");
        }
        caller.end().await;
    }
    assert_eq!(simulator.ledger().len(), 0, "nobody came to Telegram");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_is_found_by_its_name_whichever_address_of_it_answers() {
    let (simulator, sessions) = simulated().await;
    for address in ["127.0.0.1:0", "[::1]:0"] {
        // Not every machine has both.
        if TcpListener::bind(address).await.is_err() {
            continue;
        }
        let socks = Socks::start_at(address, true).await;
        let proxy: Proxy = format!("socks5://{USER}:{PASSWORD}@localhost:{}", socks.port).parse().unwrap();
        let settings = Settings { proxy: Some(proxy), ..settings() };
        let caller = Caller::new(Arc::clone(&sessions["alpha"]), settings);
        caller.client.state().await.unwrap();
        caller.end().await;
        assert_eq!(socks.connected().len(), 1, "{address}");
    }
    drop(simulator);
}

/// A port on which nobody listens.
async fn closed_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_the_way_is_named_with_its_address_and_the_reason() {
    let (simulator, sessions) = simulated().await;
    let guarded = Socks::start(true).await;
    let closed = closed_port().await;
    let session = &sessions["alpha"];
    let home = session.data_centre(session.home()).unwrap().ipv4;
    for (proxy, says) in [
        (format!("socks5://127.0.0.1:{closed}"), format!("cannot connect to 127.0.0.1:{closed} (Connection refused")),
        (format!("socks5://localhost:{closed}"), format!("cannot connect to 127.0.0.1:{closed} (Connection refused")),
        (format!("socks5://nobody.invalid:{closed}"), "the name `nobody.invalid` cannot be resolved".to_owned()),
        (format!("socks5://{USER}:wrong@127.0.0.1:{}", guarded.port), "assword".to_owned()),
    ] {
        let proxy: Proxy = proxy.parse().unwrap();
        let place = format!("data centre {} at {home} through {proxy}: ", session.home());
        let caller = Caller::new(Arc::clone(session), Settings { proxy: Some(proxy), ..settings() });
        let text = caller.client.state().await.unwrap_err().to_string();
        assert!(text.contains(&place) && text.contains(&says), "{says}: {text}");
        caller.end().await;
    }
    simulator.stop().await;
    let caller = Caller::new(Arc::clone(session), settings());
    let text = caller.client.state().await.unwrap_err().to_string();
    assert!(text.contains(&format!("data centre {} at {home}: ", session.home())), "{text}");
    caller.end().await;
}

/// Whether the program is ready; otherwise why not.
async fn readiness(fleet: &Fleet) -> String {
    let answer = Api::open(&fleet.globals()).await.unwrap().get::<serde_json::Value>(&Target::new("/readyz")).await;
    answer.map_or_else(|error| error.to_string(), |_| String::new())
}

#[tokio::test(flavor = "multi_thread")]
async fn while_nobody_answers_status_and_readiness_say_who_what_where_since_when_and_when_next() {
    let mut fleet = Fleet::new(small()).await;
    let port = closed_port().await;
    let own: Proxy = format!("socks5://127.0.0.1:{port}").parse().unwrap();
    fleet.config.accounts.proxies = BTreeMap::from([("alpha".to_owned(), own.clone().into())]);
    let app = fleet.start().await;
    let of = |status: &serde_json::Value, name: &str| {
        let accounts = status["accounts"].as_array().unwrap();
        accounts.iter().find(|account| account["name"] == name).unwrap().clone()
    };
    // One of three: the others work.
    let status = fleet.until_got("/v1/status", |status| of(status, "alpha")["no_response"].is_object()).await;
    let silence = of(&status, "alpha")["no_response"].clone();
    let why = silence["why"].as_str().unwrap();
    assert!(why.contains(&format!("through socks5://127.0.0.1:{port}: cannot connect")), "{why}");
    assert!(why.contains("data centre ") && silence["method"].as_str().unwrap().contains('.'), "{silence}");
    for time in ["since", "next_try"] {
        silence[time].as_str().unwrap().parse::<chrono::DateTime<chrono::Utc>>().unwrap();
    }
    assert!(of(&status, "bravo")["no_response"].is_null(), "{status}");
    let written = Written::default();
    cli::status::write(&cli::status::Args {}, &fleet.globals(), &mut Out::to(written.clone())).await.unwrap();
    let text = written.text();
    let line = text.lines().find(|line| line.contains("alpha")).unwrap();
    assert!(line.contains("no response since ") && line.contains(&format!("socks5://127.0.0.1:{port}")), "{text}");
    assert!(line.contains("next try at ") && !line.contains("ready"), "{text}");
    assert!(!readiness(&fleet).await.contains("alpha"), "two accounts work");

    // The proxy comes up.
    let socks = Socks::start_at(&format!("127.0.0.1:{port}"), false).await;
    fleet.until_got("/v1/status", |status| of(status, "alpha")["no_response"].is_null()).await;
    fleet.until_equal(&app).await;
    assert!(!socks.connected().is_empty());
    fleet.stop(app).await;

    // Nobody works.
    fleet.config.accounts.proxies = BTreeMap::new();
    fleet.config.telegram.proxy = format!("socks5://127.0.0.1:{}", closed_port().await).parse::<Proxy>().unwrap().into();
    let app = fleet.start().await;
    let end = std::time::Instant::now() + PATIENCE;
    let unready = loop {
        let unready = readiness(&fleet).await;
        if unready.contains("no account gets a response") {
            break unready;
        }
        assert!(std::time::Instant::now() < end, "{unready}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert!(unready.contains("alpha") && unready.contains("cannot connect to 127.0.0.1:"), "{unready}");
    fleet.stop(app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_waits_for_no_answer_that_does_not_come() {
    // A proxy that takes connections and never says a word: nothing is connected yet.
    let mut fleet = Fleet::new(small()).await;
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy: Proxy = format!("socks5://127.0.0.1:{}", silent.local_addr().unwrap().port()).parse().unwrap();
    fleet.config.telegram.proxy = proxy.into();
    fleet.config.telegram.request_timeout = Span::seconds(3_600);
    let app = fleet.start().await;
    let connections = Arc::new(Mutex::new(Vec::new()));
    let (kept, lifecycle) = (Arc::clone(&connections), Lifecycle::new());
    lifecycle.task(async move {
        while let Ok((connection, _)) = silent.accept().await {
            kept.lock().unwrap().push(connection);
        }
    });
    fleet.until("somebody connects", || !connections.lock().unwrap().is_empty()).await;
    // Before the first request has timed out, it is shown to wait.
    fleet
        .until_got("/v1/status", |status| {
            let accounts = status["accounts"].as_array().unwrap();
            accounts
                .iter()
                .any(|account| account["no_response"]["why"].as_str().is_some_and(|why| why.contains(": no answer for ")))
        })
        .await;
    // It ends at all, though every request may take an hour.
    fleet.stop(app).await;
    lifecycle.stop_hard();

    // A connection that was well, and gives no answer any more.
    fleet.config.telegram.proxy = telescribe::config::ProxyUrl::default();
    let app = fleet.start_and_finish().await;
    fleet.simulator.clear_ledger();
    fleet.simulator.fault(Rule::new(Fault::Silence, When::Always));
    fleet.until("somebody asks", || !fleet.simulator.ledger().is_empty()).await;
    fleet.stop(app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_crawls_through_proxies_and_refuses_one_for_an_account_that_does_not_exist() {
    let mut fleet = Fleet::new(small()).await;
    let socks = Socks::start(true).await;
    let proxy = socks.url(&format!("{USER}:{PASSWORD}@"));
    fleet.config.accounts.proxies = BTreeMap::from([("alhpa".to_owned(), proxy.clone().into())]);
    let environment = Environment { clock: Arc::new(SystemClock), metrics: Arc::new(String::new) };
    let error = App::start(&fleet.config, &fleet.data(), environment).await.unwrap_err().to_string();
    assert!(error.contains("alhpa") && error.contains("telescribe account list"), "{error}");

    fleet.config.accounts.proxies = BTreeMap::new();
    fleet.config.telegram.proxy = proxy.into();
    let app = fleet.start_and_finish().await;
    assert!(socks.connected().len() >= 3, "each account came this way");
    fleet.stop(app).await;
}
