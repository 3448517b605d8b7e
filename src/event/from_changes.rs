//! From changes to events: what a change is about, read from the archive. Deterministic, so that a replay is idempotent.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use crate::archive::{ArchiveError, ArchivedFile, Snapshot, StoredMessage};
use crate::model::{Change, ChangeKind, FileState, MessageKey, Peer, PeerId, Seq};
use crate::watches::Watching;

use super::cloud_event::About;
use super::{Event, EventFilter};

/// How many events of watches are made at once, but for those of one message: some megabytes.
pub const WATCH_EVENTS_MAX: usize = 1_000;

/// Some events, and how far they go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MadeEvents {
    /// In order.
    pub events: Vec<Event>,
    /// Of how many of the changes these are all that are wanted: of the first ones, at least of one.
    pub changes: usize,
}

/// The events of the changes after a position, of at most `limit` changes, in order. Several can be of one change: the watches that its message
/// matches follow on the change itself, in the order of their names.
///
/// A message is shown in the version that the change is about, also when it was edited again since; so a replay says the same as the
/// first time. What cannot be read is left out of its event, never the event itself: one damaged record does
/// not stop the rest.
///
/// # Errors
/// When the disk refuses, or an entry of the change log itself cannot be decoded.
pub fn events(archive: &Snapshot, after: Seq, limit: usize) -> anyhow::Result<Vec<Event>> {
    let changes = archive.view().changes(after, limit)?;
    Ok(wanted_events(archive, &Watching::default(), &changes, &EventFilter::default(), usize::MAX)?.events)
}

/// The events of some changes that are wanted, in order: at most so many, and those of one change together. What is not wanted is not made, and of changes
/// that can have no event that is wanted not even the message is read. `watching` is kept by who goes on to ask.
///
/// # Errors
/// When the disk refuses.
pub fn wanted_events(
    archive: &Snapshot,
    watching: &Watching,
    changes: &[Change],
    filter: &EventFilter,
    events_max: usize,
) -> anyhow::Result<MadeEvents> {
    let watches = watching.load(archive)?;
    let since = watches.first_since(|watch| filter.wants_matches_of(watch));
    let may_match = |change: &Change| change.kind.form().is_some() && since.is_some_and(|since| change.seq > since);
    let is_read = |(_, change): &(usize, &Change)| filter.wants(&change.kind) || may_match(change);
    let (places, read): (Vec<usize>, Vec<Change>) = changes.iter().enumerate().filter(is_read).map(|(at, c)| (at, *c)).unzip();
    let messages = messages(archive, &read)?;
    let peers = peers(archive, &read)?;
    let mut run = watches.run(archive.view());
    let mut made = MadeEvents { events: Vec::with_capacity(read.len().min(events_max)), changes: changes.len() };
    for ((change, at), message) in read.iter().zip(places).zip(messages) {
        if made.events.len() >= events_max.max(1) {
            made.changes = at;
            break;
        }
        let about = About { message, peer: peers.get(&change.kind.peer()).cloned().flatten(), file: file(archive, change)? };
        let source = (archive.id(), archive.epoch_of(change.seq));
        if filter.wants(&change.kind) {
            made.events.push(Event::new(source, change, &about)?);
        }
        let Some(stored) = about.message.as_ref().filter(|_| may_match(change)) else { continue };
        for matched in run.matching(stored, change.seq)? {
            if filter.wants_matches_of(&matched.watch.name) {
                made.events.push(Event::watch_matched(source, change, &about, matched)?);
            }
        }
    }
    Ok(made)
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
        Some((file, _)) => {
            let mut file = archive.view().file(file)?;
            // Who sees some peers only is not told what was tried elsewhere.
            if let (true, Some(FileState::Failed { why, .. })) =
                (archive.only().is_some(), file.as_mut().map(|file| &mut file.state))
            {
                why.clear();
            }
            Ok(file)
        }
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

    #[test]
    fn an_event_carries_the_number_of_its_peers_change_before_it_wherever_reading_begins() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("archive");
        for round in 0..3 {
            // Opened anew each time: what is newest of a peer is on the disk.
            let archive = Archive::open(&path, Durability::Os).unwrap();
            let mut write = archive.write(Timestamp(10));
            for (peer, ids) in [(1, 1..=3), (2, 1..=round), (3, 1..=1)] {
                for id in ids {
                    let key = MessageKey::new(PeerId::channel(peer), MessageId(id + 10 * round));
                    write.message(Message::new(key, Timestamp(1)), Raw::default(), 0);
                }
            }
            write.commit().unwrap();
        }
        let archive = Archive::open(&path, Durability::Os).unwrap();
        let snapshot = archive.snapshot();
        let all = events(&snapshot, Seq(0), 100).unwrap();
        let mut newest = BTreeMap::new();
        for event in &all {
            let data = serde_json::from_slice::<serde_json::Value>(&event.body).unwrap()["data"].clone();
            let peer = event.routing_key.rsplit('.').next().unwrap().to_owned();
            assert_eq!(data["previous_seq"].as_u64(), newest.insert(peer, event.seq.0), "{}", event.id);
        }
        assert_eq!(all.len(), 3 * 4 + 3);
        for after in 0..all.len() {
            assert_eq!(events(&snapshot, Seq(after as u64), 1).unwrap(), all[after..=after], "the same each time");
        }
    }

    #[test]
    fn what_is_not_wanted_is_not_made_and_it_is_said_how_far_what_is_made_goes() {
        let folder = tempfile::tempdir().unwrap();
        let archive = Archive::open(&folder.path().join("archive"), Durability::Os).unwrap();
        let post = |id: i32, text: &str| {
            let mut write = archive.write(Timestamp(10));
            let key = MessageKey::new(PeerId::channel(1), MessageId(id));
            write.message(Message { text: text.to_owned(), ..Message::new(key, Timestamp(1)) }, Raw::default(), 0);
            write.commit().unwrap();
        };
        post(1, "zebra");
        let mut write = archive.write(Timestamp(11));
        for name in ["a", "b"] {
            write.add_watch(name.parse().unwrap(), "zebra", None);
        }
        write.commit().unwrap();
        for (id, text) in [(2, "horse"), (3, "zebra"), (4, "horse"), (5, "zebra"), (6, "horse")] {
            post(id, text);
        }
        let (snapshot, watching) = (archive.snapshot(), Watching::default());
        let changes = snapshot.view().changes(Seq(0), 100).unwrap();
        let made = |names: &[&str], watch: Option<&str>, events_max: usize| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            let watches = watch.map(|watch| [watch.parse().unwrap()].into());
            let filter = EventFilter::new(&names, watches).unwrap();
            let made = wanted_events(&snapshot, &watching, &changes, &filter, events_max).unwrap();
            let seqs: Vec<u64> = made.events.iter().map(|event| event.seq.0).collect();
            (seqs, made.changes)
        };
        assert_eq!(changes.len(), 6);
        assert_eq!(made(&["watch.matched"], None, 100), (vec![3, 3, 5, 5], 6), "not what was there before the watches");
        assert_eq!(made(&["watch.matched"], Some("b"), 100), (vec![3, 5], 6));
        assert_eq!(made(&["watch.matched"], None, 1), (vec![3, 3], 3), "those of one change come together");
        assert_eq!(made(&["message.new"], None, 2), (vec![1, 2], 2));
        assert_eq!(made(&["watch.matched", "message.new"], Some("a"), 100), (vec![1, 2, 3, 3, 4, 5, 5, 6], 6));
        assert_eq!(made(&["peer.left"], None, 1), (vec![], 6));
        assert_eq!(made(&["watch.matched"], Some("nobody"), 1), (vec![], 6));
    }
}
