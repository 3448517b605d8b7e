//! In a real browser: the page shows, plays and saves what is stored, and no file of a stranger runs anything. Searching and reading are in `reading`.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod reading;

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;

use serde_json::{Value, json};
use telescribe::app::server_id;
use telescribe::archive::{ArchivedFile, DataFolder};
use telescribe::config::{MediaAction, MediaRuleConfig};
use telescribe::model::{Clock as _, FileId, SystemClock};
use telescribe::seal::KeyRing;
use telescribe_simulator::Post;
use telescribe_simulator::world::{Document, DocumentKind, Media, Photo};

use crate::serving::{contents, picture};
use crate::support::files::project;
use crate::support::gallery::Gallery;
use crate::support::old_key::add_old_key;

/// Where Chromium is; `./dev test` installs it.
fn chromium() -> String {
    let program = std::env::var("TELESCRIBE_CHROMIUM").unwrap_or_else(|_| "chromium".to_owned());
    let is_there =
        Command::new(&program).arg("--version").stdin(Stdio::null()).output().is_ok_and(|ended| ended.status.success());
    assert!(is_there, "`{program}` is no Chromium: run `./dev test`, which installs it, or set TELESCRIBE_CHROMIUM");
    program
}

/// Where screenshots are left, for a person.
fn shots() -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("page");
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// Has a browser do something, and returns what it saw. It ends with this process, whatever ends that.
async fn browse(steps: Value) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let job = json!({ "program": chromium(), "folder": folder.path(), "steps": steps }).to_string();
    let browsed = tokio::task::spawn_blocking(move || {
        let mut node = Command::new("node");
        node.arg(project().join("tests/browser/chromium.mjs"));
        let mut node = node.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // Held until it has ended: it is what tells the script that somebody waits.
        let mut stdin = node.stdin.take().unwrap();
        writeln!(stdin, "{job}").unwrap();
        let output = node.wait_with_output().unwrap();
        drop(stdin);
        output
    });
    let output = browsed.await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Checks that nothing was asked for elsewhere, and that nothing of a stranger's asked at all.
fn check_requests(seen: &Value) {
    let urls: Vec<&str> = seen["requests"].as_array().unwrap().iter().map(|url| url.as_str().unwrap()).collect();
    assert!(urls.len() > 5, "{urls:?}");
    for url in urls {
        let is_here = ["http://127.0.0.1:", "data:", "blob:http://127.0.0.1:", "about:"].iter().any(|here| url.starts_with(here));
        assert!(is_here && !url.contains("/ran"), "{url}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_file_of_a_stranger_runs_anything_in_a_browser() {
    let mut gallery = Gallery::new().await;
    let posted: Vec<_> = contents().into_iter().map(|(name, mime, content)| (name, gallery.file(name, mime, &content))).collect();
    let app = gallery.start().await;
    let base = format!("http://{}", app.addresses[0]);
    let by_hash = |id| format!("/v1/media/{}", gallery.known(&app, id).unwrap().state.stored().unwrap().hash);
    // What is the same content has one address by its hash.
    let targets: BTreeSet<String> = posted.iter().flat_map(|(_, posted)| [gallery.media(posted), by_hash(posted.id)]).collect();
    let seen = browse(json!([{ "what": "openFiles", "base": base, "targets": targets }])).await;
    check_requests(&seen);
    let result = &seen["results"][0];
    for (target, opened) in result["opened"].as_object().unwrap() {
        assert_eq!((&opened["ran"], opened["title"].as_str() == Some("ran")), (&Value::Null, false), "{target}: {opened}");
    }
    assert_eq!(result["opened"].as_object().unwrap().len(), targets.len());
    for (from, embedded) in result["embedded"].as_object().unwrap() {
        assert_eq!(embedded["ran"], Value::Null, "{from}");
        assert_ne!(embedded["title"], "ran", "{from}");
        for (how, outcome) in embedded["outcomes"].as_object().unwrap() {
            let (tag, _) = how.split_once(' ').unwrap();
            if ["script", "import", "worker", "link"].contains(&tag) {
                assert_ne!(outcome, "load", "{from}: {how}");
            }
        }
    }
    gallery.fleet.stop(app).await;
}

/// Posts one of everything that the page shows.
fn furnish(gallery: &mut Gallery) {
    let read = |name: &str| fs::read(project().join("tests/browser").join(name)).unwrap();
    let drawn = |width: i32, height: i32| picture(width.unsigned_abs(), height.unsigned_abs(), image::ImageFormat::Jpeg);
    let photo = |width: i32, height: i32, bytes: &[u8]| Post::photo(width, height, bytes.len().try_into().unwrap());
    let large = drawn(1_280, 960);
    gallery.post(
        photo(1_280, 960, &large)
            .captioned("A photo with a caption that is somewhat longer than the photo is wide, 今天天气很好"),
        &large,
    );
    let tiny = drawn(200, 150);
    gallery.post(photo(200, 150, &tiny), &tiny);
    for (at, (width, height)) in [(800, 600), (600, 800), (900, 900)].into_iter().enumerate() {
        let bytes = drawn(width, height);
        let mut post = photo(width, height, &bytes);
        (post.album, post.text) = (Some(77), if at == 0 { "Three of a kind".to_owned() } else { String::new() });
        gallery.post(post, &bytes);
    }
    gallery.file("screenshot.png", "image/png", &picture(1_000, 700, image::ImageFormat::Png));
    gallery.played(DocumentKind::Sticker, "image/webp", &read("sticker.webp"));
    gallery.played(DocumentKind::Video, "video/webm", &read("clip.webm"));
    gallery.played(DocumentKind::Round, "video/mp4", &read("round.mp4"));
    gallery.played(DocumentKind::Voice, "audio/ogg", &read("voice.ogg"));
    gallery.file("../../../отчёт \u{202e}fdp.exe", "application/pdf", b"MZ not a report");
    let lie = b"<script>document.title='ran'</script>";
    gallery.post(Post::media(Media::Photo(Photo::new(150, 150, 37))), lie);
    let skipped = Document::new(DocumentKind::Audio, "audio/mpeg", 5_000_000);
    gallery.fleet.simulator.post(gallery.channel, Post::media(Media::Document(Box::new(skipped)))).unwrap();
}

/// Checks what the page showed of [`furnish`].
fn check_page(seen: &Value, sealed: bool) {
    let list = |name: &str| seen[name].as_array().unwrap().clone();
    let pictures = list("pictures");
    assert!(pictures.len() >= 8, "{pictures:?}");
    for picture in &pictures {
        assert!(picture["width"].as_u64().unwrap() > 0, "{picture}");
    }
    assert!(list("albums").contains(&3.into()), "{seen}");
    assert!(
        list("missing").iter().any(|text| text.as_str().unwrap().contains("not stored (rule `voices only`")),
        "{:?}",
        seen["missing"]
    );
    assert_eq!(list("errors"), Vec::<Value>::new());
    let saves = list("saves");
    let report = saves.iter().find(|save| save["text"].as_str().unwrap().contains("отчёт")).unwrap();
    assert_eq!(report["text"], "Save file, отчёт fdp.exe, 1 KiB");
    assert_eq!((&seen["scripts"], &seen["title"], &seen["ran"]), (&1.into(), &"Telescribe".into(), &Value::Null));
    let played = list("played");
    // What else the channel has is noise, and is not played.
    let is_of = |seen: &&Value, class: &str, duration: f64| {
        let is_as_long = seen["duration"].as_f64().is_some_and(|seconds| (seconds - duration).abs() < 0.2);
        seen["class"] == class && seen.get("error").is_none() && is_as_long
    };
    let of = |class: &str, duration| {
        played.iter().find(|seen| is_of(seen, class, duration)).unwrap_or_else(|| panic!("no {class}: {played:?}"))
    };
    for (class, tag, duration) in [("video", "video", 6.0), ("round", "video", 4.0), ("voice", "audio", 4.0)] {
        let seen = of(class, duration);
        let number = |name: &str| seen[name].as_f64().unwrap();
        assert_eq!(seen["tag"], tag);
        assert!((number("sought") - duration / 2.0).abs() < 0.2, "{seen}");
        assert!(number("played") > 0.1 && (tag == "audio" || number("width") > 0.0), "{seen}");
        assert!(
            sealed || tag == "audio" || seen["poster"].as_str().is_some_and(|poster| poster.contains("/v1/media/")),
            "{seen}"
        );
    }
    assert_eq!(seen["viewed"], 1_280);
    for form in ["desktop", "phone"] {
        assert!(seen[form]["wide"].as_u64() <= seen[form]["width"].as_u64(), "{form} scrolls sideways: {}", seen[form]);
    }
    // Sealed, nothing that can be seen says what was asked.
    let is_hidden = |url: &Value| url.as_str().is_some_and(|url| url.ends_with("/v1/sealed") || url.starts_with("blob:"));
    assert!(!sealed || list("requested").iter().all(is_hidden), "{:?}", seen["requested"]);
    // Before somebody clicks, no file is loaded that has a small picture: only those, and what is small itself.
    let requested = list("requested");
    let whole = requested.iter().filter(|url| url.as_str().unwrap().contains("/media?file=photo")).count();
    assert!(whole <= 1, "{requested:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_shows_plays_and_saves_files_plainly_and_sealed() {
    let mut gallery = Gallery::new().await;
    let audio = MediaRuleConfig {
        name: "voices only".to_owned(),
        kinds: vec!["audio".to_owned()],
        action: MediaAction::Skip,
        ..MediaRuleConfig::default()
    };
    gallery.fleet.config.media.rules.push(audio);
    furnish(&mut gallery);
    let app = gallery.start().await;
    let is_picture = |file: &ArchivedFile| {
        let content = gallery.fleet.simulator.inspect(|world| world.file_content(file.id.id)).unwrap_or_default();
        image::guess_format(&content).is_ok() && file.state.stored().is_some()
    };
    let known = app.archive.view().files(FileId::photo(i64::MIN)).map(Result::unwrap);
    let pictures: Vec<FileId> = known.filter(is_picture).map(|file| file.id).collect();
    gallery.until_pictured(&app, &pictures).await;
    let server = server_id(&gallery.fleet.data()).unwrap();
    let old_key = add_old_key(&DataFolder::keys(&gallery.fleet.data()), "before", SystemClock.timestamp());
    let [key, old_key] =
        [Arc::clone(&gallery.key), old_key].map(|key| String::from_utf8(KeyRing::export(&key, &server).to_vec()).unwrap());
    let (peer, shots) = (gallery.channel.marked(), shots());
    let [plain, sealed] = [app.addresses[0], app.addresses[1]].map(|address| format!("http://{address}"));
    let seen = browse(json!([
        { "what": "readPage", "name": "plain", "base": plain, "peer": peer, "shots": shots },
        { "what": "readPage", "name": "sealed", "base": sealed, "peer": peer, "shots": shots, "key": key },
        { "what": "readPage", "name": "before", "base": sealed, "peer": peer, "shots": shots, "key": old_key },
    ]))
    .await;
    check_requests(&seen);
    check_page(&seen["results"][0], false);
    check_page(&seen["results"][1], true);
    check_page(&seen["results"][2], true);
    gallery.fleet.stop(app).await;
}
