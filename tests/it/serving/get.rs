//! `telescribe media get`: a file is saved whole or not at all, from whoever serves it.

use std::fs;
use std::path::Path;

use sha2::{Digest as _, Sha256};

use crate::support::gallery::Gallery;
use crate::support::program::{Ended, run_in};
use crate::support::python::python;

fn content(length: usize) -> Vec<u8> {
    (0..length).map(|n| (n * 11 % 249) as u8).collect()
}

/// Runs the binary meanwhile.
async fn run(folder: &Path, arguments: &[&str]) -> Ended {
    let (folder, arguments) = (folder.to_owned(), arguments.iter().map(|a| (*a).to_owned()).collect::<Vec<_>>());
    let run = move || run_in(&folder, &arguments.iter().map(String::as_str).collect::<Vec<_>>());
    tokio::task::spawn_blocking(run).await.unwrap()
}

fn digits(content: &[u8]) -> String {
    Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn listing(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_saved_plain_sealed_and_from_a_stopped_program_under_a_safe_name() {
    let mut gallery = Gallery::new().await;
    let bytes = content(1_300_000);
    let (posted, nameless) = (gallery.file("../../evil\u{202e}.bin", "x/y", &bytes), gallery.file("..", "x/y", b""));
    let app = gallery.start().await;
    let globals = gallery.sealed(&app);
    let data = gallery.fleet.data();
    let (data, peer, message) = (data.to_str().unwrap(), gallery.channel.marked().to_string(), posted.message.to_string());
    let (server, key) = (globals.server.unwrap(), globals.key.unwrap());
    let plain = ["--data", data];
    let sealed = ["--server", &server, "--key", key.to_str().unwrap()];
    for (at, way) in [&plain[..], &sealed[..]].into_iter().enumerate() {
        let folder = tempfile::tempdir().unwrap();
        let get = async |more: &[&str]| run(folder.path(), &[way, &["media", "get"], more].concat()).await;
        let saved = get(&[&peer, &message]).await.well();
        assert_eq!(listing(folder.path()), ["evil.bin"]);
        assert!(fs::read(folder.path().join("evil.bin")).unwrap() == bytes);
        assert!(saved.out.contains(&digits(&bytes)) && saved.out.starts_with("saved `evil.bin`, "), "{}", saved.out);
        // The same again changes nothing; something else in the way is left alone.
        assert!(get(&[&peer, &message]).await.well().out.contains("is there already"));
        fs::write(folder.path().join("evil.bin"), "mine").unwrap();
        let refused = get(&[&posted.id.to_string()]).await;
        assert_eq!((refused.status, fs::read(folder.path().join("evil.bin")).unwrap()), (2, b"mine".to_vec()));
        assert!(refused.err.contains("--force"), "{}", refused.err);
        get(&[&digits(&bytes), "--out", "evil.bin", "--force"]).await.well();
        assert!(fs::read(folder.path().join("evil.bin")).unwrap() == bytes);
        // Into a folder, without a name that could be used.
        let told = get(&["--out", ".", "--json", &peer, &nameless.message.to_string()]).await.well().lines();
        let name = format!("{}.bin", &digits(b"")[..16]);
        assert_eq!((&told[0]["path"], &told[0]["size"]), (&format!("./{name}").into(), &0.into()));
        assert_eq!(fs::read(folder.path().join(&name)).unwrap(), b"");
        // What an earlier attempt has left is not fetched again, and what is wrong in it is noticed.
        let part = folder.path().join(format!("out.bin.{}.part", &digits(&bytes)[..16]));
        for there in [1, 46 << 10, 1_299_999, 1_300_000] {
            fs::write(&part, &bytes[..there]).unwrap();
            let told = get(&["--json", "--force", "--out", "out.bin", &peer, &message]).await.well().lines();
            assert_eq!(told[0]["resumed_from"], there, "way {at}");
            assert!(fs::read(folder.path().join("out.bin")).unwrap() == bytes && !part.exists());
        }
        fs::write(&part, [&bytes[..99], &[1, 2, 3]].concat()).unwrap();
        let refused = get(&["--force", "--out", "out.bin", &peer, &message]).await;
        assert_eq!((refused.status, part.exists()), (2, false), "{}", refused.err);
        assert!(refused.err.contains("SHA-256") && fs::read(folder.path().join("out.bin")).unwrap() == bytes);
        fs::write(&part, [&bytes[..], b"too much"].concat()).unwrap();
        get(&["--force", "--out", "out.bin", &peer, &message]).await.well();
        assert!(fs::read(folder.path().join("out.bin")).unwrap() == bytes);
        // No symbolic link is followed, and nothing is written through one.
        let elsewhere = folder.path().join("elsewhere");
        fs::write(&elsewhere, "mine").unwrap();
        std::os::unix::fs::symlink(&elsewhere, &part).unwrap();
        assert_eq!(get(&["--force", "--out", "out.bin", &peer, &message]).await.status, 2);
        assert_eq!(fs::read(&elsewhere).unwrap(), b"mine");
        for absent in [&["document:1"][..], &[&"0".repeat(64)], &[&peer, "999999"], &[&posted.id.to_string(), "--thumbnail"]] {
            let ended = get(absent).await;
            assert_eq!((ended.status, ended.out.as_str()), (1, ""), "{absent:?}: {}", ended.err);
        }
        for wrong in [&["nonsense"][..], &["a", "b", "c"], &[&peer, "x"], &[&digits(&bytes), "--account", "alpha"]] {
            assert_eq!(get(wrong).await.status, 2, "{wrong:?}");
        }
    }
    gallery.fleet.stop(app).await;
    // Nobody runs: the command opens what is stored itself.
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), &[&plain[..], &["media", "get", &peer, &message]].concat()).await.well();
    assert!(fs::read(folder.path().join("evil.bin")).unwrap() == bytes);
}

/// Passes a connection on, and cuts each after so many bytes of the response.
const CUTTER: &str = r#"
import socket, sys, threading
to, after = ("127.0.0.1", int(sys.argv[1])), int(sys.argv[2])
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
def up(a, b):
    try:
        while data := a.recv(65536):
            b.sendall(data)
    except OSError:
        pass
while True:
    client, _ = server.accept()
    upstream = socket.create_connection(to)
    threading.Thread(target=up, args=(client, upstream), daemon=True).start()
    left = after
    while left > 0 and (data := upstream.recv(min(left, 65536))):
        client.sendall(data)
        left -= len(data)
    client.close()
    upstream.close()
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_that_is_cut_again_and_again_goes_on_where_it_was() {
    let mut gallery = Gallery::new().await;
    let bytes = content(3_000_000);
    let posted = gallery.file("large.bin", "x/y", &bytes);
    let app = gallery.start().await;
    let key = gallery.sealed(&app).key.unwrap();
    let mut cutter = std::process::Command::new(python(&[]));
    let port = app.addresses[1].port().to_string();
    cutter.args(["-c", CUTTER, &port, "900000"]).stdout(std::process::Stdio::piped());
    let mut cutter = cutter.spawn().unwrap();
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(cutter.stdout.take().unwrap()), &mut line).unwrap();
    let server = format!("http://127.0.0.1:{}", line.trim());
    let folder = tempfile::tempdir().unwrap();
    let mut attempts = 0;
    loop {
        let arguments = ["--server", &server, "--key", key.to_str().unwrap(), "media", "get", &posted.id.to_string()];
        let ended = run(folder.path(), &arguments).await;
        attempts += 1;
        if ended.status == 0 {
            break;
        }
        assert!(ended.err.contains("goes on from there"), "{}", ended.err);
        assert!(!folder.path().join("large.bin").exists() && attempts < 20);
    }
    cutter.kill().unwrap();
    cutter.wait().unwrap();
    assert!(fs::read(folder.path().join("large.bin")).unwrap() == bytes);
    assert_eq!(listing(folder.path()), ["large.bin"]);
    assert!(attempts >= 4, "{attempts}");
    gallery.fleet.stop(app).await;
}
