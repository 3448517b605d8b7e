//! Messages and peers to archive, from the plainest to one with everything.

#![expect(clippy::unwrap_used, reason = "what cannot be had fails the test")]

use telescribe::archive::Raw;
use telescribe::model::{
    Button, ButtonKind, ChatId, Entity, EntityKind, Forward, GeoPlace, Giveaway, IdRange, Media, MediaKind, Message, MessageId,
    MessageKey, PagePreview, Payment, Peer, PeerId, PeerKind, PeerMarks, Poll, PollResult, Reaction, Reply, Restriction, Service,
    Story, Timestamp, TodoTask,
};

pub(crate) const NOW: Timestamp = Timestamp(1_706_702_400);
/// The peer of messages where it does not matter which.
pub(crate) const CHAT: PeerId = PeerId(-1_001_500_000_001);

pub(crate) fn key(peer: impl Into<ChatId>, id: i32) -> MessageKey {
    MessageKey::new(peer, MessageId(id))
}

/// A message's key in [`CHAT`].
pub(crate) fn at(id: i32) -> MessageKey {
    key(CHAT, id)
}

/// A message of a peer, sent so many seconds after [`NOW`] as its id says.
pub(crate) fn message(peer: impl Into<ChatId>, id: i32, text: &str) -> Message {
    Message { text: text.to_owned(), ..Message::new(key(peer, id), Timestamp(NOW.0 + i64::from(id))) }
}

/// The same in [`CHAT`].
pub(crate) fn text(id: i32, text: &str) -> Message {
    message(CHAT, id, text)
}

pub(crate) fn raw(of: &str) -> Raw {
    Raw { layer: 230, tl: of.as_bytes().to_vec(), account: None }
}

pub(crate) fn range(first: i32, last: i32) -> IdRange {
    IdRange::new(first, last).unwrap()
}

/// A peer of a kind, with its title.
pub(crate) fn titled(id: PeerId, kind: PeerKind, title: &str) -> Peer {
    Peer::new(id, kind, title.to_owned())
}

/// A user.
pub(crate) fn peer(id: i64, username: Option<&str>) -> Peer {
    Peer { username: username.map(str::to_owned), ..titled(PeerId(id), PeerKind::User, &format!("peer {id}")) }
}

pub(crate) fn every_mark() -> PeerMarks {
    PeerMarks { bot: true, verified: true, scam: true, fake: true, forum: true, restricted: true, deleted: true, protected: true }
}

/// A message with everything, so that no member is without bytes.
pub(crate) fn full() -> Message {
    Message {
        sender: Some(PeerId(7)),
        text: "今天".to_owned(),
        rich: true,
        entities: vec![Entity {
            kind: EntityKind::TextUrl,
            offset: 0,
            length: 2,
            url: Some("https://example.org/".to_owned()),
            language: Some("rust".to_owned()),
            user: Some(PeerId(8)),
            emoji: Some(9),
            collapsed: true,
            date: Some(Timestamp(48)),
            old: Some("o".to_owned()),
        }],
        reply: Some(Reply {
            id: Some(MessageId(1)),
            topic: Some(MessageId(2)),
            quote: Some("q".to_owned()),
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
            from: Some(PeerId(-3)),
            name: Some("n".to_owned()),
            date: Some(Timestamp(4)),
            post: Some(MessageId(5)),
            author: Some("f".to_owned()),
            saved_from: Some((PeerId(-54), MessageId(55))),
            announcement: Some("covid".to_owned()),
            imported: true,
        }),
        media: Some(Media {
            id: Some(1),
            name: Some("a.mp4".to_owned()),
            mime: Some("video/mp4".to_owned()),
            size: Some(2),
            width: Some(3),
            height: Some(4),
            duration: Some(0.5),
            url: Some("u".to_owned()),
            title: Some("t".to_owned()),
            question: Some("q".to_owned()),
            options: vec!["a".to_owned(), String::new()],
            latitude: Some(52.5),
            longitude: Some(-13.25),
            phone: Some("+1".to_owned()),
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
            ..Media::new(MediaKind::Video)
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
        album: Some(10),
        edited: Some(Timestamp(11)),
        views: Some(12),
        forwards: Some(13),
        replies: Some(14),
        comments: Some(PeerId(-47)),
        reactions: vec![Reaction { emoji: "👍".to_owned(), count: 15 }],
        via_bot: Some(PeerId(16)),
        author: Some("w".to_owned()),
        pinned: true,
        silent: true,
        protected: true,
        scheduled: true,
        ttl: Some(57),
        restrictions: vec![Restriction { platform: "all".to_owned(), reason: "terms".to_owned(), text: "r".to_owned() }],
        service: Some(Service {
            action: "pin_message".to_owned(),
            title: Some("t".to_owned()),
            users: vec![PeerId(17), PeerId(-18)],
            message: Some(MessageId(19)),
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
        ..Message::new(at(42), NOW)
    }
}

/// The message that announces a forum's topic.
pub(crate) fn topic(id: i32, title: &str) -> Message {
    let service = Service { action: "topic_create".to_owned(), title: Some(title.to_owned()), ..Service::default() };
    Message { service: Some(service), ..text(id, "") }
}
