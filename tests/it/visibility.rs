//! What accounts see differs: a group's past that is hidden from one of ours is read by another, never counts as read by the one that does
//! not see it, and is never taken for deleted.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::fs;
use std::process::ExitCode;
use std::time::Duration;

use serde_json::Value;
use telescribe::app::App;
use telescribe::cli::{Out, coverage};
use telescribe::config::Span;
use telescribe::crawl::Progress;
use telescribe::model::{self, ChangeKind, Seq};
use telescribe_simulator::world::ChatKind;
use telescribe_simulator::{Fault, PeerId, Post, Rule, When};
use tokio::time::{Instant, sleep};

use crate::support::commands::Written;
use crate::support::fleet::{Fleet, first_differences, knows, small};
use crate::support::methods::HISTORY;
use crate::support::waiting::PATIENCE;

/// A fleet of which only some accounts are the program's.
struct Partly(Fleet);

impl Partly {
    async fn new() -> Self {
        let mut fleet = Fleet::new(small()).await;
        fleet.config.crawl.recheck_window = Span::seconds(100 * 365 * 24 * 60 * 60);
        fleet.config.jobs.recheck.enabled = false;
        fleet.config.jobs.counters.enabled = false;
        // A small world: a page of it is a mass deletion, and what must not be believed is a deletion at all.
        fleet.config.crawl.mass_deletion_min = 100_000;
        Self(fleet)
    }

    /// Gives the program these accounts' sessions, and takes all others away.
    fn only(&self, accounts: &[&str]) {
        let (folder, aside) = (&self.0.config.accounts.sessions, self.0.path("aside"));
        fs::create_dir_all(&aside).unwrap();
        for account in self.0.simulator.accounts() {
            let file = format!("{}.session", account.name);
            let (here, there) = (folder.join(&file), aside.join(&file));
            let wanted = accounts.contains(&account.name.as_str());
            if wanted && there.exists() {
                fs::rename(there, here).unwrap();
            } else if !wanted && here.exists() {
                fs::rename(here, there).unwrap();
            }
        }
        // They are meant to be gone.
        fs::remove_file(self.0.data().join("known.json")).ok();
    }

    /// The largest supergroup without a username that `alpha` is in.
    fn group(&self) -> PeerId {
        self.0.simulator.inspect(|world| {
            let alpha = world.account_named("alpha").unwrap();
            let private = |chat: &&telescribe_simulator::world::Chat| {
                chat.kind == ChatKind::Supergroup
                    && chat.username.is_none()
                    && chat.linked.is_none()
                    && chat.members.contains(&alpha)
            };
            world.chats.iter().filter(private).max_by_key(|chat| chat.history.len()).unwrap().peer
        })
    }

    /// Has `bravo` let into a group, whose past it cannot see; returns the newest id before.
    fn let_in_late(&self, peer: PeerId) -> i32 {
        let simulator = &self.0.simulator;
        simulator.leave("bravo", peer).ok();
        simulator.hide_prehistory(peer, true).unwrap();
        let before = simulator.inspect(|world| world.chat(peer).unwrap().history.newest().unwrap().id);
        simulator.join("bravo", peer).unwrap();
        for text in ["after", "that", "day"] {
            simulator.post(peer, Post::text(text)).unwrap();
        }
        before
    }

    async fn coverage(&self, peer: PeerId) -> Value {
        self.0.get(&format!("/v1/peers/{}/coverage", peer.marked())).await
    }

    async fn until_idle(&self, app: &App) {
        self.0
            .until("everything that can be read is", || {
                let progress = Progress::of(&app.archive);
                app.crawler.backlog() == (0, 0) && progress.peers > 0 && progress.ids_missing == 0
            })
            .await;
    }

    /// Waits until a peer's dump is what Telegram holds.
    async fn until_same(&self, peer: PeerId) {
        let end = Instant::now() + PATIENCE;
        while self.difference(peer).await.is_some() && Instant::now() < end {
            sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(self.difference(peer).await, None);
    }

    /// How a peer's dump differs from what Telegram holds.
    async fn difference(&self, peer: PeerId) -> Option<String> {
        let (dump, truth) = (self.0.dump().await, self.0.truth());
        let (dump, truth) = (Self::lines_of(&dump, peer), Self::lines_of(&truth, peer));
        (dump != truth).then(|| first_differences(&dump.join("\n"), &truth.join("\n")))
    }

    /// The lines of a peer in a dump.
    fn lines_of(text: &str, peer: PeerId) -> Vec<String> {
        let of = format!("\"peer\":{},", peer.marked());
        text.lines().filter(|line| line.contains("\"type\":\"message\"") && line.contains(&of)).map(str::to_owned).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_past_that_is_hidden_from_an_account_is_no_empty_history_and_another_account_reads_it() {
    let partly = Partly::new().await;
    let peer = partly.group();
    let before = partly.let_in_late(peer);
    partly.only(&["bravo"]);
    let app = partly.0.start().await;
    partly.until_idle(&app).await;
    let coverage = partly.coverage(peer).await;
    assert_eq!((&coverage["complete"], &coverage["missing"]), (&true.into(), &0.into()), "{coverage:#}");
    assert!(coverage["hidden"].as_i64().unwrap() >= i64::from(before), "{coverage:#}");
    let hole = &coverage["holes"][0];
    assert_eq!((hole["first"].as_i64(), hole["reason"].as_str()), (Some(1), Some("hidden")), "{coverage:#}");
    partly.0.stop(app).await;
    // Somebody who has always been in it.
    partly.only(&["alpha", "bravo", "charlie"]);
    let app = partly.0.start_and_finish().await;
    let coverage = partly.coverage(peer).await;
    assert_eq!((&coverage["complete"], &coverage["hidden"]), (&true.into(), &0.into()), "{coverage:#}");
    partly.0.stop(app).await;
    // Read again by the one that sees nothing of it, nothing of it is gone.
    partly.only(&["bravo"]);
    let app = partly.0.start().await;
    partly.until_idle(&app).await;
    partly.0.run_job(&app, "recheck", HISTORY).await;
    assert_eq!(partly.difference(peer).await, None);
    partly.0.stop(app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_was_let_in_again_meanwhile_takes_nothing_for_deleted_that_it_no_longer_sees() {
    let partly = Partly::new().await;
    let peer = partly.group();
    partly.0.simulator.join("bravo", peer).ok();
    partly.only(&["bravo"]);
    let app = partly.0.start().await;
    partly.until_idle(&app).await;
    assert_eq!(partly.difference(peer).await, None);
    partly.0.stop(app).await;
    partly.let_in_late(peer);
    let app = partly.0.start().await;
    partly.until_same(peer).await;
    partly.until_idle(&app).await;
    partly.0.run_job(&app, "recheck", HISTORY).await;
    partly.until_idle(&app).await;
    assert_eq!(partly.difference(peer).await, None);
    // Nor while it runs: it is thrown out and let in again, and told.
    partly.let_in_late(peer);
    partly.until_same(peer).await;
    partly.0.run_job(&app, "recheck", HISTORY).await;
    partly.until_idle(&app).await;
    assert_eq!(partly.difference(peer).await, None);
    partly.0.stop(app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_nobody_can_read_any_more_is_not_complete_and_is_again_when_somebody_is_back() {
    let partly = Partly::new().await;
    partly.only(&["alpha"]);
    let app = partly.0.start().await;
    partly.until_idle(&app).await;
    let of_alpha = partly.0.get("/v1/coverage").await["summary"].clone();
    assert_eq!((&of_alpha["complete"], &of_alpha["peers_unavailable"]), (&true.into(), &0.into()), "{of_alpha:#}");
    partly.0.simulator.ban("alpha").unwrap();
    let lost = partly.0.until_got("/v1/coverage", |page| page["summary"]["peers_complete"] == 0).await;
    let summary = &lost["summary"];
    assert_eq!(summary["peers_unavailable"], of_alpha["peers"], "{summary:#}");
    let peer = &lost["peers"][0];
    assert_eq!(peer["unavailable"], "NO_ACCOUNT", "{peer:#}");
    assert!(peer["unavailable_since"].as_str().unwrap().ends_with('Z'), "{peer:#}");
    partly.0.stop(app).await;
    // Also for who looks while nothing runs.
    let out = Written::default();
    let args = coverage::Args { peer: None, account: None, incomplete: false };
    let code = coverage::write(&args, &partly.0.globals(), &mut Out::to(out.clone())).await.unwrap();
    let text = out.text();
    assert_eq!(code, ExitCode::from(1), "{text}");
    assert!(text.contains("(no account can read it since 2"), "{text}");
    // Another one that is in some of them.
    partly.only(&["alpha", "bravo", "charlie"]);
    let app = partly.0.start().await;
    let found = partly.0.until_got("/v1/coverage", |page| page["summary"]["peers_complete"] != 0).await;
    assert!(found["summary"]["peers"].as_i64() >= of_alpha["peers"].as_i64(), "{found:#}");
    partly.0.stop(app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_an_account_was_thrown_out_of_is_no_dialog_of_it_though_telegram_lists_it() {
    let partly = Partly::new().await;
    let simulator = &partly.0.simulator;
    // A basic group, and a supergroup of the same account.
    let (account, group) = simulator.inspect(|world| {
        let group = world.chats.iter().find(|chat| chat.kind == ChatKind::Group && chat.migrated_to.is_none()).unwrap();
        (world.accounts[group.owner.unwrap()].name.clone(), group.peer)
    });
    let supergroup = partly.group();
    simulator.join(&account, supergroup).unwrap();
    simulator.withhold_updates(&account, true).unwrap();
    simulator.list_forbidden(&account, true).unwrap();
    for peer in [group, supergroup] {
        simulator.forbid(&account, peer, true).unwrap();
    }
    partly.only(&[&account]);
    let app = partly.0.start().await;
    partly.until_idle(&app).await;
    let walks = simulator.request_count("messages.getDialogs");
    partly.0.until("some more walks", || simulator.request_count("messages.getDialogs") > walks + 3).await;
    for peer in [group, supergroup].map(|peer| model::PeerId(peer.marked())) {
        assert_eq!(app.archive.view().members(peer).unwrap(), []);
        assert_eq!(app.archive.view().crawl_state(peer).unwrap(), None, "and nothing is asked of it");
    }
    partly.0.stop(app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_in_an_accounts_address_book_is_nobodys_name() {
    let partly = Partly::new().await;
    let simulator = &partly.0.simulator;
    // Somebody whose message is in a group of both.
    let (alpha, bravo) =
        simulator.inspect(|world| (world.account_named("alpha").unwrap(), world.account_named("bravo").unwrap()));
    let (user, name) = simulator.inspect(|world| {
        let shared = world
            .chats
            .iter()
            .filter(|chat| chat.kind == ChatKind::Supergroup && [alpha, bravo].iter().all(|a| chat.members.contains(a)));
        let senders = shared.flat_map(|chat| chat.history.messages()).filter_map(|message| message.sender);
        let own: Vec<i64> = world.accounts.iter().map(|account| account.user_id).collect();
        let user = senders.filter_map(|sender| world.user(sender.marked())).find(|user| !own.contains(&user.id)).unwrap();
        (user.id, user.full_name())
    });
    simulator.save_contact("alpha", user, "Informant, do not call").unwrap();
    partly.only(&["alpha"]);
    let app = partly.0.start().await;
    partly.until_idle(&app).await;
    let title = |app: &App| app.archive.view().peer(model::PeerId(user)).unwrap().unwrap().title;
    assert_eq!(title(&app), "", "its own name is not known to this account");
    partly.0.stop(app).await;
    // Who sees the name that it gave itself says it, and who does not takes nothing back.
    for (accounts, times) in [(&["bravo", "charlie"][..], 2), (&["alpha"][..], 2)] {
        partly.only(accounts);
        let app = partly.0.start().await;
        partly.until_idle(&app).await;
        partly.0.run_job(&app, "recheck", HISTORY).await;
        partly.until_idle(&app).await;
        assert_eq!(title(&app), name);
        let changes = app.archive.view().changes(Seq(0), usize::MAX).unwrap();
        let of_user = ChangeKind::PeerChanged { peer: model::PeerId(user) };
        assert_eq!(changes.iter().filter(|change| change.kind == of_user).count(), times, "it does not change to and fro");
        partly.0.stop(app).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_telegram_does_not_say_what_an_account_sees_history_is_read_and_no_end_of_it_believed() {
    let partly = Partly::new().await;
    let peer = partly.group();
    let before = partly.let_in_late(peer);
    let broken = Fault::Error { code: 500, name: "INTERNAL".to_owned() };
    partly.0.simulator.fault(Rule::new(broken, When::Always).method("channels.getFullChannel"));
    partly.only(&["bravo"]);
    let app = partly.0.start().await;
    let newest = partly.0.simulator.inspect(|world| world.chat(peer).unwrap().history.newest().unwrap().id);
    partly.0.until("what it sees is archived", || knows(&app, peer, newest)).await;
    let coverage = partly.coverage(peer).await;
    assert_eq!(coverage["complete"], false, "{coverage:#}");
    assert!(coverage["missing"].as_i64().unwrap() >= i64::from(before), "{coverage:#}");
    partly.0.stop(app).await;
    partly.0.simulator.clear_faults();
    partly.only(&["alpha", "bravo", "charlie"]);
    let app = partly.0.start_and_finish().await;
    partly.0.stop(app).await;
}
