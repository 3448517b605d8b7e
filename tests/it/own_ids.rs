//! What is an account's own: private chats of several accounts are archived side by side, and a basic group by one account at a time, which
//! another one takes over when the first is lost.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::time::Duration;

use serde_json::Value;
use telescribe::app::App;
use telescribe::config::Kind;
use telescribe::crawl::Progress;
use telescribe_simulator::world::ChatKind;
use telescribe_simulator::{PeerId, Post, WorldSpec};
use tokio::time::{Instant, sleep};

use crate::support::copies::{Divided, difference};
use crate::support::fleet::{Fleet, first_differences, small};
use crate::support::waiting::PATIENCE;

/// A fleet with basic groups that several of its accounts are in.
async fn sharing() -> Fleet {
    let mut fleet = Fleet::new(WorldSpec { shared_groups: true, ..small() }).await;
    fleet.config.jobs.counters.enabled = false;
    fleet
}

/// A basic group that two accounts are in.
fn shared_group(fleet: &Fleet) -> PeerId {
    fleet.simulator.inspect(|world| {
        let groups = world.chats.iter().filter(|chat| chat.kind == ChatKind::Group);
        let mut copies = std::collections::BTreeMap::new();
        groups.for_each(|chat| *copies.entry(chat.peer).or_insert(0) += 1);
        *copies.iter().find(|(_, copies)| **copies > 1).unwrap().0
    })
}

async fn settled(fleet: &Fleet, app: &App) -> Divided {
    let end = Instant::now() + PATIENCE;
    loop {
        let progress = Progress::of(&app.archive);
        if app.crawler.backlog() == (0, 0) && progress.peers > 0 && progress.ids_missing == 0 {
            let (dump, truth) = (fleet.dump().await, fleet.truth());
            match difference(dump.as_bytes(), truth.as_bytes()) {
                None => return Divided::of(&dump),
                Some(what) => assert!(Instant::now() < end, "{what}"),
            }
        }
        assert!(Instant::now() < end, "{progress:?}");
        sleep(Duration::from_millis(50)).await;
    }
}

/// An account that is in a group too.
fn other_member(fleet: &Fleet, group: PeerId, owner: &str) -> String {
    fleet.simulator.inspect(|world| {
        let members = world.chats.iter().filter(|chat| chat.peer == group).flat_map(|chat| chat.members.clone());
        members.map(|member| world.accounts[member].name.clone()).find(|name| name != owner).unwrap()
    })
}

fn coverage_url(peer: PeerId, account: &str) -> String {
    format!("/v1/peers/{}/coverage?account={account}", peer.marked())
}

/// The coverage of one account's copy.
async fn coverage(fleet: &Fleet, peer: PeerId, account: &str) -> Value {
    fleet.get(&coverage_url(peer, account)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn private_chats_of_several_accounts_are_archived_side_by_side() {
    let mut fleet = Fleet::new(small()).await;
    fleet.config.crawl.kinds.push(Kind::User);
    let (person, alpha) = fleet.simulator.inspect(|world| {
        let alpha = world.accounts[world.account_named("alpha").unwrap()].user_id;
        let is_account = |id: i64| world.accounts.iter().any(|account| account.user_id == id);
        let person = world.users.iter().map(|user| user.id).find(|id| !is_account(*id)).unwrap();
        (PeerId::user(person), PeerId::user(alpha))
    });
    for (account, peer) in [("alpha", person), ("bravo", person), ("alpha", alpha), ("bravo", alpha), ("charlie", alpha)] {
        fleet.simulator.open_private(account, peer).unwrap();
        for n in 0..3 {
            fleet.simulator.by(account).post(peer, Post::text(format!("{account} says {n}"))).unwrap();
        }
    }
    let app = fleet.start().await;
    let until_equal = async |what: &str| {
        let end = Instant::now() + PATIENCE;
        loop {
            let mut truth = Vec::new();
            fleet.simulator.truth_with_private(&mut truth).unwrap();
            let (dump, truth) = (fleet.dump().await, String::from_utf8(truth).unwrap());
            let messages = |text: &str| -> Vec<String> {
                text.lines().filter(|line| line.contains("\"type\":\"message\"")).map(str::to_owned).collect()
            };
            if messages(&dump) == messages(&truth) {
                return Divided::of(&dump);
            }
            assert!(Instant::now() < end, "{what}: {}", first_differences(&dump, &truth));
            sleep(Duration::from_millis(50)).await;
        }
    };
    let divided = until_equal("at the start").await;
    assert_eq!(divided.accounts_of(person.marked()), ["alpha", "bravo"]);
    // What `alpha` notes down for itself is no part of the chats that the others have with it.
    assert_eq!(divided.accounts_of(alpha.marked()), ["alpha", "bravo", "charlie"]);
    // From then on, and where something is taken back: the same id means another message to each.
    let said = fleet.simulator.by("bravo").post(person, Post::text("from bravo")).unwrap();
    fleet.simulator.by("alpha").post(person, Post::text("from alpha")).unwrap();
    until_equal("what is pushed").await;
    fleet.simulator.by("bravo").delete(person, &[said]).unwrap();
    let divided = until_equal("what is deleted").await;
    let of = |account: &str| divided.copies[&(person.marked(), account.to_owned())].len();
    assert!(of("alpha") >= 4);
    // Whose ids are meant must be said.
    let messages = format!("/v1/peers/{}/messages", person.marked());
    let page = fleet.get(&format!("{messages}?account=bravo&order=oldest")).await;
    assert_eq!(page["messages"][0]["account"], "bravo", "{page:#}");
    assert_eq!(page["messages"].as_array().unwrap().len(), of("bravo") + 1, "the deleted one included");
    let refused = telescribe::cli::client::Api::open(&fleet.globals()).await.unwrap();
    let refused = refused.get::<Value>(&telescribe::cli::client::Target::new(messages)).await.unwrap_err().to_string();
    assert!(refused.contains("name one by `account`: `alpha`, `bravo`"), "{refused}");
    let found = fleet.get("/v1/search?q=%22from+bravo%22+OR+%22bravo+says%22").await;
    assert!(found["hits"].as_array().unwrap().iter().all(|hit| hit["message"]["account"].is_string()), "{found:#}");
    fleet.stop(app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_is_archived_once_and_taken_over_when_its_account_is_lost() {
    let fleet = sharing().await;
    let group = shared_group(&fleet);
    let app = fleet.start().await;
    let divided = settled(&fleet, &app).await;
    let owners = divided.accounts_of(group.marked());
    assert_eq!(owners.len(), 1, "it is archived once, though both accounts began at the same time");
    let owner = owners[0].to_owned();
    let other = other_member(&fleet, group, &owner);
    fleet.simulator.post(group, Post::text("to everybody")).unwrap();
    settled(&fleet, &app).await;

    // Thrown out, it keeps what it had, and the other one reads all of it by its own ids.
    fleet.simulator.kick(&owner, group).unwrap();
    fleet.simulator.post(group, Post::text("without it")).unwrap();
    fleet.until_got(&format!("/v1/peers/{}", group.marked()), |peer| peer["accounts"].as_array().unwrap().len() == 2).await;
    settled(&fleet, &app).await;
    let former = coverage(&fleet, group, &owner).await;
    assert_eq!((&former["unavailable"], &former["complete"]), (&"TAKEN_OVER".into(), &true.into()), "{former:#}");
    let now = coverage(&fleet, group, &other).await;
    assert_eq!((&now["unavailable"], &now["complete"]), (&Value::Null, &true.into()), "{now:#}");
    let deleted = fleet.get("/v1/coverage").await["summary"]["deleted"].as_u64().unwrap();
    assert_eq!(deleted, 0, "nothing of either copy was taken for deleted");
    // Let in again, it does not take it back, also after a restart.
    fleet.simulator.join(&owner, group).unwrap();
    fleet.stop(app).await;
    let app = fleet.start().await;
    let id = fleet.simulator.by(&other).post(group, Post::text("who reads this?")).unwrap();
    let divided = settled(&fleet, &app).await;
    let newest = divided.copies[&(group.marked(), other.clone())].last().unwrap();
    assert!(newest.contains(&format!("\"id\":{id},")) && newest.contains("who reads this?"), "{newest}");
    let former = coverage(&fleet, group, &owner).await;
    assert_eq!(former["unavailable"], "TAKEN_OVER", "{former:#}");
    // Until that one is lost in its turn.
    fleet.simulator.kick(&other, group).unwrap();
    let id = fleet.simulator.by(&owner).post(group, Post::text("back again")).unwrap();
    fleet.until_got(&coverage_url(group, &other), |latter| latter["unavailable"] == "TAKEN_OVER").await;
    let divided = settled(&fleet, &app).await;
    let newest = divided.copies[&(group.marked(), owner.clone())].last().unwrap();
    assert!(newest.contains(&format!("\"id\":{id},")), "{newest}");
    fleet.stop(app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_banned_accounts_group_is_taken_over_too() {
    let fleet = sharing().await;
    let group = shared_group(&fleet);
    let app = fleet.start().await;
    let owner = settled(&fleet, &app).await.accounts_of(group.marked())[0].to_owned();
    fleet.simulator.ban(&owner).unwrap();
    fleet.simulator.post(group, Post::text("who is left?")).unwrap();
    fleet.until_got(&format!("/v1/peers/{}", group.marked()), |peer| peer["accounts"].as_array().unwrap().len() == 2).await;
    let other = other_member(&fleet, group, &owner);
    let is_whole = |coverage: &Value| coverage["complete"] == true && coverage["top"].as_i64() > Some(0);
    fleet.until_got(&coverage_url(group, &other), is_whole).await;
    let (dump, truth) = (Divided::of(&fleet.dump().await), Divided::of(&fleet.truth()));
    let copy = (group.marked(), other);
    assert_eq!(dump.copies[&copy], truth.copies[&copy]);
    fleet.stop(app).await;
}
