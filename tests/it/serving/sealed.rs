//! A sealed file comes whole or not at all, and clients of other hands, as the documentation has them, get it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};
use telescribe::app::App;
use telescribe::model::{Clock as _, SystemClock};
use telescribe::seal::{self, CHUNK_DATA_MAX, ChunkOpener, FileRange};

use crate::support::files::project;
use crate::support::gallery::{Gallery, ask};
use crate::support::python::python;

/// The first line's status and body, and the lines behind it.
async fn sealed(gallery: &Gallery, app: &App, target: &str) -> (u16, Value, String, Vec<String>) {
    let request = seal::seal_request(&gallery.key, "GET", target, None, SystemClock.now(), &mut seal::system_random());
    let headers = [("authorization", &*format!("Bearer {}", request.token)), ("range", "bytes=1-1")];
    let answer = ask(app.addresses[1], "GET", target, &headers).await;
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

/// The code of a language's blocks in the page on sealing, from a heading on.
fn example(heading: &str, language: &str) -> String {
    let page = fs::read_to_string(project().join("docs/sealing.md")).unwrap();
    let below = page.split_once(heading).unwrap_or_else(|| panic!("no `{heading}`")).1;
    let block = below.split_once(&format!("```{language}\n")).unwrap().1;
    block.split_once("```").unwrap().0.to_owned()
}

/// Writes an example to a folder and returns what runs it.
fn client(folder: &Path, heading: &str, language: &str) -> (String, PathBuf) {
    let path = folder.join(format!("{}.{}", heading.len(), if language == "python" { "py" } else { "mjs" }));
    fs::write(&path, example(heading, language)).unwrap();
    if language == "python" {
        return (python(&["jwcrypto"]), path);
    }
    let modules = folder.join("node_modules");
    if !modules.exists() {
        let jose = PathBuf::from(std::env::var("JOSE_FOLDER").expect("`./dev test` sets JOSE_FOLDER")).join("node_modules");
        std::os::unix::fs::symlink(jose, modules).unwrap();
    }
    ("node".to_owned(), path)
}

async fn run((program, script): &(String, PathBuf), arguments: &[&str]) -> Output {
    let mut command = Command::new(program);
    command.arg(script).args(arguments);
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

#[track_caller]
fn said(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_clients_of_the_documentation_search_and_save_files_as_they_stand_there() {
    let mut gallery = Gallery::new().await;
    let bytes = content(400_000);
    let posted = gallery.file("a b.bin", "x/y", &bytes);
    let app = gallery.start().await;
    let globals = gallery.sealed(&app);
    let (server, key) = (globals.server.unwrap(), globals.key.unwrap());
    let (key, folder) = (key.to_str().unwrap(), tempfile::tempdir().unwrap());
    let clients = [("## A client in Python", "### In Python", "python"), ("## A client in Node", "### In Node", "js")];
    for (asks, saves, language) in clients {
        let (asking, saving) = (client(folder.path(), asks, language), client(folder.path(), saves, language));
        let found = said(&run(&asking, &[&server, key, "POST", "/v1/search", r#"{"q": "the", "limit": 1}"#]).await);
        assert!(found.starts_with("200 ") && found.contains("hits"), "{found}");
        let found = said(&run(&asking, &[&server, key, "GET", "/v1/peers"]).await);
        assert!(found.starts_with("200 ") && found.contains("peers"), "{found}");

        let path = folder.path().join(format!("{language}.bin"));
        let target = gallery.media(&posted);
        let arguments = [server.as_str(), key, &target, path.to_str().unwrap()];
        let text = said(&run(&saving, &arguments).await);
        assert!(text.ends_with(" 400000 application/octet-stream a b.bin\n"), "{text}");
        assert!(fs::read(&path).unwrap() == bytes, "{language}");
        // What is there already is not asked for again.
        for there in [0, 1, 123_456, 400_000] {
            fs::write(&path, &bytes[..there]).unwrap();
            said(&run(&saving, &arguments).await);
            assert!(fs::read(&path).unwrap() == bytes, "{language} from {there}");
        }
        let refused = run(&saving, &[&server, key, "/v1/media/0", path.to_str().unwrap()]).await;
        let told = String::from_utf8(refused.stderr).unwrap();
        assert!(!refused.status.success() && told.contains("64 hexadecimal digits"), "{told}");
    }
    gallery.fleet.stop(app).await;
}
