//! Whatever is written, the archive is what three plain maps would be.

#![expect(clippy::unwrap_used, reason = "what cannot be had fails the test")]

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use telescribe::archive::{Archive, Order};
use telescribe::model::{Change, IdRange, PeerId, Seq};

use crate::support::archives::{Kept, all_versions};
use crate::support::messages::{NOW, key, message, range, raw};

/// What is done to an archive in one write.
#[derive(Clone, Debug)]
struct Step {
    as_of: Option<i32>,
    messages: Vec<(i64, i32, u8, i64)>,
    window: Option<(i64, IdRange)>,
    deleted: Vec<(i64, i32)>,
    dropped: bool,
    reopen: bool,
}

fn step() -> impl Strategy<Value = Step> {
    let id = 1..9i32;
    let peer = -2..0i64;
    let message = (peer.clone(), id.clone(), 0..3u8, 0..3i64);
    let window = (peer.clone(), id.clone(), 0..6i32).prop_map(|(peer, first, more)| (peer, range(first, first + more)));
    (
        prop::option::weighted(0.7, 1..12i32),
        prop::collection::vec(message, 0..4),
        prop::option::weighted(0.4, window),
        prop::collection::vec((peer, id), 0..2),
        prop::bool::weighted(0.1),
        prop::bool::weighted(0.05),
    )
        .prop_map(|(as_of, messages, window, deleted, dropped, reopen)| Step {
            as_of,
            messages,
            window,
            deleted,
            dropped,
            reopen,
        })
}

/// A message in the plain model of the archive.
#[derive(Clone, Debug, PartialEq)]
struct Plain {
    text: u8,
    revision: i64,
    as_of: Option<i32>,
    deleted: bool,
    earlier: Vec<u8>,
}

/// The archive as it would be if it were three maps.
#[derive(Default)]
struct PlainArchive {
    messages: BTreeMap<(i64, i32), Plain>,
    read: BTreeMap<i64, BTreeSet<i32>>,
    changes: Vec<(&'static str, i64, i32)>,
}

impl PlainArchive {
    fn apply(&mut self, step: &Step) {
        for &(peer, id, text, revision) in &step.messages {
            self.read.entry(peer).or_default().insert(id);
            let new = Plain { text, revision, as_of: step.as_of, deleted: false, earlier: Vec::new() };
            let Some(known) = self.messages.get_mut(&(peer, id)) else {
                self.messages.insert((peer, id), new);
                self.changes.push(("message.new", peer, id));
                continue;
            };
            if Self::is_older(step.as_of, known) || revision < known.revision {
                continue;
            }
            let same = known.text == text && !known.deleted;
            let mut earlier = known.earlier.clone();
            if !same {
                earlier.push(known.text);
                self.changes.push(("message.edited", peer, id));
            }
            *known = Plain { as_of: step.as_of.or(known.as_of), earlier, ..new };
        }
        if let Some((peer, window)) = step.window {
            self.read.entry(peer).or_default().extend(window.first..=window.last);
            let brought: BTreeSet<i32> = step.messages.iter().filter(|m| m.0 == peer).map(|m| m.1).collect();
            for id in (window.first..=window.last).filter(|id| !brought.contains(id)) {
                self.delete(step.as_of, peer, id);
            }
        }
        for &(peer, id) in &step.deleted {
            self.delete(step.as_of, peer, id);
        }
    }

    fn is_older(as_of: Option<i32>, known: &Plain) -> bool {
        as_of.zip(known.as_of).is_some_and(|(new, old)| new < old)
    }

    fn delete(&mut self, as_of: Option<i32>, peer: i64, id: i32) {
        let Some(known) = self.messages.get_mut(&(peer, id)) else { return };
        if !known.deleted && !Self::is_older(as_of, known) {
            (known.deleted, known.as_of) = (true, as_of.or(known.as_of));
            self.changes.push(("message.deleted", peer, id));
        }
    }

    fn compare(&self, archive: &Archive) -> Result<(), TestCaseError> {
        let name = |c: &Change| (c.kind.name(), c.kind.peer().0, c.kind.message().map_or(0, |m| m.id.0));
        let changes: Vec<_> = archive.view().changes(Seq(0), usize::MAX).unwrap().iter().map(name).collect();
        prop_assert_eq!(&changes, &self.changes);
        prop_assert_eq!(archive.last_seq().0, u64::try_from(changes.len()).unwrap());
        prop_assert_eq!(archive.snapshot().totals(), archive.view().sum_totals().unwrap());
        for peer in [-2, -1] {
            let mut there = BTreeMap::new();
            for stored in
                archive.view().messages(PeerId(peer).into(), IdRange { first: i32::MIN, last: i32::MAX }, Order::OldestFirst)
            {
                let stored = stored.unwrap();
                let key = stored.message.key;
                let earlier: Vec<String> = all_versions(archive.view(), key).into_iter().map(|v| v.message.text).collect();
                prop_assert_eq!(usize::try_from(stored.version).unwrap(), earlier.len());
                let said = archive.view().raw(key).unwrap().unwrap();
                prop_assert_eq!(said.tl, stored.message.text.as_bytes());
                there.insert(key.id.0, (stored.message.text, stored.deleted_at.is_some(), earlier));
            }
            let expected: BTreeMap<_, _> = self
                .messages
                .iter()
                .filter(|((at, _), _)| *at == peer)
                .map(|((_, id), m)| (*id, (m.text.to_string(), m.deleted, m.earlier.iter().map(u8::to_string).collect())))
                .collect();
            let coverage = archive.view().coverage(PeerId(peer)).unwrap();
            let read: BTreeSet<i32> = coverage.read.ranges().iter().flat_map(|r| r.first..=r.last).collect();
            prop_assert_eq!(&read, &self.read.get(&peer).cloned().unwrap_or_default());
            let deleted = expected.values().filter(|m: &&(String, bool, Vec<String>)| m.1).count();
            prop_assert_eq!((coverage.messages, coverage.deleted), (expected.len() as u64, deleted as u64));
            prop_assert_eq!(there, expected);
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_written_the_archive_is_what_a_plain_model_says(steps in prop::collection::vec(step(), 1..24)) {
        let mut kept = Kept::new();
        let mut model = PlainArchive::default();
        for step in &steps {
            let mut write = kept.write(NOW);
            write.as_of(step.as_of);
            for &(peer, id, text, revision) in &step.messages {
                write.message(message(PeerId(peer), id, &text.to_string()), raw(&text.to_string()), revision);
            }
            if let Some((peer, window)) = step.window {
                write.covered(PeerId(peer), window);
            }
            for &(peer, id) in &step.deleted {
                write.delete(key(PeerId(peer), id));
            }
            if step.dropped {
                drop(write);
            } else {
                write.commit().unwrap();
                model.apply(step);
            }
            if step.reopen {
                kept.reopen();
            }
        }
        model.compare(&kept)?;
        prop_assert_eq!(kept.differences(), [""; 0]);
    }
}
