//! Peers have photos that are downloaded by what the peer says of them, and change.

use grammers_tl_types::{enums, functions as f, types};
use telescribe_simulator::{PeerId, Simulator, WorldSpec};

use crate::client::{Client, chat_of, input_channel, input_peer, messages_in, refusal, spec, start};
use crate::files::{bytes, channel, download, let_in, part, photo_location, read, sha256};
use crate::real_media::dimensions;

async fn photo_of_channel(simulator: &Simulator, client: &Client, peer: PeerId) -> enums::ChatPhoto {
    let id = vec![simulator.inspect(|world| input_channel(world, &client.access.name, peer))];
    let enums::messages::Chats::Chats(chats) = client.call(&f::channels::GetChannels { id }).await.unwrap() else {
        panic!("chats")
    };
    let enums::Chat::Channel(channel) = &chats.chats[0] else { panic!("a channel") };
    channel.photo.clone()
}

fn location(simulator: &Simulator, client: &Client, peer: PeerId, photo_id: i64, big: bool) -> enums::InputFileLocation {
    let peer = simulator.inspect(|world| input_peer(world, &client.access.name, peer));
    types::InputPeerPhotoFileLocation { big, peer, photo_id }.into()
}

/// Has the account let in wherever the file is.
async fn reach(client: &Client, dc: i32) {
    if dc != client.access.home_dc {
        let_in(client, dc).await;
    }
}

#[tokio::test]
async fn the_photo_of_a_peer_is_served_small_and_big_without_a_reference() {
    let simulator = start(&WorldSpec { peer_photos: true, real_media: true, ..spec() }).await;
    let client = Client::connect(&simulator, "alpha");
    let has_photo = |world: &telescribe_simulator::World| {
        let dialogs = world.accounts[0].dialogs.iter().map(|at| &world.chats[*at as usize]);
        let mut channels = dialogs.filter(|chat| chat.kind.is_channel() && world.photo_of(chat.peer).is_some());
        channels.next().map(|chat| chat.peer).unwrap()
    };
    let peer = simulator.inspect(has_photo);
    let enums::ChatPhoto::Photo(photo) = photo_of_channel(&simulator, &client, peer).await else { panic!("a photo") };
    assert_eq!(photo.stripped_thumb.as_ref().map(|preview| preview[..3].to_vec()), Some(vec![1, 40, 40]));
    reach(&client, photo.dc_id).await;
    for (big, side, letter) in [(false, 160, "a"), (true, 640, "c")] {
        let content = download(&client, photo.dc_id, &location(&simulator, &client, peer, photo.photo_id, big)).await;
        assert_eq!(dimensions(&content), (side, side));
        assert_eq!(simulator.inspect(|world| world.file_hash(photo.photo_id, letter)), Some(sha256(&content)));
    }
    let wrong = part(location(&simulator, &client, peer, photo.photo_id + 1, true), 0);
    assert_eq!(client.refusal(&wrong).await, "LOCATION_INVALID");
    let channel = simulator.inspect(|world| input_channel(world, "alpha", peer));
    let enums::messages::ChatFull::Full(full) = client.call(&f::channels::GetFullChannel { channel }).await.unwrap();
    let enums::ChatFull::ChannelFull(full) = full.full_chat else { panic!("a channel") };
    let content = download(&client, photo.dc_id, &photo_location(&full.chat_photo, "b")).await;
    assert_eq!(dimensions(&content), (320, 320));
    simulator.forbid("alpha", peer, true).unwrap();
    let asked = part(location(&simulator, &client, peer, photo.photo_id, true), 0);
    assert_eq!(refusal(client.call_in(photo.dc_id, &asked).await), "CHANNEL_PRIVATE");
    simulator.stop().await;
}

#[tokio::test]
async fn the_photo_of_a_user_is_served_to_whoever_knows_the_user() {
    let simulator = start(&WorldSpec { peer_photos: true, ..spec() }).await;
    let client = Client::connect(&simulator, "alpha");
    let user =
        simulator.inspect(|world| world.users.iter().map(|user| PeerId::user(user.id)).find(|id| world.photo_of(*id).is_some()));
    let user = user.unwrap();
    let input: enums::InputUser =
        simulator.inspect(|world| types::InputUser { user_id: user.marked(), access_hash: world.access_hash(0, user) }).into();
    let users = client.call(&f::users::GetUsers { id: vec![input.clone()] }).await.unwrap();
    let enums::User::User(found) = &users[0] else { panic!("a user") };
    let Some(enums::UserProfilePhoto::Photo(photo)) = &found.photo else { panic!("a photo") };
    reach(&client, photo.dc_id).await;
    let asked = part(location(&simulator, &client, user, photo.photo_id, false), 0);
    let small = bytes(client.call_in(photo.dc_id, &asked).await.unwrap());
    assert_eq!(simulator.inspect(|world| world.file_size(photo.photo_id, "a")), Some(small.len() as i64));
    let all = f::photos::GetUserPhotos { user_id: input, offset: 0, max_id: 0, limit: 10 };
    let enums::photos::Photos::Photos(photos) = client.call(&all).await.unwrap() else { panic!("photos") };
    let big = download(&client, photo.dc_id, &photo_location(&photos.photos[0], "c")).await;
    assert_eq!(simulator.inspect(|world| world.file_hash(photo.photo_id, "c")), Some(sha256(&big)));
    let stranger = types::InputPeerUser { user_id: user.marked(), access_hash: 1 }.into();
    let forged = types::InputPeerPhotoFileLocation { big: true, peer: stranger, photo_id: photo.photo_id };
    assert_eq!(refusal(client.call_in(photo.dc_id, &part(forged.into(), 0)).await), "PEER_ID_INVALID");
    simulator.stop().await;
}

#[tokio::test]
async fn a_new_photo_is_announced_and_the_old_one_is_gone() {
    let simulator = start(&spec()).await;
    let client = Client::connect(&simulator, "alpha");
    let peer = channel(&simulator);
    assert_eq!(photo_of_channel(&simulator, &client, peer).await, enums::ChatPhoto::Empty);
    let first = simulator.set_photo(peer).unwrap();
    let enums::ChatPhoto::Photo(shown) = photo_of_channel(&simulator, &client, peer).await else { panic!("a photo") };
    assert_eq!(shown.photo_id, first);
    reach(&client, shown.dc_id).await;
    let newest = simulator.inspect(|world| world.chat(peer).unwrap().history.newest().unwrap().id);
    let enums::Message::Service(message) = read(&simulator, &client, peer, newest).await else { panic!("a service message") };
    let enums::MessageAction::ChatEditPhoto(action) = message.action else { panic!("a photo") };
    let from_message = part(photo_location(&action.photo, "c"), 0);
    client.call_in(shown.dc_id, &from_message).await.unwrap();
    let by_peer = part(location(&simulator, &client, peer, first, true), 0);
    client.call_in(shown.dc_id, &by_peer).await.unwrap();
    let second = simulator.set_photo(peer).unwrap();
    assert_ne!(first, second);
    assert_eq!(client.refusal(&by_peer).await, "LOCATION_INVALID");
    // The message of the time still has it.
    client.call_in(shown.dc_id, &from_message).await.unwrap();
    simulator.remove_photo(peer).unwrap();
    assert_eq!(photo_of_channel(&simulator, &client, peer).await, enums::ChatPhoto::Empty);
    let mut truth = Vec::new();
    simulator.truth(&mut truth).unwrap();
    let truth = String::from_utf8(truth).unwrap();
    assert!(truth.contains(&format!(r#""service":{{"action":"chat_edit_photo","photo":{first}}}"#)));
    // In a private chat too, where nobody is told.
    let user = simulator.inspect(|world| chat_of(world, "alpha", |chat| chat.peer.marked() > 0));
    simulator.set_photo(user).unwrap();
    assert!(simulator.set_photo(PeerId::user(1)).is_err());
    let ids = vec![types::InputMessageId { id: 1 }.into()];
    assert_eq!(messages_in(client.call(&f::messages::GetMessages { id: ids }).await.unwrap()).len(), 1);
    simulator.stop().await;
}
