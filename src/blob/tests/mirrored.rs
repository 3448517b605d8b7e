//! What the store promises of a mirror: which copies there are is durable, and nothing is dropped, removed or believed too early.

use std::ops::Range;
use std::sync::atomic::AtomicU32;

use super::*;
use crate::model::Timestamp;

/// A mirror in memory, which may be silent.
#[derive(Debug, Default)]
struct Memory {
    blobs: Mutex<std::collections::BTreeMap<BlobHash, Vec<u8>>>,
    is_silent: AtomicBool,
    reads: AtomicU32,
}

impl MirrorSource for Memory {
    fn read(&self, hash: &BlobHash, range: Range<u64>) -> Result<Vec<u8>, String> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        if self.is_silent.load(Ordering::Relaxed) {
            return Err("it is silent".to_owned());
        }
        let blobs = self.blobs.lock().unwrap();
        let bytes = blobs.get(hash).ok_or("it has lost it")?;
        Ok(bytes[range.start as usize..range.end as usize].to_vec())
    }
}

fn mirrored(blobs: &Blobs, contents: &[&[u8]]) -> Arc<Memory> {
    let memory = Arc::new(Memory::default());
    for content in contents {
        memory.blobs.lock().unwrap().insert(BlobHash::of(content), content.to_vec());
    }
    blobs.read_from(Arc::clone(&memory) as Arc<dyn MirrorSource>);
    memory
}

#[test]
fn a_copy_is_dropped_only_where_the_mirror_has_one_and_what_is_there_is_known_to_the_next_process() {
    let (_folder, path, blobs) = new();
    let (small, large) = (bytes(1, 70_000), bytes(2, 3 << 20));
    let hashes = [&small, &large].map(|content| blobs.put(content).unwrap().hash);
    for hash in &hashes {
        assert_eq!((blobs.drop_here(hash).unwrap(), blobs.copies(hash).unwrap()), (None, Some(BlobCopies::Here)));
        assert!(blobs.note_mirrored(hash).unwrap() && blobs.note_mirrored(hash).unwrap());
        assert_eq!(blobs.copies(hash).unwrap(), Some(BlobCopies::Both));
    }
    assert!(!blobs.note_mirrored(&BlobHash::of(b"never stored")).unwrap());
    let totals = blobs.totals();
    assert_eq!((totals.mirrored, totals.elsewhere.count), (totals.all(), 0));
    assert_eq!(hashes.map(|hash| blobs.drop_here(&hash).unwrap()), [Some(70_000), Some(3 << 20)]);
    assert_eq!(hashes.map(|hash| blobs.drop_here(&hash).unwrap()), [None, None]);
    assert!(files(&path.join("large")).is_empty());
    let check = |blobs: &Blobs| {
        assert!(hashes.iter().all(|hash| blobs.copies(hash).unwrap() == Some(BlobCopies::Mirror)));
        let totals = blobs.totals();
        assert_eq!((totals.here(), totals.elsewhere, totals.mirrored), (BlobAmount::default(), totals.all(), totals.all()));
        assert!(matches!(blobs.get(&hashes[0]), Err(BlobError::Unreachable { .. })), "nobody is asked");
        let memory = mirrored(blobs, &[&small, &large]);
        assert_eq!([0, 1].map(|at| read(blobs, &hashes[at])), [Some(small.clone()), Some(large.clone())]);
        // In pieces, not in what a caller happens to ask for.
        assert!(memory.reads.load(Ordering::Relaxed) <= 5, "{memory:?}");
        let reader = blobs.get(&hashes[1]).unwrap().unwrap();
        assert_eq!(reader.read_range(2_000_000, 10).unwrap(), large[2_000_000..2_000_010]);
        memory.is_silent.store(true, Ordering::Relaxed);
        assert_eq!(reader.read_range(2_000_005, 10).unwrap(), large[2_000_005..2_000_015], "what has been read is there");
        assert!(matches!(reader.read_range(0, 10), Err(BlobError::Unreachable { why, .. }) if why == "it is silent"));
    };
    blobs.flush().unwrap();
    let (_kept, killed) = as_killed(&path);
    check(&open(&killed));
    check(&blobs);
    assert!(blobs.put(&large).unwrap().was_known);
}

#[test]
fn what_the_mirror_gives_is_compared_with_its_name_where_it_is_small() {
    let (_folder, _path, blobs) = new();
    let content = bytes(1, 9_000);
    let hash = blobs.put(&content).unwrap().hash;
    blobs.note_mirrored(&hash).unwrap();
    blobs.drop_here(&hash).unwrap();
    let memory = mirrored(&blobs, &[&content]);
    memory.blobs.lock().unwrap().get_mut(&hash).unwrap()[5] ^= 1;
    assert!(matches!(blobs.get(&hash), Err(BlobError::DamagedBlob { .. })));
    memory.blobs.lock().unwrap().clear();
    assert!(matches!(blobs.get(&hash), Err(BlobError::Unreachable { .. })));
}

#[test]
fn a_copy_that_is_lost_here_is_read_from_the_mirror_and_never_stored_over_it() {
    let (_folder, path, blobs) = new();
    let content = bytes(1, 2 << 20);
    let hash = blobs.put(&content).unwrap().hash;
    blobs.note_mirrored(&hash).unwrap();
    fs::remove_file(files(&path.join("large")).pop().unwrap()).unwrap();
    assert!(matches!(blobs.get(&hash), Err(BlobError::DamagedBlob { .. })), "there is no mirror to ask");
    mirrored(&blobs, &[&content]);
    assert_eq!(read(&blobs, &hash).as_ref(), Some(&content));
    assert!(blobs.put(&content).unwrap().was_known);
    assert_eq!(blobs.copies(&hash).unwrap(), Some(BlobCopies::Mirror));
    assert_eq!(read(&blobs, &hash), Some(content));
}

#[test]
fn what_was_mirrored_and_is_removed_here_is_remembered_until_the_mirror_has_removed_it_too() {
    let (_folder, path, blobs) = new();
    let contents = [bytes(1, 9_000), bytes(2, 2 << 20), bytes(3, 9_001), bytes(4, 9_002)];
    let hashes: Vec<BlobHash> = contents.iter().map(|content| blobs.put(content).unwrap().hash).collect();
    for hash in &hashes[..3] {
        blobs.note_mirrored(hash).unwrap();
    }
    blobs.drop_here(&hashes[1]).unwrap();
    let unreferred = |blobs: &Blobs| blobs.unreferred().collect::<Result<Vec<_>, _>>().unwrap();
    assert!(unreferred(&blobs).is_empty());
    blobs.delete(&hashes[2]).unwrap();
    let collected = blobs.collect(|_| false, Timestamp(0)).unwrap();
    assert_eq!((collected.removed.count, blobs.totals()), (3, BlobTotals::default()));
    let mut expected = hashes[..3].to_vec();
    expected.sort_unstable();
    assert_eq!(unreferred(&blobs), expected, "the one that was not mirrored is nowhere");
    blobs.flush().unwrap();
    let (_kept, killed) = as_killed(&path);
    assert_eq!(unreferred(&open(&killed)), expected);
    // Storing it again takes nothing back: whoever removes asks.
    drop(blobs.put(&contents[0]).unwrap());
    assert_eq!((unreferred(&blobs).len(), blobs.copies(&hashes[0]).unwrap()), (3, Some(BlobCopies::Here)));
    for hash in &expected {
        blobs.settle_unreferred(hash).unwrap();
    }
    assert!(unreferred(&blobs).is_empty() && blobs.totals().all().count == 1);
}

#[test]
fn a_file_that_a_killed_process_left_when_it_dropped_its_copy_is_collected() {
    let (_folder, path, blobs) = new();
    let content = bytes(1, 2 << 20);
    let hash = blobs.put(&content).unwrap().hash;
    blobs.note_mirrored(&hash).unwrap();
    let file = files(&path.join("large")).pop().unwrap();
    let kept = fs::read(&file).unwrap();
    blobs.drop_here(&hash).unwrap();
    fs::write(&file, kept).unwrap();
    let collected = blobs.collect(|_| true, Timestamp(0)).unwrap();
    assert_eq!((collected.unknown.count, collected.adopted.count, file.exists()), (1, 0, false));
    assert_eq!(blobs.copies(&hash).unwrap(), Some(BlobCopies::Mirror));
}

#[test]
fn a_quota_is_about_what_is_here_and_notes_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("blobs");
    let blobs = Blobs::open(&path, BlobLimits { free_min: 0, bytes_max: Some(100_000) }).unwrap();
    let hash = blobs.put(&bytes(1, 70_000)).unwrap().hash;
    assert!(matches!(blobs.put(&bytes(2, 70_000)), Err(BlobError::QuotaReached { .. })));
    blobs.note_mirrored(&hash).unwrap();
    blobs.drop_here(&hash).unwrap();
    drop(blobs.put(&bytes(2, 70_000)).unwrap());
    blobs.set_mirror_note("upload/a", Some(b"1")).unwrap();
    blobs.set_mirror_note("upload/b", Some(b"2")).unwrap();
    blobs.set_mirror_note("target", Some(b"there")).unwrap();
    drop(blobs);
    let blobs = open(&path);
    let notes: Vec<_> = blobs.mirror_notes("upload/").map(Result::unwrap).collect();
    assert_eq!(notes, [(b"a".to_vec(), b"1".to_vec()), (b"b".to_vec(), b"2".to_vec())]);
    assert_eq!(blobs.mirror_note("target").unwrap().as_deref(), Some(&b"there"[..]));
    blobs.set_mirror_note("target", None).unwrap();
    assert_eq!((blobs.mirror_note("target").unwrap(), blobs.totals().elsewhere.count), (None, 1));
    blobs.forget_mirrored(&hash).unwrap();
    assert_eq!(blobs.copies(&hash).unwrap(), Some(BlobCopies::Mirror), "there is no other copy");
}
