//! Polling single peers, up to a hundred a request: those that no walk finds because no account is a member (discussion groups of
//! channels that are crawled), those that have a schedule of their own, and those that an account has just joined.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::dialogs::{Asked, Dialogs, Noted, Page};
use super::planner::Planner;
use super::recorder::Recorder;
use super::resumption::{FoldersKnown, Resumption};
use super::unit::Unit;
use crate::archive::ArchiveError;
use crate::dispatch::{Assignment, Priority, TaskError};
use crate::model::{AccountName, ChatId, PeerId};
use crate::schedule::Scope;
use crate::telegram::TelegramError;

/// Polls peers.
pub(super) struct Polls {
    pub(super) planner: Arc<Planner>,
    pub(super) recorder: Arc<Recorder>,
    pub(super) dialogs: Arc<Dialogs>,
    pub(super) resumption: Arc<Resumption>,
}

impl Polls {
    /// Asks for the newest of single peers.
    pub(super) async fn poll_peers(&self, assignment: Assignment, peers: Vec<PeerId>) -> Result<(), TaskError> {
        let Assignment { lease, client, .. } = assignment;
        let account = *lease.account();
        let folders_known = self.resumption.folders_known(&account);
        if folders_known == FoldersKnown::Soon {
            // A walk finds them as soon as the folders are known.
            return Ok(());
        }
        self.resumption.resume_with(folders_known)?;
        let pts = client.session().updates().map(|state| state.pts);
        let page = match client.peer_dialogs(&peers).await {
            // One newest message that cannot be read spoils the whole batch: it is found by halving (bisection).
            Err(TelegramError::Unreadable { why }) => {
                drop(lease);
                return Ok(self.unreadable(&account, &peers, &why)?);
            }
            page => page?,
        };
        drop(lease);
        let now = self.recorder.now();
        let outside: BTreeSet<PeerId> = page.seen.left.iter().chain(&page.seen.lost).copied().collect();
        let lost = page.seen.lost.clone();
        let mut write = self.recorder.write();
        let described = page.seen.peers.clone();
        self.recorder.mention(&mut write, &account, page.seen)?;
        let Noted { noted, fresh, .. } = self.dialogs.note(
            &mut write,
            &Page {
                account: &account,
                tops: &page.tops,
                described: &described,
                outside: &outside,
                lost: &lost,
                scope: &Scope::all(),
                folders_known,
                now,
            },
        )?;
        let told: Vec<PeerId> = page.tops.iter().map(|top| top.peer).collect();
        let turn = self.recorder.turn().await;
        self.dialogs.commit(&turn, &Asked { account: &account, pts, peers: &told }, write, noted, fresh)?;
        drop(turn);
        Ok(())
    }

    /// One peer that cannot be read fails the whole batch: it is found by halving (bisection).
    pub(super) fn refused(&self, account: &AccountName, peers: &[PeerId], name: &str) -> Result<(), ArchiveError> {
        if let [peer] = peers {
            tracing::warn!(account.name = %account, peer.id = peer.0, "account `{account}` cannot read peer {peer} ({name})");
            self.recorder.lost_peer(account, *peer, name)?;
            return self.planner.poll([ChatId::seen_by(*account, *peer)]);
        }
        self.poll_halves(account, peers);
        Ok(())
    }

    fn poll_halves(&self, account: &AccountName, peers: &[PeerId]) {
        let (first, second) = peers.split_at(peers.len() / 2);
        for half in [first, second] {
            self.planner.add(Unit::Poll { account: *account, peers: half.to_vec() }, Priority::Fresh);
        }
    }

    /// What is new in a peer whose newest message cannot be read is looked for in its history, which passes over what it must.
    fn unreadable(&self, account: &AccountName, peers: &[PeerId], why: &str) -> Result<(), ArchiveError> {
        let [peer] = peers else {
            self.poll_halves(account, peers);
            return Ok(());
        };
        tracing::warn!(account.name = %account, peer.id = peer.0, "the newest message of peer {peer} cannot be read ({why})");
        metrics::counter!("telescribe_unreadable_total").increment(1);
        self.planner.add_history(ChatId::seen_by(*account, *peer), Priority::Fresh)
    }
}
