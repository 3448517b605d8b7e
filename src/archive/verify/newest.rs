//! The change before each one in its peer, and the newest change of each peer, against the change log itself.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{PeerId, Seq};

use super::super::ArchiveError;
use super::super::family::{KeyRange, NEWEST_CHANGE, NEWEST_KEPT};
use super::super::key::{NewestChangeKey, NewestKeptKey};
use super::super::record::LogEntry;
use super::super::view::Order;
use super::{Findings, View, undamaged};

/// The newest change of each peer, as far as the log was read.
#[derive(Default)]
pub(super) struct Newest {
    of: BTreeMap<PeerId, Seq>,
    /// The last number of an entry that could not be read: of its changes, nothing is known.
    unread: Seq,
}

impl Newest {
    pub(super) fn cannot_read(&mut self, last: Seq) {
        self.unread = last;
    }

    /// Compares what an entry says of the change before it with what was read.
    pub(super) fn check(&mut self, entry: &LogEntry, report: &mut Findings<'_>) {
        let (mut seen, mut noted) = (BTreeSet::new(), entry.previous.iter());
        for change in entry.changes() {
            let peer = change.kind.peer();
            let known = self.of.insert(peer, change.seq).unwrap_or_default();
            let Some(noted) = seen.insert(peer).then(|| noted.next()).flatten() else { continue };
            // None is not said to be the first: an older version may not have noted it, or what was noted was damaged.
            let is_unknown = *noted == Seq(0);
            if *noted != known && !is_unknown && !self.may_be_unread(*noted) {
                report.differs(|| {
                    format!("change {} says that the one before it in peer {peer} is {noted}, and it is {known}", change.seq)
                });
            }
        }
    }

    fn may_be_unread(&self, change: Seq) -> bool {
        change != Seq(0) && change <= self.unread
    }
}

impl View<'_> {
    /// Compares what is noted as the newest change of each peer with the log, whose last change is `last`.
    pub(super) fn check_newest(self, mut newest: Newest, last: Seq, report: &mut Findings<'_>) -> Result<(), ArchiveError> {
        let kept = match undamaged(self.get(&NEWEST_KEPT, &NewestKeptKey))? {
            // With another last change, what is noted is of no use any more: an older version has written since.
            Some(kept) => kept.filter(|kept| kept.up_to == last),
            None => {
                report.differs(|| "of which changes the newest are noted is damaged".to_owned());
                None
            }
        };
        let mut rows = self.lenient(&NEWEST_CHANGE, KeyRange::under(NewestChangeKey::PREFIX), Order::OldestFirst);
        while let Some(row) = report.next(&mut rows)? {
            let Some((NewestChangeKey(peer), noted)) = report.readable(|| "the newest change of a peer".to_owned(), row.entry())
            else {
                continue;
            };
            let known = newest.of.remove(&peer).unwrap_or_default();
            let is_kept = kept.is_some_and(|kept| known.max(noted) >= kept.since);
            if is_kept && noted != known && !newest.may_be_unread(noted) {
                report.differs(|| format!("{noted} is noted as the newest change of peer {peer}, and it is {known}"));
            }
        }
        for (peer, known) in newest.of.into_iter().filter(|(_, known)| kept.is_some_and(|kept| *known >= kept.since)) {
            report.differs(|| format!("the newest change of peer {peer} is not noted: it is {known}"));
        }
        Ok(())
    }
}
