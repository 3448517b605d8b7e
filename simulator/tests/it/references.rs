//! A file reference is good until it expires, and what carries the file gives a new one.

use grammers_tl_types::{enums, functions as f, types};
use telescribe_simulator::{PeerId, Post, Simulator};

use crate::client::{Client, chat_of, input_channel, messages_in, spec, start};
use crate::files::{channel, document_location, file_of, location, part};

fn message_id(id: i32) -> enums::InputMessage {
    types::InputMessageId { id }.into()
}

/// The location that the message of an id gives when it is asked for by that id.
async fn by_id(simulator: &Simulator, client: &Client, peer: PeerId, id: i32) -> Option<enums::InputFileLocation> {
    let answer = if peer.marked() < -1_000_000_000_000 {
        let channel = simulator.inspect(|world| input_channel(world, &client.access.name, peer));
        client.call(&f::channels::GetMessages { channel, id: vec![message_id(id)] }).await.unwrap()
    } else {
        client.call(&f::messages::GetMessages { id: vec![message_id(id)] }).await.unwrap()
    };
    match messages_in(answer).remove(0) {
        enums::Message::Message(message) => match message.media {
            Some(enums::MessageMedia::Document(media)) => Some(document_location(&media.document.unwrap(), "")),
            other => panic!("a document: {other:?}"),
        },
        _ => None,
    }
}

fn with_reference(location: &enums::InputFileLocation, reference: Vec<u8>) -> enums::InputFileLocation {
    let enums::InputFileLocation::InputDocumentFileLocation(mut location) = location.clone() else { panic!("a document") };
    location.file_reference = reference;
    location.into()
}

fn post(simulator: &Simulator, client: &Client, peer: PeerId) -> (i32, i64) {
    let post = Post::document("a.bin", "application/octet-stream", 5_000).in_dc(client.access.home_dc);
    let id = simulator.by("alpha").post(peer, post).unwrap();
    (
        id,
        simulator
            .inspect(|world| world.chat_seen_by(0, peer).unwrap().history.get(id).unwrap().media().unwrap().file_id().unwrap()),
    )
}

#[tokio::test]
async fn one_file_expires_without_the_others_and_its_message_renews_it_wherever_it_is() {
    let simulator = start(&spec()).await;
    let client = Client::connect(&simulator, "alpha");
    let private = simulator.inspect(|world| chat_of(world, "alpha", |chat| !chat.kind.is_channel()));
    for peer in [channel(&simulator), private] {
        let (id, file) = post(&simulator, &client, peer);
        let (other, _) = post(&simulator, &client, peer);
        let old = by_id(&simulator, &client, peer, id).await.unwrap();
        let untouched = by_id(&simulator, &client, peer, other).await.unwrap();
        simulator.expire_file(file).unwrap();
        assert_eq!(client.refusal(&part(old.clone(), 0)).await, "FILE_REFERENCE_EXPIRED");
        client.call(&part(untouched, 0)).await.unwrap();
        let new = by_id(&simulator, &client, peer, id).await.unwrap();
        client.call(&part(new.clone(), 0)).await.unwrap();
        simulator.expire_file_references("alpha").unwrap();
        assert_eq!(client.refusal(&part(new, 0)).await, "FILE_REFERENCE_EXPIRED");
        let newest = by_id(&simulator, &client, peer, id).await.unwrap();
        client.call(&part(newest, 0)).await.unwrap();
    }
    assert!(simulator.expire_file(1).is_err());
    simulator.stop().await;
}

#[tokio::test]
async fn an_empty_a_foreign_and_a_forged_reference_are_told_apart() {
    let simulator = start(&spec()).await;
    let client = Client::connect(&simulator, "alpha");
    let peer = channel(&simulator);
    let (id, _) = post(&simulator, &client, peer);
    let (other, _) = post(&simulator, &client, peer);
    let good = location(&simulator, &client, peer, id).await;
    let enums::InputFileLocation::InputDocumentFileLocation(foreign) = location(&simulator, &client, peer, other).await else {
        panic!("a document")
    };
    for (reference, refusal) in [
        (vec![], "FILE_REFERENCE_EMPTY"),
        (vec![1, 2, 3], "FILE_REFERENCE_INVALID"),
        (vec![7; 12], "FILE_REFERENCE_INVALID"),
        (foreign.file_reference, "FILE_REFERENCE_INVALID"),
    ] {
        assert_eq!(client.refusal(&part(with_reference(&good, reference), 0)).await, refusal);
    }
    simulator.stop().await;
}

#[tokio::test]
async fn a_deleted_message_and_a_withheld_reference_renew_nothing() {
    let simulator = start(&spec()).await;
    let client = Client::connect(&simulator, "alpha");
    let peer = channel(&simulator);
    let (id, file) = post(&simulator, &client, peer);
    assert_eq!(file_of(&simulator, peer, id), file);
    simulator.withhold_file_references(file, true).unwrap();
    for _ in 0..3 {
        let stale = by_id(&simulator, &client, peer, id).await.unwrap();
        assert_eq!(client.refusal(&part(stale, 0)).await, "FILE_REFERENCE_EXPIRED");
    }
    simulator.withhold_file_references(file, false).unwrap();
    let good = by_id(&simulator, &client, peer, id).await.unwrap();
    simulator.delete(peer, &[id]).unwrap();
    // What was given before is good for as long as it would have been.
    client.call(&part(good.clone(), 0)).await.unwrap();
    simulator.expire_file(file).unwrap();
    assert_eq!(client.refusal(&part(good, 0)).await, "FILE_REFERENCE_EXPIRED");
    assert!(by_id(&simulator, &client, peer, id).await.is_none());
    simulator.stop().await;
}
