//! Going on where the program last ended, however it ended: what was in hand then is found in the archive, and planned at once.
//!
//! Units are kept in memory only, because coverage and cursors are the plan. At a start every hole becomes a unit again, with two cares: a
//! channel whose newest messages are the hole was told of them, so its difference is asked for and not its history; and a peer that no
//! account can address any more (its hash was lost with a session file) is looked for among the dialogs of those that are in it.

use std::collections::BTreeSet;
use std::sync::PoisonError;

use super::Crawler;
use super::history::next_range;
use super::unit::{Priority, Unit};
use super::walk::Reach;
use crate::archive::{ArchiveError, Membership};
use crate::model::PeerId;
use crate::telegram::Seen;

impl Crawler {
    /// Plans what coverage lacks of every peer that a backfill by the clock would read.
    pub(super) fn go_on(&self) -> Result<(), ArchiveError> {
        let mut nobodys = BTreeSet::new();
        for scope in &self.settings.resumed {
            for peer in self.crawled(scope)? {
                if !self.plan(peer, true)? {
                    nobodys.insert(peer);
                }
            }
        }
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

    /// Plans what a peer lacks, or has it looked for where no account can address it; false when nobody knows where to look.
    /// `afresh` where nothing can be under way for it yet.
    pub(super) fn plan(&self, peer: PeerId, afresh: bool) -> Result<bool, ArchiveError> {
        let (coverage, cursor) = (self.archive.coverage(peer)?, self.archive.cursor(peer)?.unwrap_or_default());
        if next_range(&coverage, &cursor, self.clock.timestamp()).is_none() || !self.admits(peer, None)? {
            return Ok(true);
        }
        if self.readers(peer)?.is_empty() {
            return self.seek(peer);
        }
        let told = cursor.pts.is_some() && coverage.read.last().is_some_and(|read| read < cursor.top);
        if afresh && told {
            self.enqueue(Unit::Events { peer }, Priority::Fresh);
        } else {
            self.enqueue(Unit::History { peer }, Priority::Backfill);
        }
        Ok(true)
    }

    /// Has a peer looked for among the dialogs of the accounts that are in it, once. False when none is.
    fn seek(&self, peer: PeerId) -> Result<bool, ArchiveError> {
        let members = self.archive.members(peer)?.into_iter().filter(Membership::current).map(|m| m.account);
        let members: Vec<_> = members.filter(|name| self.clients.contains_key(name)).collect();
        if self.sought.lock().unwrap_or_else(PoisonError::into_inner).insert(peer) {
            for account in &members {
                tracing::info!(account.name = %account, peer.id = peer.0, "account `{account}` has no access hash for peer {peer}; its dialogs are read again");
                self.enqueue(Unit::Walk { account: account.clone(), reach: Reach::Everything, from: None }, Priority::Fresh);
            }
        }
        Ok(!members.is_empty())
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
                self.plan(peer, false)?;
            }
        }
        Ok(())
    }
}
