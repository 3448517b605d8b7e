//! An archive that was made by an earlier version, with everything in it, is upgraded and says the same.

#![expect(clippy::unwrap_used, reason = "what cannot be had fails the test")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use prost::Message as _;
use rocksdb::IteratorMode;
use telescribe::archive::{Archive, ArchiveError, Durability, ErasureStage, ExternalPosition, Witness};
use telescribe::model::{ChangeKind, ErasureScope, ErasureSelection, Seq, Timestamp};

use crate::support::disk::{formerly_at, get, put, raw_db};
use crate::support::program::run_in;

/// A data folder with an archive of format 2: 440 messages in 8 peers with edits and deletions, made by the last version that wrote it.
fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join("archive");
    fs::create_dir(&path).unwrap();
    for file in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/archive/format-2")).unwrap() {
        let file = file.unwrap();
        if file.file_name() != "dump.ndjson" {
            fs::copy(file.path(), path.join(file.file_name())).unwrap();
        }
    }
    (folder, path)
}

/// The value of the family `raw` of format 2.
#[derive(Clone, PartialEq, prost::Message)]
struct FormerRaw {
    #[prost(int32, tag = "1")]
    layer: i32,
    #[prost(bytes = "vec", tag = "2")]
    tl: Vec<u8>,
}

fn former_raws(path: &Path) -> BTreeMap<Vec<u8>, FormerRaw> {
    let db = raw_db(path);
    let raws = db.iterator_cf(db.cf_handle("raw").unwrap(), IteratorMode::Start).map(|entry| {
        let (key, value) = entry.unwrap();
        (key.to_vec(), FormerRaw::decode(&*value).unwrap())
    });
    raws.collect()
}

fn files(path: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    fs::read_dir(path).unwrap().map(|file| file.unwrap().path()).map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

#[test]
fn an_archive_of_format_2_is_upgraded_whole() {
    let (_folder, path) = folder();
    let raws = former_raws(&path);
    let archive = Archive::open(&path, Durability::Os).unwrap();
    let report = archive.view().verify().unwrap();
    assert_eq!((report.messages, report.changes, report.differences), (440, 515, Vec::new()));
    let changes = archive.view().changes(Seq(0), usize::MAX).unwrap();
    assert_eq!(changes.iter().map(|change| change.seq.0).collect::<Vec<_>>(), (1..=515).collect::<Vec<_>>());
    let mut compared = 0;
    for key in
        changes.iter().filter(|change| matches!(change.kind, ChangeKind::MessageNew { .. })).filter_map(|c| c.kind.message())
    {
        let (raw, former) = (archive.view().raw(key).unwrap().unwrap(), &raws[&formerly_at(key)]);
        assert_eq!((raw.layer, &raw.tl, raw.account), (former.layer, &former.tl, None));
        compared += 1;
    }
    assert_eq!(compared, raws.len());
    drop(archive);
    // Nothing is left to upgrade, and what is read does not change any more.
    let archive = Archive::open_to_read(&path, None).unwrap();
    assert_eq!(archive.view().verify().unwrap().differences, [""; 0]);
}

#[test]
fn an_upgrade_that_was_interrupted_goes_on() {
    let (_folder, path) = folder();
    let raws = former_raws(&path);
    // As after its first write, when a third of the bytes have moved.
    let db = raw_db(&path);
    put(&db, "meta", b"format", &3_u32.to_be_bytes());
    put(&db, "meta", b"upgrade", &3_u32.to_be_bytes());
    put(&db, "meta", b"epochs", &[0x0a, 0x07, 0x08, 0x01, 0x15, 0x72, 0x9a, 0x3c, 0x0f]);
    let third: Vec<_> = raws.iter().take(raws.len() / 3).collect();
    for (key, raw) in &third {
        let cf = |name| db.cf_handle(name).unwrap();
        let mut value = db.get_cf(cf("message"), key).unwrap().unwrap();
        // Field 48, the layer; field 49, the bytes.
        value.extend([0x80, 0x03]);
        prost::encoding::encode_varint(raw.layer.try_into().unwrap(), &mut value);
        value.extend([0x8a, 0x03]);
        prost::encoding::encode_varint(raw.tl.len().try_into().unwrap(), &mut value);
        value.extend(&raw.tl);
        put(&db, "message", key, &value);
        db.delete_cf(cf("raw"), key).unwrap();
    }
    drop(db);
    let refused = Archive::open_to_read(&path, None).unwrap_err();
    assert!(matches!(refused, ArchiveError::Older { .. }), "{refused}");
    let archive = Archive::open(&path, Durability::Os).unwrap();
    assert_eq!(archive.epoch().to_string(), "1-0f3c9a72");
    assert_eq!(archive.view().verify().unwrap().differences, [""; 0]);
    for change in archive.view().changes(Seq(0), usize::MAX).unwrap() {
        if let ChangeKind::MessageNew { key } = change.kind {
            assert_eq!(archive.view().raw(key).unwrap().unwrap().tl, raws[&formerly_at(key)].tl);
        }
    }
}

#[test]
fn who_only_reads_does_not_upgrade() {
    let (_folder, path) = folder();
    let before = files(&path);
    let refused = Archive::open_to_read(&path, None).unwrap_err();
    let expected = format!(
        "archive at `{}` has format 2, this version reads format 6; `telescribe upgrade` or the next `telescribe run` upgrades it",
        path.display()
    );
    assert_eq!(refused.to_string(), expected);
    assert_eq!(files(&path), before, "nothing was changed");
}

#[test]
fn an_older_archive_that_has_lost_something_is_refused_as_any_other() {
    let (_folder, path) = folder();
    // Bytes of messages are gone.
    let mut db = raw_db(&path);
    db.drop_cf("raw").unwrap();
    drop(db);
    let refused = Archive::open(&path, Durability::Os).unwrap_err().to_string();
    assert!(refused.contains("is damaged: its column family `raw` is missing; nothing was changed"), "{refused}");
    // More was seen of it.
    let (_folder, path) = folder();
    let id = String::from_utf8(get(&raw_db(&path), "meta", b"id")).unwrap();
    let seen = ExternalPosition { by: Witness::Index, archive: id, epoch: None, position: Seq(520) };
    let refused = Archive::open_seen(&path, Durability::Os, Some(&seen)).unwrap_err().to_string();
    assert!(refused.contains("ends at change 515, but the index has seen change 520: 5 changes are missing"), "{refused}");
}

#[test]
fn the_upgraded_archive_is_dumped_as_the_older_version_dumped_it() {
    let (folder, _) = folder();
    let data = folder.path().to_str().unwrap();
    let refused = run_in(folder.path(), &["--data", data, "dump", "--all"]);
    assert!(refused.status == 2 && refused.err.contains("`telescribe upgrade`"), "{}", refused.err);
    let upgraded = run_in(folder.path(), &["--data", data, "upgrade"]).well();
    assert!(upgraded.err.contains("the archive has format 6, with 515 changes"), "{}", upgraded.err);
    let dumped = run_in(folder.path(), &["--data", data, "dump", "--all"]).well().out;
    let before = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/archive/format-2/dump.ndjson")).unwrap();
    // What has come since: whose ids they are, outside channels.
    let unnamed: String = dumped.lines().map(|line| without_account(line) + "\n").collect();
    assert!(unnamed == before, "{:?}", unnamed.lines().zip(before.lines()).find(|(now, then)| now != then));
    let lines: Vec<serde_json::Value> = dumped.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let messages = || lines.iter().filter(|line| line["type"] == "message");
    assert!(messages().all(|line| line["account"].is_string() == (line["peer"].as_i64() > Some(-1_000_000_000_000))));
    assert!(messages().any(|line| line["account"] == "bravo"), "the one that its crawl state named");
    let verified = run_in(folder.path(), &["--data", data, "verify"]);
    assert!(verified.out.starts_with("440 messages archived, 0 indexed, 515 changes\n"), "{}", verified.out);
}

/// A line of a dump as it was before it named accounts.
fn without_account(line: &str) -> String {
    let Some((before, rest)) = line.split_once(r#","account":""#) else { return line.to_owned() };
    let (_, after) = rest.split_once('"').unwrap();
    format!("{before}{after}")
}

#[test]
fn everything_of_an_archive_of_format_2_can_be_erased() {
    let (_folder, path) = folder();
    let archive = Archive::open(&path, Durability::Os).unwrap();
    let everything = ErasureSelection { scope: ErasureScope::Everything, before: Some(Timestamp(i64::MAX)) };
    let number = telescribe::erasure::order(&archive, everything, Timestamp(1)).unwrap();
    let mut erasure = archive.view().erasure(number).unwrap().unwrap();
    let found = archive.view().select(&erasure.selection, None, (1_000, 1_000)).unwrap();
    let told = archive.view().told_in(&found.keys).unwrap();
    erasure.stage = ErasureStage::Traces;
    let mut write = archive.write(Timestamp(1));
    write.erase(erasure, found.keys, told);
    write.commit().unwrap();
    assert_eq!(archive.view().erasure(number).unwrap().unwrap().counts.messages, 440);
    let report = archive.view().verify().unwrap();
    assert_eq!((report.messages, report.changes, report.differences), (0, 515 + 440, Vec::new()));
}
