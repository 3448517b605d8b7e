//! What can go wrong while a file is downloaded.

use std::time::{Duration, Instant};

use grammers_mtsender::InvocationError;
use grammers_tl_types::{enums, functions as f};
use telescribe_simulator::{Fault, Outcome, Post, Rule, Simulator, When};

use crate::client::{Client, PATIENCE, refusal, spec, start};
use crate::files::{PART, bytes, channel, download, file_of, location, part, sha256};

/// A file of three parts and a bit, in alpha's home.
async fn posted(simulator: &Simulator, client: &Client) -> (i64, enums::InputFileLocation) {
    let (peer, size) = (channel(simulator), 3 * i64::from(PART) + 100);
    let id = simulator.post(peer, Post::document("a.bin", "video/mp4", size).in_dc(client.access.home_dc)).unwrap();
    (file_of(simulator, peer, id), location(simulator, client, peer, id).await)
}

#[tokio::test]
async fn a_read_is_short_although_the_file_goes_on() {
    let simulator = start(&spec()).await;
    let client = Client::connect(&simulator, "alpha");
    let (file, location) = posted(&simulator, &client).await;
    let whole = download(&client, client.access.home_dc, &location).await;
    for short in [0, 1, 1024] {
        simulator.fault(Rule::new(Fault::ShortRead { bytes: short }, When::Next(1)).file(file));
        let part = bytes(client.call(&part(location.clone(), i64::from(PART))).await.unwrap());
        assert_eq!(part, whole[PART as usize..PART as usize + short]);
        simulator.clear_faults();
    }
    simulator.stop().await;
}

#[tokio::test]
async fn a_document_lies_about_its_size_in_either_direction() {
    let simulator = start(&spec()).await;
    let client = Client::connect(&simulator, "alpha");
    let (file, location) = posted(&simulator, &client).await;
    for size in [0, 5_000, 4 * i64::from(PART) + 1] {
        simulator.set_file_size(file, size).unwrap();
        let content = download(&client, client.access.home_dc, &location).await;
        assert_eq!(content.len() as i64, size);
        assert_eq!(simulator.inspect(|world| world.file_hash(file, "")), Some(sha256(&content)));
    }
    let message = simulator.inspect(|world| {
        let messages = world.chats.iter().flat_map(|chat| chat.history.messages());
        messages.filter_map(|message| message.media().cloned()).find(|media| media.file_id() == Some(file))
    });
    let Some(telescribe_simulator::world::Media::Document(document)) = message else { panic!("a document") };
    assert_eq!(document.size, 3 * i64::from(PART) + 100);
    simulator.stop().await;
}

#[tokio::test]
async fn any_refusal_strikes_one_part_of_one_file_once() {
    let simulator = start(&spec()).await;
    let client = Client::connect(&simulator, "alpha");
    let (file, location) = posted(&simulator, &client).await;
    let (_, other) = posted(&simulator, &client).await;
    let error = |code: i32, name: &str| Fault::Error { code, name: name.into() };
    let second = part(location.clone(), i64::from(PART));
    for (fault, name) in [
        (Fault::FloodPremiumWait { seconds: 4 }, "FLOOD_PREMIUM_WAIT_4"),
        (error(303, "FILE_MIGRATE_1"), "FILE_MIGRATE_1"),
        (error(-503, "Timeout"), "Timeout"),
        (error(400, "LOCATION_INVALID"), "LOCATION_INVALID"),
        (error(400, "FILE_REFERENCE_EXPIRED"), "FILE_REFERENCE_EXPIRED"),
        (error(401, "AUTH_KEY_UNREGISTERED"), "AUTH_KEY_UNREGISTERED"),
        (error(500, "RANDOM_FAILURE"), "RANDOM_FAILURE"),
    ] {
        let rule = Rule::new(fault, When::Next(1)).file(file).parameter(format!("offset={PART}"));
        let rule = simulator.fault(rule);
        client.call(&part(location.clone(), 0)).await.unwrap();
        client.call(&part(other.clone(), i64::from(PART))).await.unwrap();
        assert_eq!(client.refusal(&second).await, name);
        client.call(&second).await.unwrap();
        simulator.remove_fault(rule);
    }
    // grammers takes the number out of a name wherever it is.
    simulator.fault(Rule::new(error(400, "FILE_REFERENCE_0_EXPIRED"), When::Next(1)).file(file));
    let Err(InvocationError::Rpc(refused)) = client.call(&second).await else { panic!("refused") };
    assert_eq!((refused.name.as_str(), refused.value), ("FILE_REFERENCE_EXPIRED", Some(0)));
    assert!(simulator.ledger().iter().any(|entry| entry.outcome == Outcome::Error("FILE_REFERENCE_0_EXPIRED".into())));
    simulator.stop().await;
}

#[tokio::test]
async fn a_connection_ends_before_or_in_the_middle_of_a_part() {
    let simulator = start(&spec()).await;
    let client = Client::connect(&simulator, "alpha");
    let (file, location) = posted(&simulator, &client).await;
    let second = part(location.clone(), i64::from(PART));
    for fault in [Fault::Drop, Fault::Cut] {
        let rule = Rule::new(fault, When::Next(1)).file(file).parameter(format!("offset={PART}"));
        let rule = simulator.fault(rule);
        client.call(&part(location.clone(), 0)).await.unwrap();
        let ended = client.call(&second).await;
        assert!(matches!(ended, Err(InvocationError::Io(_) | InvocationError::Dropped(_) | InvocationError::Transport(_))));
        assert_eq!(bytes(client.call(&second).await.unwrap()).len(), PART as usize);
        simulator.remove_fault(rule);
    }
    let closed = simulator.ledger().into_iter().filter(|entry| entry.outcome == Outcome::Closed).count();
    assert_eq!(closed, 2);
    simulator.stop().await;
}

#[tokio::test]
async fn a_client_that_supports_cdns_is_redirected_and_by_fault_any_other() {
    let simulator = start(&spec()).await;
    let client = Client::connect(&simulator, "alpha");
    let (file, location) = posted(&simulator, &client).await;
    let asked = |cdn_supported: bool| f::upload::GetFile { cdn_supported, ..part(location.clone(), 0) };
    let is_redirect = |answer: enums::upload::File| matches!(answer, enums::upload::File::CdnRedirect(to) if to.dc_id == 203);
    assert!(is_redirect(client.call(&asked(true)).await.unwrap()));
    assert!(!is_redirect(client.call(&asked(false)).await.unwrap()));
    simulator.fault(Rule::new(Fault::CdnRedirect, When::Next(1)).file(file));
    assert!(is_redirect(client.call(&asked(false)).await.unwrap()));
    assert!(!is_redirect(client.call(&asked(false)).await.unwrap()));
    simulator.stop().await;
}

#[tokio::test]
async fn a_file_that_moved_is_found_where_it_is_now() {
    let simulator = start(&spec()).await;
    let client = Client::connect(&simulator, "alpha");
    let (file, location) = posted(&simulator, &client).await;
    let away = client.access.data_centres.iter().find(|dc| dc.id != client.access.home_dc).unwrap().id;
    simulator.move_file(file, away).unwrap();
    assert_eq!(client.refusal(&part(location.clone(), 0)).await, format!("FILE_MIGRATE_{away}"));
    assert_eq!(refusal(client.call_in(away, &part(location, 0)).await), "AUTH_KEY_UNREGISTERED");
    assert!(simulator.move_file(file, 99).is_err());
    simulator.stop().await;
}

#[tokio::test]
async fn a_round_trip_delays_every_answer_alike_with_hundreds_in_flight_and_faults_still_strike() {
    const IN_FLIGHT: usize = 400;
    let simulator = start(&spec()).await;
    let client = Client::connect(&simulator, "alpha");
    let (_, location) = posted(&simulator, &client).await;
    let round_trip = Duration::from_millis(200);
    simulator.set_latency("upload.getFile", round_trip);
    simulator.fault(Rule::new(Fault::FloodPremiumWait { seconds: 1 }, When::Nth(7)).method("upload.getFile"));
    let small = f::upload::GetFile { limit: 1024, ..part(location, 0) };
    let began = Instant::now();
    let calls = (0..IN_FLIGHT).map(|_| {
        let (handle, small, dc) = (client.handle.clone(), small.clone(), client.access.home_dc);
        async move {
            let answer = tokio::time::timeout(PATIENCE, handle.invoke_in_dc(dc, &small)).await.unwrap();
            (answer, began.elapsed())
        }
    });
    let mut set = tokio::task::JoinSet::new();
    calls.for_each(|call| drop(set.spawn(call)));
    let answers = set.join_all().await;
    let took = began.elapsed();
    assert!(answers.iter().all(|(_, after)| *after >= round_trip));
    assert_eq!(answers.iter().filter(|(answer, _)| answer.is_err()).count(), 1);
    assert!(took < round_trip * 20, "they were on their way together: {took:?}");
    simulator.set_latency("upload.getFile", Duration::ZERO);
    let began = Instant::now();
    client.call(&small).await.unwrap();
    assert!(began.elapsed() < round_trip);
    simulator.stop().await;
}
