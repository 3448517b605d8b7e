//! What somebody on the way sees of the commands: sizes and times, and the one path.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use telescribe::archive::DataFolder;
use telescribe::cli::client::{Api, Globals, Target};
use telescribe::http::Sealing;
use telescribe::lifecycle::Lifecycle;
use telescribe::model::{Clock as _, SystemClock};
use telescribe::seal::KeyRing;
use telescribe::views::PeersPage;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::{Wire, client_key, is_hidden, secrets, unless_stopped};
use crate::support::commands::globals;
use crate::support::old_key::add_old_key;
use crate::support::program::binary;
use crate::support::served::{Served, listening};

/// Runs the binary while a server in this process answers it: its status, output and errors.
async fn run_beside(arguments: &[&str]) -> (i32, String, String) {
    let mut command = binary();
    command.args(arguments);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '%' | '-')
}

#[tokio::test(flavor = "multi_thread")]
async fn no_command_shows_on_the_way_what_it_asks() {
    let served = Served::start_with(listening(Sealing::Required), secrets).await;
    let (key, wire) = (client_key(&served).display().to_string(), Wire::to(&served).await);
    let (data, server) = (served.folder.path().display().to_string(), format!("http://{}", wire.address));
    for command in [
        &["dump", "--all", "--json"][..],
        &["dump", "--peer", "-60", "--json"],
        &["changes", "--json"],
        &["changes", "--after", "3", "--limit", "7", "--json"],
        &["peers", "--json"],
        &["show", "@novosti", "3", "--json"],
        &["show", "-60", "7", "--json"],
        &["coverage", "--json"],
        &["counters", "@novosti", "3", "--json"],
        &["schedule", "--json"],
        &["media", "@novosti", "--json"],
        &["watch", "list", "--json"],
        &["status"],
        &["search", "secretword", "--all", "--json"],
        &["search", "secretword", "--export", "ndjson"],
        &["search", "secretword", "--export", "csv"],
    ] {
        let (status, here, quiet) = run_beside(&[&["--data", &data], command].concat()).await;
        assert!(status < 2 && quiet.is_empty(), "{command:?}: {quiet}");
        wire.clear();
        let (same, there, quiet) = run_beside(&[&["--server", &server, "--key", &key], command].concat()).await;
        assert_eq!((same, quiet.as_str()), (status, ""), "{command:?}");
        assert!(command[0] == "status" || there == here, "{command:?}: {there}");
        let (seen, requests) = (wire.text(), wire.requests());
        assert!(!requests.is_empty() && requests.iter().all(|line| is_hidden(line)), "{command:?}: {requests:?}");
        for secret in ["secretword", "novosti", "%40", "-60", command[0], "limit", "after"] {
            // Tokens are noise, in which any short word can be.
            let mut words = seen.lines().filter(|line| line.len() < 200).flat_map(|line| line.split(|c| !is_of_word(c)));
            assert!(words.all(|word| word != secret), "`{secret}` of {command:?} is on the wire");
        }
    }
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_key_nothing_is_sent_to_a_server_that_wants_seals() {
    let served = Served::start_with(listening(Sealing::Required), secrets).await;
    let wire = Wire::to(&served).await;
    let server = format!("http://{}", wire.address);
    for command in [
        &["search", "secretword"][..],
        &["show", "@novosti", "3"],
        &["dump"],
        &["changes", "--follow"],
        &["search", "secretword", "--export", "csv"],
        &["media", "get", "@novosti", "3"],
        &["watch", "try", "secretword"],
    ] {
        wire.clear();
        let (status, out, said) = run_beside(&[&["--server", &server], command].concat()).await;
        assert!(status == 2 && out.is_empty(), "{command:?}: {out}{said}");
        assert!(said.contains("answers sealed requests only, and nothing was sent: pass `--key FILE`"), "{command:?}: {said}");
        assert_eq!(wire.requests(), ["GET /v1/sealed HTTP/1.1"], "{command:?}");
        assert!(!wire.text().contains("secretword") && !wire.text().contains("novosti"));
    }
    let (status, _, said) = run_beside(&["--server", "http://archive.example:8470", "search", "secretword"]).await;
    assert!(status == 2 && said.contains("would be asked in the clear, and nothing was sent: pass `--key FILE`"), "{said}");
    served.stop().await;

    // A server that answers plain requests to this machine is asked as before.
    let served = Served::start_with(listening(Sealing::Optional), secrets).await;
    let (status, out, said) = run_beside(&["--server", &format!("http://{}", served.address), "search", "secretword"]).await;
    assert!(status == 0 && out.contains("secretword") && said.is_empty(), "{out}{said}");
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_goes_on_after_a_restart_and_says_what_is_wrong_with_its_key_file() {
    let served = Served::start(listening(Sealing::Required)).await;
    let path = client_key(&served);
    let server = Some(format!("http://{}", served.address));
    let sealed = |key: &Path| Globals { server: server.clone(), key: Some(key.to_owned()), ..globals(Path::new("nowhere")) };
    let api = Api::open(&sealed(&path)).await.unwrap();
    let peers = Target::new("/v1/peers");
    let before = api.get::<PeersPage>(&peers).await.unwrap().json;
    let served = served.restart().await;
    assert_eq!(api.get::<PeersPage>(&peers).await.unwrap().json, before);

    let refused = async |key: &Path| match Api::open(&sealed(key)).await {
        Ok(api) => api.get::<PeersPage>(&peers).await.unwrap_err().to_string(),
        Err(error) => error.to_string(),
    };
    // The server's own file says for no server.
    let said = refused(&DataFolder::keys(served.folder.path())).await;
    assert!(said.contains("does not say which server it is for") && said.contains("telescribe key export tester-"), "{said}");
    let other = served.folder.path().join("other.json");
    let ring = KeyRing::load(&path).unwrap();
    KeyRing::export_to(&other, &ring.keys()[0], &"0123456789abcdef0123456789abcdef".parse().unwrap()).unwrap();
    let said = refused(&other).await;
    assert!(said.contains("is for the server `0123456789abcdef0123456789abcdef`"), "{said}");
    assert!(said.contains(&format!("says that it is `{}`", served.destination.server)), "{said}");
    // With a right file and a wrong clock, the clock is what it asks about.
    served.clock.advance(-600);
    let said = refused(&path).await;
    assert!(said.contains("is this machine's clock right"), "{said}");
    served.stop().await;
}

/// What pretends to be a server, tells a start, another one each time where it is to, and refuses whatever is posted; and the first lines of
/// what it was sent.
pub(crate) async fn forger(changes: bool) -> (SocketAddr, Arc<Mutex<Vec<String>>>, Lifecycle) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, seen) = (listener.local_addr().unwrap(), Arc::<Mutex<Vec<String>>>::default());
    let (forging, lines) = (Lifecycle::new(), Arc::clone(&seen));
    let until = forging.clone();
    forging.task(async move {
        let mut count = 0_u64;
        while let Some(Ok((mut stream, _))) = unless_stopped(&until, listener.accept()).await {
            count += 1;
            let mut bytes = Vec::new();
            // A token has no line feed, and a body follows on its head at once.
            while !bytes.windows(4).any(|four| four == b"\r\n\r\n") {
                let mut buffer = [0; 16_384];
                let read = stream.read(&mut buffer).await.unwrap();
                assert!(read > 0, "a request without an end");
                bytes.extend_from_slice(&buffer[..read]);
            }
            let head = String::from_utf8_lossy(&bytes).lines().next().unwrap().to_owned();
            let start = if changes { count } else { 0 };
            let (status, body) = match head.starts_with("GET") {
                true => ("200 OK", format!(r#"{{"server":"{0:032x}","start":"{start:032x}","required":true}}"#, 7)),
                false => ("401 Unauthorized", r#"{"title":"no","status":401,"code":"unauthorized","detail":"no"}"#.to_owned()),
            };
            lines.lock().unwrap().push(head);
            let answer = format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len());
            stream.write_all(answer.as_bytes()).await.unwrap();
            // What is still on its way is read, so that the answer is not lost by a reset; a client may take its time to close, and ask again meanwhile.
            until.task(async move {
                stream.shutdown().await.unwrap();
                while stream.read(&mut [0; 16_384]).await.is_ok_and(|read| read > 0) {}
            });
        }
    });
    (address, seen, forging)
}

/// How often something was posted to a forger.
pub(crate) fn posts(seen: &Mutex<Vec<String>>) -> usize {
    std::mem::take(&mut *seen.lock().unwrap()).iter().filter(|line| line.starts_with("POST")).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_that_somebody_on_the_way_has_made_up_has_nothing_sent_twice() {
    let served = Served::start(listening(Sealing::Required)).await;
    let path = client_key(&served).display().to_string();
    // The refused one has perhaps been let through: only what the server cannot have taken is sent again, and that once.
    for (changes, times) in [(false, 1), (true, 2)] {
        let (address, seen, forging) = forger(changes).await;
        let server = format!("http://{address}");
        let (status, _, said) = run_beside(&["--server", &server, "--key", &path, "join", "@novosti"]).await;
        assert!(status == 2 && said.contains("the server refused the sealed request"), "{said}");
        assert_eq!(posts(&seen), times);
        forging.stop_soft();
    }
    served.stop().await;
}

/// The lines of the README's shell that have this word.
fn readme(word: &str) -> Vec<String> {
    let readme = std::fs::read_to_string(crate::support::files::project().join("README.md")).unwrap();
    crate::readme::shell_lines(&readme).into_iter().filter(|line| line.contains(word)).collect()
}

/// Commands with `key` of a client ask a server, before and after its key is replaced.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_an_earlier_version_goes_on_until_it_is_rotated() {
    let served = Served::start(listening(Sealing::Required)).await;
    client_key(&served);
    let old = add_old_key(&DataFolder::keys(served.folder.path()), "before", SystemClock.timestamp());
    let folder = tempfile::tempdir().unwrap();
    let [exported, rotated] = ["exported.json", "rotated.json"].map(|name| folder.path().join(name).display().to_string());
    let (data, server) = (served.folder.path().display().to_string(), format!("http://{}", served.address));
    let commands: [&[&str]; 4] = [
        &["--data", &data, "key", "export", old.id().as_str(), "--out", &exported],
        &["--server", &server, "--key", &exported, "search", "今天"],
        &["--data", &data, "key", "rotate", "before", "--out", &rotated],
        &["--server", &server, "--key", &rotated, "search", "今天"],
    ];
    for command in commands {
        let (status, out, said) = run_beside(command).await;
        assert_eq!(status, 0, "{command:?}: {said}");
        assert!(command.contains(&"key") || out.contains("今天天气很好"), "{command:?}: {out}");
    }
    let length = |file: &str| {
        let set: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
        set["keys"][0]["k"].as_str().unwrap().len()
    };
    assert_eq!([length(&exported), length(&rotated)], [86, 43]);
    // Until it ends, the old one is as good.
    assert_eq!(run_beside(commands[1]).await.0, 0);
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_readmes_own_lines_make_a_key_and_search_with_it() {
    let served = Served::start(listening(Sealing::Required)).await;
    client_key(&served);
    let folder = tempfile::tempdir().unwrap();
    let mut lines = readme("telescribe key new");
    lines.extend(readme(" --key "));
    assert!(lines.len() == 2 && lines[1].contains("http://127.0.0.1:8470"), "{lines:?}");
    let address = served.address.to_string();
    for (at, line) in lines.iter().enumerate() {
        // Only where the server is stands otherwise there: by default it listens on that port.
        let line = line.replace("127.0.0.1:8470", &address);
        let words = crate::readme::words(&line);
        let mut command = binary();
        command.args(&words[1..]).current_dir(folder.path());
        if at == 0 {
            command.env("TELESCRIBE_DATA", served.folder.path());
        }
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        let [out, said] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
        assert!(output.status.success(), "{line}: {out}{said}");
        match at {
            0 => assert!(out.is_empty() && said.contains("hand it over"), "{out}{said}"),
            _ => assert!(out.contains("今天天气很好") && said.is_empty(), "{out}{said}"),
        }
    }
    let made: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    let set: Value = serde_json::from_slice(&std::fs::read(&made[0]).unwrap()).unwrap();
    assert_eq!(set["keys"][0]["aud"], served.destination.server.as_str());
    served.stop().await;
}
