//! The limit of open files: raised as far as the system lets us, shown, and told where it is too small to work.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::path::Path;
use std::process::{Child, Command, Stdio};

use rocksdb::{BlockBasedOptions, BottommostLevelCompaction, ColumnFamilyDescriptor, CompactOptions, DB, Options};
use serde_json::Value;
use telescribe::archive::{Archive, Durability};
use telescribe::model::{Peer, PeerKind};
use telescribe_simulator::WorldSpec;
use tempfile::TempDir;

use crate::support::disk::{FAMILIES, put, stored_peer, stored_time};
use crate::support::fleet::with_sessions;
use crate::support::messages::{CHAT, NOW};
use crate::support::program::{run, terminate, told};
use crate::support::waiting::until_blocking;

/// The program under limits that a shell has set.
fn daemon(folder: &Path, limits: &str) -> Child {
    let mut command = Command::new("sh");
    let child = command
        .args(["-c", &format!("{limits} && exec \"$0\" run"), env!("CARGO_BIN_EXE_telescribe")])
        .current_dir(folder)
        .env("TELESCRIBE__TELEGRAM__SERVER", "simulated")
        .env("TELESCRIBE__HTTP__LISTENERS", "[]")
        .env("TELESCRIBE__HTTP__METRICS", "[]")
        .env("TELESCRIBE__MEDIA__ENABLED", "false")
        .env("TELESCRIBE__LOG__FILTER", "warn")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    until_blocking("a daemon that answers", || folder.join("data/telescribe.sock").exists());
    child
}

/// The soft limit and the hard one, as the kernel has them.
fn limits(child: &Child) -> (u64, u64) {
    let text = std::fs::read_to_string(format!("/proc/{}/limits", child.id())).unwrap();
    let line = text.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let mut figures = line.split_whitespace().filter_map(|word| word.parse().ok());
    (figures.next().unwrap(), figures.next().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_soft_limit_of_open_files_is_raised_and_shown_and_one_that_is_too_small_is_told() {
    let (simulator, folder) = with_sessions(WorldSpec { accounts: 2, peers: 4, messages: 100, ..WorldSpec::default() }).await;
    let folder = folder.path();

    let child = daemon(folder, "ulimit -Sn 200 && ulimit -Hn 4000");
    assert_eq!(limits(&child), (4000, 4000));
    let status: Value = serde_json::from_slice(&run(folder, &["status", "--json"], "").stdout).unwrap();
    let files = &status["open_files"];
    assert_eq!(files["limit"], 4000, "{status}");
    assert!((10..300).contains(&files["open"].as_u64().unwrap()), "{files}");
    assert_eq!(files["archive_max"], 2000, "{files}");
    let text = String::from_utf8(run(folder, &["status"], "").stdout).unwrap();
    let line = text.lines().find(|line| line.starts_with("open files: ")).unwrap_or_else(|| panic!("{text}"));
    assert!(line.ends_with(" of 4000, the archive's tables at most 2000"), "{line}");
    terminate(&child);
    let said = told(&child.wait_with_output().unwrap());
    assert!(!said.contains("open files"), "nothing to worry about: {said}");

    let child = daemon(folder, "ulimit -Sn 200 && ulimit -Hn 300");
    assert_eq!(limits(&child), (300, 300));
    terminate(&child);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let said = told(&output);
    assert!(said.contains("open files (300)") && said.contains("LimitNOFILE"), "{said}");
    simulator.stop().await;
}

/// An archive of hundreds of tables, as years of crawling leave.
fn of_many_tables(path: &Path, entries: u32) {
    let archive = Archive::open(path, Durability::Os).unwrap();
    let mut write = archive.write(NOW);
    write.peer(Peer::new(CHAT, PeerKind::Supergroup, "kept".to_owned()));
    write.commit().unwrap();
    drop(archive);
    let (mut options, mut blocks) = (Options::default(), BlockBasedOptions::default());
    // Tables of an entry or two, on the last level, as in an archive that has had its time: those of the first level are all read at once.
    blocks.set_block_size(1);
    options.set_block_based_table_factory(&blocks);
    options.set_target_file_size_base(1);
    options.set_disable_auto_compactions(true);
    let families = FAMILIES.iter().chain(&["default"]).map(|name| ColumnFamilyDescriptor::new(*name, options.clone()));
    let db = DB::open_cf_descriptors(&options, path, families.collect::<Vec<_>>()).unwrap();
    for entry in 1..=entries {
        put(&db, "size", &[stored_peer(CHAT).to_vec(), stored_time(entry.into())].concat(), &entry.to_be_bytes());
    }
    let size = db.cf_handle("size").unwrap();
    db.flush_cf(size).unwrap();
    let mut whole = CompactOptions::default();
    whole.set_bottommost_level_compaction(BottommostLevelCompaction::Force);
    db.compact_range_cf_opt(size, None::<&[u8]>, None::<&[u8]>, &whole);
    drop(db);
    let files = std::fs::read_dir(path).unwrap().map(|file| file.unwrap().path());
    let made = files.filter(|file| file.extension().is_some_and(|extension| extension == "sst")).count();
    assert!(made > 200, "only {made} tables");
}

#[test]
fn an_archive_with_more_tables_than_files_may_be_open_is_opened_and_read() {
    let folder = TempDir::new().unwrap();
    of_many_tables(&folder.path().join("data/archive"), 600);
    // Beside the tables that it may keep open the command needs some twenty.
    let mut command = Command::new("sh");
    let script = format!("ulimit -Sn 120 && ulimit -Hn 120 && exec \"$0\" counters --json -- {}", CHAT.0);
    let output = command.args(["-c", &script, env!("CARGO_BIN_EXE_telescribe")]).current_dir(folder.path()).output().unwrap();
    assert!(output.status.success(), "{}", told(&output));
    assert_eq!(String::from_utf8(output.stdout).unwrap().lines().count(), 600);
}
