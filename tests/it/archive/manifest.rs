//! RocksDB's manifest, cut anywhere as a damaged disk may leave it, and tables that it names and that are gone: what is opened is consistent, and
//! what is not is refused.

#![expect(clippy::unwrap_used, reason = "what cannot be had fails the test")]

use std::fs;
use std::path::Path;

use telescribe::archive::{Archive, ArchiveError, Durability};
use telescribe::model::{FileId, FileOrigin};
use tempfile::TempDir;

use crate::support::archives::{Kept, furnished, seen};
use crate::support::files::{copy, files};
use crate::support::messages::{CHAT, NOW, at, range, raw, text};

/// The bytes that a block of a log of RocksDB's has, and the header of a record in it: checksum, length, kind.
const BLOCK: usize = 32 * 1024;
const HEADER: usize = 7;

/// Where each record of a manifest ends.
fn ends_of_records(manifest: &[u8]) -> Vec<usize> {
    let (mut ends, mut at) = (Vec::new(), 0);
    while let Some(header) = manifest.get(at..at + HEADER) {
        if BLOCK - at % BLOCK < HEADER {
            at += BLOCK - at % BLOCK;
            continue;
        }
        at += HEADER + usize::from(u16::from_le_bytes([header[4], header[5]]));
        ends.push(at);
    }
    ends
}

/// An archive of which the newest manifest knows one opening, with everything in the log, and one time that all was written to tables.
fn written_once() -> Kept {
    let mut kept = furnished();
    kept.reopen();
    kept.commit(|w| {
        w.message(text(50, "天气"), raw("more"), 0).covered(CHAT, range(50, 50));
        w.file_seen(FileOrigin::Message(at(50)), NOW, None, seen(FileId::document(100), 1_000));
    });
    kept.flush().unwrap();
    kept.archive = None;
    kept
}

fn manifest(archive: &Path) -> std::path::PathBuf {
    files(archive, |name| name.starts_with("MANIFEST-")).pop().unwrap()
}

#[test]
fn a_manifest_that_was_cut_anywhere_is_refused_and_what_a_repair_leaves_is_an_earlier_state_of_the_archive() {
    let kept = written_once();
    let data = kept.path().parent().unwrap().to_owned();
    let all = fs::read(manifest(&kept.path())).unwrap();
    let ends = ends_of_records(&all);
    assert_eq!(ends.last(), Some(&all.len()));
    let (mut refused, mut opened) = (0, 0);
    for end in ends {
        let folder = TempDir::new().unwrap();
        copy(&data, folder.path());
        let path = folder.path().join("archive");
        fs::write(manifest(&path), &all[..end]).unwrap();
        let archive = match Archive::open(&path, Durability::Os) {
            Ok(archive) => archive,
            Err(ArchiveError::Lost { .. }) => Archive::open_without_lost(&path, None).unwrap().0,
            Err(error) => {
                assert!(error.to_string().contains("nothing was changed: restore a backup, or "), "cut to {end}: {error}");
                refused += 1;
                continue;
            }
        };
        assert_eq!(archive.view().verify().unwrap().differences, [""; 0], "cut to {end}");
        opened += 1;
    }
    assert!(refused > 0 && opened > 0, "{refused} refused, {opened} opened");
}

#[test]
fn an_archive_that_lacks_a_table_or_a_part_of_one_is_refused_by_its_name_when_it_is_opened() {
    let kept = written_once();
    let (archive, tables) = (kept.path(), files(&kept.path(), |name| name.ends_with(".sst")));
    // RocksDB itself opens so many with the archive.
    assert!(tables.len() > 16, "{tables:?}");
    for table in tables {
        let whole = fs::read(&table).unwrap();
        let refused = |what: &str| {
            let said = Archive::open(&archive, Durability::Os).map(drop).unwrap_err().to_string();
            let name = table.file_name().unwrap().to_str().unwrap();
            assert!(said.contains(name) && said.contains("nothing was changed: restore a backup, or "), "{what}: {said}");
        };
        fs::write(&table, &whole[..whole.len() - 1]).unwrap();
        refused("cut");
        fs::remove_file(&table).unwrap();
        refused("gone");
        fs::write(&table, whole).unwrap();
    }
    assert_eq!(Archive::open(&archive, Durability::Os).unwrap().view().verify().unwrap().differences, [""; 0]);
}
