//! What the mirror promises, against a real storage server (SeaweedFS), seen by another hand's client (boto3).

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod only_there;
mod program;
mod trouble;

use telescribe::blob::{BlobCopies, BlobHash};
use telescribe::mirror::{Credentials, MIRROR_READER, MirrorState};
use telescribe::model::Seq;

use crate::support::storage::Storage;
use crate::support::vault::{Vault, content};
use crate::support::waiting::until;

/// Above what is sent in one piece: three parts, of which the last has one byte.
const LARGE: usize = (16 << 20) + 1;

#[tokio::test(flavor = "multi_thread")]
async fn every_stored_file_is_in_the_bucket_once_with_the_right_bytes() {
    let storage = Storage::shared();
    storage.make("once");
    let mut vault = Vault::new(storage, "once");
    // What was stored before there was a mirror.
    for (seed, size) in [0, 1, 5_000, 1 << 20, (1 << 20) + 1, 8 << 20, (8 << 20) + 1, LARGE].into_iter().enumerate() {
        vault.store(&content(seed as u64, size));
    }
    let running = vault.mirror();
    vault.check(&running, storage).await;
    // What is stored while it runs; the same content twice, a file's picture, and one that is the picture of another.
    for seed in 100..160 {
        vault.store(&content(seed, 3_000 + seed as usize));
    }
    vault.store_with_picture(&content(400, 70_000), Some(&content(500, 900)));
    vault.store(&content(101, 3_101));
    vault.store_with_picture(&content(401, 70_000), Some(&content(102, 3_102)));
    vault.check(&running, storage).await;
    assert_eq!(storage.uploads("once"), Vec::<String>::new());
    assert_eq!(vault.archive.view().position(MIRROR_READER).unwrap(), vault.archive.last_seq());
    running.stop().await;
    // A start that finds everything there asks for nothing again.
    let vault = vault.open_again();
    let running = vault.mirror();
    running.until("it is connected", |report| report.state == MirrorState::Connected && report.lag == 0).await;
    vault.check(&running, storage).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_down_for_a_while_is_caught_up_with() {
    let mut storage = Storage::disturbed().await;
    storage.make("down");
    let mut vault = Vault::new(&storage, "down");
    vault.store(&content(1, 5_000));
    storage.kill("server");
    let running = vault.mirror();
    running.until("that it is down", |report| report.state == MirrorState::Unreachable).await;
    let told = running.mirror.report().last_error.unwrap();
    assert!(told.contains("does not answer") && told.contains("refused"), "{told}");
    assert_eq!(running.lifecycle.workers()[MIRROR_READER].trouble.as_deref(), Some(told.as_str()));
    vault.store(&content(2, LARGE));
    storage.start_again("server");
    vault.check(&running, &storage).await;
    assert_eq!(running.lifecycle.workers()[MIRROR_READER].trouble, None);
    // And while it works.
    for round in 0..3 {
        for seed in 0..30 {
            vault.store(&content(1_000 * (round + 1) + seed, 200_000));
        }
        vault.store(&content(50 + round, LARGE));
        until("something is under way", || running.mirror.report().uploading > 0).await;
        storage.kill("server");
        running.until("the loss", |report| report.state == MirrorState::Unreachable).await;
        assert!(running.mirror.report().waiting > 0, "it was killed while there was something to upload");
        storage.start_again("server");
        vault.check(&running, &storage).await;
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_only_a_person_can_repair_is_said_with_the_way_out_and_goes_on_by_itself_afterwards() {
    let storage = Storage::shared();
    let mut vault = Vault::new(storage, "not-made");
    vault.store(&content(1, 5_000));
    let running = vault.mirror();
    running.until("that there is no bucket", |report| report.state == MirrorState::Refused).await;
    let told = running.mirror.report().last_error.unwrap();
    assert!(told.contains("no bucket `not-made`: create it"), "{told}");
    storage.make("not-made");
    vault.check(&running, storage).await;
    running.stop().await;

    for credentials in [Credentials::new("nobody", &storage.secret, None), Credentials::new(&storage.key_id, "S3CRETwrong", None)]
    {
        vault.settings.credentials = credentials.unwrap();
        let running = vault.mirror();
        running.until("that the keys are wrong", |report| report.state == MirrorState::Refused).await;
        let told = running.mirror.report().last_error.unwrap();
        assert!(told.contains("refuses the credentials (403 ") && told.contains("check the keys"), "{told}");
        assert!(!told.contains("S3CRET") && !told.contains(&storage.key_id), "{told}");
        running.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bucket_and_prefix_are_one_archives() {
    let storage = Storage::shared();
    storage.make("claimed");
    let mut first = Vault::new(storage, "claimed");
    first.store(&content(1, 5_000));
    let running = first.mirror();
    first.check(&running, storage).await;
    running.stop().await;
    let mut second = Vault::new(storage, "claimed");
    second.store(&content(2, 5_000));
    let running = second.mirror();
    running.until("that it is another's", |report| report.state == MirrorState::Refused).await;
    let told = running.mirror.report().last_error.unwrap();
    assert!(told.contains("another archive is mirrored there") && told.contains("mirror.prefix"), "{told}");
    running.stop().await;
    first.check_bucket(storage);
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_go_when_nothing_refers_to_their_files_and_come_back_when_they_are_stored_again() {
    let storage = Storage::shared();
    storage.make("removed");
    let mut vault = Vault::new(storage, "removed");
    let hashes: Vec<BlobHash> = (1..=4).map(|seed| vault.store(&content(seed, 400_000 * seed as usize))).collect();
    let running = vault.mirror();
    vault.check(&running, storage).await;
    vault.forget(&hashes[0]);
    vault.forget(&hashes[3]);
    // Stored again before its object is gone, or after.
    vault.store(&content(4, 1_600_000));
    until("they are removed", || vault.blobs.unreferred().count() == 0).await;
    vault.check(&running, storage).await;
    running.stop().await;
    // Not where the operator does not want it.
    vault.settings.delete = false;
    let kept = vault.objects();
    vault.forget(&hashes[1]);
    let running = vault.mirror();
    until("it is settled", || vault.blobs.unreferred().count() == 0).await;
    running.stop().await;
    let mut found = storage.objects("removed");
    found.remove("files/telescribe.json");
    assert_eq!(found, kept);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_is_not_what_its_name_says_is_made_anew_and_one_that_is_stays() {
    let storage = Storage::shared();
    storage.make("foreign");
    let mut vault = Vault::new(storage, "foreign");
    for (seed, size) in [(1, 5_000), (2, LARGE), (3, 6_000)] {
        vault.store(&content(seed, size));
    }
    let names: Vec<String> = vault.objects().into_keys().collect();
    for name in &names {
        storage.ask("foreign", &["put", name, "something else"]);
    }
    let running = vault.mirror();
    vault.check(&running, storage).await;
    running.stop().await;
    // What a killed process had uploaded and not noted is found, and not uploaded again.
    let mut again = Vault::new(storage, "foreign");
    for (seed, size) in [(1, 5_000), (2, LARGE), (3, 6_000)] {
        again.store(&content(seed, size));
    }
    storage.ask("foreign", &["delete", "files/telescribe.json"]);
    let running = again.mirror();
    again.check(&running, storage).await;
    running.stop().await;
    assert_eq!(storage.uploads("foreign"), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn another_bucket_gets_everything_and_a_damaged_file_holds_up_no_other() {
    let storage = Storage::shared();
    storage.make("moved-from");
    storage.make("moved-to");
    let mut vault = Vault::new(storage, "moved-from");
    let hashes: Vec<BlobHash> = (1..=5).map(|seed| vault.store(&content(seed, (1 << 20) + seed as usize))).collect();
    let running = vault.mirror();
    vault.check(&running, storage).await;
    running.stop().await;
    // One byte of a file that is here is another one.
    let text = hashes[2].to_string();
    let path = vault.blobs_folder().join("large").join(&text[..2]).join(&text[2..4]).join(&text);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[77] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    vault.settings.bucket = "moved-to".to_owned();
    let running = vault.mirror();
    running.until("it is told", |report| report.failed == 1).await;
    let told = running.mirror.report().last_error.unwrap();
    assert!(told.contains(&text) && told.contains("damaged"), "{told}");
    running.until("all others are mirrored", |report| report.objects.count == 4 && report.lag == 0).await;
    assert_eq!(vault.blobs.copies(&hashes[2]).unwrap(), Some(BlobCopies::Here));
    assert!(vault.archive.view().position(MIRROR_READER).unwrap() > Seq(0));
    running.stop().await;
    let (mut expected, mut found) = (vault.objects(), storage.objects("moved-to"));
    expected.retain(|name, _| !name.ends_with(&text));
    found.remove("files/telescribe.json");
    assert_eq!(found, expected);
}
