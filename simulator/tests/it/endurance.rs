//! What an account pool must live through: restarts, silence, waits, limits, moves.

use std::time::Duration;

use grammers_tl_types::{Deserializable, RemoteCall, Serializable, enums, functions as f};
use telescribe_simulator::{Fault, Limit, Limits, Options, Outcome, Post, Rule, Simulator, When, WorldSpec};

use crate::client::{Client, chat_of, dialogs, history, input_peer, refusal, spec, start};

#[tokio::test]
async fn the_simulator_starts_again_where_it_stopped_and_its_ledger_goes_on() {
    let simulator = start(&spec()).await;
    let client = Client::connect(&simulator, "alpha");
    let state = f::updates::GetState {};
    simulator.fault(Rule::new(Fault::FloodWait { seconds: 60 }, When::Nth(1)).method("updates.getState"));
    assert_eq!(client.refusal(&state).await, "FLOOD_WAIT_60");
    // An acknowledgement goes with what is asked next.
    client.call(&f::help::GetNearestDc {}).await.unwrap();
    let peer = simulator.inspect(|world| chat_of(world, "alpha", |chat| chat.kind.is_channel()));
    let id = simulator.post(peer, Post::text("before")).unwrap();
    let (ports, count) = (ports_of(&simulator), simulator.ledger().len());
    let stopped = simulator.stop_keeping().await;
    assert!(client.call(&state).await.is_err());
    assert!(stopped.inspect(|world| world.chat(peer).unwrap().history.get(id).is_some()));
    let simulator = stopped.start_again().await.unwrap();
    assert_eq!(ports_of(&simulator), ports);
    // The same client, on the same ports: one call may still meet the old connection's end.
    let mut answer = client.call(&state).await;
    if answer.is_err() {
        answer = client.call(&state).await;
    }
    answer.unwrap();
    let ledger = simulator.ledger();
    assert!(ledger.len() > count);
    assert!(ledger.is_sorted_by_key(|entry| entry.at));
    // The wait of before the restart still holds.
    let early = simulator.early_calls();
    assert!(!early.is_empty());
    assert_eq!(early[0].flooded.outcome, Outcome::Error("FLOOD_WAIT_60".into()));
    assert_eq!(early[0].early.outcome, Outcome::Ok);
    let world = simulator.stop_keeping().await.into_world();
    let options = Options { ports, ..Options::default() };
    let simulator = Simulator::start(world, options).await.unwrap();
    assert!(simulator.inspect(|world| world.chat(peer).unwrap().history.get(id).is_some()));
    simulator.stop().await;
}

fn ports_of(simulator: &Simulator) -> Vec<u16> {
    simulator.accounts()[0].data_centres.iter().map(|dc| dc.address.port()).collect()
}

#[tokio::test]
async fn a_silent_data_centre_answers_nobody_and_the_others_go_on() {
    let simulator = start(&spec()).await;
    let (client, newcomer) = (Client::connect(&simulator, "alpha"), Client::connect(&simulator, "alpha"));
    let nearest = f::help::GetNearestDc {};
    client.call(&nearest).await.unwrap();
    let home = client.access.home_dc;
    simulator.silence_dc(home, true);
    for client in [&client, &newcomer] {
        let asked = client.handle.invoke_in_dc(home, &nearest);
        assert!(tokio::time::timeout(Duration::from_millis(300), asked).await.is_err());
    }
    let bravo = Client::connect(&simulator, "bravo");
    assert_ne!(bravo.access.home_dc, home);
    bravo.call(&nearest).await.unwrap();
    assert!(simulator.ledger().iter().any(|entry| entry.account == "alpha" && entry.outcome == Outcome::Silent));
    simulator.silence_dc(home, false);
    client.call(&nearest).await.unwrap();
    let again = Client::connect(&simulator, "alpha");
    again.call(&nearest).await.unwrap();
    simulator.stop().await;
}

#[tokio::test]
async fn a_call_before_the_end_of_a_wait_is_found_and_one_after_it_is_not() {
    let simulator = start(&spec()).await;
    let (alpha, bravo) = (Client::connect(&simulator, "alpha"), Client::connect(&simulator, "bravo"));
    let state = f::updates::GetState {};
    simulator.fault(Rule::new(Fault::FloodWait { seconds: 1 }, When::Next(1)).account("alpha").method("updates.getState"));
    assert_eq!(alpha.refusal(&state).await, "FLOOD_WAIT_1");
    bravo.call(&state).await.unwrap();
    alpha.call(&f::help::GetNearestDc {}).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    alpha.call(&state).await.unwrap();
    assert_eq!(simulator.early_call_count(), 0);
    for (code, name) in [(420, "FLOOD_PREMIUM_WAIT_9"), (420, "SLOWMODE_WAIT_8"), (420, "TAKEOUT_INIT_DELAY_7")] {
        let error = Fault::Error { code, name: name.into() };
        let rule = simulator.fault(Rule::new(error, When::Next(1)).method("updates.getState"));
        assert_eq!(bravo.refusal(&state).await, name);
        simulator.remove_fault(rule);
    }
    bravo.call(&state).await.unwrap();
    let early = simulator.early_calls();
    assert_eq!((early.len(), simulator.early_call_count()), (3, 3));
    assert!(early.iter().all(|early| early.early.account == "bravo" && early.before < Duration::from_secs(9)));
    simulator.clear_ledger();
    bravo.call(&state).await.unwrap();
    assert_eq!(simulator.early_call_count(), 1);
    simulator.stop().await;
}

#[tokio::test]
async fn limits_are_each_accounts_own_and_are_off_unless_asked_for() {
    let limit =
        Limit::new("messages.getHistory", 2, Duration::from_secs(60)).waiting(Duration::from_secs(1), 5, Duration::from_secs(60));
    let options = Options { limits: Limits { limits: vec![limit] }, ..Options::default() };
    let simulator = Simulator::start(spec().generate(), options).await.unwrap();
    let mut refused = Vec::new();
    for name in ["alpha", "bravo"] {
        let client = Client::connect(&simulator, name);
        let request =
            simulator.inspect(|world| history(input_peer(world, name, chat_of(world, name, |chat| chat.kind.is_channel()))));
        client.call(&request).await.unwrap();
        client.call(&request).await.unwrap();
        let mut answers = Vec::new();
        for _ in 0..20 {
            answers.push(client.call(&request).await);
        }
        let waits: Vec<String> = answers.into_iter().filter(Result::is_err).map(refusal).take(3).collect();
        refused.push(waits);
        client.call(&dialogs(None, 10)).await.unwrap();
    }
    let escalating = ["FLOOD_WAIT_1", "FLOOD_WAIT_5", "FLOOD_WAIT_25"].map(String::from).to_vec();
    assert_eq!(refused, [escalating.clone(), escalating]);
    assert!(simulator.early_call_count() > 0);
    assert!(Limits::like_telegram(0.01).limits.iter().any(|limit| limit.method == "contacts.resolveUsername"));
    simulator.stop().await;
}

/// `invokeWithTakeout` around a request that is serialised already.
struct InTakeout<R>(i64, R);

impl<R: Serializable> Serializable for InTakeout<R> {
    fn serialize(&self, buf: &mut impl Extend<u8>) {
        f::InvokeWithTakeout { takeout_id: self.0, query: Raw(self.1.to_bytes()) }.serialize(buf);
    }
}

struct Raw(Vec<u8>);

impl Serializable for Raw {
    fn serialize(&self, buf: &mut impl Extend<u8>) {
        buf.extend(self.0.iter().copied());
    }
}

impl<R: RemoteCall> RemoteCall for InTakeout<R>
where
    R::Return: Deserializable,
{
    type Return = R::Return;
}

#[tokio::test]
async fn a_takeout_session_is_begun_used_and_ended() {
    let simulator = start(&spec()).await;
    let client = Client::connect(&simulator, "alpha");
    let init = f::account::InitTakeoutSession {
        contacts: false,
        message_users: false,
        message_chats: true,
        message_megagroups: true,
        message_channels: true,
        files: false,
        file_max_size: None,
    };
    let delay = Fault::Error { code: 420, name: "TAKEOUT_INIT_DELAY_86400".into() };
    let rule = simulator.fault(Rule::new(delay, When::Always).method("account.initTakeoutSession"));
    assert_eq!(client.refusal(&init).await, "TAKEOUT_INIT_DELAY_86400");
    simulator.remove_fault(rule);
    let enums::account::Takeout::Takeout(takeout) = client.call(&init).await.unwrap();
    let state = f::updates::GetState {};
    assert_eq!(client.refusal(&InTakeout(takeout.id + 1, f::updates::GetState {})).await, "TAKEOUT_INVALID");
    client.call(&InTakeout(takeout.id, f::updates::GetState {})).await.unwrap();
    client.call(&state).await.unwrap();
    let parameters: Vec<String> =
        simulator.ledger().into_iter().filter(|entry| entry.method == "updates.getState").map(|entry| entry.parameters).collect();
    assert_eq!(parameters, ["takeout=yes", "takeout=yes", ""]);
    let finish = || f::account::FinishTakeoutSession { success: true };
    client.call(&InTakeout(takeout.id, finish())).await.unwrap();
    assert_eq!(client.refusal(&InTakeout(takeout.id, f::updates::GetState {})).await, "TAKEOUT_INVALID");
    assert_eq!(client.refusal(&finish()).await, "TAKEOUT_REQUIRED");
    simulator.stop().await;
}

#[tokio::test]
async fn an_account_that_moved_is_let_in_at_its_new_home_only() {
    let simulator = start(&spec()).await;
    let client = Client::connect(&simulator, "alpha");
    let (old, state) = (client.access.home_dc, f::updates::GetState {});
    let new = client.access.data_centres.iter().find(|dc| dc.id != old).unwrap().id;
    client.call(&state).await.unwrap();
    simulator.move_home("alpha", new).unwrap();
    assert!(simulator.move_home("alpha", 99).is_err());
    assert_eq!(client.refusal(&state).await, format!("USER_MIGRATE_{new}"));
    assert_eq!(refusal(client.call_in(new, &state).await), "AUTH_KEY_UNREGISTERED");
    let exported = client.call(&f::auth::ExportAuthorization { dc_id: new }).await.unwrap();
    let enums::auth::ExportedAuthorization::Authorization(exported) = exported;
    let import = f::auth::ImportAuthorization { id: exported.id, bytes: exported.bytes };
    client.call_in(new, &import).await.unwrap();
    client.call_in(new, &state).await.unwrap();
    assert_eq!(client.refusal(&state).await, format!("USER_MIGRATE_{new}"));
    assert_eq!(simulator.accounts()[0].home_dc, new);
    simulator.stop().await;
}

#[tokio::test]
async fn any_error_of_an_account_can_be_scripted() {
    let simulator = start(&spec()).await;
    let client = Client::connect(&simulator, "alpha");
    for (code, name) in [(406, "AUTH_KEY_DUPLICATED"), (400, "PEER_FLOOD"), (420, "SLOWMODE_WAIT_30"), (303, "USER_MIGRATE_3")] {
        let error = Fault::Error { code, name: name.into() };
        simulator.fault(Rule::new(error, When::Next(1)).account("alpha").method("help.getNearestDc"));
        assert_eq!(client.refusal(&f::help::GetNearestDc {}).await, name);
        simulator.clear_faults();
    }
    client.call(&f::help::GetNearestDc {}).await.unwrap();
    simulator.stop().await;
}

#[test]
fn nobody_needs_an_expendable_account() {
    for (accounts, expendable) in [(20, 5), (3, 1), (3, 3), (1, 4)] {
        let spec = WorldSpec { accounts, expendable, peers: 200, messages: 1_000, ..WorldSpec::default() };
        let lasting = accounts.saturating_sub(expendable).max(1);
        let world = spec.generate();
        let chats = world.chats.iter().filter(|chat| chat.peer.marked() < 0);
        assert!(chats.clone().all(|chat| chat.members.iter().any(|member| *member < lasting)));
        assert!(chats.clone().all(|chat| chat.owner.is_none_or(|owner| owner < lasting)));
        assert!(chats.clone().all(|chat| chat.members.is_sorted_by(|a, b| a < b)));
        if accounts == 20 {
            assert!(chats.clone().any(|chat| chat.members.iter().any(|member| *member >= lasting)));
        }
    }
}
