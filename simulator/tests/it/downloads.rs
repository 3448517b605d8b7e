//! Files come whole, from the data centre that holds them, for as long as the reference is good.

use grammers_tl_types::{enums, functions as f, types};
use telescribe_simulator::world::Media;
use telescribe_simulator::{PeerId, Simulator};

use crate::client::{Client, history, input_peer, messages_in, refusal, spec, start};

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

async fn location(simulator: &Simulator, client: &Client, peer: PeerId, id: i32) -> enums::InputFileLocation {
    let mut request = history(simulator.inspect(|world| input_peer(world, "alpha", peer)));
    (request.offset_id, request.limit) = (id + 1, 1);
    let messages = messages_in(client.call(&request).await.unwrap());
    let enums::Message::Message(message) = &messages[0] else { panic!("a message") };
    let Some(enums::MessageMedia::Document(media)) = &message.media else { panic!("a document") };
    let Some(enums::Document::Document(document)) = &media.document else { panic!("a document") };
    types::InputDocumentFileLocation {
        id: document.id,
        access_hash: document.access_hash,
        file_reference: document.file_reference.clone(),
        thumb_size: String::new(),
    }
    .into()
}

fn part(location: enums::InputFileLocation, offset: i64) -> f::upload::GetFile {
    f::upload::GetFile { precise: true, cdn_supported: false, location, offset, limit: 65_536 }
}

#[tokio::test]
async fn a_file_is_downloaded_whole_from_another_data_centre() {
    let simulator = start(&spec()).await;
    let client = Client::connect(&simulator, "alpha");
    let (peer, id, file, dc) = document(&simulator, true);
    let location = location(&simulator, &client, peer, id).await;
    assert_eq!(client.refusal(&part(location.clone(), 0)).await, format!("FILE_MIGRATE_{dc}"));
    assert_eq!(refusal(client.call_in(dc, &part(location.clone(), 0)).await), "AUTH_KEY_UNREGISTERED");
    let exported = client.call(&f::auth::ExportAuthorization { dc_id: dc }).await.unwrap();
    let enums::auth::ExportedAuthorization::Authorization(exported) = exported;
    let import = f::auth::ImportAuthorization { id: exported.id, bytes: exported.bytes };
    client.call_in(dc, &import).await.unwrap();
    let mut content: Vec<u8> = Vec::new();
    loop {
        let answer = client.call_in(dc, &part(location.clone(), content.len() as i64)).await.unwrap();
        let enums::upload::File::File(answer) = answer else { panic!("no CDN") };
        content.extend(&answer.bytes);
        if answer.bytes.len() < 65_536 {
            break;
        }
    }
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
