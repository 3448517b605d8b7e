//! Fetching on demand: somebody names a part of a history, and gets the answer when it is archived, whatever else is left to read.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::process::ExitCode;

use serde_json::{Value, json};
use telescribe::app::App;
use telescribe::cli::{Out, fetch};
use telescribe_simulator::world::{Chat, ChatKind};
use telescribe_simulator::{Fault, PeerId, Post, Rule, When};

use crate::support::commands::Written;
use crate::support::fleet::{Fleet, knows, small};
use crate::support::methods::HISTORY;

/// A fleet that reads nothing of the past by itself, and a channel with many messages.
async fn idle_fleet() -> (Fleet, PeerId, Vec<i32>) {
    let mut fleet = Fleet::new(small()).await;
    fleet.config.jobs.backfill.enabled = false;
    fleet.config.jobs.counters.enabled = false;
    let (peer, ids) = fleet.simulator.inspect(|world| {
        let alpha = world.account_named("alpha").unwrap();
        let own = |chat: &&Chat| chat.kind == ChatKind::Channel && chat.members.contains(&alpha) && chat.linked.is_none();
        let chat = world.chats.iter().filter(own).max_by_key(|chat| chat.history.len()).unwrap();
        (chat.peer, chat.history.messages().iter().map(|message| message.id).collect())
    });
    // What is found at the first walk is not read: nothing gets a page of history before somebody asks.
    fleet.config.crawl.allow = vec!["title:nothing is called so".to_owned()];
    (fleet, peer, ids)
}

async fn fetched(fleet: &Fleet, body: Value) -> Value {
    let mut fetched = fleet.wish("/v1/fetch", body).await.unwrap();
    while fetched["state"] == "reading" {
        fetched = fleet.get(&format!("/v1/fetch/{}", fetched["run"])).await;
    }
    fetched
}

fn archived(app: &App, peer: PeerId, ids: &[i32]) -> Vec<i32> {
    ids.iter().copied().filter(|id| knows(app, peer, *id)).collect()
}

/// Waits until an account can address the peers that it is in.
async fn walked(fleet: &Fleet) {
    fleet.until("the dialogs are walked", || fleet.simulator.request_count("messages.getDialogs") > 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_named_is_read_and_nothing_else() {
    let (fleet, peer, ids) = idle_fleet().await;
    let app = fleet.start().await;
    walked(&fleet).await;
    let (first, last) = (ids[10], ids[159]);
    let done = fetched(&fleet, json!({ "peer": peer.marked().to_string(), "ids": format!("{first}-{last}") })).await;
    assert_eq!((&done["state"], &done["messages"], &done["new"]), (&"done".into(), &150.into(), &150.into()), "{done:#}");
    assert_eq!((&done["pages"], &done["left"]), (&2.into(), &0.into()), "{done:#}");
    assert_eq!(archived(&app, peer, &ids), ids[10..160]);
    assert_eq!(fleet.simulator.request_count(HISTORY), 2, "and not a page more");
    // Read again it finds what nobody told of.
    fleet.simulator.delete(peer, &[ids[20]]).unwrap();
    fleet.simulator.edit(peer, ids[21], "said otherwise").unwrap();
    let again =
        fetched(&fleet, json!({ "peer": peer.marked().to_string(), "ids": format!("{},{}-{}", ids[20], ids[21], ids[22]) }))
            .await;
    assert_eq!((&again["new"], &again["edited"], &again["deleted"]), (&0.into(), &1.into(), &1.into()), "{again:#}");
    // Of what is not there yet nothing is read, though all that is asked for is.
    let newest_id = ids[ids.len() - 1];
    let above =
        fetched(&fleet, json!({ "peer": peer.marked().to_string(), "ids": format!("{}-{}", newest_id - 1, newest_id + 50) }))
            .await;
    assert_eq!((&above["state"], &above["left"]), (&"done".into(), &0.into()), "{above:#}");
    let coverage = fleet.get(&format!("/v1/peers/{}/coverage", peer.marked())).await;
    let last_read = coverage["ranges"].as_array().unwrap().last().unwrap()[1].as_i64().unwrap();
    assert!(last_read <= i64::from(newest_id) + 1, "{coverage:#}");
    // The newest, without a name for them; and what was posted since a time.
    let newest = fetched(&fleet, json!({ "peer": peer.marked().to_string() })).await;
    assert_eq!((&newest["messages"], &newest["pages"]), (&100.into(), &1.into()), "{newest:#}");
    let id = fleet.simulator.post(peer, Post::text("just now")).unwrap();
    let recent = fetched(&fleet, json!({ "peer": peer.marked().to_string(), "since": "10m" })).await;
    assert_eq!(recent["state"], "done", "{recent:#}");
    assert!(knows(&app, peer, id));
    // Nothing more of it is read by itself.
    let coverage = fleet.get(&format!("/v1/peers/{}/coverage", peer.marked())).await;
    assert_eq!((&coverage["unavailable"], &coverage["missing"]), (&"FETCHED".into(), &0.into()), "{coverage:#}");
    fleet.stop(app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_public_channel_that_nobody_crawls_is_looked_up_and_read_so_far() {
    let (fleet, ..) = idle_fleet().await;
    let (peer, name, ids) = fleet.simulator.inspect(|world| {
        let public = |chat: &&Chat| chat.kind == ChatKind::Channel && chat.username.is_some();
        let chat = world.chats.iter().filter(public).max_by_key(|chat| chat.history.len()).unwrap();
        let ids: Vec<i32> = chat.history.messages().iter().map(|message| message.id).collect();
        (chat.peer, chat.username.clone().unwrap(), ids)
    });
    for account in ["alpha", "bravo", "charlie"] {
        fleet.simulator.leave(account, peer).ok();
    }
    let app = fleet.start().await;
    walked(&fleet).await;
    // A response that does not come is asked for again, and nothing is taken for empty.
    fleet.simulator.fault(Rule::new(Fault::Drop, When::Next(1)).method(HISTORY));
    let done = fetched(&fleet, json!({ "peer": format!("https://t.me/{name}/5") })).await;
    assert_eq!((&done["state"], &done["peer"]["id"]), (&"done".into(), &peer.marked().into()), "{done:#}");
    // Fewer messages are asked for after a response that did not come.
    let read = archived(&app, peer, &ids);
    assert!(read.len() >= 64.min(ids.len()) && ids.ends_with(&read), "{read:?} of {ids:?}");
    fleet.stop(app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_fetched_is_said_and_why() {
    let (fleet, peer, ids) = idle_fleet().await;
    let app = fleet.start().await;
    walked(&fleet).await;
    let of = peer.marked().to_string();
    for (body, code, says) in [
        (json!({ "ids": "5" }), "bad-body", "`peer` is missing"),
        (json!({ "peer": of, "ids": "0" }), "bad-body", "numbers from 1 on"),
        (json!({ "peer": of, "ids": "9-5" }), "bad-body", "`9-5`: ids are numbers"),
        (json!({ "peer": of, "ids": "1-200000" }), "bad-body", "200000 ids are more than the 100000"),
        (json!({ "peer": of, "ids": "5", "since": "2d" }), "bad-body", "two ways"),
        (json!({ "peer": of, "since": "yesterday-ish" }), "bad-body", "is no time"),
        (json!({ "peer": of, "account": "A" }), "bad-body", "account name `A`"),
        (json!({ "peer": of, "mood": "5" }), "bad-body", "`mood` is unknown"),
        (json!({ "peer": "https://t.me/+AbCdEfGh12345678" }), "not-fetched", "only members can read"),
        (json!({ "peer": "-1009999999999" }), "not-fetched", "knows no peer -1009999999999"),
        (json!({ "peer": "@nobody_has_this_name" }), "not-fetched", "nobody has the username"),
    ] {
        let refused = fleet.wish("/v1/fetch", body.clone()).await.unwrap_err();
        assert!(refused.code == code && refused.to_string().contains(says), "{body}: {} {refused}", refused.code);
    }
    // Telegram refuses it in the middle.
    let private = Fault::Error { code: 400, name: "CHANNEL_PRIVATE".to_owned() };
    fleet.simulator.fault(Rule::new(private, When::Always).method(HISTORY));
    let failed = fetched(&fleet, json!({ "peer": of, "ids": ids[0].to_string() })).await;
    assert_eq!(failed["state"], "failed", "{failed:#}");
    assert!(failed["error"].as_str().unwrap().contains("CHANNEL_PRIVATE"), "{failed:#}");
    fleet.stop(app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_waits_and_tells_what_came_of_it() {
    let (fleet, peer, ids) = idle_fleet().await;
    let app = fleet.start().await;
    walked(&fleet).await;
    // A flood wait on the way is waited for.
    fleet.simulator.fault(Rule::new(Fault::FloodWait { seconds: 1 }, When::Next(1)).method(HISTORY));
    let written = Written::default();
    let args = fetch::Args { peer: peer.marked().to_string(), wanted: Some(format!("{}-{}", ids[0], ids[4])), account: None };
    let code = fetch::write(&args, &fleet.globals(), &mut Out::to(written.clone())).await.unwrap();
    assert_eq!(code, ExitCode::SUCCESS);
    let text = written.text();
    assert!(text.ends_with(": 5 messages read in 1 request: 5 new, 0 changed, 0 found deleted\n"), "{text}");
    fleet.stop(app).await;
}
