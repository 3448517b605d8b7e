//! Following: a public group or channel is crawled without joining it, whole and from then on, and left alone when that is wanted.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use serde_json::json;
use telescribe::cli::Out;
use telescribe::cli::follow::{FollowArgs, write_followed};
use telescribe_simulator::world::ChatKind;
use telescribe_simulator::{PeerId, Post};

use crate::support::commands::Written;
use crate::support::fleet::{Fleet, first_differences, knows, small};
use crate::support::waiting::PATIENCE;

/// A fleet of which only `alpha` is the program's, and a public channel that it is not in.
async fn outsider() -> (Fleet, PeerId, String) {
    let fleet = Fleet::new(small()).await;
    let (peer, name) = fleet.simulator.inspect(|world| {
        let public = |chat: &&telescribe_simulator::world::Chat| {
            chat.kind == ChatKind::Channel && chat.username.is_some() && chat.linked.is_none()
        };
        let chat = world.chats.iter().filter(public).max_by_key(|chat| chat.history.len()).unwrap();
        (chat.peer, chat.username.clone().unwrap())
    });
    fleet.simulator.leave("alpha", peer).ok();
    for account in ["bravo", "charlie"] {
        std::fs::remove_file(fleet.config.accounts.sessions.join(format!("{account}.session"))).unwrap();
    }
    (fleet, peer, name)
}

fn lines_of(text: &str, peer: PeerId) -> String {
    let of = format!("\"peer\":{},", peer.marked());
    text.lines().filter(|line| line.contains("\"type\":\"message\"") && line.contains(&of)).collect::<Vec<_>>().join("\n")
}

async fn until_same(fleet: &Fleet, peer: PeerId) {
    let end = tokio::time::Instant::now() + PATIENCE;
    loop {
        let (dump, truth) = (lines_of(&fleet.dump().await, peer), lines_of(&fleet.truth(), peer));
        if dump == truth {
            return;
        }
        assert!(tokio::time::Instant::now() < end, "{}", first_differences(&dump, &truth));
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_public_channel_is_crawled_without_joining_it_until_it_is_wanted_no_longer() {
    let (fleet, peer, name) = outsider().await;
    let app = fleet.start().await;
    let followed = fleet.wish("/v1/follow", json!({ "peer": format!("https://t.me/s/{}", name.to_uppercase()) })).await.unwrap();
    assert_eq!((&followed["outcome"], &followed["account"]), (&"followed".into(), &"alpha".into()), "{followed:#}");
    assert_eq!(followed["peer"]["id"], peer.marked());
    until_same(&fleet, peer).await;
    let id = fleet.simulator.post(peer, Post::text("nobody told us, and we see it")).unwrap();
    fleet.until("what comes is found by polling", || knows(&app, peer, id)).await;
    let again = fleet.wish("/v1/follow", json!({ "peer": format!("@{name}") })).await.unwrap();
    assert_eq!(again["outcome"], "already_followed", "{again:#}");
    let count = |method: &str| fleet.simulator.request_count(method);
    assert_eq!(count("channels.joinChannel"), 0);
    // Of a channel that a message was forwarded from, the account may know already what the name stands for.
    let asked = count("contacts.resolveUsername");
    assert!(asked <= 1, "the name was asked for {asked} times");
    let coverage = fleet.get(&format!("/v1/peers/{}/coverage", peer.marked())).await;
    assert_eq!((&coverage["followed"], &coverage["complete"]), (&true.into(), &true.into()), "{coverage:#}");
    fleet.stop(app).await;
    // It goes on after a restart, and nobody need be asked for the name again.
    let id = fleet.simulator.post(peer, Post::text("meanwhile")).unwrap();
    let app = fleet.start().await;
    fleet.until("it is followed further", || knows(&app, peer, id)).await;
    assert_eq!(count("contacts.resolveUsername"), asked);
    let left = fleet.wish("/v1/unfollow", json!({ "peer": format!("@{name}") })).await.unwrap();
    assert_eq!(left["peer"]["id"], peer.marked());
    fleet.until("what was asked is answered", || app.crawler.backlog() == (0, 0)).await;
    let unread = fleet.simulator.post(peer, Post::text("nobody reads this")).unwrap();
    let walks = count("messages.getDialogs");
    fleet.until("some more walks", || count("messages.getDialogs") > walks + 3).await;
    assert!(!knows(&app, peer, unread));
    let refused = fleet.wish("/v1/unfollow", json!({ "peer": format!("@{name}") })).await.unwrap_err();
    assert_eq!(refused.code, "not-followed");
    // A peer that has given up its name has its id.
    fleet.wish("/v1/follow", json!({ "peer": format!("@{name}") })).await.unwrap();
    let by_id = || fleet.wish("/v1/unfollow", json!({ "peer": peer.marked().to_string() }));
    assert_eq!(by_id().await.unwrap()["peer"]["id"], peer.marked());
    let refused = by_id().await.unwrap_err();
    assert!(refused.to_string().contains(&format!("peer {} is not followed", peer.marked())), "{refused}");
    let written = Written::default();
    let listing = FollowArgs { peers: Vec::new(), account: None };
    write_followed(&listing, &fleet.globals(), &mut Out::to(written.clone())).await.unwrap();
    assert!(written.text().starts_with("nothing is followed; "), "an empty list says so");
    fleet.stop(app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_configuration_names_is_followed_whatever_else_is_allowed() {
    let (mut fleet, peer, name) = outsider().await;
    fleet.config.crawl.allow = vec!["title:nothing is called so".to_owned()];
    fleet.config.crawl.follow = vec![format!("{name}.t.me"), "@nobody_has_this_name".to_owned()];
    let app = fleet.start().await;
    until_same(&fleet, peer).await;
    fleet.stop(app).await;
    // And never against what is denied.
    fleet.config.crawl.deny = vec![format!("@{name}")];
    let app = fleet.start().await;
    let refused = fleet.wish("/v1/follow", json!({ "peer": format!("@{name}") })).await.unwrap_err();
    assert!(refused.code == "not-followed" && refused.to_string().contains("excluded by `crawl.deny`"), "{refused}");
    for (wrong, code, says) in [
        ("https://t.me/+AbCdEfGh12345678", "not-followed", "only members can read"),
        ("@nobody_has_this_name", "not-followed", "nobody has the username"),
        ("-1001234567890", "bad-target", "an id is not enough"),
    ] {
        let refused = fleet.wish("/v1/follow", json!({ "peer": wrong })).await.unwrap_err();
        assert!(refused.code == code && refused.to_string().contains(says), "{wrong}: {refused}");
    }
    fleet.stop(app).await;
}
