//! The JSON of one fully loaded and one minimal of everything.

use telescribe::archive::StoredMessage;
use telescribe::model::{Media, MediaKind, Message, Peer, PeerId, PeerKind, Reply, Timestamp};
use telescribe::show::{self, MediaView, StoredView};

use crate::support::messages::{CHAT, NOW, at, every_mark, full, titled};

fn minimal() -> Message {
    Message::new(at(1), NOW)
}

fn stored(message: Message, version: u32, deleted_at: Option<Timestamp>) -> StoredMessage {
    StoredMessage { message, version, archived_at: NOW, deleted_at }
}

#[test]
fn a_message_with_everything_shows_every_member_in_the_documented_order() {
    // What JSON escapes, and a number that a float would round.
    let message = Message { text: "今天 \"quoted\"\n".to_owned(), album: Some(13_000_000_000_000_001), ..full() };
    insta::assert_snapshot!(serde_json::to_string_pretty(&show::message(&message)).unwrap());
}

#[test]
fn what_has_no_value_is_left_out() {
    insta::assert_snapshot!(serde_json::to_string(&show::message(&minimal())).unwrap());
    let mut hollow = minimal();
    hollow.author = Some(String::new());
    hollow.media = Some(Media { name: Some(String::new()), duration: Some(f64::NAN), ..Media::new(MediaKind::File) });
    hollow.reply = Some(Reply::default());
    insta::assert_snapshot!(serde_json::to_string(&show::message(&hollow)).unwrap());
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
        serde_json::to_string(&show::message(&full())).unwrap(),
        "a message that nothing happened to looks like any other"
    );
}

#[test]
fn a_peer_shows_its_marked_id() {
    let plain = titled(CHAT, PeerKind::Channel, "Новости");
    let named = Peer { username: Some("novosti".to_owned()), ..plain.clone() };
    insta::assert_snapshot!(serde_json::to_string(&show::peer(&named)).unwrap());
    insta::assert_snapshot!(serde_json::to_string(&show::peer(&Peer { title: String::new(), ..plain })).unwrap());
    let full =
        Peer { usernames: vec!["novosti2".to_owned()], migrated_to: Some(PeerId::channel(9)), marks: every_mark(), ..named };
    insta::assert_snapshot!(serde_json::to_string(&show::peer(&full)).unwrap());
}

#[test]
fn only_a_whole_duration_is_written_without_a_fraction() {
    for (seconds, json) in [(12.0, "12"), (0.0, "0"), (12.5, "12.5"), (1e300, "1e+300")] {
        let media = Media { duration: Some(seconds), ..Media::new(MediaKind::Voice) };
        let shown = serde_json::to_string(&MediaView::from(&media)).unwrap();
        assert_eq!(shown, format!(r#"{{"kind":"voice","duration":{json}}}"#));
    }
}

#[test]
fn what_is_written_is_what_is_read() {
    for message in [full(), minimal()] {
        let view = StoredView::new(&stored(message.clone(), 1, Some(NOW)), &[stored(message, 0, None)]);
        let text = serde_json::to_string(&view).unwrap();
        assert_eq!(serde_json::from_str::<StoredView>(&text).unwrap(), view);
    }
    let peer = show::peer(&Peer::new(PeerId::channel(1_500_000_001), PeerKind::Channel, "Новости".to_owned()));
    assert_eq!(serde_json::from_str::<show::PeerView>(&serde_json::to_string(&peer).unwrap()).unwrap(), peer);
}
