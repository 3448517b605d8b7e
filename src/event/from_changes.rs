//! From changes to events: what a change is about, read from the archive. Deterministic, so that a replay is idempotent.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use crate::archive::{ArchiveError, ArchivedFile, Snapshot, StoredMessage};
use crate::model::{Change, ChangeKind, MessageKey, Peer, PeerId, Seq};

use super::Event;
use super::cloud_event::About;

/// The events of the changes after a position, in order, at most `limit`.
///
/// A message is shown in the version that the change is about, also when it was edited again since; so a replay says the same as the
/// first time. What cannot be read is left out of its event, never the event itself: one damaged record does
/// not stop the rest.
///
/// # Errors
/// When the disk refuses, or an entry of the change log itself cannot be decoded.
pub fn events(archive: &Snapshot, after: Seq, limit: usize) -> anyhow::Result<Vec<Event>> {
    events_of(archive, &archive.view().changes(after, limit)?)
}

/// The events of some changes, in order.
///
/// # Errors
/// When the disk refuses.
pub fn events_of(archive: &Snapshot, changes: &[Change]) -> anyhow::Result<Vec<Event>> {
    let messages = messages(archive, changes)?;
    let peers = peers(archive, changes)?;
    let event = |(change, message): (&Change, Option<StoredMessage>)| {
        let about = About { message, peer: peers.get(&change.kind.peer()).cloned().flatten(), file: file(archive, change)? };
        Ok(Event::new((archive.id(), archive.epoch_of(change.seq)), change, &about)?)
    };
    changes.iter().zip(messages).map(event).collect()
}

fn messages(archive: &Snapshot, changes: &[Change]) -> Result<Vec<Option<StoredMessage>>, ArchiveError> {
    // Deletions only name their message.
    let message_of = |kind: &ChangeKind| match *kind {
        ChangeKind::MessageNew { key } => Some((key, 0)),
        ChangeKind::MessageEdited { key, version } => Some((key, version)),
        ChangeKind::MessageDeleted { .. }
        | ChangeKind::MessageErased { .. }
        | ChangeKind::PeerChanged { .. }
        | ChangeKind::PeerJoined { .. }
        | ChangeKind::PeerLeft { .. }
        | ChangeKind::MediaStored { .. }
        | ChangeKind::MediaFailed { .. } => None,
    };
    let keys: Vec<MessageKey> = changes.iter().filter_map(|c| message_of(&c.kind)).map(|(key, _)| key).collect();
    let mut newest = archive.view().messages_by_key(&keys)?.into_iter();
    changes
        .iter()
        .map(|change| match message_of(&change.kind) {
            Some((key, version)) => version_of(archive, key, version, newest.next().flatten()),
            None => Ok(None),
        })
        .collect()
}

/// A version of a message; the newest, if that one is gone.
fn version_of(
    archive: &Snapshot,
    key: MessageKey,
    version: u32,
    newest: Option<StoredMessage>,
) -> Result<Option<StoredMessage>, ArchiveError> {
    match newest {
        Some(stored) if stored.version == version => Ok(Some(stored)),
        newest => Ok(archive.view().version(key, version)?.or(newest)),
    }
}

/// The file that a change is about, as it is now.
fn file(archive: &Snapshot, change: &Change) -> Result<Option<ArchivedFile>, ArchiveError> {
    match change.kind.file() {
        Some((file, _)) => archive.view().file(file),
        None => Ok(None),
    }
}

fn peers(archive: &Snapshot, changes: &[Change]) -> Result<BTreeMap<PeerId, Option<Peer>>, ArchiveError> {
    let mut peers = BTreeMap::new();
    for change in changes {
        let id = change.kind.peer();
        if let Entry::Vacant(unread) = peers.entry(id) {
            unread.insert(archive.view().peer(id)?);
        }
    }
    Ok(peers)
}

#[cfg(test)]
mod tests {
    use crate::archive::{Archive, Durability, Raw};
    use crate::model::{Message, MessageId, Timestamp};

    use super::*;

    #[test]
    fn an_event_shows_the_form_that_its_change_is_about_also_when_it_is_published_late() {
        let folder = tempfile::tempdir().unwrap();
        let archive = Archive::open(&folder.path().join("archive"), Durability::Os).unwrap();
        let key = MessageKey::new(PeerId::channel(1), MessageId(1));
        for (revision, text) in ["first", "second", "third"].into_iter().enumerate() {
            let mut write = archive.write(Timestamp(10));
            let message = Message { text: text.to_owned(), ..Message::new(key, Timestamp(1)) };
            write.message(message, Raw::default(), revision as i64);
            write.commit().unwrap();
        }
        let mut write = archive.write(Timestamp(11));
        write.delete(key);
        write.commit().unwrap();
        let texts: Vec<serde_json::Value> = events(&archive.snapshot(), Seq(0), 10)
            .unwrap()
            .iter()
            .map(|e| serde_json::from_slice::<serde_json::Value>(&e.body).unwrap()["data"]["message"]["text"].clone())
            .collect();
        assert_eq!(texts, ["first".into(), "second".into(), "third".into(), serde_json::Value::Null]);
        assert_eq!(
            events(&archive.snapshot(), Seq(1), 1).unwrap(),
            events(&archive.snapshot(), Seq(0), 4).unwrap()[1..2],
            "the same each time"
        );
    }
}
