//! The export of all hits: each once, whole or visibly not, and safe to open.

#![expect(clippy::unwrap_used, reason = "what cannot be had fails the test")]

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use telescribe::archive::{Archive, Raw};
use telescribe::cli::client::Globals;
use telescribe::cli::search::{Args, ExportArgs, Format, Sort};
use telescribe::cli::{self, Out};
use telescribe::http::Sealing;
use telescribe::model::{Forward, Media, MediaKind, MessageKey, PeerId, PeerKind, Reply, Timestamp};
use telescribe::search::{Export, SearchQuery, SortOrder};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::sealed;
use crate::support::commands::{Written, globals};
use crate::support::indexed::Indexed;
use crate::support::messages::{CHAT, NOW, key, message, text, titled};
use crate::support::served::{NEWS, Served, listening, said};
use crate::support::waiting::PATIENCE;

const TIME_LIMIT: Duration = Duration::from_secs(60);

/// All that is left of an export; `between` is done before each step after the first.
async fn exported(world: &mut Indexed, mut export: Export, mut between: impl AsyncFnMut(&mut Indexed)) -> Vec<MessageKey> {
    let (mut all, mut is_first) = (Vec::new(), true);
    while !export.is_complete() {
        if export.wants_keys() && !std::mem::take(&mut is_first) {
            between(world).await;
        }
        world.index.continue_export(&world.archive.flushed(), &mut export, TIME_LIMIT).unwrap();
        let messages = export.read(&world.archive.flushed(), 100).unwrap();
        all.extend(messages.iter().flatten().map(|stored| stored.message.key));
        export.take(messages.len());
    }
    all
}

fn export(query: &str, sort: SortOrder, cursor: Option<&str>) -> Export {
    Export::new(SearchQuery::parse(query).unwrap(), sort, cursor).unwrap()
}

/// Messages that fit a query differently well, with many equal dates.
fn fill(world: &Indexed, ids: std::ops::Range<i32>) {
    world.archive(ids.map(|id| {
        let mut message = text(id, &format!("{}more", "needle ".repeat(usize::try_from(1 + id % 5).unwrap())));
        (message.date, message.views) = (Timestamp(1_700_000_000 + i64::from(id % 17)), Some(id % 23));
        message
    }));
}

#[tokio::test]
async fn an_export_has_each_hit_once_in_the_order_of_its_pages_also_from_its_middle_on() {
    let mut world = Indexed::new();
    for round in 0..4 {
        fill(&world, round * 400 + 1..round * 400 + 401);
        world.index().await;
    }
    let mut write = world.archive.write(NOW);
    (1..=1_600).filter(|id| id % 9 == 0).for_each(|id| {
        write.delete(key(CHAT, id));
    });
    write.commit().unwrap();
    world.index().await;
    for sort in SortOrder::ALL {
        for query in ["needle", "", "needle more", "needle is:deleted"] {
            let whole = world.paged(query, sort, 100);
            let found = exported(&mut world, export(query, sort, None), async |_| ()).await;
            assert_eq!(found, whole, "{sort:?} {query}");
            // From the cursor behind some of them on, as sealed requests do.
            let mut begun = export(query, sort, None);
            world.index.continue_export(&world.archive.flushed(), &mut begun, TIME_LIMIT).unwrap();
            begun.take(77);
            let cursor = begun.cursor();
            let rest = exported(&mut world, export(query, sort, cursor.as_deref()), async |_| ()).await;
            assert_eq!(rest, whole[77..], "{sort:?} {query}");
            assert!(Export::new(SearchQuery::parse("other").unwrap(), sort, cursor.as_deref()).is_err());
        }
    }
}

#[tokio::test]
async fn an_export_neither_repeats_nor_skips_while_messages_arrive_and_segments_are_merged() {
    for sort in SortOrder::ALL {
        let mut world = Indexed::new();
        for round in 0..3 {
            fill(&world, round * 1_000 + 1..round * 1_000 + 1_001);
            world.index().await;
        }
        let whole = world.paged("needle", sort, 100);
        let mut next = 10_000;
        let found = exported(&mut world, export("needle", sort, None), async |world| {
            for _ in 0..3 {
                fill(world, next..next + 40);
                next += 40;
                world.index().await;
            }
        });
        let found = found.await;
        assert!(next > 10_000, "several steps");
        let old: Vec<MessageKey> = found.iter().copied().filter(|key| key.id.0 < 10_000).collect();
        assert_eq!(old, whole, "{sort:?}");
        assert_eq!(found.iter().collect::<BTreeSet<_>>().len(), found.len(), "{sort:?}");
    }
}

/// A message with everything that a table must be careful with.
fn awkward(archive: &Archive) {
    let mut write = archive.write(NOW);
    write.peer(titled(PeerId(7_000_009), PeerKind::User, "=cmd|' /C calc'!A0"));
    let mut one = said(NEWS, 60, "=1+1, \"needle\"\r\nsecond line");
    one.media = Some(Media { name: Some("+evil.csv".to_owned()), ..Media::new(MediaKind::File) });
    (one.sender, one.views, one.edited) = (Some(PeerId(7_000_009)), Some(12), Some(NOW));
    one.reply = Some(Reply { id: Some(telescribe::model::MessageId(3)), ..Reply::default() });
    one.forward = Some(Forward { name: Some("@hidden".to_owned()), ..Forward::default() });
    write.message(one, Raw::default(), NOW.0).message(message(PeerId(-60), 5, "needle, plain"), Raw::default(), 0);
    write.commit().unwrap();
}

#[tokio::test]
async fn lines_are_the_messages_of_the_hits() {
    let served = Served::start_with(listening(Sealing::Off), awkward).await;
    let hits = served.get("/v1/search?q=&sort=oldest&limit=100").await.json();
    let messages: Vec<&Value> = hits["hits"].as_array().unwrap().iter().map(|hit| &hit["message"]).collect();
    let answer = served.get("/v1/search/export?q=&sort=oldest").await;
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, "application/x-ndjson"));
    let lines: Vec<Value> =
        answer.body.split(|b| *b == b'\n').filter(|l| !l.is_empty()).map(|l| serde_json::from_slice(l).unwrap()).collect();
    assert_eq!(lines.iter().collect::<Vec<_>>(), messages);
    let json = [("content-type", "application/json")];
    let by_body = served.ask("POST", "/v1/search/export", &json, r#"{"q":"","sort":"oldest","format":"ndjson"}"#).await;
    assert_eq!(by_body.body, answer.body);
    let none = served.get("/v1/search/export?q=nothingatall").await;
    assert_eq!((none.status.as_u16(), none.body.len()), (200, 0));
    served.stop().await;
}

#[tokio::test]
async fn a_table_is_csv_and_nothing_in_it_runs() {
    let served = Served::start_with(listening(Sealing::Off), awkward).await;
    let answer = served.get("/v1/search/export?q=needle&format=csv").await;
    assert_eq!(answer.header("content-type"), "text/csv; charset=utf-8; header=present");
    insta::assert_snapshot!(std::str::from_utf8(&answer.body).unwrap().replace("\r\n", "␍␊\n"));
    let mut reader = csv::Reader::from_reader(&answer.body[..]);
    let head: Vec<String> = reader.headers().unwrap().iter().map(str::to_owned).collect();
    let records: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert_eq!(records.len(), 2);
    let cell = |record: usize, column: &str| records[record][head.iter().position(|name| name == column).unwrap()].to_owned();
    let awkward = (0..2).find(|record| cell(*record, "id") == "60").unwrap();
    for (column, shown) in [
        ("text", "'=1+1, \"needle\"\r\nsecond line"),
        ("peer", "-1001500000001"),
        ("sender_name", "'=cmd|' /C calc'!A0"),
        ("file_name", "'+evil.csv"),
        ("forwarded_from_name", "'@hidden"),
        ("kind", "file"),
        ("views", "12"),
        ("reply_to", "3"),
        ("link", "https://t.me/novosti/60"),
    ] {
        assert_eq!(cell(awkward, column), shown, "{column}");
    }
    let none = served.get("/v1/search/export?q=nothingatall&format=csv").await;
    assert_eq!(none.body.iter().filter(|byte| **byte == b'\n').count(), 1, "the header alone");
    served.stop().await;
}

fn args(query: &str, format: Format, out: Option<&Path>, force: bool) -> Args {
    let export = ExportArgs { export: Some(format), out: out.map(Path::to_owned), force };
    Args { sort: Sort::Oldest, export, ..Args::new(vec![query.to_owned()]) }
}

fn many(archive: &Archive) {
    let mut write = archive.write(NOW);
    for id in 1..=4_000 {
        write.message(message(PeerId(-60), id, &format!("needle {}", "long text ".repeat(200))), Raw::default(), 0);
    }
    write.commit().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_exports_the_same_sealed_or_not_and_saves_all_or_nothing() {
    let some = |archive: &Archive| {
        awkward(archive);
        let mut write = archive.write(NOW);
        (100..900).for_each(|id| {
            write.message(said(CHAT, id, "needle in a stack"), Raw::default(), 0);
        });
        write.commit().unwrap();
    };
    let served = Served::start_with(listening(Sealing::Required), some).await;
    let (here, key) = (globals(served.folder.path()), sealed::client_key(&served));
    let server = Some(format!("http://{}", served.address));
    let there = Globals { data: served.folder.path().to_owned(), json: false, server, ca: None, key: Some(key) };
    let folder = tempfile::tempdir().unwrap();
    for (format, name) in [(Format::Ndjson, "hits.ndjson"), (Format::Csv, "hits.csv")] {
        let written = Written::default();
        let asked = args("needle", format, None, false);
        cli::search::write(&asked, &here, &mut Out::to(written.clone())).await.unwrap();
        let plain = written.text();
        assert!(plain.lines().count() > 800);
        cli::search::write(&asked, &there, &mut Out::to(written.clone())).await.unwrap();
        assert_eq!(written.text(), plain, "sealed, in pages");
        let path = folder.path().join(name);
        let run = async |query: &str, force: bool| {
            cli::search::write(&args(query, format, Some(&path), force), &here, &mut Out::to(written.clone())).await
        };
        run("needle", false).await.unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), plain);
        let refused = run("nothingatall", false).await.unwrap_err().to_string();
        assert!(refused.contains("is there already") && refused.contains("--force"), "{refused}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), plain);
        run("after:yesterdayish", true).await.unwrap_err();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), plain, "what fails replaces nothing");
        run("plain", true).await.unwrap();
        assert!(std::fs::read_to_string(&path).unwrap().len() < plain.len());
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        let through = args("needle", format, Some(&link), true);
        cli::search::write(&through, &here, &mut Out::to(written.clone())).await.unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), plain, "through a link");
        assert!(link.is_symlink());
        std::fs::remove_file(link).unwrap();
    }
    let device = args("needle", Format::Csv, Some(Path::new("/dev/null")), true);
    let refused = cli::search::write(&device, &here, &mut Out::to(Written::default())).await.unwrap_err().to_string();
    assert!(refused.contains("is a pipe or a device, and is not written to"), "{refused}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2, "nothing else is left");
    served.stop().await;
}

/// Asks for an export and reads its head only.
async fn begun(served: &Served) -> (TcpStream, String) {
    let mut stream = TcpStream::connect(served.address).await.unwrap();
    let head = format!("GET /v1/search/export?q=needle HTTP/1.1\r\nHost: {}\r\n\r\n", served.address);
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut status = [0; 12];
    tokio::time::timeout(PATIENCE, stream.read_exact(&mut status)).await.expect("in time").unwrap();
    (stream, String::from_utf8_lossy(&status).into_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn only_so_many_exports_run_and_one_whose_client_has_left_makes_room() {
    let served = Served::start_with(listening(Sealing::Off), many).await;
    let mut running = Vec::new();
    for _ in 0..8 {
        let (stream, status) = begun(&served).await;
        assert_eq!(status, "HTTP/1.1 200");
        running.push(stream);
    }
    let refused = served.get("/v1/search/export?q=needle").await;
    assert_eq!((refused.status.as_u16(), refused.json()["code"].as_str()), (503, Some("busy")));
    assert_eq!(served.get("/v1/search?q=needle&limit=1").await.status.as_u16(), 200, "searches go on");
    running.pop();
    let again = async {
        while begun(&served).await.1 != "HTTP/1.1 200" {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, again).await.expect("there is room again");
    drop(running);
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_ends_an_export_in_a_way_that_shows() {
    let served = Served::start_with(listening(Sealing::Off), many).await;
    let (mut whole, _) = begun(&served).await;
    let mut bytes = vec![0; 1 << 16];
    let mut end = Vec::new();
    while !end.ends_with(b"0\r\n\r\n") {
        let count = tokio::time::timeout(PATIENCE, whole.read(&mut bytes)).await.expect("in time").unwrap();
        assert!(count > 0);
        end = [&end[end.len().saturating_sub(8)..], &bytes[..count]].concat();
    }
    let (mut cut, _) = begun(&served).await;
    served.lifecycle.stop_soft();
    let mut rest = Vec::new();
    // The connection may be reset.
    let _ = tokio::time::timeout(PATIENCE, cut.read_to_end(&mut rest)).await.expect("in time");
    assert!(!rest.ends_with(b"0\r\n\r\n"), "it looks complete");
    served.stop().await;
}
