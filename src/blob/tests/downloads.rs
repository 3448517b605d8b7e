//! What downloads promise: in any order, at once, killed at any moment, they end whole or say what is missing.

use std::os::unix::fs::FileExt as _;
use std::process::Command;

use super::*;

const KIB: u64 = 1 << 10;

/// Says which test a process of its own is to run.
const CHILD: &str = "TELESCRIBE_BLOB_TEST_CHILD";

#[test]
fn parts_that_come_in_any_order_from_several_threads_become_the_file() {
    let (_folder, path, blobs) = new();
    for size in [0, 1, SMALL_MAX, SMALL_MAX + 1, 40 << 20] {
        let content = bytes(size as u64, size);
        let partial = blobs.partial("document:77.y", Some(size as u64)).unwrap();
        let parts: Vec<(usize, &[u8])> = content.chunks(512 << 10).enumerate().collect();
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let (partial, parts) = (&partial, &parts);
                scope.spawn(move || {
                    for (number, part) in parts.iter().rev().filter(|(number, _)| number % 4 == thread) {
                        partial.write_at((number * (512 << 10)) as u64, part).unwrap();
                    }
                });
            }
        });
        assert_eq!((partial.bytes_done(), partial.missing()), (size as u64, vec![]));
        let stored = partial.finish(size as u64).unwrap();
        assert_eq!((stored.hash, stored.size, stored.was_known), (BlobHash::of(&content), size as u64, false));
        assert_eq!(read(&blobs, &stored.hash), Some(content));
    }
    assert_eq!((files(&path.join("partial")).len(), blobs.partial_bytes(), blobs.inner.database.partials().count()), (0, 0, 0));
}

#[test]
fn a_kill_costs_no_byte_that_was_written_and_damage_only_its_own_range() {
    let (_folder, path, blobs) = new();
    let content = bytes(1, 3 << 20);
    let partial = blobs.partial("p", Some(3 << 20)).unwrap();
    partial.write_at(0, &content[..1 << 20]).unwrap();
    partial.write_at(2 << 20, &content[2 << 20..(2 << 20) + 5]).unwrap();
    partial.sync().unwrap();
    partial.write_at(1 << 20, &content[1 << 20..2 << 20]).unwrap();
    partial.write_at((2 << 20) + 5, &content[(2 << 20) + 5..(2 << 20) + 9]).unwrap();
    partial.write_at((2 << 20) + 9, &content[(2 << 20) + 9..(2 << 20) + 12]).unwrap();
    let (_kept, killed) = as_killed(&path);
    let again = open(&killed);
    assert_eq!(again.partial_bytes(), (2 << 20) + 12);
    assert_eq!(again.partial("p", Some(3 << 20)).unwrap().missing(), [(2 << 20) + 12..3 << 20], "all that was written is there");
    drop(again);
    let file = fs::File::options().write(true).open(files(&killed.join("partial")).pop().unwrap()).unwrap();
    file.write_all_at(&[content[3 << 19] ^ 1], 3 << 19).unwrap();
    file.write_all_at(&[content[(2 << 20) + 10] ^ 1], (2 << 20) + 10).unwrap();
    let again = open(&killed);
    let partial = again.partial("p", Some(3 << 20)).unwrap();
    assert_eq!(partial.missing(), [1 << 20..2 << 20, (2 << 20) + 5..3 << 20], "what a disk has not is not believed");
    assert_eq!((partial.bytes_done(), again.partial_bytes()), ((1 << 20) + 5, (1 << 20) + 5));
    for missing in partial.missing() {
        partial.write_at(missing.start, &content[missing.start as usize..missing.end as usize]).unwrap();
    }
    assert_eq!(partial.finish(3 << 20).unwrap().hash, BlobHash::of(&content));
}

#[test]
fn without_a_size_the_end_is_open_until_it_is_said() {
    let (_folder, _path, blobs) = new();
    let partial = blobs.partial("p", None).unwrap();
    partial.write_at(10, b"abc").unwrap();
    assert_eq!(partial.missing(), [0..10, 13..u64::MAX]);
    assert!(matches!(
        partial.finish(14),
        Err(BlobError::WrongSize { .. }) | Err(BlobError::Incomplete { missing: 11, first: 0 })
    ));
    let partial = blobs.partial("p", None).unwrap();
    partial.write_at(0, &[b'x'; 13]).unwrap();
    assert_eq!(partial.finish(13).unwrap().hash, BlobHash::of(&[b'x'; 13]));
}

#[test]
fn a_download_ends_only_with_all_its_bytes_and_no_more() {
    let (_folder, _path, blobs) = new();
    let again = || blobs.partial("p", Some(2_000)).unwrap();
    let partial = again();
    assert!(matches!(partial.write_at(1_990, &[0; 11]), Err(BlobError::WrongSize { expected: 2_000, found: 2_001 })));
    assert!(matches!(partial.write_at(u64::MAX, &[0; 11]), Err(BlobError::WrongSize { .. })));
    partial.write_at(0, &[1; 500]).unwrap();
    partial.write_at(1_000, &[1; 500]).unwrap();
    partial.sync().unwrap();
    assert!(matches!(partial.finish(2_000), Err(BlobError::Incomplete { missing: 1_000, first: 500 })));
    assert!(matches!(again().finish(1_000), Err(BlobError::WrongSize { expected: 1_000, found: 2_000 })));
    let partial = again();
    assert_eq!(partial.missing(), [500..1_000, 1_500..2_000], "what was there stays");
    partial.write_at(0, &[1; 2_000]).unwrap();
    assert_eq!(partial.finish(2_000).unwrap().size, 2_000);
    assert_eq!(again().bytes_done(), 0, "it has ended");
    assert!(matches!(blobs.partial("p", Some(u64::MAX)), Err(BlobError::WrongSize { .. })));
}

#[test]
fn the_same_download_is_open_once_and_another_size_is_another_file() {
    let (_folder, path, blobs) = new();
    let partial = blobs.partial("p", Some(10)).unwrap();
    assert!(matches!(blobs.partial("p", Some(10)), Err(BlobError::DownloadOpen { .. })));
    partial.write_at(0, b"12345").unwrap();
    partial.sync().unwrap();
    drop(partial);
    assert_eq!(blobs.partial("p", None).unwrap().size(), Some(10), "it is known");
    assert_eq!(blobs.partial("p", Some(11)).unwrap().bytes_done(), 0);
    let partial = blobs.partial("p", Some(11)).unwrap();
    assert_eq!((files(&path.join("partial")).len(), blobs.partial_bytes()), (1, 0));
    partial.discard().unwrap();
    assert_eq!(files(&path.join("partial")).len(), 0);
}

#[test]
fn no_key_becomes_a_path() {
    let (folder, path, blobs) = new();
    let long = "x".repeat(100_000);
    for key in ["", "..", "../../escape", "/etc/passwd", "a/b", "nul\0byte", "ünïcode 📷", &long] {
        let partial = blobs.partial(key, None).unwrap();
        partial.write_at(0, key.as_bytes()).unwrap();
        partial.sync().unwrap();
        drop(partial);
        assert_eq!(blobs.partial(key, None).unwrap().bytes_done(), key.len() as u64);
    }
    assert_eq!(files(&path.join("partial")).len(), 8);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn more_separate_pieces_than_are_kept_track_of_are_refused() {
    let (_folder, _path, blobs) = new();
    let partial = blobs.partial("p", None).unwrap();
    let scattered = (0..20_000).map(|n| partial.write_at(n * 3, b"x")).find(Result::is_err).unwrap();
    assert!(matches!(scattered, Err(BlobError::TooScattered { max: 16_384 })));
    partial.write_at(1, b"yz").unwrap();
    assert!(partial.bytes_done() > 16_000, "what touches others still comes in");
}

#[test]
fn a_file_that_is_shorter_than_noted_or_gone_is_fetched_again() {
    let (_folder, path, blobs) = new();
    let content = bytes(1, 2 << 20);
    let partial = blobs.partial("p", Some(2 << 20)).unwrap();
    partial.write_at(0, &content).unwrap();
    partial.sync().unwrap();
    drop(partial);
    let file = files(&path.join("partial")).pop().unwrap();
    fs::File::options().write(true).open(&file).unwrap().set_len(1_000).unwrap();
    let partial = blobs.partial("p", Some(2 << 20)).unwrap();
    let behind = 1_000..2 << 20;
    assert_eq!(partial.missing(), [behind]);
    assert_eq!(blobs.partial_bytes(), 1_000);
    drop(partial);
    fs::remove_file(&file).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", &file).unwrap();
    assert!(blobs.partial("p", Some(2 << 20)).is_err(), "nothing is written through a symbolic link");
    fs::remove_file(&file).unwrap();
    let partial = blobs.partial("p", Some(2 << 20)).unwrap();
    assert_eq!((partial.bytes_done(), blobs.partial_bytes()), (0, 0));
    partial.write_at(0, &content).unwrap();
    assert_eq!(partial.finish(2 << 20).unwrap().hash, BlobHash::of(&content));
}

#[test]
fn a_note_that_cannot_be_read_is_no_note() {
    let (_folder, _path, blobs) = new();
    let partial = blobs.partial("p", Some(10)).unwrap();
    partial.write_at(0, b"12345").unwrap();
    partial.sync().unwrap();
    let key = BlobHash::of(b"p").0;
    let record = blobs.inner.database.partial(&key).unwrap().unwrap();
    drop(partial);
    for wrong in ["../../../../etc/passwd", "no name of ours"] {
        let record = record::PartialRecord { file: wrong.to_owned(), ..record.clone() };
        blobs.inner.database.put_partial(&key, &record).unwrap();
        assert_eq!(blobs.partial("p", Some(10)).unwrap().bytes_done(), 0);
    }
}

/// What a thread does to a download.
#[derive(Clone, Debug)]
enum Step {
    Write { at: u64, length: u64 },
    Sync,
    Kill { log_kept: f64 },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (0..3_000 * KIB, 1..400 * KIB).prop_map(|(at, length)| Step::Write { at, length }),
        3 => Just(Step::Sync),
        2 => (0.0..1.5_f64).prop_map(|log_kept| Step::Kill { log_kept }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn however_it_is_cut_off_from_power_no_byte_is_believed_that_is_not_there(
        steps in proptest::collection::vec(step(), 1..40), size in prop_oneof![1..3_000 * KIB, Just(1024 * KIB), Just(1024 * KIB + 1)],
    ) {
        let content = bytes(size, size as usize);
        let mut place = new();
        let mut partial = Some(place.2.partial("p", Some(size)).unwrap());
        for step in steps {
            match step {
                Step::Write { at, length } => {
                    let at = at % size;
                    let end = (at + length).min(size);
                    partial.as_ref().unwrap().write_at(at, &content[at as usize..end as usize]).unwrap();
                }
                Step::Sync => partial.as_ref().unwrap().sync().unwrap(),
                Step::Kill { log_kept } => {
                    let synced = partial.as_ref().unwrap().synced();
                    let (kept, copy) = as_killed(&place.1);
                    // The disk has none of the pages that it was not asked to take.
                    for file in files(&copy.join("partial")) {
                        let file = fs::File::options().write(true).open(file).unwrap();
                        for lost in synced.gaps(file.metadata().unwrap().len()) {
                            file.write_all_at(&vec![0xEE; (lost.end - lost.start) as usize], lost.start).unwrap();
                        }
                    }
                    // And perhaps lost some of the notes, though it said that it had them.
                    for log in files(&copy.join("database")).iter().filter(|file| file.extension().is_some_and(|ext| ext == "log")) {
                        let log = fs::File::options().write(true).open(log).unwrap();
                        log.set_len((log.metadata().unwrap().len() as f64 * log_kept.min(1.0)) as u64).unwrap();
                    }
                    partial = None;
                    let blobs = open(&copy);
                    let resumed = blobs.partial("p", Some(size)).unwrap();
                    if log_kept >= 1.0 {
                        prop_assert_eq!(resumed.missing(), synced.gaps(size), "all that was synced is there");
                    }
                    prop_assert_eq!(blobs.partial_bytes(), resumed.bytes_done());
                    partial.replace(resumed);
                    place = (kept, copy, blobs);
                }
            }
        }
        let partial = partial.unwrap();
        for missing in partial.missing() {
            partial.write_at(missing.start, &content[missing.start as usize..missing.end as usize]).unwrap();
        }
        let stored = partial.finish(size).unwrap();
        prop_assert_eq!(stored.hash, BlobHash::of(&content));
        prop_assert_eq!(read(&place.2, &stored.hash), Some(content));
    }
}

#[test]
fn a_large_file_is_stored_read_and_verified_in_little_memory() {
    let module = module_path!().split_once("::").unwrap().1;
    let name = format!("{module}::three_hundred_megabytes_in_a_process_of_their_own");
    let output =
        Command::new(std::env::current_exe().unwrap()).args(["--exact", &name, "--nocapture"]).env(CHILD, "1").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("megabytes more"), "{text}{}", String::from_utf8_lossy(&output.stderr));
}

/// Does nothing unless it has a process of its own: other tests' memory is not to be counted.
#[test]
fn three_hundred_megabytes_in_a_process_of_their_own() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    let memory = |name: &str| -> u64 {
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap().to_owned();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() >> 10
    };
    let (_folder, _path, blobs) = new();
    let before = memory("VmRSS:");
    let (part, size) = (bytes(1, 1 << 20), 300 << 20);
    let partial = blobs.partial("large", Some(size)).unwrap();
    // Backwards, and every second part of zeros.
    for number in (0..300_u64).rev() {
        if number % 2 == 0 { partial.write_at(number << 20, &part) } else { partial.write_at(number << 20, &vec![0; 1 << 20]) }
            .unwrap();
    }
    let hash = partial.finish(size).unwrap().hash;
    let mut reader = blobs.get(&hash).unwrap().unwrap();
    assert_eq!(reader.read_range(298 << 20, 10).unwrap(), part[..10]);
    assert_eq!(std::io::copy(&mut reader, &mut std::io::sink()).unwrap(), size);
    assert_eq!(blobs.verify(|_| {}).unwrap().damaged_count, 0);
    let more = memory("VmHWM:").saturating_sub(before);
    println!("{more} megabytes more");
    assert!(more < 24, "{more} MiB for a file of 300");
}
