//! Whatever happens to the files of an index: `verify` names it, no command answers from it, and what writes rebuilds it beside.

use std::fs;
use std::sync::Arc;

use http_body_util::BodyExt as _;
use hyper::body::Bytes;
use hyper::{Request, StatusCode};
use serde_json::{Value, json};
use telescribe::archive::{Archive, Durability};
use telescribe::http::{Context, Local};
use telescribe::lifecycle::Lifecycle;
use telescribe::model::FixedClock;
use telescribe::search::{IndexFolders, IndexSupervisor, IndexerSettings, ServingIndex};

use crate::support::faulty_disk::{DiskFault, FaultyDisk, Operation};
use crate::support::files::{everything, files, names};
use crate::support::fleet::{Fleet, small};
use crate::support::index_files::{DAMAGES, is_lock};
use crate::support::indexed::Indexed;
use crate::support::killed::{IN_LOG, IN_TABLES, Killed};
use crate::support::messages::{CHAT, NOW, message};
use crate::support::program::Ended;

const ALL: usize = (IN_TABLES + IN_LOG) as usize;

fn found(ended: &Ended) -> usize {
    ended.out.lines().count()
}

/// The index of a killed program, with an edit that was indexed after its message, so that there is a file of every kind.
async fn with_every_kind_of_file() -> Killed {
    let kept = Killed::new().await;
    kept.edited().await;
    let index = kept.index();
    for kind in [".idx", ".pos", ".term", ".store", ".fast", ".fieldnorm", ".del", "meta.json", ".managed.json"] {
        assert!(!files(&index, |name| name.ends_with(kind)).is_empty(), "{kind}");
    }
    kept
}

#[tokio::test]
async fn whatever_happens_to_a_file_of_an_index_is_named_by_verify_and_mended_by_reindex() {
    let whole = with_every_kind_of_file().await;
    assert_eq!(whole.run(&["verify"]).status, 0);
    assert_eq!(found(&whole.run(&["search", "says", "--all", "--json"])), ALL);
    let mut wrong = Vec::new();
    for file in files(&whole.index(), |name| !is_lock(name)) {
        let name = file.file_name().unwrap().to_str().unwrap();
        for (what, damage) in DAMAGES {
            let kept = whole.another();
            let place = kept.index().join(name);
            damage(&place, fs::metadata(&place).unwrap().len() as usize);
            let why = what_goes_wrong(&kept, name, what.starts_with("flipped"));
            // Whatever was damaged, the way out is one and the same: one damage that can be seen and one that cannot are enough.
            let tries_it = matches!(what, "removed" | "flipped in its middle");
            let why = why.or_else(|| tries_it.then(|| what_reindex_leaves(&kept)).flatten());
            wrong.extend(why.map(|why| format!("{name} {what}: {why}")));
        }
    }
    assert!(wrong.is_empty(), "{} times: {wrong:#?}", wrong.len());
}

/// What an operator meets who has a damaged index, as far as it is not as it should be.
fn what_goes_wrong(kept: &Killed, name: &str, may_miss_hits: bool) -> Option<String> {
    let before = everything(&kept.index(), |_| true);
    let verified = kept.run(&["verify"]);
    let named = verified.out.lines().any(|line| line.starts_with("differs: ") && line.contains(name));
    if verified.status != 1 || !named {
        return Some(format!("`verify` ends with {} and says {}{}", verified.status, verified.out, verified.err));
    }
    for query in ["says", "\"something something\""] {
        let searched = kept.run(&["search", query, "--all", "--json"]);
        let right = searched.status == 0 && found(&searched) == ALL;
        let refused = searched.status == 2 && searched.err.contains("`telescribe reindex`");
        if !(right || refused || may_miss_hits && searched.status < 2) {
            return Some(format!("the search for {query} ends with {} and says {}", searched.status, searched.err));
        }
    }
    let after = everything(&kept.index(), |_| true);
    (before != after).then(|| format!("{:?} became {:?}", names(&before), names(&after)))
}

fn what_reindex_leaves(kept: &Killed) -> Option<String> {
    let rebuilt = kept.run(&["reindex"]);
    let (hits, verified) = (found(&kept.run(&["search", "says", "--all", "--json"])), kept.run(&["verify"]));
    let mended = rebuilt.status == 0 && hits == ALL && verified.out.ends_with("\nno differences\n");
    (!mended).then(|| format!("`reindex` says {}, {hits} hits, `verify` says {}", rebuilt.err, verified.out))
}

#[tokio::test]
async fn commands_that_read_write_nothing_into_the_index_and_make_none() {
    let kept = Killed::new().await;
    for lock in files(&kept.index(), is_lock) {
        fs::remove_file(lock).unwrap();
    }
    let before = everything(&kept.index(), |_| true);
    for command in [&["search", "something"][..], &["status"], &["verify"], &["dump"], &["peers"]] {
        kept.run(command).well();
        let after = everything(&kept.index(), |_| true);
        assert!(before == after, "{command:?}: {:?} became {:?}", names(&before), names(&after));
    }
}

#[tokio::test]
async fn an_index_of_another_archive_answers_no_search_and_is_rebuilt() {
    let (kept, other) = (Killed::new().await, Killed::new().await);
    fs::remove_dir_all(kept.index()).unwrap();
    fs::rename(other.index(), kept.index()).unwrap();
    let searched = kept.run(&["search", "something"]);
    assert_eq!((searched.status, searched.out.as_str()), (2, ""), "{}", searched.err);
    assert!(searched.err.contains("it belongs to another archive; run `telescribe reindex`"), "{}", searched.err);
    let status = kept.run(&["status", "--json"]).well().lines()[0]["index"].clone();
    assert!(status["error"].as_str().unwrap().contains("it belongs to another archive"), "{status}");
    let verified = kept.run(&["verify"]);
    assert!(verified.status == 1 && verified.out.contains("it belongs to another archive"), "{}", verified.out);
    kept.run(&["reindex"]).well();
    kept.run(&["verify"]).well();
    assert_eq!(found(&kept.run(&["search", "something", "--all", "--json"])), ALL);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_with_a_damaged_index_ends_with_a_whole_one_and_says_so_meanwhile() {
    let fleet = Fleet::new(small()).await;
    let app = fleet.start_and_finish().await;
    app.lifecycle.stop_soft();
    app.ended().await.unwrap();
    let messages = app.index.document_count();
    drop(app);
    let index = fleet.data().join("index");
    fs::remove_file(files(&index, |name| name.ends_with(".pos")).remove(0)).unwrap();
    let app = fleet.start().await;
    fleet.until("the index is rebuilt", || app.index.rebuild().is_none()).await;
    fleet.until("the index has caught up", || app.index.position() == app.archive.last_seq()).await;
    assert_eq!(app.index.document_count(), messages);
    app.lifecycle.stop_soft();
    app.ended().await.unwrap();
    let (archive, index) = (&app.archive, IndexFolders::at(&index).open_to_read(&app.archive).unwrap());
    assert_eq!(index.integrity_check().unwrap().faults(), []);
    assert!(index.verify(&archive.flushed()).unwrap().is_equal());
    assert!(!fleet.data().join("index.new").exists() && !fleet.data().join("index.old").exists());
}

#[tokio::test]
async fn a_rebuild_is_told_with_its_progress_and_searches_that_must_wait_for_it_are_told() {
    let kept = Killed::new().await;
    fs::write(files(&kept.index(), |name| name.ends_with(".term")).remove(0), "").unwrap();
    let archive = Arc::new(Archive::open(&kept.archive(), Durability::Os).unwrap());
    let index = ServingIndex::open(IndexFolders::at(&kept.index()), &archive).unwrap();
    let context = Context::new(Arc::clone(&archive), index.clone(), Arc::new(FixedClock::new(NOW)), Lifecycle::new());
    let local = Local::new(Arc::new(context));
    let get = async |target: &str| {
        let response = local.ask(Request::get(target).body(Bytes::new()).unwrap()).await;
        let status = response.status();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice::<Value>(&bytes).unwrap_or_default())
    };
    let last = archive.last_seq();
    let told = format!("the search index is being rebuilt: 0 of {last} changes are done");
    let (status, ready) = get("/readyz").await;
    assert_eq!((status, ready["detail"].as_str()), (StatusCode::SERVICE_UNAVAILABLE, Some(told.as_str())));
    let (status, searched) = get("/v1/search?q=says").await;
    assert_eq!((status, searched["code"].as_str()), (StatusCode::SERVICE_UNAVAILABLE, Some("not-ready")));
    assert_eq!(searched["detail"], format!("{told}; try again later"));
    let (_, program) = get("/v1/status").await;
    let rebuild = &program["index"]["rebuild"];
    assert_eq!((&rebuild["position"], &rebuild["last"]), (&json!(0), &json!(last.0)));
    assert!(rebuild["why"].as_str().unwrap().contains(".term` is damaged: "), "{program}");
    IndexSupervisor::new(index, IndexerSettings::default()).catch_up().await.unwrap();
    assert_eq!(get("/readyz").await.0, StatusCode::OK);
    let (status, searched) = get("/v1/search?q=says").await;
    assert_eq!((status, &searched["total"]["count"]), (StatusCode::OK, &json!(ALL)));
    assert!(get("/v1/status").await.1["index"].get("rebuild").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_of_the_disk_at_any_look_at_the_list_of_segments_is_over_when_it_is_over() {
    if let Some(why) = FaultyDisk::unavailable() {
        eprintln!("{why}: NOT tried here");
        return;
    }
    for passing in 0..6 {
        let place = tempfile::tempdir().unwrap();
        let disk = FaultyDisk::mount(place.path()).unwrap();
        let folder = tempfile::tempdir_in(place.path()).unwrap();
        let archive = Archive::open(&folder.path().join("archive"), Durability::Always).unwrap();
        let mut indexed = Indexed::with(Arc::new(archive), folder);
        indexed.archive((1..=5).map(|id| message(CHAT, id, "before")));
        indexed.index().await;
        indexed.archive((6..=9).map(|id| message(CHAT, id, "after")));
        disk.fault(DiskFault::lasting(Operation::Read, "meta.json").after(passing).times(1));
        let mut failures = 0;
        while indexed.indexer.catch_up().await.is_err() {
            failures += 1;
            assert!(failures <= 1, "one error is one failure");
        }
        disk.heal();
        // It answers with everything, also where the commit had succeeded and only its showing failed.
        indexed.index().await;
        assert_eq!(indexed.ids("after"), [6, 7, 8, 9], "after {passing} looks");
    }
}
