//! The HTTP client of the commands that read, or send an operator request, whichever server answers.
//!
//! Without `--server`, a running daemon answers on the socket in the data folder; where there is none, the same router answers in this
//! process, over the archive that is then free to be opened. With `--server`, a server elsewhere answers, sealed with `--key`: nothing can be seen of
//! what is asked. Without `--key` nothing is asked but on this machine, and only of a server that says that it answers plain requests.
//! So each command is written once, and cannot see what another HTTP client could not.
//!
//! What it receives is read as one of the types that the server writes ([`views`](crate::views)), so that no command looks for members by
//! name: what this version does not know is ignored, and what is missing is an error.

mod export;
mod files;
mod lent;
mod remote;
mod sealed;

use std::borrow::Cow;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, bail};
use futures_util::StreamExt as _;
use http_body_util::{BodyExt as _, BodyStream, Full, Limited, StreamBody};
use hyper::body::{Bytes, Incoming};
use hyper::{Method, Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use serde::{Deserialize as _, Serialize};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixStream;
use tokio::sync::OnceCell;

use crate::app::StoppedProgram;
use crate::archive::{Archive, DataFolder, FolderError};
use crate::blob::Blobs;
use crate::http::{Context, Local, Operator};
use crate::lifecycle::Lifecycle;
use crate::model::{Clock, SystemClock};
use crate::seal;
use crate::search::{IndexFolders, ServingIndex};
use crate::views::Problem;

use super::received::{ListPage, Received};
pub use files::FileHead;
pub(super) use lent::GAVE_WAY;
use lent::Lent;
use remote::Remote;
use sealed::Sealer;

/// How long to wait for another command that has the data folder: they take well under a second.
const FOLDER_PATIENCE: Duration = Duration::from_secs(3);
/// Timeout of a response; the server's own limit is shorter.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(120);
/// The options of every command.
#[derive(Clone, Debug, clap::Args)]
pub struct Globals {
    /// The data folder
    #[arg(long, global = true, value_name = "FOLDER", env = "TELESCRIBE_DATA", default_value = "data")]
    pub data: PathBuf,
    /// Write JSON, one object per line
    #[arg(long, global = true)]
    pub json: bool,
    /// Use a remote server instead of the data folder, such as https://archive.example:8470
    #[arg(long, global = true, value_name = "URL", env = "TELESCRIBE_SERVER")]
    pub server: Option<String>,
    /// Trust only servers with certificates of these authorities (PEM), instead of the system's
    #[arg(long, global = true, value_name = "FILE", env = "TELESCRIBE_CA")]
    pub ca: Option<PathBuf>,
    /// The client's key file, to seal requests to that server: needed unless it is on this machine and answers plain requests
    #[arg(long, global = true, value_name = "FILE", env = "TELESCRIBE_KEY")]
    pub key: Option<PathBuf>,
}

/// The server refused a request: an RFC 9457 problem.
#[derive(Debug, thiserror::Error)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// The problem's code.
    pub code: String,
    text: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Refusal {
    fn read(status: StatusCode, body: &Value) -> Self {
        let (code, text) = match Problem::deserialize(body) {
            Ok(Problem { title, code, detail, .. }) if detail.is_empty() => (code, title.to_lowercase()),
            Ok(Problem { title, code, detail, .. }) => (code, format!("{}: {detail}", title.to_lowercase())),
            // A proxy's own error, perhaps.
            Err(_) => (Cow::default(), format!("the server answered with status {status}")),
        };
        Self { status: status.as_u16(), code: code.into_owned(), text }
    }

    /// Whether an error says that something is not there.
    #[must_use]
    pub fn is_absence(error: &anyhow::Error) -> bool {
        error.downcast_ref::<Self>().is_some_and(|refusal| refusal.status == 404)
    }
}

/// A path with its query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    path: String,
    query: Vec<(&'static str, String)>,
}

impl Target {
    /// A path without a query.
    #[must_use]
    pub fn new(path: impl Into<String>) -> Self {
        Self { path: path.into(), query: Vec::new() }
    }

    /// Adds a parameter, or replaces it.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.query.retain(|(known, _)| *known != name);
        self.query.push((name, value.to_string()));
        self
    }

    /// Adds a parameter where there is a value.
    #[must_use]
    pub fn with_some(self, name: &'static str, value: Option<impl ToString>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    fn text(&self) -> anyhow::Result<String> {
        let query = serde_urlencoded::to_string(&self.query)?;
        Ok(if query.is_empty() { self.path.clone() } else { format!("{}?{query}", self.path) })
    }
}

/// A path's segment for a peer, as people name it.
#[must_use]
pub fn segment(peer: &str) -> String {
    percent_encoding::utf8_percent_encode(peer, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// The server that answers: remote, a running daemon, or the router in this process.
pub struct Api {
    way: Way,
    /// Drives the connections; dropped with the command.
    lifecycle: Lifecycle,
}

enum Way {
    Here {
        local: Local,
        lent: Lent,
    },
    Socket(PathBuf),
    Sealed {
        remote: Remote,
        sealer: Sealer,
    },
    /// A server on this machine; whether it answers plain requests is asked once, before anything else.
    Plain {
        remote: Remote,
        answers: OnceCell<()>,
    },
}

impl Api {
    /// Finds the server.
    ///
    /// # Errors
    /// When there is no archive, no server responds, or the key cannot be read.
    pub async fn open(globals: &Globals) -> anyhow::Result<Self> {
        Self::find(globals, None, false).await
    }

    /// The same; where the archive is opened in this process, `operator` makes what stands for the program that is not running.
    ///
    /// # Errors
    /// See [`Api::open`]; also when `operator` fails.
    pub async fn open_with(globals: &Globals, operator: &MakeOperator<'_>) -> anyhow::Result<Self> {
        Self::find(globals, Some(operator), false).await
    }

    /// The same; where the archive is opened in this process, so are the stored files.
    ///
    /// # Errors
    /// See [`Api::open`].
    pub async fn open_with_files(globals: &Globals) -> anyhow::Result<Self> {
        Self::find(globals, None, true).await
    }

    async fn find(globals: &Globals, operator: Option<&MakeOperator<'_>>, files: bool) -> anyhow::Result<Self> {
        let lifecycle = Lifecycle::new();
        let way = match (&globals.server, &globals.key) {
            (Some(server), Some(key)) => {
                Way::Sealed { remote: Remote::new(server, globals.ca.as_deref())?, sealer: Sealer::read(key)? }
            }
            (Some(server), None) => {
                let remote = Remote::new(server, globals.ca.as_deref())?;
                sealed::check_that_it_is_here(remote.authority())?;
                Way::Plain { remote, answers: OnceCell::new() }
            }
            (None, Some(_)) => bail!("`--key` is for `--server`; the local data folder needs no key"),
            // It may stand in the environment for the servers that are asked at other times.
            (None, None) => folder(&globals.data, &lifecycle, operator, files).await?,
        };
        Ok(Self { way, lifecycle })
    }

    fn sealer(&self) -> Option<&Sealer> {
        match &self.way {
            Way::Sealed { sealer, .. } => Some(sealer),
            _ => None,
        }
    }

    /// Gets a response.
    ///
    /// # Errors
    /// [`Refusal`] when the server refused; others when no server could be reached, or its response is not understood.
    pub async fn get<T: DeserializeOwned>(&self, target: &Target) -> anyhow::Result<Received<T>> {
        let target = target.text()?;
        Received::read(&target, self.call(&target, None).await?)
    }

    /// Posts a body and gets a response.
    ///
    /// # Errors
    /// See [`Api::get`].
    pub async fn post<T: DeserializeOwned>(&self, target: &Target, body: &impl Serialize) -> anyhow::Result<Received<T>> {
        let target = target.text()?;
        Received::read(&target, self.call(&target, Some(&serde_json::to_value(body)?)).await?)
    }

    /// Gets a list, and gives each of its pages to `take`; returns the last one.
    ///
    /// # Errors
    /// See [`Api::get`].
    pub async fn each_page<P: ListPage>(
        &self,
        mut target: Target,
        mut take: impl FnMut(&Received<P>) -> anyhow::Result<()>,
    ) -> anyhow::Result<P> {
        loop {
            let page = self.get::<P>(&target).await?;
            take(&page)?;
            let Some(next) = page.view.next() else { return Ok(page.view) };
            target = target.with("after", next);
        }
    }

    async fn call(&self, target: &str, posted: Option<&Value>) -> anyhow::Result<Value> {
        let (status, body) = match self.sealer() {
            Some(sealer) => self.call_sealed(target, posted, sealer).await?,
            None => {
                let payload = posted.map(|body| Payload::Json(body.to_string())).unwrap_or_default();
                let (status, bytes) = self.whole(target, payload).await?;
                (status, serde_json::from_slice(&bytes).unwrap_or_default())
            }
        };
        if status.is_success() { Ok(body) } else { Err(Refusal::read(status, &body).into()) }
    }

    /// Gets a streamed response, which is pages `P` where it is sealed, and gives each line to `take` as it arrives.
    ///
    /// # Errors
    /// See [`Api::get`]; also when the response is truncated, so that a part never passes for all.
    pub async fn each_line<P: ListPage>(
        &self,
        target: &Target,
        mut take: impl FnMut(&str) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        if self.sealer().is_some() {
            return self.each_sealed_line::<P>(target, take).await;
        }
        if matches!(self.way, Way::Here { .. }) && target.query.iter().any(|(name, _)| *name == "follow") {
            bail!("the program is not running, so nothing new would ever come; start `telescribe run`, or leave out `--follow`");
        }
        let response = self.ask(&target.text()?, Payload::Nothing).await?;
        let status = response.status();
        let mut body = response.into_body();
        let mut rest: Vec<u8> = Vec::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.context("the response was truncated; the output is incomplete")?;
            let Ok(data) = frame.into_data() else { continue };
            rest.extend_from_slice(&data);
            if !status.is_success() {
                continue;
            }
            let Some(end) = rest.iter().rposition(|byte| *byte == b'\n') else { continue };
            let after = rest.split_off(end + 1);
            for line in std::mem::replace(&mut rest, after).split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                take(std::str::from_utf8(line).context("the response is not UTF-8")?)?;
            }
        }
        if !status.is_success() {
            return Err(Refusal::read(status, &serde_json::from_slice(&rest).unwrap_or_default()).into());
        }
        anyhow::ensure!(rest.is_empty(), "the response was truncated; the output is incomplete");
        Ok(())
    }

    /// Sealed responses come in pages (pagination): requests one after the other.
    async fn each_sealed_line<P: ListPage>(
        &self,
        target: &Target,
        mut take: impl FnMut(&str) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let follow = target.query.iter().any(|(name, _)| *name == "follow");
        let mut left = target.query.iter().find(|(name, _)| *name == "limit").and_then(|(_, n)| n.parse::<usize>().ok());
        let mut target = target.clone();
        target.query.retain(|(name, _)| *name != "limit");
        let mut before = target.query.iter().find(|(name, _)| *name == "after").map(|(_, after)| after.clone());
        loop {
            let page = self.get::<P>(&target).await?;
            for (_, line) in page.entries() {
                take(&line.to_string())?;
                left = left.map(|left| left - 1);
                if left == Some(0) {
                    return Ok(());
                }
            }
            // A page without entries has moved on all the same where it passed what this client may not see.
            let next = page.view.next().filter(|next| before.as_ref() != Some(next));
            match next {
                Some(next) => {
                    before = Some(next.clone());
                    target = target.with("after", next);
                }
                // Nothing yet: the same again.
                None if follow => {}
                None => return Ok(()),
            }
        }
    }

    async fn whole(&self, target: &str, payload: Payload) -> anyhow::Result<(StatusCode, Bytes)> {
        within_patience(async { whole(self.ask(target, payload).await?, seal::Purpose::Answer.length_max()).await }).await
    }

    async fn ask(&self, target: &str, payload: Payload) -> anyhow::Result<Response<AnswerBody>> {
        if let Way::Plain { remote, answers } = &self.way {
            answers.get_or_try_init(|| self.check_that_plain_is_answered(remote.authority())).await?;
        }
        self.send(target, payload).await
    }

    async fn send(&self, target: &str, payload: Payload) -> anyhow::Result<Response<AnswerBody>> {
        let request = Request::builder().uri(target);
        let post = |media_type| Request::builder().uri(target).method(Method::POST).header(header::CONTENT_TYPE, media_type);
        let (request, body) = match payload {
            Payload::Nothing | Payload::From(0) => (request, Bytes::new()),
            Payload::Head => (request.method(Method::HEAD), Bytes::new()),
            Payload::From(offset) => (request.header(header::RANGE, format!("bytes={offset}-")), Bytes::new()),
            Payload::Json(json) => (post("application/json"), json.into()),
            Payload::Sealed(token) => (post(seal::MEDIA_TYPE), token.into()),
        };
        let response = match &self.way {
            Way::Here { local, lent } => {
                let (response, end) = (lent.end.or(local.ask(request.body(body)?)).await?, lent.end.clone());
                response.map(|body| {
                    let frames = BodyStream::new(body).map(move |frame| end.check().and(frame.map_err(anyhow::Error::from)));
                    AnswerBody::new(StreamBody::new(frames))
                })
            }
            Way::Socket(path) => {
                let stream = connect_socket(path)?;
                let request = request.header(header::HOST, "localhost").body(Full::new(body))?;
                self.exchange(stream, request).await?
            }
            Way::Sealed { remote, .. } | Way::Plain { remote, .. } => {
                let request = request.header(header::HOST, remote.authority()).body(Full::new(body))?;
                self.exchange(remote.connect().await?, request).await.with_context(|| remote.unanswered())?
            }
        };
        Ok(response)
    }

    async fn exchange(
        &self,
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        request: Request<Full<Bytes>>,
    ) -> anyhow::Result<Response<AnswerBody>> {
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        self.lifecycle.task(async move {
            // Its error is also the response's, where it is reported.
            if let Err(error) = connection.await {
                tracing::debug!("the connection ended: {error}");
            }
        });
        let response: Response<Incoming> = sender.send_request(request).await.context("the server closed the connection")?;
        Ok(response.map(|body| AnswerBody::new(body.map_err(anyhow::Error::from))))
    }
}

/// What is sent with a request.
#[derive(Default)]
enum Payload {
    /// Nothing: a plain GET.
    #[default]
    Nothing,
    /// Nothing: only what a GET would say of its body is wanted.
    Head,
    /// Nothing: a GET for the bytes from this one on.
    From(u64),
    /// A plain POST.
    Json(String),
    /// A sealed request, whatever it asks.
    Sealed(String),
}

/// Makes what stands for a program that is not running.
pub type MakeOperator<'a> =
    dyn Fn(Arc<Archive>, Arc<dyn Clock>) -> anyhow::Result<Arc<dyn Operator>> + Send + std::marker::Sync + 'a;

type AnswerBody = http_body_util::combinators::UnsyncBoxBody<Bytes, anyhow::Error>;

/// The socket of a running daemon, or the archive itself.
async fn folder(root: &Path, lifecycle: &Lifecycle, operator: Option<&MakeOperator<'_>>, files: bool) -> anyhow::Result<Way> {
    let socket = DataFolder::socket(root);
    let started = Instant::now();
    loop {
        match DataFolder::lock_existing(root) {
            Ok(folder) => {
                let local = here(&folder, lifecycle, operator, files)?;
                return Ok(Way::Here { local, lent: Lent::new(folder, operator.is_none(), lifecycle) });
            }
            Err(FolderError::InUse { path, process }) => {
                if connect_socket(&socket).is_ok() {
                    return Ok(Way::Socket(socket));
                }
                if started.elapsed() > FOLDER_PATIENCE {
                    bail!(
                        "data folder `{}` is in use by process {process}, which does not answer on its socket; wait for it to end, or stop it",
                        path.display()
                    );
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            Err(other) => return Err(other.into()),
        }
    }
}

fn here(folder: &DataFolder, lifecycle: &Lifecycle, operator: Option<&MakeOperator<'_>>, files: bool) -> anyhow::Result<Local> {
    let index = IndexFolders::at(&folder.index());
    let seen = index.seen()?;
    let archive = Arc::new(Archive::open_to_read(&folder.archive(), seen.as_ref())?);
    archive.check_positions()?;
    let position = seen.filter(|seen| seen.archive == archive.id()).map_or(0, |seen| seen.position.0);
    let behind = archive.last_seq().0.saturating_sub(position);
    if behind > 0 {
        super::output::tell(format_args!(
            "note: `search` cannot find the newest {behind} changes yet; `telescribe run` or `telescribe reindex` indexes them"
        ));
    }
    let operator = operator.map(|make| make(Arc::clone(&archive), Arc::new(SystemClock))).transpose()?;
    let index = ServingIndex::lazy(index, &archive);
    let context = Context::new(archive, index, Arc::new(SystemClock), lifecycle.clone())
        .with_status(Arc::new(StoppedProgram::new(folder.root(), Arc::new(SystemClock))));
    let context = match files && folder.blobs().exists() {
        true => context.with_blobs(Blobs::open_read_only(&folder.blobs())?),
        false => context,
    };
    Ok(Local::new(Arc::new(match operator {
        Some(operator) => context.with_operator(operator),
        None => context,
    })))
}

fn connect_socket(path: &Path) -> anyhow::Result<UnixStream> {
    let connect = |path: &Path| std::os::unix::net::UnixStream::connect(path);
    let stream = crate::http::socket::reachable(path, connect).with_context(|| format!("cannot reach `{}`", path.display()))?;
    stream.set_nonblocking(true)?;
    Ok(UnixStream::from_std(stream)?)
}

/// All of a response, which has at most so many bytes: whoever is on the way can send more.
async fn whole(response: Response<AnswerBody>, bytes_max: usize) -> anyhow::Result<(StatusCode, Bytes)> {
    let status = response.status();
    let body = Limited::new(response.into_body(), bytes_max).collect().await;
    Ok((status, body.map_err(|error| anyhow!("the response was truncated, or is too long: {error}"))?.to_bytes()))
}

async fn within_patience<T>(asking: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::time::timeout(ANSWER_TIMEOUT, asking).await.unwrap_or_else(|_| bail!("no response within {ANSWER_TIMEOUT:?}"))
}
