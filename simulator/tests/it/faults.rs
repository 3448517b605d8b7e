//! Faults strike whom they were meant for, as often as they were meant to.

use std::time::{Duration, Instant};

use grammers_mtsender::InvocationError;
use grammers_tl_types::functions as f;
use telescribe_simulator::{Fault, Outcome, Rule, When};

use crate::client::{Client, chat_of, history, input_peer, refusal, spec, start};

#[tokio::test]
async fn a_flood_wait_strikes_one_account_and_method_as_often_as_told() {
    let simulator = start(&spec()).await;
    let (alpha, bravo) = (Client::connect(&simulator, "alpha"), Client::connect(&simulator, "bravo"));
    let state = f::updates::GetState {};
    let fault = Rule::new(Fault::FloodWait { seconds: 31 }, When::Next(2)).account("alpha").method("updates.getState");
    simulator.fault(fault);
    for _ in 0..2 {
        assert_eq!(alpha.refusal(&state).await, "FLOOD_WAIT_31");
        bravo.call(&state).await.unwrap();
        alpha.call(&f::help::GetNearestDc {}).await.unwrap();
    }
    alpha.call(&state).await.unwrap();
    let outcomes: Vec<Outcome> = simulator
        .ledger()
        .into_iter()
        .filter(|entry| entry.account == "alpha" && entry.method == "updates.getState")
        .map(|entry| entry.outcome)
        .collect();
    let flooded = Outcome::Error("FLOOD_WAIT_31".into());
    assert_eq!(outcomes, [flooded.clone(), flooded, Outcome::Ok]);
    simulator.stop().await;
}

#[tokio::test]
async fn a_dropped_connection_comes_back() {
    let simulator = start(&spec()).await;
    let client = Client::connect(&simulator, "alpha");
    let nearest = f::help::GetNearestDc {};
    simulator.fault(Rule::new(Fault::Drop, When::Nth(2)).method("help.getNearestDc"));
    client.call(&nearest).await.unwrap();
    assert!(matches!(
        client.call(&nearest).await,
        Err(InvocationError::Io(_) | InvocationError::Dropped(_) | InvocationError::Transport(_))
    ));
    client.call(&nearest).await.unwrap();
    simulator.restart_dc(client.access.home_dc);
    // The client may notice the end of the connection before or during the next request.
    if client.call(&nearest).await.is_err() {
        client.call(&nearest).await.unwrap();
    }
    simulator.rotate_salt(client.access.home_dc);
    client.call(&nearest).await.unwrap();
    simulator.stop().await;
}

#[tokio::test]
async fn a_late_answer_does_not_hold_up_others_and_a_silent_one_never_comes() {
    let simulator = start(&spec()).await;
    let client = Client::connect(&simulator, "alpha");
    client.call(&f::help::GetNearestDc {}).await.unwrap();
    let (state, nearest) = (f::updates::GetState {}, f::help::GetNearestDc {});
    // Longer than any test lasts: whoever is held up behind it never comes.
    let delay = |millis: u64| Rule::new(Fault::Delay(Duration::from_millis(millis)), When::Next(1)).method("updates.getState");
    let for_ever = simulator.fault(delay(600_000));
    tokio::select! {
        biased;
        late = client.handle.invoke_in_dc(client.access.home_dc, &state) => panic!("it came too soon: {late:?}"),
        () = async {
            while simulator.request_count("updates.getState") == 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            client.call(&nearest).await.unwrap();
        } => {}
    }
    simulator.remove_fault(for_ever);
    simulator.fault(delay(400));
    let began = Instant::now();
    client.call(&state).await.unwrap();
    assert!(began.elapsed() >= Duration::from_millis(400), "{:?}", began.elapsed());
    simulator.fault(Rule::new(Fault::Silence, When::Always).method("updates.getState"));
    let silent = client.handle.invoke_in_dc(client.access.home_dc, &state);
    assert!(tokio::time::timeout(Duration::from_millis(300), silent).await.is_err());
    simulator.stop().await;
}

#[tokio::test]
async fn a_wrong_session_id_is_the_end_of_the_clients_pool() {
    let simulator = start(&spec()).await;
    let client = Client::connect(&simulator, "alpha");
    client.call(&f::help::GetNearestDc {}).await.unwrap();
    simulator.fault(Rule::new(Fault::WrongSession, When::Next(1)));
    assert!(client.call(&f::updates::GetState {}).await.is_err());
    simulator.stop().await;
}

#[tokio::test]
async fn signed_out_banned_and_thrown_out_accounts_are_told_so() {
    let simulator = start(&spec()).await;
    let client = Client::connect(&simulator, "alpha");
    let peer = simulator.inspect(|world| chat_of(world, "alpha", |chat| chat.kind.is_channel()));
    let request = history(simulator.inspect(|world| input_peer(world, "alpha", peer)));
    client.call(&request).await.unwrap();
    simulator.forbid("alpha", peer, true).unwrap();
    assert_eq!(client.refusal(&request).await, "CHANNEL_PRIVATE");
    simulator.forbid("alpha", peer, false).unwrap();
    client.call(&request).await.unwrap();
    simulator.sign_out("alpha").unwrap();
    assert_eq!(client.refusal(&request).await, "AUTH_KEY_UNREGISTERED");
    simulator.sign_in("alpha").unwrap();
    client.call(&request).await.unwrap();
    simulator.ban("alpha").unwrap();
    assert_eq!(client.refusal(&request).await, "USER_DEACTIVATED_BAN");
    assert!(simulator.ban("nobody").is_err());
    simulator.stop().await;
}

#[tokio::test]
async fn a_share_of_calls_fails_and_the_same_seed_fails_the_same_ones() {
    let mut runs = Vec::new();
    for _ in 0..2 {
        let simulator = start(&spec()).await;
        let client = Client::connect(&simulator, "alpha");
        let error = Fault::Error { code: 500, name: "INTERNAL".into() };
        simulator.fault(Rule::new(error, When::Share { share: 0.3, seed: 5 }).method("updates.getState"));
        let mut failed = Vec::new();
        for call in 0..100 {
            let answer = client.call(&f::updates::GetState {}).await;
            if answer.is_err() {
                assert_eq!(refusal(answer), "INTERNAL");
                failed.push(call);
            }
        }
        assert!((15..45).contains(&failed.len()));
        runs.push(failed);
        simulator.stop().await;
    }
    assert_eq!(runs[0], runs[1]);
}
