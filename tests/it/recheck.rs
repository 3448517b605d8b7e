//! What reading again promises, with the whole program on a simulated Telegram: counters and deletions that nobody told of are found, and
//! what looks like a mass deletion is not believed at once.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::process::ExitCode;
use std::time::Duration;

use telescribe::app::App;
use telescribe::cli::{Out, counters, coverage};
use telescribe::config::Span;
use telescribe::model::{MessageId, MessageKey};
use telescribe_simulator::world::ChatKind;
use telescribe_simulator::{Fault, Options, PeerId, Rule, When};

use crate::support::commands::Written;
use crate::support::fleet::{Fleet, small};
use crate::support::methods::HISTORY;

/// A fleet that rechecks everything when it is told to: the world's messages are years old.
async fn fleet(options: Options) -> Fleet {
    let mut fleet = Fleet::of(small().generate(), options).await;
    fleet.config.crawl.recheck_window = Span::seconds(100 * 365 * 24 * 60 * 60);
    fleet.config.jobs.recheck.enabled = false;
    fleet.config.jobs.counters.enabled = false;
    fleet
}

/// The largest peer of a kind.
fn largest(fleet: &Fleet, kind: ChatKind) -> PeerId {
    fleet.simulator.inspect(|world| {
        let chats = world.chats.iter().filter(|chat| chat.kind == kind && !chat.members.is_empty());
        chats.max_by_key(|chat| chat.history.len()).unwrap().peer
    })
}

/// The newest ids of a peer that are no service messages, newest first.
fn newest(fleet: &Fleet, peer: PeerId, count: usize) -> Vec<i32> {
    fleet.simulator.inspect(|world| {
        let messages = world.chat(peer).unwrap().history.messages().iter().rev();
        messages.filter(|m| m.service().is_none()).map(|m| m.id).take(count).collect()
    })
}

fn is_deleted(app: &App, peer: PeerId, id: i32) -> bool {
    let key = MessageKey::new(telescribe::model::PeerId(peer.marked()), MessageId(id));
    app.archive.view().message(key).unwrap().unwrap().deleted_at.is_some()
}

/// What `telescribe coverage PEER` writes, and how it ends.
async fn covered(fleet: &Fleet, peer: PeerId) -> (String, ExitCode) {
    let args = coverage::Args { peer: Some(peer.to_string()), account: None, incomplete: false };
    let written = Written::default();
    let code = coverage::write(&args, &fleet.globals(), &mut Out::to(written.clone())).await.unwrap();
    (written.text(), code)
}

#[tokio::test(flavor = "multi_thread")]
async fn views_and_reactions_that_nobody_tells_of_are_found_and_kept_as_a_series() {
    let fleet = fleet(Options::default()).await;
    for account in ["alpha", "bravo", "charlie"] {
        fleet.simulator.withhold_updates(account, true).unwrap();
    }
    let app = fleet.start_and_finish().await;
    let channel = largest(&fleet, ChatKind::Channel);
    let id = newest(&fleet, channel, 1)[0];
    let before = fleet.simulator.inspect(|world| world.chat(channel).unwrap().history.get(id).unwrap().views);
    fleet.simulator.set_views(channel, id, before + 1_000, 7).unwrap();
    fleet.simulator.react(channel, id, "🔥", 3).unwrap();
    fleet.run_job(&app, "recheck", HISTORY).await;
    fleet.until_equal(&app).await;
    let args = counters::Args { peer: channel.to_string(), message: Some(id), account: None };
    let written = Written::default();
    let code = counters::write(&args, &fleet.globals(), &mut Out::to(written.clone())).await.unwrap();
    let text = written.text();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!((code, lines.len()), (ExitCode::SUCCESS, 2), "{text}");
    assert!(lines[0].contains(&format!("  {before} views")), "{text}");
    assert!(lines[1].contains(&format!("  {} views, 7 forwards", before + 1_000)) && lines[1].contains("🔥 3"), "{text}");
    assert!(!text.contains("-00"), "{text}");

    // The counters job asks for less: views, and members.
    fleet.simulator.set_views(channel, id, before + 2_000, 8).unwrap();
    fleet.simulator.set_participants_count(channel, 4_321).unwrap();
    fleet.run_job(&app, "counters", "messages.getMessagesViews").await;
    fleet.until_equal(&app).await;
    let samples = fleet.get(&format!("/v1/peers/{channel}/messages/{id}/counters")).await;
    assert_eq!(samples["counters"].as_array().unwrap().last().unwrap()["views"], before + 2_000, "{samples:#}");
    let members = fleet.get(&format!("/v1/peers/{channel}/counters")).await;
    assert_eq!(members["members"].as_array().unwrap().last().unwrap()["count"], 4_321, "{members:#}");
    fleet.stop(app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_that_was_never_told_is_found() {
    let fleet = fleet(Options { channel_difference_gap_max: 0, ..Options::default() }).await;
    let app = fleet.start_and_finish().await;
    for account in ["alpha", "bravo", "charlie"] {
        fleet.simulator.withhold_updates(account, true).unwrap();
    }
    let peer = largest(&fleet, ChatKind::Supergroup);
    let gone = newest(&fleet, peer, 40)[20..23].to_vec();
    fleet.simulator.delete(peer, &gone).unwrap();
    fleet.until_equal(&app).await;
    assert!(gone.iter().all(|id| is_deleted(&app, peer, *id)));
    fleet.stop(app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mass_deletion_is_held_back_until_telegram_was_asked_again() {
    let mut fleet = fleet(Options::default()).await;
    fleet.config.crawl.mass_deletion_min = 20;
    let app = fleet.start_and_finish().await;
    let peer = largest(&fleet, ChatKind::Supergroup);
    let gone = newest(&fleet, peer, 30);
    // Nothing can be asked again for now.
    let fault = Rule::new(Fault::Error { code: 500, name: "INTERNAL".to_owned() }, When::Always).method(HISTORY);
    let fault = fleet.simulator.fault(fault);
    fleet.simulator.delete(peer, &gone).unwrap();
    let target = format!("/v1/peers/{peer}/coverage");
    let coverage = fleet.until_got(&target, |coverage| coverage["held"] == 30).await;
    assert_eq!((&coverage["complete"], &coverage["deleted"]), (&false.into(), &0.into()), "{coverage:#}");
    let (text, code) = covered(&fleet, peer).await;
    assert_eq!(code, ExitCode::from(1));
    assert!(text.contains("  30 ids to read  "), "{text}");
    assert!(text.contains("mass deletion, to be confirmed by a second request: "), "{text}");
    assert!(gone.iter().all(|id| !is_deleted(&app, peer, *id)));
    let status = fleet.get("/v1/status").await;
    assert_eq!(status["crawl"]["deletions_held"], 30, "{status:#}");

    fleet.simulator.remove_fault(fault);
    fleet.until_equal(&app).await;
    assert!(gone.iter().all(|id| is_deleted(&app, peer, *id)));
    let (text, code) = covered(&fleet, peer).await;
    assert_eq!((code, text.lines().count()), (ExitCode::SUCCESS, 2), "{text}");
    fleet.stop(app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_history_that_an_account_suddenly_sees_empty_is_not_deleted() {
    let mut fleet = fleet(Options::default()).await;
    fleet.config.crawl.mass_deletion_min = 20;
    // A second answer would be believed at once.
    fleet.config.crawl.mass_deletion_confirm_after = Span::new(Duration::ZERO);
    let app = fleet.start_and_finish().await;
    let peer = largest(&fleet, ChatKind::Supergroup);
    let ids = newest(&fleet, peer, 30);
    let members: Vec<String> = fleet
        .simulator
        .inspect(|world| world.chat(peer).unwrap().members.iter().map(|member| world.accounts[*member].name.clone()).collect());
    for hidden in [true, false] {
        fleet.simulator.hide_prehistory(peer, hidden).unwrap();
        for name in &members {
            fleet.simulator.leave(name, peer).unwrap();
            fleet.simulator.join(name, peer).unwrap();
        }
        fleet.run_job(&app, "recheck", HISTORY).await;
        fleet.until_equal(&app).await;
        let coverage = fleet.get(&format!("/v1/peers/{peer}/coverage")).await;
        assert!(ids.iter().all(|id| !is_deleted(&app, peer, *id)), "{coverage:#}");
        assert_eq!((&coverage["held"], &coverage["complete"]), (&0.into(), &true.into()), "{coverage:#}");
    }
    fleet.stop(app).await;
}
