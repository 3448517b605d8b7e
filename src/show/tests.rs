//! The JSON of one fully loaded and one minimal of everything.

use crate::archive::StoredMessage;
use crate::model::{
    Entity, EntityKind, Forward, Media, MediaKind, Message, MessageId, MessageKey, Peer, PeerId, PeerKind, Reaction, Reply,
    Service, Timestamp,
};

use super::StoredView;

const DATE: Timestamp = Timestamp(1_706_702_400);

fn key(id: i32) -> MessageKey {
    MessageKey { peer: PeerId::channel(1_500_000_001), id: MessageId(id) }
}

fn minimal() -> Message {
    Message::new(key(1), DATE)
}

/// Every member has a value; no real message has all of them.
fn full() -> Message {
    let entity = Entity {
        kind: EntityKind::TextUrl,
        offset: 0,
        length: 5,
        url: Some("https://example.org/".to_owned()),
        language: Some("rust".to_owned()),
        user: Some(PeerId::user(7_000_001)),
        emoji: Some(5_368_324_170_671_202_286),
    };
    Message {
        sender: Some(PeerId::user(7_000_002)),
        text: "我觉得今天天气很好 \"quoted\"\n".to_owned(),
        entities: vec![entity],
        reply: Some(Reply { id: Some(MessageId(40)), topic: Some(MessageId(3)), quote: Some("часть".to_owned()) }),
        forward: Some(Forward {
            from: Some(PeerId::channel(9)),
            name: Some("Hidden".to_owned()),
            date: Some(DATE),
            post: Some(MessageId(12)),
        }),
        media: Some(Media {
            kind: MediaKind::Video,
            id: Some(11),
            name: Some("a.mp4".to_owned()),
            mime: Some("video/mp4".to_owned()),
            size: Some(1_048_576),
            width: Some(640),
            height: Some(360),
            duration: Some(12.0),
            url: Some("https://example.org/v".to_owned()),
            title: Some("A title".to_owned()),
            question: Some("Which?".to_owned()),
            options: vec!["one".to_owned(), "two".to_owned()],
            latitude: Some(52.0),
            longitude: Some(13.404_954),
            phone: Some("+10000000000".to_owned()),
        }),
        album: Some(13_000_000_000_000_001),
        edited: Some(Timestamp(1_706_702_460)),
        views: Some(0),
        forwards: Some(2),
        replies: Some(3),
        reactions: vec![Reaction { emoji: "👍".to_owned(), count: 4 }],
        via_bot: Some(PeerId::user(5)),
        author: Some("The editor".to_owned()),
        pinned: true,
        service: Some(Service {
            action: "chat_add_user".to_owned(),
            title: Some("New title".to_owned()),
            users: vec![PeerId::user(6)],
            message: Some(MessageId(39)),
        }),
        ..Message::new(key(42), DATE)
    }
}

fn stored(message: Message, version: u32, deleted_at: Option<Timestamp>) -> StoredMessage {
    StoredMessage { message, version, archived_at: DATE, deleted_at }
}

#[test]
fn a_message_with_everything_shows_every_member_in_the_documented_order() {
    insta::assert_snapshot!(serde_json::to_string_pretty(&super::message(&full())).unwrap());
}

#[test]
fn what_has_no_value_is_left_out() {
    insta::assert_snapshot!(serde_json::to_string(&super::message(&minimal())).unwrap());
    let mut hollow = minimal();
    hollow.author = Some(String::new());
    hollow.media = Some(Media { name: Some(String::new()), duration: Some(f64::NAN), ..Media::new(MediaKind::File) });
    hollow.reply = Some(Reply::default());
    insta::assert_snapshot!(serde_json::to_string(&super::message(&hollow)).unwrap());
}

#[test]
fn a_stored_message_shows_its_earlier_forms_without_their_key() {
    let (mut older, mut newer) = (minimal(), minimal());
    older.text = "before".to_owned();
    newer.text = "after".to_owned();
    let view = StoredView::new(&stored(newer, 1, Some(Timestamp(1_706_702_500))), &[stored(older, 0, None)]);
    insta::assert_snapshot!(serde_json::to_string(&view).unwrap());
    assert_eq!(
        serde_json::to_string(&StoredView::new(&stored(full(), 0, None), &[])).unwrap(),
        serde_json::to_string(&super::message(&full())).unwrap(),
        "a message that nothing happened to looks like any other"
    );
}

#[test]
fn a_peer_shows_its_marked_id() {
    let mut peer = Peer {
        id: PeerId::channel(1_500_000_001),
        kind: PeerKind::Channel,
        title: "Новости".to_owned(),
        username: Some("novosti".to_owned()),
    };
    insta::assert_snapshot!(serde_json::to_string(&super::peer(&peer)).unwrap());
    (peer.title, peer.username) = (String::new(), None);
    insta::assert_snapshot!(serde_json::to_string(&super::peer(&peer)).unwrap());
}

#[test]
fn only_a_whole_duration_is_written_without_a_fraction() {
    for (seconds, json) in [(12.0, "12"), (0.0, "0"), (12.5, "12.5"), (1e300, "1e+300")] {
        let media = Media { duration: Some(seconds), ..Media::new(MediaKind::Voice) };
        let shown = serde_json::to_string(&super::MediaView::from(&media)).unwrap();
        assert_eq!(shown, format!(r#"{{"kind":"voice","duration":{json}}}"#));
    }
}
