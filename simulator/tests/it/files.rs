//! Files are of any size, from nothing to two gigabytes, and what is served is what the world says.

use grammers_tl_types::{enums, functions as f, types};
use telescribe_simulator::world::Media;
use telescribe_simulator::{FileSizes, PeerId, Post, Simulator, WorldSpec};

use crate::client::{Client, chat_of, history, input_peer, messages_in, spec, start};

/// What one request asks for at most: grammers takes no more in one answer.
pub(crate) const PART: i32 = 512 * 1024;

/// A message as an account reads it.
pub(crate) async fn read(simulator: &Simulator, client: &Client, peer: PeerId, id: i32) -> enums::Message {
    let mut request = history(simulator.inspect(|world| input_peer(world, &client.access.name, peer)));
    (request.offset_id, request.limit) = (id + 1, 1);
    messages_in(client.call(&request).await.unwrap()).remove(0)
}

/// What a message carries, as an account reads it.
pub(crate) async fn media(simulator: &Simulator, client: &Client, peer: PeerId, id: i32) -> enums::MessageMedia {
    let enums::Message::Message(message) = read(simulator, client, peer, id).await else { panic!("a message") };
    message.media.expect("media")
}

/// Where a document is downloaded, or its thumbnail.
pub(crate) fn document_location(document: &enums::Document, letter: &str) -> enums::InputFileLocation {
    let enums::Document::Document(document) = document else { panic!("a document") };
    types::InputDocumentFileLocation {
        id: document.id,
        access_hash: document.access_hash,
        file_reference: document.file_reference.clone(),
        thumb_size: letter.into(),
    }
    .into()
}

/// Where a size of a photo is downloaded.
pub(crate) fn photo_location(photo: &enums::Photo, letter: &str) -> enums::InputFileLocation {
    let enums::Photo::Photo(photo) = photo else { panic!("a photo") };
    types::InputPhotoFileLocation {
        id: photo.id,
        access_hash: photo.access_hash,
        file_reference: photo.file_reference.clone(),
        thumb_size: letter.into(),
    }
    .into()
}

/// Where the document or photo of a message is downloaded, as an account reads it now.
pub(crate) async fn location(simulator: &Simulator, client: &Client, peer: PeerId, id: i32) -> enums::InputFileLocation {
    match media(simulator, client, peer, id).await {
        enums::MessageMedia::Document(media) => document_location(&media.document.unwrap(), ""),
        enums::MessageMedia::Photo(media) => photo_location(&media.photo.unwrap(), "y"),
        other => panic!("no file: {other:?}"),
    }
}

/// A request for the part of a file at an offset.
pub(crate) fn part(location: enums::InputFileLocation, offset: i64) -> f::upload::GetFile {
    f::upload::GetFile { precise: true, cdn_supported: false, location, offset, limit: PART }
}

pub(crate) fn bytes(answer: enums::upload::File) -> Vec<u8> {
    let enums::upload::File::File(answer) = answer else { panic!("no CDN") };
    answer.bytes
}

/// Downloads a file from start to end.
pub(crate) async fn download(client: &Client, dc: i32, location: &enums::InputFileLocation) -> Vec<u8> {
    let mut content: Vec<u8> = Vec::new();
    loop {
        let part = bytes(client.call_in(dc, &part(location.clone(), content.len() as i64)).await.unwrap());
        content.extend(&part);
        if part.len() < PART as usize {
            return content;
        }
    }
}

/// Lets an account into another data centre.
pub(crate) async fn let_in(client: &Client, dc: i32) {
    let exported = client.call(&f::auth::ExportAuthorization { dc_id: dc }).await.unwrap();
    let enums::auth::ExportedAuthorization::Authorization(exported) = exported;
    let import = f::auth::ImportAuthorization { id: exported.id, bytes: exported.bytes };
    client.call_in(dc, &import).await.unwrap();
}

/// A channel that alpha is in.
pub(crate) fn channel(simulator: &Simulator) -> PeerId {
    simulator.inspect(|world| chat_of(world, "alpha", |chat| chat.kind.is_channel()))
}

/// The id of the file of a message.
pub(crate) fn file_of(simulator: &Simulator, peer: PeerId, id: i32) -> i64 {
    simulator.inspect(|world| world.chat(peer).unwrap().history.get(id).unwrap().media().unwrap().file_id().unwrap())
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest;
    sha2::Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn a_posted_document_has_the_name_size_and_place_that_it_was_given() {
    let simulator = start(&spec()).await;
    let client = Client::connect(&simulator, "alpha");
    let (peer, home) = (channel(&simulator), client.access.home_dc);
    for size in [0, 1, 4_096, i64::from(PART), 3 * i64::from(PART) + 17] {
        let post = Post::document("report.pdf", "application/pdf", size).in_dc(home).captioned("read this");
        let id = simulator.post(peer, post).unwrap();
        let enums::MessageMedia::Document(media) = media(&simulator, &client, peer, id).await else { panic!("a document") };
        let document = media.document.unwrap();
        let enums::Document::Document(said) = &document else { panic!("a document") };
        assert_eq!((said.size, said.mime_type.as_str(), said.dc_id), (size, "application/pdf", home));
        let name = types::DocumentAttributeFilename { file_name: "report.pdf".into() };
        assert_eq!(said.attributes, [name.into()]);
        let content = download(&client, home, &document_location(&document, "")).await;
        assert_eq!(content.len() as i64, size);
        assert_eq!(simulator.inspect(|world| world.file_hash(said.id, "")), Some(sha256(&content)));
        assert_eq!(simulator.inspect(|world| world.file_size(said.id, "")), Some(size));
    }
    simulator.stop().await;
}

#[tokio::test]
async fn a_file_of_two_gigabytes_is_served_at_any_offset() {
    let simulator = start(&spec()).await;
    let client = Client::connect(&simulator, "alpha");
    let (peer, home, size) = (channel(&simulator), client.access.home_dc, 2_000 << 20);
    let id = simulator.post(peer, Post::document("film.mkv", "video/x-matroska", size).in_dc(home)).unwrap();
    let location = location(&simulator, &client, peer, id).await;
    let mut seen = Vec::new();
    for offset in [0, 1 << 30, size - i64::from(PART), size - 1024, size] {
        let mut asked = part(location.clone(), offset);
        // No part crosses a border of a mebibyte.
        asked.limit = if offset % i64::from(PART) == 0 { PART } else { 1024 };
        let part = bytes(client.call(&asked).await.unwrap());
        assert_eq!(part.len() as i64, (size - offset).min(i64::from(asked.limit)));
        assert!(part.is_empty() || !seen.contains(&part));
        seen.push(part);
    }
    assert!(seen[2].ends_with(&seen[3]));
    simulator.stop().await;
}

#[tokio::test]
async fn every_size_of_a_photo_and_the_thumbnail_of_a_video_are_files_of_their_own() {
    let simulator = start(&spec()).await;
    let client = Client::connect(&simulator, "alpha");
    let (peer, home) = (channel(&simulator), client.access.home_dc);
    let id = simulator.post(peer, Post::photo(1280, 960, 100_000).in_dc(home)).unwrap();
    let enums::MessageMedia::Photo(shown) = media(&simulator, &client, peer, id).await else { panic!("a photo") };
    let photo = shown.photo.unwrap();
    let enums::Photo::Photo(of) = &photo else { panic!("a photo") };
    let mut found = Vec::new();
    for size in &of.sizes {
        let enums::PhotoSize::Size(size) = size else { continue };
        let content = download(&client, home, &photo_location(&photo, &size.r#type)).await;
        assert_eq!(content.len(), size.size as usize);
        assert_eq!(simulator.inspect(|world| world.file_hash(of.id, &size.r#type)), Some(sha256(&content)));
        found.push((size.r#type.clone(), size.w, size.h));
    }
    assert_eq!(found, [("m".into(), 320, 240), ("x".into(), 800, 600), ("y".into(), 1280, 960)]);
    let (peer, id, size) = simulator.inspect(|world| {
        let account = &world.accounts[0];
        let chats = account.dialogs.iter().map(|at| &world.chats[*at as usize]);
        let messages = chats.flat_map(|chat| chat.history.messages().iter().map(move |message| (chat.peer, message)));
        let mut thumbnails = messages.filter_map(|(peer, message)| match message.media() {
            Some(Media::Document(document)) if world.files[&document.id].dc == account.home_dc => {
                Some((peer, message.id, document.thumbnail?))
            }
            _ => None,
        });
        thumbnails.next().unwrap()
    });
    let enums::MessageMedia::Document(shown) = media(&simulator, &client, peer, id).await else { panic!("a document") };
    let content = download(&client, home, &document_location(&shown.document.unwrap(), "m")).await;
    assert_eq!(content.len(), size.size as usize);
    simulator.stop().await;
}

#[test]
fn generated_documents_are_as_large_as_was_asked_for_and_nothing_else_moves() {
    let usual = WorldSpec { peers: 30, messages: 20_000, ..WorldSpec::default() };
    let asked = WorldSpec { file_sizes: FileSizes::Between { min: 0, max: 2_000_000_000 }, ..usual.clone() };
    let (usual, asked) = (usual.generate(), asked.generate());
    let sizes: Vec<i64> = asked.files.values().filter(|entry| !entry.is_photo()).map(|entry| entry.size).collect();
    assert!(sizes.iter().all(|size| (0..=2_000_000_000).contains(size)));
    assert!(sizes.iter().filter(|size| **size == 0).count() * 40 > sizes.len(), "some are empty");
    assert!(sizes.iter().any(|size| *size > 1_000_000_000) && sizes.iter().any(|size| (1..1_000).contains(size)));
    let mut ids = [usual.files.keys().collect::<Vec<_>>(), asked.files.keys().collect()];
    ids.iter_mut().for_each(|ids| ids.sort());
    assert_eq!(ids[0], ids[1]);
    assert!(asked.file_list().is_sorted());
}
