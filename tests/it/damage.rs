//! Whatever happens to the files of an archive or its index: nothing is deleted, nothing is lost in silence, and what is said names
//! the way out. Through the real binary, as an operator meets it.

#![expect(clippy::unwrap_used, reason = "what cannot be had fails the test")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use telescribe::archive::{Archive, DataFolder, Durability};
use telescribe::search::Index;

use crate::support::demo::Own;
use crate::support::disk::{put, raw_db};
use crate::support::files::{archive_files, cut, everything, files, flip, names};
use crate::support::fleet::{Fleet, small};
use crate::support::killed::{DAMAGES, IN_LOG, IN_TABLES, Killed, archive_messages};
use crate::support::messages::CHAT;
use crate::support::program::run_in;

#[tokio::test]
async fn whatever_an_archive_lacks_a_command_shows_all_of_it_or_refuses_and_deletes_nothing() {
    let whole = Killed::new().await;
    for (what, damage) in DAMAGES {
        let kept = whole.another();
        damage(&kept.archive());
        let before = archive_files(&kept.archive());
        for again in 1..=2 {
            let ended = kept.run(&["dump"]);
            let after = archive_files(&kept.archive());
            assert!(before == after, "{what}, time {again}: {:?} became {:?}", names(&before), names(&after));
            if ended.status == 0 {
                let lines = ended.out.lines().filter(|line| line.contains("\"text\"")).count();
                assert_eq!(lines, (IN_TABLES + IN_LOG) as usize, "{what}: {}", ended.err);
            } else {
                assert_eq!((ended.status, ended.out.as_str()), (2, ""), "{what}");
                assert!(ended.err.contains("nothing was changed: restore a backup, or "), "{what}: {}", ended.err);
            }
        }
    }
}

#[tokio::test]
async fn where_only_the_index_is_left_no_command_says_that_a_new_archive_is_the_way_out() {
    let kept = Killed::new().await;
    fs::remove_dir_all(kept.archive()).unwrap();
    for command in ["dump", "status", "verify", "reindex"] {
        let ended = kept.run(&[command]);
        assert_eq!((ended.status, ended.out.as_str()), (2, ""), "{command}");
        let way_out = "but the index of one; restore a backup of the archive, or move `data/index` away to begin a new one";
        assert!(ended.err.contains(way_out), "{command}: {}", ended.err);
        assert!(!kept.archive().exists(), "{command}");
    }
}

#[tokio::test]
async fn commands_that_read_write_nothing_into_the_archive() {
    let kept = Killed::new().await;
    let before = everything(&kept.archive(), |_| true);
    let chat = CHAT.to_string();
    let commands: [&[&str]; 9] = [
        &["dump"],
        &["search", "something"],
        &["peers"],
        &["show", &chat, "7"],
        &["changes"],
        &["coverage"],
        &["status"],
        &["schedule"],
        &["verify"],
    ];
    for command in commands {
        kept.run(command).well();
        let after = everything(&kept.archive(), |_| true);
        assert!(before == after, "{command:?}: {:?} became {:?}", names(&before), names(&after));
    }
}

#[tokio::test]
async fn a_flipped_bit_early_in_the_log_is_refused_with_the_number_of_changes_and_the_way_on() {
    let kept = Killed::new().await;
    let all = (IN_TABLES + IN_LOG) as usize;
    assert_eq!(kept.dumped(), all);
    flip(&kept.log(), 3_000, 0);
    let before = archive_files(&kept.archive());
    let missing = format!("{IN_LOG} changes are missing");
    for command in [&["dump"][..], &["search", "something"], &["status"], &["verify"], &["reindex"]] {
        let ended = kept.run(command);
        assert_eq!((ended.status, ended.out.as_str()), (2, ""), "{command:?}: {}", ended.err);
        assert!(ended.err.contains("has a damaged log") && ended.err.contains(&missing), "{command:?}: {}", ended.err);
        assert!(ended.err.contains("restore a backup, or continue without them with `telescribe repair`"), "{}", ended.err);
        assert!(before == archive_files(&kept.archive()), "{command:?}");
    }
    let id = || kept.run(&["log", "head", "--json"]).well().lines()[0].clone();
    let accepted = kept.run(&["repair"]).well();
    assert!(accepted.err.contains(" in the new epoch 2-"), "{}", accepted.err);
    assert!(
        accepted.err.contains(&missing) && accepted.err.contains("what it was is kept in `data/archive.lost-"),
        "{}",
        accepted.err
    );
    assert_eq!(kept.dumped(), IN_TABLES as usize);
    kept.run(&["reindex"]).well();
    assert!(kept.run(&["verify"]).well().out.ends_with("\nno differences\n"));
    let hits = kept.run(&["search", "something", "--all", "--json"]).well().lines().len();
    assert_eq!(hits, IN_TABLES as usize);
    let lost = fs::read_dir(kept.data()).unwrap().map(|entry| entry.unwrap().path());
    let lost: Vec<PathBuf> = lost.filter(|path| path.to_str().unwrap().contains("archive.lost-")).collect();
    assert_eq!(lost.len(), 1);
    assert!(archive_files(&lost[0]) == before, "as it was");
    assert!(!files(&lost[0], |name| name.ends_with(".log")).is_empty());
    // Once more there is nothing to accept, and nothing changes.
    let now = id();
    let again = kept.run(&["repair"]).well();
    assert!(again.err.contains("nothing is missing in the archive; it stays as it is"), "{}", again.err);
    assert_eq!(id(), now);
}

#[tokio::test]
async fn sums_over_files_that_are_wrong_are_told_of_and_a_repair_sums_up_again() {
    let kept = Killed::new().await;
    // Five files are stored, it says.
    put(&raw_db(&kept.archive()), "meta", b"file_totals", &[0x18, 5]);
    let verified = kept.run(&["verify"]);
    assert_eq!(verified.status, 1, "{}", verified.err);
    assert!(verified.out.contains("; `telescribe repair` sums them up again"), "{}", verified.out);
    let said = "nothing is missing in the archive; the sums over its files were wrong, and were summed up again";
    assert!(kept.run(&["repair"]).well().err.contains(said));
    assert!(kept.run(&["verify"]).well().out.ends_with("\nno differences\n"));
    assert!(kept.run(&["repair"]).well().err.contains("nothing is missing in the archive; it stays as it is"));
}

#[tokio::test]
async fn a_log_that_lost_its_end_is_refused_where_the_index_has_seen_it_and_verify_counts_what_is_missing() {
    let kept = Killed::new().await;
    cut(&kept.log(), 5);
    let refused = kept.run(&["dump"]);
    assert_eq!((refused.status, refused.out.as_str()), (2, ""));
    assert!(refused.err.contains(" has seen change 1201: "), "{}", refused.err);
    assert!(refused.err.contains(" changes are missing; nothing was changed"), "{}", refused.err);
    let verified = kept.run(&["verify"]);
    assert_eq!(verified.status, 1, "{}{}", verified.out, verified.err);
    assert!(verified.out.contains("the index has seen change 1201, but the newest is "), "{}", verified.out);
    assert!(verified.out.contains("`telescribe repair`"), "{}", verified.out);
    // Where nobody has seen it, it is what a killed program leaves.
    fs::remove_dir_all(kept.data().join("index")).unwrap();
    fs::remove_file(kept.data().join("archive.json")).unwrap();
    let left = kept.dumped();
    assert!((IN_TABLES as usize..(IN_TABLES + IN_LOG) as usize).contains(&left), "{left}");
}

#[tokio::test]
async fn an_index_that_is_only_behind_is_no_difference() {
    let kept = Killed::new().await;
    archive_messages(&Archive::open(&kept.archive(), Durability::Os).unwrap(), 5_000, 5_010);
    let verified = kept.run(&["verify"]).well();
    assert!(verified.out.contains("\n11 messages are not indexed yet; `telescribe run` or "), "{}", verified.out);
    assert!(verified.out.ends_with("\nno differences\n"), "{}", verified.out);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_leaves_nothing_in_the_log_alone_and_the_index_up_to_date() {
    let fleet = Fleet::new(small()).await;
    let app = fleet.start_and_finish().await;
    // Whatever is archived last, the index has read it.
    archive_messages(&app.archive, 1, 200);
    app.lifecycle.stop_soft();
    app.ended().await.unwrap();
    assert_eq!(app.index.position(), app.archive.last_seq());
    drop(app);
    let logs = files(&fleet.data().join("archive"), |name| name.ends_with(".log"));
    let bytes: u64 = logs.iter().map(|log| log.metadata().unwrap().len()).sum();
    assert_eq!(bytes, 0, "{logs:?}");
    let data = fleet.data();
    let verified = run_in(&data, &["--data", data.to_str().unwrap(), "verify"]);
    assert!(!verified.out.contains("not indexed yet"), "{}", verified.out);
}

#[test]
fn an_index_that_cannot_be_opened_is_left_as_it_is() {
    let own = Own::new();
    let index = own.path("data/index");
    let before = everything(&index, |_| true);
    assert!(before.len() > 5, "{:?}", names(&before));
    let line = |limit: u32| {
        let binary = env!("CARGO_BIN_EXE_telescribe");
        Command::new("sh")
            .args(["-c", &format!("ulimit -n {limit}; exec {binary} --data data search и")])
            .current_dir(own.path(""))
            .stdin(Stdio::null())
            .output()
            .unwrap()
    };
    let fewest = 10;
    for limit in fewest..120 {
        let output = line(limit);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let after = everything(&index, |_| true);
        assert!(before == after, "at most {limit} files: {said}; {:?} became {:?}", names(&before), names(&after));
        if output.status.code() != Some(2) {
            assert!(limit > fewest, "so few are enough");
            return;
        }
    }
    panic!("no limit was enough");
}

#[test]
fn an_index_that_the_system_does_not_give_is_not_built_anew_and_is_whole_when_it_does() {
    let own = Own::new();
    let index = own.path("data/index");
    let terms = files(&index, |name| name.ends_with(".term")).remove(0);
    fs::rename(&terms, own.path("aside")).unwrap();
    std::os::unix::fs::symlink(&terms, &terms).unwrap();
    let before = names_of(&index);
    let archive = Archive::open_to_read(&own.path("data/archive"), None).unwrap();
    let error = Index::open(&index, &archive).unwrap_err().to_string();
    drop(archive);
    assert!(
        error.contains("cannot be opened: ") && error.contains("; it was not changed: check the limit of open files"),
        "{error}"
    );
    let searched = own.run(&["search", "и"]);
    assert!(searched.status == 2 && searched.err.contains("cannot be opened: "), "{}", searched.err);
    assert_eq!(own.run(&["verify"]).status, 2);
    let status = own.run(&["status", "--json"]).well().lines()[0]["index"].clone();
    assert!(status["position"] == 0 && status["error"].as_str().unwrap().contains("cannot be opened: "), "{status}");
    assert_eq!(names_of(&index), before);
    fs::remove_file(&terms).unwrap();
    fs::rename(own.path("aside"), &terms).unwrap();
    let archive = Archive::open_to_read(&own.path("data/archive"), None).unwrap();
    assert_eq!(Index::open(&index, &archive).unwrap().document_count(), 600);
}

fn names_of(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| !name.ends_with(".lock"));
    names.sort();
    names
}

#[test]
fn a_start_without_enough_open_files_leaves_the_index_as_it_is() {
    let own = Own::new();
    let index = own.path("data/index");
    let segments = |name: &str| name.len() > 32;
    let before = everything(&index, segments);
    assert!(before.len() > 5, "{:?}", names(&before));
    for limit in (16..200).step_by(4) {
        let binary = env!("CARGO_BIN_EXE_telescribe");
        let mut child = Command::new("sh")
            .args(["-c", &format!("ulimit -n {limit}; exec {binary} --data data run")])
            .env("TELESCRIBE__TELEGRAM__SERVER", "simulated")
            .env("TELESCRIBE__ACCOUNTS__SESSIONS", "sessions")
            .env("TELESCRIBE__HTTP__LISTENERS", "[]")
            .env("TELESCRIBE__HTTP__METRICS", "[]")
            .env("TELESCRIBE__MEDIA__ENABLED", "false")
            .env("TELESCRIBE__LOG__FILTER", "off")
            .current_dir(own.path(""))
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let socket = DataFolder::socket(&own.path("data"));
        let ended = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break Some(status);
            }
            if socket.exists() {
                break None;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        };
        let after = everything(&index, segments);
        let kept = before.iter().all(|(name, bytes)| after.get(name) == Some(bytes));
        if ended.is_none() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
        assert!(kept, "at most {limit} files: {:?} became {:?}", names(&before), names(&after));
        if ended.is_none() {
            return;
        }
    }
    panic!("no limit was enough");
}

#[test]
fn a_damaged_index_is_mended_by_reindex_only_and_the_archive_is_read_without_it() {
    let own = Own::new();
    let index = own.path("data/index");
    for damage in [
        |index: &Path| fs::write(index.join("meta.json"), "{").unwrap(),
        |index: &Path| {
            let terms = files(index, |name| name.ends_with(".term")).remove(0);
            fs::write(terms, "").unwrap();
        },
    ] {
        damage(&index);
        let before = everything(&index, |name| !name.ends_with(".lock"));
        let searched = own.run(&["search", "и"]);
        assert_eq!((searched.status, searched.out.as_str()), (2, ""), "{}", searched.err);
        assert!(searched.err.contains("cannot be used: ") && searched.err.contains("`telescribe reindex`"), "{}", searched.err);
        let status = own.run(&["status"]).well().out;
        assert!(status.contains("\narchive: ") && status.contains("\nindex: 0 messages, "), "{status}");
        assert!(status.contains("\n  the index at ") && status.contains("run `telescribe reindex`\n"), "{status}");
        let verified = own.run(&["verify"]);
        assert_eq!(verified.status, 1, "{}{}", verified.out, verified.err);
        assert!(
            verified.out.contains("differs: the index at ") && verified.out.contains("`telescribe reindex`"),
            "{}",
            verified.out
        );
        assert_eq!(own.run(&["dump"]).well().out, fs::read_to_string(own.path("truth.ndjson")).unwrap());
        let after = everything(&index, |name| !name.ends_with(".lock"));
        assert!(before == after, "{:?} became {:?}", names(&before), names(&after));
        own.run(&["reindex"]).well();
        own.run(&["verify"]).well();
        assert!(own.run(&["search", "и"]).status < 2);
    }
    fs::remove_dir_all(&index).unwrap();
    let searched = own.run(&["search", "и"]);
    assert_eq!(searched.status, 2);
    assert!(searched.err.contains("there is no index at ") && searched.err.contains("`telescribe reindex`"), "{}", searched.err);
    assert!(own.run(&["status"]).well().out.contains("\nindex: 0 messages, "));
    assert!(!index.exists(), "looking makes none");
}
