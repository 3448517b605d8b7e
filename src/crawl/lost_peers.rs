//! Peers that no account can address any more, because their access hash was lost with a session file: they are looked for among the
//! dialogs of the accounts that are in them. And basic groups whose account can read them no more: another one of ours takes them over.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use super::admission::Admission;
use super::missing::next_range;
use super::peers::Peers;
use super::planner::Planner;
use super::unit::Unit;
use crate::archive::{Archive, ArchiveError, CrawlState, Membership};
use crate::dispatch::Priority;
use crate::model::{AccountName, ChatId, Clock, IdSpace, PeerId};
use crate::telegram::{Clients, MentionedPeers};

/// Accounts that are in peers which nobody can address, and in how many.
pub(super) type Unaddressed = BTreeMap<AccountName, usize>;

/// Plans what peers lack, and looks for those that nobody can address.
pub(super) struct LostPeers {
    archive: Arc<Archive>,
    clients: Arc<Clients>,
    clock: Arc<dyn Clock>,
    peers: Arc<Peers>,
    admission: Arc<Admission>,
    planner: Arc<Planner>,
    /// Peers that lack something and that no account could address, until an answer brings them.
    sought: Mutex<BTreeSet<ChatId>>,
}

impl LostPeers {
    pub(super) fn new(
        archive: Arc<Archive>,
        clients: Arc<Clients>,
        clock: Arc<dyn Clock>,
        peers: Arc<Peers>,
        admission: Arc<Admission>,
        planner: Arc<Planner>,
    ) -> Self {
        Self { archive, clients, clock, peers, admission, planner, sought: Mutex::default() }
    }

    /// Plans what a peer lacks, or has it looked for where no account can address it.
    pub(super) fn plan(&self, chat: ChatId) -> Result<(), ArchiveError> {
        let mut unaddressed = Unaddressed::new();
        self.plan_or_seek(chat, false, &mut unaddressed)?;
        self.walk_again(&unaddressed);
        Ok(())
    }

    /// The same, which leaves the looking to the caller; false when nobody knows where to look. `afresh` where nothing can be under way for
    /// the peer yet.
    pub(super) fn plan_or_seek(&self, chat: ChatId, afresh: bool, unaddressed: &mut Unaddressed) -> Result<bool, ArchiveError> {
        let (coverage, state) = (self.archive.view().coverage(chat)?, self.archive.view().crawl_state(chat)?.unwrap_or_default());
        if next_range(&coverage, &state, self.clock.timestamp()).is_none() || !self.admission.admits(chat.peer(), None)? {
            return Ok(true);
        }
        if self.peers.readers(chat).is_empty() {
            return self.seek(chat, unaddressed);
        }
        let told = state.pts.is_some() && coverage.read.last().is_some_and(|read| read < state.top);
        if afresh && told {
            self.planner.add(Unit::Events { peer: chat.peer() }, Priority::Fresh);
        } else {
            self.planner.add(Unit::History { chat }, Priority::Backfill);
        }
        Ok(true)
    }

    /// Notes, once, in whose dialogs a peer is to be looked for: of the accounts that are in it, or of the one whose ids it is archived by.
    /// False when there is none.
    fn seek(&self, chat: ChatId, unaddressed: &mut Unaddressed) -> Result<bool, ArchiveError> {
        let own = chat.account();
        if chat.peer().has_own_ids() && own.is_none_or(|own| !self.clients.has(&own)) {
            // Its ids mean nothing to any other account: what was archived stays, and nobody can add to it.
            return Ok(true);
        }
        let members = self.archive.view().members(chat.peer())?.into_iter().filter(Membership::current).map(|m| m.account);
        let may = |name: &AccountName| self.clients.has(name) && own.is_none_or(|own| own == *name);
        let members: Vec<_> = members.filter(may).collect();
        let known = !members.is_empty();
        if self.sought.lock().unwrap_or_else(PoisonError::into_inner).insert(chat) {
            for account in members {
                *unaddressed.entry(account).or_default() += 1;
            }
        }
        Ok(known)
    }

    /// Has the dialogs of these accounts walked to the end, which brings the access hashes that they lack.
    pub(super) fn walk_again(&self, unaddressed: &Unaddressed) {
        for (account, peers) in unaddressed {
            tracing::info!(account.name = %account, peers, "account `{account}` has no access hash for {peers} incomplete peers; its dialogs are read again");
            self.planner.add(Unit::discovery(account), Priority::Fresh);
        }
    }

    /// Plans what is lacking of peers that were looked for, and that an answer has brought; and of those that one more account can address
    /// now: it joins what waits for the others.
    pub(super) fn found(&self, account: &AccountName, seen: &MentionedPeers) -> Result<(), ArchiveError> {
        let chat = |peer: PeerId| ChatId::seen_by(*account, peer);
        for chat in seen.learned.iter().copied().map(chat) {
            match self.archive.view().crawl_state(chat)?.map(|state| state.unavailable) {
                Some(None) => self.plan(chat)?,
                // What a poll tells of it is news.
                Some(Some(why)) if why == CrawlState::NO_ACCOUNT => self.planner.poll([chat])?,
                _ => {}
            }
        }
        let found: Vec<ChatId> = {
            let sought = self.sought.lock().unwrap_or_else(PoisonError::into_inner);
            if sought.is_empty() {
                return Ok(());
            }
            seen.peers.iter().map(|p| chat(p.id)).filter(|id| sought.contains(id)).collect()
        };
        for chat in found {
            if !self.peers.readers(chat).is_empty() {
                self.sought.lock().unwrap_or_else(PoisonError::into_inner).remove(&chat);
                self.plan(chat)?;
            }
        }
        Ok(())
    }

    /// Has a basic group asked for that is in no dialogs any more, because it became a supergroup.
    pub(super) fn poll_past(&self, account: &AccountName, group: PeerId) {
        if self.admission.admits_kind_of(group) {
            self.planner.add_poll_of(account, group);
        }
    }

    /// Has another account archive a basic group that an account has left, or can no longer read, where another one of ours is in it.
    pub(super) fn hand_over(&self, account: &AccountName, peer: PeerId) -> Result<(), ArchiveError> {
        if peer.kind() != IdSpace::Chat || !self.peers.owns(account, peer) {
            return Ok(());
        }
        // Also where nobody is known who could: whoever comes has it then.
        self.peers.release(account, peer);
        if let Some(other) = self.peers.other_member(account, peer, &self.planner.ready())? {
            tracing::info!(peer.id = peer.0, account.name = %other, "account `{account}` cannot read group {peer} any more; `{other}` takes it over");
            self.planner.add_poll_of(&other, peer);
        }
        Ok(())
    }
}
