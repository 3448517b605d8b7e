//! TLS over a connection that somebody else has made: for clients that are not the one of this module.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use hyper_rustls::ConfigBuilderExt as _;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::{NoCertificates, Unanswered};

/// HTTP/1.1, in the words of ALPN.
const ALPN: &[u8] = b"http/1.1";

/// Makes handshakes with servers that it trusts.
#[derive(Clone)]
pub struct TlsClient(TlsConnector);

/// Whom to trust is not known.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// The system has no certificates.
    #[error(transparent)]
    System(#[from] NoCertificates),
    /// The file with the certificates cannot be used.
    #[error("`{}` has no certificates to trust: {why}; it must be PEM", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

impl TlsClient {
    /// One that trusts whom the system trusts or, where there is a file with certificates, only whom these have issued.
    ///
    /// # Errors
    /// When there are none.
    pub fn new(authorities: Option<&Path>) -> Result<Self, TrustError> {
        let builder = ClientConfig::builder();
        let mut config = match authorities {
            None => {
                let builder = builder.try_with_platform_verifier();
                builder.map_err(|error| NoCertificates(error.to_string()))?.with_no_client_auth()
            }
            Some(path) => builder.with_root_certificates(roots(path)?).with_no_client_auth(),
        };
        config.alpn_protocols = vec![ALPN.to_vec()];
        Ok(Self(TlsConnector::from(Arc::new(config))))
    }

    /// Makes the handshake with the server of this name, or address.
    ///
    /// # Errors
    /// When it is not to be trusted, does not speak TLS, or the connection ends.
    pub async fn connect<S>(
        &self,
        host: &str,
        stream: S,
    ) -> Result<impl AsyncRead + AsyncWrite + Send + Unpin + use<S>, Unanswered>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin,
    {
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let name = ServerName::try_from(host).map_err(|error| Unanswered::unreachable(&error))?;
        self.0.connect(name, stream).await.map_err(|error| Unanswered::unreachable(&error))
    }
}

fn roots(path: &Path) -> Result<RootCertStore, TrustError> {
    let wrong = |why: String| TrustError::File { path: path.to_owned(), why };
    let mut roots = RootCertStore::empty();
    let certificates = CertificateDer::pem_file_iter(path).map_err(|error| wrong(error.to_string()))?;
    for certificate in certificates {
        let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
        roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(wrong("there is none in it".to_owned()));
    }
    Ok(roots)
}
