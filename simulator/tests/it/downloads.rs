//! Files come whole, from the data centre that holds them, for as long as the reference is good.

use grammers_tl_types::enums;
use telescribe_simulator::world::Media;
use telescribe_simulator::{PeerId, Simulator};

use crate::client::{Client, refusal, spec, start};
use crate::files::{download, let_in, location, part};

/// A document that alpha can see: where it is, and in which data centre.
fn document(simulator: &Simulator, away: bool) -> (PeerId, i32, i64, i32) {
    simulator.inspect(|world| {
        let account = &world.accounts[0];
        let chats = account.dialogs.iter().map(|at| &world.chats[*at as usize]);
        let found = chats.flat_map(|chat| chat.history.messages().iter().map(move |message| (chat.peer, message))).find_map(
            |(peer, message)| match message.media() {
                Some(Media::Document(document)) => {
                    let dc = world.files[&document.id].dc;
                    ((dc != account.home_dc) == away).then_some((peer, message.id, document.id, dc))
                }
                _ => None,
            },
        );
        found.unwrap()
    })
}

#[tokio::test]
async fn a_file_is_downloaded_whole_from_another_data_centre() {
    let simulator = start(&spec()).await;
    let client = Client::connect(&simulator, "alpha");
    let (peer, id, file, dc) = document(&simulator, true);
    let location = location(&simulator, &client, peer, id).await;
    assert_eq!(client.refusal(&part(location.clone(), 0)).await, format!("FILE_MIGRATE_{dc}"));
    assert_eq!(refusal(client.call_in(dc, &part(location.clone(), 0)).await), "AUTH_KEY_UNREGISTERED");
    let_in(&client, dc).await;
    let content = download(&client, dc, &location).await;
    assert!(simulator.inspect(|world| world.file_content(file)).unwrap() == content);
    simulator.stop().await;
}

#[tokio::test]
async fn an_expired_reference_is_refused_until_the_message_is_read_again() {
    let simulator = start(&spec()).await;
    let client = Client::connect(&simulator, "alpha");
    let (peer, id, ..) = document(&simulator, false);
    let old = location(&simulator, &client, peer, id).await;
    client.call(&part(old.clone(), 0)).await.unwrap();
    simulator.expire_file_references("alpha").unwrap();
    assert_eq!(client.refusal(&part(old, 0)).await, "FILE_REFERENCE_EXPIRED");
    let new = location(&simulator, &client, peer, id).await;
    client.call(&part(new.clone(), 0)).await.unwrap();
    assert_eq!(client.refusal(&part(new.clone(), 100)).await, "OFFSET_INVALID");
    let enums::InputFileLocation::InputDocumentFileLocation(mut forged) = new else { panic!("a document") };
    forged.access_hash += 1;
    assert_eq!(client.refusal(&part(forged.into(), 0)).await, "LOCATION_INVALID");
    simulator.stop().await;
}
