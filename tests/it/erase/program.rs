//! The command and the running program.

use clap::Parser as _;
use serde_json::{Value, json};
use telescribe::cli::{Out, erase};

use crate::support::commands::Written;
use crate::support::fleet::{Fleet, small};

/// `telescribe erase` as it is typed.
#[derive(clap::Parser)]
struct Line {
    #[command(flatten)]
    args: erase::Args,
}

/// Runs it; the error is what a person reads.
async fn typed(fleet: &Fleet, words: &[&str]) -> Result<String, String> {
    let line = Line::parse_from([&["erase"], words].concat());
    let written = Written::default();
    let config = || Ok(fleet.config.clone());
    let done = erase::write(&line.args, &fleet.globals(), config, &mut Out::to(written.clone())).await;
    done.map(|_| written.text()).map_err(|error| error.to_string())
}

/// A channel with many messages that is archived, as it is typed, and the id of one of its messages.
async fn a_chat(fleet: &Fleet) -> (String, u64) {
    let peers = fleet.get("/v1/peers").await;
    let peers = peers["peers"].as_array().unwrap();
    let is_meant = |peer: &&Value| peer["id"].as_i64() < Some(-1_000_000_000_000) && peer["messages"].as_u64() > Some(5);
    let peer = peers.iter().find(is_meant).unwrap()["id"].as_i64().unwrap();
    let page = fleet.get(&format!("/v1/peers/{peer}/messages?limit=1")).await;
    (peer.to_string(), page["messages"][0]["id"].as_u64().unwrap())
}

async fn messages(fleet: &Fleet, peer: &str) -> u64 {
    fleet.get(&format!("/v1/peers/{peer}/coverage")).await["messages"].as_u64().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_program_counts_first_and_then_erases_what_a_full_recheck_does_not_bring_back() {
    let mut fleet = Fleet::new(small()).await;
    fleet.config.crawl.recheck_window = telescribe::config::Span::seconds(100 * 365 * 24 * 60 * 60);
    fleet.config.jobs.recheck.enabled = false;
    let app = fleet.start_and_finish().await;
    let (peer, id) = a_chat(&fleet).await;
    let before = messages(&fleet, &peer).await;
    let counted = typed(&fleet, &[&peer]).await.unwrap();
    assert!(counted.starts_with(&format!("would erase {before} messages in ")), "{counted}");
    assert!(counted.contains("nothing was changed"), "{counted}");
    assert_eq!(messages(&fleet, &peer).await, before);

    let one = typed(&fleet, &[&peer, &id.to_string(), "--yes"]).await.unwrap();
    assert!(one.starts_with("erasure 1: erased 1 messages in "), "{one}");
    let refused = fleet.wish_refused(&format!("/v1/peers/{peer}/messages/{id}")).await;
    assert_eq!((refused.status, refused.code.as_str()), (410, "erased-message"));
    let all = typed(&fleet, &[&peer, "--yes"]).await.unwrap();
    assert!(all.starts_with(&format!("erasure 2: erased {} messages in ", before - 1)), "{all}");
    fleet.run_job(&app, "recheck", "messages.getHistory").await;
    let coverage = fleet.get(&format!("/v1/peers/{peer}/coverage")).await;
    assert_eq!((&coverage["messages"], &coverage["erased"], &coverage["missing"]), (&json!(0), &json!(before), &json!(0)));
    let dump = fleet.dump().await;
    let of_peer = format!("{{\"type\":\"message\",\"peer\":{peer},");
    assert!(!dump.lines().any(|line| line.starts_with(&of_peer)), "dumped");
    assert!(dump.lines().any(|line| line.starts_with("{\"type\":\"message\",")), "what others wrote is there");
    let erased = fleet.get("/v1/erasures").await;
    let [first, second] = erased["erasures"].as_array().unwrap().as_slice() else { panic!("{erased}") };
    assert_eq!(fleet.get("/v1/erasures?limit=1").await, json!({ "erasures": [first], "next": 1 }));
    assert_eq!(fleet.get("/v1/erasures?limit=1&after=1").await, json!({ "erasures": [second] }));
    assert!(typed(&fleet, &["--list"]).await.unwrap().contains("erased  messages"));
    assert_eq!(app.archive.flushed().view().verify().unwrap().differences, [""; 0]);
    fleet.stop(app).await;
    assert!(typed(&fleet, &["--list"]).await.unwrap().lines().count() == 2, "also where the program does not run");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_program_s_folder_is_changed_by_the_command_itself() {
    let fleet = Fleet::new(small()).await;
    let app = fleet.start_and_finish().await;
    let (peer, _) = a_chat(&fleet).await;
    let before = messages(&fleet, &peer).await;
    fleet.stop(app).await;
    let counted = typed(&fleet, &[&peer]).await.unwrap();
    assert!(counted.starts_with(&format!("would erase {before} messages in ")), "{counted}");
    let erased = typed(&fleet, &[&peer, "--yes"]).await.unwrap();
    assert!(erased.starts_with(&format!("erasure 1: erased {before} messages in ")), "{erased}");
    assert_eq!(messages(&fleet, &peer).await, 0);
    let again = typed(&fleet, &[&peer, "--yes"]).await.unwrap();
    assert!(again.starts_with("erasure 2: erased 0 messages"), "{again}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_meant_is_refused_with_the_way_out_and_changes_nothing() {
    let fleet = Fleet::new(small()).await;
    let app = fleet.start_and_finish().await;
    let (peer, _) = a_chat(&fleet).await;
    let cases: [(&[&str], &str); 6] = [
        (&["--yes"], "name what to erase"),
        (&["-1001999999999", "--yes"], "the archive holds nothing of `-1001999999999`"),
        (&["nobody at all", "--yes"], "is no peer"),
        (&[&peer, "1999999999", "--yes"], "not archived: 1999999999"),
        (&[&peer, "--before", "2999-01-01", "--yes"], "is in the future"),
        (&[&peer, "--before", "yesterdayish", "--yes"], "is no time"),
    ];
    for (words, says) in cases {
        let running = typed(&fleet, words).await.unwrap_err();
        assert!(running.contains(says), "{words:?}: {running}");
    }
    assert_eq!(fleet.get("/v1/erasures").await, json!({"erasures": []}));
    fleet.stop(app).await;
    for (words, says) in cases {
        let stopped = typed(&fleet, words).await.unwrap_err();
        assert!(stopped.contains(says), "{words:?}: {stopped}");
    }
}
