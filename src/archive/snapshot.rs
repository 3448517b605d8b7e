//! Snapshots: the archive as it was at one moment (snapshot isolation), owned, so that they can be handed on.

use std::collections::BTreeSet;
use std::sync::Arc;

use rocksdb::DB;
use self_cell::self_cell;

use crate::model::{PeerId, Seq};

use super::chain::Link;
use super::epoch::{LogPosition, PositionError};
use super::file_totals::FileTotals;
use super::log_end::LogEnd;
use super::opened::Opened;
use super::totals::Totals;
use super::view::View;
use super::{Archive, Epoch};

type RocksSnapshot<'a> = rocksdb::Snapshot<'a>;

self_cell!(
    struct OwnedSnapshot {
        owner: Arc<DB>,

        #[covariant]
        dependent: RocksSnapshot,
    }
);

/// The archive as it was at one moment. What it sees is kept on the disk for as long as it lives, so it is not to be held for long.
#[derive(Clone)]
pub struct Snapshot {
    snapshot: Arc<OwnedSnapshot>,
    opened: Opened,
    end: LogEnd,
    /// The peers that it shows; none where it shows all.
    only: Option<Arc<BTreeSet<PeerId>>>,
}

impl Snapshot {
    /// Takes one. Nothing may be written meanwhile: `end` is where the change log ends.
    pub(super) fn take(opened: &Opened, end: LogEnd) -> Self {
        let snapshot = Arc::new(OwnedSnapshot::new(Arc::clone(&opened.db), |db| db.snapshot()));
        Self { snapshot, opened: opened.clone(), end, only: None }
    }

    /// The same of some peers only: whatever is read of it is of these, and what is of no peer is not there.
    #[must_use]
    pub fn limited_to(self, only: Arc<BTreeSet<PeerId>>) -> Self {
        Self { only: Some(only), ..self }
    }

    /// Whether a peer may be seen.
    #[must_use]
    pub fn shows(&self, peer: PeerId) -> bool {
        self.view().shows(peer)
    }

    /// The peers that may be seen; none where all may.
    #[must_use]
    pub fn only(&self) -> Option<&BTreeSet<PeerId>> {
        self.only.as_deref()
    }

    /// Whether it was taken after another one of the same archive, or at the same moment.
    pub(super) fn is_newer_than(&self, other: &Self) -> bool {
        let taken = |snapshot: &Self| snapshot.snapshot.borrow_dependent().sequence_number();
        taken(self) >= taken(other)
    }

    /// What was true when it was taken.
    #[must_use]
    pub fn view(&self) -> View<'_> {
        View::at(&self.opened, self.snapshot.borrow_dependent()).limited_to(self.only())
    }

    /// The number of the newest change that it has.
    #[must_use]
    pub fn last_seq(&self) -> Seq {
        self.end.last()
    }

    /// Sums over all crawled chats, as of the same moment.
    #[must_use]
    pub fn totals(&self) -> Totals {
        match self.only() {
            None => self.end.totals,
            // What cannot be read is told by whoever reads it; that not all is complete is all that is known then.
            Some(_) => self.view().sum_totals().unwrap_or(Totals { chats: 1, ..Totals::default() }),
        }
    }

    /// Sums over all files, as of the same moment; nothing where only some peers may be seen, because a file is of no peer.
    #[must_use]
    pub fn file_totals(&self) -> FileTotals {
        self.only().map_or(self.end.files, |_| FileTotals::default())
    }

    /// The newest link of the hash chain over the change log.
    #[must_use]
    pub fn link(&self) -> Link {
        self.end.link
    }

    /// The number under which the archive has a position that somebody keeps.
    ///
    /// # Errors
    /// When it has none, because it has gone back behind it, or it is of another archive.
    pub fn locate(&self, position: LogPosition) -> Result<Seq, PositionError> {
        self.opened.identity.epochs.locate(position, self.last_seq())
    }

    /// A change number as somebody outside is to keep it.
    #[must_use]
    pub fn position(&self, seq: Seq) -> LogPosition {
        LogPosition { epoch: Some(self.epoch_of(seq)), seq }
    }

    /// See [`Archive::id`].
    #[must_use]
    pub fn id(&self) -> &str {
        &self.opened.identity.id
    }

    /// See [`Archive::epoch`].
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.opened.identity.epochs.current()
    }

    /// The epoch in which a change was made: what names a change by it names it for ever, also when the archive has begun others since.
    #[must_use]
    pub fn epoch_of(&self, change: Seq) -> Epoch {
        self.opened.identity.epochs.of(change)
    }

    /// See [`Archive::common_with`].
    #[must_use]
    pub fn common_with(&self, epoch: Epoch) -> Option<Seq> {
        self.opened.identity.epochs.common_with(epoch)
    }
}

impl Archive {
    /// What is true now, kept as it is.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.flush.now().0
    }
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.view().fmt(f)
    }
}
