//! The peers that a response mentions, each described once; and peers of which only the id is known.

use std::collections::BTreeSet;

use crate::archive::{ArchiveError, Snapshot, View};
use crate::model::{IdSpace, Peer, PeerId, PeerKind};
use crate::show::{self, ContentView, PeerView};

/// Collects the peers that a message mentions.
pub(super) fn mention(content: &ContentView, into: &mut BTreeSet<PeerId>) {
    into.extend(content.mentions().map(PeerId));
}

/// Describes those peers that the archive knows.
pub(super) fn describe(archive: &Snapshot, peers: &BTreeSet<PeerId>) -> Result<Vec<PeerView>, ArchiveError> {
    let mut views = Vec::with_capacity(peers.len());
    for id in peers {
        views.extend(archive.view().peer(*id)?.as_ref().map(show::peer));
    }
    Ok(views)
}

/// Describes the peers that a message mentions and no message before it did; `described` has those.
pub(super) fn describe_new(
    archive: &Snapshot,
    content: &ContentView,
    described: &mut BTreeSet<PeerId>,
) -> Result<Vec<PeerView>, ArchiveError> {
    let mut mentioned = BTreeSet::new();
    mention(content, &mut mentioned);
    mentioned.retain(|peer| described.insert(*peer));
    describe(archive, &mentioned)
}

/// A peer, or its id alone where only that is known.
pub(super) fn known_or_bare(view: View<'_>, id: PeerId) -> Result<Peer, ArchiveError> {
    Ok(view.peer(id)?.unwrap_or_else(|| bare(id)))
}

/// A peer of which only the id is known.
pub(super) fn bare(id: PeerId) -> Peer {
    let kind = match id.kind() {
        IdSpace::User => PeerKind::User,
        IdSpace::Chat => PeerKind::Group,
        IdSpace::Channel => PeerKind::Channel,
    };
    Peer::new(id, kind, String::new())
}
