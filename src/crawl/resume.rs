//! Going on where the program last ended, however it ended: what was in hand then is found in the archive, and planned at once.
//!
//! Units are kept in memory only, because coverage and cursors are the plan. At a start every hole becomes a unit again, with two cares: a
//! channel whose newest messages are the hole was told of them, so its difference is asked for and not its history; and a peer that no
//! account can address any more (its hash was lost with a session file) is looked for among the dialogs of those that are in it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::PoisonError;

use super::Crawler;
use super::discovery::FoldersKnown;
use super::history::next_range;
use super::unit::{Priority, Unit};
use super::walk::Reach;
use crate::archive::{ArchiveError, Membership};
use crate::model::{AccountName, PeerId, PeerKindOfId};
use crate::telegram::Seen;

/// Accounts that are in peers which nobody can address, and in how many.
type Unaddressed = BTreeMap<AccountName, usize>;

impl Crawler {
    /// Goes on with what was in hand when the program last ended, and with the walks that were put off: once as soon as the folders that the
    /// rules depend on can no longer be waited for, and once more when all are known.
    pub(super) fn go_on_with(&self, known: FoldersKnown) -> Result<(), ArchiveError> {
        let before = {
            let mut gone_on = self.gone_on.lock().unwrap_or_else(PoisonError::into_inner);
            if known <= *gone_on {
                return Ok(());
            }
            std::mem::replace(&mut *gone_on, known)
        };
        if let Err(error) = tokio::task::block_in_place(|| self.go_on(before == FoldersKnown::Soon)) {
            *self.gone_on.lock().unwrap_or_else(PoisonError::into_inner) = before;
            return Err(error);
        }
        if self.settings.rules.scope.is_by_folder() {
            for account in self.clients.keys() {
                self.enqueue(Unit::Walk { account: account.clone(), reach: Reach::Everything, from: None }, Priority::Fresh);
            }
        }
        Ok(())
    }

    /// Plans what coverage lacks of every peer that a backfill by the clock would read; `afresh` the first time.
    fn go_on(&self, afresh: bool) -> Result<(), ArchiveError> {
        let (mut nobodys, mut unaddressed) = (BTreeSet::new(), Unaddressed::new());
        for scope in &self.settings.resumed {
            for peer in self.crawled(scope)? {
                if !self.plan_or_seek(peer, afresh, &mut unaddressed)? {
                    nobodys.insert(peer);
                }
            }
        }
        self.walk_again(&unaddressed);
        if nobodys.is_empty() {
            return Ok(());
        }
        // A group that is read without a member is known from the channel that it is the discussion group of.
        for entry in self.archive.cursors() {
            let (channel, cursor) = entry?;
            if cursor.linked.is_some_and(|group| nobodys.contains(&group)) {
                self.enqueue(Unit::Full { peer: channel }, Priority::Counters);
            }
        }
        Ok(())
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
    fn plan_or_seek(&self, peer: PeerId, afresh: bool, unaddressed: &mut Unaddressed) -> Result<bool, ArchiveError> {
        let (coverage, cursor) = (self.archive.coverage(peer)?, self.archive.cursor(peer)?.unwrap_or_default());
        if next_range(&coverage, &cursor, self.clock.timestamp()).is_none() || !self.admits(peer, None)? {
            return Ok(true);
        }
        if self.readers(peer)?.is_empty() {
            return self.seek(peer, cursor.account.as_ref(), unaddressed);
        }
        let told = cursor.pts.is_some() && coverage.read.last().is_some_and(|read| read < cursor.top);
        if afresh && told {
            self.enqueue(Unit::Events { peer }, Priority::Fresh);
        } else {
            self.enqueue(Unit::History { peer }, Priority::Backfill);
        }
        Ok(true)
    }

    /// Notes, once, in whose dialogs a peer is to be looked for: of the accounts that are in it, or of the one whose ids it is archived by.
    /// False when there is none.
    fn seek(&self, peer: PeerId, owner: Option<&AccountName>, unaddressed: &mut Unaddressed) -> Result<bool, ArchiveError> {
        let own = owner.filter(|_| peer.kind() != PeerKindOfId::Channel);
        if own.is_some_and(|own| !self.clients.contains_key(own)) {
            // Its ids mean nothing to any other account: what was archived stays, and nobody can add to it.
            return Ok(true);
        }
        let members = self.archive.members(peer)?.into_iter().filter(Membership::current).map(|m| m.account);
        let may = |name: &AccountName| self.clients.contains_key(name) && own.is_none_or(|own| own == name);
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
    fn walk_again(&self, unaddressed: &Unaddressed) {
        for (account, peers) in unaddressed {
            tracing::info!(account.name = %account, peers, "account `{account}` has no access hash for {peers} incomplete peers; its dialogs are read again");
            self.enqueue(Unit::Walk { account: account.clone(), reach: Reach::Everything, from: None }, Priority::Fresh);
        }
    }

    /// Plans what is lacking of peers that were looked for, and that an answer has brought.
    pub(super) fn found(&self, seen: &Seen) -> Result<(), ArchiveError> {
        let found: Vec<PeerId> = {
            let sought = self.sought.lock().unwrap_or_else(PoisonError::into_inner);
            if sought.is_empty() {
                return Ok(());
            }
            seen.peers.iter().map(|p| p.id).filter(|id| sought.contains(id)).collect()
        };
        for peer in found {
            if !self.readers(peer)?.is_empty() {
                self.sought.lock().unwrap_or_else(PoisonError::into_inner).remove(&peer);
                self.plan(peer)?;
            }
        }
        Ok(())
    }
}
