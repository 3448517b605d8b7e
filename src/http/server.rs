//! The listeners: TCP, with TLS where there is a certificate, the data folder's socket, the metrics; one task per connection.
//!
//! `bind` takes the addresses, so that a start fails early; `serve` answers until the program stops, and then lets the requests in
//! progress finish (graceful shutdown). Who gets in is for `admission` to say, and how long nothing may be taken of a response for `transport`.
//! After `connection_lifetime` the next response is the connection's last. Over the socket neither holds: who uses it owns the archive, and may look
//! at one page of an output for as long as he likes.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, UnixListener};
use tower::ServiceExt as _;

use super::admission::{OccupiedPlace, Place, Places, Source};
use super::certificate::{CertificateFileError, ListenerCertificate};
use super::context::Context;
use super::ingress::Ingress;
use super::settings::{Listener, Sealing, Settings, SettingsError};
use super::transport::{AwaitedBody, PacedStream, ServedBody};

/// How long requests in progress may still take after a stop was requested: below the 10 s after which service managers start to kill.
const STOP_GRACE: Duration = Duration::from_secs(5);
/// The pause after `accept` failed, most often because the process has no file descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);
/// Headers of a request: browsers send about 20.
const HEADERS_MAX: usize = 64;
/// Bytes of a request's head, and of what is read ahead behind it: a query of 512 characters takes a few thousand, and browsers send long headers.
const HEAD_SIZE_MAX: usize = 64 * 1024;
/// Bytes that the system takes for a client before it has taken them; it doubles them for itself. A third of that is the smallest progress that can be
/// seen, and all of it is lost on each client that takes nothing. Over 100 ms of network it is still more than a megabyte a second.
const SEND_BUFFER: u32 = 128 * 1024;
/// Connections that the system accepts ahead of the program.
const BACKLOG: u32 = 1_024;

/// The server could not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The settings contradict what is safe.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// A listener's certificate cannot be used.
    #[error(transparent)]
    Certificate(#[from] CertificateFileError),
    /// An address could not be taken.
    #[error("cannot listen on `{address}`: {source}; set another address under `[http]`, or stop the program that uses it")]
    Address {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The socket could not be made.
    #[error("cannot create the socket `{}`: {source}", path.display())]
    Socket {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Addresses that are taken but not served yet.
#[derive(Debug)]
pub struct Bound {
    tcp: Vec<(TcpListener, Listener, Option<Arc<ListenerCertificate>>)>,
    metrics: Vec<TcpListener>,
    socket: Option<(UnixListener, PathBuf)>,
}

impl Bound {
    /// Binds every address of the settings and, where one is wanted, creates the socket for the commands of this machine's owner.
    ///
    /// # Errors
    /// When the settings are unsafe, a certificate cannot be used, an address is taken, or the socket cannot be made.
    pub async fn bind(settings: &Settings, socket: Option<&Path>) -> Result<Self, ServeError> {
        settings.check()?;
        let (mut tcp, mut metrics) = (Vec::new(), Vec::new());
        for listener in &settings.listeners {
            let certificate = listener.tls().map(|(certificate, key)| ListenerCertificate::load(certificate, key)).transpose()?;
            tcp.push((bind_tcp(listener.address)?, listener.clone(), certificate.map(Arc::new)));
        }
        for address in &settings.metrics {
            metrics.push(bind_tcp(*address)?);
        }
        let socket = match socket {
            Some(path) => {
                let listener = bind_socket(path).map_err(|source| ServeError::Socket { path: path.to_owned(), source })?;
                Some((listener, path.to_owned()))
            }
            None => None,
        };
        Ok(Self { tcp, metrics, socket })
    }

    /// The addresses of the API, in the settings' order; with the port that the system chose where it was 0.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.tcp.iter().filter_map(|(listener, ..)| listener.local_addr().ok()).collect()
    }

    /// The addresses of the metrics.
    #[must_use]
    pub fn metrics_addresses(&self) -> Vec<SocketAddr> {
        self.metrics.iter().filter_map(|listener| listener.local_addr().ok()).collect()
    }

    /// Serves all of them, in tasks of the context's lifecycle, until that is stopped.
    pub fn serve(self, context: &Arc<Context>) {
        let api = super::router(Arc::clone(context));
        for (listener, Listener { sealing, operate, .. }, certificate) in self.tcp {
            let listening = Listening::Tcp { listener, sealing, operate, certificate };
            context.lifecycle.task(accept(listening, api.clone(), Arc::clone(context)));
        }
        for listener in self.metrics {
            let metrics = super::metrics_router(Arc::clone(context));
            let listening = Listening::Tcp { listener, sealing: Sealing::Off, operate: false, certificate: None };
            context.lifecycle.task(accept(listening, metrics, Arc::clone(context)));
        }
        if let Some((listener, path)) = self.socket {
            let serving = accept(Listening::Socket(listener), api, Arc::clone(context));
            context.lifecycle.task(async move {
                serving.await;
                // A socket that stays behind only costs the next start a replacement.
                if let Err(error) = fs::remove_file(&path) {
                    tracing::debug!(%error, "the socket was not removed");
                }
            });
        }
    }
}

fn bind_tcp(address: SocketAddr) -> Result<TcpListener, ServeError> {
    let bind = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        socket.set_reuseaddr(true)?;
        // Each connection that is accepted has it too.
        socket.set_send_buffer_size(SEND_BUFFER)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    };
    bind().map_err(|source| ServeError::Address { address, source })
}

/// Makes the socket in a private folder of its own and then moves it to its place, so that at no moment others could connect, and
/// one that a killed process left is replaced.
fn bind_socket(path: &Path) -> io::Result<UnixListener> {
    if fs::symlink_metadata(path).is_ok_and(|m| !m.file_type().is_socket()) {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, "something that is not a socket has this name"));
    }
    let folder = path.parent().unwrap_or(Path::new("."));
    let private = tempfile::Builder::new().prefix(".sock-").tempdir_in(folder)?;
    let made = private.path().join("s");
    let listener = super::socket::reachable(&made, |short| UnixListener::bind(short))?;
    fs::set_permissions(&made, fs::Permissions::from_mode(0o600))?;
    fs::rename(&made, path)?;
    Ok(listener)
}

enum Listening {
    Tcp { listener: TcpListener, sealing: Sealing, operate: bool, certificate: Option<Arc<ListenerCertificate>> },
    Socket(UnixListener),
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A connection that somebody has made.
struct Accepted {
    stream: Box<dyn Stream>,
    ingress: Ingress,
    source: Source,
    certificate: Option<Arc<ListenerCertificate>>,
}

impl Listening {
    async fn accept(&self) -> io::Result<Accepted> {
        match self {
            Self::Tcp { listener, sealing, operate, certificate } => {
                let (stream, from) = listener.accept().await?;
                // Answers are written whole; waiting for more to send only delays their last packet.
                stream.set_nodelay(true)?;
                let ingress = Ingress::Tcp { sealing: *sealing, operate: *operate, from };
                let (source, certificate) = (Source::of(from.ip()), certificate.clone());
                Ok(Accepted { stream: Box::new(stream), ingress, source, certificate })
            }
            Self::Socket(listener) => {
                let (stream, _) = listener.accept().await?;
                Ok(Accepted { stream: Box::new(stream), ingress: Ingress::Owner, source: Source::Owner, certificate: None })
            }
        }
    }
}

/// Accepts connections until a stop is requested; at most as many at once as the settings allow.
async fn accept(listening: Listening, router: Router, context: Arc<Context>) {
    let settings = &context.settings;
    let places = Places::new(settings.connections_max, settings.connections_per_address_max);
    loop {
        let next = async {
            let accepted = listening.accept().await?;
            let place = places.admit(accepted.source).await;
            io::Result::Ok((accepted, place))
        };
        let next = tokio::select! {
            next = next => next,
            () = context.lifecycle.stop_asked() => return,
        };
        match next {
            Ok((accepted, Some(place))) => {
                context.lifecycle.task(connection(accepted, place, router.clone(), Arc::clone(&context)));
            }
            Ok((_, None)) => dropped("address"),
            Err(error) => {
                tracing::warn!("cannot accept a connection: {error}");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn dropped(why: &'static str) {
    metrics::counter!("telescribe_http_connections_dropped_total", "why" => why).increment(1);
}

/// Serves a connection for as long as it keeps its place.
async fn connection(accepted: Accepted, occupied: OccupiedPlace, router: Router, context: Arc<Context>) {
    let (place, settings) = (Arc::clone(&occupied.place), &context.settings);
    let write_timeout = (accepted.source != Source::Owner).then_some(settings.write_timeout);
    let stream = PacedStream::new(accepted.stream, Arc::clone(&place), write_timeout);
    let serving = async {
        let Some(certificate) = accepted.certificate else {
            return serve(stream, accepted.ingress, router, &context, &place).await;
        };
        let shaken = tokio::select! {
            shaken = certificate.accept(stream) => shaken,
            // Nothing has been asked yet.
            () = context.lifecycle.stop_asked() => return,
        };
        match shaken {
            Ok(stream) => {
                place.went_on();
                serve(stream, accepted.ingress, router, &context, &place).await;
            }
            Err(error) => {
                dropped("handshake");
                tracing::debug!("no TLS handshake: {error}");
            }
        }
    };
    tokio::select! {
        () = serving => {}
        () = place.must_go() => dropped("full"),
        () = place.head_overdue(settings.header_timeout) => {}
    }
}

async fn serve(stream: impl Stream + 'static, ingress: Ingress, router: Router, context: &Context, place: &Arc<Place>) {
    let lifetime = (!matches!(ingress, Ingress::Owner)).then_some(context.settings.connection_lifetime);
    let service = hyper::service::service_fn(|request: hyper::Request<Incoming>| {
        let (router, ingress, place) = (router.clone(), ingress.clone(), Arc::clone(place));
        async move {
            let Some(in_service) = place.begin() else { return Err(io::Error::from(io::ErrorKind::ConnectionAborted)) };
            let mut request = request.map(|body| Body::new(AwaitedBody::new(body, Arc::clone(&place))));
            request.extensions_mut().insert(ingress);
            let mut response = router.oneshot(request).await.unwrap_or_else(|never| match never {});
            if lifetime.is_some_and(|lifetime| place.age() >= lifetime) {
                response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            Ok(response.map(|body| ServedBody::new(body, in_service)))
        }
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        // `Place::head_overdue` instead, which does not count while the client takes what it was sent.
        .header_read_timeout(None)
        .max_headers(HEADERS_MAX)
        .max_buf_size(HEAD_SIZE_MAX)
        .pipeline_flush(false)
        .serve_connection(TokioIo::new(stream), service);
    let mut serving = pin!(serving);
    let outcome = tokio::select! {
        outcome = serving.as_mut() => outcome,
        () = context.lifecycle.stop_asked() => {
            serving.as_mut().graceful_shutdown();
            tokio::time::timeout(STOP_GRACE, serving).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = outcome {
        // Clients disconnect and time out all the time; that is no concern of the operator.
        tracing::debug!("a connection ended: {error}");
    }
}
