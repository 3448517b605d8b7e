//! A server elsewhere: its address, and connections to it, with TLS where the address says so.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use crate::https_client::{Distrust, TlsClient, Unanswered};

/// Timeout for connecting to a remote server, and for the TLS handshake.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The port that a server listens on, unless it is told otherwise.
const PORT: u16 = 8470;

/// A server that is named by its address.
pub(super) struct Remote {
    authority: String,
    host: String,
    tls: Option<TlsClient>,
}

/// What is spoken over.
pub(super) trait Connection: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Connection for T {}

impl Remote {
    /// The server of an address; `authorities` is the file with the certificates of those that it must be certified by.
    pub(super) fn new(server: &str, authorities: Option<&Path>) -> anyhow::Result<Self> {
        if server.contains('@') {
            bail!("`--server` takes no user and password, only host and port; `--key` names the file with the key");
        }
        let uri: hyper::Uri = server
            .parse()
            .ok()
            .with_context(|| format!("`{server}` is not an address; write one such as `http://127.0.0.1:{PORT}`"))?;
        let tls = match uri.scheme_str() {
            Some("https") => Some(TlsClient::new(authorities).context("cannot verify servers")?),
            None | Some("http") if authorities.is_none() => None,
            None | Some("http") => {
                bail!("`--ca` is for servers with TLS: write `https://` in front of `{server}`, or leave it out")
            }
            Some(other) => {
                bail!("`{other}` is not supported: use `https://` or `http://`, and `--key`, which seals requests and responses")
            }
        };
        let authority = uri.authority().with_context(|| format!("`{server}` names no host"))?;
        if !uri.path().trim_matches('/').is_empty() {
            bail!("`{server}` has a path; name only host and port");
        }
        let host = authority.host().to_owned();
        Ok(Self { authority: format!("{host}:{}", authority.port_u16().unwrap_or(PORT)), host, tls })
    }

    /// Host and port.
    pub(super) fn authority(&self) -> &str {
        &self.authority
    }

    /// Connects, and verifies who answers.
    pub(super) async fn connect(&self) -> anyhow::Result<Box<dyn Connection>> {
        let in_vain = || format!("cannot reach `{}`", self.authority);
        let late = |_| anyhow::anyhow!("no connection within {CONNECT_TIMEOUT:?}");
        let connecting = tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(self.authority.as_str()));
        let stream = connecting.await.map_err(late).and_then(|stream| Ok(stream?)).with_context(in_vain)?;
        let Some(tls) = &self.tls else { return Ok(Box::new(stream)) };
        let handshake = tokio::time::timeout(CONNECT_TIMEOUT, tls.connect(&self.host, stream));
        match handshake.await.map_err(late).with_context(in_vain)? {
            Ok(stream) => Ok(Box::new(stream)),
            Err(error) => bail!("cannot reach `{}` with TLS, and nothing was sent: {error}{}", self.authority, way_out(&error)),
        }
    }

    /// What may be said of a server that has closed the connection instead of answering.
    pub(super) fn unanswered(&self) -> String {
        match self.tls {
            Some(_) => format!("`{}` did not answer", self.authority),
            None => format!("`{}` did not answer; if it speaks TLS, write `https://`", self.authority),
        }
    }
}

fn way_out(error: &Unanswered) -> &'static str {
    match error.distrust() {
        Some(Distrust::Time) => "; its certificate must be renewed, or the clock of this machine be set",
        Some(Distrust::Name) => "; use the name that its certificate is for",
        Some(Distrust::Authority) => {
            "; its certificate is one of an authority (`CA:TRUE`), which no server's own may be: make one with `CA:FALSE`"
        }
        Some(Distrust::Issuer) => {
            "; if it is meant, name the file with the certificate of its issuer, or with its own, with `--ca FILE`"
        }
        None if error.to_string().contains("corrupt message") => "; if it speaks no TLS, write `http://`",
        None => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_host_and_port_and_nothing_else() {
        for (server, authority) in [
            ("http://archive.example", "archive.example:8470"),
            ("archive.example:1", "archive.example:1"),
            ("http://[::1]:5/", "[::1]:5"),
        ] {
            assert_eq!(Remote::new(server, None).map(|remote| remote.authority).unwrap(), authority);
        }
        for (server, said) in [
            ("http://me:secret@archive.example", "no user and password"),
            ("ftp://archive.example", "`ftp` is not supported"),
            ("http://archive.example/v1", "has a path"),
        ] {
            let error = Remote::new(server, None).map(|_| ()).unwrap_err().to_string();
            assert!(error.contains(said) && !error.contains("secret"), "{error}");
        }
        let error = Remote::new("http://archive.example", Some(Path::new("ca.pem"))).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains("write `https://`"), "{error}");
    }
}
