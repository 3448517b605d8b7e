//! What a dialog tells of a peer: the same for a walk, which comes by it, and a poll, which asks for it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::admission::Admission;
use super::peers::Peers;
use super::planner::Planner;
use super::recorder::{Recorder, Turn};
use super::resumption::FoldersKnown;
use super::unit::Unit;
use crate::archive::{Archive, ArchiveError, CrawlState, Membership, Write};
use crate::dispatch::Priority;
use crate::model::{AccountName, ChatId, IdSpace, Peer, PeerId, PeerKind, Timestamp};
use crate::schedule::Scope;
use crate::telegram::DialogTop;

/// Seconds for which a dialog that says nothing new is not written again: a poll of every few seconds must not write all that it shows.
pub(super) const CHECKED_EVERY: i64 = 60;

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

/// By whom a page was asked for, and what it tells of.
pub(super) struct Asked<'a> {
    pub(super) account: &'a AccountName,
    /// The account's own pts before it was asked for.
    pub(super) pts: Option<i32>,
    pub(super) peers: &'a [PeerId],
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
            let chat = ChatId::seen_by(*page.account, top.peer);
            let state = self.archive.view().crawl_state(chat)?;
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
                let member = self.archive.view().membership(top.peer, page.account)?.filter(Membership::current);
                if member.is_none() {
                    write.joined(top.peer, page.account);
                }
                if !folders.is_empty() && member.is_none_or(|member| member.folders != folders) {
                    write.folders(top.peer, page.account, folders);
                }
                if state.as_ref().is_some_and(|s| s.hidden().is_some() && !s.visible_from.contains_key(page.account)) {
                    // It may see what is hidden from the others.
                    self.planner.add(Unit::Visibility { account: *page.account, peer: top.peer }, Priority::Backfill);
                }
            }
            if !self.admission.covers(page.scope, top.peer, peer)? || !self.take_over(write, chat)? {
                continue;
            }
            if is_news(state.as_ref(), top) {
                noted.news.push(*top);
            }
            if !known {
                noted.fresh.push(top.peer);
            }
            let is_member = !page.outside.contains(&top.peer);
            if state.is_none_or(|state| is_to_be_noted(&state, top, page.now, is_member)) {
                write.crawl_state(chat, note_top(*top, page.now, is_member));
            }
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
        asked: &Asked<'_>,
        write: Write<'_>,
        changed: Vec<DialogTop>,
        fresh: Vec<PeerId>,
    ) -> Result<(), ArchiveError> {
        let unread = self.planner.request_differences(asked.account, changed)?;
        Recorder::commit(turn, write)?;
        for peer in asked.peers.iter().filter(|peer| peer.has_own_ids()) {
            self.peers.noted(asked.account, *peer, asked.pts);
        }
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

    /// Has an account archive a chat; false where another one does. What it takes over from another one is closed there.
    fn take_over(&self, write: &mut Write<'_>, chat: ChatId) -> Result<bool, ArchiveError> {
        let Some(account) = chat.account() else { return Ok(true) };
        if !self.peers.claim(&account, chat.peer()) {
            return Ok(false);
        }
        if chat.peer().kind() == IdSpace::Chat {
            let others = self.archive.view().chats(chat.peer())?;
            for (other, _) in others.into_iter().filter(|(other, state)| *other != chat && !state.is_taken_over()) {
                write.crawl_state(other, |state| state.unavailable = Some(CrawlState::TAKEN_OVER.to_owned()));
            }
        }
        Ok(true)
    }
}

/// Whether a dialog says something that the archive does not know.
fn is_news(known: Option<&CrawlState>, top: &DialogTop) -> bool {
    known.is_none_or(|c| c.top < top.top.0 || c.pts < top.pts || c.unavailable.is_some())
}

/// Whether a dialog changes anything of what is known but the time at which it was looked at, which is written once a minute.
fn is_to_be_noted(known: &CrawlState, top: &DialogTop, now: Timestamp, is_member: bool) -> bool {
    let mut noted = known.clone();
    note_top(*top, now, is_member)(&mut noted);
    let checked = std::mem::replace(&mut noted.checked_at, known.checked_at);
    let is_recent = known.checked_at.zip(checked).is_some_and(|(before, now)| (0..CHECKED_EVERY).contains(&(now.0 - before.0)));
    !is_recent || noted != *known
}

/// What a dialog tells of a chat.
fn note_top(top: DialogTop, now: Timestamp, is_member: bool) -> impl FnOnce(&mut CrawlState) {
    move |state| {
        state.top = state.top.max(top.top.0);
        // The state from which differences start: everything before it is read as history.
        state.pts = state.pts.or(top.pts);
        state.checked_at = Some(now);
        if is_member {
            state.unavailable = None;
        } else {
            state.set_available();
        }
    }
}
