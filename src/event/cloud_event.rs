//! One change as a CloudEvent: <https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md>.
//!
//! Structured mode: the whole event is the body, so that any client of any broker can read it without looking at headers.

use serde::Serialize;

use crate::archive::{Epoch, StoredMessage};
use crate::model::{Change, ChangeKind, Peer, Seq, Timestamp};
use crate::show::{MessageView, PeerView};

/// The media type of a structured-mode CloudEvent.
pub const CONTENT_TYPE: &str = "application/cloudevents+json";

/// An event, ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The deduplication key: the same for the same change each time it is published.
    pub id: String,
    /// `telescribe.message.new`, ...
    pub kind: String,
    /// `message.new.<peer>`, ...: what topic bindings match.
    pub routing_key: String,
    /// The change's sequence number.
    pub seq: Seq,
    /// When the change was archived.
    pub at: Timestamp,
    /// The CloudEvent as JSON.
    pub body: Vec<u8>,
}

#[derive(Serialize)]
struct CloudEvent<'a> {
    specversion: &'static str,
    id: &'a str,
    source: String,
    #[serde(rename = "type")]
    kind: &'a str,
    time: String,
    subject: String,
    datacontenttype: &'static str,
    data: EventData,
}

#[derive(Serialize)]
struct EventData {
    epoch: String,
    seq: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<EventKey>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deleted: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<MessageView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    peer: Option<PeerView>,
}

#[derive(Serialize)]
struct EventKey {
    peer: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<String>,
    id: i32,
}

impl Event {
    /// The event of a change of the archive with an id, in an epoch of it. `message` is the form that the change is about, `peer` the peer as
    /// far as it is known; either may be missing, the event then says less.
    ///
    /// # Errors
    /// Never seen: the types have a JSON form; serde's signature cannot say so.
    pub fn new(
        (archive, epoch): (&str, Epoch),
        change: &Change,
        message: Option<&StoredMessage>,
        peer: Option<&Peer>,
    ) -> serde_json::Result<Self> {
        let name = change.kind.name();
        let id = format!("{archive}.{epoch}.{}.{name}", change.seq);
        let kind = format!("telescribe.{name}");
        let subject = change.kind.message().map_or_else(|| change.kind.peer().to_string(), |key| key.to_string());
        let body = serde_json::to_vec(&CloudEvent {
            specversion: "1.0",
            id: &id,
            source: format!("/telescribe/{archive}"),
            kind: &kind,
            time: change.at.to_string(),
            subject,
            datacontenttype: "application/json",
            data: EventData::new(epoch, change, message, peer),
        })?;
        let routing_key = format!("{name}.{}", change.kind.peer());
        Ok(Self { id, kind, routing_key, seq: change.seq, at: change.at, body })
    }
}

impl EventData {
    fn new(epoch: Epoch, change: &Change, message: Option<&StoredMessage>, peer: Option<&Peer>) -> Self {
        let mut data = Self {
            epoch: epoch.to_string(),
            seq: change.seq.0,
            version: None,
            key: None,
            deleted: None,
            message: message.map(|m| (&m.message).into()),
            peer: peer.map(Into::into),
        };
        match change.kind {
            ChangeKind::MessageNew { .. }
            | ChangeKind::PeerChanged { .. }
            | ChangeKind::PeerJoined { .. }
            | ChangeKind::PeerLeft { .. } => {}
            ChangeKind::MessageEdited { version, .. } => data.version = Some(version),
            ChangeKind::MessageDeleted { key } => {
                let account = key.chat.account().map(|account| account.to_string());
                data.key = Some(EventKey { peer: key.peer().0, account, id: key.id.0 });
                data.deleted = Some(change.at.to_string());
                // What was deleted is in the archive for those who may read it; it is not sent around again.
                data.message = None;
            }
        }
        data
    }
}

#[cfg(test)]
mod tests {
    use crate::model::{Message, MessageId, MessageKey, PeerId, PeerKind};

    use super::*;

    const AT: Timestamp = Timestamp(1_706_702_400);

    fn shown(kind: ChangeKind, message: Option<&StoredMessage>, peer: Option<&Peer>) -> String {
        let event =
            Event::new(("0a1b2c", "1-0f3c9a72".parse().unwrap()), &Change { seq: Seq(7), at: AT, kind }, message, peer).unwrap();
        let body: serde_json::Value = serde_json::from_slice(&event.body).unwrap();
        format!("{}\n{}\n{}\n{body:#}", event.id, event.kind, event.routing_key)
    }

    #[test]
    fn an_event_of_each_kind_looks_as_documented() {
        let key = MessageKey::new(PeerId::channel(1_500_000_001), MessageId(42));
        let message = Message { text: "今天天气很好".to_owned(), ..Message::new(key, Timestamp(1_706_702_000)) };
        let stored = StoredMessage { message, version: 1, archived_at: AT, deleted_at: None };
        let plain = Peer::new(key.peer(), PeerKind::Supergroup, "Погода".to_owned());
        let peer = Peer { username: Some("pogoda".to_owned()), ..plain };
        insta::assert_snapshot!("message.new", shown(ChangeKind::MessageNew { key }, Some(&stored), Some(&peer)));
        insta::assert_snapshot!(
            "message.edited",
            shown(ChangeKind::MessageEdited { key, version: 1 }, Some(&stored), Some(&peer))
        );
        insta::assert_snapshot!("message.deleted", shown(ChangeKind::MessageDeleted { key }, Some(&stored), Some(&peer)));
        insta::assert_snapshot!("peer.changed", shown(ChangeKind::PeerChanged { peer: key.peer() }, None, Some(&peer)));
        insta::assert_snapshot!("peer.left", shown(ChangeKind::PeerLeft { peer: key.peer() }, None, Some(&peer)));
        insta::assert_snapshot!("nothing_known", shown(ChangeKind::MessageNew { key }, None, None));
    }
}
