//! Where a world has real media, photos can be looked at and sounds can be played, at exactly the sizes that messages say.

use grammers_tl_types::enums;
use telescribe_simulator::world::{Document, DocumentKind, Media, Photo};
use telescribe_simulator::{Post, World, WorldSpec};

use crate::client::{Client, spec, start};
use crate::files::{channel, document_location, download, media, photo_location};

fn real() -> WorldSpec {
    WorldSpec { real_media: true, ..spec() }
}

/// Width and height of a picture that decodes.
pub(crate) fn dimensions(bytes: &[u8]) -> (i32, i32) {
    let mut decoder = jpeg_decoder::Decoder::new(bytes);
    let pixels = decoder.decode().expect("it decodes");
    let info = decoder.info().unwrap();
    assert_eq!(pixels.len(), usize::from(info.width) * usize::from(info.height) * 3);
    (info.width.into(), info.height.into())
}

#[test]
fn every_picture_of_a_generated_world_decodes_at_its_dimensions_and_length() {
    let world = WorldSpec { messages: 3_000, ..real() }.generate();
    let mut seen = 0;
    for (id, entry) in &world.files {
        for picture in entry.pictures() {
            let bytes = world.rendition_content(*id, &picture.letter.to_string()).unwrap();
            assert_eq!(bytes.len() as i32, picture.size);
            assert_eq!(dimensions(&bytes), (picture.width, picture.height), "{id} {picture:?}");
            seen += 1;
        }
    }
    assert!(seen > 200, "{seen}");
}

#[test]
fn sounds_of_a_generated_world_last_as_long_as_they_are_said_to() {
    let world: World = WorldSpec { messages: 5_000, ..real() }.generate();
    let messages = world.chats.iter().flat_map(|chat| chat.history.messages());
    let sounds: Vec<&Document> = messages
        .filter_map(|message| match message.media() {
            Some(Media::Document(of)) if matches!(of.kind, DocumentKind::Voice | DocumentKind::Audio) => Some(&**of),
            _ => None,
        })
        .collect();
    assert!(sounds.len() > 20);
    for sound in sounds {
        assert_eq!(sound.mime, "audio/wav");
        let bytes = world.file_content(sound.id).unwrap();
        assert_eq!(bytes.len() as i64, sound.size);
        assert!(bytes.starts_with(b"RIFF") && &bytes[8..16] == b"WAVEfmt ");
        assert_eq!((bytes.len() - 44) as f64 / 8_000.0, sound.duration.unwrap());
    }
}

#[tokio::test]
async fn a_posted_photo_is_given_room_for_its_pictures_and_downloads_as_one() {
    let simulator = start(&real()).await;
    let client = Client::connect(&simulator, "alpha");
    let (peer, home) = (channel(&simulator), client.access.home_dc);
    for (width, height, size, progressive) in
        [(1280, 960, 100, false), (800, 800, 90_000, true), (90, 90, 0, true), (0, 0, 5, false)]
    {
        let photo = Media::Photo(Photo { progressive, ..Photo::new(width, height, size) });
        let id = simulator.post(peer, Post::media(photo).in_dc(home)).unwrap();
        let enums::MessageMedia::Photo(shown) = media(&simulator, &client, peer, id).await else { panic!("a photo") };
        let photo = shown.photo.unwrap();
        let enums::Photo::Photo(of) = &photo else { panic!("a photo") };
        for size in &of.sizes {
            let (letter, w, h, said) = match size {
                enums::PhotoSize::Size(size) => (&size.r#type, size.w, size.h, size.size),
                enums::PhotoSize::Progressive(size) => (&size.r#type, size.w, size.h, *size.sizes.last().unwrap()),
                _ => continue,
            };
            if w == 0 {
                continue;
            }
            let bytes = download(&client, home, &photo_location(&photo, letter)).await;
            assert_eq!(bytes.len() as i32, said);
            assert_eq!(dimensions(&bytes), (w, h));
        }
    }
    let video = Media::Document(Box::new(Document::new(DocumentKind::Video, "video/mp4", 10_000)));
    let id = simulator.post(peer, Post::media(video).in_dc(home)).unwrap();
    let enums::MessageMedia::Document(shown) = media(&simulator, &client, peer, id).await else { panic!("a video") };
    let document = shown.document.unwrap();
    assert_eq!(dimensions(&download(&client, home, &document_location(&document, "m")).await), (320, 180));
    assert_eq!(download(&client, home, &document_location(&document, "")).await.len(), 10_000);
    simulator.stop().await;
}
