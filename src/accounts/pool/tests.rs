//! The pool's promises, one by one.

use std::collections::BTreeMap;

use super::Urgency::{Background, Fresh, Live};
use super::*;
use crate::model::{FixedClock, Timestamp};

const HISTORY: &str = "messages.getHistory";
const DIALOGS: &str = "messages.getDialogs";
const FILE: &str = "upload.getFile";
const JOIN: &str = "channels.joinChannel";
const RESOLVE: &str = "contacts.resolveUsername";

fn pool(in_flight: usize, interval: u64) -> (Arc<Pool>, FixedClock, Vec<AccountName>) {
    let clock = FixedClock::new(Timestamp(1_000_000));
    let names: Vec<AccountName> = ["alpha", "bravo"].iter().map(|n| n.parse().unwrap()).collect();
    let request_interval = Duration::from_secs(interval);
    let settings = PoolSettings { request_interval, requests_in_flight_max: in_flight, ..PoolSettings::default() };
    (Pool::new(names.clone(), settings, Arc::new(clock.clone())), clock, names)
}

fn whose(turn: &LeaseOutcome) -> &str {
    match turn {
        LeaseOutcome::Granted(lease) => lease.account().as_str(),
        other => panic!("no lease: {other:?}"),
    }
}

/// How long a request would wait.
fn wait(pool: &Pool, account: &AccountName, method: &'static str, urgency: Urgency) -> i64 {
    (pool.free_at(account, method, urgency).unwrap() - pool.clock.now()).num_seconds()
}

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

#[test]
fn the_account_with_the_least_to_do_is_asked() {
    let (pool, _, names) = pool(2, 0);
    let first = pool.lease(&names, HISTORY, Fresh);
    let second = pool.lease(&names, HISTORY, Fresh);
    assert_ne!(whose(&first), whose(&second));
    let rest = (pool.lease(&names, HISTORY, Fresh), pool.lease(&names, HISTORY, Fresh));
    assert!(matches!(pool.lease(&names, HISTORY, Fresh), LeaseOutcome::Busy));
    drop(first);
    assert!(matches!(pool.lease(&names, HISTORY, Fresh), LeaseOutcome::Granted(_)));
    drop(rest);
}

#[test]
fn an_account_that_downloads_is_asked_last_and_equals_take_turns() {
    let (pool, _, names) = pool(9, 0);
    let download = pool.lease(&names[..1], FILE, Background);
    assert_eq!(pool.status()[0].downloads_running, 1);
    for _ in 0..3 {
        assert_eq!(whose(&pool.lease(&names, HISTORY, Fresh)), "bravo");
    }
    drop(download);
    let turns: Vec<String> = (0..6).map(|_| whose(&pool.lease(&names, HISTORY, Fresh)).to_owned()).collect();
    assert!(turns.windows(2).all(|two| two[0] != two[1]), "{turns:?}");
}

#[test]
fn a_live_request_does_not_wait_for_the_answer_to_another() {
    let (pool, _, names) = pool(1, 0);
    let past = pool.lease(&names[..1], HISTORY, Background);
    assert!(matches!(pool.lease(&names[..1], HISTORY, Fresh), LeaseOutcome::Busy));
    let live = pool.lease(&names[..1], "updates.getDifference", Live);
    assert_eq!(whose(&live), "alpha");
    assert!(matches!(pool.lease(&names[..1], HISTORY, Live), LeaseOutcome::Busy));
    drop((past, live));
}

#[test]
fn a_live_request_never_waits_because_history_took_the_turn() {
    let (pool, clock, names) = pool(9, 2);
    for _ in 0..20 {
        while matches!(pool.lease(&names[..1], HISTORY, Background), LeaseOutcome::Granted(_)) {}
        while matches!(pool.lease(&names[..1], "updates.getDifference", Fresh), LeaseOutcome::Granted(_)) {}
        assert_eq!(wait(&pool, &names[0], HISTORY, Live), 0);
        clock.advance(1);
    }
    drop(pool.lease(&names[..1], HISTORY, Live));
    assert!(wait(&pool, &names[0], HISTORY, Live) <= 2);
    assert!(wait(&pool, &names[0], HISTORY, Background) > 2);
}

#[test]
fn an_account_keeps_its_pace_over_time() {
    let (pool, clock, names) = pool(9, 2);
    let mut turns = 0;
    for _ in 0..200 {
        while matches!(pool.lease(&names[..1], HISTORY, Fresh), LeaseOutcome::Granted(_)) {
            turns += 1;
        }
        clock.advance(1);
    }
    assert!((100..=103).contains(&turns), "{turns}");
}

#[test]
fn a_flood_wait_on_one_account_does_not_stop_the_others_nor_its_other_methods() {
    let (pool, clock, names) = pool(9, 0);
    pool.flood(&names[0], HISTORY, seconds(30), "FLOOD_WAIT");
    for _ in 0..3 {
        assert_eq!(whose(&pool.lease(&names, HISTORY, Fresh)), "bravo");
    }
    assert_eq!(whose(&pool.lease(&names[..1], DIALOGS, Fresh)), "alpha");
    clock.advance(30);
    assert!(matches!(pool.lease(&names[..1], HISTORY, Fresh), LeaseOutcome::NotBefore(_)), "a little longer than Telegram asks");
    clock.advance(2);
    assert_eq!(whose(&pool.lease(&names[..1], HISTORY, Fresh)), "alpha");
}

#[test]
fn an_error_parks_what_it_is_about() {
    let join_by_link = "messages.importChatInvite";
    let parked_by = |method, name: &str| {
        let (pool, _, names) = pool(9, 1);
        pool.flood(&names[0], method, seconds(3_600), name);
        let all = [HISTORY, DIALOGS, FILE, JOIN, join_by_link, RESOLVE, "account.initTakeoutSession"];
        all.into_iter().filter(|method| wait(&pool, &names[0], method, Live) > 100).collect::<Vec<_>>()
    };
    assert_eq!(parked_by(HISTORY, "FLOOD_WAIT"), [HISTORY]);
    assert_eq!(parked_by(HISTORY, "SLOWMODE_WAIT"), [HISTORY]);
    assert_eq!(parked_by(HISTORY, "SOMETHING_NEW_WAIT"), [HISTORY]);
    assert_eq!(parked_by(FILE, "FLOOD_PREMIUM_WAIT"), [FILE]);
    assert_eq!(parked_by(JOIN, "PEER_FLOOD"), [JOIN, join_by_link, RESOLVE]);
    assert_eq!(parked_by(join_by_link, "FLOOD_WAIT"), [JOIN, join_by_link]);
    assert_eq!(parked_by(HISTORY, "TAKEOUT_INIT_DELAY"), ["account.initTakeoutSession"]);
}

#[test]
fn waits_make_a_method_slower_and_calm_makes_it_faster_again() {
    let (pool, clock, names) = pool(9, 1);
    let interval = |pool: &Pool| pool.status()[0].intervals[HISTORY].as_secs_f64();
    for _ in 0..3 {
        pool.flood(&names[0], HISTORY, seconds(10), "FLOOD_WAIT");
        clock.advance(60);
    }
    assert!((interval(&pool) - 8.0).abs() < 1e-9, "{}", interval(&pool));
    clock.advance(60);
    while matches!(pool.lease(&names[..1], HISTORY, Live), LeaseOutcome::Granted(_)) {}
    assert!((7..=8).contains(&wait(&pool, &names[0], HISTORY, Live)));
    assert!(wait(&pool, &names[0], "updates.getDifference", Live) <= 1, "the other methods are as fast as before");
    clock.advance(24 * 3_600);
    assert!((interval(&pool) - 1.0).abs() < 1e-9);
    let status = &pool.status()[0];
    assert_eq!((status.floods, status.last_flood.as_ref().unwrap().0.as_str()), (3, HISTORY));
}

#[test]
fn what_is_not_about_the_pace_makes_nothing_slower() {
    let (pool, _, names) = pool(9, 1);
    pool.flood(&names[0], HISTORY, seconds(10), "SLOWMODE_WAIT");
    pool.flood(&names[0], RESOLVE, seconds(10), "PEER_FLOOD");
    let intervals = &pool.status()[0].intervals;
    assert_eq!((intervals[HISTORY], intervals[RESOLVE]), (seconds(1), seconds(4)));
}

#[test]
fn setting_the_clock_ends_no_wait_early_and_makes_none_longer() {
    let (pool, clock, names) = pool(9, 0);
    pool.flood(&names[0], HISTORY, seconds(8 * 3_600), "FLOOD_WAIT");
    for by in [30 * 86_400, -60 * 86_400, 30 * 86_400] {
        clock.set_by(by);
        assert!(matches!(pool.lease(&names[..1], HISTORY, Live), LeaseOutcome::NotBefore(_)), "{by}");
    }
    clock.set_by(-86_400);
    clock.advance(8 * 3_600 + 301);
    assert_eq!(whose(&pool.lease(&names[..1], HISTORY, Live)), "alpha");
}

#[test]
fn budgets_survive_a_restart() {
    let (before, clock, names) = pool(9, 1);
    let mut changed = before.budgets_changed();
    changed.mark_unchanged();
    before.flood(&names[0], HISTORY, seconds(9 * 3_600), "FLOOD_WAIT");
    assert!(changed.has_changed().unwrap());
    changed.mark_unchanged();
    drop(before.lease(&names[..1], JOIN, Live));
    assert!(changed.has_changed().unwrap(), "what a rare method owes is worth saving");
    let saved = before.budgets(&names[0]);
    assert_eq!(saved, before.budgets(&names[0]));
    let text = serde_json::to_string_pretty(&saved).unwrap();

    clock.advance(100);
    let after = Pool::new(names.clone(), before.settings.clone(), Arc::new(clock.clone()));
    assert_eq!(wait(&after, &names[0], JOIN, Live), 0);
    after.restore(&names[0], &serde_json::from_str(&text).unwrap());
    let left = wait(&after, &names[0], HISTORY, Live);
    assert!((9 * 3_600 - 100..9 * 3_600 + 305).contains(&left), "{left}: {text}");
    assert!((199..=201).contains(&wait(&after, &names[0], JOIN, Live)), "{text}");
    let status = &after.status()[0];
    assert_eq!((status.intervals[HISTORY], status.floods), (seconds(2), 1));
    assert_eq!(wait(&after, &names[1], HISTORY, Live), 0);
    assert_eq!(after.budgets(&names[1]), serde_json::json!({ "version": 1, "methods": {} }));
}

#[test]
fn damaged_budgets_are_passed_over_and_bounded() {
    let (pool, _, names) = pool(9, 1);
    for text in [
        "null",
        "5",
        "{}",
        r#"{"version":2,"methods":{"messages.getHistory":{"slowdown":9}}}"#,
        r#"{"version":1,"methods":7}"#,
        r#"{"version":1,"methods":{"messages.getHistory":7}}"#,
        r#"{"version":1,"methods":{"messages.getHistory":{"parked_until":"yesterday"}}}"#,
        r#"{"version":1,"methods":{"messages.getHistory":{"slowdown":-1e300}}}"#,
    ] {
        pool.restore(&names[0], &serde_json::from_str(text).unwrap());
        assert_eq!(wait(&pool, &names[0], HISTORY, Background), 0, "{text}");
    }
    let text = r#"{"version":1,"methods":{
        "messages.getHistory":{"parked_until":"9999-01-01T00:00:00Z","slowdown":1e300,"floods":3},
        "channels.joinChannel":{"owes_until":"9999-01-01T00:00:00Z"}}}"#;
    pool.restore(&names[0], &serde_json::from_str(text).unwrap());
    assert!(wait(&pool, &names[0], HISTORY, Live) <= 31 * 86_400);
    assert!(wait(&pool, &names[0], JOIN, Live) <= 300);
    assert_eq!(pool.status()[0].intervals[HISTORY], seconds(32));
}

#[test]
fn a_restore_makes_nothing_weaker() {
    let (pool, _, names) = pool(9, 1);
    let nothing = pool.budgets(&names[0]);
    pool.flood(&names[0], HISTORY, seconds(500), "FLOOD_WAIT");
    let short = pool.budgets(&names[0]);
    pool.flood(&names[0], HISTORY, seconds(5_000), "FLOOD_WAIT");
    pool.restore(&names[0], &short);
    pool.restore(&names[0], &nothing);
    assert!(wait(&pool, &names[0], HISTORY, Live) >= 5_000);
}

#[tokio::test]
async fn a_lost_account_is_not_asked_again_until_it_is_back() {
    let (pool, _, names) = pool(1, 0);
    pool.mark_lost(&names[0], AccountState::Duplicated("AUTH_KEY_DUPLICATED".to_owned()));
    assert_eq!(whose(&pool.lease(&names, HISTORY, Live)), "bravo");
    assert_eq!(pool.free_at(&names[0], HISTORY, Live), None);
    pool.mark_lost(&names[1], AccountState::Banned("USER_DEACTIVATED".to_owned()));
    assert!(matches!(pool.lease(&names, HISTORY, Live), LeaseOutcome::NoCandidate));
    assert!(!pool.any_ready());
    pool.freed().await;
    pool.mark_ready(&names[0]);
    pool.freed().await;
    assert_eq!(whose(&pool.lease(&names, HISTORY, Live)), "alpha");
}

#[test]
fn files_have_a_pace_of_their_own() {
    let (pool, clock, names) = pool(1, 2);
    let downloads: Vec<LeaseOutcome> = (0..5).map(|_| pool.lease(&names[..1], FILE, Background)).collect();
    assert_eq!(downloads.iter().filter(|turn| matches!(turn, LeaseOutcome::Granted(_))).count(), 4);
    assert!(matches!(downloads[4], LeaseOutcome::Busy));
    assert_eq!(wait(&pool, &names[0], HISTORY, Background), 0, "downloads do not slow reading down");
    drop(downloads);
    clock.advance(2);
    let mut requests = 0;
    while let LeaseOutcome::Granted(lease) = pool.lease(&names[..1], FILE, Background) {
        drop(lease);
        requests += 1;
        assert!(requests < 20);
    }
    assert!((6..=10).contains(&requests), "{requests}");
}

#[test]
fn thousands_of_turns_a_second_are_no_load() {
    let clock = FixedClock::new(Timestamp(0));
    let names: Vec<AccountName> = (0..40).map(|n| format!("account-{n}").parse().unwrap()).collect();
    let settings = PoolSettings { request_interval: Duration::ZERO, ..PoolSettings::default() };
    let pool = Pool::new(names.clone(), settings, Arc::new(clock));
    let started = std::time::Instant::now();
    let mut by_account = BTreeMap::<String, u32>::new();
    for _ in 0..4_000 {
        *by_account.entry(whose(&pool.lease(&names, HISTORY, Background)).to_owned()).or_default() += 1;
    }
    assert!(by_account.values().all(|turns| *turns == 100), "{by_account:?}");
    let took = started.elapsed();
    // Ten times what it takes without optimisation on a busy machine.
    assert!(took < seconds(4), "{took:?}");
}

#[test]
fn a_request_that_comes_along_waits_for_its_own_method_only_and_spends_the_accounts_pace() {
    const EXPORT: &str = "auth.exportAuthorization";
    let (pool, clock, names) = pool(1, 1);
    let alpha = &names[0];
    let lease = pool.lease([alpha], HISTORY, Background);
    assert_eq!(whose(&lease), "alpha");
    assert_eq!(pool.spend(alpha, EXPORT), Ok(()), "within the lease, at once");
    assert_eq!((wait(&pool, alpha, DIALOGS, Live), wait(&pool, alpha, DIALOGS, Fresh)), (0, 1), "two of three turns are spent");
    drop(lease);

    pool.flood(alpha, EXPORT, seconds(60), "FLOOD_WAIT");
    let until = pool.spend(alpha, EXPORT).unwrap_err();
    assert!((60..70).contains(&(until - clock.now()).num_seconds()));
    assert!(pool.parked_until(alpha, EXPORT).is_some() && pool.parked_until(alpha, HISTORY).is_none());
    assert_eq!(wait(&pool, alpha, DIALOGS, Live), 0, "and nothing else waits");
    pool.rest_for(alpha, EXPORT);
    assert!(wait(&pool, alpha, DIALOGS, Live) >= 60, "what cannot do without it does");

    let again = Pool::new(names.clone(), PoolSettings::default(), Arc::new(clock.clone()));
    again.restore(alpha, &pool.budgets(alpha));
    assert!(again.spend(alpha, EXPORT).is_err(), "over a restart");
    clock.advance(70);
    assert_eq!(again.spend(alpha, EXPORT), Ok(()));
    pool.mark_lost(alpha, AccountState::SignedOut(String::new()));
    assert!(pool.spend(alpha, HISTORY).is_err(), "nothing is asked of an account that is lost");
    assert_eq!(pool.ready(), names[1..].iter().cloned().collect());
}
