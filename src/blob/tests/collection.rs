//! What a collection promises: what nothing refers to goes, and nothing else, whatever happens meanwhile.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashSet};
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use super::*;
use crate::model::Timestamp;

/// No download is older, and every one is.
const NEVER: Timestamp = Timestamp(0);
const ALWAYS: Timestamp = Timestamp(i64::MAX);

#[test]
fn what_nothing_refers_to_goes_and_what_is_referred_to_or_pinned_stays() {
    let (_folder, path, blobs) = new();
    let mut hashes = Vec::new();
    for (seed, size) in [100, 2 << 20, 200, 3 << 20, 300, 4 << 20].into_iter().enumerate() {
        hashes.push(blobs.put(&bytes(seed as u64, size)).unwrap().hash);
    }
    let pinned = [blobs.pin(&hashes[2]).unwrap().unwrap(), blobs.pin(&hashes[3]).unwrap().unwrap()];
    let collected = blobs.collect(|hash| *hash == hashes[0] || *hash == hashes[1], NEVER).unwrap();
    assert_eq!(
        collected,
        Collected { removed: BlobAmount { count: 2, bytes: 300 + (4 << 20) }, pinned: 2, ..Collected::default() }
    );
    let there = |blobs: &Blobs| hashes.iter().map(|hash| read(blobs, hash).is_some()).collect::<Vec<_>>();
    assert_eq!(there(&blobs), [true, true, true, true, false, false]);
    assert_eq!(files(&path.join("large")).len(), 2);
    drop(pinned);
    assert_eq!(blobs.collect(|_| false, NEVER).unwrap().removed.count, 4);
    assert_eq!((blobs.totals(), files(&path.join("large")).len()), (BlobTotals::default(), 0));
    drop(blobs);
    assert_eq!(there(&open(&path)), [false; 6]);
}

#[test]
fn what_is_stored_or_pinned_again_while_it_is_swept_is_not_lost() {
    for size in [1_000, 2 << 20] {
        let (_folder, _path, blobs) = new();
        let contents: Vec<Vec<u8>> = (0..4).map(|seed| bytes(seed, size)).collect();
        contents.iter().for_each(|content| drop(blobs.put(content).unwrap()));
        // At the moment at which the sweep takes a blob for unreferenced, it comes again, and is let go of.
        let held = RefCell::new(Vec::new());
        let collected = blobs.collect(
            |hash| {
                let number = contents.iter().position(|content| BlobHash::of(content) == *hash).unwrap();
                match number {
                    0 => assert!(blobs.put(&contents[0]).unwrap().was_known),
                    1 => held.borrow_mut().push(blobs.put(&contents[1]).unwrap().pin),
                    2 => drop(blobs.pin(hash).unwrap().unwrap()),
                    _ => {}
                }
                false
            },
            NEVER,
        );
        assert_eq!((collected.as_ref().unwrap().removed.count, collected.unwrap().pinned), (1, 3));
        let there: Vec<bool> = contents.iter().map(|content| read(&blobs, &BlobHash::of(content)).is_some()).collect();
        assert_eq!(there, [true, true, true, false]);
        let collection = blobs.begin_collection().unwrap();
        assert!(matches!(blobs.collect(|_| false, NEVER), Err(BlobError::CollectionRunning)));
        drop(blobs.put(&contents[3]).unwrap());
        let collected = collection.sweep(|_| false, NEVER).unwrap();
        assert_eq!(
            (collected.removed.count, collected.pinned),
            (2, 2),
            "the one that was held since before, and the one that came in between"
        );
        drop(held);
        assert_eq!(blobs.collect(|_| false, NEVER).unwrap().removed.count, 2);
    }
}

#[test]
fn whoever_stores_and_refers_beside_sweeps_always_finds_what_it_refers_to() {
    let (_folder, _path, blobs) = new();
    let (archive, stop, sweeps) = (Mutex::new(HashSet::new()), AtomicBool::new(false), AtomicU64::new(0));
    let contents: Vec<Vec<u8>> = (0..8).map(|seed| bytes(seed, if seed % 4 == 0 { SMALL_MAX + 1 } else { 3_000 })).collect();
    let (blobs, archive, contents, sweeps) = (&blobs, &archive, &contents, &sweeps);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                blobs.collect(|hash| archive.lock().unwrap().contains(hash), ALWAYS).unwrap();
                sweeps.fetch_add(1, Ordering::Relaxed);
            }
        });
        let workers: Vec<_> = (0..3_u64)
            .map(|worker| {
                scope.spawn(move || {
                    // However busy the machine is, some sweeps come in between.
                    for round in (0_u64..).take_while(|round| *round < 150 || sweeps.load(Ordering::Relaxed) <= 3) {
                        let content = &contents[((round * 7 + worker * 3) % 8) as usize];
                        let stored = if round % 3 == 0 {
                            let partial = blobs.partial(&format!("{worker}"), None).unwrap();
                            partial.write_at(0, content).unwrap();
                            partial.finish(content.len() as u64).unwrap()
                        } else {
                            blobs.put(content).unwrap()
                        };
                        // Referred to, and then let go of. Each worker's references are its own, as those of two messages are.
                        archive.lock().unwrap().insert(stored.hash);
                        let hash = stored.hash;
                        drop(stored);
                        if round % 5 == worker {
                            archive.lock().unwrap().remove(&hash);
                        }
                    }
                })
            })
            .collect();
        workers.into_iter().for_each(|worker| worker.join().unwrap());
        stop.store(true, Ordering::Relaxed);
    });
    assert!(sweeps.load(Ordering::Relaxed) > 3);
    for content in contents {
        let hash = BlobHash::of(content);
        assert!(!archive.lock().unwrap().contains(&hash) || read(blobs, &hash).as_ref() == Some(content), "{hash} is lost");
    }
    blobs.collect(|hash| archive.lock().unwrap().contains(hash), ALWAYS).unwrap();
    let stored: HashSet<BlobHash> = blobs.iter().map(|entry| entry.unwrap().0).collect();
    assert_eq!(stored, *archive.lock().unwrap());
    assert_eq!(blobs.verify(|_| {}).unwrap().damaged_count, 0);
}

#[test]
fn downloads_that_nobody_goes_on_with_go_and_those_that_are_open_or_young_stay() {
    let (_folder, path, blobs) = new();
    let written = |key: &str| {
        let partial = blobs.partial(key, Some(2 << 20)).unwrap();
        partial.write_at(0, &bytes(1, 1 << 20)).unwrap();
        partial.sync().unwrap();
        partial
    };
    let held = written("open");
    drop((written("left"), written("gone")));
    fs::write(path.join("partial/0123456789abcdef-aB3x9ZqW12cdEf45.part"), "of a killed process").unwrap();
    fs::write(path.join("partial/somebody's.txt"), "foreign").unwrap();
    assert_eq!(blobs.collect(|_| false, NEVER).unwrap().partials, BlobAmount::default(), "they are young");
    let collected = blobs.collect(|_| false, ALWAYS).unwrap();
    assert_eq!((collected.partials.count, collected.foreign), (3, 1));
    assert!(collected.partials.bytes >= 2 << 20);
    assert_eq!(
        (files(&path.join("partial")).len(), blobs.partial_bytes(), blobs.inner.database.partials().count()),
        (2, 1 << 20, 1)
    );
    held.write_at(1 << 20, &bytes(1, 1 << 20)).unwrap();
    assert_eq!(held.finish(2 << 20).unwrap().size, 2 << 20);
    assert_eq!(fs::read(path.join("partial/somebody's.txt")).unwrap(), b"foreign");
}

#[test]
fn files_that_the_database_does_not_know_are_entered_again_or_removed_and_foreign_ones_left() {
    let (_folder, path, blobs) = new();
    let mut lost = BTreeMap::new();
    for seed in 0..3 {
        let hash = blobs.put(&bytes(seed, 2 << 20)).unwrap().hash;
        let (file, kept) = (blobs.inner.large.path(&hash), path.join(format!("kept-{seed}")));
        fs::copy(&file, &kept).unwrap();
        blobs.delete(&hash).unwrap();
        fs::rename(kept, &file).unwrap();
        lost.insert(hash, seed);
    }
    let [unreferenced, referenced, damaged] = [0, 1, 2].map(|seed| *lost.iter().find(|(_, other)| **other == seed).unwrap().0);
    damage(&blobs.inner.large.path(&damaged));
    let misplaced = path.join("large").join(referenced.to_string());
    fs::copy(blobs.inner.large.path(&referenced), &misplaced).unwrap();
    fs::create_dir_all(path.join("large/photos/2024")).unwrap();
    fs::write(path.join("large/photos/2024/holiday.jpg"), "foreign").unwrap();
    let collected = blobs.collect(|hash| *hash != unreferenced, ALWAYS).unwrap();
    let one = BlobAmount { count: 1, bytes: 2 << 20 };
    assert_eq!(collected, Collected { unknown: one, adopted: one, damaged: vec![damaged], foreign: 2, ..Collected::default() });
    assert_eq!(read(&blobs, &referenced), Some(bytes(1, 2 << 20)));
    assert!(misplaced.exists() && path.join("large/photos/2024/holiday.jpg").exists());
    assert_eq!(blobs.totals().all().count, 1);
}

#[test]
fn the_disk_space_of_small_blobs_comes_back() {
    let (_folder, path, blobs) = new();
    let hashes: Vec<BlobHash> = (0..400).map(|seed| blobs.put(&bytes(seed, 200_000)).unwrap().hash).collect();
    let size =
        || files(&path.join("database")).iter().filter_map(|file| file.metadata().ok()).map(|file| file.len()).sum::<u64>();
    let full = size();
    assert!(full > 78_000_000, "{full}");
    let kept: HashSet<&BlobHash> = hashes.iter().take(40).collect();
    assert_eq!(blobs.collect(|hash| kept.contains(hash), NEVER).unwrap().removed, BlobAmount { count: 360, bytes: 72_000_000 });
    // RocksDB removes files on a thread of its own.
    for _ in 0..100 {
        if size() < 20_000_000 {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    assert!(size() < 20_000_000, "{} of {full} bytes are left for 8 million", size());
    for (seed, hash) in hashes.iter().enumerate().take(40) {
        assert_eq!(read(&blobs, hash), Some(bytes(seed as u64, 200_000)));
    }
}
