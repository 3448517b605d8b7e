//! Peers that no account can address any more, because their access hash was lost with a session file: they are looked for among the
//! dialogs of the accounts that are in them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use super::admission::Admission;
use super::missing::next_range;
use super::peers::Peers;
use super::planner::Planner;
use super::unit::Unit;
use crate::archive::{Archive, ArchiveError, CrawlState, Membership};
use crate::dispatch::Priority;
use crate::model::{AccountName, Clock, IdSpace, PeerId};
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
    sought: Mutex<BTreeSet<PeerId>>,
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
    pub(super) fn plan(&self, peer: PeerId) -> Result<(), ArchiveError> {
        let mut unaddressed = Unaddressed::new();
        self.plan_or_seek(peer, false, &mut unaddressed)?;
        self.walk_again(&unaddressed);
        Ok(())
    }

    /// The same, which leaves the looking to the caller; false when nobody knows where to look. `afresh` where nothing can be under way for
    /// the peer yet.
    pub(super) fn plan_or_seek(&self, peer: PeerId, afresh: bool, unaddressed: &mut Unaddressed) -> Result<bool, ArchiveError> {
        let (coverage, state) = (self.archive.view().coverage(peer)?, self.archive.view().crawl_state(peer)?.unwrap_or_default());
        if next_range(&coverage, &state, self.clock.timestamp()).is_none() || !self.admission.admits(peer, None)? {
            return Ok(true);
        }
        if self.peers.readers(peer)?.is_empty() {
            return self.seek(peer, state.account.as_ref(), unaddressed);
        }
        let told = state.pts.is_some() && coverage.read.last().is_some_and(|read| read < state.top);
        if afresh && told {
            self.planner.add(Unit::Events { peer }, Priority::Fresh);
        } else {
            self.planner.add(Unit::History { peer }, Priority::Backfill);
        }
        Ok(true)
    }

    /// Notes, once, in whose dialogs a peer is to be looked for: of the accounts that are in it, or of the one whose ids it is archived by.
    /// False when there is none.
    fn seek(&self, peer: PeerId, owner: Option<&AccountName>, unaddressed: &mut Unaddressed) -> Result<bool, ArchiveError> {
        let own = owner.filter(|_| peer.kind() != IdSpace::Channel);
        if own.is_some_and(|own| !self.clients.has(own)) {
            // Its ids mean nothing to any other account: what was archived stays, and nobody can add to it.
            return Ok(true);
        }
        let members = self.archive.view().members(peer)?.into_iter().filter(Membership::current).map(|m| m.account);
        let may = |name: &AccountName| self.clients.has(name) && own.is_none_or(|own| own == name);
        let members: Vec<_> = members.filter(may).collect();
        let known = !members.is_empty();
        if self.sought.lock().unwrap_or_else(PoisonError::into_inner).insert(peer) {
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
    pub(super) fn found(&self, seen: &MentionedPeers) -> Result<(), ArchiveError> {
        for peer in &seen.learned {
            match self.archive.view().crawl_state(*peer)?.map(|state| state.unavailable) {
                Some(None) => self.plan(*peer)?,
                // What a poll tells of it is news.
                Some(Some(why)) if why == CrawlState::NO_ACCOUNT => self.planner.poll([*peer])?,
                _ => {}
            }
        }
        let found: Vec<PeerId> = {
            let sought = self.sought.lock().unwrap_or_else(PoisonError::into_inner);
            if sought.is_empty() {
                return Ok(());
            }
            seen.peers.iter().map(|p| p.id).filter(|id| sought.contains(id)).collect()
        };
        for peer in found {
            if !self.peers.readers(peer)?.is_empty() {
                self.sought.lock().unwrap_or_else(PoisonError::into_inner).remove(&peer);
                self.plan(peer)?;
            }
        }
        Ok(())
    }
}
