//! The listeners: TCP, the data folder's socket, the metrics; one task per connection, with timeouts and a maximum number of connections.
//!
//! `bind` takes the addresses, so that a start fails early; `serve` answers until the program stops, and then lets the requests in
//! progress finish (graceful shutdown).

use std::convert::Infallible;
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
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower::ServiceExt as _;

use super::context::Context;
use super::ingress::Ingress;
use super::settings::{Listener, Sealing, Settings, SettingsError};

/// How long requests in progress may still take after a stop was requested: below the 10 s after which service managers start to kill.
const STOP_GRACE: Duration = Duration::from_secs(5);
/// The pause after `accept` failed, most often because the process has no file descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);
/// Headers of a request: browsers send about 20.
const HEADERS_MAX: usize = 64;
/// Bytes of a request's head: a query of 512 characters takes a few thousand, and browsers send long headers.
const HEAD_SIZE_MAX: usize = 64 * 1024;

/// The server could not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The settings contradict what is safe.
    #[error(transparent)]
    Settings(#[from] SettingsError),
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
    tcp: Vec<(TcpListener, Listener)>,
    metrics: Vec<TcpListener>,
    socket: Option<(UnixListener, PathBuf)>,
}

impl Bound {
    /// Binds every address of the settings and, where one is wanted, creates the socket for the commands of this machine's owner.
    ///
    /// # Errors
    /// When the settings are unsafe, an address is taken, or the socket cannot be made.
    pub async fn bind(settings: &Settings, socket: Option<&Path>) -> Result<Self, ServeError> {
        settings.check()?;
        let (mut tcp, mut metrics) = (Vec::new(), Vec::new());
        for listener in &settings.listeners {
            tcp.push((bind_tcp(listener.address).await?, listener.clone()));
        }
        for address in &settings.metrics {
            metrics.push(bind_tcp(*address).await?);
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
        self.tcp.iter().filter_map(|(listener, _)| listener.local_addr().ok()).collect()
    }

    /// The addresses of the metrics.
    #[must_use]
    pub fn metrics_addresses(&self) -> Vec<SocketAddr> {
        self.metrics.iter().filter_map(|listener| listener.local_addr().ok()).collect()
    }

    /// Serves all of them, in tasks of the context's lifecycle, until that is stopped.
    pub fn serve(self, context: &Arc<Context>) {
        let api = super::router(Arc::clone(context));
        for (listener, Listener { sealing, operate, .. }) in self.tcp {
            context.lifecycle.task(accept(Listening::Tcp { listener, sealing, operate }, api.clone(), Arc::clone(context)));
        }
        for listener in self.metrics {
            let metrics = super::metrics_router(Arc::clone(context));
            let listening = Listening::Tcp { listener, sealing: Sealing::Off, operate: false };
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

async fn bind_tcp(address: SocketAddr) -> Result<TcpListener, ServeError> {
    TcpListener::bind(address).await.map_err(|source| ServeError::Address { address, source })
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
    Tcp { listener: TcpListener, sealing: Sealing, operate: bool },
    Socket(UnixListener),
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

impl Listening {
    async fn accept(&self) -> io::Result<(Box<dyn Stream>, Ingress)> {
        match self {
            Self::Tcp { listener, sealing, operate } => {
                let (stream, from) = listener.accept().await?;
                // Answers are written whole; waiting for more to send only delays their last packet.
                stream.set_nodelay(true)?;
                Ok((Box::new(stream), Ingress::Tcp { sealing: *sealing, operate: *operate, from }))
            }
            Self::Socket(listener) => {
                let (stream, _) = listener.accept().await?;
                Ok((Box::new(stream), Ingress::Owner))
            }
        }
    }
}

/// Accepts connections until a stop is requested; at most as many at once as the settings allow.
async fn accept(listening: Listening, router: Router, context: Arc<Context>) {
    let places = Arc::new(Semaphore::new(context.settings.connections_max));
    loop {
        let next = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (place, listening.accept().await)
        };
        let (place, accepted) = tokio::select! {
            next = next => next,
            () = context.lifecycle.stop_asked() => return,
        };
        match (place, accepted) {
            (Ok(place), Ok((stream, ingress))) => {
                context.lifecycle.task(connection(stream, ingress, router.clone(), Arc::clone(&context), place));
            }
            (_, Err(error)) => {
                tracing::warn!("cannot accept a connection: {error}");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
            (Err(_), _) => return,
        }
    }
}

async fn connection(
    stream: Box<dyn Stream>,
    ingress: Ingress,
    router: Router,
    context: Arc<Context>,
    place: OwnedSemaphorePermit,
) {
    let _place = place;
    let service = hyper::service::service_fn(move |request: hyper::Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ingress.clone());
        let router = router.clone();
        async move { Ok::<_, Infallible>(router.oneshot(request).await.unwrap_or_else(|never| match never {})) }
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(context.settings.header_timeout)
        .max_headers(HEADERS_MAX)
        .max_buf_size(HEAD_SIZE_MAX)
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
