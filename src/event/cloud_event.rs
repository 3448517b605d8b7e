//! One change as a CloudEvent: <https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md>.
//!
//! Structured mode: the whole event is the body, so that any client of any broker can read it without looking at headers.

use serde::Serialize;

use super::filter::WATCH_MATCHED;
use crate::archive::{ArchivedFile, Epoch, StoredMessage};
use crate::model::{Change, ChangeKind, FileId, FileState, MessageKey, Peer, Seq, Timestamp};
use crate::show::{MessageView, PeerView};
use crate::watches::LoadedWatch;

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
    /// The peer's change before this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    previous_seq: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<EventKey>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deleted: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    erased: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<EventFile>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<MessageView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    peer: Option<PeerView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    watch: Option<EventWatch>,
}

/// The watch that a message matches, and the part of the message that does.
#[derive(Serialize)]
struct EventWatch {
    name: String,
    query: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    /// Whether it is an edit that matches, rather than a new message.
    edited: bool,
    snippet: EventSnippet,
}

#[derive(Serialize)]
struct EventSnippet {
    text: String,
    /// Offset and length of each match in `text`, in UTF-16 code units.
    highlights: Vec<[usize; 2]>,
}

impl EventWatch {
    fn of(LoadedWatch { watch, query }: &LoadedWatch, edited: bool, stored: &StoredMessage) -> Self {
        let snippet = query.snippet(&stored.message);
        let highlights = snippet.highlights_utf16();
        Self {
            name: watch.name.to_string(),
            query: watch.query.clone(),
            note: watch.note.clone(),
            edited,
            snippet: EventSnippet { text: snippet.text, highlights },
        }
    }
}

#[derive(Serialize)]
struct EventKey {
    peer: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<String>,
    id: i32,
}

impl EventKey {
    fn of(key: MessageKey) -> Self {
        Self { peer: key.peer().0, account: key.chat.account().map(|account| account.to_string()), id: key.id.0 }
    }
}

/// A file: what it is, and either where its bytes are or why they are not.
#[derive(Serialize)]
struct EventFile {
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    media: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mime: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    /// Where `telescribe` serves it, below the address of a listener.
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl EventFile {
    fn of(id: FileId, file: Option<&ArchivedFile>) -> Self {
        let stored = file.and_then(|file| file.state.stored());
        let reason = file.and_then(|file| match &file.state {
            FileState::Failed { why, .. } => Some(why.clone()).filter(|why| !why.is_empty()),
            _ => None,
        });
        Self {
            id: id.to_string(),
            media: file.map(|file| file.media.name()),
            mime: file.and_then(|file| file.mime.clone()),
            sha256: stored.map(|bytes| bytes.hash.to_string()),
            size: stored.map(|bytes| bytes.size),
            path: stored.map(|bytes| format!("/v1/media/{}", bytes.hash)),
            reason,
        }
    }
}

/// What a change is about, as far as the archive knows it.
#[derive(Clone, Debug, Default)]
pub struct About {
    /// The form of the message.
    pub message: Option<StoredMessage>,
    /// The peer.
    pub peer: Option<Peer>,
    /// The file.
    pub file: Option<ArchivedFile>,
}

impl Event {
    /// The event of a watch that the message of a change matches; it follows on the event of the change.
    ///
    /// # Errors
    /// See [`Event::new`].
    pub fn watch_matched(
        (archive, epoch): (&str, Epoch),
        change: &Change,
        about: &About,
        matched: &LoadedWatch,
    ) -> serde_json::Result<Self> {
        const NAME: &str = WATCH_MATCHED;
        let (peer, watch) = (change.kind.peer(), &matched.watch.name);
        let mut data = EventData::new(epoch, change, about);
        let edited = matches!(change.kind, ChangeKind::MessageEdited { .. });
        data.watch = about.message.as_ref().map(|stored| EventWatch::of(matched, edited, stored));
        let id = format!("{archive}.{epoch}.{}.{NAME}.{watch}", change.seq);
        let subject = change.kind.message().map_or_else(|| peer.to_string(), |key| key.to_string());
        Self::with((id, NAME), archive, change, (subject, format!("{NAME}.{peer}.{watch}")), data)
    }

    /// The event of a change of the archive with an id, in an epoch of it. What it is about may be missing; the
    /// event then says less.
    ///
    /// # Errors
    /// Never seen: the types have a JSON form; serde's signature cannot say so.
    pub fn new((archive, epoch): (&str, Epoch), change: &Change, about: &About) -> serde_json::Result<Self> {
        let name = change.kind.name();
        let id = format!("{archive}.{epoch}.{}.{name}", change.seq);
        let of_file = change.kind.file().map(|(file, _)| file.to_string());
        let of_message = || change.kind.message().map(|key| key.to_string());
        let subject = of_file.or_else(of_message).unwrap_or_else(|| change.kind.peer().to_string());
        let routing_key = format!("{name}.{}", change.kind.peer());
        Self::with((id, name), archive, change, (subject, routing_key), EventData::new(epoch, change, about))
    }

    fn with(
        (id, name): (String, &str),
        archive: &str,
        change: &Change,
        (subject, routing_key): (String, String),
        data: EventData,
    ) -> serde_json::Result<Self> {
        let kind = format!("telescribe.{name}");
        let body = serde_json::to_vec(&CloudEvent {
            specversion: "1.0",
            id: &id,
            source: format!("/telescribe/{archive}"),
            kind: &kind,
            time: change.at.to_string(),
            subject,
            datacontenttype: "application/json",
            data,
        })?;
        Ok(Self { id, kind, routing_key, seq: change.seq, at: change.at, body })
    }
}

impl EventData {
    fn new(epoch: Epoch, change: &Change, about: &About) -> Self {
        let mut data = Self {
            epoch: epoch.to_string(),
            seq: change.seq.0,
            previous_seq: change.previous.map(|seq| seq.0),
            version: None,
            key: None,
            deleted: None,
            erased: None,
            file: None,
            message: about.message.as_ref().map(|m| (&m.message).into()),
            peer: about.peer.as_ref().map(Into::into),
            watch: None,
        };
        match change.kind {
            ChangeKind::MessageNew { .. }
            | ChangeKind::PeerChanged { .. }
            | ChangeKind::PeerJoined { .. }
            | ChangeKind::PeerLeft { .. } => {}
            ChangeKind::MessageEdited { version, .. } => data.version = Some(version),
            ChangeKind::MediaStored { file, origin } | ChangeKind::MediaFailed { file, origin } => {
                data.key = origin.message().map(EventKey::of);
                data.file = Some(EventFile::of(file, about.file.as_ref()));
            }
            ChangeKind::MessageErased { key } => {
                data.key = Some(EventKey::of(key));
                data.erased = Some(change.at.to_string());
                data.message = None;
            }
            ChangeKind::MessageDeleted { key } => {
                data.key = Some(EventKey::of(key));
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
        let about = About { message: message.cloned(), peer: peer.cloned(), file: None };
        let change = Change { seq: Seq(7), at: AT, kind, previous: Some(Seq(5)) };
        let event = Event::new(("0a1b2c", "1-0f3c9a72".parse().unwrap()), &change, &about).unwrap();
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
        insta::assert_snapshot!("message.erased", shown(ChangeKind::MessageErased { key }, None, Some(&peer)));
        insta::assert_snapshot!("peer.changed", shown(ChangeKind::PeerChanged { peer: key.peer() }, None, Some(&peer)));
        insta::assert_snapshot!("peer.left", shown(ChangeKind::PeerLeft { peer: key.peer() }, None, Some(&peer)));
        insta::assert_snapshot!("nothing_known", shown(ChangeKind::MessageNew { key }, None, None));
    }
}
