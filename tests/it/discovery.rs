//! What discovery promises, with the whole program on a simulated Telegram: what accounts are in is found by itself, nothing is joined
//! unless somebody asks for it, and the operator's rules hold from the first request on.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::time::Duration;

use serde_json::{Value, json};
use telescribe::app::App;
use telescribe::cli::{Out, join};
use telescribe::config::Kind;
use telescribe::model::{ChangeKind, Seq};
use telescribe_simulator::world::Chat;
use telescribe_simulator::{Options, PeerId, WorldSpec};
use tokio::time::sleep;

use crate::support::commands::Written;
use crate::support::fleet::{Fleet, empty, small};

const RESOLVE: &str = "contacts.resolveUsername";

/// What `telescribe join` writes and how it ends; the error is what a person reads.
async fn joins(fleet: &Fleet, peer: &str, account: Option<&str>) -> Result<(String, ExitCode), String> {
    let args = join::Args { peer: peer.to_owned(), account: account.map(str::to_owned) };
    loop {
        let written = Written::default();
        let ended = join::write(&args, &fleet.globals(), &mut Out::to(written.clone())).await;
        match ended.map(|code| (written.text(), code)).map_err(|error| error.to_string()) {
            // As a person would.
            Err(why) if why.ends_with("is busy; retry") => sleep(Duration::from_millis(50)).await,
            ended => return ended,
        }
    }
}

/// Groups and channels that fit, in the world's order; basic groups cannot be joined by others.
fn chats(fleet: &Fleet, fits: impl Fn(&Chat) -> bool) -> Vec<PeerId> {
    let fits = |chat: &&Chat| chat.kind.is_channel() && fits(chat);
    fleet.simulator.inspect(|world| world.chats.iter().filter(fits).map(|chat| chat.peer).collect())
}

fn account(fleet: &Fleet, name: &str) -> usize {
    fleet.simulator.inspect(|world| world.account_named(name).unwrap())
}

fn username(fleet: &Fleet, peer: PeerId) -> String {
    fleet.simulator.inspect(|world| world.chat(peer).unwrap().username.clone().unwrap())
}

fn id(peer: PeerId) -> telescribe::model::PeerId {
    telescribe::model::PeerId(peer.marked())
}

/// The peers that are crawled.
fn crawled(app: &App) -> BTreeSet<i64> {
    app.archive.view().crawl_states(telescribe::model::PeerId(i64::MIN).into()).map(|entry| entry.unwrap().0.peer().0).collect()
}

/// Waits until an account is shown to be in a peer, or out of it.
async fn until_in(fleet: &Fleet, peer: PeerId, account: &str, is_in: bool) {
    let holds = |answer: &Value| {
        let of = answer["accounts"].as_array().unwrap().iter().find(|a| a["name"] == account);
        of.is_some_and(|a| a["until"].is_null() == is_in)
    };
    fleet.until_got(&format!("/v1/peers/{peer}/accounts"), holds).await;
}

/// Waits until everything that is to be done is done, and these peers are crawled.
async fn until_crawled(fleet: &Fleet, app: &App, expected: &BTreeSet<i64>) {
    let complete = || telescribe::crawl::Progress::of(&app.archive).ids_missing == 0;
    fleet
        .until("the peers that may be are crawled", || {
            crawled(app).is_superset(expected) && complete() && app.crawler.backlog() == (0, 0)
        })
        .await;
    assert_eq!(crawled(app), *expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_username_is_resolved_once_and_only_where_no_hash_is_known() {
    let fleet = Fleet::new(WorldSpec { peers: 30, ..small() }).await;
    let app = fleet.start_and_finish().await;
    let alpha = account(&fleet, "alpha");
    // Nothing is forwarded from supergroups, which would tell the account the hash.
    let is_unknown = |chat: &Chat| chat.username.is_some() && chat.kind.name() == "supergroup" && !chat.members.contains(&alpha);
    let others = chats(&fleet, is_unknown)[0];
    let own = chats(&fleet, |chat| chat.username.is_some() && chat.members.contains(&alpha))[0];
    let resolved = || fleet.simulator.request_count(RESOLVE);

    let name = username(&fleet, others);
    let (text, code) = joins(&fleet, &format!("@{name}"), Some("alpha")).await.unwrap();
    assert!(text.starts_with("account alpha has joined ") && text.ends_with(&format!("(@{name})\n")), "{text}");
    assert_eq!((code, resolved()), (ExitCode::SUCCESS, 1));
    until_in(&fleet, others, "alpha", true).await;
    let (text, _) = joins(&fleet, &format!("https://t.me/{name}"), Some("alpha")).await.unwrap();
    assert!(text.starts_with("account alpha is already a member of "), "{text}");
    joins(&fleet, &username(&fleet, own), Some("alpha")).await.unwrap();
    for link in [
        format!("https://t.me/s/{name}"),
        format!("https://t.me/{name}/123?single"),
        format!("tg://resolve?domain={name}&post=5"),
        format!("HTTPS://T.ME/{}", name.to_uppercase()),
        format!("{name}.t.me"),
    ] {
        let (text, _) = joins(&fleet, &link, Some("alpha")).await.unwrap();
        assert!(text.starts_with("account alpha is already a member of "), "{link}: {text}");
    }
    assert_eq!(resolved(), 1, "a peer whose hash is known is never resolved");

    for _ in 0..2 {
        let error = joins(&fleet, "@nobody_at_all", Some("alpha")).await.unwrap_err();
        assert_eq!(error, "the peer was not joined: nobody has the username `@nobody_at_all`");
    }
    assert_eq!(resolved(), 2, "who is nobody is not asked for again");
    for (peer, account, says) in [
        ("https://example.org/channel", None, "this is neither a username nor an invite link; write `@username`, "),
        ("-1001234567890", None, "an id is not enough to join by; write `@username`, "),
        ("https://t.me/c/1234567890/5", None, "a link into a private chat has no username"),
        ("Harbour news today", None, "this is neither a username nor an invite link; write `@username`, "),
        (&*name, Some("zulu"), "there is no account `zulu` that is signed in; `telescribe account list` shows those that exist"),
    ] {
        let error = joins(&fleet, peer, account).await.unwrap_err();
        assert!(error.contains(says), "{error}");
    }
    assert_eq!(resolved(), 2);
    fleet.until_equal(&app).await;
    fleet.stop(app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invite_link_is_followed_and_what_is_wrong_with_it_is_said() {
    let fleet = Fleet::new(WorldSpec { peers: 30, ..small() }).await;
    let app = fleet.start_and_finish().await;
    let alpha = account(&fleet, "alpha");
    let others = chats(&fleet, |chat| !chat.members.contains(&alpha));
    let link = |hash: String| format!("https://t.me/+{hash}");
    let old = link(fleet.simulator.revoke_invite(others[0]).unwrap());
    let new = link(fleet.simulator.revoke_invite(others[0]).unwrap());
    let error = joins(&fleet, &old, Some("alpha")).await.unwrap_err();
    assert_eq!(
        error,
        "the peer was not joined: Telegram refuses account `alpha`: the invite link has expired (INVITE_HASH_EXPIRED)"
    );
    let (text, _) = joins(&fleet, &new, Some("alpha")).await.unwrap();
    assert!(text.starts_with("account alpha has joined "), "{text}");
    until_in(&fleet, others[0], "alpha", true).await;
    assert!(joins(&fleet, &new, Some("alpha")).await.unwrap().0.starts_with("account alpha is already a member of "));

    fleet.simulator.set_join_request(others[1], true).unwrap();
    let asked = link(fleet.simulator.revoke_invite(others[1]).unwrap());
    let (text, code) = joins(&fleet, &asked, Some("alpha")).await.unwrap();
    assert!(text.starts_with("account alpha has requested to join (an administrator must approve): "), "{text}");
    assert_eq!(code, ExitCode::from(1));
    // The administrator agrees.
    fleet.simulator.join("alpha", others[1]).unwrap();
    until_in(&fleet, others[1], "alpha", true).await;
    fleet.stop(app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_is_in_too_many_channels_says_so() {
    let fleet = Fleet::of(small().generate(), Options { channels_max: 1, ..Options::default() }).await;
    let app = fleet.start_and_finish().await;
    let alpha = account(&fleet, "alpha");
    let other = chats(&fleet, |chat| !chat.members.contains(&alpha))[0];
    let hash = fleet.simulator.revoke_invite(other).unwrap();
    let error = joins(&fleet, &format!("https://t.me/+{hash}"), Some("alpha")).await.unwrap_err();
    assert!(error.contains("in as many channels as Telegram allows; leave some, or use another account"), "{error}");
    assert!(error.ends_with("(CHANNELS_TOO_MUCH)"), "{error}");
    fleet.stop(app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_an_account_joins_elsewhere_is_archived_and_one_that_it_leaves_is_shown_as_left() {
    let fleet = Fleet::new(small()).await;
    let peer = chats(&fleet, |chat| chat.username.is_none())[0];
    empty(&fleet, peer);
    let app = fleet.start().await;
    let is_group = |chat: &&Chat| chat.peer.marked() < 0 && chat.peer != peer;
    let others = fleet.simulator.inspect(|world| world.chats.iter().filter(is_group).map(|chat| chat.peer.marked()).collect());
    until_crawled(&fleet, &app, &others).await;

    fleet.simulator.join("alpha", peer).unwrap();
    fleet.until_equal(&app).await;
    until_in(&fleet, peer, "alpha", true).await;
    fleet.simulator.leave("alpha", peer).unwrap();
    until_in(&fleet, peer, "alpha", false).await;
    fleet.simulator.join("alpha", peer).unwrap();
    until_in(&fleet, peer, "alpha", true).await;
    fleet.simulator.kick("alpha", peer).unwrap();
    until_in(&fleet, peer, "alpha", false).await;
    let is_of_peer = |kind: &ChangeKind| match kind {
        ChangeKind::PeerJoined { peer: of } | ChangeKind::PeerLeft { peer: of } => *of == id(peer),
        _ => false,
    };
    let changes: Vec<ChangeKind> =
        app.archive.view().changes(Seq(0), usize::MAX).unwrap().into_iter().map(|c| c.kind).filter(is_of_peer).collect();
    let (joined, left) = (ChangeKind::PeerJoined { peer: id(peer) }, ChangeKind::PeerLeft { peer: id(peer) });
    assert_eq!(changes, [joined, left, joined, left]);
    let coverage = fleet.get(&format!("/v1/peers/{peer}/coverage")).await;
    assert_eq!(coverage["unavailable"], "CHANNEL_PRIVATE", "{coverage:#}");
    fleet.stop(app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_nobody_told_of_is_found_by_a_discovery() {
    let fleet = Fleet::new(small()).await;
    for account in ["alpha", "bravo", "charlie"] {
        fleet.simulator.withhold_updates(account, true).unwrap();
    }
    let peer = chats(&fleet, |chat| chat.username.is_none())[0];
    empty(&fleet, peer);
    let app = fleet.start().await;
    fleet.until("the crawl is under way", || app.crawler.backlog() == (0, 0) && !crawled(&app).is_empty()).await;
    fleet.simulator.join("alpha", peer).unwrap();
    fleet.run_job(&app, "discover", "messages.getDialogs").await;
    until_in(&fleet, peer, "alpha", true).await;
    fleet.until_equal(&app).await;
    fleet.simulator.leave("alpha", peer).unwrap();
    // Dialogs move while they are read: what one walk did not see may be there.
    fleet.run_job(&app, "discover", "messages.getDialogs").await;
    fleet.run_job(&app, "discover", "messages.getDialogs").await;
    until_in(&fleet, peer, "alpha", false).await;
    fleet.stop(app).await;
}

/// Groups and channels of the world that somebody is in and that fit.
fn expected(fleet: &Fleet, fits: impl Fn(&Chat) -> bool) -> BTreeSet<i64> {
    let fits = |chat: &&Chat| chat.peer.marked() < 0 && !chat.members.is_empty() && fits(chat);
    fleet.simulator.inspect(|world| world.chats.iter().filter(fits).map(|chat| chat.peer.marked()).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_the_rules_admit_is_crawled() {
    let mut fleet = Fleet::new(WorldSpec { peers: 20, ..small() }).await;
    let denied = chats(&fleet, |chat| chat.kind.name() == "channel")[0];
    fleet.config.crawl.kinds = vec![Kind::Channel, Kind::Supergroup];
    fleet.config.crawl.allow = vec!["kind:channel".to_owned()];
    fleet.config.crawl.deny = vec![denied.to_string()];
    let app = fleet.start().await;
    until_crawled(&fleet, &app, &expected(&fleet, |chat| chat.kind.name() == "channel" && chat.peer != denied)).await;
    fleet.stop(app).await;
    // Other rules, as they are written next.
    let title = fleet.simulator.inspect(|world| world.chat(denied).unwrap().title.clone());
    let start: String = title.chars().take(3).collect();
    fleet.config.crawl.allow = vec![format!("title:{start}*"), "kind:channel".to_owned()];
    fleet.config.crawl.deny = Vec::new();
    let app = fleet.start().await;
    fleet.until("a peer that is allowed now is crawled", || crawled(&app).contains(&denied.marked())).await;
    fleet.stop(app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_by_folder_hold_from_the_first_request_on() {
    let spec = WorldSpec { peers: 24, folders: true, ..small() };
    let mut fleet = Fleet::new(spec.clone()).await;
    let named = |fleet: &Fleet| -> BTreeSet<i64> {
        fleet.simulator.inspect(|world| {
            let folders = world.accounts.iter().flat_map(|account| &account.folders).filter(|f| f.title == "Reading");
            folders.flat_map(|f| f.include_peers.iter().chain(&f.pinned_peers)).map(|peer| peer.marked()).collect()
        })
    };
    let reading = named(&fleet);
    assert!(!reading.is_empty());
    fleet.config.crawl.allow = vec!["folder:Reading".to_owned()];
    let app = fleet.start().await;
    until_crawled(&fleet, &app, &reading).await;
    let peer = reading.first().unwrap();
    let accounts = fleet.get(&format!("/v1/peers/{peer}/accounts")).await;
    let in_folder = |a: &Value| a["folders"].as_array().is_some_and(|f| f.contains(&json!("Reading")));
    assert!(accounts["accounts"].as_array().unwrap().iter().any(in_folder), "{accounts:#}");
    fleet.stop(app).await;

    let mut fleet = Fleet::new(spec).await;
    fleet.config.crawl.deny = vec!["folder:Reading".to_owned()];
    let app = fleet.start().await;
    let others = expected(&fleet, |chat| !reading.contains(&chat.peer.marked()));
    until_crawled(&fleet, &app, &others).await;
    fleet.stop(app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_discussion_group_of_a_channel_is_crawled_though_nobody_is_in_it() {
    for followed in [true, false] {
        let mut fleet = Fleet::new(WorldSpec { linked: true, ..small() }).await;
        let group = chats(&fleet, |chat| chat.kind.name() == "supergroup" && chat.linked.is_some())[0];
        empty(&fleet, group);
        fleet.config.crawl.linked_groups = followed;
        let app = fleet.start().await;
        if followed {
            // A new channel is asked for its group at once.
            fleet.until_equal(&app).await;
            fleet.simulator.post(group, telescribe_simulator::Post::text("a comment of somebody")).unwrap();
            fleet.until_equal(&app).await;
            let joined = fleet.get(&format!("/v1/peers/{group}/accounts")).await;
            assert_eq!(joined["accounts"], json!([]), "nobody has joined");
        } else {
            let others = expected(&fleet, |_| true);
            until_crawled(&fleet, &app, &others).await;
            fleet.run_job(&app, "counters", "channels.getFullChannel").await;
            assert_eq!(crawled(&app), others);
        }
        fleet.stop(app).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forums_topics_are_listed() {
    let fleet = Fleet::new(WorldSpec { forums: true, ..small() }).await;
    let app = fleet.start_and_finish().await;
    let forum = chats(&fleet, |chat| chat.forum)[0];
    let made = fleet.simulator.create_topic(forum, "天气").unwrap();
    fleet.until_equal(&app).await;
    // The one that every forum has from the start was never announced.
    let expected: Vec<Value> = fleet.simulator.inspect(|world| {
        let topics = world.chat(forum).unwrap().topics.iter().filter(|topic| topic.id > 1);
        topics.map(|topic| json!([topic.id, topic.title])).collect()
    });
    assert!(expected.contains(&json!([made, "天气"])));
    let answer = fleet.get(&format!("/v1/peers/{forum}/topics")).await;
    let listed: Vec<Value> = answer["topics"].as_array().unwrap().iter().map(|t| json!([t["id"], t["title"]])).collect();
    assert_eq!(listed, expected);
    fleet.stop(app).await;
}
