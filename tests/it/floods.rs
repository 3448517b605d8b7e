//! A flood wait is waited for, whatever request met it: also those that come along with others, and also over a restart.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use telescribe_simulator::{Fault, LedgerEntry, Outcome, Rule, When};

use crate::support::fleet::{Fleet, small};
use crate::support::methods::{EXPORT, IMPORT, INIT_TAKEOUT};
use crate::support::waiting::UNDER_WAY;

/// Every method that a crawl calls in the ordinary course, and those that come along with others.
const METHODS: [&str; 11] = [
    "help.getConfig",
    "users.getUsers",
    "updates.getState",
    "updates.getDifference",
    "updates.getChannelDifference",
    "messages.getDialogs",
    "messages.getDialogFilters",
    "messages.getHistory",
    INIT_TAKEOUT,
    EXPORT,
    IMPORT,
];

fn is_flood(entry: &LedgerEntry) -> bool {
    matches!(&entry.outcome, Outcome::Error(name) if name.starts_with("FLOOD_WAIT"))
}

/// A data centre that is not the account's home.
fn elsewhere(fleet: &Fleet, name: &str) -> i32 {
    let accounts = fleet.simulator.accounts();
    let home = accounts.iter().find(|account| account.name == name).unwrap().home_dc;
    (1..=3).find(|dc| *dc != home).unwrap()
}

fn asked(fleet: &Fleet, account: &str) -> Vec<LedgerEntry> {
    fleet.simulator.ledger().into_iter().filter(|e| e.account == account).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_method_is_called_again_before_its_flood_wait_has_ended_whatever_it_came_along_with() {
    let mut fleet = Fleet::new(small()).await;
    fleet.config.accounts.takeout = true;
    for method in METHODS {
        fleet.simulator.fault(Rule::new(Fault::FloodWait { seconds: 2 }, When::Next(1)).account("alpha").method(method));
    }
    let app = fleet.start().await;
    fleet
        .until("the account has read history", || asked(&fleet, "alpha").iter().any(|e| e.method == "messages.getHistory"))
        .await;
    fleet.simulator.move_home("alpha", elsewhere(&fleet, "alpha")).unwrap();
    fleet.until_equal(&app).await;
    fleet
        .until("the account has moved", || asked(&fleet, "alpha").iter().any(|e| e.method == IMPORT && e.outcome == Outcome::Ok))
        .await;
    for method in [EXPORT, IMPORT, INIT_TAKEOUT, "help.getConfig", "users.getUsers", "updates.getState"] {
        assert!(asked(&fleet, "alpha").iter().any(|e| e.method == method && is_flood(e)), "{method} met its wait");
    }
    let early: Vec<_> = fleet.simulator.early_calls().into_iter().filter(|call| call.after > UNDER_WAY).collect();
    assert!(early.is_empty(), "{} calls came too early, such as {:?}", early.len(), early.first());
    fleet.stop(app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_may_not_move_yet_rests_also_over_a_restart_and_the_others_go_on() {
    let fleet = Fleet::new(small()).await;
    let app = fleet.start_and_finish().await;
    let flood = Rule::new(Fault::FloodWait { seconds: 3_600 }, When::Always).account("alpha").method(EXPORT);
    fleet.simulator.fault(flood);
    fleet.simulator.clear_ledger();
    fleet.simulator.move_home("alpha", elsewhere(&fleet, "alpha")).unwrap();
    fleet.until("the wait is met", || fleet.simulator.request_count(EXPORT) == 1).await;
    let rests = |status: &serde_json::Value| {
        let alpha = status["accounts"].as_array().unwrap().iter().find(|a| a["name"] == "alpha").unwrap();
        alpha["rests_until"].is_string() && alpha["parked_until"][EXPORT].is_string()
    };
    fleet.until_got("/v1/status", rests).await;
    fleet.stop(app).await;

    fleet.simulator.clear_ledger();
    let app = fleet.start().await;
    fleet.until_got("/v1/status", rests).await;
    let others = || ["bravo", "charlie"].iter().all(|name| asked(&fleet, name).len() > 6);
    fleet.until("the others are asked again and again", others).await;
    assert_eq!(fleet.simulator.request_count(EXPORT), 0, "the wait is remembered");
    let alpha: Vec<&str> = asked(&fleet, "alpha").iter().map(|e| e.method).filter(|m| *m != "help.getConfig").collect();
    assert!(alpha.len() <= 2, "it is told once or twice that it has moved, and rests: {alpha:?}");
    fleet.stop(app).await;
}
