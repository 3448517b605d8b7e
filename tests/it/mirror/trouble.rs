//! Stops, kills and broken servers: nothing is lost, and nothing is stuck.

use std::time::{Duration, Instant};

use telescribe::blob::BlobHash;
use telescribe::mirror::MirrorState;

use super::LARGE;
use crate::support::storage::Storage;
use crate::support::vault::{Vault, content};
use crate::support::waiting::until;

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_waits_for_no_upload_and_what_it_cuts_off_is_taken_up_again() {
    let storage = Storage::shared();
    storage.make("stopped");
    let mut vault = Vault::new(storage, "stopped");
    for seed in 1..=4 {
        vault.store(&content(seed, 2 * LARGE));
    }
    // In the middle of it, a bit later each time.
    for after in 0..5 {
        let running = vault.mirror();
        until("something is under way", || running.mirror.report().uploading > 0).await;
        tokio::time::sleep(Duration::from_millis(30 * after)).await;
        let asked = Instant::now();
        running.stop().await;
        assert!(asked.elapsed() < Duration::from_secs(3), "{:?}", asked.elapsed());
        vault = vault.open_again();
    }
    let running = vault.mirror();
    vault.check(&running, storage).await;
    running.stop().await;
    assert_eq!(storage.uploads("stopped"), Vec::<String>::new(), "what was cut off is discarded");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_does_not_wait_for_a_server_that_does_not_answer() {
    // Takes connections and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let storage = Storage::shared();
    let mut vault = Vault::new(storage, "silent");
    vault.settings.endpoint = Some(format!("http://{}", silent.local_addr().unwrap()).parse().unwrap());
    vault.store(&content(1, 5_000));
    let running = vault.mirror();
    let (stream, _) = tokio::task::spawn_blocking(move || silent.accept().unwrap()).await.unwrap();
    let asked = Instant::now();
    running.stop().await;
    assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
    drop(stream);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_server_that_is_killed_under_uploads_loses_nothing_and_nothing_is_stuck() {
    let mut storage = Storage::cluster();
    storage.make("cluster");
    let mut vault = Vault::new(&storage, "cluster");
    vault.settings.uploads = 8;
    for seed in 1..=6 {
        vault.store(&content(seed, LARGE));
    }
    let running = vault.mirror();
    for round in 0..3_u64 {
        for seed in 0..60 {
            vault.store(&content(1_000 * (round + 1) + seed, 150_000));
        }
        vault.store(&content(100 + round, LARGE));
        until("something is under way", || running.mirror.report().uploading > 0).await;
        let victim = format!("volume{}", round + 1);
        storage.kill(&victim);
        for seed in 60..90 {
            vault.store(&content(1_000 * (round + 1) + seed, 150_000));
        }
        // With two of three servers there is room for two copies.
        until("everything is mirrored beside a dead server", || vault.is_mirrored(&running)).await;
        storage.start_again(&victim);
    }
    running.until("it works", |report| report.state == MirrorState::Connected).await;
    vault.check(&running, &storage).await;
    assert_eq!(running.mirror.report().failed, 0, "{:?}", running.mirror.report());
    running.stop().await;
    // What counts as mirrored is there also where one of the servers is not.
    storage.kill("volume2");
    vault.check_bucket(&storage);
    storage.start_again("volume2");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_dies_with_parts_of_an_upload_gets_them_again() {
    let mut storage = Storage::disturbed().await;
    storage.make("parts");
    let mut vault = Vault::new(&storage, "parts");
    vault.settings.uploads = 1;
    let hash: BlobHash = vault.store(&content(1, 6 * LARGE));
    let running = vault.mirror();
    let is_noted = || vault.blobs.mirror_notes("upload/").count() == 1;
    until("the upload has begun", is_noted).await;
    storage.kill("server");
    running.until("the loss", |report| report.state == MirrorState::Unreachable).await;
    assert!(is_noted(), "what may be at the server is known");
    storage.start_again("server");
    vault.check(&running, &storage).await;
    assert_eq!(vault.blobs.mirror_notes("upload/").count(), 0);
    assert_eq!(vault.blobs.size_of(&hash).unwrap(), Some(6 * LARGE as u64));
    running.stop().await;
    assert_eq!(storage.uploads("parts"), Vec::<String>::new());
}
