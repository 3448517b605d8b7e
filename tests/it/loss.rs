//! An archive never opens with less than somebody has seen of it, and never refuses what a killed program leaves: with the log cut and
//! flipped anywhere.

#![expect(clippy::unwrap_used, reason = "what cannot be had fails the test")]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use proptest::prelude::*;
use rocksdb::{DB, Options};
use telescribe::archive::{Archive, ArchiveError, Durability, Epoch, ExternalPosition, Witness};
use telescribe::lifecycle::{StepOutcome, Worker as _};
use telescribe::model::Seq;
use telescribe::search::{Index, IndexFolders, Indexer, IndexerSettings};
use tempfile::TempDir;

use crate::support::disk::unhex;
use crate::support::files::{archive_files, copy, everything, files, flip, names};
use crate::support::killed::{DAMAGES, IN_LOG, IN_TABLES, Killed, archive_messages};

/// An archive as a killed program leaves it, made once for a whole test.
struct Whole {
    folder: TempDir,
    last: Seq,
    id: String,
    epoch: Epoch,
}

impl Whole {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let archive = Archive::open(&folder.path().join("archive"), Durability::Os).unwrap();
        archive_messages(&archive, 1, IN_TABLES);
        archive.flush().unwrap();
        archive_messages(&archive, IN_TABLES + 1, IN_TABLES + IN_LOG);
        let whole = Self { last: archive.last_seq(), id: archive.id().to_owned(), epoch: archive.epoch(), folder };
        drop(archive);
        // Who has seen it, a test says itself.
        fs::remove_file(whole.marker()).unwrap();
        whole
    }

    fn marker(&self) -> PathBuf {
        self.folder.path().join("archive.json")
    }

    fn another(&self) -> TempDir {
        let folder = TempDir::new().unwrap();
        copy(self.folder.path(), folder.path());
        folder
    }

    fn seen(&self, position: Seq) -> ExternalPosition {
        ExternalPosition { by: Witness::Index, archive: self.id.clone(), epoch: None, position }
    }
}

fn log(archive: &Path) -> std::path::PathBuf {
    files(archive, |name| name.ends_with(".log")).pop().unwrap()
}

/// Every change is there, once, without a jump, and what is stored twice is the same.
fn is_whole(archive: &Archive) {
    let seqs: Vec<u64> = archive.view().changes(Seq(0), usize::MAX).unwrap().iter().map(|change| change.seq.0).collect();
    assert_eq!(seqs, (1..=archive.last_seq().0).collect::<Vec<_>>());
    assert_eq!(archive.view().verify().unwrap().differences, [""; 0]);
}

#[test]
fn a_log_that_is_cut_anywhere_opens_where_nobody_has_seen_more_and_is_refused_with_a_number_where_somebody_has() {
    let whole = Whole::new();
    let length = fs::metadata(log(&whole.folder.path().join("archive"))).unwrap().len();
    let config = ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(end in 0..length)| {
        let folder = whole.another();
        let archive = folder.path().join("archive");
        fs::File::options().write(true).open(log(&archive)).unwrap().set_len(end).unwrap();
        let before = archive_files(&archive);
        let left = {
            let archive = Archive::open_to_read(&archive, None).unwrap();
            is_whole(&archive);
            archive.last_seq()
        };
        prop_assert!(left < whole.last && left.0 > IN_TABLES as u64);
        for position in [whole.last, left.next()] {
            let missing = position.0 - left.0;
            for _ in 0..2 {
                let error = Archive::open_seen(&archive, Durability::Os, Some(&whole.seen(position))).unwrap_err();
                prop_assert!(matches!(&error, ArchiveError::Lost { missing: Some(n), .. } if *n == missing), "{}", error);
                let says = format!("but the index has seen change {position}: {missing} changes are missing; nothing was changed");
                prop_assert!(error.to_string().contains(&says), "{}", error);
                prop_assert!(before == archive_files(&archive), "{:?}", names(&archive_files(&archive)));
            }
        }
        // What was seen is there; also where an index of another archive has seen more.
        let other = ExternalPosition { archive: "another".to_owned(), ..whole.seen(whole.last) };
        Archive::open_to_read(&archive, Some(&other)).unwrap();
        let opened = Archive::open_seen(&archive, Durability::Os, Some(&whole.seen(left))).unwrap();
        is_whole(&opened);
        prop_assert_eq!((opened.last_seq(), opened.id()), (left, whole.id.as_str()));
    });
}

/// The marker stands beside the archive, so it says what is missing where nobody else has seen anything.
#[test]
fn an_archive_that_went_back_is_refused_by_what_its_marker_has_seen() {
    let whole = Whole::new();
    let folder = whole.another();
    let path = folder.path().join("archive");
    // An older copy of the archive, beside the marker of what it became.
    let archive = Archive::open(&path, Durability::Os).unwrap();
    archive_messages(&archive, IN_TABLES + IN_LOG + 1, IN_TABLES + IN_LOG + 7);
    drop(archive);
    let marker = fs::read_to_string(folder.path().join("archive.json")).unwrap();
    assert!(marker.contains(&whole.id) && marker.contains(&format!("\"change\":{}", whole.last.0 + 7)), "{marker}");
    let older = whole.another();
    fs::write(older.path().join("archive.json"), &marker).unwrap();
    let path = older.path().join("archive");
    let before = archive_files(&path);
    for opened in [Archive::open(&path, Durability::Os), Archive::open_to_read(&path, None)] {
        let error = opened.unwrap_err();
        let says = format!(
            "ends at change {}, but the marker `archive.json` has seen change {}: 7 changes are missing",
            whole.last,
            whole.last.0 + 7
        );
        assert!(matches!(error, ArchiveError::Lost { missing: Some(7), .. }) && error.to_string().contains(&says), "{error}");
    }
    assert!(before == archive_files(&path));
    // Without them it goes on in a new epoch, of which the marker knows then.
    let (archive, loss) = Archive::open_without_lost(&path, None).unwrap();
    assert!(loss.is_some() && archive.epoch() != whole.epoch && archive.id() == whole.id);
    assert_eq!(archive.common_with(whole.epoch), Some(whole.last));
    // What is still true is named as before, what comes now is not.
    let ids = |archive: &Archive, after: Seq| -> Vec<String> {
        telescribe::event::events(&archive.flushed(), after, 5_000).unwrap().into_iter().map(|event| event.id).collect()
    };
    let kept = ids(&archive, Seq(0));
    assert_eq!(kept.len() as u64, whole.last.0);
    assert!(kept.iter().all(|id| id.contains(&whole.epoch.to_string())), "{}", kept[0]);
    archive_messages(&archive, IN_TABLES + IN_LOG + 1, IN_TABLES + IN_LOG + 2);
    archive.sync().unwrap();
    let new = ids(&archive, whole.last);
    assert!(new.len() == 2 && new.iter().all(|id| id.contains(&archive.epoch().to_string())), "{new:?}");
    let epoch = archive.epoch();
    drop(archive);
    assert!(fs::read_to_string(older.path().join("archive.json")).unwrap().contains(&epoch.to_string()));
    is_whole(&Archive::open(&path, Durability::Os).unwrap());
    // The copy knows nothing of that epoch, also where it has as many changes.
    let copy = whole.another();
    fs::copy(older.path().join("archive.json"), copy.path().join("archive.json")).unwrap();
    let error = Archive::open(&copy.path().join("archive"), Durability::Os).unwrap_err().to_string();
    assert!(
        error.contains("is an earlier state of itself: the marker `archive.json` has seen an epoch that it does not know"),
        "{error}"
    );
    // And without the archive nothing is made in its place.
    fs::remove_dir_all(&path).unwrap();
    let error = Archive::open(&path, Durability::Os).unwrap_err().to_string();
    assert!(error.contains("but the marker `archive.json` has seen change 1203 of one; restore a backup"), "{error}");
    assert!(!path.exists());
    // Nor is another one taken for it.
    Archive::open(&whole.folder.path().join("other/archive"), Durability::Os).unwrap();
    fs::rename(whole.folder.path().join("other/archive"), &path).unwrap();
    let error = Archive::open(&path, Durability::Os).unwrap_err().to_string();
    assert!(error.contains("is not the one that was there: `archive.json` beside it names another"), "{error}");
    // A marker that is damaged says nothing, and is written anew.
    fs::write(older.path().join("archive.json"), "{").unwrap();
    let other = Archive::open(&path, Durability::Os).unwrap();
    assert!(fs::read_to_string(older.path().join("archive.json")).unwrap().contains(other.id()));
}

/// After a power cut any part of what was not synced may be zeros, also between writes that the disk has.
#[test]
fn a_hole_in_the_log_where_nobody_has_seen_anything_is_given_up_in_a_new_epoch_and_refused_where_somebody_has() {
    let whole = Whole::new();
    let length = fs::metadata(log(&whole.folder.path().join("archive"))).unwrap().len() as usize;
    let marker = |position: Seq| {
        // What the newest one of it says, but for the number; earlier versions wrote no checksum.
        let epoch = whole.epoch;
        let (id, change) = (&whole.id, position.0);
        format!(r#"{{"archive":"{id}","epoch":"{epoch}","format":3,"change":{change},"at":"2024-01-31T12:00:00Z"}}"#)
    };
    let config = ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(at in 0..length, sectors in 1..40_usize)| {
        let folder = whole.another();
        let archive = folder.path().join("archive");
        let mut torn = fs::read(log(&archive)).unwrap();
        let from = at / 512 * 512;
        let to = (from + sectors * 512).min(length);
        torn[from..to].fill(0);
        fs::write(log(&archive), &torn).unwrap();
        let (before, log_file) = (archive_files(&archive), log(&archive).file_name().unwrap().to_owned());
        fs::write(folder.path().join("archive.json"), marker(Seq(IN_TABLES as u64 + 1))).unwrap();
        let opened = Archive::open(&archive, Durability::Os).unwrap();
        is_whole(&opened);
        let (left, epoch) = (opened.last_seq(), opened.epoch());
        prop_assert!(left < whole.last && left.0 > IN_TABLES as u64);
        let is_hole = torn[to..].iter().any(|byte| *byte != 0);
        if epoch == whole.epoch {
            // The end of the log alone is gone: what every killed program leaves.
            prop_assert!(!is_hole);
        } else {
            let kept = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
            let kept = kept.filter(|path| path.to_str().unwrap().contains("archive.lost-")).collect::<Vec<_>>();
            prop_assert_eq!(kept.len(), 1);
            prop_assert!(fs::read(kept[0].join(&log_file)).unwrap() == torn, "the log is kept as it was");
        }
        drop(opened);
        prop_assert_eq!(Archive::open(&archive, Durability::Os).unwrap().epoch(), epoch);
        // Where somebody has seen what is gone, or nobody knows, nothing is changed.
        for marker in is_hole.then(|| [Some(marker(left.next())), None]).into_iter().flatten() {
            let folder = whole.another();
            let archive = folder.path().join("archive");
            fs::write(log(&archive), &torn).unwrap();
            if let Some(marker) = marker {
                fs::write(folder.path().join("archive.json"), marker).unwrap();
            }
            let error = Archive::open(&archive, Durability::Os).unwrap_err();
            prop_assert!(matches!(&error, ArchiveError::Lost { .. }), "{}", error);
            prop_assert!(before == archive_files(&archive), "{:?}", names(&archive_files(&archive)));
            let beside = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect::<Vec<_>>();
            prop_assert!(beside.iter().all(|name| !name.to_str().unwrap().contains("archive-")), "{:?}", beside);
        }
    });
}

/// A file system may extend a file before it writes what is in it: a power cut leaves zeros then.
#[test]
fn zeros_at_the_end_of_the_log_are_an_end_between_two_records_and_refused_within_one() {
    let whole = Whole::new();
    let bytes = fs::read(log(&whole.folder.path().join("archive"))).unwrap();
    let last = last_record(&bytes);
    for from in [last, last + 4, last + 7, last + 2_000, bytes.len() - 1] {
        let folder = whole.another();
        let archive = folder.path().join("archive");
        let mut bytes = bytes.clone();
        bytes[from..].fill(0);
        fs::write(log(&archive), bytes).unwrap();
        let before = archive_files(&archive);
        match Archive::open(&archive, Durability::Os) {
            Ok(opened) => {
                assert_eq!(from, last, "only zeros between two records are an end");
                is_whole(&opened);
                assert!(opened.last_seq() < whole.last);
            }
            Err(error) => {
                assert!(from > last && matches!(&error, ArchiveError::Lost { missing: None, .. }), "from {from}: {error}");
                assert!(error.to_string().contains("is missing; nothing was changed: restore a backup, or continue"), "{error}");
                assert!(before == archive_files(&archive));
                let (accepted, _) = Archive::open_without_lost(&archive, None).unwrap();
                is_whole(&accepted);
                assert_eq!(whole.last.0 - accepted.last_seq().0, 50, "the newest write alone");
            }
        }
    }
}

/// Kinds of a log's records: a whole one, and the first part of a longer one.
const FULL: u8 = 1;
const FIRST: u8 = 2;

/// Where a log's last record begins.
fn last_record(log: &[u8]) -> usize {
    let (block, header) = (32 * 1024, 7);
    let (mut at, mut last) = (0, 0);
    while at + header <= log.len() {
        if block - at % block < header {
            at += block - at % block;
            continue;
        }
        if matches!(log[at + 6], FULL | FIRST) {
            last = at;
        }
        at += header + usize::from(u16::from_le_bytes([log[at + 4], log[at + 5]]));
    }
    last
}

#[test]
fn a_flipped_bit_anywhere_in_the_log_is_never_a_silent_loss_and_deletes_nothing() {
    let whole = Whole::new();
    let length = fs::metadata(log(&whole.folder.path().join("archive"))).unwrap().len() as usize;
    let config = ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(at in 0..length, bit in 0..8_u8)| refused_or_whole(&whole, at, bit));
    // Every bit of the headers of the first record and of the second part of a record: kinds that a reader takes for an end, or
    // reads for ever, and lengths.
    for at in (0..7).chain(32 * 1024..32 * 1024 + 7) {
        (0..8).for_each(|bit| refused_or_whole(&whole, at, bit));
    }
}

fn refused_or_whole(whole: &Whole, at: usize, bit: u8) {
    let folder = whole.another();
    let archive = folder.path().join("archive");
    flip(&log(&archive), at, bit);
    let before = archive_files(&archive);
    let seen = whole.seen(whole.last);
    match Archive::open_seen(&archive, Durability::Os, Some(&seen)) {
        Ok(opened) => {
            assert_eq!(opened.last_seq(), whole.last, "byte {at}, bit {bit}");
            is_whole(&opened);
        }
        Err(ArchiveError::Lost { .. }) => {
            assert!(before == archive_files(&archive), "byte {at}, bit {bit}: {:?}", names(&archive_files(&archive)));
            let (accepted, loss) = Archive::open_without_lost(&archive, Some(&seen)).unwrap();
            is_whole(&accepted);
            assert!(accepted.last_seq() < whole.last && accepted.last_seq().0 > IN_TABLES as u64, "byte {at}, bit {bit}");
            assert_ne!(accepted.epoch(), whole.epoch, "numbers are given again");
            assert_eq!(accepted.id(), whole.id);
            assert!(loss.unwrap().kept.is_dir());
        }
        Err(error) => panic!("byte {at}, bit {bit}: {error}"),
    }
}

#[tokio::test]
async fn whatever_an_archive_lacks_a_start_has_all_of_it_or_refuses_and_deletes_nothing() {
    let whole = Killed::new().await;
    for (what, damage) in DAMAGES {
        let kept = whole.another();
        damage(&kept.archive());
        let (before, seen) = (archive_files(&kept.archive()), IndexFolders::at(&kept.index()).seen().unwrap());
        assert!(seen.is_some());
        for again in 1..=2 {
            match Archive::open_seen(&kept.archive(), Durability::Os, seen.as_ref()) {
                Ok(archive) => is_whole(&archive),
                Err(error) => {
                    assert!(error.to_string().contains("nothing was changed"), "{what}: {error}");
                    let after = archive_files(&kept.archive());
                    assert!(before == after, "{what}, time {again}: {:?} became {:?}", names(&before), names(&after));
                }
            }
        }
    }
}

#[test]
fn a_log_that_is_missing_between_two_others_is_a_jump_that_is_named() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("archive");
    let archive = Archive::open(&path, Durability::Os).unwrap();
    archive_messages(&archive, 1, 100);
    archive.flush().unwrap();
    let (last, epoch) = (archive.last_seq(), archive.epoch());
    drop(archive);
    fs::remove_file(folder.path().join("archive.json")).unwrap();
    {
        let db = DB::open_cf(&Options::default(), &path, DB::list_cf(&Options::default(), &path).unwrap()).unwrap();
        let (changes, meta) = (db.cf_handle("change").unwrap(), db.cf_handle("meta").unwrap());
        // One change, of a peer, as format 2 wrote it.
        let change = unhex("08041081fce9e0a53a28c0ece8ad06");
        db.put_cf(changes, (last.0 + 1).to_be_bytes(), &change).unwrap();
        db.put_cf(meta, "job/any", [0; 8]).unwrap();
        // Ends a log, which is still needed, and begins another.
        db.flush_cf(meta).unwrap();
        db.put_cf(changes, (last.0 + 2).to_be_bytes(), &change).unwrap();
    }
    let logs = files(&path, |name| name.ends_with(".log"));
    assert_eq!(logs.len(), 2);
    fs::remove_file(&logs[0]).unwrap();
    let before = archive_files(&path);
    let error = Archive::open(&path, Durability::Os).unwrap_err();
    let says = format!("jumps from change {last} to {}: 1 changes are missing; nothing was changed", last.0 + 2);
    assert!(matches!(error, ArchiveError::Lost { missing: Some(1), .. }) && error.to_string().contains(&says), "{error}");
    assert!(before == archive_files(&path));
    let (archive, loss) = Archive::open_without_lost(&path, None).unwrap();
    assert!(loss.is_some() && archive.epoch() != epoch);
    assert_eq!(archive.last_seq(), last);
    is_whole(&archive);
}

#[test]
fn an_archive_is_made_whole_or_not_at_all_and_only_where_nothing_is() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("data/archive");
    let none = Archive::open_existing(&path, Durability::Os, None).unwrap_err();
    assert!(matches!(none, ArchiveError::Missing { .. }) && none.to_string().ends_with("`telescribe run` creates one"), "{none}");
    assert!(matches!(Archive::open_to_read(&path, None).unwrap_err(), ArchiveError::Missing { .. }));
    let seen = ExternalPosition { by: Witness::Index, archive: "an".to_owned(), epoch: None, position: Seq(7) };
    let gone = Archive::open_seen(&path, Durability::Os, Some(&seen)).unwrap_err();
    assert!(gone.to_string().contains("but the index has seen change 7 of one; restore a backup"), "{gone}");
    assert!(!folder.path().join("data").exists(), "refusing makes nothing");
    drop(Archive::open(&path, Durability::Os).unwrap());
    assert_eq!(fs::read_dir(folder.path().join("data")).unwrap().count(), 2, "nothing is left beside it but the marker");
    for taken in ["empty", "of others"] {
        let path = folder.path().join(taken);
        fs::create_dir(&path).unwrap();
        if taken != "empty" {
            fs::write(path.join("thesis.txt"), "years of work").unwrap();
        }
        let before = everything(&path, |_| true);
        let error = Archive::open(&path, Durability::Os).unwrap_err();
        assert!(error.to_string().contains("is damaged: `CURRENT` is missing; nothing was changed: "), "{error}");
        assert_eq!(everything(&path, |_| true), before);
    }
    let nowhere = folder.path().join("nowhere");
    std::os::unix::fs::symlink(folder.path().join("unmounted"), &nowhere).unwrap();
    assert!(matches!(Archive::open(&nowhere, Durability::Os).unwrap_err(), ArchiveError::Damaged { .. }));
    assert!(nowhere.is_symlink() && !folder.path().join("unmounted").exists());
}

#[test]
fn a_flushed_archive_has_nothing_in_its_log() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("archive");
    let archive = Archive::open(&path, Durability::Os).unwrap();
    archive_messages(&archive, 1, 100);
    archive.flush().unwrap();
    let last = archive.last_seq();
    drop(archive);
    for log in files(&path, |name| name.ends_with(".log")) {
        assert_eq!(log.metadata().unwrap().len(), 0);
        fs::remove_file(log).unwrap();
    }
    let archive = Archive::open(&path, Durability::Os).unwrap();
    assert_eq!(archive.last_seq(), last);
    is_whole(&archive);
}

#[tokio::test]
async fn catching_up_ends_in_time_with_what_it_has_read() {
    let folder = TempDir::new().unwrap();
    let archive = std::sync::Arc::new(Archive::open(&folder.path().join("archive"), Durability::Os).unwrap());
    archive_messages(&archive, 1, 5_000);
    archive.sync().unwrap();
    let index = std::sync::Arc::new(Index::open(&folder.path().join("index"), &archive).unwrap());
    let mut indexer = Indexer::new(std::sync::Arc::clone(&index), std::sync::Arc::clone(&archive), IndexerSettings::default());
    indexer.catch_up_within(Duration::ZERO).await.unwrap();
    assert_eq!(index.position(), Seq(0), "no time, nothing read");
    assert_eq!(indexer.step().await.unwrap(), StepOutcome::Busy);
    indexer.catch_up_within(Duration::ZERO).await.unwrap();
    let read = index.position();
    assert!(read > Seq(0) && read < archive.last_seq(), "{read}: what was read is committed, the rest is not waited for");
    indexer.catch_up_within(Duration::from_secs(600)).await.unwrap();
    assert_eq!(index.position(), archive.last_seq());
}
