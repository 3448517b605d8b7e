//! TLS: certificates that are good, and those that are not; read again when they change; and how the commands trust.

#![expect(clippy::unwrap_used, reason = "what cannot be had fails the test")]

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;
use telescribe::cli::client::{Api, Globals, Target};
use telescribe::http::{Bound, Listener, Sealing, Settings};
use telescribe::views::PeersPage;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::sealed::client_key;
use crate::support::commands::globals;
use crate::support::files::project;
use crate::support::program::run_in;
use crate::support::python::python;
use crate::support::served::{Served, listening};
use crate::support::waiting::PATIENCE;

/// A folder with certificates for tests.
struct Certificates(TempDir);

impl Certificates {
    fn make() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let script = project().join("tests/tls/certificates.py");
        let made = Command::new(python(&["cryptography"])).arg(script).arg(folder.path()).status().unwrap();
        assert!(made.success());
        Self(folder)
    }

    fn path(&self, file: &str) -> PathBuf {
        self.0.path().join(file)
    }

    /// A listener whose certificate and key are these files.
    fn listener(&self, sealing: Sealing, certificate: &str, key: &str) -> Settings {
        let mut settings = listening(sealing);
        let (certificate, key) = (Some(self.path(certificate)), Some(self.path(key)));
        settings.listeners[0] = Listener { certificate, key, ..settings.listeners[0].clone() };
        settings
    }

    /// Puts others in their place, each at once.
    fn replace(&self, file: &str, by: &str) {
        let new = self.path("new");
        fs::copy(self.path(by), &new).unwrap();
        fs::rename(new, self.path(file)).unwrap();
    }
}

/// Asks a server with somebody else's TLS; returns the status, what ALPN has chosen, and the serial number of its certificate.
async fn asked_by_python(at: SocketAddr, authority: &Path) -> Result<(String, String), String> {
    const SCRIPT: &str = "import http.client, ssl, sys
context = ssl.create_default_context(cafile=sys.argv[1])
context.set_alpn_protocols(['h2', 'http/1.1'])
connection = http.client.HTTPSConnection('127.0.0.1', int(sys.argv[2]), context=context, timeout=60)
connection.request('GET', '/healthz')
print(connection.sock.selected_alpn_protocol(), connection.getresponse().status)
print(connection.sock.getpeercert()['serialNumber'])";
    let mut command = Command::new(python(&[]));
    command.arg("-c").arg(SCRIPT).arg(authority).arg(at.port().to_string());
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    if !output.status.success() {
        return Err(text(output.stderr));
    }
    let said = text(output.stdout);
    let (answer, serial) = said.trim().split_once('\n').unwrap();
    Ok((answer.to_owned(), serial.to_owned()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_with_a_certificate_speaks_tls_and_reads_it_again_when_it_changes() {
    let certificates = Certificates::make();
    for file in ["pem", "key"] {
        certificates.replace(&format!("used.{file}"), &format!("good.{file}"));
    }
    fs::copy(certificates.path("renewed.key"), certificates.path("exposed.key")).unwrap();
    fs::set_permissions(certificates.path("exposed.key"), fs::Permissions::from_mode(0o644)).unwrap();
    let served = Served::start(certificates.listener(Sealing::Required, "used.pem", "used.key")).await;
    let authority = certificates.path("authority.pem");
    let (answer, first) = asked_by_python(served.address, &authority).await.unwrap();
    assert_eq!(answer, "http/1.1 200");
    let refused = asked_by_python(served.address, &certificates.path("own.pem")).await.unwrap_err();
    assert!(refused.contains("CERTIFICATE_VERIFY_FAILED"), "{refused}");
    // One file alone is no pair, and one that is over, or that others can read, is no better: what was loaded stays in use.
    for (pem, key) in [("renewed.pem", "good.key"), ("expired.pem", "expired.key"), ("renewed.pem", "exposed.key")] {
        certificates.replace("used.pem", pem);
        certificates.replace("used.key", key);
        let end = Instant::now() + Duration::from_secs(5);
        while Instant::now() < end {
            assert_eq!(asked_by_python(served.address, &authority).await.unwrap(), (answer.clone(), first.clone()));
        }
    }
    // What was wrong with it is no part of it.
    fs::set_permissions(certificates.path("used.key"), fs::Permissions::from_mode(0o600)).unwrap();
    let end = Instant::now() + PATIENCE;
    while asked_by_python(served.address, &authority).await.unwrap().1 == first {
        assert!(Instant::now() < end, "the new certificate is not read");
    }
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_make_the_handshake_is_cut_off_and_plain_http_is_not_answered() {
    let certificates = Certificates::make();
    let settings = certificates.listener(Sealing::Required, "good.pem", "good.key");
    let served = Served::start(Settings { header_timeout: Duration::from_millis(300), ..settings }).await;
    let (mut silent, mut plain) =
        (TcpStream::connect(served.address).await.unwrap(), TcpStream::connect(served.address).await.unwrap());
    let mut rest = Vec::new();
    assert_eq!(timeout(PATIENCE, silent.read_to_end(&mut rest)).await.expect("still open").unwrap_or_default(), 0);
    let _ = plain.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    let _ = timeout(PATIENCE, plain.read_to_end(&mut rest)).await.expect("still open");
    assert!(!rest.starts_with(b"HTTP/"));
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_not_made_the_handshake_does_not_hold_up_a_stop() {
    let certificates = Certificates::make();
    let settings = certificates.listener(Sealing::Required, "good.pem", "good.key");
    let served = Served::start(Settings { header_timeout: PATIENCE * 10, ..settings }).await;
    let silent = TcpStream::connect(served.address).await.unwrap();
    // Accepted after it.
    asked_by_python(served.address, &certificates.path("authority.pem")).await.unwrap();
    served.stop().await;
    drop(silent);
}

#[tokio::test]
async fn files_that_are_no_certificate_of_now_are_refused_before_anything_is_served() {
    let certificates = Certificates::make();
    let named = |file: &str| certificates.path(file).display().to_string();
    fs::set_permissions(certificates.path("own.key"), fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(certificates.path("empty"), "").unwrap();
    fs::write(certificates.path("broken"), "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
    for (certificate, key, said) in [
        (
            "good.pem",
            "renewed.key",
            format!("`{}` is not the one of the first certificate in `{}`", named("renewed.key"), named("good.pem")),
        ),
        ("expired.pem", "expired.key", format!("`{}` has expired on 20", named("expired.pem"))),
        ("future.pem", "future.key", format!("`{}` is not valid before 20", named("future.pem"))),
        ("own.pem", "own.key", format!("`{}` can be read by others (mode 644); run `chmod 600", named("own.key"))),
        ("nowhere", "good.key", format!("cannot read `{}`: No such file", named("nowhere"))),
        ("good.pem", "nowhere", format!("cannot read `{}`: No such file", named("nowhere"))),
        ("empty", "good.key", format!("there is no certificate in `{}`", named("empty"))),
        ("good.key", "good.key", format!("there is no certificate in `{}`", named("good.key"))),
        ("broken", "good.key", format!("`{}` cannot be used: ", named("broken"))),
        ("good.pem", "authority.pem", format!("`{}` can be read by others", named("authority.pem"))),
    ] {
        let settings = certificates.listener(Sealing::Required, certificate, key);
        let told = Bound::bind(&settings, None).await.unwrap_err().to_string();
        assert!(told.contains(&said), "{certificate}, {key}: {told}");
        assert_eq!(settings.check_certificates().unwrap_err().to_string(), told);
    }
    let half = Listener { certificate: Some(certificates.path("good.pem")), ..listening(Sealing::Required).listeners[0].clone() };
    let told = Settings { listeners: vec![half], ..Settings::default() }.check().unwrap_err().to_string();
    assert!(told.contains("only one of `certificate` and `key`"), "{told}");
    // TLS is no seal: what is plain stays on this machine.
    let mut open = certificates.listener(Sealing::Off, "good.pem", "good.key");
    open.listeners[0].address = "0.0.0.0:8470".parse().unwrap();
    assert!(open.check().unwrap_err().to_string().contains("which other machines can reach"));
}

#[test]
fn the_check_of_a_configuration_reads_the_certificates() {
    let certificates = Certificates::make();
    let config = |pem: &str, key: &str| {
        let text = format!("[[http.listeners]]\naddress = \"127.0.0.1:8470\"\ncertificate = \"{pem}\"\n{key}");
        fs::write(certificates.path("config.toml"), text).unwrap();
        run_in(certificates.0.path(), &["config", "--check"])
    };
    config("good.pem", "key = \"good.key\"\n").well();
    let expired = config("expired.pem", "key = \"expired.key\"\n");
    assert!(expired.status != 0 && expired.err.contains("`expired.pem` has expired on"), "{}", expired.err);
    let half = config("good.pem", "");
    assert!(half.status == 2 && half.err.contains("has only one of `certificate` and `key`"), "{}", half.err);
}

fn peers(page: &Value) -> usize {
    page["peers"].as_array().unwrap().len()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_asks_over_tls_and_says_what_is_wrong_with_a_certificate() {
    let certificates = Certificates::make();
    let ask = async |server: String, ca: Option<&str>, key: Option<PathBuf>| {
        let ca = ca.map(|ca| certificates.path(ca));
        let api = Api::open(&Globals { server: Some(server), ca, key, ..globals(Path::new("nowhere")) }).await?;
        anyhow::Ok(peers(&api.get::<PeersPage>(&Target::new("/v1/peers")).await?.json))
    };
    let served = Served::start(certificates.listener(Sealing::Off, "good.pem", "good.key")).await;
    let (port, key) = (served.address.port(), None);
    for host in ["127.0.0.1", "localhost"] {
        assert_eq!(ask(format!("https://{host}:{port}"), Some("authority.pem"), key.clone()).await.unwrap(), 2);
    }
    for (server, ca, said) in [
        (format!("https://127.0.0.1:{port}"), None, "UnknownIssuer; if it is meant, name the file"),
        (format!("https://127.0.0.1:{port}"), Some("own.pem"), "UnknownIssuer; if it is meant, name the file"),
        (format!("https://127.0.0.1:{port}"), Some("good.key"), "has no certificates to trust"),
        (format!("https://127.0.0.1:{port}"), Some("nowhere"), "has no certificates to trust"),
        (format!("http://127.0.0.1:{port}"), None, "if it speaks TLS, write `https://`"),
        (format!("http://127.0.0.1:{port}"), Some("authority.pem"), "`--ca` is for servers with TLS"),
        (format!("https://{}", served.metrics), Some("authority.pem"), "if it speaks no TLS, write `http://`"),
    ] {
        let error = format!("{:#}", ask(server.clone(), ca, None).await.unwrap_err());
        assert!(error.contains(said), "{server} {ca:?}: {error}");
    }
    served.stop().await;
    for (certificate, ca, said) in [
        ("elsewhere", "authority.pem", "use the name that its certificate is for"),
        ("root", "root.pem", "make one with `CA:FALSE`"),
    ] {
        let settings = certificates.listener(Sealing::Off, &format!("{certificate}.pem"), &format!("{certificate}.key"));
        let served = Served::start(settings).await;
        let error = format!("{:#}", ask(format!("https://{}", served.address), Some(ca), None).await.unwrap_err());
        assert!(error.contains(said) && error.contains("nothing was sent"), "{certificate}: {error}");
        served.stop().await;
    }
    // Issued by nobody but itself, and meant all the same.
    let served = Served::start(certificates.listener(Sealing::Off, "own.pem", "own.key")).await;
    assert_eq!(ask(format!("https://{}", served.address), Some("own.pem"), None).await.unwrap(), 2);
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sealed_goes_over_tls_too() {
    let certificates = Certificates::make();
    let served = Served::start(certificates.listener(Sealing::Required, "good.pem", "good.key")).await;
    let globals = Globals {
        server: Some(format!("https://{}", served.address)),
        ca: Some(certificates.path("authority.pem")),
        key: Some(client_key(&served)),
        ..globals(Path::new("nowhere"))
    };
    let api = Api::open(&globals).await.unwrap();
    assert_eq!(peers(&api.get::<PeersPage>(&Target::new("/v1/peers")).await.unwrap().json), 2);
    served.stop().await;
}
