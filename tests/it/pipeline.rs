//! What the crawl promises, with the whole program on a simulated Telegram, whatever that does.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use telescribe::accounts::AccountState;
use telescribe::app::App;
use telescribe::search::{Request, SearchQuery};
use telescribe_simulator::{Fault, Options, Outcome, PeerId, Post, Rule, When, WorldSpec};

use crate::support::fleet::{Fleet, first_differences, small};
use crate::support::methods::HISTORY;

/// Groups and channels, in the world's order.
fn peers(fleet: &Fleet) -> Vec<PeerId> {
    fleet.simulator.inspect(|world| world.chats.iter().map(|chat| chat.peer).filter(|peer| peer.marked() < 0).collect())
}

/// Peers that more than one account sees.
fn shared_peers(fleet: &Fleet) -> Vec<PeerId> {
    fleet.simulator.inspect(|world| {
        world.chats.iter().filter(|chat| chat.peer.marked() < 0 && chat.members.len() > 1).map(|chat| chat.peer).collect()
    })
}

/// New messages, edits and deletions in every peer.
fn stir(fleet: &Fleet, word: &str) {
    for peer in peers(fleet) {
        let first = fleet.simulator.post(peer, Post::text(format!("{word} one"))).unwrap();
        let second = fleet.simulator.post(peer, Post::text(format!("{word} two"))).unwrap();
        let third = fleet.simulator.post(peer, Post::text(format!("{word} three"))).unwrap();
        fleet.simulator.edit(peer, second, format!("{word} two, edited")).unwrap();
        fleet.simulator.delete(peer, &[third]).unwrap();
        fleet.simulator.edit(peer, first, format!("{word} one, edited")).unwrap();
        // Also of the past, which was archived long before.
        let old = fleet.simulator.inspect(|world| {
            let chat = world.chat(peer).unwrap();
            chat.history.messages().iter().filter(|m| m.service().is_none()).map(|m| m.id).nth(1)
        });
        if let Some(old) = old {
            fleet.simulator.edit(peer, old, format!("{word} rewritten")).unwrap();
        }
    }
}

fn requests(fleet: &Fleet, method: &str) -> u64 {
    fleet.simulator.request_count(method)
}

async fn found(fleet: &Fleet, app: &App, query: &str) -> usize {
    let query = SearchQuery::parse(query).unwrap();
    fleet.until("the index has caught up", || app.index.position() == app.archive.last_seq()).await;
    app.index.search(&Request::new(query)).unwrap().hits.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_archive_equals_the_truth_and_nothing_is_asked_twice() {
    let fleet = Fleet::new(small()).await;
    let app = fleet.start_and_finish().await;
    assert_eq!(requests(&fleet, "contacts.resolveUsername"), 0, "peers with a known hash are never resolved");
    let mut pages = BTreeSet::new();
    for entry in fleet.simulator.ledger().iter().filter(|e| e.method == HISTORY) {
        assert!(pages.insert(entry.parameters.clone()), "asked twice: {}", entry.parameters);
    }
    // Each account's list of dialogs, and each peer's pages: a hundred messages each, and at most one more to know the end.
    let least: u64 = fleet.simulator.inspect(|world| {
        let crawled = world.chats.iter().filter(|chat| chat.peer.marked() < 0);
        crawled.map(|chat| (chat.history.messages().len() as u64).div_ceil(100)).sum()
    });
    let most = least + peers(&fleet).len() as u64;
    assert!((least..=most).contains(&(pages.len() as u64)), "{} pages, {least} to {most} needed", pages.len());
    let accounts: BTreeSet<String> =
        fleet.simulator.ledger().into_iter().filter(|e| e.method == HISTORY).map(|e| e.account).collect();
    assert_eq!(accounts.len(), 3, "all accounts share the work: {accounts:?}");
    fleet.stop(app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_while_it_runs_is_archived_and_found() {
    let fleet = Fleet::new(small()).await;
    let app = fleet.start_and_finish().await;
    stir(&fleet, "zirkonium");
    fleet.until_equal(&app).await;
    let n = peers(&fleet).len();
    assert_eq!(found(&fleet, &app, "zirkonium edited").await.min(20), (2 * n).min(20));
    assert_eq!(found(&fleet, &app, "\"zirkonium three\"").await, 0, "deleted");
    fleet.stop(app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happened_while_it_was_stopped_is_archived_at_the_next_start() {
    let fleet = Fleet::new(small()).await;
    let app = fleet.start_and_finish().await;
    fleet.stop(app).await;
    stir(&fleet, "offline");
    fleet.simulator.clear_ledger();
    let app = fleet.start_and_finish().await;
    assert_eq!(requests(&fleet, HISTORY), 0, "differences tell all of it");
    fleet.stop(app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_difference_that_is_retried_costs_no_history() {
    let fleet = Fleet::new(small()).await;
    let app = fleet.start_and_finish().await;
    fleet.stop(app).await;
    stir(&fleet, "offline");
    fleet.simulator.clear_ledger();
    // Each account's difference gets no answer at first, and several channels' neither.
    for account in ["alpha", "bravo", "charlie"] {
        fleet.simulator.fault(Rule::new(Fault::Drop, When::Next(1)).account(account).method("updates.getDifference"));
        fleet.simulator.fault(Rule::new(Fault::Drop, When::Next(2)).account(account).method("updates.getChannelDifference"));
    }
    let app = fleet.start_and_finish().await;
    assert_eq!(requests(&fleet, HISTORY), 0, "differences tell all of it");
    fleet.stop(app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn history_is_read_where_differences_must_wait_for_hours() {
    let fleet = Fleet::new(WorldSpec { accounts: 1, ..small() }).await;
    let app = fleet.start_and_finish().await;
    fleet.stop(app).await;
    for peer in peers(&fleet) {
        fleet.simulator.post(peer, Post::text("offline one")).unwrap();
        fleet.simulator.post(peer, Post::text("offline two")).unwrap();
    }
    for method in ["updates.getDifference", "updates.getChannelDifference"] {
        fleet.simulator.fault(Rule::new(Fault::FloodWait { seconds: 54_000 }, When::Always).method(method));
    }
    let app = fleet.start().await;
    fleet.until_archived("differences must wait").await;
    // Those that were under way together are told to wait, and none insists.
    let together = fleet.config.accounts.requests_in_flight_max as u64 + 1;
    let asked = requests(&fleet, "updates.getChannelDifference");
    assert!((1..=together).contains(&asked), "{asked}");
    fleet.stop(app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn polling_finds_what_telegram_does_not_push() {
    let fleet = Fleet::new(small()).await;
    for account in ["alpha", "bravo", "charlie"] {
        fleet.simulator.withhold_updates(account, true).unwrap();
    }
    let app = fleet.start_and_finish().await;
    for peer in peers(&fleet) {
        fleet.simulator.post(peer, Post::text("never pushed")).unwrap();
    }
    fleet.until_equal(&app).await;
    fleet.stop(app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_wait_is_waited_for_and_stops_nobody_else() {
    let fleet = Fleet::new(small()).await;
    let wait = 3;
    let rule = Rule::new(Fault::FloodWait { seconds: wait }, When::Next(1)).account("alpha").method(HISTORY);
    fleet.simulator.fault(rule);
    let app = fleet.start_and_finish().await;
    let ledger = fleet.simulator.ledger();
    let flooded = ledger
        .iter()
        .find(|e| matches!(&e.outcome, Outcome::Error(name) if name.starts_with("FLOOD_WAIT")))
        .expect("the fault was met");
    let next = ledger
        .iter()
        .find(|e| e.account == flooded.account && e.method == HISTORY && e.at > flooded.at)
        .map(|e| e.at - flooded.at);
    assert!(next.is_none_or(|after| after >= Duration::from_secs(u64::from(wait))), "asked again after {next:?}");
    let others = ledger
        .iter()
        .any(|e| e.account != flooded.account && e.at > flooded.at && e.at < flooded.at + Duration::from_secs(u64::from(wait)));
    assert!(others, "the others went on");
    fleet.stop(app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_connections_silence_and_server_faults_lose_nothing() {
    let fleet = Fleet::new(small()).await;
    for rule in [
        Rule::new(Fault::Drop, When::Nth(3)).method(HISTORY),
        Rule::new(Fault::Silence, When::Nth(5)).method(HISTORY),
        Rule::new(Fault::WrongSession, When::Nth(7)).method(HISTORY),
        Rule::new(Fault::Error { code: 500, name: "INTERDC_2_CALL_ERROR".to_owned() }, When::Nth(9)).method(HISTORY),
        Rule::new(Fault::Delay(Duration::from_millis(300)), When::Nth(11)).method(HISTORY),
        Rule::new(Fault::Drop, When::Nth(2)).method("messages.getDialogs"),
    ] {
        fleet.simulator.fault(rule);
    }
    let app = fleet.start_and_finish().await;
    fleet.simulator.restart_dc(2);
    fleet.simulator.rotate_salt(3);
    stir(&fleet, "afterwards");
    fleet.until_equal(&app).await;
    fleet.stop(app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_share_of_all_calls_may_fail() {
    let fleet = Fleet::new(small()).await;
    fleet.simulator.fault(Rule::new(Fault::FloodWait { seconds: 1 }, When::Share { share: 0.05, seed: 5 }));
    fleet.simulator.fault(Rule::new(Fault::Drop, When::Share { share: 0.03, seed: 6 }));
    let app = fleet.start_and_finish().await;
    stir(&fleet, "all the same");
    fleet.until_equal(&app).await;
    fleet.stop(app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_difference_that_is_too_long_becomes_reading_again() {
    let options = Options { difference_gap_max: 10, channel_difference_gap_max: 3, ..Options::default() };
    let fleet = Fleet::of(small().generate(), options).await;
    let app = fleet.start_and_finish().await;
    fleet.stop(app).await;
    stir(&fleet, "too long");
    let app = fleet.start_and_finish().await;
    assert!(requests(&fleet, HISTORY) > 0);
    fleet.stop(app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_account_takes_over_when_one_is_signed_out_or_loses_a_peer() {
    let fleet = Fleet::new(WorldSpec { seed: 3, peers: 20, ..small() }).await;
    let shared = shared_peers(&fleet);
    assert!(!shared.is_empty());
    // Slow enough that it happens in the middle.
    fleet.simulator.fault(Rule::new(Fault::Delay(Duration::from_millis(40)), When::Always).method(HISTORY));
    let app = fleet.start().await;
    fleet.until("the crawl is under way", || requests(&fleet, HISTORY) > 4).await;
    fleet.simulator.sign_out("alpha").unwrap();
    fleet.simulator.forbid("bravo", shared[0], true).unwrap();
    let seen_by_others: BTreeMap<i64, bool> = fleet.simulator.inspect(|world| {
        let alpha = world.account_named("alpha").unwrap();
        let bravo = world.account_named("bravo").unwrap();
        let reads = |chat: &telescribe_simulator::world::Chat, account: usize| {
            account != alpha && !(account == bravo && chat.peer == shared[0])
        };
        let others = |chat: &telescribe_simulator::world::Chat| chat.members.iter().any(|m| reads(chat, *m));
        world.chats.iter().map(|chat| (chat.peer.marked(), others(chat))).collect()
    });
    let of_others = |text: &str| -> String {
        let peer = |line: &str| -> i64 {
            let value: serde_json::Value = serde_json::from_str(line).unwrap();
            value.get("peer").or_else(|| value.get("id")).and_then(serde_json::Value::as_i64).unwrap()
        };
        text.lines().filter(|line| seen_by_others.get(&peer(line)) == Some(&true)).map(|line| format!("{line}\n")).collect()
    };
    let truth = of_others(&fleet.truth());
    let mut equal = false;
    for _ in 0..600 {
        if of_others(&fleet.dump().await) == truth {
            equal = true;
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(equal, "{}", first_differences(&of_others(&fleet.dump().await), &truth));
    let alpha = app.crawler.accounts().into_iter().find(|a| a.name.as_str() == "alpha").unwrap();
    assert!(matches!(alpha.state, AccountState::SignedOut(_)), "{alpha:?}");
    fleet.stop(app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_in_the_middle_is_soft_and_the_next_start_goes_on_there() {
    let fleet = Fleet::new(small()).await;
    fleet.simulator.fault(Rule::new(Fault::Delay(Duration::from_millis(20)), When::Always).method(HISTORY));
    let app = fleet.start().await;
    fleet.until("the crawl is under way", || requests(&fleet, HISTORY) > 6).await;
    fleet.stop(app).await;
    let app = fleet.start_and_finish().await;
    let pages: Vec<String> = fleet.simulator.ledger().into_iter().filter(|e| e.method == HISTORY).map(|e| e.parameters).collect();
    let distinct: BTreeSet<&String> = pages.iter().collect();
    assert_eq!(pages.len(), distinct.len(), "a page was read twice");
    fleet.stop(app).await;
}
