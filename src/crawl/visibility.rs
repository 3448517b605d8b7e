//! What each account can see of a supergroup: who joined late, or has cleared its history, gets an empty page where others get messages.
//!
//! Coverage is kept for a peer, but sight is an account's own. So an account is asked once, by the supergroup's own description
//! (`channelFull.available_min_id`), from which id on it sees messages; no page of it says anything about what is before.
//!
//! # Correctness
//! - A page of a supergroup covers only what its account is known to see, so nobody's blindness becomes a coverage or a deletion.
//! - What was asked may have changed while the program was not there (thrown out and let in again). Before messages at a page's old end are
//!   believed to be deleted, or a history to end there, the account was asked since this program has begun, or since it was told of a change.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::peers::Peers;
use super::planner::Planner;
use super::recorder::{Recorder, Turn};
use super::unit::Unit;
use crate::archive::{Archive, ArchiveError, CrawlState, Order};
use crate::dispatch::{Assignee, Assignment, Priority, TaskError};
use crate::model::{AccountName, IdRange, IdSpace, Peer, PeerId, PeerKind};
use crate::telegram::TelegramError;

/// A flood wait that is not waited for before history is read.
const WAIT_MAX: Duration = Duration::from_mins(5);
/// How many faults of the server are.
const FAULTS_MAX: u32 = 3;

/// Knows what each account can see.
pub(super) struct Visibility {
    pub(super) archive: Arc<Archive>,
    pub(super) peers: Arc<Peers>,
    pub(super) planner: Arc<Planner>,
    pub(super) recorder: Arc<Recorder>,
    /// What is to be asked when an account has answered about a peer.
    pub(super) then: Mutex<Vec<(AccountName, PeerId, Unit, Priority)>>,
    /// Who was asked, and gave no answer.
    pub(super) unanswered: Mutex<BTreeSet<(AccountName, PeerId)>>,
    /// Who was asked about what since the program has begun.
    pub(super) asked: Mutex<BTreeSet<(AccountName, PeerId)>>,
}

/// From which id on an account sees a peer's messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sight {
    /// From this one on.
    From(i32),
    /// It was asked, and does not say: what lies between its messages is there, and no more is known.
    Blind,
    /// It must be asked first.
    Unknown,
}

impl Visibility {
    /// From which id on an account sees a peer's messages. Only supergroups hide any, and none that has a username: anybody can read those.
    pub(super) fn of(&self, account: &AccountName, peer: PeerId, state: &CrawlState) -> Result<Sight, ArchiveError> {
        if peer.kind() != IdSpace::Channel {
            return Ok(Sight::From(1));
        }
        if let Some(first) = state.visible_from.get(account) {
            return Ok(Sight::From(*first));
        }
        if self.unanswered().contains(&(*account, peer)) {
            return Ok(Sight::Blind);
        }
        let hides = |peer: &Peer| peer.kind == PeerKind::Supergroup && peer.username.is_none();
        let may_hide = self.archive.view().peer(peer)?.is_none_or(|peer| hides(&peer));
        Ok(if may_hide { Sight::Unknown } else { Sight::From(1) })
    }

    /// Has an account asked from where on it sees a peer; meanwhile others read on.
    pub(super) fn plan(&self, account: &AccountName, peer: PeerId, priority: Priority) -> Result<(), ArchiveError> {
        self.peers.set_asked(account, peer, true);
        self.planner.add(Unit::Visibility { account: *account, peer }, priority);
        self.planner.add_history(peer, priority)
    }

    /// The same, with something that is to be asked after it.
    pub(super) fn plan_before(&self, account: &AccountName, then: Unit, priority: Priority) -> Result<(), ArchiveError> {
        let Assignee::ReaderOf(chat) = then.assignee() else { return Ok(()) };
        self.then.lock().unwrap_or_else(PoisonError::into_inner).push((*account, chat.peer(), then, priority));
        self.plan(account, chat.peer(), priority)
    }

    /// The account has answered, or cannot read the peer.
    pub(super) fn has_answered(&self, account: &AccountName, peer: PeerId) {
        self.peers.set_asked(account, peer, false);
        let ready: Vec<_> = {
            let mut then = self.then.lock().unwrap_or_else(PoisonError::into_inner);
            then.extract_if(.., |(of, at, ..)| of == account && *at == peer).collect()
        };
        for (.., unit, priority) in ready {
            self.planner.add(unit, priority);
        }
    }

    /// Asks from where on an account sees a peer.
    pub(super) async fn ask(&self, assignment: Assignment, peer: PeerId) -> Result<(), TaskError> {
        let Assignment { lease, client, priority, failures } = assignment;
        let account = *lease.account();
        let full = match client.full_channel(peer).await {
            Ok(full) => full,
            Err(error) => {
                drop(lease);
                let is_long = match &error {
                    TelegramError::FloodWait { wait, .. } => *wait > WAIT_MAX,
                    TelegramError::Refused { .. } | TelegramError::Unreadable { .. } => true,
                    TelegramError::ServerFault { .. } => failures >= FAULTS_MAX,
                    _ => false,
                };
                if is_long && self.unanswered().insert((account, peer)) {
                    // It is asked further, and history is read meanwhile.
                    self.has_answered(&account, peer);
                    self.planner.add_history(peer, priority)?;
                }
                return Err(error.into());
            }
        };
        drop(lease);
        self.unanswered().remove(&(account, peer));
        let mut write = self.recorder.write();
        if let Some(members) = full.members {
            write.member_count(peer, members);
        }
        self.recorder.seek_past(&account, full.migrated_from)?;
        let (linked, first) = (full.linked, full.visible_from);
        write.crawl_state(peer, move |state| state.linked = linked);
        self.recorder.mention(&mut write, &account, full.seen)?;
        let turn = self.recorder.turn().await;
        Recorder::commit(&turn, write)?;
        self.note(&turn, &account, peer, first)?;
        drop(turn);
        self.has_answered(&account, peer);
        self.asked().insert((account, peer));
        if first > 1 {
            // The others may see what it does not.
            let known = self.archive.view().crawl_state(peer)?.unwrap_or_default().visible_from;
            for other in self.peers.readers(peer).into_iter().filter(|other| !known.contains_key(other)) {
                self.planner.add(Unit::Visibility { account: other, peer }, priority);
            }
        }
        self.planner.add_history(peer, priority)?;
        Ok(())
    }

    /// Notes from where on an account sees a peer, as Telegram says; returns whether that is more than it saw.
    pub(super) fn note(&self, turn: &Turn<'_>, account: &AccountName, peer: PeerId, first: i32) -> Result<bool, ArchiveError> {
        let Some(state) = self.archive.view().crawl_state(peer)? else { return Ok(false) };
        let known = state.visible_from.get(account).copied();
        if known == Some(first) {
            return Ok(false);
        }
        let mut write = self.recorder.write();
        // Earlier versions took the empty pages of such an account for a history without messages. What is archived was seen by somebody.
        if let Some(hidden) = IdRange::new(1, first.saturating_sub(1)).filter(|_| known.is_none()) {
            let oldest = self.archive.view().messages(peer.into(), hidden, Order::OldestFirst).next().transpose()?;
            let before = oldest.map_or(hidden.last, |oldest| oldest.message.key.id.0.saturating_sub(1));
            if let Some(unseen) = IdRange::new(1, before) {
                write.uncover(peer, unseen);
            }
        }
        let account = *account;
        write.crawl_state(peer, move |state| {
            state.visible_from.insert(account, first);
        });
        Recorder::commit(turn, write)?;
        Ok(known.is_some_and(|known| first < known))
    }

    /// Whether what a page lacks at its old end could be hidden from the account by now: it is to be asked before that is believed.
    pub(super) fn is_doubtful(
        &self,
        account: &AccountName,
        peer: PeerId,
        covered: IdRange,
        oldest: Option<i32>,
    ) -> Result<bool, ArchiveError> {
        if peer.kind() != IdSpace::Channel || self.asked().contains(&(*account, peer)) {
            return Ok(false);
        }
        let before = oldest.map_or(covered.last, |oldest| oldest.saturating_sub(1));
        let Some(absent) = IdRange::new(covered.first, before) else { return Ok(false) };
        let view = self.archive.view();
        let Some(described) = view.peer(peer)? else { return Ok(true) };
        // A public one hides nothing, but an account may have cleared its own view of it.
        let hides = described.username.is_none() || !view.live_ids(peer, absent)?.is_empty();
        Ok(described.kind == PeerKind::Supergroup && hides)
    }

    /// An account's membership has changed: it may see more or less than it did.
    pub(super) fn forget(&self, account: &AccountName, peer: PeerId) {
        self.asked().remove(&(*account, peer));
    }

    /// An account was not told of everything for a while.
    pub(super) fn forget_all_of(&self, account: &AccountName) {
        self.asked().retain(|(of, _)| of != account);
    }

    fn unanswered(&self) -> MutexGuard<'_, BTreeSet<(AccountName, PeerId)>> {
        self.unanswered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn asked(&self) -> MutexGuard<'_, BTreeSet<(AccountName, PeerId)>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
