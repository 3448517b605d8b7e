//! A server over a small archive, and a client for it.

#![expect(clippy::unwrap_used, reason = "what cannot be had fails the test")]

use std::net::SocketAddr;
use std::sync::Arc;

use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::{HeaderMap, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use telescribe::archive::{Archive, DataFolder, Durability, Raw};
use telescribe::config::{Config, Span};
use telescribe::http::{AuditLog, Bound, Context, Keys, Listener, Sealing, Settings};
use telescribe::lifecycle::Lifecycle;
use telescribe::model::{AccountName, Counters, FixedClock, IdRange, Message, Peer, PeerId, PeerKind, Reaction, Timestamp};
use telescribe::seal::Destination;
use telescribe::search::{Index, Indexer, IndexerSettings, ServingIndex};
use tempfile::TempDir;
use tokio::net::TcpStream;

use crate::support::messages::{NOW, key, message, titled, topic};
use crate::support::waiting::PATIENCE;

pub(crate) const NEWS: PeerId = PeerId(-1_001_500_000_001);
pub(crate) const GROUP: PeerId = PeerId(-1_001_500_000_002);
pub(crate) const ALICE: PeerId = PeerId(7_000_001);

/// A server over a small archive, and a client for it.
pub(crate) struct Served {
    pub(crate) folder: TempDir,
    pub(crate) archive: Arc<Archive>,
    pub(crate) clock: FixedClock,
    pub(crate) lifecycle: Lifecycle,
    pub(crate) address: SocketAddr,
    pub(crate) metrics: SocketAddr,
    /// Whom sealed requests must be for.
    pub(crate) destination: Destination,
    settings: Settings,
    index: Arc<Index>,
    lock: DataFolder,
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
        let archive = Arc::new(Archive::open(&lock.archive(), Durability::Always).unwrap());
        fill(&archive);
        more(&archive);
        let index = Arc::new(Index::open(&lock.index(), &archive).unwrap());
        Indexer::new(Arc::clone(&index), Arc::clone(&archive), IndexerSettings::default()).catch_up().await.unwrap();
        Self::serve(folder, lock, archive, index, FixedClock::new(NOW), settings).await
    }

    /// Stops it, and starts it again at the same address.
    pub(crate) async fn restart(self) -> Self {
        self.lifecycle.stop_soft();
        tokio::time::timeout(PATIENCE, self.lifecycle.ended()).await.expect("everything ended");
        let Self { folder, archive, clock, address, mut settings, index, lock, .. } = self;
        settings.listeners[0].address = address;
        Self::serve(folder, lock, archive, index, clock, settings).await
    }

    async fn serve(
        folder: TempDir,
        lock: DataFolder,
        archive: Arc<Archive>,
        index: Arc<Index>,
        clock: FixedClock,
        settings: Settings,
    ) -> Self {
        let lifecycle = Lifecycle::new();
        let socket = DataFolder::socket(folder.path());
        // A port that was given up for a restart may have been taken for a moment, by a connection of another test.
        let end = tokio::time::Instant::now() + PATIENCE;
        let bound = loop {
            match Bound::bind(&settings, Some(&socket)).await {
                Ok(bound) => break bound,
                Err(error) => assert!(tokio::time::Instant::now() < end, "{error:#}"),
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        };
        let (address, metrics) = (bound.addresses()[0], bound.metrics_addresses()[0]);
        let context = Context::new(
            Arc::clone(&archive),
            ServingIndex::of(Arc::clone(&index), &archive),
            Arc::new(clock.clone()),
            lifecycle.clone(),
        )
        .with_settings(settings.clone())
        .with_server_id(telescribe::app::server_id(folder.path()).unwrap())
        .with_operator(telescribe::app::planned(&plan(), Arc::clone(&archive), Arc::new(clock.clone())).unwrap())
        .with_metrics(Arc::new(|| "# the metrics\n".to_owned()))
        .with_keys(Keys::open(&DataFolder::keys(folder.path())).unwrap())
        .with_audit(AuditLog::open(&DataFolder::audit(folder.path()), 4).unwrap());
        let destination = context.recipient.destination().clone();
        bound.serve(&Arc::new(context));
        Self { folder, archive, clock, lifecycle, address, metrics, destination, settings, index, lock }
    }

    pub(crate) async fn get(&self, target: &str) -> Answer {
        self.ask("GET", target, &[], "").await
    }

    pub(crate) async fn ask(&self, method: &str, target: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        self.ask_at(self.address, method, target, headers, body).await
    }

    pub(crate) async fn ask_at(
        &self,
        at: SocketAddr,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
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

/// A message of somebody, a while before [`NOW`].
pub(crate) fn said(peer: PeerId, id: i32, text: &str) -> Message {
    let date = Timestamp(NOW.0 - 1_000 + i64::from(id));
    Message { sender: Some(ALICE), date, ..message(peer, id, text) }
}

/// Bytes that stand for those of Telegram.
pub(crate) fn some_raw() -> Raw {
    Raw { layer: 230, tl: vec![1, 2, 3], account: None }
}

/// Two peers: a complete channel with an edit and a deletion, and a group that is half read.
pub(crate) fn fill(archive: &Archive) {
    let peer =
        |id, kind, title: &str, username: Option<&str>| Peer { username: username.map(str::to_owned), ..titled(id, kind, title) };
    let mut write = archive.write(NOW);
    write.peer(peer(NEWS, PeerKind::Channel, "Новости", Some("novosti")));
    write.peer(peer(GROUP, PeerKind::Supergroup, "天气群", None));
    write.peer(peer(ALICE, PeerKind::User, "Alice", Some("alice")));
    for (id, text) in [(1, "我觉得今天天气很好"), (2, "Читаю новую книгу"), (3, "see the report"), (4, "soon gone")]
    {
        write.message(said(NEWS, id, text), some_raw(), 0);
    }
    write.covered(NEWS, IdRange { first: 1, last: 5 });
    write.crawl_state(NEWS, |state| state.top = 5);
    for id in 21..=40 {
        write.message(said(GROUP, id, &format!("message number {id}")), some_raw(), 0);
    }
    write.covered(GROUP, IdRange { first: 21, last: 40 });
    write.commit().unwrap();
    let mut write = archive.write(Timestamp(NOW.0 + 60));
    let edited = Message { edited: Some(Timestamp(NOW.0 + 30)), ..said(NEWS, 3, "see the corrected report") };
    write.message(edited, some_raw(), NOW.0 + 30);
    write.delete(key(NEWS, 4));
    write.commit().unwrap();
}

/// What is planned, without jitter, which is another for each archive.
pub(crate) fn plan() -> Config {
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
    write.add_watch("books".parse().unwrap(), "книга in:@novosti", Some("what people read"));
    write.joined(NEWS, alpha).folders(NEWS, alpha, vec!["Work".to_owned()]).joined(NEWS, bravo).joined(GROUP, alpha);
    write.member_count(NEWS, 1_200);
    let reactions = Some(vec![Reaction { emoji: "👍".to_owned(), count: 2 }]);
    write.counters(key(NEWS, 3), Counters { views: Some(90), forwards: Some(1), replies: None, reactions });
    write.message(Message { service: topic(41, "天气").service, ..said(GROUP, 41, "") }, some_raw(), 0);
    write.commit().unwrap();
    let mut write = archive.write(Timestamp(NOW.0 + 180));
    write.left(NEWS, bravo).member_count(NEWS, 1_199);
    write.counters(key(NEWS, 3), Counters { views: Some(95), ..Counters::default() });
    write.crawl_state(GROUP, |state| {
        state.recheck.insert(IdRange { first: 30, last: 31 });
        state.held.insert(IdRange { first: 35, last: 38 });
        state.held_until = Some(Timestamp(NOW.0 + 3_600));
    });
    write.commit().unwrap();
}
