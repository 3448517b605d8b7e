//! A simulated Telegram with a channel for files of a test's own, the program on it, and its HTTP listeners.

#![expect(clippy::unwrap_used, reason = "what cannot be had fails the test")]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use telescribe::app::{App, server_id};
use telescribe::archive::{ArchivedFile, DataFolder};
use telescribe::cli::client::Globals;
use telescribe::config::{ListenerConfig, SealingConfig, Span};
use telescribe::model::{Clock as _, FileId, FileState, SystemClock};
use telescribe::seal::{self, Destination, Key, KeyRing, SealedRequest};
use telescribe_simulator::world::{ChatKind, Document, DocumentKind, Media};
use telescribe_simulator::{Options, PeerId, Post, World, WorldSpec};
use tokio::net::TcpStream;

use crate::support::fleet::Fleet;
use crate::support::served::Answer;

/// A fleet with a channel that files are posted to.
pub(crate) struct Gallery {
    pub(crate) fleet: Fleet,
    pub(crate) channel: PeerId,
    pub(crate) key: Arc<Key>,
    /// What was posted, by the id of its file.
    pub(crate) posted: BTreeMap<FileId, Posted>,
}

/// A file that was posted.
#[derive(Clone)]
pub(crate) struct Posted {
    pub(crate) message: i32,
    pub(crate) id: FileId,
    pub(crate) content: Vec<u8>,
}

impl Gallery {
    /// Without files but those of a small world.
    pub(crate) async fn new() -> Self {
        let spec = WorldSpec { seed: 5, accounts: 1, peers: 3, messages: 60, real_media: true, ..WorldSpec::default() };
        Self::in_world(spec.generate()).await
    }

    /// With what a world of a test's own has; its first channel is the one that files are posted to.
    pub(crate) async fn in_world(world: World) -> Self {
        let mut fleet = Fleet::of(world, Options::default()).await;
        fleet.config.media.enabled = true;
        fleet.config.media.decoder = Some(env!("CARGO_BIN_EXE_telescribe").into());
        fleet.config.accounts.intervals.insert("upload.getFile".to_owned(), Span::seconds(0));
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        fleet.config.http.listeners =
            [SealingConfig::Optional, SealingConfig::Required].map(|s| ListenerConfig::new(any, s)).into();
        let channel = fleet.simulator.inspect(|world| {
            let is_channel =
                |chat: &&telescribe_simulator::world::Chat| chat.kind == ChatKind::Channel && !chat.members.is_empty();
            world.chats.iter().find(is_channel).unwrap().peer
        });
        DataFolder::make(&fleet.data()).unwrap();
        let mut ring = KeyRing::default();
        let key = ring.add_new(&"tester".parse().unwrap(), SystemClock.now(), &mut seal::system_random());
        ring.save(&DataFolder::keys(&fleet.data())).unwrap();
        Self { fleet, channel, key, posted: BTreeMap::new() }
    }

    /// Posts something that carries a file with this content.
    pub(crate) fn post(&mut self, post: Post, content: &[u8]) -> Posted {
        let message = self.fleet.simulator.post(self.channel, post).unwrap();
        let id = self.fleet.simulator.inspect(|world| {
            let mut messages = world.chat(self.channel).unwrap().history.messages().iter();
            match messages.find(|of| of.id == message).unwrap().media().unwrap() {
                Media::Photo(photo) => FileId::photo(photo.id),
                Media::Document(document) => FileId::document(document.id),
                _ => panic!("a file"),
            }
        });
        self.fleet.simulator.set_file_content(id.id, content).unwrap();
        let posted = Posted { message, id, content: content.to_vec() };
        self.posted.insert(id, posted.clone());
        posted
    }

    /// Posts a file as its sender names it.
    pub(crate) fn file(&mut self, name: &str, mime: &str, content: &[u8]) -> Posted {
        self.post(Post::document(name, mime, content.len().try_into().unwrap()), content)
    }

    /// Posts what is played.
    pub(crate) fn played(&mut self, kind: DocumentKind, mime: &str, content: &[u8]) -> Posted {
        let document = Document::new(kind, mime, content.len().try_into().unwrap());
        self.post(Post::media(Media::Document(Box::new(document))), content)
    }

    /// Starts the program, and waits until everything that was posted is stored.
    pub(crate) async fn start(&self) -> App {
        let app = self.fleet.start_and_finish().await;
        let is_stored =
            |posted: &Posted| self.known(&app, posted.id).is_some_and(|file| matches!(file.state, FileState::Stored(_)));
        self.fleet.until("every file is stored", || self.posted.values().all(is_stored)).await;
        app
    }

    pub(crate) fn known(&self, app: &App, id: FileId) -> Option<ArchivedFile> {
        app.archive.view().file(id).unwrap()
    }

    /// Waits until it is decided of every file whether it has a small picture.
    pub(crate) async fn until_pictured(&self, app: &App, ids: &[FileId]) {
        let is_decided =
            |id: &FileId| self.known(app, *id).is_some_and(|file| file.thumbnail.is_some() || file.no_thumbnail.is_some());
        self.fleet.until("every picture was looked at", || ids.iter().all(is_decided)).await;
    }

    /// How the program is asked sealed.
    pub(crate) fn sealed(&self, app: &App) -> Globals {
        let key = self.fleet.path("key.json");
        if !key.exists() {
            KeyRing::export_to(&key, &self.key, &server_id(&self.fleet.data()).unwrap()).unwrap();
        }
        Globals { server: Some(format!("http://{}", app.addresses[1])), key: Some(key), ..self.fleet.globals() }
    }

    /// Asks the listener that requires it sealed; returns the answer, and the request that it is to.
    pub(crate) async fn ask_sealed(&self, app: &App, target: &str, headers: &[(&str, &str)]) -> (Answer, SealedRequest) {
        let request = self.sealed_ahead(app, target, 0).await;
        let headers = [&[("content-type", "application/jose")], headers].concat();
        (post(app.addresses[1], "/v1/sealed", &headers, &request.token).await, request)
    }

    /// A sealed request of a client whose clock is so many seconds ahead.
    pub(crate) async fn sealed_ahead(&self, app: &App, target: &str, seconds: u64) -> SealedRequest {
        let start = ask(app.addresses[1], "GET", "/v1/sealed", &[]).await.json()["start"].as_str().unwrap().to_owned();
        let to = Destination { server: server_id(&self.fleet.data()).unwrap(), start };
        let now = SystemClock.now() + std::time::Duration::from_secs(seconds);
        seal::seal_request(&self.key, &to, "GET", target, None, now, &mut seal::system_random())
    }

    /// The path of a message's file.
    pub(crate) fn media(&self, posted: &Posted) -> String {
        format!("/v1/peers/{}/messages/{}/media", self.channel.marked(), posted.message)
    }
}

/// Asks a listener plainly.
pub(crate) async fn ask(at: SocketAddr, method: &str, target: &str, headers: &[(&str, &str)]) -> Answer {
    send(at, method, target, headers, "").await
}

/// Posts to a listener.
pub(crate) async fn post(at: SocketAddr, target: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    send(at, "POST", target, headers, body).await
}

async fn send(at: SocketAddr, method: &str, target: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let stream = TcpStream::connect(at).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    let mut request = Request::builder().method(method).uri(target).header("host", at.to_string());
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::<Bytes>::from(body.to_owned())).unwrap();
    let exchange = async move {
        let (parts, body) = sender.send_request(request).await.unwrap().into_parts();
        Answer { status: parts.status, headers: parts.headers, body: body.collect().await.unwrap().to_bytes() }
    };
    let (answer, _) = tokio::join!(exchange, connection);
    answer
}
