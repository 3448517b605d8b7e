//! What a dialog tells of a peer: the same for a walk, which comes by it, and a poll, which asks for it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::admission::Admission;
use super::peers::Peers;
use super::planner::Planner;
use super::recorder::{Recorder, Turn};
use super::resumption::FoldersKnown;
use super::unit::Unit;
use crate::archive::{Archive, ArchiveError, Write};
use crate::dispatch::Priority;
use crate::model::{AccountName, IdSpace, Peer, PeerId, PeerKind, Timestamp};
use crate::schedule::Scope;
use crate::telegram::DialogTop;

/// Takes over what dialogs tell.
pub(super) struct Dialogs {
    pub(super) archive: Arc<Archive>,
    pub(super) peers: Arc<Peers>,
    pub(super) admission: Arc<Admission>,
    pub(super) planner: Arc<Planner>,
    pub(super) linked_groups: bool,
}

/// A page of dialogs, and how it was asked for.
pub(super) struct Page<'a> {
    pub(super) account: &'a AccountName,
    pub(super) tops: &'a [DialogTop],
    pub(super) described: &'a [Peer],
    /// Peers that the account sees without being a member.
    pub(super) outside: &'a BTreeSet<PeerId>,
    /// Peers that the account cannot read, though they are listed.
    pub(super) lost: &'a [PeerId],
    /// Peers outside of it are only noted as joined: they have a schedule of their own.
    pub(super) scope: &'a Scope,
    pub(super) folders_known: FoldersKnown,
    pub(super) now: Timestamp,
}

/// What came of a page.
#[derive(Default)]
pub(super) struct Noted {
    /// Peers that the rules admit.
    pub(super) admitted: BTreeSet<PeerId>,
    /// Dialogs that were noted.
    pub(super) noted: Vec<DialogTop>,
    /// Of these, the ones that say something that the archive does not know.
    pub(super) news: Vec<DialogTop>,
    /// Peers that were never crawled before.
    pub(super) fresh: Vec<PeerId>,
}

impl Dialogs {
    /// Adds to a write what a page of dialogs tells.
    pub(super) fn note(&self, write: &mut Write<'_>, page: &Page<'_>) -> Result<Noted, ArchiveError> {
        let mut noted = Noted::default();
        let described: BTreeMap<PeerId, &Peer> = page.described.iter().map(|p| (p.id, p)).collect();
        for top in page.tops {
            // A chat that the account was thrown out of is none that it could read, nor are its message ids anybody's.
            if page.lost.contains(&top.peer) || (page.outside.contains(&top.peer) && top.peer.kind() != IdSpace::Channel) {
                continue;
            }
            let state = self.archive.view().crawl_state(top.peer)?;
            let known = state.is_some();
            if page.folders_known != FoldersKnown::All && !known {
                continue;
            }
            let peer = described.get(&top.peer).copied();
            let folders = self.admission.folders_of(page.account, top.peer, peer.map(|p| p.kind));
            if !self.admission.admits_in(top.peer, peer, &folders)? {
                continue;
            }
            noted.admitted.insert(top.peer);
            if !page.outside.contains(&top.peer) {
                write.joined(top.peer, page.account);
                if state.is_some_and(|s| s.hidden().is_some() && !s.visible_from.contains_key(page.account)) {
                    // It may see what is hidden from the others.
                    self.planner.add(Unit::Visibility { account: page.account.clone(), peer: top.peer }, Priority::Backfill);
                }
                if !folders.is_empty() {
                    write.folders(top.peer, page.account, folders);
                }
            }
            if self.peers.belongs_to_another(page.account, top.peer)? || !self.admission.covers(page.scope, top.peer, peer)? {
                continue;
            }
            if self.is_news(top)? {
                noted.news.push(*top);
            }
            if !known {
                noted.fresh.push(top.peer);
            }
            self.note_top(write, page.account, *top, page.now, !page.outside.contains(&top.peer));
            noted.noted.push(*top);
        }
        Ok(noted)
    }

    /// Commits a page, and has asked for what it tells of.
    ///
    /// Differences are requested before the commit that makes the new ids known. From that commit on a sweep finds them missing; were the
    /// difference not in the queue by then, the sweep would have them read as history (a race that costs a request).
    pub(super) fn commit(
        &self,
        turn: &Turn<'_>,
        write: Write<'_>,
        changed: Vec<DialogTop>,
        fresh: Vec<PeerId>,
    ) -> Result<(), ArchiveError> {
        let unread = self.planner.request_differences(changed)?;
        Recorder::commit(turn, write)?;
        self.planner.request_history(unread)?;
        self.request_linked_groups(fresh)
    }

    /// Asks channels that are new for their discussion groups, which the next counting would find hours later.
    fn request_linked_groups(&self, peers: Vec<PeerId>) -> Result<(), ArchiveError> {
        for peer in peers {
            if self.linked_groups && self.archive.view().peer(peer)?.is_some_and(|p| p.kind == PeerKind::Channel) {
                self.planner.add(Unit::Full { peer }, Priority::Counters);
            }
        }
        Ok(())
    }

    /// Whether a dialog says something that the archive does not know.
    fn is_news(&self, top: &DialogTop) -> Result<bool, ArchiveError> {
        let known = self.archive.view().crawl_state(top.peer)?;
        Ok(known.as_ref().is_none_or(|c| c.top < top.top.0 || c.pts < top.pts || c.unavailable.is_some()))
    }

    /// Notes what a dialog tells of a peer.
    fn note_top(&self, write: &mut Write<'_>, account: &AccountName, top: DialogTop, now: Timestamp, is_member: bool) {
        let owner = (top.peer.kind() != IdSpace::Channel).then(|| account.clone());
        if owner.is_some() {
            self.peers.set_owner(top.peer, account);
        }
        write.crawl_state(top.peer, move |state| {
            state.top = state.top.max(top.top.0);
            // The state from which differences start: everything before it is read as history.
            state.pts = state.pts.or(top.pts);
            state.account = state.account.take().or(owner);
            state.checked_at = Some(now);
            if is_member {
                state.unavailable = None;
            } else {
                state.set_available();
            }
        });
    }
}
