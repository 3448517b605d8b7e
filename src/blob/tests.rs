//! What the store promises: storing, reading, verifying, and what two that do the same at once leave.

mod collection;
mod downloads;
mod folders;
mod mirrored;

use std::fs;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

/// Bytes that look random and are the same for the same seed.
fn bytes(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    (0..length.div_ceil(8)).flat_map(|_| next()).take(length).collect()
}

fn open(path: &Path) -> Blobs {
    Blobs::open(path, BlobLimits::default()).unwrap()
}

fn new() -> (TempDir, PathBuf, Blobs) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("blobs");
    let blobs = open(&path);
    (folder, path, blobs)
}

fn read(blobs: &Blobs, hash: &BlobHash) -> Option<Vec<u8>> {
    let mut content = Vec::new();
    blobs.get(hash).unwrap()?.read_to_end(&mut content).unwrap();
    Some(content)
}

/// Every file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

/// The folder as a killed process leaves it at this moment.
fn as_killed(path: &Path) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("blobs");
    copy_folder(path, &copy);
    (folder, copy)
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let place = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &place);
        } else {
            fs::copy(entry.path(), place).unwrap();
        }
    }
}

const SIZES: [usize; 7] = [0, 1, 5_000, SMALL_MAX - 1, SMALL_MAX, SMALL_MAX + 1, 3 << 20];

#[test]
fn what_was_put_is_there_once_whole_and_in_every_part_also_for_the_next_process() {
    let (_folder, path, blobs) = new();
    let contents: Vec<Vec<u8>> = SIZES.iter().enumerate().map(|(seed, size)| bytes(seed as u64, *size)).collect();
    for content in &contents {
        let stored = blobs.put(content).unwrap();
        assert_eq!((stored.hash, stored.size, stored.was_known), (BlobHash::of(content), content.len() as u64, false));
        assert!(blobs.put(content).unwrap().was_known);
    }
    let all = |blobs: &Blobs| {
        for content in &contents {
            let hash = BlobHash::of(content);
            assert_eq!(read(blobs, &hash).as_ref(), Some(content));
            assert_eq!((blobs.contains(&hash).unwrap(), blobs.size_of(&hash).unwrap()), (true, Some(content.len() as u64)));
            let mut reader = blobs.get(&hash).unwrap().unwrap();
            assert_eq!((reader.hash(), reader.size()), (hash, content.len() as u64));
            for (offset, length) in [(0, 7), (1 << 20, 2), (content.len() - content.len().min(3), 9), (content.len() + 5, 4)] {
                let expected: Vec<u8> = content.iter().skip(offset).take(length).copied().collect();
                assert_eq!(reader.read_range(offset as u64, length).unwrap(), expected);
                reader.seek(SeekFrom::Start(offset as u64)).unwrap();
                let mut some = Vec::new();
                reader.by_ref().take(length as u64).read_to_end(&mut some).unwrap();
                assert_eq!(some, expected);
            }
            assert!(reader.seek(SeekFrom::End(-(content.len() as i64) - 1)).is_err());
        }
        let mut expected: Vec<(BlobHash, u64)> =
            contents.iter().map(|content| (BlobHash::of(content), content.len() as u64)).collect();
        expected.sort_unstable();
        assert_eq!(blobs.iter().map(|entry| entry.unwrap()).collect::<Vec<_>>(), expected);
        let sum = |large: bool| contents.iter().map(|c| c.len() as u64).filter(|size| (*size > SMALL_MAX as u64) == large).sum();
        let totals = BlobTotals {
            small: BlobAmount { count: 5, bytes: sum(false) },
            large: BlobAmount { count: 2, bytes: sum(true) },
            ..BlobTotals::default()
        };
        assert_eq!(blobs.totals(), totals);
        let report = blobs.verify(|_| {}).unwrap();
        assert_eq!((report.checked, report.damaged_count), (totals.all(), 0));
    };
    all(&blobs);
    let (_kept, killed) = as_killed(&path);
    all(&open(&killed));
    drop(blobs);
    all(&Blobs::open_read_only(&path).unwrap());
    all(&open(&path));
    assert_eq!(files(&path.join("partial")).len(), 0);
    assert_eq!(files(&path.join("large")).len(), 2, "what is small has no file");
}

#[test]
fn what_is_not_stored_is_none_and_never_an_error() {
    let (_folder, _path, blobs) = new();
    let hash = BlobHash::of(b"absent");
    assert!(blobs.get(&hash).unwrap().is_none() && blobs.pin(&hash).unwrap().is_none());
    assert_eq!(
        (blobs.contains(&hash).unwrap(), blobs.size_of(&hash).unwrap(), blobs.delete(&hash).unwrap()),
        (false, None, None)
    );
}

#[test]
fn what_is_deleted_is_gone_but_not_while_somebody_holds_on_to_it() {
    let (_folder, path, blobs) = new();
    for size in [10, 2 << 20] {
        let content = bytes(1, size);
        let stored = blobs.put(&content).unwrap();
        let hash = stored.hash;
        assert!(matches!(blobs.delete(&hash), Err(BlobError::Pinned { .. })));
        drop(stored);
        let reader = blobs.get(&hash).unwrap().unwrap();
        assert_eq!(blobs.delete(&hash).unwrap(), Some(size as u64));
        assert!(!blobs.contains(&hash).unwrap());
        assert_eq!(reader.read_range(0, size).unwrap(), content, "who reads it reads it to the end");
        assert!(!blobs.put(&content).unwrap().was_known, "it can come back");
        assert_eq!(blobs.delete(&hash).unwrap(), Some(size as u64));
    }
    assert_eq!(blobs.totals(), BlobTotals::default());
    assert_eq!(files(&path.join("large")).len(), 0);
}

#[test]
fn of_many_that_store_the_same_content_at_once_one_does_and_the_others_leave_nothing_behind() {
    let (_folder, path, blobs) = new();
    for (round, size) in [100, SMALL_MAX, SMALL_MAX + 1, 4 << 20].into_iter().enumerate() {
        let content = bytes(round as u64, size);
        let (blobs, content, start) = (&blobs, &content, &std::sync::Barrier::new(8));
        let new = AtomicU64::new(0);
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let new = &new;
                scope.spawn(move || {
                    let partial = (thread % 2 == 0).then(|| blobs.partial(&format!("{round}:{thread}"), None).unwrap());
                    start.wait();
                    let stored = match partial {
                        None => blobs.put(content),
                        Some(partial) => partial.write_at(0, content).and_then(|()| partial.finish(size as u64)),
                    };
                    new.fetch_add(u64::from(!stored.unwrap().was_known), Ordering::Relaxed);
                });
            }
        });
        assert_eq!(new.load(Ordering::Relaxed), 1);
        assert_eq!(blobs.totals().all().count, round as u64 + 1);
        assert_eq!(read(blobs, &BlobHash::of(content)).as_ref(), Some(content));
    }
    assert_eq!((files(&path.join("partial")).len(), files(&path.join("large")).len(), blobs.partial_bytes()), (0, 2, 0));
}

/// The disk with so many bytes free.
fn on_disk(path: &Path, limits: BlobLimits, free: &Arc<AtomicU64>) -> Blobs {
    let free = Arc::clone(free);
    Blobs::open_on_disk(path, limits, move |_| Some(free.load(Ordering::Relaxed))).unwrap()
}

#[test]
fn a_write_that_would_fill_the_disk_is_refused_before_it_begins_and_leaves_nothing() {
    let (folder, free) = (tempfile::tempdir().unwrap(), Arc::new(AtomicU64::new(100 << 20)));
    let path = folder.path().join("blobs");
    let blobs = on_disk(&path, BlobLimits { free_min: 90 << 20, bytes_max: None }, &free);
    let (small, large) = (bytes(1, 5_000), bytes(2, 2 << 20));
    let started = blobs.partial("started", Some(4 << 20)).unwrap();
    started.write_at(0, &large).unwrap();
    free.store(90 << 20, Ordering::Relaxed);
    for content in [&small, &large] {
        let refused = blobs.put(content).unwrap_err();
        assert!(matches!(refused, BlobError::DiskFull { free, floor, .. } if free == floor), "{refused}");
    }
    assert!(matches!(started.write_at(2 << 20, &small), Err(BlobError::DiskFull { .. })));
    assert!(matches!(blobs.partial("other", Some(1)), Err(BlobError::DiskFull { .. })));
    assert_eq!((blobs.totals(), files(&path.join("partial")).len()), (BlobTotals::default(), 1));
    free.store(100 << 20, Ordering::Relaxed);
    started.write_at(2 << 20, &large).unwrap();
    drop(started.finish(4 << 20).unwrap());
    drop(blobs.put(&small).unwrap());
    assert!(
        matches!(blobs.partial("too large", Some(11 << 20)), Err(BlobError::DiskFull { .. })),
        "said before anything is fetched"
    );
}

#[test]
fn blobs_and_downloads_together_never_take_more_than_the_quota() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("blobs");
    let limits = BlobLimits { free_min: 0, bytes_max: Some(6 << 20) };
    let blobs = Blobs::open(&path, limits).unwrap();
    let (one, two) = (bytes(1, 2 << 20), bytes(2, 2 << 20));
    drop(blobs.put(&one).unwrap());
    let partial = blobs.partial("p", None).unwrap();
    partial.write_at(0, &two).unwrap();
    partial.sync().unwrap();
    assert_eq!(blobs.partial_bytes(), 2 << 20);
    let refused = partial.write_at(2 << 20, &[0; (2 << 20) + 1]).unwrap_err();
    assert!(matches!(refused, BlobError::QuotaReached { used: 4_194_304, quota: 6_291_456, needed: 2_097_153 }), "{refused}");
    assert!(matches!(blobs.put(&bytes(3, 3 << 20)), Err(BlobError::QuotaReached { .. })));
    assert!(blobs.put(&one).unwrap().was_known, "what is there already needs no room");
    drop((partial, blobs));
    let blobs = Blobs::open(&path, limits).unwrap();
    assert_eq!(blobs.partial_bytes(), 2 << 20, "also after a start");
    let partial = blobs.partial("p", None).unwrap();
    assert!(!partial.finish(2 << 20).unwrap().was_known);
    assert_eq!((blobs.partial_bytes(), blobs.totals().all().bytes), (0, 4 << 20));
    drop(blobs.put(&bytes(4, 2 << 20)).unwrap());
    assert!(matches!(blobs.put(b"x"), Err(BlobError::QuotaReached { .. })));
}

/// Flips a bit in the middle of a file.
fn damage(path: &Path) {
    let file = fs::File::options().read(true).write(true).open(path).unwrap();
    let (middle, mut byte) = (file.metadata().unwrap().len() / 2, [0]);
    file.read_exact_at(&mut byte, middle).unwrap();
    file.write_all_at(&[byte[0] ^ 4], middle).unwrap();
}

#[test]
fn damage_is_told_by_name_and_a_blob_that_has_lost_its_file_can_be_stored_again() {
    let (_folder, path, blobs) = new();
    let small = blobs.put(&bytes(1, 50_000)).unwrap().hash;
    let large: Vec<BlobHash> = (2..6).map(|seed| blobs.put(&bytes(seed, 2 << 20)).unwrap().hash).collect();
    drop(blobs);
    // A start writes out what was in the log.
    drop(open(&path));
    damage(files(&path).iter().find(|file| file.extension().is_some_and(|ext| ext == "blob")).unwrap());
    let blobs = open(&path);
    damage(&blobs.inner.large.path(&large[0]));
    fs::File::options().write(true).open(blobs.inner.large.path(&large[1])).unwrap().set_len(1 << 20).unwrap();
    fs::remove_file(blobs.inner.large.path(&large[2])).unwrap();
    for hash in [small, large[1], large[2]] {
        let error = blobs.get(&hash).unwrap_err();
        assert!(error.to_string().contains(&hash.to_string()), "{error}");
        assert!(matches!(error, BlobError::DamagedBlob { .. }));
    }
    let mut steps = 0;
    let report = blobs.verify(|_| steps += 1).unwrap();
    assert!(steps > 8, "it tells how far it is");
    let mut named: Vec<BlobHash> = report.damaged.iter().map(|damaged| damaged.hash).collect();
    let mut expected = vec![small, large[0], large[1], large[2]];
    named.sort_unstable();
    expected.sort_unstable();
    assert_eq!((report.damaged_count, report.checked, named), (4, blobs.totals().all(), expected));
    for (seed, hash) in [(3, large[1]), (4, large[2])] {
        assert!(!blobs.put(&bytes(seed, 2 << 20)).unwrap().was_known);
        assert_eq!(read(&blobs, &hash), Some(bytes(seed, 2 << 20)));
    }
    for (seed, size, hash) in [(1, 50_000, small), (2, 2 << 20, large[0])] {
        assert_eq!(blobs.delete(&hash).unwrap(), Some(size as u64));
        assert!(!blobs.put(&bytes(seed, size)).unwrap().was_known);
    }
    assert_eq!((blobs.verify(|_| {}).unwrap().damaged_count, blobs.totals().all().count), (0, 5));
}

#[test]
fn a_file_that_becomes_shorter_while_it_is_read_is_an_error_and_no_end() {
    let (_folder, _path, blobs) = new();
    let hash = blobs.put(&bytes(1, 2 << 20)).unwrap().hash;
    let mut reader = blobs.get(&hash).unwrap().unwrap();
    fs::File::options().write(true).open(blobs.inner.large.path(&hash)).unwrap().set_len(100).unwrap();
    assert!(matches!(reader.read_range(0, 200), Err(BlobError::DamagedBlob { .. })));
    assert_eq!(reader.read_to_end(&mut Vec::new()).unwrap_err().kind(), std::io::ErrorKind::UnexpectedEof);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn what_was_flushed_survives_a_power_cut_and_nothing_is_believed_that_does_not(
        sizes in proptest::collection::vec(prop_oneof![0..2_000_usize, 20_000..200_000_usize, (1_usize << 20)..(2 << 20)], 1..12),
        flushed in 0..12_usize, cut in 0.0..1.0_f64,
    ) {
        let (_folder, path, blobs) = new();
        let log = |path: &Path| files(&path.join("database")).into_iter().filter(|file| file.extension().is_some_and(|ext| ext == "log")).max().unwrap();
        let mut synced = 0;
        for (seed, size) in sizes.iter().enumerate() {
            if seed == flushed {
                blobs.flush().unwrap();
                synced = log(&path).metadata().unwrap().len();
            }
            drop(blobs.put(&bytes(seed as u64, *size)).unwrap());
        }
        // Of what was not flushed the disk has some of the log, and zeros behind that.
        let (_kept, copy) = as_killed(&path);
        let log = fs::File::options().write(true).open(log(&copy)).unwrap();
        let length = log.metadata().unwrap().len();
        let kept = synced + ((length - synced) as f64 * cut) as u64;
        log.set_len(kept).unwrap();
        log.set_len(kept + (length - kept) / 2).unwrap();
        drop(log);
        let blobs = open(&copy);
        prop_assert_eq!(blobs.verify(|_| {}).unwrap().damaged_count, 0);
        prop_assert_eq!(blobs.iter().count() as u64, blobs.totals().all().count);
        for (seed, size) in sizes.iter().enumerate().take(flushed) {
            let content = bytes(seed as u64, *size);
            prop_assert!(flushed >= sizes.len() || read(&blobs, &BlobHash::of(&content)) == Some(content), "{seed} was flushed");
        }
        for (seed, size) in sizes.iter().enumerate() {
            let content = bytes(seed as u64, *size);
            drop(blobs.put(&content).unwrap());
            prop_assert_eq!(read(&blobs, &BlobHash::of(&content)), Some(content));
        }
    }
}
