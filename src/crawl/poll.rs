//! Polling single peers, up to a hundred a request: those that no walk finds because no account is a member (discussion groups of
//! channels that are crawled), those that have a schedule of their own, and those that an account has just joined.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::PoisonError;

use super::discovery::FoldersKnown;
use super::unit::{Doer, Priority, Unit};
use super::{Crawler, PACING};
use crate::accounts::Lease;
use crate::archive::ArchiveError;
use crate::model::{AccountName, Peer, PeerId};
use crate::telegram::{PEER_DIALOGS_MAX, TelegramError, method};

impl Crawler {
    /// Polls peers, each by an account that reads it: as few requests as can be, spread over the accounts.
    pub(super) fn poll(&self, peers: impl IntoIterator<Item = PeerId>) -> Result<(), ArchiveError> {
        self.poll_with(peers, |_| true)
    }

    /// The same with some accounts only. One that must wait, or that nobody answers at the moment, is left out where another reads the peer too.
    pub(super) fn poll_with(
        &self,
        peers: impl IntoIterator<Item = PeerId>,
        may: impl Fn(&AccountName) -> bool,
    ) -> Result<(), ArchiveError> {
        let soon = self.clock.now() + PACING;
        let free_at = |name: &AccountName| self.pool.free_at(name, method::PEER_DIALOGS, Priority::Fresh.urgency());
        let waits = |name: &AccountName| free_at(name).is_none_or(|at| at > soon);
        let mut waiting: BTreeSet<AccountName> = self.clients.keys().filter(|name| waits(name)).cloned().collect();
        // The pool knows of no proxy that is down: what the account alone can do fails again and again.
        self.queue.each(|pending| {
            if pending.failures > 0
                && let Doer::Account(name) = pending.unit.doer()
            {
                waiting.insert(name.clone());
            }
        });
        let mut by_account: BTreeMap<AccountName, Vec<PeerId>> = BTreeMap::new();
        for peer in peers {
            let mut readers = self.readers(peer)?;
            readers.retain(|name| may(name));
            if readers.iter().any(|name| !waiting.contains(name)) {
                readers.retain(|name| !waiting.contains(name));
            }
            // A hundred peers cost one request: filling what is begun is cheaper than beginning.
            let begun = readers.iter().find(|r| by_account.get(*r).is_some_and(|p| !p.len().is_multiple_of(PEER_DIALOGS_MAX)));
            if let Some(account) = begun.or_else(|| readers.first()) {
                by_account.entry(account.clone()).or_default().push(peer);
            }
        }
        for (account, mut peers) in by_account {
            peers.sort_unstable();
            for peers in peers.chunks(PEER_DIALOGS_MAX) {
                self.enqueue(Unit::Poll { account: account.clone(), peers: peers.to_vec() }, Priority::Fresh);
            }
        }
        Ok(())
    }

    /// Polls the peers that are crawled although no account has them among its dialogs.
    pub(super) fn poll_followed(&self) -> Result<(), ArchiveError> {
        let followed: BTreeSet<PeerId> = self.followed.lock().unwrap_or_else(PoisonError::into_inner).clone();
        self.poll(followed)
    }

    /// Crawls a peer from now on although no account is a member.
    pub(super) fn follow_alone(&self, peer: PeerId) {
        self.followed.lock().unwrap_or_else(PoisonError::into_inner).insert(peer);
    }

    /// These were seen among an account's dialogs: walks find them.
    pub(super) fn not_followed_alone(&self, peers: impl Iterator<Item = PeerId>) {
        let mut followed = self.followed.lock().unwrap_or_else(PoisonError::into_inner);
        if !followed.is_empty() {
            for peer in peers {
                followed.remove(&peer);
            }
        }
    }

    /// Asks for the newest of single peers.
    pub(super) async fn poll_peers(&self, lease: Lease, peers: Vec<PeerId>) -> anyhow::Result<Result<(), TelegramError>> {
        let account = lease.account().clone();
        let Some(client) = self.clients.get(&account) else { return Ok(Ok(())) };
        let folders_known = self.folders_known();
        if folders_known == FoldersKnown::Soon {
            // A walk finds them as soon as the folders are known.
            return Ok(Ok(()));
        }
        self.go_on_with(folders_known)?;
        let page = match client.peer_dialogs(&peers).await {
            Ok(page) => page,
            Err(error) => return Ok(Err(error)),
        };
        drop(lease);
        let now = self.clock.timestamp();
        let described: BTreeMap<PeerId, Peer> = page.seen.peers.iter().map(|p| (p.id, p.clone())).collect();
        let outside: BTreeSet<PeerId> = page.seen.left.iter().chain(&page.seen.lost).copied().collect();
        let mut write = self.archive.write(now);
        self.see(&mut write, &account, page.seen)?;
        let (mut found, mut fresh) = (Vec::new(), Vec::new());
        for top in page.tops {
            if folders_known != FoldersKnown::All && self.archive.cursor(top.peer)?.is_none() {
                continue;
            }
            let peer = described.get(&top.peer);
            let folders = self.folders_of(&account, top.peer, peer.map(|p| p.kind));
            if !self.admits_in(top.peer, peer, &folders)? {
                continue;
            }
            if !outside.contains(&top.peer) {
                write.joined(top.peer, &account);
            }
            if !self.belongs_to_another(&account, top.peer)? {
                if self.archive.cursor(top.peer)?.is_none() {
                    fresh.push(top.peer);
                }
                self.note_top(&mut write, &account, top, now);
                found.push(top);
            }
        }
        tokio::task::block_in_place(|| client.session().save_access_hashes())?;
        let unread = self.request_differences(found)?;
        Self::commit(write)?;
        self.request_history(unread)?;
        self.introduce(fresh)?;
        Ok(Ok(()))
    }

    /// One peer that cannot be read fails the whole question: halves find it.
    pub(super) fn poll_refused(&self, account: &AccountName, peers: &[PeerId], name: &str) -> anyhow::Result<()> {
        if let [peer] = peers {
            tracing::warn!(account.name = %account, peer.id = peer.0, "account `{account}` cannot read peer {peer} ({name})");
            self.lost_peer(account, *peer, name)?;
            return Ok(self.poll([*peer])?);
        }
        let (first, second) = peers.split_at(peers.len() / 2);
        for half in [first, second] {
            self.enqueue(Unit::Poll { account: account.clone(), peers: half.to_vec() }, Priority::Fresh);
        }
        Ok(())
    }
}
