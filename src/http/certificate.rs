//! A listener's certificate: TLS by rustls and ring, HTTP/1.1 by ALPN, and the files read again when they change.
//!
//! Certificate and key are only taken together, when they are a pair and of this time. New files that are not leave the certificate that was
//! loaded before, and are told of once, if they are still so at the second look: who renews a certificate replaces one file after the other.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::client::verify_server_cert_signed_by_trust_anchor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use tokio_rustls::rustls::server::ParsedCertificate;
use tokio_rustls::rustls::{CertificateError, Error, RootCertStore, ServerConfig};
use tokio_rustls::server::TlsStream;
use zeroize::Zeroizing;

use crate::model::{Clock as _, SystemClock, Timestamp};

use super::keys::{FileStamp, LOOK_EVERY, stamp};
use super::settings::{Listener, Settings};

/// Bytes of such a file at most: a chain has some KiB.
const FILE_MAX: u64 = 1 << 20;
/// HTTP/1.1, in the words of ALPN.
const ALPN: &[u8] = b"http/1.1";

/// A listener cannot speak TLS with these files.
#[derive(Debug, thiserror::Error)]
pub enum CertificateFileError {
    /// A file cannot be read.
    #[error("cannot read `{}`: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Others can read the key.
    #[error("the key file `{}` can be read by others (mode {mode:o}); run `chmod 600 {}`", path.display(), path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// There is no certificate.
    #[error("there is no certificate in `{}`; it must be PEM: the server's own certificate first, those of its issuers behind it", .0.display())]
    NoCertificate(PathBuf),
    /// There is no key.
    #[error("there is no private key in `{}`; it must be PEM, and not be encrypted with a passphrase", .0.display())]
    NoKey(PathBuf),
    /// A file is not what it should be.
    #[error("`{}` cannot be used: {why}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// They are no pair.
    #[error("the key `{}` is not the one of the first certificate in `{}`; the server's own certificate must be the first", key.display(), certificate.display())]
    NoPair {
        /// The file with the certificate.
        certificate: PathBuf,
        /// The file with the key.
        key: PathBuf,
    },
    /// It is no longer valid, or not yet.
    #[error("the certificate `{}` {what}; renew it, or check this machine's clock", path.display())]
    OutOfTime {
        /// The file.
        path: PathBuf,
        /// Since or until when.
        what: String,
    },
}

impl Settings {
    /// Reads the certificates of the listeners, as a start does.
    ///
    /// # Errors
    /// When one of them cannot be used.
    pub fn check_certificates(&self) -> Result<(), CertificateFileError> {
        let mut files = self.listeners.iter().filter_map(Listener::tls);
        files.try_for_each(|(certificate, key)| load(certificate, key).map(drop))
    }
}

/// The certificate of a listener.
#[derive(Debug)]
pub(super) struct ListenerCertificate {
    certificate: PathBuf,
    key: PathBuf,
    loaded: Mutex<Loaded>,
}

#[derive(Debug)]
struct Loaded {
    config: Arc<ServerConfig>,
    stamp: FilePair,
    looked: Instant,
    /// Files that are in place and cannot be used, and whether that was told.
    refused: Option<(FilePair, bool)>,
}

/// One state of certificate and key.
type FilePair = [Option<FileStamp>; 2];

impl ListenerCertificate {
    pub(super) fn load(certificate: &Path, key: &Path) -> Result<Self, CertificateFileError> {
        // The stamp first: what changes meanwhile is loaded again.
        let stamp = [stamp(certificate), stamp(key)];
        let config = Arc::new(load(certificate, key)?);
        let loaded = Mutex::new(Loaded { config, stamp, looked: Instant::now(), refused: None });
        Ok(Self { certificate: certificate.to_owned(), key: key.to_owned(), loaded })
    }

    /// Makes the handshake.
    pub(super) async fn accept<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: S) -> io::Result<TlsStream<S>> {
        TlsAcceptor::from(self.current(Instant::now())).accept(stream).await
    }

    fn current(&self, now: Instant) -> Arc<ServerConfig> {
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        // A handshake costs more than a look, and who has renewed a certificate is patient.
        if now.duration_since(loaded.looked) >= LOOK_EVERY {
            loaded.looked = now;
            self.look(&mut loaded);
        }
        Arc::clone(&loaded.config)
    }

    fn look(&self, loaded: &mut Loaded) {
        let current = [stamp(&self.certificate), stamp(&self.key)];
        if current == loaded.stamp {
            loaded.refused = None;
            return;
        }
        let known = loaded.refused.filter(|(refused, _)| *refused == current);
        match load(&self.certificate, &self.key) {
            Ok(config) => {
                tracing::info!("the certificate `{}` was read again", self.certificate.display());
                (loaded.config, loaded.stamp, loaded.refused) = (Arc::new(config), current, None);
            }
            // They are tried again all the same: a certificate of tomorrow is good tomorrow.
            Err(error) => {
                if known.is_some_and(|(_, is_told)| !is_told) {
                    tracing::error!("{error}; the certificate that was loaded before stays in use");
                }
                loaded.refused = Some((current, known.is_some()));
            }
        }
    }
}

fn load(certificate: &Path, key: &Path) -> Result<ServerConfig, CertificateFileError> {
    let text = read(certificate, false)?;
    let chain: Result<Vec<CertificateDer<'static>>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let unusable = |path: &Path, why: String| CertificateFileError::Unusable { path: path.to_owned(), why };
    let chain = chain.map_err(|error| unusable(certificate, error.to_string()))?;
    // Clients need not look at what is behind the first one: some have trusted its issuer all along.
    check_time(certificate, chain.first().ok_or_else(|| CertificateFileError::NoCertificate(certificate.to_owned()))?)?;
    let text = read(key, true)?;
    let Some(private) = PrivateKeyDer::pem_slice_iter(&text).next() else {
        return Err(CertificateFileError::NoKey(key.to_owned()));
    };
    let private = private.map_err(|error| unusable(key, error.to_string()))?;
    let mut config =
        ServerConfig::builder().with_no_client_auth().with_single_cert(chain, private).map_err(|error| match error {
            Error::InconsistentKeys(_) => {
                CertificateFileError::NoPair { certificate: certificate.to_owned(), key: key.to_owned() }
            }
            Error::InvalidCertificate(_) => unusable(certificate, error.to_string()),
            other => unusable(key, other.to_string()),
        })?;
    config.alpn_protocols = vec![ALPN.to_vec()];
    Ok(config)
}

/// A file's bytes; those of a secret only where nobody but its owner can read it.
fn read(path: &Path, is_secret: bool) -> Result<Zeroizing<Vec<u8>>, CertificateFileError> {
    let unreadable = |source| CertificateFileError::Unreadable { path: path.to_owned(), source };
    let file = File::open(path).map_err(unreadable)?;
    let mode = file.metadata().map_err(unreadable)?.permissions().mode() & 0o777;
    if is_secret && mode & 0o077 != 0 {
        return Err(CertificateFileError::Exposed { path: path.to_owned(), mode });
    }
    let mut bytes = Zeroizing::new(Vec::new());
    file.take(FILE_MAX).read_to_end(&mut bytes).map_err(unreadable)?;
    Ok(bytes)
}

/// Whether a certificate is of this time; who has issued it is for its readers to know.
fn check_time(path: &Path, certificate: &CertificateDer<'_>) -> Result<(), CertificateFileError> {
    let unusable = |error: Error| CertificateFileError::Unusable { path: path.to_owned(), why: error.to_string() };
    let parsed = ParsedCertificate::try_from(certificate).map_err(unusable)?;
    let now = u64::try_from(SystemClock.timestamp().0).unwrap_or_default();
    let now = UnixTime::since_unix_epoch(Duration::from_secs(now));
    let algorithms = ring::default_provider().signature_verification_algorithms.all;
    // Its time is the first that is looked at, before anybody who could have issued it.
    let verified = verify_server_cert_signed_by_trust_anchor(&parsed, &RootCertStore::empty(), &[], now, algorithms);
    let shown = |time: UnixTime| Timestamp(i64::try_from(time.as_secs()).unwrap_or(i64::MAX));
    let out_of_time = |what: String| Err(CertificateFileError::OutOfTime { path: path.to_owned(), what });
    match verified {
        Err(Error::InvalidCertificate(CertificateError::ExpiredContext { not_after, .. })) => {
            out_of_time(format!("has expired on {}", shown(not_after)))
        }
        Err(Error::InvalidCertificate(CertificateError::NotValidYetContext { not_before, .. })) => {
            out_of_time(format!("is not valid before {}", shown(not_before)))
        }
        Err(Error::InvalidCertificate(CertificateError::Expired)) => out_of_time("has expired".to_owned()),
        Err(Error::InvalidCertificate(CertificateError::NotValidYet)) => out_of_time("is not valid yet".to_owned()),
        _ => Ok(()),
    }
}
