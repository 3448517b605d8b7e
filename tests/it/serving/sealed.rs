//! A sealed file comes whole or not at all, and clients of other hands, as the documentation has them, get it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};
use telescribe::app::App;
use telescribe::config::HttpConfig;
use telescribe::seal::{self, CHUNK_DATA_MAX, ChunkOpener, FileRange};
use tempfile::TempDir;

use crate::readme::{shell_lines, words};
use crate::sealed::wire::{forger, posts};
use crate::support::files::project;
use crate::support::gallery::{Gallery, post};
use crate::support::python::python;

/// The first line's status and body, and the lines behind it.
async fn sealed(gallery: &Gallery, app: &App, target: &str) -> (u16, Value, String, Vec<String>) {
    // A header is not sealed, and does nothing.
    let (answer, request) = gallery.ask_sealed(app, target, &[("range", "bytes=1-1")]).await;
    let text = String::from_utf8(answer.body.to_vec()).unwrap();
    let mut lines = text.lines().map(str::to_owned);
    let first = seal::open_answer(&lines.next().unwrap(), &gallery.key, &request.jti).unwrap();
    let lines: Vec<String> = lines.collect();
    let expected = if first.status == 200 { "application/x-jose-lines" } else { "application/jose" };
    assert_eq!(
        (answer.status.as_u16(), answer.header("content-type"), answer.header("cache-control")),
        (200, expected, "no-store")
    );
    (first.status, first.body, request.jti, lines)
}

/// The bytes of a stream, if it is complete.
fn opened(gallery: &Gallery, head: &Value, jti: &str, lines: &[String]) -> Option<Vec<u8>> {
    let number = |name: &str| head[name].as_u64().unwrap();
    let (sha256, offset) = (head["sha256"].as_str().unwrap().to_owned(), number("offset"));
    let of = FileRange { sha256, size: number("size"), offset, end: offset + number("length") };
    let mut opener = ChunkOpener::new(gallery.key.clone(), jti, of);
    let mut bytes = Vec::new();
    for line in lines {
        bytes.extend(opener.open(line).ok()?);
    }
    opener.is_complete().then_some(bytes)
}

fn content(length: usize) -> Vec<u8> {
    (0..length).map(|n| (n * 7 % 253) as u8).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sealed_file_comes_in_chunks_whole_or_in_part_and_what_is_wrong_is_sealed_too() {
    let mut gallery = Gallery::new().await;
    let bytes = content(1_500_000);
    let (posted, empty) = (gallery.file("отчёт.bin", "x/y", &bytes), gallery.file("..", "x/y", b""));
    let app = gallery.start().await;
    let target = gallery.media(&posted);
    let (status, head, jti, lines) = sealed(&gallery, &app, &target).await;
    assert_eq!(status, 200);
    let sha256 = head["sha256"].as_str().unwrap().to_owned();
    let wanted = json!({ "sha256": sha256, "size": 1_500_000, "offset": 0, "length": 1_500_000, "mime": "application/octet-stream", "name": "отчёт.bin" });
    assert_eq!(head, wanted);
    assert!(
        lines.len() >= bytes.len().div_ceil(CHUNK_DATA_MAX) && lines.iter().all(|line| line.len() < 66_000),
        "{}",
        lines.len()
    );
    assert!(opened(&gallery, &head, &jti, &lines).unwrap() == bytes);
    // Whatever is left out of it, it is not all of it.
    for cut in [0, 1, lines.len() / 2, lines.len() - 1] {
        assert_eq!(opened(&gallery, &head, &jti, &lines[..cut]), None, "{cut}");
    }
    let mut swapped = lines.clone();
    swapped.swap(3, 4);
    assert_eq!(opened(&gallery, &head, &jti, &swapped), None);
    // The same chunk of the same file, asked for again, belongs to the other request.
    let (_, _, _, again) = sealed(&gallery, &app, &target).await;
    let mut mixed = lines.clone();
    mixed[2] = again[2].clone();
    assert_eq!(opened(&gallery, &head, &jti, &mixed), None);

    for (query, from, to) in [
        ("?offset=1499999", 1_499_999, 1_500_000),
        ("?offset=1500000", 1_500_000, 1_500_000),
        ("?offset=262143&length=2", 262_143, 262_145),
        ("?length=0", 0, 0),
        ("?offset=7&length=18446744073709551615", 7, 1_500_000),
    ] {
        let (status, head, jti, lines) = sealed(&gallery, &app, &format!("/v1/media/{sha256}{query}")).await;
        assert_eq!((status, &head["offset"], &head["length"]), (200, &from.into(), &(to - from).into()), "{query}");
        assert_eq!(head.get("name"), None, "a hash has no name");
        let part = opened(&gallery, &head, &jti, &lines).unwrap();
        assert!(part == bytes[usize::try_from(from).unwrap()..usize::try_from(to).unwrap()], "{query}");
    }
    let (status, head, jti, lines) = sealed(&gallery, &app, &gallery.media(&empty)).await;
    assert_eq!((status, &head["size"], head.get("name"), lines.len()), (200, &0.into(), None, 1));
    assert_eq!(opened(&gallery, &head, &jti, &lines), Some(Vec::new()));

    for (target, status, code) in [
        (format!("/v1/media/{sha256}?offset=1500001"), 416, "bad-range"),
        (format!("/v1/media/{sha256}?offset=x"), 400, "bad-parameter"),
        (format!("/v1/media/{}", "0".repeat(64)), 404, "unknown-media"),
        (format!("{target}?thumbnail=true"), 404, "unknown-media"),
    ] {
        let (refused, problem, _, lines) = sealed(&gallery, &app, &target).await;
        assert_eq!((refused, &problem["code"], lines.len()), (status, &code.into(), 0), "{target}");
    }
    gallery.fleet.stop(app).await;
}

/// The page on sealing.
fn page() -> String {
    fs::read_to_string(project().join("docs/sealing.md")).unwrap()
}

/// The clients of the page: under which heading each stands, in which language, and the file that the page calls it.
const CLIENTS: [(&str, &str, &str); 4] = [
    ("## A client in Python\n", "python", "client.py"),
    ("### In Python\n", "python", "file.py"),
    ("## A client in Node\n", "js", "client.mjs"),
    ("### In Node\n", "js", "file.mjs"),
];

/// A folder with the clients exactly as they stand there, and with what they need.
fn clients() -> TempDir {
    let (page, folder) = (page(), tempfile::tempdir().unwrap());
    for (heading, language, name) in CLIENTS {
        let below = page.split_once(heading).unwrap_or_else(|| panic!("no `{heading}`")).1;
        let (said, block) = below.split_once(&format!("```{language}\n")).unwrap();
        assert!(said.contains(&format!("as `{name}`:")), "{said}");
        fs::write(folder.path().join(name), block.split_once("```").unwrap().0).unwrap();
    }
    let jose = PathBuf::from(std::env::var("JOSE_FOLDER").expect("`./dev test` sets JOSE_FOLDER")).join("node_modules");
    std::os::unix::fs::symlink(jose, folder.path().join("node_modules")).unwrap();
    folder
}

/// Runs a line of the page's shell; the last environment is one in which nothing is UTF-8.
async fn run(folder: &Path, words: &[String], is_bare: bool) -> Output {
    let mut command = match words[0].as_str() {
        "python" => Command::new(python(&["jwcrypto"])),
        program => Command::new(program),
    };
    command.args(&words[1..]).current_dir(folder);
    if is_bare {
        command.env("LC_ALL", "C").env("PYTHONUTF8", "0").env("PYTHONCOERCECLOCALE", "0").env("PYTHONIOENCODING", "ascii");
    }
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

#[track_caller]
fn said(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// The lines of the page that run its clients, where only the server and the message are this test's own.
fn lines(server: &str, media: &str) -> Vec<Vec<String>> {
    let here = format!("http://{}", HttpConfig::default().listeners[0].address);
    let lines = shell_lines(&page()).into_iter().filter(|line| !line.starts_with("telescribe "));
    let filled = lines.map(|line| {
        assert!(line.contains(&here), "another server than the default one: {line}");
        words(&line.replace(&here, server).replace("/v1/peers/@example_channel/messages/120/media", media))
    });
    filled.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_clients_of_the_documentation_search_and_save_files_as_they_stand_there() {
    let mut gallery = Gallery::new().await;
    let bytes = content(400_000);
    let posted = gallery.file("a b.bin", "x/y", &bytes);
    let app = gallery.start().await;
    let globals = gallery.sealed(&app);
    let (server, folder) = (globals.server.unwrap(), clients());
    fs::copy(globals.key.unwrap(), folder.path().join("analyst.jwks.json")).unwrap();
    let lines = lines(&server, &gallery.media(&posted));
    let count = |name: &str| lines.iter().filter(|words| words[1] == name).count();
    assert_eq!(CLIENTS.map(|(.., name)| count(name)), [2, 1, 2, 1], "{lines:?}");
    for line in &lines {
        for is_bare in [false, true] {
            let saved = folder.path().join("photo.jpg");
            if line[1].starts_with("client") {
                let found = said(&run(folder.path(), line, is_bare).await);
                assert!(found.starts_with("200 ") && found.contains("hits"), "{line:?}: {found}");
                continue;
            }
            // What is there already is not asked for again.
            for there in [None, Some(0), Some(1), Some(123_456), Some(400_000)] {
                match there {
                    Some(there) => fs::write(&saved, &bytes[..there]).unwrap(),
                    None => drop(fs::remove_file(&saved)),
                }
                let text = said(&run(folder.path(), line, is_bare).await);
                assert!(text.contains(" 400000 application/octet-stream ") && text.contains("a b.bin"), "{text}");
                assert!(fs::read(&saved).unwrap() == bytes, "{line:?} from {there:?}");
            }
            let mut wrong = line.clone();
            wrong[4] = "/v1/media/0".to_owned();
            let refused = run(folder.path(), &wrong, is_bare).await;
            let told = String::from_utf8(refused.stderr).unwrap();
            assert!(!refused.status.success() && told.contains("64 hexadecimal digits"), "{told}");
        }
    }
    // Somebody on the way who refuses has nothing sent twice.
    for (changes, times) in [(false, 1), (true, 2)] {
        let (address, seen, forging) = forger(changes).await;
        for line in &lines {
            let line: Vec<String> = line.iter().map(|word| word.replace(&server, &format!("http://{address}"))).collect();
            assert!(!run(folder.path(), &line, false).await.status.success());
            assert_eq!(posts(&seen), times, "{line:?}");
        }
        forging.stop_soft();
    }
    gallery.fleet.stop(app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_from_before_a_restart_of_the_program_is_refused_and_a_key_file_stays_good() {
    let gallery = Gallery::new().await;
    let app = gallery.start().await;
    let (answer, _) = gallery.ask_sealed(&app, "/v1/peers", &[]).await;
    assert_eq!(answer.status, 200);
    // From a client whose clock is two minutes ahead, and held back on the way.
    let recorded = gallery.sealed_ahead(&app, "/v1/peers", 119).await;
    gallery.fleet.stop(app).await;
    let app = gallery.start().await;
    let headers = [("content-type", "application/jose")];
    assert_eq!(post(app.addresses[1], "/v1/sealed", &headers, &recorded.token).await.status, 401);
    let (answer, request) = gallery.ask_sealed(&app, "/v1/peers", &[]).await;
    let opened = seal::open_answer(std::str::from_utf8(&answer.body).unwrap(), &gallery.key, &request.jti).unwrap();
    assert_eq!(opened.status, 200);
    gallery.fleet.stop(app).await;
}
