//! Exports of Telegram Desktop become worlds, with all their faults.

use std::fs;

use grammers_tl_types::{enums, functions as f, types};
use telescribe_simulator::world::{EntityKind, Media, Service};
use telescribe_simulator::{ExportError, Options, PeerId, Simulator, World};

use crate::client::{Client, history, input_peer, messages_in};

const SINGLE: &str = r#"{
 "name": "Книжный клуб", "type": "public_supergroup", "id": 1234567890, "surprise": {"new": true},
 "messages": [
  {"id": 1, "type": "service", "date": "2022-01-01T10:00:00", "date_unixtime": "1641031200", "actor": "Anna", "actor_id": "user11", "action": "create_channel", "title": "Книжный клуб", "text": ""},
  {"id": 3, "type": "message", "date": "2022-01-02T10:00:00", "from": "Anna", "from_id": "user11", "text": ["😀 see ", {"type": "link", "text": "https://example.com"}, " and ", {"type": "text_link", "text": "这里", "href": "https://example.org"}, {"type": "wobbly", "text": "!"}]},
  {"id": 4, "type": "message", "date_unixtime": "1641204000", "from": "Bo\x62", "from_id": "user12", "text": "reply", "reply_to_message_id": 3, "forwarded_from": "Carl", "edited_unixtime": "1641204100", "reactions": [{"type": "emoji", "count": 2, "emoji": "👍"}]},
  {"id": 5, "type": "message", "date_unixtime": "1641204001", "from": null, "from_id": "user13", "photo": "photos/p.jpg", "width": 1280, "height": 720, "text": ""},
  {"id": 6, "type": "message", "date_unixtime": "1641204002", "from": "Anna", "from_id": "user11", "file": "files/gone.pdf", "mime_type": "application/pdf", "file_size": 77, "text": "gone"},
  {"id": 7, "type": "message", "date_unixtime": "1641204003", "from": "Anna", "from_id": "user11", "file": "../../etc/passwd", "text": "outside"},
  {"id": 8, "type": "message", "date_unixtime": "1641204004", "from": "Anna", "from_id": "user11", "poll": {"question": "Yes?", "answers": [{"text": "yes", "voters": 3}, {"text": "no", "voters": 0}]}, "text": ""},
  {"id": 9, "type": "hologram", "date_unixtime": "1641204005", "text": ""},
  {"id": 10, "type": "service", "date_unixtime": "1641204006", "actor": "Anna", "actor_id": "user11", "action": "pin_message", "message_id": 3, "text": ""},
  {"id": -999, "type": "message", "date_unixtime": "1641204007", "text": "old"},
  {"id": 3, "type": "message", "date_unixtime": "1641204008", "text": "twice"}
 ]
}"#;

#[tokio::test]
async fn a_single_chat_is_served_with_its_files() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("result.json"), SINGLE).unwrap();
    fs::create_dir(folder.path().join("photos")).unwrap();
    let photo: Vec<u8> = (0..10_000u32).map(|n| (n * 31 % 251) as u8).collect();
    fs::write(folder.path().join("photos/p.jpg"), &photo).unwrap();

    let (world, warnings) = World::from_export(folder.path()).unwrap();
    let warned: Vec<String> = warnings.iter().map(ToString::to_string).collect();
    for expected in ["repaired", "`wobbly`", "gone.pdf` is not there", "outside the export", "`hologram`", "migration", "taken"] {
        assert!(warned.iter().any(|warning| warning.contains(expected)), "{expected}: {warned:#?}");
    }
    let chat = &world.chats[0];
    assert_eq!(chat.peer, PeerId::channel(1_234_567_890));
    let ids: Vec<i32> = chat.history.messages().iter().map(|message| message.id).collect();
    assert_eq!(ids, [1, 3, 4, 5, 6, 7, 8, 10]);
    let marked = chat.history.get(3).unwrap();
    assert_eq!(&*marked.text, "😀 see https://example.com and 这里!");
    let entities = &marked.extra.as_ref().unwrap().entities;
    assert_eq!((entities[0].kind.clone(), entities[0].offset, entities[0].length), (EntityKind::Url, 7, 19));
    assert_eq!((entities[1].offset, entities[1].length), (31, 2));
    assert_eq!(world.user(12).unwrap().first_name, "Bob");
    assert!(matches!(chat.history.get(8).unwrap().media(), Some(Media::Poll { options, .. }) if options.len() == 2));
    assert_eq!(chat.history.get(10).unwrap().service(), Some(&Service::PinMessage { message: 3 }));

    let simulator = Simulator::start(world, Options::default()).await.unwrap();
    let client = Client::connect(&simulator, "alpha");
    let peer = simulator.inspect(|world| input_peer(world, "alpha", world.chats[0].peer));
    let messages = messages_in(client.call(&history(peer)).await.unwrap());
    assert_eq!(messages.len(), 8);
    let photo_message = messages.iter().find_map(|message| match message {
        enums::Message::Message(message) if message.id == 5 => message.media.clone(),
        _ => None,
    });
    let Some(enums::MessageMedia::Photo(media)) = photo_message else { panic!("a photo") };
    let Some(enums::Photo::Photo(found)) = media.photo else { panic!("a photo") };
    let location = types::InputPhotoFileLocation {
        id: found.id,
        access_hash: found.access_hash,
        file_reference: found.file_reference,
        thumb_size: "y".into(),
    };
    let request = f::upload::GetFile { precise: true, cdn_supported: false, location: location.into(), offset: 0, limit: 16_384 };
    let enums::upload::File::File(part) = client.call_in(found.dc_id, &request).await.unwrap() else { panic!("no CDN") };
    assert!(part.bytes == photo);
    simulator.stop().await;
}

#[test]
fn a_full_export_holds_every_chat_it_understands() {
    let folder = tempfile::tempdir().unwrap();
    let message = |id: i32, text: &str| {
        format!(r#"{{"id":{id},"type":"message","date_unixtime":"1700000000","from":"A","from_id":"user5","text":"{text}"}}"#)
    };
    let export = format!(
        r#"{{"personal_information":{{"user_id":42}},"chats":{{"list":[
        {{"name":"g","type":"private_group","id":7,"messages":[{},{}]}},
        {{"name":"h","type":"private_group","id":8,"messages":[{},{}]}},
        {{"name":"c","type":"private_channel","id":9,"messages":[{}]}},
        {{"name":"p","type":"personal_chat","id":10,"messages":[{}]}},
        {{"type":"saved_messages","id":42,"messages":[]}}]}},
        "left_chats":{{"list":[{{"name":"l","type":"public_channel","id":11,"messages":[]}}]}}}}"#,
        message(100, "a"),
        message(104, "b"),
        message(102, "c"),
        message(104, "taken"),
        message(1, "d"),
        message(103, "e"),
    );
    let path = folder.path().join("result.json");
    fs::write(&path, export).unwrap();
    let (world, warnings) = World::from_export(&path).unwrap();
    assert_eq!(world.accounts[0].user_id, 42);
    assert_eq!(world.chats.len(), 5);
    assert_eq!(world.message_count(), 4);
    assert_eq!(world.accounts[0].journal.pts(), 104);
    assert_eq!(warnings.len(), 2, "{warnings:?}");
}

#[test]
fn errors_name_the_file_and_the_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("result.json");
    assert!(matches!(World::from_export(folder.path()), Err(ExportError::Read { .. })));
    fs::write(&path, "{\n \"messages\": [ oops ]}").unwrap();
    let error = World::from_export(&path).unwrap_err().to_string();
    assert!(error.contains("result.json") && error.contains("line 2"), "{error}");
    fs::write(&path, "{}").unwrap();
    assert!(matches!(World::from_export(&path), Err(ExportError::NotAnExport { .. })));
}
