//! Which events somebody wants.

use std::collections::BTreeSet;

use crate::model::{ChangeKind, WatchName};

/// The name of the event of a watch that a message matches.
pub const WATCH_MATCHED: &str = "watch.matched";

/// Which events somebody wants; all, unless it is made otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventFilter {
    /// The names of the events; nothing for all.
    names: Option<BTreeSet<String>>,
    /// The watches whose matches are wanted; nothing for all.
    watches: Option<BTreeSet<WatchName>>,
}

/// There is no event of that name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no event `{name}`; known are {}", known().collect::<Vec<_>>().join(", "))]
pub struct UnknownEvent {
    /// What was taken for the name of one.
    name: String,
}

fn known() -> impl Iterator<Item = &'static str> {
    ChangeKind::NAMES.into_iter().chain([WATCH_MATCHED])
}

impl EventFilter {
    /// The events of these names, without `telescribe.`, and of the matches those of these watches, or of all.
    ///
    /// # Errors
    /// When there is no event of a name.
    pub fn new(names: &[String], watches: Option<BTreeSet<WatchName>>) -> Result<Self, UnknownEvent> {
        match names.iter().find(|name| !known().any(|known| known == *name)) {
            Some(name) => Err(UnknownEvent { name: name.chars().take(64).collect() }),
            None => Ok(Self { names: Some(names.iter().cloned().collect()), watches }),
        }
    }

    /// The events of changes themselves, and of no watch.
    #[must_use]
    pub fn of_changes() -> Self {
        Self { names: Some(ChangeKind::NAMES.into_iter().map(str::to_owned).collect()), watches: None }
    }

    /// Whether all events are wanted.
    #[must_use]
    pub fn is_all(&self) -> bool {
        self.names.is_none() && self.watches.is_none()
    }

    /// Whether the event of a change itself is wanted.
    #[must_use]
    pub fn wants(&self, change: &ChangeKind) -> bool {
        self.wants_name(change.name())
    }

    /// Whether the events of any watch are wanted.
    #[must_use]
    pub fn wants_matches(&self) -> bool {
        self.wants_name(WATCH_MATCHED)
    }

    /// Whether the events of a watch are wanted.
    #[must_use]
    pub fn wants_matches_of(&self, watch: &WatchName) -> bool {
        self.wants_matches() && self.watches.as_ref().is_none_or(|watches| watches.contains(watch))
    }

    /// The watches that are named.
    pub fn named_watches(&self) -> impl Iterator<Item = &WatchName> {
        self.watches.iter().flatten()
    }

    fn wants_name(&self, name: &str) -> bool {
        self.names.as_ref().is_none_or(|names| names.contains(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{FileId, FileOrigin, MessageId, MessageKey, PeerId};

    #[test]
    fn every_kind_of_change_has_a_name_that_can_be_asked_for() {
        let peer = PeerId::channel(1);
        let key = MessageKey::new(peer, MessageId(1));
        let (file, origin) = (FileId::photo(1), FileOrigin::Message(key));
        let kinds = [
            ChangeKind::MessageNew { key },
            ChangeKind::MessageEdited { key, version: 1 },
            ChangeKind::MessageDeleted { key },
            ChangeKind::MessageErased { key },
            ChangeKind::PeerChanged { peer },
            ChangeKind::PeerJoined { peer },
            ChangeKind::PeerLeft { peer },
            ChangeKind::MediaStored { file, origin },
            ChangeKind::MediaFailed { file, origin },
        ];
        assert_eq!(kinds.map(|kind| kind.name()), ChangeKind::NAMES);
        for kind in kinds {
            let only = EventFilter::new(&[kind.name().to_owned()], None).unwrap();
            let wanted: Vec<&str> = kinds.iter().filter(|kind| only.wants(kind)).map(ChangeKind::name).collect();
            assert_eq!(wanted, [kind.name()]);
            assert!(!only.wants_matches() && !only.is_all() && EventFilter::default().wants(&kind));
            assert!(EventFilter::of_changes().wants(&kind) && !EventFilter::of_changes().wants_matches());
        }
    }

    #[test]
    fn matches_are_wanted_of_all_watches_or_of_those_that_are_named() {
        let [leaks, other]: [WatchName; 2] = ["leaks", "other"].map(|name| name.parse().unwrap());
        let all = EventFilter::new(&[WATCH_MATCHED.to_owned()], None).unwrap();
        assert!(all.wants_matches_of(&leaks) && all.wants_matches_of(&other));
        let one = EventFilter::new(&[WATCH_MATCHED.to_owned()], Some([leaks.clone()].into())).unwrap();
        assert!(one.wants_matches_of(&leaks) && !one.wants_matches_of(&other));
        let none = EventFilter::new(&["peer.left".to_owned()], None).unwrap();
        assert!(!none.wants_matches_of(&leaks));
        let everything = EventFilter::default();
        assert!(everything.is_all() && everything.wants_matches_of(&leaks));
    }

    #[test]
    fn a_name_that_no_event_has_is_refused_with_those_that_there_are() {
        let error = EventFilter::new(&["message.new".to_owned(), "message.neu".to_owned()], None).unwrap_err().to_string();
        assert!(error.starts_with("there is no event `message.neu`; known are message.new, message.edited, "), "{error}");
        assert!(error.ends_with(", watch.matched"), "{error}");
    }
}
