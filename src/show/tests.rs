//! The JSON of one fully loaded and one minimal of everything.

use crate::archive::StoredMessage;
use crate::model::{
    Button, ButtonKind, Entity, EntityKind, Forward, GeoPlace, Giveaway, Media, MediaKind, Message, MessageId, MessageKey,
    PagePreview, Payment, Peer, PeerId, PeerKind, PeerMarks, Poll, PollResult, Reaction, Reply, Restriction, Service, Story,
    Timestamp, TodoTask,
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
        collapsed: true,
        date: Some(Timestamp(48)),
        old: Some("o".to_owned()),
    };
    Message {
        sender: Some(PeerId::user(7_000_002)),
        text: "我觉得今天天气很好 \"quoted\"\n".to_owned(),
        rich: true,
        entities: vec![entity],
        reply: Some(Reply {
            id: Some(MessageId(40)),
            topic: Some(MessageId(3)),
            quote: Some("часть".to_owned()),
            quote_offset: Some(50),
            quote_entities: vec![Entity::new(EntityKind::Bold, 0, 1)],
            peer: Some(PeerId(-51)),
            from: Some(Forward { name: Some("n".to_owned()), ..Forward::default() }),
            media: Some(Box::new(Media::new(MediaKind::Photo))),
            story: Some(52),
            task: Some(53),
            option: Some(vec![0, 255]),
        }),
        forward: Some(Forward {
            from: Some(PeerId::channel(9)),
            name: Some("Hidden".to_owned()),
            date: Some(DATE),
            post: Some(MessageId(12)),
            author: Some("f".to_owned()),
            saved_from: Some((PeerId(-54), MessageId(55))),
            announcement: Some("covid".to_owned()),
            imported: true,
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
            description: Some("d".to_owned()),
            performer: Some("p".to_owned()),
            emoji: Some("🎲".to_owned()),
            sticker_set: Some(20),
            value: Some(21),
            user: Some(PeerId(22)),
            vcard: Some("BEGIN:VCARD".to_owned()),
            spoiler: true,
            ttl: Some(23),
            page: Some(Box::new(PagePreview {
                display_url: Some("example.org".to_owned()),
                site: Some("s".to_owned()),
                kind: Some("article".to_owned()),
                author: Some("a".to_owned()),
                embed: Some("e".to_owned()),
                photo: Some(24),
                document: Some(25),
                instant: true,
            })),
            poll: Some(Box::new(Poll {
                id: 26,
                quiz: true,
                closed: true,
                multiple: true,
                public: true,
                closes: Some(Timestamp(27)),
                results: vec![PollResult { voters: Some(28), correct: true }, PollResult::default()],
                voters: Some(29),
                solution: Some("s".to_owned()),
            })),
            place: Some(Box::new(GeoPlace {
                address: Some("a".to_owned()),
                provider: Some("foursquare".to_owned()),
                id: Some("i".to_owned()),
                kind: Some("zoo".to_owned()),
                accuracy: Some(30),
                period: Some(31),
                heading: Some(32),
            })),
            payment: Some(Payment { currency: "XTR".to_owned(), amount: 33 }),
            story: Some(Story { peer: PeerId(-34), id: 35 }),
            giveaway: Some(Box::new(Giveaway {
                channels: vec![PeerId(-36)],
                countries: vec!["DE".to_owned()],
                quantity: 37,
                unclaimed: Some(38),
                months: Some(39),
                stars: Some(40),
                until: Some(Timestamp(41)),
                winners: vec![PeerId(42)],
                message: Some(MessageId(43)),
            })),
            tasks: vec![TodoTask {
                id: 44,
                text: "t".to_owned(),
                completed_by: Some(PeerId(45)),
                completed: Some(Timestamp(46)),
            }],
            items: vec![Media::new(MediaKind::Photo)],
        }),
        buttons: vec![vec![Button {
            kind: ButtonKind::Callback,
            text: "Open".to_owned(),
            url: Some("https://example.org/b".to_owned()),
            data: Some(vec![0, 1, 255]),
            query: Some("q".to_owned()),
            user: Some(PeerId(56)),
            copy: Some("c".to_owned()),
        }]],
        album: Some(13_000_000_000_000_001),
        edited: Some(Timestamp(1_706_702_460)),
        views: Some(0),
        forwards: Some(2),
        replies: Some(3),
        comments: Some(PeerId(-47)),
        reactions: vec![Reaction { emoji: "👍".to_owned(), count: 4 }],
        via_bot: Some(PeerId::user(5)),
        author: Some("The editor".to_owned()),
        pinned: true,
        silent: true,
        protected: true,
        scheduled: true,
        ttl: Some(57),
        restrictions: vec![Restriction { platform: "all".to_owned(), reason: "terms".to_owned(), text: "r".to_owned() }],
        service: Some(Service {
            action: "chat_add_user".to_owned(),
            title: Some("New title".to_owned()),
            users: vec![PeerId::user(6)],
            message: Some(MessageId(39)),
            migrated: Some(PeerId(-58)),
            text: Some("x".to_owned()),
            duration: Some(59),
            period: Some(60),
            count: Some(61),
            date: Some(Timestamp(62)),
            payment: Some(Payment { currency: "EUR".to_owned(), amount: 63 }),
            photo: Some(64),
            icon: Some(65),
            slug: Some("g".to_owned()),
            states: vec!["closed".to_owned()],
            completed: vec![66],
            reopened: vec![67],
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
    let plain = Peer::new(PeerId::channel(1_500_000_001), PeerKind::Channel, "Новости".to_owned());
    let named = Peer { username: Some("novosti".to_owned()), ..plain.clone() };
    insta::assert_snapshot!(serde_json::to_string(&super::peer(&named)).unwrap());
    insta::assert_snapshot!(serde_json::to_string(&super::peer(&Peer { title: String::new(), ..plain })).unwrap());
    let full = Peer {
        usernames: vec!["novosti2".to_owned()],
        migrated_to: Some(PeerId::channel(9)),
        marks: PeerMarks {
            bot: true,
            verified: true,
            scam: true,
            fake: true,
            forum: true,
            restricted: true,
            deleted: true,
            protected: true,
        },
        ..named
    };
    insta::assert_snapshot!(serde_json::to_string(&super::peer(&full)).unwrap());
}

#[test]
fn only_a_whole_duration_is_written_without_a_fraction() {
    for (seconds, json) in [(12.0, "12"), (0.0, "0"), (12.5, "12.5"), (1e300, "1e+300")] {
        let media = Media { duration: Some(seconds), ..Media::new(MediaKind::Voice) };
        let shown = serde_json::to_string(&super::MediaView::from(&media)).unwrap();
        assert_eq!(shown, format!(r#"{{"kind":"voice","duration":{json}}}"#));
    }
}

#[test]
fn what_is_written_is_what_is_read() {
    for message in [full(), minimal()] {
        let view = StoredView::new(&stored(message.clone(), 1, Some(DATE)), &[stored(message, 0, None)]);
        let text = serde_json::to_string(&view).unwrap();
        assert_eq!(serde_json::from_str::<StoredView>(&text).unwrap(), view);
    }
    let peer = super::peer(&Peer::new(PeerId::channel(1_500_000_001), PeerKind::Channel, "Новости".to_owned()));
    assert_eq!(serde_json::from_str::<super::PeerView>(&serde_json::to_string(&peer).unwrap()).unwrap(), peer);
}
