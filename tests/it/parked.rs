//! An account that must wait, or that nobody answers, keeps no job from the others.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::collections::BTreeMap;

use serde_json::{Value, json};
use telescribe::app::App;
use telescribe::config::{JobChange, JobConfig, MissedConfig, OverrideConfig, Span};
use telescribe::lifecycle::Lifecycle;
use telescribe::telegram::Proxy;
use telescribe_simulator::world::{Chat, ChatKind};
use telescribe_simulator::{Fault, Outcome, PeerId, Post, Rule, When, WorldSpec};
use tokio::net::TcpListener;

use crate::support::commands::scheduled;
use crate::support::fleet::{Fleet, empty, job, knows, small};
use crate::support::methods::{DIALOGS, PEER_DIALOGS};

const FOLDERS: &str = "messages.getDialogFilters";
/// Fifteen hours, as peers have seen.
const LONG: u32 = 54_000;

/// A peer by who reads it: alpha or not, others or not.
fn channel(fleet: &Fleet, with_alpha: bool) -> PeerId {
    fleet.simulator.inspect(|world| {
        let alpha = world.account_named("alpha").unwrap();
        let fits = |members: &[usize]| members.contains(&alpha) == with_alpha && members.iter().any(|m| *m != alpha);
        let channels = world.chats.iter().filter(|chat| chat.peer.marked() < -1_000_000_000_000);
        channels.filter(|chat| fits(&chat.members)).map(|chat| chat.peer).next().unwrap()
    })
}

/// A fleet that has everything and is told of nothing.
async fn unheard() -> Fleet {
    let fleet = Fleet::new(small()).await;
    for account in ["alpha", "bravo", "charlie"] {
        fleet.simulator.withhold_updates(account, true).unwrap();
    }
    fleet
}

/// What is posted is found by the schedule, and again.
async fn goes_on(fleet: &Fleet, app: &App, peer: PeerId) {
    for text in ["once", "and again"] {
        let id = fleet.simulator.post(peer, Post::text(text)).unwrap();
        fleet.until("a catch-up of the others has found the message", || knows(app, peer, id)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_must_wait_for_hours_keeps_no_job_from_the_others() {
    let mut fleet = unheard().await;
    fleet.config.jobs.discover = JobConfig::every("* * * * * *");
    let app = fleet.start_and_finish().await;
    let flood = Rule::new(Fault::FloodWait { seconds: LONG }, When::Always).account("alpha").method(DIALOGS);
    fleet.simulator.fault(flood);
    fleet.simulator.clear_ledger();
    let flooded = |entry: &telescribe_simulator::LedgerEntry| {
        entry.method == DIALOGS && matches!(&entry.outcome, Outcome::Error(name) if name.starts_with("FLOOD_WAIT"))
    };
    fleet.until("the wait is met", || fleet.simulator.ledger().iter().any(flooded)).await;
    goes_on(&fleet, &app, channel(&fleet, false)).await;
    // A walk to the end begins with the folders.
    let discoveries = || fleet.simulator.ledger().iter().filter(|e| e.account == "bravo" && e.method == FOLDERS).count();
    let before = discoveries();
    fleet.until("the others discover on", || discoveries() > before + 1).await;

    let waits = |jobs: &Value| {
        ["catch-up", "discover"].iter().all(|name| {
            let waiting = job(jobs, name, None)["accounts_waiting"].clone();
            waiting.as_array().is_some_and(|w| w.len() == 1 && w[0]["account"] == "alpha" && w[0]["until"].is_string())
        })
    };
    fleet.until_got("/v1/jobs", waits).await;
    fleet.until_got("/v1/jobs", |jobs| job(jobs, "catch-up", None)["state"] != "running").await;
    let table = scheduled(&fleet, &[]).await.unwrap();
    assert!(table.contains("\n  accounts still pending: alpha (until 20"), "{table}");
    let asked = fleet.simulator.ledger().iter().filter(|e| e.account == "alpha" && e.method == DIALOGS).count();
    assert!(asked <= 2, "one call may have been under way: {asked}");
    fleet.stop(app).await;
}

/// Gives an account a proxy that nobody answers at, until the tasks are stopped.
async fn behind_a_proxy_that_is_silent(fleet: &mut Fleet, account: &str) -> Lifecycle {
    // It takes connections, and that is all.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy: Proxy = format!("socks5://127.0.0.1:{}", listener.local_addr().unwrap().port()).parse().unwrap();
    let silence = Lifecycle::new();
    silence.task(async move {
        let mut held = Vec::new();
        while let Ok((client, _)) = listener.accept().await {
            held.push(client);
        }
    });
    fleet.config.accounts.proxies = BTreeMap::from([(account.to_owned(), proxy.into())]);
    silence
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_whose_proxy_answers_nothing_keeps_no_job_from_the_others() {
    let mut fleet = unheard().await;
    let app = fleet.start_and_finish().await;
    fleet.stop(app).await;
    let silence = behind_a_proxy_that_is_silent(&mut fleet, "alpha").await;
    let app = fleet.start().await;
    let waits = |jobs: &Value| job(jobs, "catch-up", None)["accounts_waiting"] == json!([{ "account": "alpha", "until": null }]);
    fleet.until_got("/v1/jobs", waits).await;
    goes_on(&fleet, &app, channel(&fleet, false)).await;
    fleet.stop(app).await;
    silence.stop_hard();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_is_not_polled_by_an_account_that_nobody_answers_where_another_reads_it() {
    let mut fleet = unheard().await;
    let app = fleet.start_and_finish().await;
    fleet.stop(app).await;
    let silence = behind_a_proxy_that_is_silent(&mut fleet, "alpha").await;
    let shared = channel(&fleet, true);
    let (cron, missed) = (Some("0 0 0 29 2 * 2096".to_owned()), Some(MissedConfig::Skip));
    let some_day = JobChange { cron, missed, enabled: Some(true), ..JobChange::default() };
    let mut news: OverrideConfig = serde_json::from_value(json!({ "name": "news", "peers": [shared.to_string()] })).unwrap();
    news.catch_up = Some(some_day);
    fleet.config.jobs.overrides = vec![news];
    fleet.config.jobs.discover.enabled = false;
    let app = fleet.start().await;
    let waits = |jobs: &Value| job(jobs, "catch-up", None)["accounts_waiting"] == json!([{ "account": "alpha", "until": null }]);
    fleet.until_got("/v1/jobs", waits).await;
    // Asked once: there is no next run that would leave out the accounts that this one waits for.
    let id = fleet.simulator.post(shared, Post::text("once")).unwrap();
    fleet.wish("/v1/jobs/catch-up/run", json!({ "peers": [shared.to_string()] })).await.unwrap();
    fleet.until("another account has polled the peer", || knows(&app, shared, id)).await;
    fleet.stop(app).await;
    silence.stop_hard();
}

#[tokio::test(flavor = "multi_thread")]
async fn one_answer_that_does_not_come_is_not_shown_as_an_outage() {
    let fleet = unheard().await;
    let app = fleet.start_and_finish().await;
    fleet.simulator.fault(Rule::new(Fault::Silence, When::Next(1)).account("alpha").method(DIALOGS));
    fleet.simulator.clear_ledger();
    let asked = || fleet.simulator.ledger().iter().filter(|e| e.account == "alpha" && e.method == DIALOGS).count();
    let asked_again = |jobs: &Value| {
        let waiting = &job(jobs, "catch-up", None)["accounts_waiting"];
        assert!(waiting.as_array().is_none_or(Vec::is_empty), "{waiting}");
        asked() > 1
    };
    fleet.until_got("/v1/jobs", asked_again).await;
    fleet.stop(app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn peers_with_a_schedule_of_their_own_are_polled_by_whoever_need_not_wait() {
    let mut fleet = unheard().await;
    let app = fleet.start_and_finish().await;
    fleet.stop(app).await;
    let shared = channel(&fleet, true);
    let every_second = JobChange { cron: Some("* * * * * *".to_owned()), enabled: Some(true), ..JobChange::default() };
    let mut news: OverrideConfig = serde_json::from_value(json!({ "name": "news", "peers": [shared.to_string()] })).unwrap();
    news.catch_up = Some(every_second);
    fleet.config.jobs.overrides = vec![news];
    for job in [&mut fleet.config.jobs.catch_up, &mut fleet.config.jobs.discover] {
        job.enabled = false;
    }
    fleet.config.telegram.request_timeout = Span::seconds(2);
    let flood = Rule::new(Fault::FloodWait { seconds: LONG }, When::Always).account("alpha").method(PEER_DIALOGS);
    fleet.simulator.fault(flood);
    let app = fleet.start().await;
    goes_on(&fleet, &app, shared).await;
    fleet.stop(app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_whose_folders_cannot_be_read_keeps_nobody_from_what_is_crawled_already() {
    let mut fleet = unheard().await;
    fleet.config.crawl.deny = vec!["folder:Nowhere".to_owned()];
    let app = fleet.start_and_finish().await;
    fleet.stop(app).await;
    let flood = Rule::new(Fault::FloodWait { seconds: LONG }, When::Always).account("alpha").method(FOLDERS);
    fleet.simulator.fault(flood);
    let app = fleet.start().await;
    goes_on(&fleet, &app, channel(&fleet, false)).await;
    fleet.stop(app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_whose_folders_get_no_answer_yet_keeps_nobody_from_what_is_crawled_already() {
    let mut fleet = unheard().await;
    fleet.config.crawl.deny = vec!["folder:Nowhere".to_owned()];
    let app = fleet.start_and_finish().await;
    fleet.stop(app).await;
    // It is still waited for when the others have long read theirs.
    fleet.config.telegram.request_timeout = Span::seconds(3_600);
    fleet.simulator.fault(Rule::new(Fault::Silence, When::Always).account("alpha").method(FOLDERS));
    let app = fleet.start().await;
    goes_on(&fleet, &app, channel(&fleet, false)).await;
    fleet.stop(app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_is_a_member_of_is_polled_while_the_dialogs_of_all_accounts_wait() {
    let mut fleet = Fleet::new(WorldSpec { linked: true, ..small() }).await;
    let group = fleet.simulator.inspect(|world| {
        let is_discussion = |chat: &&Chat| chat.kind == ChatKind::Supergroup && chat.linked.is_some();
        world.chats.iter().find(is_discussion).map(|chat| chat.peer).unwrap()
    });
    empty(&fleet, group);
    fleet.config.jobs.catch_up = JobConfig::every("* * * * * *");
    let app = fleet.start().await;
    fleet.until_equal(&app).await;
    fleet.simulator.fault(Rule::new(Fault::FloodWait { seconds: LONG }, When::Always).method(DIALOGS));
    fleet.until_got("/v1/jobs", |jobs| job(jobs, "catch-up", None)["skipped"].as_u64() > Some(0)).await;
    goes_on(&fleet, &app, group).await;
    fleet.stop(app).await;
}
