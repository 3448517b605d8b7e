//! What is in the mirror only: it is served, verified, collected and counted all the same.

use telescribe::blob::{BlobCopies, BlobError, BlobHash, BlobLimits, Blobs};
use telescribe::mirror::MirrorState;

use super::LARGE;
use crate::support::storage::Storage;
use crate::support::vault::{Vault, content};
use crate::support::waiting::until;

/// Reads off the test's own thread: reads of a mirror block.
async fn read(blobs: &Blobs, hash: BlobHash, offset: u64, length: usize) -> Result<Vec<u8>, BlobError> {
    let blobs = blobs.clone();
    let read = move || blobs.get(&hash)?.unwrap().read_range(offset, length);
    tokio::task::spawn_blocking(read).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn copies_here_go_after_they_were_read_back_and_ranges_come_from_the_mirror() {
    let mut storage = Storage::disturbed().await;
    storage.make("dropped");
    let mut vault = Vault::new(&storage, "dropped");
    let contents = [content(1, 0), content(2, 5_000), content(3, (1 << 20) + 7), content(4, LARGE)];
    let hashes: Vec<BlobHash> = contents.iter().map(|bytes| vault.store(bytes)).collect();
    // First with the copies here, then without: what was mirrored before is dropped too.
    let running = vault.mirror();
    vault.check(&running, &storage).await;
    running.stop().await;
    vault.settings.drop_local = true;
    let mut vault = vault.open_again();
    let running = vault.mirror();
    let only_there = |hash: &BlobHash| vault.blobs.copies(hash).unwrap() == Some(BlobCopies::Mirror);
    until("all copies here are dropped", || hashes.iter().all(only_there)).await;
    let large = vault.blobs_folder().join("large");
    let left = walk(&large);
    assert!(left.is_empty(), "{left:?}");
    let totals = vault.blobs.totals();
    assert_eq!((totals.here().bytes, totals.elsewhere, totals.all().count), (0, totals.mirrored, 4));
    for (hash, bytes) in hashes.iter().zip(&contents) {
        let end = bytes.len();
        for (offset, length) in [(0, 8_192), (end / 2, 300_000), (end.saturating_sub(5), 10), (end + 3, 4)] {
            let expected: Vec<u8> = bytes.iter().skip(offset).take(length).copied().collect();
            assert_eq!(read(&vault.blobs, *hash, offset as u64, length).await.unwrap(), expected, "{end} {offset}");
        }
        assert_eq!(vault.blobs.size_of(hash).unwrap(), Some(end as u64));
        assert!(vault.blobs.put(bytes).unwrap().was_known, "what the mirror has is stored");
    }
    let verified = vault.blobs.verify(|_| {}).unwrap();
    assert_eq!((verified.checked.count, verified.elsewhere.count, verified.damaged_count), (0, 4, 0));
    // A quota is about what is here.
    let fresh = vault.store(&content(9, 70_000));
    until("it is dropped too", || vault.blobs.copies(&fresh).unwrap() == Some(BlobCopies::Mirror)).await;

    storage.kill("server");
    let told = read(&vault.blobs, hashes[3], 1 << 20, 10).await.unwrap_err();
    assert!(matches!(&told, BlobError::Unreachable { why, .. } if why.contains("does not answer")), "{told}");
    running
        .until("that it is down, although there is nothing to mirror", |report| report.state == MirrorState::Unreachable)
        .await;
    storage.start_again("server");
    let start = std::time::Instant::now();
    while read(&vault.blobs, hashes[3], 1 << 20, 10).await.is_err() {
        assert!(start.elapsed() < crate::support::waiting::PATIENCE, "it is read again");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    // What nothing refers to goes, wherever it is.
    vault.forget(&hashes[3]);
    until("its object is removed", || vault.blobs.unreferred().count() == 0).await;
    vault.check(&running, &storage).await;
    running.stop().await;
    // Without the mirror it is said what is missing.
    let vault = vault.open_again();
    let told = read(&vault.blobs, hashes[2], 0, 1).await.unwrap_err();
    assert!(told.to_string().contains("no mirror is configured"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_only_in_the_former_mirror_is_not_given_up_for_another() {
    let storage = Storage::shared();
    storage.make("former");
    storage.make("latter");
    let mut vault = Vault::new(storage, "former");
    vault.settings.drop_local = true;
    let bytes = content(1, 5_000);
    let hash = vault.store(&bytes);
    let running = vault.mirror();
    vault.check(&running, storage).await;
    until("it is dropped", || vault.blobs.copies(&hash).unwrap() == Some(BlobCopies::Mirror)).await;
    running.stop().await;
    vault.settings.bucket = "latter".to_owned();
    let vault = vault.open_again();
    let running = vault.mirror();
    running.until("that it is not there", |report| report.state == MirrorState::Refused).await;
    let told = running.mirror.report().last_error.unwrap();
    assert!(told.contains("1 files are only in the former mirror, s3://former/files at"), "{told}");
    // Somebody copies it.
    storage.ask("latter", &["copy", "former", vault.objects().keys().next().unwrap()]);
    vault.check(&running, storage).await;
    assert_eq!(read(&vault.blobs, hash, 0, 5_000).await.unwrap(), bytes);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_bucket_loses_is_mirrored_again_or_no_longer_counts_as_stored() {
    let storage = Storage::shared();
    storage.make("lost");
    let mut vault = Vault::new(storage, "lost");
    let here: Vec<BlobHash> = (1..=6).map(|seed| vault.store(&content(seed, 30_000 + seed as usize))).collect();
    let running = vault.mirror();
    vault.check(&running, storage).await;
    running.stop().await;
    let name =
        |vault: &Vault, hash: &BlobHash| vault.objects().into_keys().find(|name| name.ends_with(&hash.to_string())).unwrap();
    storage.ask("lost", &["delete", &name(&vault, &here[0])]);
    storage.ask("lost", &["put", &name(&vault, &here[1]), "cut"]);
    let vault = vault.open_again();
    let running = vault.mirror();
    running.until("it is audited", |report| report.lag == 0 && report.objects.count == 6).await;
    until("it is mirrored again", || storage.objects("lost").len() == 7).await;
    vault.check(&running, storage).await;
    running.stop().await;

    let mut vault = vault.open_again();
    vault.settings.drop_local = true;
    let running = vault.mirror();
    let only_there = |hash: &BlobHash| vault.blobs.copies(hash).unwrap() == Some(BlobCopies::Mirror);
    until("they are dropped", || here.iter().all(only_there)).await;
    running.stop().await;
    storage.ask("lost", &["delete", &name(&vault, &here[2])]);
    let mut vault = vault.open_again();
    let running = vault.mirror();
    running.until("the loss is told", |report| report.failed == 1).await;
    let told = running.mirror.report().last_error.unwrap();
    assert!(told.contains("has lost files of which there is no other copy"), "{told}");
    assert_eq!(vault.blobs.copies(&here[2]).unwrap(), None, "it counts as stored no more");
    // And is mirrored like any other when it comes again.
    vault.store(&content(3, 30_003));
    until("it is there again", || vault.blobs.copies(&here[2]).unwrap() == Some(BlobCopies::Mirror)).await;
    vault.check(&running, storage).await;
    running.stop().await;
}

#[test]
fn a_folder_that_was_mirrored_is_not_opened_by_what_knows_nothing_of_mirrors() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = Blobs::open(&folder.path().join("blobs"), BlobLimits::default()).unwrap();
    let hash = blobs.put(b"content").unwrap().hash;
    let format = || std::fs::read_to_string(folder.path().join("blobs/format")).unwrap();
    assert!(format().contains("\"format\":1"), "{}", format());
    assert!(blobs.note_mirrored(&hash).unwrap());
    assert!(format().contains("\"format\":2"), "{}", format());
}

/// Every file below a folder.
fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}
