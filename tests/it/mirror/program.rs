//! The whole program with a mirror: configuration, status, HTTP, and a process that is killed.

use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::process::Stdio;

use serde_json::Value;
use telescribe::app::App;
use telescribe::blob::{BlobCopies, BlobHash};
use telescribe::config::{EndpointUrl, ListenerConfig, SealingConfig, Span};
use telescribe::model::{FileId, FileState};
use telescribe_simulator::{FileSizes, WorldSpec};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::fleet::{Fleet, small};
use crate::support::program::run_in;
use crate::support::storage::Storage;

/// A fleet whose files are downloaded and mirrored.
async fn fleet(storage: &Storage, bucket: &str, sizes: FileSizes) -> Fleet {
    let mut fleet = Fleet::new(WorldSpec { messages: 900, media_everywhere: true, file_sizes: sizes, ..small() }).await;
    fleet.config.media.enabled = true;
    fleet.config.accounts.intervals.insert("upload.getFile".to_owned(), Span::seconds(0));
    fleet.config.mirror.bucket = bucket.to_owned();
    fleet.config.mirror.endpoint = EndpointUrl::read(&storage.endpoint);
    fleet.config.mirror.credentials_file = keys(&fleet, storage, 0o600);
    fleet
}

/// A file with the keys.
fn keys(fleet: &Fleet, storage: &Storage, mode: u32) -> PathBuf {
    use std::io::Write as _;
    let path = fleet.path(&format!("keys-{mode:o}"));
    let mut file = std::fs::File::options().create(true).truncate(true).write(true).mode(mode).open(&path).unwrap();
    write!(file, "access_key_id = {}\nsecret_access_key = {}\n", storage.key_id, storage.secret).unwrap();
    path
}

/// Every content that the archive refers to, with its size.
fn contents(app: &App) -> std::collections::BTreeMap<telescribe::blob::BlobHash, u64> {
    let files = app.archive.view().files(FileId::photo(i64::MIN)).map(Result::unwrap);
    let of = |file: telescribe::archive::ArchivedFile| {
        let stored = match file.state {
            FileState::Stored(bytes) => Some(bytes),
            _ => None,
        };
        stored.into_iter().chain(file.thumbnail).map(|bytes| (bytes.hash, bytes.size)).collect::<Vec<_>>()
    };
    files.flat_map(of).collect()
}

/// Waits until every file is stored, and in the mirror.
async fn until_mirrored(fleet: &Fleet, app: &App, copies: BlobCopies) {
    let is_settled = |state: &FileState| {
        matches!(state, FileState::Stored(_) | FileState::Skipped { .. } | FileState::Failed { next_try: None, .. })
    };
    fleet
        .until("every file has come to an end", || {
            let view = app.archive.view();
            let mut files = view.files(FileId::photo(i64::MIN)).map(Result::unwrap).peekable();
            files.peek().is_some() && files.all(|file| is_settled(&file.state))
        })
        .await;
    let is_there = |hash: &BlobHash| app.blobs.copies(hash).unwrap() == Some(copies);
    fleet.until("every file is mirrored", || contents(app).keys().all(is_there)).await;
}

async fn ask(address: SocketAddr, target: &str, headers: &str) -> (String, Vec<u8>) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    (String::from_utf8(answer[..end].to_vec()).unwrap(), answer[end + 4..].to_vec())
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_are_only_in_the_mirror_are_served_whole_and_in_ranges_and_503_without_it() {
    let mut storage = Storage::disturbed().await;
    storage.make("served");
    let mut fleet = fleet(&storage, "served", FileSizes::Between { min: 0, max: 3_000_000 }).await;
    fleet.config.mirror.drop_local = true;
    fleet.config.http.listeners = vec![ListenerConfig::new(SocketAddr::from(([127, 0, 0, 1], 0)), SealingConfig::Off)];
    let app = fleet.start_and_finish().await;
    until_mirrored(&fleet, &app, BlobCopies::Mirror).await;
    let all = contents(&app);
    assert!(all.len() > 20 && all.values().any(|size| *size > 2_000_000), "{}", all.len());
    assert_eq!(app.blobs.totals().here().count, 0);
    let address = app.addresses[0];
    // The largest, and a small one; what they are is known from the bucket, by another hand.
    let objects = storage.objects("served");
    for (hash, size) in [all.iter().max_by_key(|(_, size)| **size).unwrap(), all.iter().find(|(_, size)| **size > 9).unwrap()] {
        let target = format!("/v1/media/{hash}");
        let (head, body) = ask(address, &target, "").await;
        assert!(head.starts_with("HTTP/1.1 200 ") && head.to_lowercase().contains(&format!("content-length: {size}")), "{head}");
        assert_eq!((telescribe::blob::BlobHash::of(&body), body.len() as u64), (*hash, *size));
        let name = objects.iter().find(|(name, _)| name.ends_with(&hash.to_string())).unwrap();
        assert_eq!(name.1, &(*size, hash.to_string()));
        let (first, last) = (size / 3, size - 2);
        let (head, part) = ask(address, &target, &format!("Range: bytes={first}-{last}\r\n")).await;
        assert!(head.starts_with("HTTP/1.1 206 ") && head.contains(&format!("bytes {first}-{last}/{size}")), "{head}");
        assert_eq!(part, body[first as usize..=last as usize]);
    }
    let status = fleet.get("/v1/status").await;
    let mirror = &status["mirror"];
    assert_eq!(
        (mirror["state"].as_str(), mirror["objects"]["count"].as_u64()),
        (Some("connected"), Some(all.len() as u64)),
        "{mirror}"
    );
    assert_eq!(mirror["only_there"], mirror["objects"], "{mirror}");
    assert!(mirror["target"].as_str().unwrap().starts_with("s3://served at http://127.0.0.1:"), "{mirror}");
    let shown = run_in(&fleet.path(""), &["--data", fleet.data().to_str().unwrap(), "status"]).well().out;
    assert!(shown.contains("mirror: s3://served at http://127.0.0.1:") && shown.contains("only there"), "{shown}");
    assert_eq!(app.archive.view().verify().unwrap().differences, Vec::<String>::new());

    storage.kill("server");
    let (head, body) = ask(address, &format!("/v1/media/{}", all.keys().next().unwrap()), "").await;
    let problem: Value = serde_json::from_slice(&body).unwrap();
    assert!(head.starts_with("HTTP/1.1 503 ") && head.to_lowercase().contains("retry-after"), "{head}");
    assert_eq!(problem["code"], "mirror-unreachable", "{problem}");
    // What is archived goes on.
    let (head, _) = ask(address, "/v1/peers", "").await;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    storage.start_again("server");
    fleet.stop(app).await;
    // A start that finds files in the mirror only does not download them again.
    let asked = fleet.simulator.request_count("upload.getFile");
    let app = fleet.start_and_finish().await;
    until_mirrored(&fleet, &app, BlobCopies::Mirror).await;
    assert_eq!(fleet.simulator.request_count("upload.getFile"), asked);
    fleet.stop(app).await;
}

const KILLS: usize = 3;
/// How many files are under way at once.
const UPLOADS: usize = 8;

#[tokio::test(flavor = "multi_thread")]
async fn however_often_it_is_killed_every_file_is_in_the_bucket_once_and_whole() {
    let storage = Storage::shared();
    storage.make("killed");
    let fleet = fleet(storage, "killed", FileSizes::Between { min: 0, max: 25_000_000 }).await;
    for kill in 1..=KILLS {
        let mut program = fleet.daemon();
        let variables = [("BUCKET", "killed"), ("ENDPOINT", &storage.endpoint), ("UPLOADS", &UPLOADS.to_string())];
        for (name, value) in variables {
            program.env(format!("TELESCRIBE__MIRROR__{name}"), value);
        }
        program
            .env("TELESCRIBE_MIRROR_ACCESS_KEY_ID", &storage.key_id)
            .env("TELESCRIBE_MIRROR_SECRET_ACCESS_KEY", &storage.secret);
        let mut program = program.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let names = |storage: &Storage| storage.names("killed").len();
        fleet.until("files are under way", || names(storage) > 4 * kill * kill).await;
        program.kill().unwrap();
        program.wait().unwrap();
    }
    let app = fleet.start_and_finish().await;
    until_mirrored(&fleet, &app, BlobCopies::Both).await;
    let expected: std::collections::BTreeMap<String, u64> =
        contents(&app).into_iter().map(|(hash, size)| (hash.to_string(), size)).collect();
    assert!(expected.values().any(|size| *size > 8 << 20), "some come in parts");
    fleet.stop(app).await;
    let mut found = storage.objects("killed");
    found.remove("telescribe.json").unwrap();
    for (name, (size, hash)) in &found {
        assert_eq!((name, expected.get(hash)), (&format!("{}/{}/{hash}", &hash[..2], &hash[2..4]), Some(size)));
    }
    assert_eq!(found.len(), expected.len());
    // A kill between the server's answer and the note of it leaves uploads that nobody knows, of which nothing was sent.
    let left = storage.uploads_with_parts("killed");
    assert!(left.len() <= KILLS * UPLOADS && left.iter().all(|(_, parts)| *parts == 0), "{left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_are_missing_or_lie_open_are_refused_before_anything_starts() {
    let storage = Storage::shared();
    let mut fleet = fleet(storage, "refused", FileSizes::Between { min: 0, max: 1_000 }).await;
    let refused = |fleet: &Fleet| format!("{:#}", telescribe::app::mirror_settings(&fleet.config).unwrap_err());
    assert!(telescribe::app::mirror_settings(&fleet.config).unwrap().is_some());
    fleet.config.mirror.credentials_file = keys(&fleet, storage, 0o644);
    let told = refused(&fleet);
    assert!(told.contains("can be read by others (mode 644); run `chmod 600"), "{told}");
    fleet.config.mirror.credentials_file = fleet.path("nothing");
    let told = refused(&fleet);
    assert!(told.contains("mirror.credentials_file") && told.contains("No such file"), "{told}");
    fleet.config.mirror.credentials_file = PathBuf::new();
    let told = refused(&fleet);
    assert!(told.contains("no keys are: set `mirror.credentials_file`, or TELESCRIBE_MIRROR_ACCESS_KEY_ID"), "{told}");
    let told = format!("{:#}", fleet.try_start().await.err().unwrap());
    assert!(told.contains("no keys are") && !fleet.data().exists(), "{told}");

    let folder = tempfile::tempdir().unwrap();
    let text = format!(
        "[mirror]\nbucket = \"refused\"\nendpoint = \"{}\"\nprefix = \"a/b\"\ncredentials_file = \"keys\"\n",
        storage.endpoint
    );
    std::fs::write(folder.path().join("config.toml"), text).unwrap();
    std::fs::copy(fleet.path("keys-600"), folder.path().join("keys")).unwrap();
    let checked = run_in(folder.path(), &["config", "--check"]).well();
    let told = format!("{}{}", checked.out, checked.err);
    assert!(told.contains(&format!("files are mirrored to s3://refused/a/b at {}", storage.endpoint)), "{told}");
    assert!(!told.contains(&storage.secret), "{told}");
}
