//! The HTTP client for other people's servers: HTTP/1.1 over hyper, with TLS by rustls and ring, and the system's certificates.
//!
//! Connections are kept and used again (keep-alive), for less time than most servers keep them. Redirects are not followed, and proxies of the environment
//! are not used. It limits how long a connection may take to come about, from the name to the end of the TLS handshake; how long an answer may take, and how
//! much of it is read, is for who asks to say.

mod tls;

use std::error::Error;
use std::fmt;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::BoxFuture;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Body, Bytes, Incoming};
use hyper::service::Service as _;
use hyper::{Request, Response, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector as TcpConnector;
use hyper_util::client::legacy::{Client, Error as ClientError};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use hyper_util::service::TowerToHyperService;

pub use tls::{TlsClient, TrustError};

/// How long a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an idle connection is kept: Node, uvicorn and Apache close theirs after five seconds, and a request that meets that has no answer.
const IDLE_MAX: Duration = Duration::from_secs(4);

/// A body that is all there.
pub type RequestBody = Full<Bytes>;

/// A client, for requests with bodies of one type.
#[derive(Clone)]
pub struct HttpsClient<B>(Transport<B>);

#[derive(Clone)]
enum Transport<B> {
    Secure { client: Client<Timely<HttpsConnector<TcpConnector>>, B>, connector: Timely<HttpsConnector<TcpConnector>> },
    Plain { client: Client<Timely<TcpConnector>, B>, connector: Timely<TcpConnector> },
}

type BoxError = Box<dyn Error + Send + Sync>;

/// A connector whose connections come about in time, or not at all: by themselves those of TLS may wait for ever, and for a name as long as the system does.
#[derive(Clone)]
struct Timely<C> {
    connector: C,
    within: Duration,
}

impl<C> Timely<C> {
    fn new(connector: C) -> Self {
        Self { connector, within: CONNECT_TIMEOUT }
    }
}

impl<C> tower::Service<Uri> for Timely<C>
where
    C: tower::Service<Uri>,
    C::Future: Send + 'static,
    C::Error: Into<BoxError>,
{
    type Response = C::Response;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<C::Response, BoxError>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.connector.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let (connecting, within) = (self.connector.call(uri), self.within);
        Box::pin(async move {
            match tokio::time::timeout(within, connecting).await {
                Ok(made) => made.map_err(Into::into),
                Err(_) => Err(format!("no connection within {within:?}").into()),
            }
        })
    }
}

/// No answer came; why, as the system or the library of TLS words it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Unanswered {
    text: String,
    is_unreachable: bool,
}

/// What is wrong with a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Distrust {
    /// It is of another time.
    Time,
    /// It is of another name.
    Name,
    /// It may issue others, and so is not taken for a server's own.
    Authority,
    /// Nobody knows who has issued it, or it is wrong in another way.
    Issuer,
}

impl Unanswered {
    /// A connection came about, and no answer.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), is_unreachable: false }
    }

    /// Whether not even a connection came about.
    #[must_use]
    pub fn is_unreachable(&self) -> bool {
        self.is_unreachable
    }

    /// The cause of causes says why.
    fn of(error: &(dyn Error + 'static)) -> Self {
        let mut cause = error;
        while let Some(deeper) = cause.source() {
            cause = deeper;
        }
        let text = cause.to_string();
        // rustls adds how many seconds ago a certificate expired, so that no two errors would be the same.
        Self::new(text.split(": verification time").next().unwrap_or_default())
    }

    /// Why a certificate is not trusted, where that is why no connection came about.
    #[must_use]
    pub fn distrust(&self) -> Option<Distrust> {
        let says = |what: &str| self.text.to_ascii_lowercase().contains(what);
        match () {
            () if says("certificate expired") || says("not valid yet") => Some(Distrust::Time),
            () if says("not valid for") => Some(Distrust::Name),
            () if says("causedasendentity") => Some(Distrust::Authority),
            () if says("certificate") => Some(Distrust::Issuer),
            () => None,
        }
    }

    fn unreachable(error: &(dyn Error + 'static)) -> Self {
        Self { is_unreachable: true, ..Self::of(error) }
    }
}

/// The system has no certificates to verify servers with.
#[derive(Debug, thiserror::Error)]
#[error("the system's certificates cannot be used: {0}; install them (Debian: ca-certificates)")]
pub struct NoCertificates(String);

impl<B> HttpsClient<B>
where
    B: Body + Send + Unpin + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    /// A client that speaks TLS only, or none.
    ///
    /// # Errors
    /// When there are no certificates to verify servers with.
    pub fn new(is_secure: bool) -> Result<Self, NoCertificates> {
        let mut tcp = TcpConnector::new();
        tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
        tcp.set_nodelay(true);
        let mut builder = Client::builder(TokioExecutor::new());
        builder.pool_timer(TokioTimer::new()).pool_idle_timeout(IDLE_MAX);
        if !is_secure {
            let connector = Timely::new(tcp);
            return Ok(Self(Transport::Plain { client: builder.build(connector.clone()), connector }));
        }
        tcp.enforce_http(false);
        let tls = HttpsConnectorBuilder::new().try_with_platform_verifier();
        let tls = tls.map_err(|error| NoCertificates(error.to_string()))?;
        let connector = Timely::new(tls.https_only().enable_http1().wrap_connector(tcp));
        Ok(Self(Transport::Secure { client: builder.build(connector.clone()), connector }))
    }

    /// Whether a connection to a server comes about, and its certificate is trusted; it is not kept.
    ///
    /// # Errors
    /// Why it does not.
    pub async fn try_to_connect(&self, uri: Uri) -> Result<(), Unanswered> {
        match &self.0 {
            Transport::Secure { connector, .. } => {
                let made = TowerToHyperService::new(connector.clone()).call(uri).await;
                made.map(drop).map_err(|error| Unanswered::unreachable(error.as_ref()))
            }
            Transport::Plain { connector, .. } => {
                let made = TowerToHyperService::new(connector.clone()).call(uri).await;
                made.map(drop).map_err(|error| Unanswered::unreachable(error.as_ref()))
            }
        }
    }

    /// Sends a request, and returns the head of its answer.
    ///
    /// # Errors
    /// When there is none.
    pub async fn send(&self, request: Request<B>) -> Result<Response<Incoming>, Unanswered> {
        let sent = match &self.0 {
            Transport::Secure { client, .. } => client.request(request).await,
            Transport::Plain { client, .. } => client.request(request).await,
        };
        let unanswered = |error: ClientError| match error.is_connect() {
            true => Unanswered::unreachable(&error),
            false => Unanswered::of(&error),
        };
        sent.map_err(unanswered)
    }
}

/// Reads the body of an answer, of at most so many bytes.
///
/// # Errors
/// When it ends early, or is longer.
pub async fn read(body: Incoming, bytes_max: usize) -> Result<Bytes, Unanswered> {
    let body = Limited::new(body, bytes_max).collect().await;
    Ok(body.map_err(|error| Unanswered::of(error.as_ref()))?.to_bytes())
}

impl<B> fmt::Debug for HttpsClient<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HttpsClient")
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::io;

    use tower::{Service as _, service_fn};

    use super::*;

    #[tokio::test]
    async fn a_handshake_that_never_ends_is_given_up() {
        let mut silent = Timely { connector: service_fn(|_| pending::<io::Result<()>>()), within: Duration::from_millis(7) };
        let error = silent.call(Uri::from_static("https://example.org")).await.unwrap_err();
        assert_eq!(error.to_string(), "no connection within 7ms");
    }

    #[test]
    fn one_that_is_not_trusted_is_told_once_and_with_its_way_out() {
        for (text, shown, distrust) in [
            (
                "invalid peer certificate: certificate expired: verification time 1764267000 (UNIX), but certificate is not valid after 1 (5 seconds ago)",
                "invalid peer certificate: certificate expired",
                Some(Distrust::Time),
            ),
            (
                "invalid peer certificate: certificate not valid for name \"a\"; it is only valid for \"b\"",
                "invalid peer certificate: certificate not valid for name \"a\"; it is only valid for \"b\"",
                Some(Distrust::Name),
            ),
            ("invalid peer certificate: UnknownIssuer", "invalid peer certificate: UnknownIssuer", Some(Distrust::Issuer)),
            ("received fatal alert: CertificateRequired", "received fatal alert: CertificateRequired", Some(Distrust::Issuer)),
            ("Connection refused (os error 111)", "Connection refused (os error 111)", None),
        ] {
            let unanswered = Unanswered::unreachable(&io::Error::other(text));
            assert_eq!((unanswered.to_string().as_str(), unanswered.distrust()), (shown, distrust));
        }
    }
}
