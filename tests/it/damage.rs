//! Whatever happens to the files of an archive or its index: nothing is deleted, nothing is lost in silence, and what is said names
//! the way out. Through the real binary, as an operator meets it.

#![expect(clippy::unwrap_used, reason = "what cannot be had fails the test")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use telescribe::archive::{Archive, DataFolder, Durability, Raw};
use telescribe::model::{IdRange, Message, MessageId, MessageKey, Peer, PeerId, PeerKind, Timestamp};
use telescribe::search::{Index, Indexer, IndexerSettings};
use tempfile::TempDir;

use crate::commands::{Ended, Own, copy, run_in};
use crate::fleet::{Fleet, small};

pub(crate) const CHAT: PeerId = PeerId(-1_001_500_000_001);
/// Messages in tables, and messages that only the log has.
pub(crate) const IN_TABLES: i32 = 200;
pub(crate) const IN_LOG: i32 = 1_000;
/// Messages of a write.
const PAGE: i32 = 50;

/// A data folder whose archive has a part of its messages in tables and most of them in the log, as a killed program leaves it, and
/// whose index has seen them all.
pub(crate) struct Kept {
    folder: TempDir,
}

impl Kept {
    pub(crate) async fn new() -> Self {
        let kept = Self { folder: TempDir::new().unwrap() };
        let archive = Arc::new(Archive::open(&kept.archive(), Durability::Os).unwrap());
        archive_messages(&archive, 1, IN_TABLES);
        archive.flush().unwrap();
        archive_messages(&archive, IN_TABLES + 1, IN_TABLES + IN_LOG);
        let index = Arc::new(Index::open(&kept.data().join("index")).unwrap());
        Indexer::new(index, archive, IndexerSettings::default()).catch_up().await.unwrap();
        kept
    }

    /// A copy that may be damaged.
    pub(crate) fn another(&self) -> Self {
        let folder = TempDir::new().unwrap();
        copy(self.folder.path(), folder.path());
        Self { folder }
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub(crate) fn archive(&self) -> PathBuf {
        self.data().join("archive")
    }

    /// The log that has something in it.
    pub(crate) fn log(&self) -> PathBuf {
        files(&self.archive(), |name| name.ends_with(".log")).pop().unwrap()
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        run_in(self.folder.path(), arguments)
    }

    /// How many messages a dump has, where it ends well.
    fn dumped(&self) -> usize {
        self.run(&["dump"]).well().out.lines().filter(|line| line.contains("\"text\"")).count()
    }
}

pub(crate) fn archive_messages(archive: &Archive, first: i32, last: i32) {
    for page in (first..=last).step_by(PAGE as usize) {
        let end = last.min(page + PAGE - 1);
        let mut write = archive.write(Timestamp(1_706_702_400));
        write.peer(Peer::new(CHAT, PeerKind::Supergroup, "kept".to_owned())).cursor(CHAT, move |cursor| cursor.top = end);
        for id in page..=end {
            let key = MessageKey { peer: CHAT, id: MessageId(id) };
            let text = format!("message {id} says {}", "something ".repeat(5));
            let message = Message { text, ..Message::new(key, Timestamp(1_706_600_000 + i64::from(id))) };
            write.message(message, Raw { layer: 230, tl: vec![7; 60] }, 0);
        }
        write.covered(CHAT, IdRange::new(page, end).unwrap());
        write.commit().unwrap();
    }
}

/// The files of a folder, by name, those of some names only.
pub(crate) fn files(folder: &Path, of: impl Fn(&str) -> bool) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.retain(|path| path.is_file() && of(path.file_name().unwrap().to_str().unwrap()));
    found.sort();
    found
}

/// Every file that holds something of the archive, with what is in it. RocksDB's own diary and its options are no such files.
pub(crate) fn contents(archive: &Path) -> BTreeMap<String, Vec<u8>> {
    let is_data = |name: &str| {
        name.starts_with("MANIFEST") || name == "CURRENT" || [".sst", ".log", ".blob"].iter().any(|end| name.ends_with(end))
    };
    everything(archive, is_data)
}

pub(crate) fn everything(folder: &Path, of: impl Fn(&str) -> bool) -> BTreeMap<String, Vec<u8>> {
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    files(folder, of).into_iter().map(|path| (name(&path), fs::read(&path).unwrap())).collect()
}

pub(crate) fn names(contents: &BTreeMap<String, Vec<u8>>) -> Vec<(&str, usize)> {
    contents.iter().map(|(name, bytes)| (name.as_str(), bytes.len())).collect()
}

pub(crate) fn flip(path: &Path, at: usize, bit: u8) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 1 << bit;
    fs::write(path, bytes).unwrap();
}

fn manifest(archive: &Path) -> PathBuf {
    files(archive, |name| name.starts_with("MANIFEST")).pop().unwrap()
}

fn cut(path: &Path, parts: u64) {
    let file = fs::File::options().write(true).open(path).unwrap();
    file.set_len(file.metadata().unwrap().len() * parts / 10).unwrap();
}

fn first_table(archive: &Path) -> PathBuf {
    files(archive, |name| name.ends_with(".sst")).remove(0)
}

type Damage = fn(&Path);

/// What can happen to an archive's files.
pub(crate) const DAMAGES: [(&str, Damage); 20] = [
    ("CURRENT is missing", |archive| fs::remove_file(archive.join("CURRENT")).unwrap()),
    ("CURRENT is empty", |archive| fs::write(archive.join("CURRENT"), "").unwrap()),
    ("CURRENT is noise", |archive| fs::write(archive.join("CURRENT"), [0xff; 20]).unwrap()),
    ("CURRENT has no end of line", |archive| fs::write(archive.join("CURRENT"), "MANIFEST-000005").unwrap()),
    ("CURRENT names a manifest that is not there", |archive| fs::write(archive.join("CURRENT"), "MANIFEST-999999\n").unwrap()),
    ("the manifest is missing", |archive| fs::remove_file(manifest(archive)).unwrap()),
    ("the manifest is empty", |archive| cut(&manifest(archive), 0)),
    ("a tenth of the manifest is left", |archive| cut(&manifest(archive), 1)),
    ("three tenths of the manifest are left", |archive| cut(&manifest(archive), 3)),
    ("half of the manifest is left", |archive| cut(&manifest(archive), 5)),
    ("nine tenths of the manifest are left", |archive| cut(&manifest(archive), 9)),
    ("a bit of the manifest's beginning is flipped", |archive| flip(&manifest(archive), 12, 3)),
    ("a bit of the manifest's first length is flipped", |archive| flip(&manifest(archive), 5, 6)),
    ("a table is missing", |archive| fs::remove_file(first_table(archive)).unwrap()),
    ("a table is cut short", |archive| cut(&first_table(archive), 5)),
    ("all tables are missing", |archive| {
        files(archive, |name| name.ends_with(".sst")).iter().for_each(|table| fs::remove_file(table).unwrap());
    }),
    ("the log is missing", |archive| {
        files(archive, |name| name.ends_with(".log")).iter().for_each(|log| fs::remove_file(log).unwrap());
    }),
    ("everything is missing", |archive| files(archive, |_| true).iter().for_each(|file| fs::remove_file(file).unwrap())),
    ("IDENTITY is missing", |archive| fs::remove_file(archive.join("IDENTITY")).unwrap()),
    ("OPTIONS are missing", |archive| {
        files(archive, |name| name.starts_with("OPTIONS")).iter().for_each(|file| fs::remove_file(file).unwrap());
    }),
];

#[tokio::test]
async fn whatever_an_archive_lacks_a_command_shows_all_of_it_or_refuses_and_deletes_nothing() {
    let whole = Kept::new().await;
    for (what, damage) in DAMAGES {
        let kept = whole.another();
        damage(&kept.archive());
        let before = contents(&kept.archive());
        for again in 1..=2 {
            let ended = kept.run(&["dump"]);
            let after = contents(&kept.archive());
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
    let kept = Kept::new().await;
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
    let kept = Kept::new().await;
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
    let kept = Kept::new().await;
    let all = (IN_TABLES + IN_LOG) as usize;
    assert_eq!(kept.dumped(), all);
    flip(&kept.log(), 3_000, 0);
    let before = contents(&kept.archive());
    let missing = format!("{IN_LOG} changes are missing");
    for command in [&["dump"][..], &["search", "something"], &["status"], &["verify"], &["reindex"]] {
        let ended = kept.run(command);
        assert_eq!((ended.status, ended.out.as_str()), (2, ""), "{command:?}: {}", ended.err);
        assert!(ended.err.contains("has a damaged log") && ended.err.contains(&missing), "{command:?}: {}", ended.err);
        assert!(
            ended.err.contains("restore a backup, or continue without them with `telescribe reindex --accept-loss`"),
            "{}",
            ended.err
        );
        assert!(before == contents(&kept.archive()), "{command:?}");
    }
    let id = || kept.run(&["status", "--json"]).well().lines()[0]["archive"]["id"].clone();
    let accepted = kept.run(&["reindex", "--accept-loss"]).well();
    assert!(
        accepted.err.contains(&missing) && accepted.err.contains("what it was is kept in `data/archive.lost-"),
        "{}",
        accepted.err
    );
    assert_eq!(kept.dumped(), IN_TABLES as usize);
    assert!(kept.run(&["verify"]).well().out.ends_with("\nno differences\n"));
    let hits = kept.run(&["search", "something", "--all", "--json"]).well().lines().len();
    assert_eq!(hits, IN_TABLES as usize);
    let lost = fs::read_dir(kept.data()).unwrap().map(|entry| entry.unwrap().path());
    let lost: Vec<PathBuf> = lost.filter(|path| path.to_str().unwrap().contains("archive.lost-")).collect();
    assert_eq!(lost.len(), 1);
    assert!(contents(&lost[0]) == before, "as it was");
    assert!(!files(&lost[0], |name| name.ends_with(".log")).is_empty());
    // Once more there is nothing to accept, and nothing changes.
    let now = id();
    let again = kept.run(&["reindex", "--accept-loss"]).well();
    assert!(again.err.contains("nothing is missing in the archive; it keeps its id"), "{}", again.err);
    assert_eq!(id(), now);
}

#[tokio::test]
async fn a_log_that_lost_its_end_is_refused_where_the_index_has_seen_it_and_verify_counts_what_is_missing() {
    let kept = Kept::new().await;
    cut(&kept.log(), 5);
    let refused = kept.run(&["dump"]);
    assert_eq!((refused.status, refused.out.as_str()), (2, ""));
    assert!(refused.err.contains("but the index has seen change 1201: "), "{}", refused.err);
    assert!(refused.err.contains(" changes are missing; nothing was changed"), "{}", refused.err);
    let verified = kept.run(&["verify"]);
    assert_eq!(verified.status, 1, "{}{}", verified.out, verified.err);
    assert!(verified.out.contains("position of `search` is 1201, but the newest change is "), "{}", verified.out);
    assert!(verified.out.contains("`telescribe reindex --accept-loss`"), "{}", verified.out);
    // Where nobody has seen it, it is what a killed program leaves.
    fs::remove_dir_all(kept.data().join("index")).unwrap();
    let left = kept.dumped();
    assert!((IN_TABLES as usize..(IN_TABLES + IN_LOG) as usize).contains(&left), "{left}");
}

#[tokio::test]
async fn an_index_that_is_only_behind_is_no_difference() {
    let kept = Kept::new().await;
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
    let fewest = 16;
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
    let error = Index::open(&index).unwrap_err().to_string();
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
    assert_eq!(Index::open(&index).unwrap().document_count(), 600);
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
