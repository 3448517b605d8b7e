//! The operator's rules are asked first, everywhere: what they exclude costs no request, also where it is known already and pushed.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::collections::BTreeMap;

use telescribe::config::JobConfig;
use telescribe_simulator::world::ChatKind;
use telescribe_simulator::{Fault, Options, PeerId, Post, Rule, When, WorldSpec};

use crate::support::fleet::{Fleet, knows, small};
use crate::support::methods::HISTORY;

/// Two supergroups of `alpha`.
fn groups(fleet: &Fleet) -> [PeerId; 2] {
    fleet.simulator.inspect(|world| {
        let alpha = world.account_named("alpha").unwrap();
        let groups = world.chats.iter().filter(|chat| chat.kind == ChatKind::Supergroup && chat.members.contains(&alpha));
        let groups: Vec<PeerId> = groups.map(|chat| chat.peer).collect();
        [groups[0], groups[1]]
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_is_denied_costs_nothing_whatever_is_pushed_of_it_and_stays_as_it_is() {
    let mut fleet = Fleet::new(small()).await;
    let [denied, other] = groups(&fleet);
    let app = fleet.start_and_finish().await;
    fleet.stop(app).await;
    let all = fleet.truth();
    fleet.config.crawl.deny = vec![denied.marked().to_string().parse().unwrap()];
    // By the clock nothing is asked.
    let never = JobConfig::every("0 0 0 1 1 *");
    fleet.config.jobs.catch_up = never.clone();
    fleet.config.jobs.backfill = never;
    let app = fleet.start().await;
    fleet.until("what a start asks is answered", || app.crawler.backlog() == (0, 0)).await;
    fleet.simulator.clear_ledger();
    for n in 0..20 {
        fleet.simulator.post(denied, Post::text(format!("nobody reads this, {n}"))).unwrap();
    }
    let last = fleet.simulator.post(other, Post::text("but this")).unwrap();
    fleet.until("what is pushed of others is archived", || knows(&app, other, last)).await;
    let asked: BTreeMap<(String, &str), u64> = fleet.simulator.request_counts();
    for method in ["messages.getDialogs", "messages.getPeerDialogs", "updates.getChannelDifference", HISTORY] {
        assert!(asked.keys().all(|(_, name)| *name != method), "{asked:?}");
    }
    let of_denied = |text: &str| text.lines().filter(|line| line.contains(&format!("\"peer\":{},", denied.marked()))).count();
    assert_eq!(of_denied(&fleet.dump().await), of_denied(&all), "what was archived stays, and nothing comes to it");
    fleet.stop(app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_that_says_nothing_of_a_peer_costs_no_peer() {
    let fleet = Fleet::new(small()).await;
    let refused = Fault::Error { code: 400, name: "API_ID_INVALID".to_owned() };
    fleet.simulator.fault(Rule::new(refused, When::Always).method(HISTORY).account("alpha"));
    let app = fleet.start().await;
    fleet.until("it has been refused", || fleet.simulator.request_count(HISTORY) > 0).await;
    fleet.until_got("/v1/coverage", |page| page["summary"]["peers_complete"].as_i64() > Some(0)).await;
    let page = fleet.get("/v1/coverage?limit=200").await;
    assert_eq!(page["summary"]["peers_unavailable"], 0, "{page:#}");
    // The method is left alone by this account, and no other is.
    let asked = fleet.simulator.request_counts();
    let of = |account: &str| asked.get(&(account.to_owned(), HISTORY)).copied().unwrap_or_default();
    assert!(of("alpha") <= 12, "one for each request under way: {asked:?}");
    fleet.stop(app).await;
}

/// News that only one account sees, further down in its dialogs than a page on which another has archived everything.
#[tokio::test(flavor = "multi_thread")]
async fn a_walk_goes_on_to_where_the_accounts_own_last_walk_began_whatever_the_archive_knows() {
    let spec = WorldSpec { seed: 5, accounts: 2, peers: 260, messages: 3_000, ..WorldSpec::default() };
    let fleet = Fleet::of(spec.generate(), Options::default()).await;
    let (own, shared) = fleet.simulator.inspect(|world| {
        let (alpha, bravo) = (world.account_named("alpha").unwrap(), world.account_named("bravo").unwrap());
        let of_bravo = |chat: &&telescribe_simulator::world::Chat| {
            chat.kind != ChatKind::Group && chat.members.contains(&bravo) && chat.linked.is_none()
        };
        let own = world.chats.iter().filter(of_bravo).find(|chat| !chat.members.contains(&alpha) && chat.username.is_none());
        let shared = world.chats.iter().filter(of_bravo).filter(|chat| chat.members.contains(&alpha));
        (own.unwrap().peer, shared.map(|chat| chat.peer).collect::<Vec<_>>())
    });
    for account in ["alpha", "bravo"] {
        fleet.simulator.withhold_updates(account, true).unwrap();
    }
    // More than a page of dialogs of both.
    for peer in fleet.simulator.inspect(|world| {
        world
            .chats
            .iter()
            .filter(|c| c.kind == ChatKind::Supergroup || c.kind == ChatKind::Channel)
            .map(|c| c.peer)
            .collect::<Vec<_>>()
    }) {
        if peer != own {
            fleet.simulator.join("alpha", peer).ok();
            fleet.simulator.join("bravo", peer).ok();
        }
    }
    drop(shared);
    let app = fleet.start_and_finish().await;
    fleet.stop(app).await;
    let bravos = fleet.config.accounts.sessions.join("bravo.session");
    let aside = fleet.path("bravo.session");
    let news = fleet.simulator.post(own, Post::text("only bravo sees this")).unwrap();
    let busy: Vec<PeerId> = fleet.simulator.inspect(|world| {
        let peers = world.chats.iter().filter(|c| c.peer != own && matches!(c.kind, ChatKind::Supergroup | ChatKind::Channel));
        peers.map(|c| c.peer).take(120).collect()
    });
    let newest: Vec<(PeerId, i32)> =
        busy.iter().map(|peer| (*peer, fleet.simulator.post(*peer, Post::text("both see this")).unwrap())).collect();
    // The one account archives what both see.
    std::fs::rename(&bravos, &aside).unwrap();
    std::fs::remove_file(fleet.data().join("known.json")).unwrap();
    let app = fleet.start().await;
    fleet.until("what both see is archived", || newest.iter().all(|(peer, id)| knows(&app, *peer, *id))).await;
    fleet.stop(app).await;
    std::fs::rename(&aside, &bravos).unwrap();
    let app = fleet.start().await;
    fleet.until("what only the other sees is found", || knows(&app, own, news)).await;
    fleet.stop(app).await;
}
