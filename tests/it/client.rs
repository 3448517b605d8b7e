//! An account's way to Telegram: it follows its account to another data centre, reads by takeout where it may, and does not storm
//! a data centre that is down.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use telescribe::accounts::{AuthKey, DataCentre, Session};
use telescribe::config::Server;
use telescribe::model::{IdRange, IdSpace, PeerId};
use telescribe::telegram::{Settings, TelegramError};
use telescribe_simulator::{Fault, Outcome, Rule, When};
use tokio::net::TcpListener;

use crate::support::caller::{Caller, TIMEOUT, settings, simulated};
use crate::support::methods::{EXPORT, HISTORY, INIT_TAKEOUT};

const STATE: &str = "updates.getState";
/// A data centre that is not the account's home.
fn elsewhere(session: &Session) -> i32 {
    (1..=3).find(|dc| *dc != session.home()).unwrap()
}

fn key(session: &Session, dc: i32) -> Option<AuthKey> {
    session.data_centre(dc).unwrap().auth_key
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_telegram_moves_is_followed_with_its_authorisation_and_keeps_its_keys() {
    let (simulator, sessions) = simulated().await;
    let caller = Caller::new(Arc::clone(&sessions["alpha"]), settings());
    let (old, new) = (caller.session.home(), elsewhere(&caller.session));
    let keys = (key(&caller.session, old), key(&caller.session, new));
    let moved = Fault::Error { code: 303, name: format!("USER_MIGRATE_{new}") };
    simulator.fault(Rule::new(moved, When::Next(1)).account("alpha").method(STATE));

    caller.client.state().await.unwrap();
    caller.client.myself().await.unwrap();
    assert_eq!(caller.session.home(), new);
    assert_eq!((key(&caller.session, old), key(&caller.session, new)), keys);
    let asked: Vec<(&str, i32)> =
        simulator.ledger().iter().filter(|e| e.method != "help.getConfig").map(|e| (e.method, e.dc)).collect();
    let import = "auth.importAuthorization";
    assert_eq!(asked, [(STATE, old), (EXPORT, old), (import, new), (STATE, new), ("users.getUsers", new)]);
    caller.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_that_fails_leaves_the_account_where_it_was() {
    let (simulator, sessions) = simulated().await;
    let caller = Caller::new(Arc::clone(&sessions["alpha"]), settings());
    let (old, new) = (caller.session.home(), elsewhere(&caller.session));
    let moved = |dc: i32| Fault::Error { code: 303, name: format!("USER_MIGRATE_{dc}") };
    simulator.fault(Rule::new(moved(new), When::Nth(1)).method(STATE));
    simulator.fault(Rule::new(moved(old), When::Nth(1)).method(STATE));
    simulator.fault(Rule::new(moved(77), When::Nth(1)).method(STATE));
    simulator.fault(Rule::new(Fault::FloodWait { seconds: 900 }, When::Next(1)).method(EXPORT));

    let error = caller.client.state().await.unwrap_err();
    assert!(matches!(error, TelegramError::FloodWait { .. }), "{error}");
    let error = caller.client.state().await.unwrap_err();
    assert_eq!(error.data_centre(), Some(old), "sent to where it is: that is no move");
    let error = caller.client.state().await.unwrap_err();
    assert!(error.to_string().contains("77"), "{error}");
    caller.client.state().await.unwrap();
    assert_eq!(caller.session.home(), old);
    caller.end().await;
}

/// A channel that the account can read, with its newest page's range.
async fn channel(caller: &Caller) -> (PeerId, IdRange) {
    let page = caller.client.dialogs(None, telescribe::telegram::DIALOGS_SIZE).await.unwrap();
    let top = page.tops.iter().find(|top| top.peer.kind() == IdSpace::Channel && top.top.0 > 20).unwrap();
    (top.peer, IdRange::new(1, top.top.0).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_takeout_is_begun_once_and_reads_the_same() {
    let (simulator, sessions) = simulated().await;
    let caller = Caller::new(Arc::clone(&sessions["alpha"]), Settings { takeout: true, ..settings() });
    let (peer, range) = channel(&caller).await;
    let plain = caller.client.history(peer, range, telescribe::telegram::PAGE_SIZE).await.unwrap();
    assert!(!caller.client.in_takeout().await);
    for _ in 0..3 {
        let page = caller.client.history_by_takeout(peer, range).await.unwrap();
        assert_eq!((page.covered, page.messages.len()), (plain.covered, plain.messages.len()));
    }
    assert!(caller.client.in_takeout().await);
    assert_eq!(simulator.request_count(INIT_TAKEOUT), 1);
    caller.client.end_takeout().await.unwrap();
    caller.client.end_takeout().await.unwrap();
    assert_eq!(simulator.request_count("account.finishTakeoutSession"), 1);
    caller.end().await;

    let caller = Caller::new(Arc::clone(&sessions["bravo"]), settings());
    let (peer, range) = channel(&caller).await;
    caller.client.history_by_takeout(peer, range).await.unwrap();
    assert_eq!(simulator.request_count(INIT_TAKEOUT), 1, "only where the operator wants it");
    caller.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_no_takeout_can_be_had_pages_are_read_as_usual() {
    let (simulator, sessions) = simulated().await;
    let caller = Caller::new(Arc::clone(&sessions["alpha"]), Settings { takeout: true, ..settings() });
    let (peer, range) = channel(&caller).await;
    let delay = Fault::Error { code: 420, name: "TAKEOUT_INIT_DELAY_86400".to_owned() };
    simulator.fault(Rule::new(delay, When::Always).account("alpha").method(INIT_TAKEOUT));
    let error = caller.client.history_by_takeout(peer, range).await.unwrap_err();
    let day = TelegramError::FloodWait { wait: Duration::from_secs(86_400), name: "TAKEOUT_INIT_DELAY".to_owned() };
    assert_eq!(error, day);
    for _ in 0..3 {
        caller.client.history_by_takeout(peer, range).await.unwrap();
    }
    assert_eq!(simulator.request_count(INIT_TAKEOUT), 1);
    caller.end().await;

    let caller = Caller::new(Arc::clone(&sessions["bravo"]), Settings { takeout: true, ..settings() });
    let (peer, range) = channel(&caller).await;
    let ended = Fault::Error { code: 400, name: "TAKEOUT_INVALID".to_owned() };
    simulator.fault(Rule::new(ended, When::Nth(2)).account("bravo").method(HISTORY));
    for _ in 0..4 {
        caller.client.history_by_takeout(peer, range).await.unwrap();
    }
    assert!(!caller.client.in_takeout().await);
    assert_eq!(simulator.request_count(INIT_TAKEOUT), 2, "not at every page");
    caller.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_centre_that_is_down_is_not_stormed_and_every_call_ends_in_time() {
    let door = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let std::net::SocketAddr::V4(address) = door.local_addr().unwrap() else { panic!() };
    let dc = DataCentre { ipv4: address, ipv6: None, auth_key: Some(AuthKey::new([7; 256])) };
    let session = Session::new("alpha".parse().unwrap(), Server::Simulated.name(), 2, BTreeMap::from([(2, dc)]));
    let caller = Caller::new(Arc::new(session), Settings { request_timeout: Duration::from_secs(1), ..settings() });
    let mut connections = 0;
    let begun = Instant::now();
    let calls = async {
        let mut calls = 0;
        while calls < 3 || begun.elapsed() < Duration::from_secs(4) {
            let asked = caller.client.state();
            let error = tokio::time::timeout(TIMEOUT, asked).await.expect("every call ends").unwrap_err();
            assert!(matches!(error, TelegramError::Transient { .. }), "{error}");
            calls += 1;
        }
    };
    let slamming = async {
        loop {
            drop(door.accept().await.unwrap());
            connections += 1;
        }
    };
    tokio::select! {
        () = calls => {}
        () = slamming => {}
    }
    // Two at once, then one after a quarter of a second, and one each half second or so: half of what a call may take.
    let took = begun.elapsed();
    let most = 2 + usize::try_from(took.as_millis() * 3 / 1_000).unwrap();
    assert!((3..=most).contains(&connections), "{connections} connections in {took:?}");
    caller.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_and_faults_of_the_server_are_answers_and_break_no_connection() {
    let (simulator, sessions) = simulated().await;
    let caller = Caller::new(Arc::clone(&sessions["alpha"]), settings());
    for (code, name) in [(500, "INTERNAL"), (-503, "Timeout"), (400, "CHANNEL_PRIVATE"), (406, "AUTH_KEY_DUPLICATED")] {
        simulator.fault(Rule::new(Fault::Error { code, name: name.to_owned() }, When::Nth(1)).method(STATE));
    }
    for _ in 0..4 {
        caller.client.state().await.unwrap_err();
    }
    caller.client.state().await.unwrap();
    let greetings = simulator.ledger().iter().filter(|e| e.method == "help.getConfig" && e.outcome == Outcome::Ok).count();
    assert_eq!(greetings, 1, "one connection");
    caller.end().await;
}
