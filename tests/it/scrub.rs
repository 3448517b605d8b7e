//! Verification beside a running program: by `telescribe verify`, and by the scrub.

use serde_json::Value;
use telescribe::config::Span;
use telescribe_simulator::WorldSpec;

use crate::support::disk::{put, raw_db, stored_at};
use crate::support::fleet::Fleet;
use crate::support::messages::{CHAT, NOW};
use crate::support::program::run_in;

fn spec() -> WorldSpec {
    WorldSpec { seed: 12, accounts: 2, peers: 6, messages: 3_000, ..WorldSpec::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn verify_reads_beside_a_program_that_writes() {
    let fleet = Fleet::new(spec()).await;
    let app = fleet.start().await;
    let data = fleet.data();
    // While it crawls: what is not indexed yet is no difference, and nothing else differs.
    for _ in 0..3 {
        let ended = tokio::task::block_in_place(|| run_in(&data, &["--data", data.to_str().unwrap(), "verify"])).well();
        assert!(ended.out.ends_with("\nno differences\n"), "{}", ended.out);
    }
    fleet.until_equal(&app).await;
    let ended = tokio::task::block_in_place(|| run_in(&data, &["--data", data.to_str().unwrap(), "verify", "--json"])).well();
    assert_eq!(ended.lines()[0]["messages"], fleet.truth().lines().filter(|line| line.contains("\"message\"")).count());
    fleet.stop(app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scrub_finds_damage_that_nobody_asked_for() {
    let mut fleet = Fleet::new(spec()).await;
    let app = fleet.start_and_finish().await;
    fleet.stop(app).await;
    // A message of a peer that is not crawled, so that nobody reads it, nor reads it again.
    let key = telescribe::model::MessageKey::new(CHAT, telescribe::model::MessageId(5));
    let db = raw_db(&fleet.data().join("archive"));
    put(&db, "message", &stored_at(key), &[u8::MAX; 2]);
    put(&db, "meta", b"job/scrub", &NOW.0.to_be_bytes());
    drop(db);
    fleet.config.archive.scrub_interval = Span::seconds(60 * 60);
    fleet.config.archive.scrub_mib_per_second = 1_000;
    let app = fleet.start().await;
    let status = fleet.until_got("/v1/status", |status| found(status).is_some()).await;
    let found = found(&status).unwrap();
    assert!(found.starts_with("the scrub found ") && found.contains(&format!("message {key} is damaged")), "{found}");
    assert_eq!(app.archive.damage().count(), 1);
    // The next pass is due an interval later.
    assert!(app.archive.view().job_started("scrub").unwrap().unwrap() > NOW);
    fleet.stop(app).await;
}

fn found(status: &Value) -> Option<&str> {
    status["workers"].as_array()?.iter().find(|worker| worker["name"] == "scrub")?["failing"].as_str()
}
